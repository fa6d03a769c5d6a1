//! Stage *authenticate*: the client proves who it is, where its route asks for that.
//!
//! Which of several proofs is looked at, and when that is enough, says the rule in `weir-auth`; here is what it takes to
//! look at one. What proved it is taken away before the request goes on.

use weir_auth::refusal::Refusal;
use weir_auth::rule::{Answer, Answers, Decision, PROOFS_MAX};
use weir_http::head::Head;

use super::failure::Failure;
use crate::exchange::{Exchange, IdentityText};
use crate::runtime::authentication::{Authentication, Proof};

/// What was found out about one proof that holds.
#[derive(Debug, Clone, Copy)]
enum Evidence {
    /// The index of the key's name.
    Key(usize),
}

/// Finds out who the client of `x` is.
pub(super) async fn authenticate(x: &mut Exchange) -> Result<(), Failure> {
    if x.route().is_none_or(|route| route.authenticate.is_none()) {
        return Ok(());
    }
    let snapshot = x.snapshot.clone();
    let Some((service, route)) = x.found else { return Ok(()) };
    let Some(asked) = &snapshot.services[service].routes[route].authenticate else { return Ok(()) };
    let outcome = prove(x, asked).await;
    if let Err(refusal) = outcome {
        x.worker.counters.refusals[refusal as usize].add(1);
        return Err(Failure::Unauthenticated(refusal));
    }
    for proof in asked.proofs.iter().filter(|proof| !proof.is_forwarded()) {
        x.request.remove(proof.field());
    }
    Ok(())
}

/// Looks at one proof after the other until the rule has its answer.
async fn prove(x: &mut Exchange, asked: &Authentication) -> Result<(), Refusal> {
    // Which of two is meant would depend on who reads them, Weir or the server behind it.
    if asked.proofs.iter().any(|proof| x.request.get_all(proof.field()).nth(1).is_some()) {
        return Err(Refusal::Repeated);
    }
    let mut answers = Answers::default();
    let mut evidence = [None; PROOFS_MAX];
    let mut refusal = Refusal::Missing;
    loop {
        match asked.rule.decide(&answers) {
            Decision::Ask(index) => {
                let answer = match look_at(x, &asked.proofs[index]) {
                    Ok(found) => {
                        evidence[index] = Some(found);
                        Answer::Holds
                    }
                    Err(why) => {
                        // What is told is what was wrong with what was there, not what was not there.
                        if refusal == Refusal::Missing {
                            refusal = why;
                        }
                        Answer::Fails
                    }
                };
                answers.note(index, answer);
            }
            Decision::Granted => break,
            Decision::Refused | Decision::Unknown => return Err(refusal),
        }
    }
    asked.rule.granted_by(&answers, &mut |index| {
        if let Some(found) = evidence[index] {
            note(x, &asked.proofs[index], found);
        }
    });
    Ok(())
}

/// Whether one proof holds.
fn look_at(x: &Exchange, proof: &Proof) -> Result<Evidence, Refusal> {
    let credential =
        x.request.get(proof.field()).filter(|value| !value.is_empty()).ok_or(Refusal::Missing)?;
    match proof {
        Proof::ApiKey(api_key) => api_key.keys.find(credential).map(Evidence::Key).ok_or(Refusal::Wrong),
    }
}

/// Keeps what a proof says of the client.
fn note(x: &mut Exchange, proof: &Proof, evidence: Evidence) {
    match (proof, evidence) {
        (Proof::ApiKey(api_key), Evidence::Key(index)) => {
            api_key.count(index);
            add_name(&mut x.identity, api_key.keys.name(index));
        }
    }
}

/// Several names stand one behind the other; a plus can't be part of the name of a key.
fn add_name(identity: &mut IdentityText, name: &str) {
    if !identity.is_empty() && !name.is_empty() {
        identity.push(b'+');
    }
    identity.extend_from_slice(name.as_bytes());
}

/// Says in the head of a 401 how the client can prove itself: one challenge for each way (RFC 9110 §11.6.1).
pub(super) fn challenge(x: &Exchange, head: &mut Head) {
    let Some(asked) = x.route().and_then(|route| route.authenticate.as_ref()) else { return };
    for (index, proof) in asked.proofs.iter().enumerate() {
        let challenge = self::challenge_of(proof);
        if asked.proofs[..index].iter().all(|other| challenge_of(other) != challenge) {
            head.append("WWW-Authenticate", challenge.as_bytes());
        }
    }
}

/// How a client is asked for one proof.
fn challenge_of(proof: &Proof) -> String {
    match proof {
        // No scheme is registered for keys in fields of their own, so this one says where the key belongs.
        Proof::ApiKey(api_key) => format!("ApiKey header=\"{}\"", api_key.header),
    }
}
