//! Stage *authenticate*: the client proves who it is, where its route asks for that.
//!
//! Which of several proofs is looked at, and when that is enough, says the rule in `weir-auth`; here is what it takes to
//! look at one. What proved it is taken away before the request goes on.

mod password;
mod token;

use std::rc::Rc;

use weir_auth::jwt::claims::Verified;
use weir_auth::refusal::Refusal;
use weir_auth::rule::{Answer, Answers, Decision, PROOFS_MAX};
use weir_http::head::Head;

use super::failure::Failure;
use crate::exchange::{Exchange, IdentityText};
use crate::runtime::authentication::{Authentication, Proof};

/// What was found out about one proof that holds.
#[derive(Debug)]
enum Evidence {
    /// The index of the key's name.
    Key(usize),
    /// The index of the user.
    User(usize),
    /// What the token says.
    Token(Rc<Verified>),
}

/// What a client has proved: by each proof that let it in, what was found out.
type Evidences = [Option<Evidence>; PROOFS_MAX];

/// Whether the route of `x` asks for a proof.
pub(super) fn is_asked(x: &Exchange) -> bool {
    x.route().is_some_and(|route| route.authenticate.is_some())
}

/// Finds out who the client of `x` is.
pub(super) async fn authenticate(x: &mut Exchange) -> Result<(), Failure> {
    let snapshot = x.snapshot.clone();
    let Some(route) = x.found else { return Ok(()) };
    let Some(asked) = &snapshot.routes[route].authenticate else { return Ok(()) };
    let outcome = prove(x, asked).await;
    if let Err(Failure::Unauthenticated { refusal, .. }) = &outcome {
        x.worker.counters.refusals[*refusal as usize].add(1);
    }
    let proved = outcome?;
    clean(x, asked);
    for (index, (proof, evidence)) in asked.proofs.iter().zip(proved).enumerate() {
        if let Some(evidence) = evidence {
            note(x, index, proof, evidence);
        }
    }
    Ok(())
}

/// Takes away what was meant for us. What nobody but us may say, `receive` has taken away.
fn clean(x: &mut Exchange, asked: &Authentication) {
    for proof in &asked.proofs {
        let is_ours = |value: &[u8]| !proof.is_forwarded() && proof.is_meant_by(value);
        if x.request.get(proof.field()).is_some_and(is_ours) {
            x.request.remove(proof.field());
        }
    }
}

/// Looks at one proof after the other until the rule has its answer.
async fn prove(x: &mut Exchange, asked: &Authentication) -> Result<Evidences, Failure> {
    // Which of two is meant would depend on who reads them, Weir or the server behind it.
    if asked.proofs.iter().any(|proof| x.request.get_all(proof.field()).nth(1).is_some()) {
        return Err(Failure::refused(Refusal::Repeated));
    }
    let mut answers = Answers::default();
    let mut found = Evidences::default();
    let mut refusals = Refusals::default();
    loop {
        match asked.rule.decide(&answers) {
            Decision::Ask(index) => match look_at(x, &asked.proofs[index]).await {
                Ok(evidence) => {
                    found[index] = Some(evidence);
                    answers.note(index, Answer::Holds);
                }
                Err(Failure::Unauthenticated { refusal, bad_token }) => {
                    refusals.note(refusal, bad_token);
                    answers.note(index, if refusal.is_passing() { Answer::Unknown } else { Answer::Fails });
                }
                Err(failure) => return Err(failure),
            },
            Decision::Granted => break,
            Decision::Refused => return Err(refusals.lasting()),
            Decision::Unknown => return Err(Failure::refused(refusals.passing)),
        }
    }
    let mut proved = Evidences::default();
    asked.rule.granted_by(&answers, &mut |index| proved[index] = found[index].take());
    Ok(proved)
}

/// The refusals that are told of: what was wrong with what was there, before what was not there.
struct Refusals {
    lasting: Refusal,
    passing: Refusal,
    bad_token: bool,
}

impl Default for Refusals {
    fn default() -> Self {
        Self { lasting: Refusal::Missing, passing: Refusal::Busy, bad_token: false }
    }
}

impl Refusals {
    fn note(&mut self, refusal: Refusal, bad_token: bool) {
        self.bad_token |= bad_token;
        if refusal.is_passing() {
            self.passing = refusal;
        } else if self.lasting == Refusal::Missing {
            self.lasting = refusal;
        }
    }

    fn lasting(&self) -> Failure {
        Failure::Unauthenticated { refusal: self.lasting, bad_token: self.bad_token }
    }
}

/// Whether one proof holds.
async fn look_at(x: &mut Exchange, proof: &Proof) -> Result<Evidence, Failure> {
    match proof {
        Proof::ApiKey(api_key) => {
            let key = x.request.get(&*api_key.header).filter(|value| !value.is_empty());
            let key = key.ok_or(Failure::refused(Refusal::Missing))?;
            api_key.keys.find(key).map(Evidence::Key).ok_or(Failure::refused(Refusal::Wrong))
        }
        Proof::Basic(basic) => password::user(x, basic).await.map(Evidence::User),
        Proof::Jwt(jwt) => token::claims(x, jwt).map(Evidence::Token).map_err(|refusal| {
            let bad_token = refusal != Refusal::Missing && !refusal.is_passing();
            Failure::Unauthenticated { refusal, bad_token }
        }),
    }
}

/// Keeps what the proof of this index says of the client.
fn note(x: &mut Exchange, index: usize, proof: &Proof, evidence: Evidence) {
    let names_bytes = x.identity.len();
    match (proof, evidence) {
        (Proof::ApiKey(api_key), Evidence::Key(index)) => {
            api_key.requests.count(index);
            add_name(&mut x.identity, api_key.keys.name(index));
        }
        (Proof::Basic(basic), Evidence::User(index)) => {
            basic.requests.count(index);
            add_name(&mut x.identity, basic.users.name(index));
        }
        (Proof::Jwt(jwt), Evidence::Token(claims)) => {
            jwt.requests.count(0);
            add_name(&mut x.identity, &claims.subject);
            for (index, value) in &claims.fields {
                x.request.append(&*jwt.fields[*index], value.as_bytes());
            }
        }
        (Proof::ApiKey(_) | Proof::Basic(_) | Proof::Jwt(_), _) => {
            debug_assert!(false, "a proof is noted with its own evidence");
        }
    }
    x.proved.note(index, x.identity.len() > names_bytes);
}

/// Several names stand one behind the other. Users and subjects may have a plus of their own, which is written as in a URL, so
/// that `a+b` in a log, or as the key of a rate, is always two names.
fn add_name(identity: &mut IdentityText, name: &str) {
    if !identity.is_empty() && !name.is_empty() {
        identity.push(b'+');
    }
    for part in name.split_inclusive(['+', '%']) {
        let (plain, escaped) = match part.as_bytes() {
            [plain @ .., b'+'] => (plain, &b"%2B"[..]),
            [plain @ .., b'%'] => (plain, &b"%25"[..]),
            plain => (plain, &b""[..]),
        };
        identity.extend_from_slice(plain);
        identity.extend_from_slice(escaped);
    }
}

/// Says in the head of a 401 how the client can prove itself: one challenge for each way (RFC 9110 §11.6.1).
pub(super) fn challenge(x: &Exchange, head: &mut Head, bad_token: bool) {
    let Some(asked) = x.route().and_then(|route| route.authenticate.as_ref()) else { return };
    let challenges: Vec<String> = asked.proofs.iter().map(|proof| proof.challenge(bad_token)).collect();
    for (index, challenge) in challenges.iter().enumerate() {
        if !challenges[..index].contains(challenge) {
            head.append("WWW-Authenticate", challenge.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_from_several() {
        let names = |names: &[&str]| {
            let mut identity = IdentityText::new();
            names.iter().for_each(|name| add_name(&mut identity, name));
            String::from_utf8_lossy(&identity).into_owned()
        };
        for (several, expected) in [
            (&["shop"][..], "shop"),
            (&["shop", "alice"], "shop+alice"),
            (&["shop+alice"], "shop%2Balice"),
            (&["shop%2Balice"], "shop%252Balice"),
            (&["+", "%", "ü+"], "%2B+%25+ü%2B"),
            (&["", "alice"], "alice"),
            (&["alice", ""], "alice"),
        ] {
            assert_eq!(names(several), expected);
        }
    }
}
