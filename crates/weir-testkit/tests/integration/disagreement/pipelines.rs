//! Several requests in one piece, and clients that leave early.

use weir_testkit::client::connect;
use weir_testkit::proxy;
use weir_testkit::socket::End;

use super::recorder::{Recorder, written};

/// A rule, what clients send in one piece, the statuses they get, and what the server sees.
fn check(rule: &str, sent: &str, statuses: &[u16], seen: &[&str]) {
    let recorder = Recorder::start();
    let proxy = proxy::to(&recorder.server);
    let mut client = connect(&proxy);
    client.send(sent).half_close();
    for status in statuses {
        let answer = client.try_answer().unwrap_or_else(|broken| panic!("{rule}: {sent:?}: {broken}"));
        assert_eq!(answer.status(), *status, "{rule}: {sent:?}: {answer}");
    }
    assert_eq!(client.expect_end(), End::Fin, "{rule}: {sent:?}");
    drop(proxy);
    let seen: Vec<String> = seen.iter().map(|request| written(request)).collect();
    assert_eq!(recorder.seen_in_all(), seen, "{rule}: {sent:?}");
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
const GOT: &str = "GET / HTTP/1.1\nHost: a.test";

#[test]
fn what_is_behind_a_bad_request_is_nobodys() {
    for (rule, poison) in [
        ("§1.1 two Hosts", "GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n"),
        (
            "§1.3 two lengths",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        ("§1.3 bare LF", "GET / HTTP/1.1\nHost: a.test\n\n"),
        ("RFC 9112 §3: a handshake of TLS", "\x16\x03\x01\r\n\r\n"),
        (
            "RFC 9112 §7.1: no size",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        ),
    ] {
        check(rule, &format!("{GET}{poison}{GET}"), &[200, 400], &[GOT]);
        check(rule, &format!("{GET}{GET}{poison}"), &[200, 200, 400], &[GOT, GOT]);
    }
}

#[test]
fn a_body_that_is_longer_or_shorter_than_it_says_is_what_it_says() {
    // What is left of it is the next request, and none.
    let post = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nhello";
    check(
        "RFC 9112 §6.2: as many bytes as it says",
        &format!("{post}{GET}"),
        &[200, 200],
        &["POST / HTTP/1.1\nHost: a.test\nContent-Length: 4\n\nhell", "oGET / HTTP/1.1\nHost: a.test"],
    );
    // The rest never comes: the client has ended.
    check(
        "RFC 9112 §8: less than it says",
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 6\r\n\r\nhello",
        &[400],
        &[],
    );
    check(
        "RFC 9112 §8: without the last chunk",
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        &[400],
        &[],
    );
    check(
        "RFC 9112 §8: without the end of the trailers",
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        &[400],
        &[],
    );
}

#[test]
fn half_a_head_is_no_request() {
    for cut in 1..GET.len() {
        check("RFC 9112 §8: half a head", &format!("{GET}{}", &GET[..cut]), &[200, 400], &[GOT]);
    }
    check("§1.7 the end behind a request is no cancellation", GET, &[200], &[GOT]);
}

#[test]
fn many_in_one_piece_are_many() {
    let posts = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
    let posted = "POST / HTTP/1.1\nHost: a.test\nTransfer-Encoding: chunked\n\na";
    check(
        "RFC 9112 §9.3.2: in their order",
        &format!("{GET}{posts}").repeat(50),
        &[200; 100],
        &[GOT, posted].repeat(50),
    );
}
