//! Who may ask, where that is not everybody: the one who knows the token (RFC 6750).
//!
//! Only the digest of the token is kept, and it is compared in constant time. Whether the process lives and is ready is told to
//! everybody: load balancers and supervisors ask for that, and it is no secret.

use std::sync::Arc;

use hyper::header::{AUTHORIZATION, HeaderMap};
use tokio::sync::watch;
use weir_auth::api_key::{ApiKeys, KeyDigest};

use crate::guard::Guard;

/// Who may ask a listener, and under which names.
#[derive(Debug, Clone, Default)]
pub struct Admission {
    /// What clients must know.
    pub token: Option<KeyDigest>,
    /// Names that requests may have as their Host, beside addresses and `localhost`. Names have no port.
    pub hosts: Vec<Box<str>>,
}

/// Who is let in, which may become another one while requests come.
#[derive(Debug, Default)]
pub struct Door(watch::Sender<Arc<Gate>>);

/// Who is let in at one moment.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    pub(crate) guard: Guard,
    pub(crate) token: Token,
}

impl Gate {
    fn new(admission: Admission) -> Self {
        Self { guard: Guard::new(&admission.hosts), token: Token::new(admission.token) }
    }
}

impl Door {
    /// Lets those in.
    pub fn new(admission: Admission) -> Self {
        Self(watch::Sender::new(Arc::new(Gate::new(admission))))
    }

    /// From the next request on lets those in, also on connections that are open. What is being told to whoever knows another token
    /// ends.
    pub fn exchange(&self, admission: Admission) {
        self.0.send_replace(Arc::new(Gate::new(admission)));
    }

    pub(crate) fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.0.borrow())
    }

    /// Whether those who come are asked for a token.
    pub(crate) fn wants_token(&self) -> bool {
        self.0.borrow().token.is_wanted()
    }

    /// Waits until whoever was let in through this gate would not be let in any more.
    pub(crate) async fn is_closed_to(&self, admitted: &Gate) {
        let mut gates = self.0.subscribe();
        // It ends in no other way: the sender is in here.
        let _ = gates.wait_for(|gate| !gate.token.admits_whoever_knows(&admitted.token)).await;
    }
}

/// The token, ready to be held against what clients say.
#[derive(Debug, Default)]
pub(crate) struct Token(Option<(ApiKeys, KeyDigest)>);

impl Token {
    /// Without a token everybody may ask.
    pub(crate) fn new(token: Option<KeyDigest>) -> Self {
        Self(token.map(|digest| {
            let mut keys = ApiKeys::default();
            // The first key has no other one to be in conflict with.
            let _ = keys.add("admin", digest.clone());
            (keys, digest)
        }))
    }

    /// Whether there is one.
    fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Whether whoever knows the other one may ask.
    fn admits_whoever_knows(&self, other: &Self) -> bool {
        let digest = |token: &Self| token.0.as_ref().map(|(_, digest)| digest.clone());
        !self.is_wanted() || digest(self) == digest(other)
    }

    /// Whether these fields say it.
    pub(crate) fn admits(&self, fields: &HeaderMap) -> bool {
        let Some((keys, _)) = &self.0 else { return true };
        let mut said = fields.get_all(AUTHORIZATION).iter();
        let (Some(said), None) = (said.next(), said.next()) else { return false };
        let Some((scheme, token)) = said.as_bytes().split_at_checked(7) else { return false };
        // RFC 9110 §11.1: the scheme in any case, then a space.
        scheme.eq_ignore_ascii_case(b"bearer ") && keys.find(token.trim_ascii()).is_some()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use hyper::header::HeaderValue;

    use super::*;

    fn admits(said: &[&str]) -> bool {
        let token = Token::new(Some(KeyDigest::of(b"0123456789abcdef").unwrap()));
        let mut fields = HeaderMap::new();
        for value in said {
            fields.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        token.admits(&fields)
    }

    #[test]
    fn only_the_token_itself_is_it() {
        assert!(admits(&["Bearer 0123456789abcdef"]));
        assert!(admits(&["bearer  0123456789abcdef"]));
        for said in [
            &[][..],
            &[""],
            &["Bearer"],
            &["Bearer "],
            &["0123456789abcdef"],
            &["Basic 0123456789abcdef"],
            &["Bearer 0123456789abcde"],
            &["Bearer 0123456789abcdeff"],
            &["Bearer 0123456789ABCDEF"],
            &["Bearer 0123456789abcdef", "Bearer 0123456789abcdef"],
        ] {
            assert!(!admits(said), "{said:?}");
        }
    }

    #[test]
    fn another_token_holds_from_the_next_request_on() {
        let admission = |token: &[u8]| Admission { token: KeyDigest::of(token).ok(), ..Admission::default() };
        let door = Door::new(admission(b"0123456789abcdef"));
        let mut fields = HeaderMap::new();
        fields.insert(AUTHORIZATION, HeaderValue::from_static("Bearer 0123456789abcdef"));
        assert!(door.gate().token.admits(&fields));
        door.exchange(admission(b"fedcba9876543210"));
        assert!(!door.gate().token.admits(&fields));
    }

    #[test]
    fn a_gate_is_closed_to_whoever_knows_another_token() {
        let token = |token: Option<&[u8]>| Token::new(token.map(|token| KeyDigest::of(token).unwrap()));
        let (one, other) = (Some(&b"0123456789abcdef"[..]), Some(&b"fedcba9876543210"[..]));
        for (now, before, is_admitted) in
            [(one, one, true), (one, other, false), (one, None, false), (None, one, true), (None, None, true)]
        {
            assert_eq!(token(now).admits_whoever_knows(&token(before)), is_admitted, "{now:?} {before:?}");
        }
    }

    #[test]
    fn without_a_token_everybody_may_ask() {
        assert!(Token::default().admits(&HeaderMap::new()));
        let told = format!("{:?}", Token::new(Some(KeyDigest::of(b"0123456789abcdef").unwrap())));
        assert!(!told.contains("0123"), "{told}");
    }
}
