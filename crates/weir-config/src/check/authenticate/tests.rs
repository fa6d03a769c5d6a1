//! What may be asked of clients, and what is told when it can't be.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::load;
use crate::model::{Model, Proof};

/// A directory of a test's own, with these files.
struct Files(PathBuf);

impl Files {
    fn new(files: &[(&str, &[u8])]) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("weir-config-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        for (name, content) in files {
            std::fs::write(path.join(name), content).unwrap();
        }
        Self(path)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // What is left lies in a directory for what is left.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn environment(name: &str) -> Option<String> {
    let value = match name {
        "LONG" => "long-enough-to-be-a-key",
        "OTHER" => "another-long-enough-key",
        "SHORT" => "swordfish",
        "EMPTY" => "",
        "SECRET" => "long-enough-to-be-a-secret-for-an-hmac",
        "PEM" => ED25519,
        "SPACED" => "sword fish",
        "AS_FILE" => "file:key",
        _ => return None,
    };
    Some(value.to_owned())
}

/// What is never told, wherever it was written.
const SECRETS: [&str; 4] = ["long-enough", "swordfish", "sword fish", "another-long"];

/// The model, or everything that people are shown.
fn parsed(authenticate: &str, base: &Path) -> Result<(Model, String), String> {
    let text = format!("services:\n- host: a\n  respond: {{}}\n  authenticate: {authenticate}\n");
    let outcome = load::parse("t", text.as_bytes(), &environment, base);
    let (outcome, shown) = match outcome {
        Ok(loaded) => {
            let shown = loaded.warnings.render(false);
            (Ok((loaded.model, shown.clone())), shown)
        }
        Err(report) => {
            let shown = report.render(false) + &report.to_json().to_string();
            (Err(shown.clone()), shown)
        }
    };
    let told = SECRETS.iter().find(|secret| shown.contains(**secret));
    assert_eq!(told, None, "{shown}");
    outcome
}

fn check(authenticate: &str, expected: Result<&str, &str>) {
    let base = Files::new(&[("key", b"from-a-file-of-its-own\n")]);
    match (parsed(authenticate, &base.0), expected) {
        (Ok((model, _)), Ok(part)) => {
            let shown = format!("{:?}", model.services[0].routes[0].authenticate);
            assert!(shown.contains(part), "{authenticate}: no {part} in {shown}");
            let told = SECRETS.iter().find(|secret| shown.contains(**secret));
            assert_eq!(told, None, "{shown}");
        }
        (Err(shown), Err(part)) => {
            for part in part.split(" … ") {
                assert!(shown.contains(part), "{authenticate}: no {part:?} in\n{shown}");
            }
        }
        (Ok(_), Err(part)) => panic!("{authenticate} is taken, not refused with {part}"),
        (Err(shown), Ok(_)) => panic!("{authenticate} is refused:\n{shown}"),
    }
}

#[test]
fn api_keys_come_from_elsewhere() {
    check(
        "{api_key: {keys: {shop: \"${LONG}\"}}}",
        Ok(r#"header: "X-API-Key", keys: ApiKeys { names: ["shop"]"#),
    );
    check("{api_key: {keys: {shop: 'file:key'}, header: Api-Token, forward: true}}", Ok("forward: true"));
    check("{api_key: {keys: {shop: '${AS_FILE}'}}}", Ok("shop"));
    check("{api_key: {keys: {shop: '${MISSING:-long-enough-to-be-a-key}'}}}", Ok("shop"));
    let digest = "sha256:2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683";
    check(
        &format!("{{api_key: {{keys: {{a: '{digest}', b: ['${{LONG}}', '${{OTHER}}']}}}}}}"),
        Ok(r#"["a", "b"]"#),
    );
}

#[test]
fn a_key_in_the_configuration_is_refused_and_not_shown() {
    check(
        "{api_key: {keys: {shop: swordfish}}}",
        Err("the key itself does not stand in the configuration … ${NAME}"),
    );
    check("{api_key: {keys: {shop: 'swordfish', b: '${EMPTY}'}}}", Err("the key is empty"));
    check("{api_key: {keys: swordfish}}", Err("expected a mapping from names to keys"));
    check("{api_key: {keys: [swordfish]}}", Err("expected a mapping from names to keys"));
    check("{api_key: swordfish}", Err("expected a mapping (`api_key`)"));
    check("{api_key: [swordfish]}", Err("expected a mapping (`api_key`)"));
    check("{api_key: '${SHORT}'}", Err("expected a mapping (`api_key`)"));
    check("swordfish", Err("expected a mapping (`authenticate`), or `off`"));
    check("{any: swordfish}", Err("expected a list of proofs"));
    check("{any: [swordfish]}", Err("expected a mapping (`authenticate`)"));
    check("{api_kye: {keys: {shop: swordfish}}}", Err("did you mean `api_key`?"));
    check("{api_key: {kyes: {shop: swordfish}}}", Err("did you mean `keys`?"));
    check("{api_key: {keys: {shop: {a: swordfish}}}}", Err("expected a key"));
    check(
        "{api_key: {keys: {'sword fish': '${LONG}', b: swordfish}}}".replace("sword fish", "a b").as_str(),
        Err("is not the name of a key"),
    );
    check("{api_key: {header: 'a b', keys: {b: swordfish}}}", Err("is not the name of a field"));
}

#[test]
fn keys_that_can_not_work_are_refused() {
    check("{api_key: {}}", Err("there is no key, so nobody could come in"));
    check("{api_key: {keys: {}}}", Err("there is no key"));
    check("{api_key: {keys: {shop: '${SPACED}'}}}", Err("spaces, control characters"));
    check("{api_key: {keys: {shop: 'sha256:00'}}}", Err("a SHA-256 has 64 hexadecimal digits … sha256sum"));
    check("{api_key: {keys: {shop: 'file:nothing'}}}", Err("the file `/ … nothing` can't be read"));
    check("{api_key: {keys: {shop: 'file:.'}}}", Err("it is no regular file"));
    check("{api_key: {keys: {shop: 'file:/dev/zero'}}}", Err("it is no regular file"));
    check("{api_key: {keys: {a: '${LONG}', b: '${LONG}'}}}", Err("`b` and `a` have the same key"));
    check("{api_key: {keys: {a: ['${LONG}', '${LONG}']}}}", Err("`a` has this key already"));
    check("{api_key: {header: Host, keys: {a: '${LONG}'}}}", Err("`Host`"));
    check("{api_key: {header: Content-Length, keys: {a: '${LONG}'}}}", Err("belongs to the connection"));
}

#[test]
fn a_short_key_is_a_warning() {
    let (_, shown) = parsed("{api_key: {keys: {shop: '${SHORT}'}}}", Path::new("")).unwrap();
    assert!(shown.contains("warning: a key of less than 16 bytes can be guessed"), "{shown}");
    assert!(shown.contains("'${SHORT}'"), "where the key comes from may be seen:\n{shown}");
    let (_, shown) = parsed("{api_key: {keys: {shop: '${LONG}'}}}", Path::new("")).unwrap();
    assert_eq!(shown, "");
}

#[test]
fn keys_from_a_file_of_many() {
    let check = |content: &[u8], expected: Result<&[&str], &str>| {
        let base = Files::new(&[("keys", content)]);
        match (parsed("{api_key: {file: keys}}", &base.0), expected) {
            (Ok((model, _)), Ok(names)) => {
                let authenticate = model.services[0].routes[0].authenticate.as_ref().unwrap();
                let Proof::ApiKey(api_key) = &authenticate.proofs[0] else { panic!("no key") };
                assert_eq!(api_key.keys.names().collect::<Vec<_>>(), names);
            }
            (Err(shown), Err(part)) => assert!(shown.contains(part), "no {part:?} in\n{shown}"),
            (outcome, _) => panic!("{}: {outcome:?}", content.escape_ascii()),
        }
    };
    let digest = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683";
    check(
        b"# keys\n\n  shop: long-enough-to-be-a-key \r\noffice:another-long-enough-key\n",
        Ok(&["shop", "office"]),
    );
    check(format!("a:sha256:{digest}").as_bytes(), Ok(&["a"]));
    check(b"a:long-enough-1\na:long-enough-2", Ok(&["a"]));
    check(b"", Err("there is no key"));
    check(b"# nothing", Err("there is no key"));
    check(b"\nswordfish", Err("line 2 of `keys`: this is not `name:key`"));
    check(b"sword fish:x", Err("line 1 of `keys`: this is not `name:key`"));
    check(b"a:", Err("line 1 of `keys`: the key is empty"));
    check(b"a:swordfish\nb:swordfish", Err("`b` and `a` have the same key"));
    check(b"a:sha256:swordfish", Err("64 hexadecimal digits"));
    check(b"\xff", Err("is not UTF-8"));
}

#[test]
fn one_thing_is_asked_for_or_several_in_a_list() {
    let key = "{api_key: {keys: {a: '${LONG}'}}}";
    check(
        &format!("{{any: [{key}, {{api_key: {{header: B, keys: {{b: '${{LONG}}'}}}}}}]}}"),
        Ok("rule: Any([One(0), One(1)])"),
    );
    check(&format!("{{all: [{key}, {{any: [{key}]}}]}}"), Ok("rule: All([One(0), Any([One(1)])])"));
    check("{}", Err("this does not say what a client has to prove"));
    check("{any: []}", Err("a list of proofs"));
    check("{any: [off]}", Err("expected a mapping (`authenticate`)"));
    check(&format!("{{any: [{key}], all: [{key}]}}"), Err("is it `any` and `all`, or one of them?"));
    let nested = |deep: usize| format!("{}{key}{}", "{any: [".repeat(deep), "]}".repeat(deep));
    check(&nested(3), Ok("Any([Any([Any([One(0)])])])"));
    check(&nested(4), Err("more than 4 deep"));
    check(&format!("{{any: [{}]}}", [key; 8].join(", ")), Ok("One(7)"));
    check(&format!("{{any: [{}]}}", [key; 9].join(", ")), Err("more than 8 proofs"));
}

#[test]
fn a_service_asks_for_its_routes_and_a_route_for_itself() {
    let text = "services:
- host: a
  authenticate: {api_key: {keys: {a: '${LONG}'}}}
  routes:
  - {path: /own, respond: {}, authenticate: {api_key: {keys: {b: '${OTHER}'}}}}
  - {path: /open, respond: {}, authenticate: off}
  - {path: /, respond: {}}
- {host: b, respond: {}}
";
    let model = load::parse("t", text.as_bytes(), &environment, Path::new("")).unwrap().model;
    let names = |service: usize, route: usize| {
        let authenticate = model.services[service].routes[route].authenticate.as_ref()?;
        let Proof::ApiKey(api_key) = &authenticate.proofs[0] else { return None };
        Some(api_key.keys.name(0).to_owned())
    };
    assert_eq!(names(0, 0).as_deref(), Some("b"));
    assert_eq!(names(0, 1), None);
    assert_eq!(names(0, 2).as_deref(), Some("a"));
    assert_eq!(names(1, 0), None);
}

#[test]
fn what_is_wrong_at_a_service_is_told_once() {
    let text = "services: [{host: a, authenticate: {api_key: {}}, routes: [{path: /a, respond: {}}, {respond: {}}]}]";
    let report = load::parse("t", text.as_bytes(), &environment, Path::new("")).unwrap_err();
    assert_eq!(report.problems().len(), 1, "{report}");
}

/// bcrypt at cost 10, and Argon2 with 64 MiB.
const ALICE: &str = "alice:$2b$10$e/LDCgsBvukp7Phfro5nUOch4zR6pJUQYfGJvRHKBvuiF9l6e/m7G";
const BOB: &str =
    "bob:$argon2id$v=19$m=65536,t=3,p=1$c29tZXNhbHRzb21lc2FsdA$bKQ9i7zNYi1RHLw4R/HbJE0Ru1CCqJ5PwJu5ODYvKcQ";

/// What is shown of a file with users: warnings, or errors.
fn check_users(content: &str, expected: &[&str]) {
    let base = Files::new(&[("users", content.as_bytes())]);
    let shown = match parsed("{basic: {file: users}}", &base.0) {
        Ok((_, shown)) | Err(shown) => shown,
    };
    for part in expected {
        assert!(shown.contains(part), "no {part:?} in\n{shown}");
    }
    assert!(!expected.is_empty() || shown.is_empty(), "{shown}");
    assert!(!shown.contains("$2") && !shown.contains("$argon2id$v"), "{shown}");
}

#[test]
fn users_come_from_a_file() {
    check_users(&format!("# users\n{ALICE}\n{BOB}\n"), &[]);
    check_users(
        &ALICE.replace("$10$", "$05$"),
        &["warning: line 1 of `users`: this hash is guessed too quickly", "htpasswd -B -C 10"],
    );
    check_users("", &["there is no user in `users`", "htpasswd -B"]);
    check_users("alice:swordfish", &["line 1 of `users`: this is neither bcrypt nor Argon2", "htpasswd -B"]);
    check_users("\nswordfish", &["line 2 of `users`: this is not `user:hash`"]);
    check_users(
        &format!("{ALICE}\nbob:$apr1$x$y"),
        &["line 2 of `users`: MD5 (`$apr1$`) is guessed too quickly"],
    );
    check_users(&format!("{ALICE}\nbob:{{SHA}}x"), &["line 2 of `users`: SHA-1"]);
    check_users(&ALICE.replace("$10$", "$20$"), &["more than two seconds", "with a lower cost"]);
    check_users(&format!("{ALICE}\n{ALICE}"), &["line 2 of `users`: this user stood there before"]);
    check_users(&"a\n".repeat(20), &["line 5 of `users`", "and 15 more lines of `users`"]);
}

#[test]
fn basic_has_a_file_and_a_realm() {
    check("{basic: {}}", Err("`basic` needs `file`"));
    check("{basic: users}", Err("expected a mapping (`basic`)"));
    check("{basic: {file: nothing}}", Err("nothing` can't be read"));
    check("{basic: {file: key, realm: 'a\"b'}}", Err("a realm has 1 to 128 ASCII characters"));
    check("{basic: {file: key, password: swordfish}}", Err("unknown key `password`"));
    let base = Files::new(&[("users", ALICE.as_bytes())]);
    let (model, _) = parsed("{basic: {file: users, realm: Back office}}", &base.0).unwrap();
    let shown = format!("{:?}", model.services[0].routes[0].authenticate);
    assert!(shown.contains("realm: \"Back office\", forward: false"), "{shown}");
    assert!(!shown.contains("$2"), "{shown}");
}

const ED25519: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAPq6oPWS+06dH+t52bbkHaFUrXxoU1JJsc3V9TVVdwGA=\n-----END PUBLIC KEY-----\n";

/// With an issuer and an audience, and files with a key, what should be one and a certificate.
fn check_jwt(keys: &str, expected: Result<&str, &str>) {
    let certificate = ED25519.replace("PUBLIC KEY", "CERTIFICATE");
    let private = ED25519.replace("PUBLIC KEY", "PRIVATE KEY");
    let base = Files::new(&[
        ("key.pem", ED25519.as_bytes()),
        ("certificate.pem", certificate.as_bytes()),
        ("private.pem", private.as_bytes()),
        ("secret", b"long-enough-to-be-a-secret-for-an-hmac\n"),
        ("short", b"swordfish"),
    ]);
    let text = format!("{{jwt: {{issuer: 'https://i.test', audience: api, {keys}}}}}");
    match (parsed(&text, &base.0), expected) {
        (Ok((model, _)), Ok(part)) => {
            let shown = format!("{:?}", model.services[0].routes[0].authenticate);
            assert!(shown.contains(part), "{keys}: no {part} in {shown}");
            assert!(!SECRETS.iter().any(|secret| shown.contains(secret)), "{shown}");
        }
        (Err(shown), Err(part)) => assert!(shown.contains(part), "{keys}: no {part:?} in\n{shown}"),
        (Ok(_), Err(part)) => panic!("{keys} is taken, not refused with {part}"),
        (Err(shown), Ok(_)) => panic!("{keys} is refused:\n{shown}"),
    }
}

#[test]
fn tokens_have_a_key_from_somewhere() {
    check_jwt(
        "key: key.pem",
        Ok("Fixed(KeySet { keys: [NamedKey { id: None, key: Key { algorithm: EdDsa, .. } }]"),
    );
    check_jwt("secret: '${SECRET}'", Ok("algorithm: Hs256"));
    check_jwt("secret: 'file:secret'", Ok("algorithm: Hs256"));
    check_jwt("key: key.pem, algorithms: [EdDSA, RS256]", Ok("EdDsa"));
    check_jwt(
        "key: key.pem, leeway: 5s, header: X-Token, forward: true",
        Ok("leeway: 5s, passed_on: [] }, fields: [], header: \"X-Token\""),
    );
    check_jwt(
        "key: key.pem, claims: {sub: X-User, 'https://x.test/roles': X-Roles}",
        Ok(r#"fields: ["X-User", "X-Roles"]"#),
    );
    check_jwt("jwks: {url: 'http://127.0.0.1:1/keys?a=b', plain_http: true}", Ok("target: \"/keys?a=b\""));
    check_jwt(
        "jwks: {url: 'http://i.test', plain_http: true}, algorithms: ES256",
        Ok("target: \"/\", algorithms: [Es256]"),
    );
    check_jwt("jwks: {url: 'https://i.test/keys', tls: {verify: none}}", Ok("scheme: Https"));
    check_jwt("", Err("this does not say by which key tokens are checked"));
    check_jwt("key: key.pem, secret: '${SECRET}'", Err("by one of `key`, `secret` and `jwks`"));
    check("{jwt: {key: key}}", Err("`jwt` needs `issuer`"));
    check("{jwt: {issuer: a, key: key}}", Err("`jwt` needs `audience`"));
}

#[test]
fn keys_that_are_none_say_what_they_are() {
    check_jwt("key: nothing.pem", Err("nothing.pem` can't be read"));
    check_jwt("key: short", Err("`short`: there is no PEM block in it"));
    check_jwt("key: private.pem", Err("`private.pem`: this is a private key"));
    check_jwt("key: private.pem", Err("openssl pkey -in FILE -pubout"));
    check_jwt("key: certificate.pem", Err("openssl x509 -in FILE -pubkey -noout"));
    check_jwt("key: key.pem, algorithms: [RS256]", Err("the key is for EdDSA, which is not among these"));
    check_jwt("key: key.pem, algorithms: none", Err("`none` is no algorithm"));
    check_jwt("key: key.pem, algorithms: [RS512]", Err("write `HS256`, `RS256`, `ES256` or `EdDSA`"));
    check_jwt("secret: '${SHORT}'", Err("at least 32 bytes (RFC 7518 §3.2)"));
    check_jwt("secret: 'file:short'", Err("at least 32 bytes (RFC 7518 §3.2)"));
    check_jwt(
        "secret: long-enough-to-be-a-secret-for-an-hmac",
        Err("the secret itself does not stand in the configuration"),
    );
    check_jwt("secret: [long-enough-to-be-a-secret-for-an-hmac]", Err("expected a secret"));
    check_jwt("secrets: long-enough-to-be-a-secret-for-an-hmac", Err("did you mean `secret`?"));
    check_jwt("secret: '${PEM}'", Err("this is a key in PEM and no secret"));
    check_jwt("secret: 'file:key.pem'", Err("this is a key in PEM and no secret"));
    let digest = "sha256:2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683";
    check_jwt(&format!("secret: '{digest}'"), Err("the secret itself does not stand in the configuration"));
}

#[test]
fn keys_by_url_come_over_tls() {
    check_jwt(
        "jwks: 'http://i.test/keys'",
        Err("keys that come over plain HTTP can be exchanged on the way"),
    );
    check_jwt("jwks: {url: 'http://i.test/keys', plain_http: false}", Err("can be exchanged on the way"));
    check_jwt("jwks: {url: 'https://i.test/keys', plain_http: true}", Err("`plain_http` is about `http://`"));
    check_jwt(
        "jwks: {url: 'http://i.test', plain_http: true, tls: {ca: x}}",
        Err("`tls` is about servers with `https://`"),
    );
    check_jwt("jwks: {url: 'https://i.test', tls: {ca: nothing}}", Err("nothing`"));
    check_jwt("jwks: {}", Err("`jwks` needs `url`"));
    check_jwt("jwks: i.test/keys", Err("begins neither with `https://` nor with `http://`"));
    check_jwt("jwks: ftp://i.test/keys", Err("begins neither"));
    check_jwt("jwks: https://i.test/a b", Err("it has spaces"));
    check_jwt("jwks: 'https://i.test/keys#a'", Err("what stands behind `#` is never sent"));
    check_jwt("jwks: https://user:swordfish@i.test/", Err("has no user and no password"));
    check_jwt("jwks: https://:1/", Err("is not a server"));
    check_jwt(
        "jwks: {url: 'http://i.test', plain_http: true}, algorithms: [HS256]",
        Err("never taken from a URL"),
    );
}

#[test]
fn claims_become_fields_of_their_own() {
    check_jwt("key: key.pem, claims: {sub: Host}", Err("`Host` is not changed like other fields"));
    check_jwt("key: key.pem, claims: {sub: X-Forwarded-For}", Err("means something else already"));
    check_jwt("key: key.pem, claims: {sub: Authorization}", Err("means something else already"));
    check_jwt("key: key.pem, claims: {sub: Content-Length}", Err("belongs to the connection"));
    check_jwt("key: key.pem, claims: {sub: X-User, email: x-user}", Err("stands twice"));
    check_jwt("key: key.pem, claims: {sub: 'a b'}", Err("is not the name of a field"));
    check_jwt("key: key.pem, claims: {'': X-User}", Err("is not the name of a claim"));
    let many: Vec<String> = (0..17).map(|number| format!("c{number}: X-{number}")).collect();
    check_jwt(&format!("key: key.pem, claims: {{{}}}", many.join(", ")), Err("more than 16 claims"));
    check_jwt("key: key.pem, leeway: 11m", Err("is not from `0ms` to `10m`"));
}

#[test]
fn any_issuer_and_any_audience_must_be_meant() {
    let base = Files::new(&[("key.pem", ED25519.as_bytes())]);
    let (model, _) = parsed("{jwt: {issuer: any, audience: any, key: key.pem}}", &base.0).unwrap();
    let shown = format!("{:?}", model.services[0].routes[0].authenticate);
    assert!(shown.contains("issuer: None, audiences: None, leeway: 60s"), "{shown}");
    let (model, _) = parsed("{jwt: {issuer: a, audience: [b, c], key: key.pem}}", &base.0).unwrap();
    let shown = format!("{:?}", model.services[0].routes[0].authenticate);
    assert!(shown.contains(r#"issuer: Some("a"), audiences: Some(["b", "c"])"#), "{shown}");
}

#[test]
fn what_is_asked_for_can_be_told() {
    let base = Files::new(&[("key.pem", ED25519.as_bytes()), ("users", ALICE.as_bytes())]);
    let check = |authenticate: &str, expected: &str| {
        let (model, _) = parsed(authenticate, &base.0).unwrap();
        let told = model.services[0].routes[0].authenticate.as_ref().unwrap().to_string();
        assert_eq!(told, expected);
    };
    let key = "{api_key: {keys: {a: '${LONG}'}}}";
    let basic = "{basic: {file: users}}";
    let jwt = "{jwt: {issuer: i, audience: any, key: key.pem}}";
    check(key, "an API key in `X-API-Key`");
    check(
        &format!("{{any: [{key}, {{all: [{basic}, {jwt}]}}]}}"),
        "an API key in `X-API-Key`, or (a user and a password and a token of `i`)",
    );
    check("{jwt: {issuer: any, audience: any, key: key.pem}}", "a token");
}

/// Fields of claims are taken away from clients on every route, so a credential in one of them would never arrive.
#[test]
fn a_credential_does_not_stand_in_a_field_that_is_ours() {
    let base = Files::new(&[("key.pem", ED25519.as_bytes())]);
    let jwt = "{jwt: {issuer: i, audience: any, key: key.pem, claims: {sub: X-User}}}";
    let with = |second: &str| {
        parsed(&format!("{jwt}\n- host: b\n  respond: {{}}\n  authenticate: {second}"), &base.0)
    };
    for header in ["X-User", "x_user"] {
        let shown =
            with(&format!("{{api_key: {{header: {header}, keys: {{a: '${{LONG}}'}}}}}}")).unwrap_err();
        assert!(shown.contains(&format!("no client can send `{header}`")), "{shown}");
        assert!(
            shown.contains("a claim becomes this field") && shown.contains("another `header`"),
            "{shown}"
        );
    }
    let token = "{jwt: {issuer: j, audience: any, key: key.pem, header: X-User}}";
    assert!(with(token).unwrap_err().contains("no client can send `X-User`"));
    with("{api_key: {header: X-Users, keys: {a: '${LONG}'}}}").unwrap();
    with(jwt).unwrap();
}
