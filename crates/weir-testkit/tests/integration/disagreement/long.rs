//! Everything that is longer than it may be.

use super::{Refused, check};

#[test]
fn long_everything() {
    let host = "Host: a.test\r\n";
    for (rule, request, status) in [
        ("§1.10 a long target", format!("GET /{} HTTP/1.1\r\n{host}\r\n", "a".repeat(70_000)), 414),
        ("§1.10 a long query", format!("GET /?{} HTTP/1.1\r\n{host}\r\n", "a".repeat(70_000)), 414),
        ("§1.10 a long method", format!("{} / HTTP/1.1\r\n{host}\r\n", "A".repeat(70_000)), 414),
        ("§1.10 a long name", format!("GET / HTTP/1.1\r\n{host}{}: b\r\n\r\n", "a".repeat(70_000)), 431),
        ("§1.10 a long value", format!("GET / HTTP/1.1\r\n{host}A: {}\r\n\r\n", "b".repeat(70_000)), 431),
        ("§1.10 many fields", format!("GET / HTTP/1.1\r\n{host}{}\r\n", "A: b\r\n".repeat(500)), 431),
        ("§1.10 a long Host", format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "a".repeat(300)), 400),
        (
            "§1.3 a long length",
            format!("POST / HTTP/1.1\r\n{host}Content-Length: {}5\r\n\r\nhello", "9".repeat(100)),
            400,
        ),
        (
            "§1.4 many options",
            format!("GET / HTTP/1.1\r\n{host}Connection: {}\r\n\r\n", "a,".repeat(100) + "a"),
            400,
        ),
        (
            "RFC 9112 §2.2 many empty lines",
            format!("{}GET / HTTP/1.1\r\n{host}\r\n", "\r\n".repeat(70_000)),
            431,
        ),
    ] {
        check(rule, request.as_bytes(), Refused(status));
    }
}
