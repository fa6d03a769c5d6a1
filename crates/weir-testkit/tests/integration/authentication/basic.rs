//! Users and passwords.

#![expect(clippy::disallowed_methods, reason = "what is measured here is how long a client waits")]

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use weir_testkit::client::{ask, connect};
use weir_testkit::server::Server;

use super::{
    Scratch, configuration, expect_refused, get_with, guarding, guarding_with, refusals, requests_of,
};

const CHALLENGE: &[&str] = &["Basic realm=\"restricted\", charset=\"UTF-8\""];

/// `open sesame`, bcrypt at the lowest cost.
const ALICE: &str = "alice:$2b$04$e/LDCgsBvukp7Phfro5nUOch4zR6pJUQYfGJvRHKBvuiF9l6e/m7G\n";
/// `swordfish`, Argon2 with 1 MiB.
const BOB: &str =
    "bob:$argon2id$v=19$m=1024,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$bKQ9i7zNYi1RHLw4R/HbJE0Ru1CCqJ5PwJu5ODYvKcQ\n";
/// `open sesame`, at a cost that takes a good while.
const CAROL: &str = "carol:$2b$08$R8U7GiooJPCakUGOUiHj4.NgQ1tOazTJDW7EFuEMkk0hyV3yRdrh2\n";

/// A file with these users, and what asks for them.
fn users(lines: &[&str]) -> (Scratch, String) {
    let file = Scratch::with(lines.concat());
    let authenticate = format!("{{basic: {{file: \"{file}\"}}}}");
    (file, authenticate)
}

/// The field for a user and a password.
fn field(credentials: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(credentials))
}

#[test]
fn users_come_in_and_strangers_do_not() {
    let server = Server::saying("ok");
    let (_file, authenticate) = users(&[ALICE, BOB]);
    let proxy = guarding(&server, &authenticate);
    // Twice each: the second time it is remembered.
    for good in ["alice:open sesame", "bob:swordfish"].repeat(2) {
        ask(&proxy, get_with(&field(good))).expect(200);
        let seen = server.last_request();
        assert!(!seen.has("authorization"), "{seen}");
    }
    let seen = server.requests().len();
    for wrong in [
        "alice:swordfish",
        "alice:open sesam",
        "alice:open sesame ",
        "alice:",
        ":open sesame",
        "Alice:open sesame",
        "carol:open sesame",
        "bob:open sesame",
        "bob:swordfish:",
    ]
    .repeat(2)
    {
        expect_refused(ask(&proxy, get_with(&field(wrong))), CHALLENGE);
    }
    assert_eq!(refusals(&proxy, "wrong"), 18);
    assert_eq!(server.requests().len(), seen);
    assert_eq!(requests_of(&proxy, "basic", "alice"), Some(2));
    assert_eq!(requests_of(&proxy, "basic", "bob"), Some(2));
    assert_eq!(requests_of(&proxy, "basic", "carol"), None, "a stranger makes no line");
}

#[test]
fn a_stranger_with_somebodys_password_stays_one() {
    // The password of a stranger is held against the hash of a user, so that it takes as long. What comes out of it must
    // not let anybody in, neither now nor from memory.
    let server = Server::saying("ok");
    let (_file, authenticate) = users(&[ALICE]);
    let proxy = guarding(&server, &authenticate);
    for _ in 0..3 {
        expect_refused(ask(&proxy, get_with(&field("mallory:open sesame"))), CHALLENGE);
        ask(&proxy, get_with(&field("alice:open sesame"))).expect(200);
    }
}

#[test]
fn what_is_no_basic_is_refused() {
    let server = Server::saying("ok");
    let (_file, authenticate) = users(&[ALICE]);
    let proxy = guarding(&server, &authenticate);
    let good = field("alice:open sesame");
    for (fields, reason) in [
        (String::new(), "missing"),
        ("Authorization:\r\n".to_owned(), "missing"),
        ("Authorization: Bearer abc\r\n".to_owned(), "missing"),
        ("Authorization: YWxpY2U6b3BlbiBzZXNhbWU=\r\n".to_owned(), "missing"),
        ("Authorization: Basic\r\n".to_owned(), "malformed"),
        ("Authorization: Basic alice:open sesame\r\n".to_owned(), "malformed"),
        (format!("Authorization: Basic {}\r\n", "QUJD".repeat(5000)), "malformed"),
        (field("alice"), "malformed"),
        (format!("{good}{good}"), "repeated"),
        (format!("{good}Authorization: Bearer abc\r\n"), "repeated"),
        (good.replace("Authorization", "Proxy-Authorization"), "missing"),
    ] {
        let before = refusals(&proxy, reason);
        expect_refused(ask(&proxy, get_with(&fields)), CHALLENGE);
        assert_eq!(refusals(&proxy, reason), before + 1, "{fields}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn the_realm_and_the_field_are_as_configured() {
    let server = Server::saying("ok");
    let (file, _) = users(&[ALICE]);
    let authenticate = format!("{{basic: {{file: \"{file}\", realm: The back office, forward: true}}}}");
    let proxy = guarding(&server, &authenticate);
    expect_refused(ask(&proxy, get_with("")), &["Basic realm=\"The back office\", charset=\"UTF-8\""]);
    ask(&proxy, get_with(&field("alice:open sesame"))).expect(200);
    assert_eq!(server.only_request().field("authorization"), Some("Basic YWxpY2U6b3BlbiBzZXNhbWU="));
}

#[test]
fn the_log_has_the_user_and_never_the_password() {
    for format in ["common", "combined", "json"] {
        let server = Server::saying("ok");
        let (_file, authenticate) = users(&[ALICE]);
        let log = Scratch::empty();
        let top = format!("access_log: {{format: {format}, file: \"{log}\"}}");
        let mut proxy = guarding_with(&server, &authenticate, &top);
        for credentials in ["alice:open sesame", "alice:wrong", "mallory:open sesame"] {
            ask(&proxy, get_with(&format!("{}Connection: close\r\n", field(credentials))));
        }
        proxy.begin_drain();
        proxy.drained();
        let text = log.text();
        assert_eq!(text.matches("alice").count(), 1, "who did not prove it is not named: {text}");
        assert!(!text.contains("sesame") && !text.contains("mallory") && !text.contains("YWxp"), "{text}");
    }
}

#[test]
fn a_client_that_stays_pays_once() {
    let server = Server::saying("ok");
    let (_file, authenticate) = users(&[CAROL]);
    let proxy = guarding(&server, &authenticate);
    let request = get_with(&field("carol:open sesame"));
    let mut client = connect(&proxy);
    let begun = Instant::now();
    client.send(&request).answer().expect(200);
    let first = begun.elapsed();
    let begun = Instant::now();
    for _ in 0..100 {
        client.send(&request).answer().expect(200);
    }
    // A hundred times as long if each paid; this much less is no matter of a busy machine.
    assert!(begun.elapsed() < first * 30, "first {first:?}, then {:?}", begun.elapsed());
}

#[test]
fn many_at_once_wait_for_one_outcome() {
    // A page has many parts, which a browser asks for at once, each with the password.
    let server = Server::saying("ok");
    let (_file, authenticate) = users(&[CAROL]);
    let proxy = guarding(&server, &authenticate);
    let request = get_with(&field("carol:open sesame"));
    let mut clients: Vec<_> = (0..60).map(|_| connect(&proxy)).collect();
    for client in &mut clients {
        client.send(&request);
    }
    for client in &mut clients {
        client.answer().expect(200);
    }
    assert_eq!(refusals(&proxy, "busy"), 0, "more than the queue holds, if each had its own place in it");
}

#[test]
fn a_changed_password_holds_from_the_new_configuration_on() {
    let server = Server::saying("ok");
    let (file, authenticate) = users(&[ALICE, BOB]);
    let proxy = guarding(&server, &authenticate);
    let ask_as = |credentials: &str| ask(&proxy, get_with(&field(credentials)));
    ask_as("alice:open sesame").expect(200);
    ask_as("alice:close sesame").expect(401);
    ask_as("bob:swordfish").expect(200);
    let changed = "alice:$2b$04$lz.KkBNBsDQSYAErDcc9i.TUb.aucr/NmDEX0BUfw1LWghU3HW5WW\n";
    std::fs::write(&file.0, changed).unwrap();
    ask_as("alice:open sesame").expect(200);
    proxy.publish(&configuration(&server, &authenticate, ""));
    ask_as("alice:open sesame").expect(401);
    ask_as("alice:close sesame").expect(200);
    ask_as("bob:swordfish").expect(401);
}

#[test]
fn a_flood_of_passwords_is_told_to_come_again_and_holds_up_nobody_else() {
    let server = Server::saying("ok");
    let (_file, authenticate) = users(&[CAROL]);
    let key = "{api_key: {keys: {a: \"${K:-0123456789abcdef}\"}}}";
    let proxy = guarding(&server, &format!("{{any: [{key}, {authenticate}]}}"));
    let mut clients: Vec<_> = (0..80).map(|_| connect(&proxy)).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(get_with(&field(&format!("carol:{number}"))));
    }
    // The worker itself is not at it: whoever needs no password is answered while the passwords wait.
    ask(&proxy, get_with("X-API-Key: 0123456789abcdef\r\n")).expect(200);
    let mut busy = 0;
    for client in &mut clients {
        let answer = client.answer();
        match answer.status() {
            503 => {
                busy += 1;
                assert_eq!(answer.field("retry-after"), Some("1"), "{answer}");
                assert!(!answer.has("www-authenticate"), "{answer}");
            }
            _ => drop(answer.expect(401)),
        }
    }
    assert!((1..60).contains(&busy), "{busy} of 80");
    assert_eq!(refusals(&proxy, "busy"), busy);
    ask(&proxy, get_with(&field("carol:open sesame"))).expect(200);
}

#[test]
fn who_leaves_is_not_waited_for() {
    let server = Server::saying("ok");
    let (_file, authenticate) = users(&[CAROL]);
    let proxy = guarding(&server, &authenticate);
    let begun = Instant::now();
    ask(&proxy, get_with(&field("carol:wrong"))).expect(401);
    let one = begun.elapsed();
    let mut clients: Vec<_> = (0..30).map(|_| connect(&proxy)).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(get_with(&field(&format!("carol:{number}"))));
    }
    clients.into_iter().for_each(weir_testkit::socket::Socket::reset);
    let begun = Instant::now();
    ask(&proxy, get_with(&field("carol:open sesame"))).expect(200);
    // If every one that left were worked out, this would come after all of them.
    assert!(begun.elapsed() < one * 15, "one took {one:?}, this {:?}", begun.elapsed());
}

#[test]
fn a_pipelined_request_waits_for_its_turn() {
    let server = Server::saying("ok");
    let (_file, authenticate) = users(&[CAROL, ALICE]);
    let proxy = guarding(&server, &authenticate);
    let mut client = connect(&proxy);
    client.send(
        [field("carol:open sesame"), field("alice:wrong"), String::new(), field("alice:open sesame")]
            .map(|fields| get_with(&fields))
            .concat(),
    );
    for status in [200, 401, 401, 200] {
        client.answer().expect(status);
    }
}

#[test]
fn any_takes_what_is_there() {
    let server = Server::saying("ok");
    let (_file, authenticate) = users(&[ALICE]);
    let key = "{api_key: {keys: {shop: \"${K:-0123456789abcdef}\"}}}";
    let proxy = guarding(&server, &format!("{{any: [{authenticate}, {key}]}}"));
    let both = [CHALLENGE[0], "ApiKey header=\"X-API-Key\""];
    expect_refused(ask(&proxy, get_with("")), &both);
    ask(&proxy, get_with(&field("alice:open sesame"))).expect(200);
    ask(&proxy, get_with("X-API-Key: 0123456789abcdef\r\nAuthorization: Bearer theirs\r\n")).expect(200);
    assert_eq!(
        server.last_request().field("authorization"),
        Some("Bearer theirs"),
        "of another scheme: not ours"
    );
    let wrong = format!("X-API-Key: 0123456789abcdef\r\n{}", field("alice:wrong"));
    ask(&proxy, get_with(&wrong)).expect(200);
    let seen = server.last_request();
    assert!(!seen.has("authorization"), "what Weir found wrong no server takes for right: {seen}");
    expect_refused(ask(&proxy, get_with(&field("alice:wrong"))), &both);
    let proxy = guarding(&server, &format!("{{all: [{authenticate}, {key}]}}"));
    let good = format!("X-API-Key: 0123456789abcdef\r\n{}", field("alice:open sesame"));
    ask(&proxy, get_with(&good)).expect(200);
    expect_refused(ask(&proxy, get_with(&field("alice:open sesame"))), &both);
}
