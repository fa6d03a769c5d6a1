//! What servers, clients and logs are told of TLS (`semantics.md` §1.8).

use std::net::TcpStream;

use serde_json::Value;
use weir_testkit::client::get;
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;
use weir_testkit::socket::Socket;

use super::{Front, HOST};

/// A connection without TLS to the second listener.
fn plain(proxy: &Running) -> Socket {
    TcpStream::connect(proxy.addresses()[1].to_string()).unwrap().into()
}

/// Two listeners with the same certificate, only the first of which speaks TLS.
fn both(front: &Front) -> String {
    let tls = front.certificate("a.pem", &[HOST]);
    format!("listen: [{{address: '127.0.0.1:0', tls: {{{tls}}}}}, '127.0.0.1:0']\n")
}

#[test]
fn semantics_1_8_servers_are_told_how_the_client_came() {
    let (front, server) = (Front::new(), Server::saying("ok"));
    let proxy = proxy::with(&server, &format!("{}forwarded: true", both(&front)));
    let claim = "GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-Proto: SCHEME\r\nForwarded: for=1.1.1.1;proto=SCHEME\r\n\r\n";
    front.connect(&proxy).send(claim.replace("SCHEME", "http")).answer().expect(200);
    let got = server.last_request();
    assert_eq!(got.field("x-forwarded-proto"), Some("https"));
    assert_eq!(got.field("forwarded"), Some(&*quoted("for=127.0.0.1;proto=https;host=a.test")));
    plain(&proxy).send(claim.replace("SCHEME", "https")).answer().expect(200);
    let got = server.last_request();
    assert_eq!(got.field("x-forwarded-proto"), Some("http"));
    assert_eq!(got.field("forwarded"), Some(&*quoted("for=127.0.0.1;proto=http;host=a.test")));
}

/// The host of a `Forwarded` field stands in quotes.
fn quoted(element: &str) -> String {
    format!("{}\"", element.replace("host=", "host=\""))
}

#[test]
fn semantics_1_8_a_trusted_proxy_may_have_spoken_tls_for_us_or_not() {
    let (front, server) = (Front::new(), Server::saying("ok"));
    let proxy = proxy::with(&server, &format!("{}trusted_proxies: 127.0.0.1", both(&front)));
    for claimed in ["http", "https"] {
        let claim = format!("GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-Proto: {claimed}\r\n\r\n");
        front.connect(&proxy).send(&claim).answer().expect(200);
        assert_eq!(server.last_request().field("x-forwarded-proto"), Some(claimed));
        plain(&proxy).send(&claim).answer().expect(200);
        assert_eq!(server.last_request().field("x-forwarded-proto"), Some(claimed));
    }
    front.connect(&proxy).send(get("/")).answer().expect(200);
    assert_eq!(server.last_request().field("x-forwarded-proto"), Some("https"));
}

#[test]
fn a_redirect_keeps_the_scheme() {
    let front = Front::new();
    let proxy = proxy::start(&format!(
        "{}services: [{{host: \"*\", redirect: \"$scheme://$host/new$path\"}}]\n",
        both(&front)
    ));
    let location = |mut socket: Socket| {
        let answer = socket.send(get("/x")).answer().expect(302);
        answer.field("location").map(str::to_owned)
    };
    assert_eq!(location(front.connect(&proxy)).as_deref(), Some("https://a.test/new/x"));
    assert_eq!(location(plain(&proxy)).as_deref(), Some("http://a.test/new/x"));
}

#[test]
fn requests_over_tls_and_to_the_wrong_port_have_their_lines() {
    let (front, server) = (Front::new(), Server::saying("ok"));
    let file = front.files.write("access.log", "");
    let mut proxy =
        proxy::with(&server, &format!("{}access_log: {{format: json, file: {file}}}", front.listen("")));
    front.connect(&proxy).send(get("/fine")).answer().expect(200);
    let misdirected = get("/elsewhere").replace(HOST, "b.test");
    front.connect(&proxy).send(misdirected).answer().expect(421);
    Socket::from(TcpStream::connect(proxy.address()).unwrap()).send(get("/plain")).answer().expect(400);
    proxy.begin_drain();
    proxy.drained();
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let statuses: Vec<&Value> = lines.iter().map(|line| &line["status"]).collect();
    assert_eq!(statuses, [200, 421, 400], "{text}");
    assert!(text.lines().next().unwrap().contains("/fine"), "{text}");
    assert!(text.lines().nth(1).unwrap().contains("/elsewhere"), "{text}");
}
