//! Every way to state the length of a body, and every way to get it wrong.

#![allow(clippy::unwrap_used)]

use super::*;

fn check(version: &str, fields: &str, expected: Result<Framing, FramingError>) {
    let mut head = Head::default();
    head.parse_request(format!("POST / {version}\r\n{fields}\r\n").as_bytes(), 16).unwrap();
    assert_eq!(decide(&head, Direction::Request), expected, "{version} {fields:?}");
}

fn check_answer(method: Method, text: &str, expected: Result<Framing, FramingError>) {
    let mut head = Head::default();
    head.parse_answer(text.as_bytes(), 16).unwrap();
    assert_eq!(decide(&head, Direction::Answer(method)), expected, "{method:?} {text:?}");
}

#[test]
fn semantics_1_3_lengths() {
    check("HTTP/1.1", "", Ok(Framing::None));
    check("HTTP/1.1", "Content-Length: 0\r\n", Ok(Framing::Sized(0)));
    check("HTTP/1.1", "content-length: 007\r\n", Ok(Framing::Sized(7)));
    check(
        "HTTP/1.1",
        "Content-Length: 9999999999999999999\r\n",
        Ok(Framing::Sized(9_999_999_999_999_999_999)),
    );
    for value in ["", "+1", "-1", "0x10", "1 2", "1.0", "a", "99999999999999999999", "1;2", "\u{661}"] {
        check("HTTP/1.1", &format!("Content-Length: {value}\r\n"), Err(FramingError::Length));
    }
    check("HTTP/1.1", "Content-Length: 5, 5\r\n", Err(FramingError::SeveralLengths));
    check("HTTP/1.1", "Content-Length: 5\r\nContent-Length: 5\r\n", Err(FramingError::SeveralLengths));
    check(
        "HTTP/1.1",
        "Content-Length: 5\r\nA: b\r\nCONTENT-LENGTH: 6\r\n",
        Err(FramingError::SeveralLengths),
    );
}

#[test]
fn semantics_1_3_codings() {
    check("HTTP/1.1", "Transfer-Encoding: chunked\r\n", Ok(Framing::Chunked));
    check("HTTP/1.1", "Transfer-Encoding: Chunked \r\n", Ok(Framing::Chunked));
    for value in [
        "",
        "gzip",
        "identity",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "chunked,",
        ",chunked",
        "chunked;a=b",
        "xchunked",
        "\"chunked\"",
    ] {
        check("HTTP/1.1", &format!("Transfer-Encoding: {value}\r\n"), Err(FramingError::Coding));
    }
    check(
        "HTTP/1.1",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        Err(FramingError::Coding),
    );
    check("HTTP/1.1", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", Err(FramingError::Coding));
    check("HTTP/1.0", "Transfer-Encoding: chunked\r\n", Err(FramingError::CodingInHttp10));
    check(
        "HTTP/1.1",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        Err(FramingError::LengthAndCoding),
    );
    check("HTTP/1.1", "Content-Length: 5\r\nTransfer-Encoding: x\r\n", Err(FramingError::LengthAndCoding));
    check("HTTP/1.0", "Content-Length: 5\r\nTransfer-Encoding: x\r\n", Err(FramingError::LengthAndCoding));
}

#[test]
fn answers_follow_rfc_9112_6_3() {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    check_answer(Method::Get, ok, Ok(Framing::Sized(5)));
    check_answer(Method::Head, ok, Ok(Framing::None));
    check_answer(Method::Get, "HTTP/1.1 200 OK\r\n\r\n", Ok(Framing::UntilClose));
    check_answer(Method::Get, "HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n", Ok(Framing::None));
    check_answer(Method::Get, "HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n", Ok(Framing::None));
    check_answer(Method::Get, "HTTP/1.1 101 x\r\n\r\n", Ok(Framing::None));
    check_answer(Method::Get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Ok(Framing::Chunked));
    check_answer(
        Method::Head,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
        Err(FramingError::LengthAndCoding),
    );
    check_answer(
        Method::Get,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        Err(FramingError::Coding),
    );
    check_answer(Method::Connect, "HTTP/1.1 200 OK\r\n\r\n", Ok(Framing::None));
    check_answer(Method::Connect, ok, Ok(Framing::None));
    check_answer(Method::Connect, "HTTP/1.1 403 x\r\n\r\n", Ok(Framing::UntilClose));
}
