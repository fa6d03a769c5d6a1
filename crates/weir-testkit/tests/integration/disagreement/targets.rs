//! Targets: what is matched is what is sent.

use super::{Answered, Forwarded, Refused, Row, check_all};

#[test]
fn targets() {
    let rows: &[Row<'_>] = &[
        (
            "§1.2 escapes of what needs none",
            "GET /%61dm%69n HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Forwarded("GET /admin HTTP/1.1\nHost: a.test"),
        ),
        (
            "§1.2 hex digits",
            "GET /%c3%a4 HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Forwarded("GET /%C3%A4 HTTP/1.1\nHost: a.test"),
        ),
        (
            "§1.2 dot segments",
            "GET /a/./b/../c HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Forwarded("GET /a/c HTTP/1.1\nHost: a.test"),
        ),
        (
            "§1.2 escaped dot segments",
            "GET /a/%2e/b/%2E%2e/c HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Forwarded("GET /a/c HTTP/1.1\nHost: a.test"),
        ),
        (
            "§1.2 half escaped dot segments",
            "GET /a/b/.%2e/c HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Forwarded("GET /a/c HTTP/1.1\nHost: a.test"),
        ),
        (
            "§1.2 escaped twice is not escaped",
            "GET /%252e%252e/a HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Forwarded("GET /%252e%252e/a HTTP/1.1\nHost: a.test"),
        ),
        (
            "§1.2 three dots are a name",
            "GET /.../a HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Forwarded("GET /.../a HTTP/1.1\nHost: a.test"),
        ),
        (
            "§1.2 an escaped slash separates nothing",
            "GET /a%2f..%2fb HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Forwarded("GET /a%2F..%2Fb HTTP/1.1\nHost: a.test"),
        ),
        (
            "§1.2 an escaped backslash separates nothing",
            "GET /a%5c..%5cb HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Forwarded("GET /a%5C..%5Cb HTTP/1.1\nHost: a.test"),
        ),
        (
            "§1.2 a parameter separates nothing",
            "GET /a/..;x/b HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Forwarded("GET /a/..;x/b HTTP/1.1\nHost: a.test"),
        ),
        (
            "§1.2 empty segments stay",
            "GET //a//b HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Forwarded("GET //a//b HTTP/1.1\nHost: a.test"),
        ),
        (
            "§1.2 the query is not touched",
            "GET /a?b=/../%61&c=%2e HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Forwarded("GET /a?b=/../%61&c=%2e HTTP/1.1\nHost: a.test"),
        ),
        (
            "§1.2 an escaped question mark begins no query",
            "GET /a%3f/../b HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Forwarded("GET /b HTTP/1.1\nHost: a.test"),
        ),
        ("§1.2 above the root", "GET /.. HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("§1.2 above the root", "GET /a/../../b HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        (
            "§1.2 above the root, escaped",
            "GET /%2e%2e/etc/passwd HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Refused(400),
        ),
        ("§1.2 a NUL, escaped", "GET /a%00.html HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("§1.2 a NUL", "GET /a\0 HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("§1.2 a backslash", "GET /a\\..\\b HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("§1.2 a control byte", "GET /a\x01 HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("§1.2 a delete", "GET /a\x7f HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("RFC 3986 §2.1: half an escape", "GET /a% HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("RFC 3986 §2.1: half an escape", "GET /a%4 HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("RFC 3986 §2.1: no hex", "GET /a%zz HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        (
            "RFC 3986 §2.1: escapes of other systems",
            "GET /%u002e%u002e/a HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Refused(400),
        ),
        ("RFC 3986 §3.5: no fragment", "GET /a#b HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("RFC 9112 §3.2: neither form", "GET a HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("RFC 9112 §3.2: neither form", "GET ?a HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("RFC 9112 §3.2: neither form", "GET ../a HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("RFC 9112 §3.2.4: `*` is for OPTIONS", "GET * HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        (
            "RFC 9110 §9.3.7: the server as a whole is Weir",
            "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Answered(204),
        ),
        (
            "RFC 9112 §3.2.2: the absolute form becomes the origin form",
            "GET http://a.test/x/../y?z HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Forwarded("GET /y?z HTTP/1.1\nHost: a.test"),
        ),
        (
            "RFC 9112 §3.2.2: without a path",
            "GET http://a.test HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Forwarded("GET / HTTP/1.1\nHost: a.test"),
        ),
        (
            "§1.1 another host in the target",
            "GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Refused(400),
        ),
        (
            "§1.1 another port in the target",
            "GET http://a.test:81/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Refused(400),
        ),
        (
            "§1.1 userinfo in the target",
            "GET http://b.test@a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Refused(400),
        ),
        ("§1.1 no host in the target", "GET http:///x HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        (
            "RFC 9112 §3.2.2: another scheme",
            "GET ftp://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Refused(400),
        ),
        (
            "RFC 9112 §3.2.3: the authority form is for CONNECT",
            "GET a.test:80 HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Refused(400),
        ),
        (
            "§1.2 raw bytes over 127 have one spelling",
            "GET /\u{fc} HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Forwarded("GET /%C3%BC HTTP/1.1\nHost: a.test"),
        ),
    ];
    check_all(rows);
}
