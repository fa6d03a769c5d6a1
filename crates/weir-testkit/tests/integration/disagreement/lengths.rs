//! Content-Length: once, digits alone, or not at all.

use super::{Forwarded, Refused, Row, check_all};

#[test]
fn content_length() {
    let rows: &[Row<'_>] = &[
        // What is right.
        (
            "RFC 9112 §6.2",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello",
            Forwarded("POST / HTTP/1.1\nHost: a.test\nContent-Length: 5\n\nhello"),
        ),
        (
            "RFC 9110 §8.6: leading zeros are digits, and not passed on",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 005\r\n\r\nhello",
            Forwarded("POST / HTTP/1.1\nHost: a.test\nContent-Length: 5\n\nhello"),
        ),
        (
            "RFC 9112 §5.1: space around the value is none of it",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: \t 5 \t\r\n\r\nhello",
            Forwarded("POST / HTTP/1.1\nHost: a.test\nContent-Length: 5\n\nhello"),
        ),
        (
            "RFC 9110 §5.1: names have no case",
            "POST / HTTP/1.1\r\nHost: a.test\r\ncOnTeNt-LeNgTh: 5\r\n\r\nhello",
            Forwarded("POST / HTTP/1.1\nHost: a.test\ncOnTeNt-LeNgTh: 5\n\nhello"),
        ),
        (
            "RFC 9110 §9.3.1: GET may have a body",
            "GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello",
            Forwarded("GET / HTTP/1.1\nHost: a.test\nContent-Length: 5\n\nhello"),
        ),
        (
            "RFC 9112 §6.3: no length, no body",
            "POST / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Forwarded("POST / HTTP/1.1\nHost: a.test"),
        ),
        (
            "RFC 9112 §6.3: a body that looks like a request is a body",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 39\r\n\r\nGET /inside HTTP/1.1\r\nHost: a.test\r\n\r\n\n",
            Forwarded(
                "POST / HTTP/1.1\nHost: a.test\nContent-Length: 39\n\nGET /inside HTTP/1.1\r\nHost: a.test\r\n\r\n\n",
            ),
        ),
        // Several.
        (
            "§1.3 twice",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\nhello",
            Refused(400),
        ),
        (
            "§1.3 twice",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nhello",
            Refused(400),
        ),
        (
            "§1.3 twice the same",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
            Refused(400),
        ),
        (
            "§1.3 twice, in other cases",
            "POST / HTTP/1.1\r\nHost: a.test\r\ncontent-length: 5\r\nCONTENT-LENGTH: 6\r\n\r\nhello",
            Refused(400),
        ),
        ("§1.3 a list", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5, 5\r\n\r\nhello", Refused(400)),
        ("§1.3 a list", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5,0\r\n\r\nhello", Refused(400)),
        (
            "§1.3 a list with nothing",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5,\r\n\r\nhello",
            Refused(400),
        ),
        (
            "§1.3 a list with nothing",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: ,5\r\n\r\nhello",
            Refused(400),
        ),
        // Not a number.
        ("§1.3 sign", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: +5\r\n\r\nhello", Refused(400)),
        ("§1.3 sign", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: -5\r\n\r\nhello", Refused(400)),
        ("§1.3 sign", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: -0\r\n\r\n", Refused(400)),
        ("§1.3 hex", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0x5\r\n\r\nhello", Refused(400)),
        ("§1.3 hex", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: a\r\n\r\nhellohello", Refused(400)),
        (
            "§1.3 space inside",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1 0\r\n\r\nhellohello",
            Refused(400),
        ),
        (
            "§1.3 tab inside",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\t0\r\n\r\nhellohello",
            Refused(400),
        ),
        ("§1.3 empty", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length:\r\n\r\n", Refused(400)),
        ("§1.3 empty", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length:   \r\n\r\n", Refused(400)),
        (
            "§1.3 fraction",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5.0\r\n\r\nhello",
            Refused(400),
        ),
        (
            "§1.3 exponent",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5e0\r\n\r\nhello",
            Refused(400),
        ),
        (
            "§1.3 quoted",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: \"5\"\r\n\r\nhello",
            Refused(400),
        ),
        (
            "§1.3 parameter",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5;x=1\r\n\r\nhello",
            Refused(400),
        ),
        (
            "§1.3 grouped",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1_0\r\n\r\nhellohello",
            Refused(400),
        ),
        (
            "§1.3 other digits",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: \u{665}\r\n\r\nhello",
            Refused(400),
        ),
        (
            "§1.3 vertical tab",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: \x0b5\r\n\r\nhello",
            Refused(400),
        ),
        (
            "§1.3 form feed",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\x0c\r\n\r\nhello",
            Refused(400),
        ),
        (
            "§1.3 no-break space",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: \u{a0}5\r\n\r\nhello",
            Refused(400),
        ),
        // Too large to be counted.
        (
            "§1.3 over 64 bits",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 18446744073709551616\r\n\r\n",
            Refused(400),
        ),
        (
            "§1.3 over 64 bits, to 5 again",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 18446744073709551621\r\n\r\nhello",
            Refused(400),
        ),
        (
            "§1.3 over 128 bits",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 340282366920938463463374607431768211461\r\n\r\nhello",
            Refused(400),
        ),
        // Names that look like it.
        (
            "RFC 9110 §5.1: an underscore is another name",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent_Length: 5\r\n\r\n",
            Forwarded("POST / HTTP/1.1\nHost: a.test\nContent_Length: 5"),
        ),
        (
            "§1.3 space before the colon",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length : 5\r\n\r\nhello",
            Refused(400),
        ),
        (
            "§1.3 space before the name",
            "POST / HTTP/1.1\r\nHost: a.test\r\n Content-Length: 5\r\n\r\nhello",
            Refused(400),
        ),
        (
            "§1.3 folded",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length:\r\n 5\r\n\r\nhello",
            Refused(400),
        ),
        (
            "§1.3 NUL in the name",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent\0-Length: 5\r\n\r\nhello",
            Refused(400),
        ),
        (
            "§1.3 a letter that only looks like one",
            "POST / HTTP/1.1\r\nHost: a.test\r\n\u{421}ontent-Length: 5\r\n\r\nhello",
            Refused(400),
        ),
    ];
    check_all(rows);
}
