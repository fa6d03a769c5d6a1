//! What is meant for one hop (with fields that Weir adds itself: `word.rs`), methods that are not passed on, and promises before a body.

use super::{Forwarded, Last, Refused, Row, check_all};

#[test]
fn hops() {
    let rows: &[Row<'_>] = &[
        (
            "§1.4 removed with what it names",
            "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: X-Secret\r\nX-Secret: 1\r\n\r\n",
            Forwarded("GET / HTTP/1.1\nHost: a.test"),
        ),
        (
            "§1.4 in two fields and other cases",
            "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: x-one\r\nX-ONE: 1\r\nconnection: X-Two\r\nx-two: 2\r\n\r\n",
            Forwarded("GET / HTTP/1.1\nHost: a.test"),
        ),
        (
            "§1.4 Host is for all hops",
            "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Host\r\n\r\n",
            Refused(400),
        ),
        (
            "§1.4 framing is for all hops",
            "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: Content-Length\r\nContent-Length: 5\r\n\r\nhello",
            Refused(400),
        ),
        (
            "§1.4 framing is for all hops",
            "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        (
            "RFC 9110 §7.6.1: options are tokens",
            "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: a b\r\n\r\n",
            Refused(400),
        ),
        (
            "RFC 9110 §7.6.1: options are tokens",
            "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: \"close\"\r\n\r\n",
            Refused(400),
        ),
        (
            "RFC 9110 §7.6.1: known ones are never passed on",
            "GET / HTTP/1.1\r\nHost: a.test\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\n\r\n",
            Forwarded("GET / HTTP/1.1\nHost: a.test"),
        ),
        (
            "§1.4 TE but `trailers`",
            "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: TE\r\nTE: gzip\r\n\r\n",
            Forwarded("GET / HTTP/1.1\nHost: a.test"),
        ),
        (
            "§1.4 close is ours",
            "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n",
            Last("GET / HTTP/1.1\nHost: a.test"),
        ),
        (
            "RFC 9112 §9.3: close has no case",
            "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, CLOSE\r\n\r\n",
            Last("GET / HTTP/1.1\nHost: a.test"),
        ),
    ];
    check_all(rows);
}

#[test]
fn upgrades() {
    let rows: &[Row<'_>] = &[
        (
            "§1.4 h2c",
            "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
            Forwarded("GET / HTTP/1.1\nHost: a.test"),
        ),
        (
            "§1.4 h2c behind another",
            "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: TLS/1.0, h2c\r\n\r\n",
            Forwarded("GET / HTTP/1.1\nHost: a.test"),
        ),
        (
            "§1.4 without Connection",
            "GET / HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\n\r\n",
            Forwarded("GET / HTTP/1.1\nHost: a.test"),
        ),
        (
            "§1.4 in HTTP/1.0",
            "GET / HTTP/1.0\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            Last("GET / HTTP/1.1\nHost: a.test"),
        ),
        (
            "§1.4 with a body",
            "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello",
            Forwarded("POST / HTTP/1.1\nHost: a.test\nContent-Length: 5\n\nhello"),
        ),
        (
            "§1.4 one that a server refuses keeps HTTP",
            "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            Forwarded("GET / HTTP/1.1\nHost: a.test\nConnection: Upgrade\nUpgrade: websocket"),
        ),
    ];
    check_all(rows);
}

#[test]
fn methods_and_promises() {
    let rows: &[Row<'_>] = &[
        ("§1.4 TRACE", "TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(405)),
        (
            "§1.4 TRACE with a body",
            "TRACE / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello",
            Refused(405),
        ),
        ("§1.4 CONNECT", "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n", Refused(405)),
        ("§1.4 CONNECT to a path", "CONNECT / HTTP/1.1\r\nHost: a.test\r\n\r\n", Refused(405)),
        (
            "§1.5 another expectation",
            "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 200-ok\r\nContent-Length: 5\r\n\r\nhello",
            Refused(417),
        ),
        (
            "§1.5 two expectations",
            "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue, x\r\nContent-Length: 5\r\n\r\nhello",
            Refused(417),
        ),
        (
            "RFC 9110 §10.1.1: without a body there is nothing to expect",
            "GET / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n\r\n",
            Forwarded("GET / HTTP/1.1\nHost: a.test"),
        ),
        (
            "RFC 9110 §10.1.1: whoever does not wait is not asked",
            "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
            Forwarded("POST / HTTP/1.1\nHost: a.test\nExpect: 100-continue\nContent-Length: 5\n\nhello"),
        ),
        (
            "RFC 9110 §9.3.2: HEAD has no answer body",
            "HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Forwarded("HEAD / HTTP/1.1\nHost: a.test"),
        ),
    ];
    check_all(rows);
}
