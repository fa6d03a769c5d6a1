//! Host: exactly one, and a name.

use super::{Forwarded, Last, Refused, Row, check_all};

#[test]
fn hosts() {
    let rows: &[Row<'_>] = &[
        ("§1.1 none", "GET / HTTP/1.1\r\n\r\n", Refused(400)),
        ("§1.1 two", "GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n", Refused(400)),
        ("§1.1 two the same", "GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n", Refused(400)),
        (
            "§1.1 two, in other cases",
            "GET / HTTP/1.1\r\nhost: a.test\r\nX: y\r\nHOST: a.test\r\n\r\n",
            Refused(400),
        ),
        ("§1.1 a list", "GET / HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n", Refused(400)),
        ("§1.1 userinfo", "GET / HTTP/1.1\r\nHost: b.test@a.test\r\n\r\n", Refused(400)),
        ("§1.1 an empty label", "GET / HTTP/1.1\r\nHost: a..test\r\n\r\n", Refused(400)),
        ("§1.1 an empty label", "GET / HTTP/1.1\r\nHost: .a.test\r\n\r\n", Refused(400)),
        ("§1.1 a bad port", "GET / HTTP/1.1\r\nHost: a.test:http\r\n\r\n", Refused(400)),
        ("§1.1 a bad port", "GET / HTTP/1.1\r\nHost: a.test:65536\r\n\r\n", Refused(400)),
        ("§1.1 a bad port", "GET / HTTP/1.1\r\nHost: a.test:+80\r\n\r\n", Refused(400)),
        ("§1.1 two ports", "GET / HTTP/1.1\r\nHost: a.test:80:80\r\n\r\n", Refused(400)),
        ("§1.1 a path", "GET / HTTP/1.1\r\nHost: a.test/x\r\n\r\n", Refused(400)),
        ("§1.1 a query", "GET / HTTP/1.1\r\nHost: a.test?x\r\n\r\n", Refused(400)),
        ("§1.1 a fragment", "GET / HTTP/1.1\r\nHost: a.test#x\r\n\r\n", Refused(400)),
        ("§1.1 a backslash", "GET / HTTP/1.1\r\nHost: a.test\\x\r\n\r\n", Refused(400)),
        ("§1.1 a space", "GET / HTTP/1.1\r\nHost: a test\r\n\r\n", Refused(400)),
        ("§1.1 a NUL, escaped", "GET / HTTP/1.1\r\nHost: a%00.test\r\n\r\n", Refused(400)),
        ("§1.1 quoted", "GET / HTTP/1.1\r\nHost: \"a.test\"\r\n\r\n", Refused(400)),
        ("§1.1 a whole target", "GET / HTTP/1.1\r\nHost: http://a.test/\r\n\r\n", Refused(400)),
        ("§1.1 an address without its brackets", "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", Refused(400)),
        ("§1.1 half a bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", Refused(400)),
        ("§1.1 raw bytes over 127", "GET / HTTP/1.1\r\nHost: \u{e4}.test\r\n\r\n", Refused(400)),
        (
            "§1.9 kept as it was written",
            "GET / HTTP/1.1\r\nHost: A.Test:80\r\n\r\n",
            Forwarded("GET / HTTP/1.1\nHost: A.Test:80"),
        ),
        (
            "§1.1 an address",
            "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
            Forwarded("GET / HTTP/1.1\nHost: [::1]:80"),
        ),
        (
            "§1.1 one trailing dot",
            "GET / HTTP/1.1\r\nHost: a.test.\r\n\r\n",
            Forwarded("GET / HTTP/1.1\nHost: a.test."),
        ),
        ("§1.1 HTTP/1.0 with two", "GET / HTTP/1.0\r\nHost: a.test\r\nHost: b.test\r\n\r\n", Refused(400)),
        ("§1.1 an absolute target needs one too", "GET http://a.test/ HTTP/1.1\r\n\r\n", Refused(400)),
        (
            "RFC 9112 §3.2.2: HTTP/1.0 gets the Host of its target",
            "GET http://a.test/ HTTP/1.0\r\n\r\n",
            Last("GET / HTTP/1.1\nHost: a.test"),
        ),
        (
            "RFC 9110 §5.1: an underscore is another name",
            "GET / HTTP/1.1\r\nHo_st: a.test\r\n\r\n",
            Refused(400),
        ),
    ];
    check_all(rows);
}
