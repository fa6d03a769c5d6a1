//! Tokens with keys from files.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use weir_testkit::client::{ask, connect};
use weir_testkit::server::Server;

use super::issuer::{SECRET, TokenKey, claims, sign_with_secret, signed, since_1970};
use super::{Scratch, expect_refused, get_with, guarding, guarding_with, refusals, requests_of};

const ASKED: &[&str] = &["Bearer realm=\"restricted\""];
const BAD: &[&str] = &["Bearer realm=\"restricted\", error=\"invalid_token\""];

/// What asks for a token of this secret, with more keys.
fn by_secret(more: &str) -> String {
    format!("{{jwt: {{issuer: \"https://issuer.test\", audience: api, secret: \"${{K:-{SECRET}}}\"{more}}}}}")
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

#[test]
fn good_tokens_come_in() {
    let server = Server::saying("ok");
    let proxy = guarding(&server, &by_secret(""));
    let token = sign_with_secret(&claims(&json!({})));
    // The second time it is remembered.
    for field in [bearer(&token), bearer(&token), format!("authorization: bearer   {token}\r\n")] {
        ask(&proxy, get_with(&field)).expect(200);
        let seen = server.last_request();
        assert!(!seen.has("authorization") && !seen.to_string().contains(&token), "{seen}");
    }
    assert_eq!(requests_of(&proxy, "jwt", "https://issuer.test"), Some(3));
    let key = TokenKey::new("a");
    let file = Scratch::with(key.pem());
    let proxy = guarding(
        &server,
        &format!("{{jwt: {{issuer: any, audience: any, key: \"{file}\", forward: true}}}}"),
    );
    let token = key.sign(&json!({"exp": since_1970() + 5}));
    ask(&proxy, get_with(&bearer(&token))).expect(200);
    assert_eq!(server.last_request().field("authorization"), Some(format!("Bearer {token}").as_str()));
    expect_refused(ask(&proxy, get_with(&bearer(&TokenKey::new("a").sign(&claims(&json!({})))))), BAD);
}

#[test]
fn bad_tokens_stay_outside_and_each_is_counted_once() {
    let server = Server::saying("ok");
    let proxy = guarding(&server, &by_secret(""));
    let good = sign_with_secret(&claims(&json!({})));
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let url = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let other = EncodingKey::from_secret(b"another secret of more than 32 bytes");
    let now = since_1970();
    let with = |changes: Value| sign_with_secret(&claims(&changes));
    for (token, reason) in [
        (format!("{}.{payload}.", url(json!({"alg": "none"}))), "algorithm"),
        (format!("{}.{payload}.{signature}", url(json!({"alg": "none"}))), "algorithm"),
        (format!("{}.{payload}.{signature}", url(json!({"alg": "RS256"}))), "algorithm"),
        (format!("{}.{payload}.{signature}", url(json!({"alg": "HS512"}))), "algorithm"),
        (signed(&json!({"alg": "HS256"}), &claims(&json!({})), Algorithm::HS256, &other), "wrong"),
        (format!("{header}.{}.{signature}", url(claims(&json!({"sub": "root"})))), "wrong"),
        (format!("{header}.{payload}."), "wrong"),
        (format!("{header}.{payload}"), "malformed"),
        (format!("{good}x="), "malformed"),
        ("garbage".to_owned(), "malformed"),
        ("a.b.c.d.e".to_owned(), "malformed"),
        (format!("{good}, {good}"), "malformed"),
        (
            signed(
                &json!({"alg": "HS256", "x": "a".repeat(20_000)}),
                &claims(&json!({})),
                Algorithm::HS256,
                &EncodingKey::from_secret(SECRET.as_bytes()),
            ),
            "malformed",
        ),
        (with(json!({"exp": now - 61})), "time"),
        (with(json!({"exp": 0})), "time"),
        (with(json!({"nbf": now + 120})), "time"),
        (with(json!({"iat": now + 120})), "time"),
        (with(json!({"exp": null})), "claims"),
        (with(json!({"iss": "https://other.test"})), "claims"),
        (with(json!({"aud": "other"})), "claims"),
        (with(json!({"aud": ["other"]})), "claims"),
    ] {
        let before = refusals(&proxy, reason);
        let answer = expect_refused(ask(&proxy, get_with(&bearer(&token))), BAD);
        assert!(!answer.to_string().contains("issuer.test"), "{answer}");
        assert_eq!(refusals(&proxy, reason), before + 1, "{reason}: {token}");
    }
    for (fields, reason) in [
        (String::new(), "missing"),
        ("Authorization: Bearer\r\n".to_owned(), "missing"),
        ("Authorization: Basic YTpi\r\n".to_owned(), "missing"),
        (format!("Authorization: {good}\r\n"), "missing"),
        (format!("{}{}", bearer(&good), bearer(&good)), "repeated"),
    ] {
        let before = refusals(&proxy, reason);
        expect_refused(ask(&proxy, get_with(&fields)), ASKED);
        assert_eq!(refusals(&proxy, reason), before + 1, "{fields}");
    }
    let sum: u64 = proxy.status().authentication_refusals.values().sum();
    assert_eq!(sum, 21 + 5);
    assert_eq!(server.connections(), 0);
    // Within the leeway, and one of several audiences.
    ask(&proxy, get_with(&bearer(&with(json!({"exp": now - 30}))))).expect(200);
    ask(&proxy, get_with(&bearer(&with(json!({"aud": ["x", "api"]}))))).expect(200);
}

#[test]
fn claims_go_on_and_clients_can_not_make_them() {
    let server = Server::saying("ok");
    let proxy = guarding(&server, &by_secret(", claims: {sub: X-User, roles: X-Roles}"));
    let token = sign_with_secret(&claims(&json!({"roles": ["a", "b"]})));
    let spoofed = "X-User: root\r\nx-user: root\r\nX_User: root\r\nX-Roles: admin\r\nX-Users: kept\r\n";
    ask(&proxy, get_with(&format!("{}{spoofed}", bearer(&token)))).expect(200);
    let seen = server.last_request();
    assert_eq!(seen.all("x-user"), ["alice"], "{seen}");
    assert_eq!(seen.all("x-roles"), ["a,b"]);
    assert_eq!(seen.all("x_user"), Vec::<&str>::new());
    assert_eq!(seen.all("x-users"), ["kept"]);
    // A claim that is not there makes no field, and the client's is not one.
    let token = sign_with_secret(&claims(&json!({})));
    ask(&proxy, get_with(&format!("{}{spoofed}", bearer(&token)))).expect(200);
    let seen = server.last_request();
    assert_eq!((seen.field("x-user"), seen.has("x-roles")), (Some("alice"), false), "{seen}");
    // Behind a body.
    let token = sign_with_secret(&claims(&json!({})));
    let request = format!(
        "POST / HTTP/1.1\r\nHost: a.test\r\n{}Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-User: root\r\nX-Sum: 1\r\n\r\n",
        bearer(&token)
    );
    let mut client = connect(&proxy);
    client.send(request).answer().expect(200);
    let seen = server.last_request();
    assert_eq!((seen.text().as_str(), &seen.trailers), ("ab", &Vec::new()));
    // The connection is where it should be.
    client.send(get_with(&bearer(&token))).answer().expect(200);
    // A line end in a claim makes no field of it.
    for bad in [json!({"sub": "a\r\nX-Admin: 1"}), json!({"roles": [" a"]}), json!({"roles": {"a": 1}})] {
        expect_refused(ask(&proxy, get_with(&bearer(&sign_with_secret(&claims(&bad))))), BAD);
    }
}

#[test]
fn fields_of_claims_are_ours_also_when_something_else_was_proved() {
    let server = Server::saying("ok");
    let key = "{api_key: {keys: {shop: \"${K:-0123456789abcdef}\"}}}";
    let proxy = guarding(&server, &format!("{{any: [{key}, {}]}}", by_secret(", claims: {sub: X-User}")));
    let both = [&["ApiKey header=\"X-API-Key\""], ASKED].concat();
    expect_refused(ask(&proxy, get_with("")), &both);
    ask(&proxy, get_with("X-API-Key: 0123456789abcdef\r\nX-User: root\r\n")).expect(200);
    assert!(!server.last_request().has("x-user"));
    let token = sign_with_secret(&claims(&json!({})));
    ask(&proxy, get_with(&bearer(&token))).expect(200);
    assert_eq!(server.last_request().field("x-user"), Some("alice"));
    // With both, the first one counts: what the token says was not asked.
    ask(&proxy, get_with(&format!("X-API-Key: 0123456789abcdef\r\n{}", bearer(&token)))).expect(200);
    let seen = server.last_request();
    assert!(!seen.has("x-user") && !seen.has("authorization"), "{seen}");
    let proxy = guarding(&server, &format!("{{all: [{key}, {}]}}", by_secret(", claims: {sub: X-User}")));
    ask(&proxy, get_with(&format!("X-API-Key: 0123456789abcdef\r\n{}", bearer(&token)))).expect(200);
    assert_eq!(server.last_request().field("x-user"), Some("alice"));
    expect_refused(ask(&proxy, get_with(&bearer(&token))), &both);
}

#[test]
fn a_token_may_have_a_field_of_its_own() {
    let server = Server::saying("ok");
    let proxy = guarding(&server, &by_secret(", header: X-Access-Token, realm: Inside"));
    let token = sign_with_secret(&claims(&json!({})));
    ask(&proxy, get_with(&format!("X-Access-Token: {token}\r\nAuthorization: Bearer theirs\r\n")))
        .expect(200);
    let seen = server.last_request();
    assert_eq!((seen.has("x-access-token"), seen.field("authorization")), (false, Some("Bearer theirs")));
    let challenge = "Token header=\"X-Access-Token\", realm=\"Inside\"";
    expect_refused(ask(&proxy, get_with(&bearer(&token))), &[challenge]);
    let bad = format!("{challenge}, error=\"invalid_token\"");
    expect_refused(ask(&proxy, get_with(&format!("X-Access-Token: Bearer {token}\r\n"))), &[&bad]);
}

#[test]
fn the_log_has_the_subject_and_never_the_token() {
    for format in ["common", "combined", "json"] {
        let server = Server::saying("ok");
        let log = Scratch::empty();
        let top = format!("access_log: {{format: {format}, file: \"{log}\"}}");
        let mut proxy = guarding_with(&server, &by_secret(""), &top);
        let good = sign_with_secret(&claims(&json!({"sub": "al ice\" -"})));
        let bad = sign_with_secret(&claims(&json!({"sub": "mallory", "aud": "other"})));
        for token in [&good, &bad] {
            ask(&proxy, get_with(&format!("{}Connection: close\r\n", bearer(token))));
        }
        proxy.begin_drain();
        proxy.drained();
        let text = log.text();
        assert_eq!(text.lines().count(), 2, "{text}");
        let user = if format == "json" { "\"user\":\"al ice\\\" -\"" } else { "- al\\x20ice\\x22\\x20- [" };
        assert!(text.contains(user), "{text}");
        assert!(!text.contains("mallory") && !text.contains(good.split('.').next().unwrap()), "{text}");
    }
}

#[test]
fn a_token_that_was_remembered_ends_all_the_same() {
    let server = Server::saying("ok");
    let proxy = guarding(&server, &by_secret(", leeway: 0s"));
    let token = sign_with_secret(&claims(&json!({"exp": since_1970() + 2})));
    ask(&proxy, get_with(&bearer(&token))).expect(200);
    // It is asked again and again, so it is remembered all the time; some of these come after its end.
    let status = (0..1_000_000).find_map(|_| {
        let answer = ask(&proxy, get_with(&bearer(&token)));
        (answer.status() != 200).then(|| answer.status())
    });
    assert_eq!(status, Some(401));
    assert_eq!(refusals(&proxy, "time"), 1);
}

/// A server that believes X-User because a token says it was believed it from anybody, on a route beside that asks for nothing.
#[test]
fn fields_of_claims_are_ours_also_on_routes_that_ask_for_nothing() {
    let server = Server::saying("ok");
    let asked = by_secret(", claims: {sub: X-User, roles: Roles_Of}");
    let routes = format!(
        "services:
  - host: \"*\"
    authenticate: {asked}
    routes:
      - {{path: /public/, upstream: web, authenticate: off}}
      - {{path: /, upstream: web}}
  - {{host: b.test, upstream: web}}
upstreams:
  web: {{servers: [\"{server}\"], retry: {{attempts: 1}}}}
"
    );
    let proxy = weir_testkit::proxy::start(&routes);
    let forged = "X-User: root\r\nx_user: root\r\nRoles-Of: admin\r\nX-Users: kept\r\n";
    for (path, host) in [("/public/", "a.test"), ("/", "b.test")] {
        ask(&proxy, format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{forged}\r\n")).expect(200);
        let seen = server.last_request();
        let gone = ["x-user", "x_user", "roles-of", "roles_of"].iter().all(|name| !seen.has(name));
        assert!(gone && seen.has("x-users"), "{seen}");
        ask(
            &proxy,
            format!(
                "POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-User: root\r\n\r\n"
            ),
        )
        .expect(200);
        let seen = server.last_request();
        assert_eq!((seen.text().as_str(), &seen.trailers), ("ab", &Vec::new()));
    }
    ask(&proxy, get_with(&format!("{}{forged}", bearer(&sign_with_secret(&claims(&json!({}))))))).expect(200);
    assert_eq!(server.last_request().all("x-user"), ["alice"]);
}

/// A user called `shop` of the issuer and the key called `shop` had one rate together, and `a+b` was as good as `a` and `b`.
#[test]
fn a_rate_by_key_tells_apart_what_has_proved_the_name() {
    let server = Server::saying("ok");
    let key = "{api_key: {keys: {shop: \"${K:-0123456789abcdef}\"}}}";
    let asked = format!("{{any: [{key}, {}]}}\n    admit: {{rate: {{rate: 1/d, by: key}}}}", by_secret(""));
    let proxy = guarding(&server, &asked);
    let token = |sub: &str| bearer(&sign_with_secret(&claims(&json!({"sub": sub}))));
    let by_key = "X-API-Key: 0123456789abcdef\r\n".to_owned();
    for (fields, status) in [
        (token("shop"), 200),
        (token("shop"), 429),
        (by_key.clone(), 200),
        (by_key, 429),
        (token("a+b"), 200),
        (token("a%2Bb"), 200),
        (token("a+b"), 429),
    ] {
        ask(&proxy, get_with(&fields)).expect(status);
    }
}
