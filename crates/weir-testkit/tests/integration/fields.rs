//! Fields that are meant for one hop (`semantics.md` §1.4), and methods that are not passed on.

use weir_testkit::client::{ask, connect, fetch};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;

fn check_400(proxy: &Running, fields: &str) {
    let answer = ask(proxy, format!("GET / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n\r\n"));
    assert_eq!(answer.status(), 400, "{fields:?}: {answer}");
    assert!(answer.says_close(), "{fields:?}");
}

#[test]
fn semantics_1_4_fields_that_connection_names_are_removed() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    ask(
        &proxy,
        "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, X-One\r\nX-One: 1\r\nx-one: 2\r\nX-Two: 2\r\n\
         Connection: x-two\r\nX-Three: 3\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n\
         Proxy-Authorization: Basic eA==\r\nTE: gzip\r\n\r\n",
    )
    .expect(200);
    let got = server.only_request();
    for gone in [
        "connection",
        "x-one",
        "x-two",
        "keep-alive",
        "proxy-connection",
        "te",
        "proxy-authorization",
        "upgrade",
        "transfer-encoding",
    ] {
        assert!(!got.has(gone), "{gone}: {got}");
    }
    assert_eq!(got.field("x-three"), Some("3"));
}

#[test]
fn semantics_1_4_what_weir_adds_itself_is_added_after_the_removal() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    ask(
        &proxy,
        "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: x-forwarded-for, via, x-request-id, x-forwarded-host\r\n\
         X-Forwarded-For: 1.1.1.1\r\nVia: 1.1 other\r\n\r\n",
    )
    .expect(200);
    let got = server.only_request();
    assert_eq!(got.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(got.field("via"), Some("1.1 weir"));
    assert!(got.has("x-request-id") && got.has("x-forwarded-host"), "{got}");
}

#[test]
fn semantics_1_4_connection_must_not_name_host_or_framing() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    for name in
        ["Host", "content-length", "Transfer-Encoding", "close, host", "a b", "\"x\"", "a;b", "x, (y)"]
    {
        check_400(&proxy, &format!("Connection: {name}"));
    }
    let many: Vec<String> = (0..33).map(|number| format!("x-{number}")).collect();
    check_400(&proxy, &format!("Connection: {}", many.join(", ")));
    assert_eq!(server.connections(), 0);
}

#[test]
fn semantics_1_4_te_goes_on_only_as_trailers() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    for (te, expected) in [
        ("trailers", Some("trailers")),
        ("gzip, Trailers", Some("trailers")),
        ("gzip;q=0.5", None),
        ("", None),
    ] {
        ask(&proxy, format!("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: TE\r\nTE: {te}\r\n\r\n"))
            .expect(200);
        let got = server.last_request();
        assert_eq!(got.field("te"), expected, "{te}");
        // RFC 9110 §10.1.4: whoever sends TE names it in Connection.
        assert_eq!(got.field("connection"), expected.map(|_| "TE"), "{te}");
    }
}

#[test]
fn the_same_holds_for_answers() {
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: X-One, keep-alive\r\nX-One: 1\r\nX-Two: 2\r\n\
         Keep-Alive: timeout=5\r\nUpgrade: h2c\r\nProxy-Authenticate: Basic\r\nTE: x\r\n\r\nok",
    );
    let proxy = proxy::to(&server);
    let answer = fetch(&proxy, "/").expect(200);
    for gone in ["connection", "x-one", "keep-alive", "upgrade", "proxy-authenticate", "te"] {
        assert!(!answer.has(gone), "{gone}: {answer}");
    }
    assert_eq!(answer.field("x-two"), Some("2"));
    for named in ["Host", "Content-Length", "a b"] {
        let server = Server::answering(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: {named}\r\n\r\nok"
        ));
        fetch(&proxy::to(&server), "/").expect(502);
    }
}

#[test]
fn semantics_1_4_trace_and_connect_are_405() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    for request in [
        "TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n",
        "CONNECT / HTTP/1.1\r\nHost: a.test\r\n\r\n",
    ] {
        let mut client = connect(&proxy);
        client.send(request);
        assert!(client.answer().expect(405).says_close());
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn semantics_1_4_h2c_never_goes_on() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    for upgrade in ["h2c", "H2C", "websocket, h2c", "h2c, websocket", "TLS/1.0", "websocket\r\nUpgrade: h2c"]
    {
        let answer = ask(
            &proxy,
            format!(
                "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\n\
                 HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
            ),
        );
        answer.expect(200);
        let got = server.last_request();
        assert!(
            !got.has("upgrade") && !got.has("connection") && !got.has("http2-settings"),
            "{upgrade}: {got}"
        );
    }
}

#[test]
fn other_fields_pass_unchanged_in_their_order() {
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nsEt-cookie: b=2\r\nContent-Length: 0\r\nX-Empty:\r\nX-Raw: \u{e4}\u{f6}\r\n\r\n",
    );
    let proxy = proxy::to(&server);
    let answer = ask(
        &proxy,
        "GET / HTTP/1.1\r\nHost: a.test\r\nx-LOWER: 1\r\nCookie: a\r\nCookie: b\r\nX-Tab: a\tb  \r\nX-Empty:\r\n\
         X-Raw: \u{e4}\r\nProxy: http://evil.test\r\n\r\n",
    );
    let got = server.only_request();
    let names: Vec<&str> = got.fields.iter().map(|(name, _)| name.as_str()).take(7).collect();
    assert_eq!(names, ["Host", "x-LOWER", "Cookie", "Cookie", "X-Tab", "X-Empty", "X-Raw"]);
    assert_eq!(got.field("x-tab").map(str::trim_end), Some("a\tb"));
    assert_eq!(got.field("x-raw"), Some("\u{e4}"));
    assert!(!got.has("proxy"), "a server behind CGI would take it for HTTP_PROXY");
    assert_eq!(answer.all("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(answer.field("x-raw"), Some("\u{e4}\u{f6}"));
}
