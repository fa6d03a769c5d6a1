//! Stage *authenticate*: the client proves who it is, where its route asks for that.
//!
//! Which of several proofs is looked at, and when that is enough, says the rule in `weir-auth`; here is what it takes to
//! look at one. What proved it is taken away before the request goes on.

mod password;

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
    /// The index of the user.
    User(usize),
}

/// Whether the route of `x` asks for a proof.
pub(super) fn is_asked(x: &Exchange) -> bool {
    x.route().is_some_and(|route| route.authenticate.is_some())
}

/// Finds out who the client of `x` is.
pub(super) async fn authenticate(x: &mut Exchange) -> Result<(), Failure> {
    let snapshot = x.snapshot.clone();
    let Some((service, route)) = x.found else { return Ok(()) };
    let Some(asked) = &snapshot.services[service].routes[route].authenticate else { return Ok(()) };
    let outcome = prove(x, asked).await;
    if let Err(Failure::Unauthenticated(refusal)) = &outcome {
        x.worker.counters.refusals[*refusal as usize].add(1);
    }
    outcome?;
    for proof in asked.proofs.iter().filter(|proof| !proof.is_forwarded()) {
        if x.request.get(proof.field()).is_some_and(|value| proof.is_meant_by(value)) {
            x.request.remove(proof.field());
        }
    }
    Ok(())
}

/// Looks at one proof after the other until the rule has its answer.
async fn prove(x: &mut Exchange, asked: &Authentication) -> Result<(), Failure> {
    // Which of two is meant would depend on who reads them, Weir or the server behind it.
    if asked.proofs.iter().any(|proof| x.request.get_all(proof.field()).nth(1).is_some()) {
        return Err(Failure::Unauthenticated(Refusal::Repeated));
    }
    let mut answers = Answers::default();
    let mut evidence = [None; PROOFS_MAX];
    let mut refusals = Refusals::default();
    loop {
        match asked.rule.decide(&answers) {
            Decision::Ask(index) => match look_at(x, &asked.proofs[index]).await {
                Ok(found) => {
                    evidence[index] = Some(found);
                    answers.note(index, Answer::Holds);
                }
                Err(Failure::Unauthenticated(refusal)) => {
                    refusals.note(refusal);
                    answers.note(index, if refusal.is_passing() { Answer::Unknown } else { Answer::Fails });
                }
                Err(failure) => return Err(failure),
            },
            Decision::Granted => break,
            Decision::Refused => return Err(Failure::Unauthenticated(refusals.lasting)),
            Decision::Unknown => return Err(Failure::Unauthenticated(refusals.passing)),
        }
    }
    asked.rule.granted_by(&answers, &mut |index| {
        if let Some(found) = evidence[index] {
            note(x, &asked.proofs[index], found);
        }
    });
    Ok(())
}

/// The refusals that are told of: what was wrong with what was there, before what was not there.
struct Refusals {
    lasting: Refusal,
    passing: Refusal,
}

impl Default for Refusals {
    fn default() -> Self {
        Self { lasting: Refusal::Missing, passing: Refusal::Busy }
    }
}

impl Refusals {
    fn note(&mut self, refusal: Refusal) {
        if refusal.is_passing() {
            self.passing = refusal;
        } else if self.lasting == Refusal::Missing {
            self.lasting = refusal;
        }
    }
}

/// Whether one proof holds.
async fn look_at(x: &mut Exchange, proof: &Proof) -> Result<Evidence, Failure> {
    match proof {
        Proof::ApiKey(api_key) => {
            let key = x.request.get(&*api_key.header).filter(|value| !value.is_empty());
            let key = key.ok_or(Failure::Unauthenticated(Refusal::Missing))?;
            let found = api_key.keys.find(key).map(Evidence::Key);
            found.ok_or(Failure::Unauthenticated(Refusal::Wrong))
        }
        Proof::Basic(basic) => password::user(x, basic).await.map(Evidence::User),
    }
}

/// Keeps what a proof says of the client.
fn note(x: &mut Exchange, proof: &Proof, evidence: Evidence) {
    match (proof, evidence) {
        (Proof::ApiKey(api_key), Evidence::Key(index)) => {
            api_key.requests.count(index);
            add_name(&mut x.identity, api_key.keys.name(index));
        }
        (Proof::Basic(basic), Evidence::User(index)) => {
            basic.requests.count(index);
            add_name(&mut x.identity, basic.users.name(index));
        }
        (Proof::ApiKey(_) | Proof::Basic(_), Evidence::Key(_) | Evidence::User(_)) => {
            debug_assert!(false, "a proof is noted with its own evidence");
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
    let challenges: Vec<String> = asked.proofs.iter().map(Proof::challenge).collect();
    for (index, challenge) in challenges.iter().enumerate() {
        if !challenges[..index].contains(challenge) {
            head.append("WWW-Authenticate", challenge.as_bytes());
        }
    }
}
