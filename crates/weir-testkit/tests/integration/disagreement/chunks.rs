//! Chunked bodies: where a chunk ends, what stands behind it, and what a trailer may be.

use super::{Forwarded, Refused, Verdict, check};

/// A body behind the head of a chunked request.
fn check_bodies(rows: &[(&str, &str, Verdict)]) {
    for (rule, body, verdict) in rows {
        let head = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
        check(rule, format!("{head}{body}").as_bytes(), *verdict);
    }
}

const HELLO: Verdict = Forwarded("POST / HTTP/1.1\nHost: a.test\nTransfer-Encoding: chunked\n\nhello");

#[test]
fn sizes() {
    check_bodies(&[
        ("RFC 9112 §7.1", "5\r\nhello\r\n0\r\n\r\n", HELLO),
        ("RFC 9112 §7.1: several chunks are one body", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", HELLO),
        ("RFC 9112 §7.1: leading zeros", "00005\r\nhello\r\n000\r\n\r\n", HELLO),
        (
            "RFC 9112 §7.1: hex in both cases",
            "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n",
            Forwarded("POST / HTTP/1.1\nHost: a.test\nTransfer-Encoding: chunked\n\n01234567890123456789a"),
        ),
        (
            "RFC 9112 §7.1: nothing in it",
            "0\r\n\r\n",
            Forwarded("POST / HTTP/1.1\nHost: a.test\nTransfer-Encoding: chunked\n\n"),
        ),
        (
            "RFC 9112 §7.1: a chunk that looks like the end and a request is a chunk",
            "2b\r\n0\r\n\r\nGET /inside HTTP/1.1\r\nHost: a.test\r\n\r\n\r\n0\r\n\r\n",
            Forwarded(
                "POST / HTTP/1.1\nHost: a.test\nTransfer-Encoding: chunked\n\n0\r\n\r\nGET /inside HTTP/1.1\r\nHost: a.test\r\n\r\n",
            ),
        ),
        ("RFC 9112 §7.1: no size", "\r\nhello\r\n0\r\n\r\n", Refused(400)),
        ("RFC 9112 §7.1: no hex", "g\r\nhello\r\n0\r\n\r\n", Refused(400)),
        ("RFC 9112 §7.1: a sign", "+5\r\nhello\r\n0\r\n\r\n", Refused(400)),
        ("RFC 9112 §7.1: a sign", "-5\r\nhello\r\n0\r\n\r\n", Refused(400)),
        ("RFC 9112 §7.1: a sign before the end", "-0\r\n\r\n", Refused(400)),
        ("RFC 9112 §7.1: a prefix", "0x5\r\nhello\r\n0\r\n\r\n", Refused(400)),
        ("RFC 9112 §7.1: a space before it", " 5\r\nhello\r\n0\r\n\r\n", Refused(400)),
        ("RFC 9112 §7.1: a space behind it", "5 \r\nhello\r\n0\r\n\r\n", Refused(400)),
        ("RFC 9112 §7.1: a tab behind it", "5\t\r\nhello\r\n0\r\n\r\n", Refused(400)),
        ("RFC 9112 §7.1: grouped", "1_0\r\n0123456789abcdef\r\n0\r\n\r\n", Refused(400)),
        ("RFC 9112 §7.1: a list", "5,5\r\nhello\r\n0\r\n\r\n", Refused(400)),
        ("RFC 9112 §7.1: a fraction", "5.0\r\nhello\r\n0\r\n\r\n", Refused(400)),
        ("RFC 9112 §7.1: a NUL", "5\0\r\nhello\r\n0\r\n\r\n", Refused(400)),
        ("RFC 9112 §7.1: over 64 bits", "10000000000000000\r\nhello\r\n0\r\n\r\n", Refused(400)),
        ("RFC 9112 §7.1: over 64 bits, to 5 again", "10000000000000005\r\nhello\r\n0\r\n\r\n", Refused(400)),
        (
            "RFC 9112 §7.1: over 128 bits",
            "100000000000000000000000000000005\r\nhello\r\n0\r\n\r\n",
            Refused(400),
        ),
    ]);
}

#[test]
fn ends_of_chunks() {
    check_bodies(&[
        ("§1.3 bare LF behind the size", "5\nhello\r\n0\r\n\r\n", Refused(400)),
        ("§1.3 bare LF behind the data", "5\r\nhello\n0\r\n\r\n", Refused(400)),
        ("§1.3 bare LF behind the last size", "5\r\nhello\r\n0\n\r\n", Refused(400)),
        ("§1.3 bare LF at the end", "5\r\nhello\r\n0\r\n\n", Refused(400)),
        ("§1.3 bare CR behind the size", "5\rhello\r\n0\r\n\r\n", Refused(400)),
        ("§1.3 two CR behind the size", "5\r\r\nhello\r\n0\r\n\r\n", Refused(400)),
        ("RFC 9112 §7.1: too long for its size", "4\r\nhello\r\n0\r\n\r\n", Refused(400)),
        ("RFC 9112 §7.1: too short for its size", "6\r\nhello\r\n0\r\n\r\n", Refused(400)),
        ("RFC 9112 §7.1: nothing behind the data", "5\r\nhello0\r\n\r\n", Refused(400)),
        ("RFC 9112 §7.1: something else behind the data", "5\r\nhelloXX0\r\n\r\n", Refused(400)),
    ]);
}

#[test]
fn extensions() {
    check_bodies(&[
        // RFC 9112 §7.1.1: whoever does not know them ignores them, and none is passed on.
        ("RFC 9112 §7.1.1: a name", "5;a\r\nhello\r\n0\r\n\r\n", HELLO),
        ("RFC 9112 §7.1.1: with a value", "5;a=b\r\nhello\r\n0;c=d\r\n\r\n", HELLO),
        ("RFC 9112 §7.1.1: with a quoted value", "5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n", HELLO),
        ("§1.3 a bare LF in one", "5;a\nb\r\nhello\r\n0\r\n\r\n", Refused(400)),
        ("§1.3 a bare CR in one", "5;a\rb\r\nhello\r\n0\r\n\r\n", Refused(400)),
        ("§1.3 a bare LF in quotes", "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n", Refused(400)),
        ("§1.3 a line end in quotes is one", "5;a=\"\r\n0\r\n\r\nGET /x HTTP/1.1\r\n", Refused(400)),
        ("§1.3 a NUL in one", "5;\0\r\nhello\r\n0\r\n\r\n", Refused(400)),
    ]);
    // A line of them without end is no body.
    check_bodies(&[(
        "RFC 9112 §7.1.1: a limit of their length",
        &format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(20_000)),
        Refused(400),
    )]);
}

#[test]
fn trailers() {
    check_bodies(&[
        (
            "RFC 9112 §7.1.2: trailers go on behind the body",
            "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
            Forwarded("POST / HTTP/1.1\nHost: a.test\nTransfer-Encoding: chunked\n\nhello~X-Sum: 1"),
        ),
        ("RFC 9110 §6.5.1: no framing in trailers", "5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n", HELLO),
        (
            "RFC 9110 §6.5.1: no framing in trailers",
            "5\r\nhello\r\n0\r\nTransfer-Encoding: gzip\r\n\r\n",
            HELLO,
        ),
        ("RFC 9110 §6.5.1: no routing in trailers", "5\r\nhello\r\n0\r\nHost: b.test\r\n\r\n", HELLO),
        (
            "RFC 9110 §6.5.1: no credentials in trailers",
            "5\r\nhello\r\n0\r\nAuthorization: Basic eA==\r\n\r\n",
            HELLO,
        ),
        ("§1.8 nobody forwards in trailers", "5\r\nhello\r\n0\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n", HELLO),
        ("§5.12 nor in another spelling", "5\r\nhello\r\n0\r\nX_Forwarded_For: 1.1.1.1\r\n\r\n", HELLO),
        ("§5.12 nor in other words", "5\r\nhello\r\n0\r\nX-Forwarded-Port: 1\r\n\r\n", HELLO),
        ("§1.4 no Connection in trailers", "5\r\nhello\r\n0\r\nConnection: close\r\n\r\n", HELLO),
        ("§1.3 space before the colon", "5\r\nhello\r\n0\r\nX : y\r\n\r\n", Refused(400)),
        ("§1.3 folded", "5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n", Refused(400)),
        ("§1.3 folded first", "5\r\nhello\r\n0\r\n X: y\r\n\r\n", Refused(400)),
        ("§1.3 bare LF", "5\r\nhello\r\n0\r\nX: y\n\r\n", Refused(400)),
        ("§1.3 a NUL", "5\r\nhello\r\n0\r\nX: \0\r\n\r\n", Refused(400)),
        ("RFC 9112 §5: no colon", "5\r\nhello\r\n0\r\nX\r\n\r\n", Refused(400)),
        ("RFC 9112 §5: a request for trailers", "5\r\nhello\r\n0\r\nGET /x HTTP/1.1\r\n\r\n", Refused(400)),
    ]);
}
