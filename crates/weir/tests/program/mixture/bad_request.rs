//! Requests that are refused with their connection, whatever stands behind them.

/// What is sent, and how the answer begins. `ID` stands for a number that is nobody else's.
pub(super) const REFUSED: [(&str, &str); 20] = [
    (
        "POST /web/echo/4/ID HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "POST /web/echo/4/ID HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody",
        "400",
    ),
    ("POST /web/echo/4/ID HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4, 4\r\n\r\nbody", "400"),
    ("POST /web/echo/4/ID HTTP/1.1\r\nHost: a.test\r\nContent-Length: +4\r\n\r\nbody", "400"),
    ("POST /race/echo/4/ID HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0x4\r\n\r\nbody", "400"),
    (
        "POST /durable/echo/4/ID HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "501",
    ),
    (
        "POST /memory/echo/4/ID HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "501",
    ),
    ("POST /web/echo/4/ID HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
    ("GET /web/sized/100/ID HTTP/1.1\r\n\r\n", "400"),
    ("GET /web/sized/100/ID HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n", "400"),
    ("GET /web/sized/100/ID HTTP/1.1\r\nHost: a.test\nX: y\r\n\r\n", "400"),
    ("GET /web/sized/100/ID HTTP/1.1\r\nHost : a.test\r\n\r\n", "400"),
    ("GET /web/sized/100/ID HTTP/1.1\r\nHost: a.test\r\nX: y\r\n z\r\n\r\n", "400"),
    ("GET /web/sized/100/ID HTTP/1.1\r\nHost: a.test\r\nX: \0\r\n\r\n", "400"),
    ("GET /web/sized/100/ID HTTP/1.1\r\nHost: a.test\r\nConnection: Content-Length\r\n\r\n", "400"),
    ("GET http://b.test/web/sized/100/ID HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", "400"),
    ("GET /../web/sized/100/ID HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", "400"),
    ("TRACE /web/sized/100/ID HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", "405"),
    ("POST /web/echo/4/ID HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n", "400"),
    (
        "POST /majority/echo/4/ID HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nbody",
        "400",
    ),
];

/// What stands behind each of them, and is complained of by any server that sees it.
pub(super) const POISON: &str = "GET /poison HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// A head that is too long, and its answer.
pub(super) fn too_long(id: u64) -> (String, &'static str) {
    let long = "x".repeat(40_000);
    if id.is_multiple_of(2) {
        (format!("GET /web/sized/100/{id:x} HTTP/1.1\r\nHost: a.test\r\nX: {long}\r\n\r\n"), "431")
    } else {
        (format!("GET /web/sized/100/{id:x}?{} HTTP/1.1\r\nHost: a.test\r\n\r\n", &long[..20_000]), "414")
    }
}
