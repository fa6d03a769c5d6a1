//! Versions: 1.1 and 1.0, and what is neither.

use super::{Forwarded, Last, Refused, Row, check_all};

#[test]
fn versions() {
    let rows: &[Row<'_>] = &[
        ("RFC 9112 §2.3: 0.9 has no version", "GET /\r\n\r\n", Refused(400)),
        ("RFC 9112 §2.3: 0.9 with one", "GET / HTTP/0.9\r\n\r\n", Refused(505)),
        ("RFC 9112 §2.3", "GET / HTTP/1.2\r\nHost: a.test\r\n\r\n", Refused(505)),
        ("RFC 9112 §2.3", "GET / HTTP/2.0\r\nHost: a.test\r\n\r\n", Refused(505)),
        ("RFC 9112 §2.3", "GET / HTTP/2\r\nHost: a.test\r\n\r\n", Refused(505)),
        ("RFC 9112 §2.3: one digit each", "GET / HTTP/1.10\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("RFC 9112 §2.3: one digit each", "GET / HTTP/01.1\r\nHost: a.test\r\n\r\n", Refused(505)),
        ("RFC 9112 §2.3: the name has a case", "GET / http/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("RFC 9112 §2.3: another protocol", "GET / HTTQ/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("RFC 9112 §2.3: another protocol", "GET / ICY/1.1\r\nHost: a.test\r\n\r\n", Refused(400)),
        ("§1.6 1.0 closes", "GET / HTTP/1.0\r\nHost: a.test\r\n\r\n", Last("GET / HTTP/1.1\nHost: a.test")),
        (
            "§1.6 1.0 goes on when it asks for that",
            "GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n",
            Forwarded("GET / HTTP/1.1\nHost: a.test"),
        ),
        (
            "RFC 9112 §6.3: 1.0 with a length",
            "POST / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
            Forwarded("POST / HTTP/1.1\nHost: a.test\nContent-Length: 5\n\nhello"),
        ),
        (
            "§1.3 1.0 with a coding",
            "POST / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
    ];
    check_all(rows);
}
