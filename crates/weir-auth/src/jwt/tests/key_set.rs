//! Keys: sets of them, which one is taken, and files with one.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::super::key::{Algorithm, Key, KeyFault};
use super::super::key_set::{KEYS_MAX, KeySet, KeySetError};
use super::super::verify;
use super::{ISSUER, NOW, SECRET, claims, expected, key_of, pem, token_of, url};
use crate::refusal::Refusal;

fn jwk(id: Option<&str>, algorithm: Algorithm) -> Value {
    let [n, e, x, y, ed] = &ISSUER.parts;
    let mut jwk = match algorithm {
        Algorithm::Hs256 => json!({"kty": "oct", "k": url(SECRET)}),
        Algorithm::Rs256 => json!({"kty": "RSA", "n": n, "e": e}),
        Algorithm::Es256 => json!({"kty": "EC", "crv": "P-256", "x": x, "y": y}),
        Algorithm::EdDsa => json!({"kty": "OKP", "crv": "Ed25519", "x": ed}),
    };
    if let Some(id) = id {
        jwk["kid"] = id.into();
    }
    jwk
}

fn jwks(keys: &[Value]) -> Result<KeySet, KeySetError> {
    KeySet::of_jwks(json!({ "keys": keys }).to_string().as_bytes())
}

#[test]
fn a_key_is_found_by_its_name() {
    let keys = jwks(&[
        jwk(Some("r"), Algorithm::Rs256),
        jwk(Some("e"), Algorithm::Es256),
        jwk(Some("both"), Algorithm::EdDsa),
        jwk(Some("both"), Algorithm::Rs256),
        jwk(None, Algorithm::Es256),
    ])
    .unwrap();
    let check = |algorithm: Algorithm, id: Option<&str>, wanted: Result<(), Refusal>| {
        let header = match id {
            Some(id) => json!({"alg": algorithm.name(), "kid": id}),
            None => json!({"alg": algorithm.name()}),
        };
        let token = token_of(algorithm, &header, &claims());
        let verified = verify(token.as_bytes(), &keys, &expected(), NOW).map(|_| ());
        assert_eq!(verified, wanted, "{algorithm:?} {id:?}");
    };
    check(Algorithm::Rs256, Some("r"), Ok(()));
    check(Algorithm::Rs256, Some("both"), Ok(()));
    check(Algorithm::EdDsa, Some("both"), Ok(()));
    check(Algorithm::Es256, Some("both"), Err(Refusal::Algorithm));
    check(Algorithm::Es256, Some("r"), Err(Refusal::Algorithm));
    check(Algorithm::Hs256, Some("r"), Err(Refusal::Algorithm));
    check(Algorithm::Rs256, Some("x"), Err(Refusal::UnknownKey));
    check(Algorithm::Rs256, Some(""), Err(Refusal::UnknownKey));
    check(Algorithm::Rs256, Some("R"), Err(Refusal::UnknownKey));
    check(Algorithm::Rs256, None, Ok(()));
    check(Algorithm::Es256, None, Ok(()));
    check(Algorithm::Hs256, None, Err(Refusal::Algorithm));
    let only = jwks(&[jwk(Some("r"), Algorithm::Rs256), jwk(Some("e"), Algorithm::Es256)]).unwrap();
    let only = only.only(&[Algorithm::Es256]);
    assert_eq!(only.len(), 1);
    let token = token_of(Algorithm::Rs256, &json!({"alg": "RS256", "kid": "r"}), &claims());
    assert!(verify(token.as_bytes(), &only, &expected(), NOW).is_err());
}

#[test]
fn a_name_that_stands_twice_is_tried_with_both() {
    let other = Ed25519KeyPair::generate().unwrap();
    let other = json!({"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": url(other.public_key().as_ref())});
    let token = token_of(Algorithm::EdDsa, &json!({"alg": "EdDSA", "kid": "a"}), &claims());
    let ours = jwk(Some("a"), Algorithm::EdDsa);
    for keys in [[other.clone(), ours.clone()], [ours.clone(), other.clone()]] {
        assert!(verify(token.as_bytes(), &jwks(&keys).unwrap(), &expected(), NOW).is_ok());
    }
    // Not with any number of them.
    let mut many = vec![other; 5];
    many.push(ours);
    assert_eq!(verify(token.as_bytes(), &jwks(&many).unwrap(), &expected(), NOW), Err(Refusal::Wrong));
}

#[test]
fn keys_that_are_not_for_this_are_passed_over() {
    let with = |algorithm: Algorithm, name: &str, value: Value| {
        let mut jwk = jwk(Some("a"), algorithm);
        jwk[name] = value;
        jwk
    };
    let good = jwk(Some("good"), Algorithm::EdDsa);
    for passed_over in [
        jwk(Some("a"), Algorithm::Hs256),
        with(Algorithm::Rs256, "use", json!("enc")),
        with(Algorithm::Rs256, "use", json!(1)),
        with(Algorithm::Rs256, "key_ops", json!(["sign"])),
        with(Algorithm::Rs256, "key_ops", json!("verify")),
        with(Algorithm::Rs256, "alg", json!("RS512")),
        with(Algorithm::Rs256, "alg", json!("HS256")),
        with(Algorithm::Rs256, "alg", json!("ES256")),
        with(Algorithm::Rs256, "alg", json!(1)),
        with(Algorithm::Rs256, "kid", json!(1)),
        with(Algorithm::Rs256, "n", json!("AQAB")),
        with(Algorithm::Rs256, "n", json!("")),
        with(Algorithm::Rs256, "e", json!("AA")),
        with(Algorithm::Rs256, "e", json!("!")),
        with(Algorithm::Es256, "crv", json!("P-384")),
        with(Algorithm::Es256, "x", json!("AA")),
        with(Algorithm::Es256, "y", json!(url(&[7; 32]))),
        with(Algorithm::EdDsa, "crv", json!("Ed448")),
        with(Algorithm::EdDsa, "crv", json!("X25519")),
        with(Algorithm::EdDsa, "x", json!("AA")),
        with(Algorithm::EdDsa, "kty", json!("EC")),
        json!({}),
        json!(1),
        json!({"kty": "new"}),
    ] {
        assert_eq!(jwks(std::slice::from_ref(&passed_over)).err(), Some(KeySetError::NoKey), "{passed_over}");
        assert_eq!(jwks(&[passed_over.clone(), good.clone()]).unwrap().len(), 1, "{passed_over}");
    }
    for taken in [
        with(Algorithm::Rs256, "use", json!("sig")),
        with(Algorithm::Rs256, "key_ops", json!(["sign", "verify"])),
        with(Algorithm::Rs256, "alg", json!("RS256")),
        with(Algorithm::EdDsa, "alg", json!("Ed25519")),
        with(Algorithm::EdDsa, "x5c", json!(["anything"])),
    ] {
        assert_eq!(jwks(std::slice::from_ref(&taken)).unwrap().len(), 1, "{taken}");
    }
}

#[test]
fn what_is_no_key_set_is_refused() {
    let check = |document: &str, wanted: KeySetError| {
        assert_eq!(KeySet::of_jwks(document.as_bytes()).unwrap_err(), wanted, "{document}");
    };
    for document in ["", "{", "[]", "{}", "{\"keys\":{}}", "{\"keys\":null}", "<html>", "{\"Keys\":[]}"] {
        check(document, KeySetError::Form);
    }
    check("{\"keys\":[]}", KeySetError::NoKey);
    let many = vec![jwk(None, Algorithm::EdDsa); KEYS_MAX];
    assert_eq!(jwks(&many).unwrap().len(), KEYS_MAX);
    check(&json!({ "keys": vec![json!({}); KEYS_MAX + 1] }).to_string(), KeySetError::TooMany);
}

#[test]
fn keys_in_files_are_public_and_large_enough() {
    let check = |text: &str, wanted: KeyFault| {
        assert_eq!(Key::of_pem(text.as_bytes()).err(), Some(wanted), "{text}");
    };
    assert_eq!(key_of(Algorithm::Rs256).algorithm(), Algorithm::Rs256);
    assert_eq!(key_of(Algorithm::Es256).algorithm(), Algorithm::Es256);
    assert_eq!(key_of(Algorithm::EdDsa).algorithm(), Algorithm::EdDsa);
    check("", KeyFault::NoPem);
    check("0123456789abcdef", KeyFault::NoPem);
    for label in
        ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY"]
    {
        check(&pem(label, &[1, 2, 3]), KeyFault::Private);
    }
    check(&pem("CERTIFICATE", &[1, 2, 3]), KeyFault::Certificate);
    check(&pem("PUBLIC KEY", &[1, 2, 3]), KeyFault::Unsupported);
    check(&pem("SSH2 PUBLIC KEY", &[1, 2, 3]), KeyFault::Unsupported);
    let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let p384: PublicKeyX509Der<'_> = p384.public_key().as_der().unwrap();
    check(&pem("PUBLIC KEY", p384.as_ref()), KeyFault::Unsupported);
    // `openssl genrsa 1024 | openssl rsa -pubout`
    let small = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC24I09goVa/qa6Wv2FuaZut25+HANlIbLMk+g/CMZFomyLCg4zPbKQLfuhG4fW3UfM8t/qdp6K1yJVV0eOz+rbezLktiILhm+6D/W1Wx1xuKza3PuNYsMUYTo8D2ifV+dkmG3KXq8Pl3fvvcQd3x/0Ewm28C33yXfltn89LFZ1uQIDAQAB";
    check(&format!("-----BEGIN PUBLIC KEY-----\n{small}\n-----END PUBLIC KEY-----"), KeyFault::RsaSize);
    assert_eq!(Key::of_secret(&SECRET[..31]).err(), Some(KeyFault::ShortSecret));
    assert!(Key::of_secret(SECRET).is_ok());
    assert!(!format!("{:?}", key_of(Algorithm::Hs256)).contains("0123"));
}
