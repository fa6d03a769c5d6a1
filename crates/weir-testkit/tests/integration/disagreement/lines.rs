//! Lines: where one ends, what stands in the first, and what a field looks like.

use super::{Forwarded, Refused, Row, check_all};

#[test]
fn ends_of_lines() {
    let rows: &[Row<'_>] = &[
        ("§1.3 bare LF everywhere", "GET / HTTP/1.1\nHost: a.test\n\n", Refused(400)),
        ("§1.3 bare LF behind the first line", "GET / HTTP/1.1\nHost: a.test\r\n\r\n", Refused(400)),
        ("§1.3 bare LF behind a field", "GET / HTTP/1.1\r\nHost: a.test\nX: y\r\n\r\n", Refused(400)),
        ("§1.3 bare LF behind the last field", "GET / HTTP/1.1\r\nHost: a.test\n\r\n", Refused(400)),
        ("§1.3 bare LF as the empty line", "GET / HTTP/1.1\r\nHost: a.test\r\n\n", Refused(400)),
        ("§1.3 two LF and a CR", "GET / HTTP/1.1\r\nHost: a.test\n\n\r\n\r\n", Refused(400)),
        ("§1.3 bare CR behind the first line", "GET / HTTP/1.1\rHost: a.test\r\n\r\n", Refused(400)),
        ("§1.3 bare CR behind a field", "GET / HTTP/1.1\r\nHost: a.test\rX: y\r\n\r\n", Refused(400)),
        ("§1.3 bare CR in a value", "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\rb\r\n\r\n", Refused(400)),
        ("§1.3 bare CR before CR LF", "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\r\r\n\r\n", Refused(400)),
        ("§1.3 CR CR LF as the empty line", "GET / HTTP/1.1\r\nHost: a.test\r\n\r\r\n\r\n", Refused(400)),
        ("§1.3 LF CR", "GET / HTTP/1.1\n\rHost: a.test\n\r\n\r\r\n\r\n", Refused(400)),
        ("§1.3 a next-line character", "GET / HTTP/1.1\u{85}Host: a.test\r\n\r\n", Refused(400)),
        (
            "RFC 9112 §2.2: an empty line before a request is passed over",
            "\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Forwarded("GET / HTTP/1.1\nHost: a.test"),
        ),
        ("§1.3 a bare LF before a request", "\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("§1.3 a bare CR before a request", "\rGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
    ];
    check_all(rows);
}

#[test]
fn first_lines() {
    let rows: &[Row<'_>] = &[
        ("RFC 9112 §3: one space", "GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("RFC 9112 §3: one space", "GET /  HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("RFC 9112 §3: a space and no tab", "GET\t/ HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("RFC 9112 §3: a space and no tab", "GET /\tHTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("RFC 9112 §3: nothing behind the version", "GET / HTTP/1.1 \r\nHost: a.test\r\n\r\n", Refused(400)),
        ("RFC 9112 §3: nothing behind the version", "GET / HTTP/1.1 x\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("RFC 9112 §3: nothing before the method", " GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("RFC 9112 §3: no space in a target", "GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        (
            "RFC 9112 §3: two first lines in one",
            "GET / HTTP/1.1 GET /b HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Refused(400),
        ),
        ("RFC 9110 §9.1: a method is a token", "G(T / HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("RFC 9110 §9.1: a method is a token", "GET: / HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("RFC 9110 §9.1: a method is a token", "\"GET\" / HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("RFC 9110 §9.1: a method is a token", "G\0T / HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("RFC 9110 §9.1: a method is ASCII", "G\u{c9}T / HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("RFC 9110 §9.1: and not empty", " / HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        (
            "RFC 9110 §9.1: methods have a case, so this one is another",
            "get / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Forwarded("get / HTTP/1.1\nHost: a.test"),
        ),
        (
            "RFC 9110 §9.1: and unknown ones go on",
            "M-SEARCH / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Forwarded("M-SEARCH / HTTP/1.1\nHost: a.test"),
        ),
        (
            "RFC 9113 §3.4: a preface of HTTP/2 is none of HTTP/1",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            Refused(505),
        ),
        (
            "RFC 9112 §3: a handshake of TLS",
            "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03\r\n\r\n",
            Refused(400),
        ),
        (
            "RFC 9112 §3: the beginning of an answer",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            Refused(400),
        ),
    ];
    check_all(rows);
}

#[test]
fn fields() {
    let rows: &[Row<'_>] = &[
        ("§1.3 folded with a space", "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\r\n b\r\n\r\n", Refused(400)),
        ("§1.3 folded with a tab", "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\r\n\tb\r\n\r\n", Refused(400)),
        ("§1.3 folded Host", "GET / HTTP/1.1\r\nHost:\r\n a.test\r\n\r\n", Refused(400)),
        ("§1.3 a first field that is folded", "GET / HTTP/1.1\r\n Host: a.test\r\n\r\n", Refused(400)),
        ("§1.3 a space that is a line", "GET / HTTP/1.1\r\nHost: a.test\r\n \r\n\r\n", Refused(400)),
        ("§1.3 space before the colon", "GET / HTTP/1.1\r\nHost : a.test\r\n\r\n", Refused(400)),
        ("§1.3 space before the colon", "GET / HTTP/1.1\r\nHost: a.test\r\nX : y\r\n\r\n", Refused(400)),
        ("RFC 9110 §5.1: a name is not empty", "GET / HTTP/1.1\r\nHost: a.test\r\n: y\r\n\r\n", Refused(400)),
        ("RFC 9112 §5: there is a colon", "GET / HTTP/1.1\r\nHost: a.test\r\nX\r\n\r\n", Refused(400)),
        (
            "RFC 9110 §5.1: a name is a token",
            "GET / HTTP/1.1\r\nHost: a.test\r\nX(y: z\r\n\r\n",
            Refused(400),
        ),
        (
            "RFC 9110 §5.1: a name is a token",
            "GET / HTTP/1.1\r\nHost: a.test\r\nX/y: z\r\n\r\n",
            Refused(400),
        ),
        (
            "RFC 9110 §5.1: a name is a token",
            "GET / HTTP/1.1\r\nHost: a.test\r\n\"X\": z\r\n\r\n",
            Refused(400),
        ),
        (
            "RFC 9110 §5.1: a name is a token",
            "GET / HTTP/1.1\r\nHost: a.test\r\nX y: z\r\n\r\n",
            Refused(400),
        ),
        (
            "RFC 9110 §5.1: a name is ASCII",
            "GET / HTTP/1.1\r\nHost: a.test\r\n\u{fc}: z\r\n\r\n",
            Refused(400),
        ),
        ("§1.3 NUL in a name", "GET / HTTP/1.1\r\nHost: a.test\r\nX\0: y\r\n\r\n", Refused(400)),
        ("§1.3 NUL in a value", "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\0b\r\n\r\n", Refused(400)),
        (
            "RFC 9110 §5.5: a control character",
            "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\x01b\r\n\r\n",
            Refused(400),
        ),
        ("RFC 9110 §5.5: an escape", "GET / HTTP/1.1\r\nHost: a.test\r\nX: \x1b[2J\r\n\r\n", Refused(400)),
        ("RFC 9110 §5.5: a delete", "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\x7fb\r\n\r\n", Refused(400)),
        (
            "RFC 9110 §5.5: bytes over 127 are opaque",
            "GET / HTTP/1.1\r\nHost: a.test\r\nX: \u{fc}\r\n\r\n",
            Forwarded("GET / HTTP/1.1\nHost: a.test\nX: \u{fc}"),
        ),
        (
            "RFC 9110 §5.5: a tab inside a value is a space",
            "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\tb\r\n\r\n",
            Forwarded("GET / HTTP/1.1\nHost: a.test\nX: a\tb"),
        ),
        (
            "RFC 9112 §5: no space behind the colon",
            "GET / HTTP/1.1\r\nHost:a.test\r\nX:y\r\n\r\n",
            Forwarded("GET / HTTP/1.1\nHost: a.test\nX: y"),
        ),
        (
            "RFC 9110 §5.5: an empty value is one",
            "GET / HTTP/1.1\r\nHost: a.test\r\nX:\r\n\r\n",
            Forwarded("GET / HTTP/1.1\nHost: a.test\nX: "),
        ),
        (
            "RFC 9110 §5.3: the order of equal names is kept",
            "GET / HTTP/1.1\r\nHost: a.test\r\nX: 1\r\nY: 2\r\nx: 3\r\n\r\n",
            Forwarded("GET / HTTP/1.1\nHost: a.test\nX: 1\nY: 2\nx: 3"),
        ),
        (
            "RFC 9110 §5.6.2: every character of a token",
            "GET / HTTP/1.1\r\nHost: a.test\r\n!#$%&'*+-.^_`|~0Aa: y\r\n\r\n",
            Forwarded("GET / HTTP/1.1\nHost: a.test\n!#$%&'*+-.^_`|~0Aa: y"),
        ),
        (
            "§1.8 whoever names a server names nothing",
            "GET / HTTP/1.1\r\nHost: a.test\r\nX-Backend-Server: 10.0.0.1:80\r\n\r\n",
            Forwarded("GET / HTTP/1.1\nHost: a.test"),
        ),
    ];
    check_all(rows);
}
