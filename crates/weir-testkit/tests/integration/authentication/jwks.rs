//! Tokens whose keys the issuer publishes.

use serde_json::json;
use weir_testkit::certificate::{Authority, Files};
use weir_testkit::client::ask;
use weir_testkit::message::Message;
use weir_testkit::proxy::Running;
use weir_testkit::server::Server;

use super::issuer::{Publisher, TokenKey, claims};
use super::{configuration, expect_refused, get_with, guarding, guarding_with, refusals};

const BAD: &[&str] = &["Bearer realm=\"restricted\", error=\"invalid_token\""];

fn by_url(publisher: &Publisher) -> String {
    format!(
        "{{jwt: {{issuer: \"https://issuer.test\", audience: api, jwks: {{url: \"http://{}/keys?tenant=a\", plain_http: true}}}}}}",
        publisher.server
    )
}

fn ask_with(proxy: &Running, token: &str) -> Message {
    ask(proxy, get_with(&format!("Authorization: Bearer {token}\r\n")))
}

/// Asks until the answer has this status; the keys are on their way.
#[track_caller]
fn ask_until(proxy: &Running, token: &str, status: u16) {
    let came = (0..1_000_000).any(|_| ask_with(proxy, token).status() == status);
    assert!(came, "never {status}");
}

fn good(key: &TokenKey) -> String {
    key.sign(&claims(&json!({})))
}

#[test]
fn keys_are_fetched_and_tokens_of_them_come_in() {
    let server = Server::saying("ok");
    let (publisher, key) = (Publisher::new(), TokenKey::new("one"));
    publisher.publish(&[&key]);
    let proxy = guarding_with(&server, &by_url(&publisher), "workers: 2");
    ask_until(&proxy, &good(&key), 200);
    let asked = publisher.server.requests().remove(0);
    assert_eq!(asked.start, "GET /keys?tenant=a HTTP/1.1");
    assert!(asked.field("accept").unwrap().contains("application/json"), "{asked}");
    // A key of the same name that somebody else made.
    expect_refused(ask_with(&proxy, &good(&TokenKey::new("one"))), BAD);
    assert_eq!(refusals(&proxy, "wrong"), 1);
}

#[test]
fn an_issuer_is_verified_before_its_keys_are_believed() {
    let server = Server::saying("ok");
    let (root, other, files) = (Authority::new("Root"), Authority::new("Other"), Files::new());
    let [root_pem, other_pem] = [("root.pem", &root), ("other.pem", &other)]
        .map(|(name, authority)| files.write(name, &authority.pem));
    let publisher = Publisher::tls(root.issue(&["127.0.0.1"]).server());
    let key = TokenKey::new("one");
    publisher.publish(&[&key]);
    let by_url = |ca: &str| {
        format!(
            "{{jwt: {{issuer: any, audience: any, jwks: {{url: \"https://{}/keys\", tls: {{ca: \"{ca}\"}}}}}}}}",
            publisher.server
        )
    };
    let wrong = guarding(&server, &by_url(&other_pem));
    // As many as it takes until the proxy has come to the issuer twice and gone away.
    let mut asked = 0;
    while publisher.server.refusals().len() < 2 {
        ask_with(&wrong, &good(&key)).expect(503);
        asked += 1;
    }
    assert!(publisher.server.requests().is_empty(), "it is not asked for anything");
    assert_eq!(refusals(&wrong, "no_keys"), asked);
    let proxy = guarding(&server, &by_url(&root_pem));
    ask_until(&proxy, &good(&key), 200);
    let fetched: Vec<_> = publisher.server.requests().into_iter().map(|request| request.start).collect();
    assert_eq!(fetched, ["GET /keys HTTP/1.1"]);
    ask_with(&wrong, &good(&key)).expect(503);
    assert_eq!(refusals(&wrong, "no_keys"), asked + 1);
}

#[test]
fn before_the_first_keys_there_are_is_503() {
    let server = Server::saying("ok");
    let (publisher, key) = (Publisher::new(), TokenKey::new("one"));
    let proxy = guarding(&server, &by_url(&publisher));
    let answer = ask_with(&proxy, &good(&key)).expect(503);
    assert_eq!(answer.field("retry-after"), Some("1"));
    assert!(
        answer.text().contains("can't be checked at the moment") && !answer.has("www-authenticate"),
        "{answer}"
    );
    assert!(refusals(&proxy, "no_keys") >= 1);
    // Whoever has no token needs no keys to be told so.
    ask(&proxy, get_with("")).expect(401);
    publisher.say("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>");
    assert_eq!(ask_with(&proxy, &good(&key)).status(), 503);
    publisher.publish(&[&key]);
    ask_until(&proxy, &good(&key), 200);
}

#[test]
fn keys_that_change_are_fetched_when_a_token_names_one() {
    let server = Server::saying("ok");
    let (publisher, one, two) = (Publisher::new(), TokenKey::new("one"), TokenKey::new("two"));
    publisher.publish(&[&one]);
    let proxy = guarding(&server, &by_url(&publisher));
    let (first, second) = (good(&one), good(&two));
    ask_until(&proxy, &first, 200);
    ask_with(&proxy, &first).expect(200);
    publisher.publish(&[&two]);
    // The answer does not wait for the keys.
    expect_refused(ask_with(&proxy, &second), BAD);
    assert_eq!(refusals(&proxy, "unknown_key"), 1);
    ask_until(&proxy, &second, 200);
    // The other key is gone, also for a token that was remembered.
    expect_refused(ask_with(&proxy, &first), BAD);
}

#[test]
fn keys_are_kept_while_the_issuer_is_down() {
    let server = Server::saying("ok");
    let (publisher, one, two) = (Publisher::new(), TokenKey::new("one"), TokenKey::new("two"));
    publisher.publish(&[&one]);
    let proxy = guarding(&server, &by_url(&publisher));
    ask_until(&proxy, &good(&one), 200);
    let asked = publisher.server.requests().len();
    publisher.fail();
    expect_refused(ask_with(&proxy, &good(&two)), BAD);
    publisher.server.wait_requests(asked + 1);
    for _ in 0..20 {
        ask_with(&proxy, &good(&one)).expect(200);
    }
    // Nor is a document without a key that could be used taken for one.
    publisher.publish(&[]);
    expect_refused(ask_with(&proxy, &good(&two)), BAD);
    publisher.server.wait_requests(asked + 2);
    ask_with(&proxy, &good(&one)).expect(200);
    publisher.publish(&[&one, &two]);
    ask_until(&proxy, &good(&two), 200);
    ask_with(&proxy, &good(&one)).expect(200);
}

#[test]
fn a_storm_of_unknown_keys_asks_the_issuer_once_a_second() {
    let server = Server::saying("ok");
    let (publisher, key) = (Publisher::new(), TokenKey::new("one"));
    publisher.publish(&[&key]);
    let proxy = guarding_with(&server, &by_url(&publisher), "workers: 2");
    ask_until(&proxy, &good(&key), 200);
    let asked = publisher.server.requests().len();
    let stranger = TokenKey::new("stranger");
    let mut sent = 0;
    // Three more seconds of it, told by how often the issuer is asked.
    while publisher.server.requests().len() < asked + 3 {
        for _ in 0..50 {
            ask_with(&proxy, &good(&stranger)).expect(401);
            sent += 1;
        }
    }
    assert_eq!(refusals(&proxy, "unknown_key"), sent);
    assert!(sent >= 150 && publisher.server.requests().len() <= asked + 4, "{sent} requests");
    ask_with(&proxy, &good(&key)).expect(200);
}

#[test]
fn a_new_configuration_begins_with_the_keys_that_are_there() {
    let server = Server::saying("ok");
    let (publisher, key) = (Publisher::new(), TokenKey::new("one"));
    publisher.publish(&[&key]);
    let proxy = guarding(&server, &by_url(&publisher));
    ask_until(&proxy, &good(&key), 200);
    publisher.fail();
    proxy.publish(&configuration(&server, &by_url(&publisher), "forwarded: true"));
    for _ in 0..20 {
        ask_with(&proxy, &good(&key)).expect(200);
    }
    // Another issuer begins with nothing.
    let other = Publisher::new();
    proxy.publish(&configuration(&server, &by_url(&other), ""));
    ask_with(&proxy, &good(&key)).expect(503);
}

#[test]
fn an_issuer_that_is_not_there_holds_up_nobody() {
    let server = Server::saying("ok");
    let nobody = Server::unresponsive();
    let jwt = format!(
        "{{jwt: {{issuer: a, audience: any, jwks: {{url: \"http://{nobody}/\", plain_http: true}}}}}}"
    );
    let key = "{api_key: {keys: {shop: \"${K:-0123456789abcdef}\"}}}";
    let proxy = guarding(&server, &format!("{{any: [{jwt}, {key}]}}"));
    let token = good(&TokenKey::new("one"));
    ask_with(&proxy, &token).expect(503);
    let fields = format!("Authorization: Bearer {token}\r\nX-API-Key: 0123456789abcdef\r\n");
    ask(&proxy, get_with(&fields)).expect(200);
    // A document without an end is not read to it.
    let endless = Publisher::new();
    endless.say(&format!("HTTP/1.1 200 OK\r\n\r\n{}", "a".repeat(1 << 20)));
    let proxy = guarding(&server, &by_url(&endless));
    endless.server.wait_requests(1);
    ask_with(&proxy, &token).expect(503);
}
