//! Every way to state the length of a body, and every way to get it wrong.

#![allow(clippy::unwrap_used)]

use super::*;

fn check(version: &str, fields: &str, expected: Result<Framing, FramingError>) {
    let mut head = Head::default();
    head.parse_request(format!("POST / {version}\r\n{fields}\r\n").as_bytes(), 16).unwrap();
    assert_eq!(decide(&mut head, Direction::Request), expected, "{version} {fields:?}");
}

fn check_answer(method: Method, text: &str, expected: Result<Framing, FramingError>) {
    let mut head = Head::default();
    head.parse_answer(text.as_bytes(), 16).unwrap();
    assert_eq!(decide(&mut head, Direction::Answer(method)), expected, "{method:?} {text:?}");
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

/// `010` is ten by RFC 9110 §8.6, and eight to a program that reads numbers as C does. Such a length went on as it was
/// written, so that a server behind us could have ended the body elsewhere. Now it goes on as everybody writes it.
#[test]
fn a_length_goes_on_without_needless_zeros() {
    for (sent, goes_on) in [
        ("0", "0"),
        ("00", "0"),
        ("05", "5"),
        (" 0010\t", "10"),
        ("50", "50"),
        ("0000000000000000100", "100"),
        ("9999999999999999999", "9999999999999999999"),
    ] {
        let text = format!("POST / HTTP/1.1\r\nA: 00\r\ncontent-length: {sent}\r\nB: 007\r\n\r\n");
        let mut head = Head::default();
        head.parse_request(text.as_bytes(), 16).unwrap();
        decide(&mut head, Direction::Request).unwrap();
        let mut written = Vec::new();
        head.write(&mut written);
        let expected = format!("POST / HTTP/1.1\r\nA: 00\r\ncontent-length: {goes_on}\r\nB: 007\r\n\r\n");
        assert_eq!(written.escape_ascii().to_string(), expected.as_bytes().escape_ascii().to_string());
        assert_eq!(head.get(KnownName::ContentLength), Some(goes_on.as_bytes()));
    }
}

/// Also one that only describes a body which is not sent, and one beside a connection field that is removed later.
#[test]
fn a_length_of_an_answer_goes_on_without_needless_zeros() {
    for (method, status) in [(Method::Get, 200), (Method::Head, 200), (Method::Get, 304), (Method::Get, 204)]
    {
        let mut head = Head::default();
        let text = format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: 007\r\n\r\n");
        head.parse_answer(text.as_bytes(), 16).unwrap();
        decide(&mut head, Direction::Answer(method)).unwrap();
        head.remove(KnownName::Connection);
        let mut written = Vec::new();
        head.write(&mut written);
        let expected = format!("HTTP/1.1 {status} x\r\nContent-Length: 7\r\n\r\n");
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }
}

/// What is refused is left as it is: a log that shows it shows what was sent.
#[test]
fn a_length_that_is_refused_stays_as_it_was() {
    for value in ["0x5", "00, 0", "0+5", "00000000000000000005"] {
        let mut head = Head::default();
        let text = format!("POST / HTTP/1.1\r\nContent-Length: {value}\r\n\r\n");
        head.parse_request(text.as_bytes(), 16).unwrap();
        assert!(decide(&mut head, Direction::Request).is_err(), "{value}");
        assert_eq!(head.get(KnownName::ContentLength), Some(value.as_bytes()));
    }
}
