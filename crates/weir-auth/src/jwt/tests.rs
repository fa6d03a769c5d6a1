//! Tokens of others, tokens that lie, and tokens that are none. They are made by another implementation.
#![allow(clippy::unwrap_used)]

mod key_set;

use std::sync::LazyLock;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use serde_json::{Value, json};

use super::claims::{Expected, Verified};
use super::key::{Algorithm, Key};
use super::key_set::KeySet;
use super::token::TOKEN_BYTES_MAX;
use super::verify;
use crate::refusal::Refusal;

const NOW: Duration = Duration::from_secs(1_700_000_000);
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// An issuer with a key of each kind.
struct Issuer {
    rsa: EncodingKey,
    rsa_pem: String,
    ec: EncodingKey,
    ec_pem: String,
    ed: EncodingKey,
    ed_pem: String,
    /// The public keys as `n`, `e`; `x`, `y`; `x`.
    parts: [String; 5],
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

static ISSUER: LazyLock<Issuer> = LazyLock::new(|| {
    let rsa = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let rsa_private: Pkcs8V1Der<'_> = rsa.as_der().unwrap();
    let rsa_public: PublicKeyX509Der<'_> = rsa.public_key().as_der().unwrap();
    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let ec_public: PublicKeyX509Der<'_> = ec.public_key().as_der().unwrap();
    let point = ec.public_key().as_ref().to_vec();
    let ed = Ed25519KeyPair::generate().unwrap();
    let ed_private: Pkcs8V1Der<'_> = ed.as_der().unwrap();
    let ed_public: PublicKeyX509Der<'_> = ed.public_key().as_der().unwrap();
    let modulus = rsa.public_key().modulus().big_endian_without_leading_zero();
    let exponent = rsa.public_key().exponent().big_endian_without_leading_zero();
    Issuer {
        rsa: EncodingKey::from_rsa_pem(pem("PRIVATE KEY", rsa_private.as_ref()).as_bytes()).unwrap(),
        rsa_pem: pem("PUBLIC KEY", rsa_public.as_ref()),
        ec: EncodingKey::from_ec_der(ec.to_pkcs8v1().unwrap().as_ref()),
        ec_pem: pem("PUBLIC KEY", ec_public.as_ref()),
        ed: EncodingKey::from_ed_der(ed_private.as_ref()),
        ed_pem: pem("PUBLIC KEY", ed_public.as_ref()),
        parts: [
            url(modulus),
            url(exponent),
            url(&point[1..33]),
            url(&point[33..]),
            url(ed.public_key().as_ref()),
        ],
    }
});

/// A token with this header and these claims, signed for this algorithm by the other implementation.
fn signed(header: &Value, claims: &Value, algorithm: jsonwebtoken::Algorithm, key: &EncodingKey) -> String {
    let message = format!("{}.{}", url(header.to_string().as_bytes()), url(claims.to_string().as_bytes()));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// A token signed with the key for this algorithm.
fn token_of(algorithm: Algorithm, header: &Value, claims: &Value) -> String {
    use jsonwebtoken::Algorithm as Theirs;
    match algorithm {
        Algorithm::Hs256 => signed(header, claims, Theirs::HS256, &EncodingKey::from_secret(SECRET)),
        Algorithm::Rs256 => signed(header, claims, Theirs::RS256, &ISSUER.rsa),
        Algorithm::Es256 => signed(header, claims, Theirs::ES256, &ISSUER.ec),
        Algorithm::EdDsa => signed(header, claims, Theirs::EdDSA, &ISSUER.ed),
    }
}

/// The key with which a token of this algorithm is checked.
fn key_of(algorithm: Algorithm) -> Key {
    match algorithm {
        Algorithm::Hs256 => Key::of_secret(SECRET).unwrap(),
        Algorithm::Rs256 => Key::of_pem(ISSUER.rsa_pem.as_bytes()).unwrap(),
        Algorithm::Es256 => Key::of_pem(ISSUER.ec_pem.as_bytes()).unwrap(),
        Algorithm::EdDsa => Key::of_pem(ISSUER.ed_pem.as_bytes()).unwrap(),
    }
}

fn expected() -> Expected {
    Expected {
        issuer: Some("https://issuer.test".into()),
        audiences: Some(vec!["api".into(), "web".into()]),
        leeway: Duration::from_secs(60),
        passed_on: vec!["sub".into(), "roles".into()],
    }
}

fn claims() -> Value {
    json!({ "iss": "https://issuer.test", "aud": "api", "sub": "alice", "exp": 1_700_000_300 })
}

/// The usual claims with these in their place; `null` takes one away.
fn claims_with(changes: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn verify_with(key: Key, token: &str) -> Result<Verified, Refusal> {
    verify(token.as_bytes(), &KeySet::of_one(key), &expected(), NOW)
}

/// What comes of the usual claims with these changes, signed as they should be.
#[track_caller]
fn check(changes: &Value, wanted: Result<(), Refusal>) {
    let token = token_of(Algorithm::EdDsa, &json!({"alg": "EdDSA"}), &claims_with(changes));
    assert_eq!(verify_with(key_of(Algorithm::EdDsa), &token).map(|_| ()), wanted, "{changes}");
}

#[test]
fn tokens_of_another_implementation_are_good() {
    for algorithm in Algorithm::ALL {
        let token = token_of(algorithm, &json!({"alg": algorithm.name(), "typ": "JWT"}), &claims());
        let verified = verify_with(key_of(algorithm), &token).unwrap();
        assert_eq!(&*verified.subject, "alice");
        assert_eq!(verified.fields, [(0, "alice".into())]);
        assert_eq!(verified.until, Duration::from_secs(1_700_000_360));
    }
}

#[test]
fn the_examples_of_the_standards_are_good() {
    let expected = Expected { issuer: Some("joe".into()), audiences: None, ..expected() };
    let jwks = json!({"keys": [
        // RFC 7515 A.2, A.3
        {"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"},
        {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
    ]});
    let jwks = KeySet::of_jwks(jwks.to_string().as_bytes()).unwrap();
    let secret = URL_SAFE_NO_PAD
        .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
        .unwrap();
    let secret = KeySet::of_one(Key::of_secret(&secret).unwrap());
    let payload =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    for (keys, header, signature) in [
        (&secret, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        (
            &jwks,
            "eyJhbGciOiJSUzI1NiJ9",
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ),
        (
            &jwks,
            "eyJhbGciOiJFUzI1NiJ9",
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
    ] {
        let token = format!("{header}.{payload}.{signature}");
        let at =
            |seconds| verify(token.as_bytes(), keys, &expected, Duration::from_secs(seconds)).map(|_| ());
        assert_eq!(at(1_300_819_379), Ok(()), "{header}");
        assert_eq!(at(1_300_819_380 + 60), Err(Refusal::Time));
    }
    // RFC 8037 A.4, whose payload is no JSON: the key alone.
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let key = Key::of_jwk(jwk.as_object().unwrap()).unwrap();
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    assert!(key.verify(b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc", &signature));
}

#[test]
fn no_token_chooses_how_it_is_checked() {
    let unsigned = |algorithm: &str| {
        format!(
            "{}.{}.",
            url(json!({"alg": algorithm}).to_string().as_bytes()),
            url(claims().to_string().as_bytes())
        )
    };
    for none in ["none", "None", "NONE", "nOnE", "", "HS384", "RS512", "PS256", "ES384", "hs256"] {
        for algorithm in Algorithm::ALL {
            let token = unsigned(none);
            assert_eq!(verify_with(key_of(algorithm), &token), Err(Refusal::Algorithm), "{none}");
        }
    }
    // A signature that is simply not there.
    for algorithm in Algorithm::ALL {
        assert_eq!(verify_with(key_of(algorithm), &unsigned(algorithm.name())), Err(Refusal::Wrong));
    }
    // The public key, which everybody has, taken for a secret: as text and as bytes.
    for (algorithm, pem) in [
        (Algorithm::Rs256, &ISSUER.rsa_pem),
        (Algorithm::Es256, &ISSUER.ec_pem),
        (Algorithm::EdDsa, &ISSUER.ed_pem),
    ] {
        let der = crate::pem::first_block(pem.as_bytes()).unwrap().der;
        for secret in [pem.as_bytes(), pem.trim_end().as_bytes(), &der] {
            let secret = EncodingKey::from_secret(secret);
            let hs256 = jsonwebtoken::Algorithm::HS256;
            let token = signed(&json!({"alg": "HS256"}), &claims(), hs256, &secret);
            assert_eq!(verify_with(key_of(algorithm), &token), Err(Refusal::Algorithm));
            // The same with a header that says what the key is for.
            let token = signed(&json!({"alg": algorithm.name()}), &claims(), hs256, &secret);
            assert_eq!(verify_with(key_of(algorithm), &token), Err(Refusal::Wrong));
        }
    }
    // Every good token at every wrong key.
    for made in Algorithm::ALL {
        for named in Algorithm::ALL {
            for held in Algorithm::ALL {
                let token = token_of(made, &json!({"alg": named.name()}), &claims());
                let wanted = if named != held {
                    Err(Refusal::Algorithm)
                } else if made != held {
                    Err(Refusal::Wrong)
                } else {
                    Ok(())
                };
                let verified = verify_with(key_of(held), &token).map(|_| ());
                assert_eq!(verified, wanted, "made {made:?} named {named:?} held {held:?}");
            }
        }
    }
}

#[test]
fn a_changed_byte_is_another_token() {
    for algorithm in [Algorithm::Hs256, Algorithm::EdDsa] {
        let token = token_of(algorithm, &json!({"alg": algorithm.name()}), &claims());
        let keys = KeySet::of_one(key_of(algorithm));
        for place in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            assert!(verify(&changed, &keys, &expected(), NOW).is_err(), "byte {place}");
        }
        for shorter in 0..token.len() {
            assert!(
                verify(&token.as_bytes()[..shorter], &keys, &expected(), NOW).is_err(),
                "{shorter} bytes"
            );
        }
    }
}

#[test]
fn what_is_no_token_is_malformed() {
    let good = token_of(Algorithm::EdDsa, &json!({"alg": "EdDSA"}), &claims());
    let [header, claims, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let with_header = |header: &str| format!("{}.{claims}.{signature}", url(header.as_bytes()));
    for token in [
        String::new(),
        "..".to_owned(),
        "a.b".to_owned(),
        "a.b.c".to_owned(),
        format!("{good}."),
        format!("{good}.x"),
        // Five parts: an encrypted one.
        format!("{header}.{claims}.{claims}.{claims}.{signature}"),
        format!("{good} "),
        format!("{good}="),
        good.replace('.', "\n"),
        format!("!!!.{claims}.{signature}"),
        with_header("{"),
        with_header("[]"),
        with_header("\"EdDSA\""),
        with_header("{}"),
        with_header("{\"alg\":1}"),
        with_header("{\"alg\":null}"),
        with_header("{\"alg\":\"EdDSA\",\"kid\":1}"),
        with_header("{\"alg\":\"EdDSA\",\"crit\":[\"exp\"]}"),
        with_header("{\"alg\":\"EdDSA\",\"b64\":false,\"crit\":[\"b64\"]}"),
        with_header(&format!("{}1{}", "[".repeat(2000), "]".repeat(2000))),
        format!("{}.{claims}.{signature}", url(b"\xff\xfe")),
    ] {
        assert_eq!(verify_with(key_of(Algorithm::EdDsa), &token), Err(Refusal::Malformed), "{token}");
    }
}

#[test]
fn claims_that_are_no_object_are_malformed_also_with_a_signature() {
    for claims in [json!([]), json!("x"), json!(1), Value::Null] {
        let token = token_of(Algorithm::EdDsa, &json!({"alg": "EdDSA"}), &claims);
        assert_eq!(verify_with(key_of(Algorithm::EdDsa), &token), Err(Refusal::Malformed), "{claims}");
    }
}

#[test]
fn a_token_over_the_limit_is_not_decoded() {
    let padded = |bytes: usize| {
        let header = json!({"alg": "EdDSA", "x": "a".repeat(bytes)});
        token_of(Algorithm::EdDsa, &header, &claims())
    };
    assert_eq!(verify_with(key_of(Algorithm::EdDsa), &padded(20_000)), Err(Refusal::Malformed));
    let fits = (0..TOKEN_BYTES_MAX).rev().find(|bytes| padded(*bytes).len() <= TOKEN_BYTES_MAX).unwrap();
    assert!(verify_with(key_of(Algorithm::EdDsa), &padded(fits)).is_ok());
    assert_eq!(verify_with(key_of(Algorithm::EdDsa), &padded(fits + 1)), Err(Refusal::Malformed));
}

#[test]
fn times_have_a_leeway_and_an_end() {
    let now = 1_700_000_000;
    let time = Err(Refusal::Time);
    check(&json!({"exp": now + 1}), Ok(()));
    check(&json!({"exp": now}), Ok(()));
    check(&json!({"exp": now - 59}), Ok(()));
    check(&json!({"exp": now - 60}), time);
    check(&json!({"exp": 0}), time);
    check(&json!({"exp": f64::from(now) - 59.5}), Ok(()));
    check(&json!({"exp": f64::from(now) - 60.5}), time);
    check(&json!({"exp": 1e300}), Ok(()));
    check(&json!({"nbf": now}), Ok(()));
    check(&json!({"nbf": now + 60}), Ok(()));
    check(&json!({"nbf": now + 61}), time);
    check(&json!({"nbf": 1e300}), time);
    check(&json!({"iat": now + 60}), Ok(()));
    check(&json!({"iat": now + 61}), time);
    check(&json!({"iat": 0}), Ok(()));
    for no_time in [json!("1700000300"), json!(-1), json!([]), json!(true), json!({"a": 1})] {
        check(&json!({"exp": no_time}), Err(Refusal::Claims));
        check(&json!({"nbf": no_time}), Err(Refusal::Claims));
    }
    check(&json!({"exp": null}), Err(Refusal::Claims));
}

#[test]
fn a_token_is_from_somebody_and_for_somebody() {
    let refused = Err(Refusal::Claims);
    for issuer in [
        json!(null),
        json!("https://issuer.test/"),
        json!("https://ISSUER.test"),
        json!(["https://issuer.test"]),
        json!(1),
    ] {
        check(&json!({"iss": issuer}), refused);
    }
    check(&json!({"aud": "web"}), Ok(()));
    check(&json!({"aud": ["other", "web"]}), Ok(()));
    for audience in [
        json!(null),
        json!("other"),
        json!([]),
        json!(["other"]),
        json!("ap"),
        json!("api "),
        json!([["api"]]),
        json!({"api": 1}),
        json!(1),
    ] {
        check(&json!({"aud": audience}), refused);
    }
    let anybody = Expected { issuer: None, audiences: None, ..expected() };
    let token = token_of(Algorithm::EdDsa, &json!({"alg": "EdDSA"}), &json!({"exp": 1_700_000_300}));
    let keys = KeySet::of_one(key_of(Algorithm::EdDsa));
    let verified = verify(token.as_bytes(), &keys, &anybody, NOW).unwrap();
    assert_eq!((&*verified.subject, verified.fields.len()), ("", 0));
}

#[test]
fn claims_become_fields_or_the_token_is_bad() {
    let field = |roles: Value| {
        let token =
            token_of(Algorithm::EdDsa, &json!({"alg": "EdDSA"}), &claims_with(&json!({"roles": roles})));
        let verified = verify_with(key_of(Algorithm::EdDsa), &token)?;
        Ok(verified.fields.into_iter().find(|(index, _)| *index == 1).map(|(_, value)| value.into_string()))
    };
    let check = |roles: Value, wanted: Option<&str>| {
        assert_eq!(field(roles.clone()), Ok(wanted.map(str::to_owned)), "{roles}");
    };
    check(json!("admin"), Some("admin"));
    check(json!("Jürgen Groß"), Some("Jürgen Groß"));
    check(json!(["a", "b"]), Some("a,b"));
    check(json!(["a", 1, true]), Some("a,1,true"));
    check(json!([]), Some(""));
    check(json!(7), Some("7"));
    check(json!(false), Some("false"));
    check(Value::Null, None);
    for bad in [
        json!("a\r\nX-Admin: yes"),
        json!("a\u{0}"),
        json!("a\u{85}"),
        json!(" admin"),
        json!("admin "),
        json!("\u{a0}admin"),
        json!(["a,b"]),
        json!(["a", ""]),
        json!(["a", ["b"]]),
        json!(["a", null]),
        json!({"a": 1}),
        json!("a".repeat(1025)),
    ] {
        assert_eq!(field(bad.clone()), Err(Refusal::Claims), "{bad}");
    }
    let subject = |subject: Value| {
        let token =
            token_of(Algorithm::EdDsa, &json!({"alg": "EdDSA"}), &claims_with(&json!({"sub": subject})));
        verify_with(key_of(Algorithm::EdDsa), &token).map(|verified| verified.subject.into_string())
    };
    assert_eq!(subject(json!("a".repeat(255))), Ok("a".repeat(255)));
    assert_eq!(subject(json!("a".repeat(256))), Err(Refusal::Claims));
    assert_eq!(subject(json!(["alice"])), Err(Refusal::Claims));
    assert_eq!(subject(json!(7)), Err(Refusal::Claims));
}

#[test]
fn a_claim_that_stands_twice_is_what_it_says_last() {
    let claims = "{\"iss\":\"other\",\"aud\":\"api\",\"exp\":1700000300,\"iss\":\"https://issuer.test\",\"sub\":\"a\",\"sub\":\"b\"}";
    let message = format!("{}.{}", url(b"{\"alg\":\"none\",\"alg\":\"EdDSA\"}"), url(claims.as_bytes()));
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &ISSUER.ed, jsonwebtoken::Algorithm::EdDSA).unwrap();
    let verified = verify_with(key_of(Algorithm::EdDsa), &format!("{message}.{signature}")).unwrap();
    assert_eq!(&*verified.subject, "b");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(token in prop::collection::vec(any::<u8>(), 0..300)) {
        let keys = KeySet::of_one(key_of(Algorithm::Hs256));
        assert!(verify(&token, &keys, &expected(), NOW).is_err());
    }

    #[test]
    fn no_three_parts_make_it_panic(header in ".{0,60}", claims in ".{0,60}", signature in prop::collection::vec(any::<u8>(), 0..80)) {
        let token = format!("{}.{}.{}", url(header.as_bytes()), url(claims.as_bytes()), url(&signature));
        let keys = KeySet::of_one(key_of(Algorithm::EdDsa));
        assert!(verify(token.as_bytes(), &keys, &expected(), NOW).is_err());
    }

    #[test]
    fn no_signed_claims_make_it_panic(name in "iss|aud|sub|exp|nbf|iat|roles", number in any::<f64>(), text in ".{0,40}", kind in 0..5u8) {
        let value = match kind {
            0 => json!(number),
            1 => json!(text),
            2 => json!([text, number]),
            3 => json!({ "a": text }),
            _ => Value::Null,
        };
        let token = token_of(Algorithm::Hs256, &json!({"alg": "HS256"}), &claims_with(&json!({ name: value })));
        if let Ok(verified) = verify_with(key_of(Algorithm::Hs256), &token) {
            for (_, value) in verified.fields {
                assert!(!value.contains(char::is_control) && value.trim() == &*value);
            }
        }
    }

    #[test]
    fn no_document_makes_it_panic(document in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = KeySet::of_jwks(&document);
    }
}
