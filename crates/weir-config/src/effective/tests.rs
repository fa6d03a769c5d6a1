//! What people are shown of a configuration, and what not.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use serde_json::json;

use super::*;

fn shown(text: &str) -> Value {
    let environment = |name: &str| match name {
        "SECRET" => Some("swordfish-0123456789".to_owned()),
        "PORT" => Some("9001".to_owned()),
        _ => None,
    };
    let loaded = crate::parse("weir.yaml", text.as_bytes(), &environment, Path::new(""))
        .unwrap_or_else(|report| panic!("{report}"));
    let shown = loaded.model.written.unwrap().0;
    assert!(!shown.contains("swordfish"), "{shown}");
    serde_json::from_str(&shown).unwrap()
}

#[test]
fn what_was_written_and_the_defaults_of_the_rest() {
    let shown = shown(
        "workers: 2\nservices:\n  - host: '*'\n    routes: [{path: /a, upstream: web}]\n\
         upstreams:\n  web: {servers: ['127.0.0.1:9001'], health: {path: /healthz, interval: 2s}}\n",
    );
    assert_eq!((&shown["workers"], &shown["admin"]), (&2.into(), &"127.0.0.1:9180".into()));
    assert_eq!(shown["services"][0]["routes"][0]["path"], "/a");
    let web = &shown["upstreams"]["web"];
    assert_eq!((&web["servers"], &web["health"]["interval"]), (&json!(["127.0.0.1:9001"]), &"2s".into()));
    assert!(web["health"]["timeout"].is_string(), "{web:#}");
    assert_eq!(shown["drain"]["deadline"], "30s");
    assert!(shown["limits"]["head"].is_string() && shown["timeouts"].is_object(), "{shown:#}");
}

#[test]
fn secrets_are_not_in_it_wherever_they_stand() {
    let digest = "0".repeat(64);
    let shown = shown(&format!(
        "admin: {{address: ':9180', token: '${{SECRET}}'}}\n\
         services:\n  - host: '*'\n    upstream: ['http://127.0.0.1:${{PORT}}']\n    \
         request_headers: {{set: {{Authorization: 'Bearer swordfish', X-Token: 'swordfish', X-Plain: seen}}}}\n    \
         authenticate: {{api_key: {{keys: {{shop: 'sha256:{digest}', other: '${{SECRET}}'}}}}}}\n"
    ));
    let service = &shown["services"][0];
    assert_eq!(service["upstream"][0], "http://127.0.0.1:${PORT}", "as it was written");
    let set = &service["request_headers"]["set"];
    assert_eq!(set, &json!({"Authorization": HIDDEN, "X-Token": HIDDEN, "X-Plain": "seen"}));
    assert_eq!(service["authenticate"]["api_key"]["keys"]["shop"], HIDDEN);
    assert!(!shown.to_string().contains(&digest), "{shown:#}");
    assert_eq!(shown["admin"]["address"], ":9180");
}

/// The default of a variable was shown, and what stands beside one.
#[test]
fn of_a_secret_with_variables_their_names_alone_are_told() {
    let shown = shown(
        "services:\n  - host: '*'\n    upstream: ['http://127.0.0.1:${PORT:-9002}']\n    \
         authenticate: {api_key: {keys: {shop: '${NONE:-swordfish-of-some-length}', other: 'swordfish-${SECRET}'}}}\n    \
         request_headers: {set: {X-Access-Key: '${NONE:-swordfish}', X-Auth: swordfish}}\n",
    );
    let service = &shown["services"][0];
    assert_eq!(service["upstream"][0], "http://127.0.0.1:${PORT:-9002}");
    let keys = &service["authenticate"]["api_key"]["keys"];
    assert_eq!(keys, &json!({"shop": "${NONE}", "other": "${SECRET}"}));
    let set = &service["request_headers"]["set"];
    assert_eq!(set, &json!({"X-Access-Key": HIDDEN, "X-Auth": HIDDEN}));
    assert_eq!((names_alone("${A:-b}c${D}"), names_alone("a")), ("${A} ${D}".to_owned(), HIDDEN.to_owned()));
}

#[test]
fn urls_lose_their_users() {
    assert_eq!(without_user("https://a:b@c.example/d@e"), "https://(hidden)@c.example/d@e");
    for text in ["https://c.example/d@e", "a@b", "plain", "://", "x://@"] {
        assert!(!without_user(text).contains("a:b"), "{text}");
    }
    assert_eq!(without_user("https://c.example/d@e"), "https://c.example/d@e");
}

#[test]
fn only_what_is_a_number_is_one() {
    assert_eq!((typed("10"), typed("010"), typed("1e3")), (10.into(), "010".into(), "1e3".into()));
    assert_eq!((typed("true"), typed("no"), typed("-1")), (true.into(), "no".into(), "-1".into()));
}
