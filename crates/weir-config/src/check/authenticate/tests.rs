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
