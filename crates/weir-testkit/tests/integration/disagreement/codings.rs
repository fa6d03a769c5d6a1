//! Transfer-Encoding: one `chunked` and nothing else, in HTTP/1.1 alone, and never beside a length.

use super::{Forwarded, Refused, Row, check_all};

const CHUNKED: &str = "POST / HTTP/1.1\nHost: a.test\nTransfer-Encoding: chunked\n\nhello";

#[test]
fn transfer_encoding() {
    let rows: &[Row<'_>] = &[
        (
            "RFC 9112 §7.1",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            Forwarded(CHUNKED),
        ),
        (
            "RFC 9112 §7: names of codings have no case",
            "POST / HTTP/1.1\r\nHost: a.test\r\ntransfer-encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            Forwarded(CHUNKED),
        ),
        (
            "RFC 9112 §5.1: space around the value is none of it",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding:\t chunked \t\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            Forwarded(CHUNKED),
        ),
        // Beside a length.
        (
            "§1.3 both",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        (
            "§1.3 both",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        (
            "§1.3 both, with nothing in the length",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        (
            "§1.3 both, with a bad length",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nContent-Length: x\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        (
            "§1.3 both, with an unknown coding",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nTransfer-Encoding: identity\r\n\r\nhello",
            Refused(400),
        ),
        (
            "§1.3 both, with an empty coding",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nTransfer-Encoding:\r\n\r\nhello",
            Refused(400),
        ),
        // Another coding, or more than one.
        (
            "§1.3 gzip",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            Refused(501),
        ),
        (
            "§1.3 identity",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: identity\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            Refused(501),
        ),
        (
            "§1.3 gzip, chunked",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            Refused(501),
        ),
        (
            "§1.3 chunked, gzip",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
            Refused(501),
        ),
        (
            "§1.3 chunked, identity",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
            Refused(501),
        ),
        (
            "§1.3 identity, chunked",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
            Refused(501),
        ),
        (
            "§1.3 twice in a list",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
            Refused(501),
        ),
        (
            "§1.3 twice",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Refused(501),
        ),
        (
            "§1.3 two fields",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
            Refused(501),
        ),
        (
            "§1.3 two fields",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Refused(501),
        ),
        // Spellings of `chunked` that somebody might take for it.
        (
            "§1.3 a prefix",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            Refused(501),
        ),
        (
            "§1.3 a suffix",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n",
            Refused(501),
        ),
        (
            "§1.3 an abbreviation",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunke\r\n\r\n0\r\n\r\n",
            Refused(501),
        ),
        (
            "§1.3 a space inside",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chu nked\r\n\r\n0\r\n\r\n",
            Refused(501),
        ),
        (
            "§1.3 quoted",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
            Refused(501),
        ),
        (
            "§1.3 in single quotes",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: 'chunked'\r\n\r\n0\r\n\r\n",
            Refused(501),
        ),
        (
            "§1.3 with a parameter",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
            Refused(501),
        ),
        (
            "§1.3 an empty member",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked,\r\n\r\n0\r\n\r\n",
            Refused(501),
        ),
        (
            "§1.3 an empty member",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: , chunked\r\n\r\n0\r\n\r\n",
            Refused(501),
        ),
        (
            "§1.3 nothing",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n",
            Refused(501),
        ),
        (
            "§1.3 a vertical tab",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        (
            "§1.3 a NUL",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        (
            "§1.3 a delete",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: \x7fchunked\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        (
            "§1.3 a no-break space",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: \u{a0}chunked\r\n\r\n0\r\n\r\n",
            Refused(501),
        ),
        (
            "§1.3 a long s",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chun\u{212a}ed\r\n\r\n0\r\n\r\n",
            Refused(501),
        ),
        // Spellings of the name.
        (
            "§1.3 space before the colon",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        (
            "§1.3 tab before the colon",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        (
            "§1.3 folded",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        (
            "§1.3 folded behind another field",
            "POST / HTTP/1.1\r\nHost: a.test\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        (
            "§1.3 behind a bare LF",
            "POST / HTTP/1.1\r\nHost: a.test\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        (
            "§1.3 behind a bare CR",
            "POST / HTTP/1.1\r\nHost: a.test\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        (
            "§1.3 HTTP/1.0",
            "POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        (
            "RFC 9110 §5.1: an underscore is another name",
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
            Forwarded(
                "POST / HTTP/1.1\nHost: a.test\nTransfer_Encoding: chunked\nContent-Length: 5\n\nhello",
            ),
        ),
    ];
    check_all(rows);
}
