//! X-Request-Id: whose is kept, and who is told of it (`semantics.md` §1.8).

use weir_testkit::client::ask;
use weir_testkit::proxy;
use weir_testkit::server::Server;

/// The id that a server is told, and the one in the answer.
fn through(top: &str, fields: &str) -> (String, Option<String>) {
    let server = Server::saying("ok");
    let answer = ask(&proxy::with(&server, top), format!("GET / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"))
        .expect(200);
    let got = server.only_request();
    let ids = got.all("x-request-id");
    assert_eq!(ids.len(), 1, "{got}");
    (ids[0].to_owned(), answer.field("x-request-id").map(str::to_owned))
}

fn is_ours(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

const OWN: &str = "X-Request-Id: their-own/id:1\r\n";

#[test]
fn semantics_1_8_a_valid_id_is_kept_and_answered() {
    assert_eq!(through("", OWN), ("their-own/id:1".to_owned(), Some("their-own/id:1".to_owned())));
    let longest = "x".repeat(128);
    assert_eq!(through("", &format!("X-Request-Id: {longest}\r\n")).0, longest);
}

#[test]
fn semantics_1_8_anything_else_gets_one_of_ours() {
    for fields in [
        String::new(),
        "X-Request-Id:\r\n".to_owned(),
        "X-Request-Id: two words\r\n".to_owned(),
        "X-Request-Id: \u{e9}\r\n".to_owned(),
        "X-Request-Id: a\tb\r\n".to_owned(),
        format!("X-Request-Id: {}\r\n", "x".repeat(129)),
        // Which of the two is meant, nobody knows; whoever reads the other one would look for another request.
        "X-Request-Id: one\r\nX-Request-Id: two\r\n".to_owned(),
        "X-Request-Id: one\r\nx-request-id: one\r\n".to_owned(),
    ] {
        let (id, answered) = through("", &fields);
        assert!(is_ours(&id), "{fields:?}: {id}");
        assert_eq!(answered, Some(id), "{fields:?}");
    }
}

#[test]
fn only_ids_of_those_who_are_believed_are_kept() {
    assert!(is_ours(&through("request_id: {from: nobody}", OWN).0));
    let trusted =
        |network: &str| format!("trusted_proxies: {network}\nrequest_id: {{from: trusted_proxies}}");
    assert_eq!(through(&trusted("127.0.0.0/8"), OWN).0, "their-own/id:1");
    assert!(is_ours(&through(&trusted("10.0.0.0/8"), OWN).0));
}

#[test]
fn answers_carry_it_unless_told_otherwise() {
    assert_eq!(through("request_id: {answer: false}", OWN), ("their-own/id:1".to_owned(), None));
    // An answer of ours names it in its text all the same.
    let proxy =
        proxy::start("request_id: {answer: false}\nservices: [{host: b.test, respond: {body: ok}}]\n");
    let answer = ask(&proxy, format!("GET / HTTP/1.1\r\nHost: a.test\r\n{OWN}\r\n")).expect(404);
    assert!(!answer.has("x-request-id") && answer.text().contains("their-own/id:1"), "{answer}");
}
