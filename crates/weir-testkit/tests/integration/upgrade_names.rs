//! Which protocols a connection may switch to (`semantics.md` §1.4, `upgrade` of a route).

use weir_testkit::client::connect;
use weir_testkit::message::Message;
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;

fn ask(method: &str, protocol: &str) -> String {
    format!("{method} /x HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n")
}

/// Switches to `protocol` whatever was asked for, and sends back what comes then.
fn switching(protocol: &'static str) -> Server {
    Server::start(move |mut connection| {
        connection.expect_request();
        connection.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"
        ));
        let (bytes, _) = connection.read_to_end();
        let _ = connection.try_send(bytes);
    })
}

/// A proxy whose one route has `upgrade: allowed`.
fn allowing(server: &Server, allowed: &str) -> Running {
    proxy::start(&format!("services: [{{host: \"*\", upstream: [\"{server}\"], upgrade: {allowed}}}]\n"))
}

/// What the server gets when the route has `upgrade: allowed` and the client asks for this.
fn received(allowed: &str, request: &str) -> Message {
    let server = Server::saying("ok");
    let proxy = allowing(&server, allowed);
    connect(&proxy).send(request).answer().expect(200);
    server.last_request()
}

#[track_caller]
fn check(allowed: &str, request: &str, expected: Option<&str>) {
    let got = received(allowed, request);
    assert_eq!(got.field("upgrade"), expected, "{allowed}: {request}");
    assert_eq!(got.field("connection"), expected.map(|_| "Upgrade"), "{allowed}: {request}");
}

#[test]
fn semantics_1_4_only_what_the_route_names_is_passed_on_as_it_was_written() {
    check("[websocket]", &ask("GET", "WebSocket"), Some("WebSocket"));
    check("[tcp, websocket]", &ask("GET", "websocket"), Some("websocket"));
    check("[tcp, websocket]", &ask("POST", "TCP"), Some("TCP"));
    check("[My/2]", &ask("GET", "my/2"), Some("my/2"));
    check("tcp", &ask("GET", "tcp"), Some("tcp"));
    // An empty body is no body: some clients announce one with every POST.
    check("tcp", &ask("POST", "tcp\r\nContent-Length: 0"), Some("tcp"));

    check("[]", &ask("GET", "websocket"), None);
    check("[tcp]", &ask("GET", "websocket"), None);
    check("[My/2]", &ask("GET", "my/3"), None);
    check("[My/2]", &ask("GET", "my"), None);
    check("[tcp, websocket]", &ask("GET", "tcp, websocket"), None);
    check("[websocket]", &ask("POST", "websocket"), None);
    check("tcp", &ask("GET", "h2c"), None);
    check("tcp", &ask("POST", "tcp\r\nContent-Length: 2").replace("\r\n\r\n", "\r\n\r\nhi"), None);
    check("tcp", &ask("GET", "tcp").replace("HTTP/1.1", "HTTP/1.0"), None);
}

#[test]
fn semantics_1_4_the_connection_becomes_what_was_asked_for() {
    for (request, early) in [
        (ask("GET", "tcp"), "early"),
        (ask("POST", "TCP\r\nContent-Length: 0"), "early"),
        (ask("GET", "tcp"), ""),
    ] {
        let server = switching("Tcp");
        let proxy = allowing(&server, "tcp");
        let mut client = connect(&proxy);
        client.send(format!("{request}{early}"));
        let answer = client.answer_head().expect(101);
        assert_eq!(answer.field("upgrade"), Some("Tcp"), "the server's own spelling");
        assert_eq!(answer.field("connection"), Some("Upgrade"));
        client.send(" late").half_close();
        assert_eq!(client.read_to_end().0, format!("{early} late").into_bytes(), "{request}");
    }
}

#[test]
fn semantics_1_4_a_101_that_was_not_asked_for_is_502() {
    for (asked, allowed, said) in [
        // Allowed, but it is another one that was asked for.
        ("tcp", "[tcp, websocket]", "websocket"),
        ("websocket", "[tcp, websocket]", "tcp"),
        ("my/2", "[my/2, my/3]", "my/3"),
        // Asked for by the client, and not passed on.
        ("tcp", "[websocket]", "tcp"),
        ("websocket", "[]", "websocket"),
        ("h2c", "[websocket]", "h2c"),
    ] {
        let server = switching(said);
        let proxy = allowing(&server, allowed);
        let answer = connect(&proxy).send(ask("GET", asked)).answer().expect(502);
        assert!(answer.has("proxy-status"), "{answer}");
    }
}
