//! Credentials, and the files and documents that they are held against. The first byte says which: an Authorization field, a
//! token, what a token says, a document with keys, a file with users, a key in PEM.

use std::sync::LazyLock;
use std::time::Duration;

use weir_auth::api_key::{ApiKeys, KeyDigest};
use weir_auth::basic::Credentials;
use weir_auth::jwt::claims::{Expected, FIELD_BYTES_MAX, SUBJECT_BYTES_MAX};
use weir_auth::jwt::key::Key;
use weir_auth::jwt::key_set::{KEYS_MAX, KeySet};
use weir_auth::jwt::verify;
use weir_auth::users::Users;

/// A key whose other half nobody has: every token is refused with it.
const LOST: &[u8] =
    br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

const NOW: Duration = Duration::from_secs(1_700_000_000);

static KEYS: LazyLock<KeySet> = LazyLock::new(|| KeySet::of_jwks(LOST).expect("this is a key set"));

fn expected() -> Expected {
    Expected {
        issuer: None,
        audiences: None,
        leeway: Duration::from_secs(60),
        passed_on: vec!["sub".into(), "roles".into()],
    }
}

fn basic(input: &[u8]) {
    if let Some(Ok(credentials)) = Credentials::read(input) {
        assert!(!credentials.user().contains(':') && !credentials.user().contains(char::is_control));
        assert!(!credentials.password().contains(&0));
    }
}

fn claims(input: &[u8]) {
    let Ok(claims) = serde_json::from_slice(input) else { return };
    let Ok(verified) = expected().check(&claims, NOW) else { return };
    assert!(verified.until > NOW && verified.subject.len() <= SUBJECT_BYTES_MAX);
    for (index, value) in verified.fields {
        assert!(index < 2 && value.len() <= FIELD_BYTES_MAX);
        assert!(!value.contains(char::is_control) && value.trim() == &*value, "{value:?} can be no field");
    }
}

fn users(input: &[u8]) {
    match Users::parse(input) {
        Ok((users, _)) => {
            assert!(users.names().len() > 0);
            for (index, name) in users.names().enumerate() {
                assert_eq!(users.candidate(name).user, Some(index), "{name:?}");
            }
            assert_eq!(users.candidate("a\0b").user, None);
        }
        Err(errors) => assert!(errors.iter().all(|error| error.line > 0)),
    }
}

fn api_key(input: &[u8]) {
    let mut keys = ApiKeys::default();
    let digest = KeyDigest::of(b"0123456789abcdef").expect("this is a key");
    keys.add("a", digest).expect("it is the first one");
    assert_eq!(keys.find(input).is_some(), input == b"0123456789abcdef");
}

/// Holds any bytes against what must be true of them.
pub(crate) fn check(input: &[u8]) {
    let Some((kind, rest)) = input.split_first() else { return };
    match kind % 6 {
        0 => basic(rest),
        1 => assert!(verify(rest, &KEYS, &expected(), NOW).is_err(), "a token without a key"),
        2 => claims(rest),
        3 => {
            if let Ok(keys) = KeySet::of_jwks(rest) {
                assert!((1..=KEYS_MAX).contains(&keys.len()));
            }
        }
        4 => users(rest),
        _ => {
            let _ = Key::of_pem(rest);
            api_key(rest);
        }
    }
}
