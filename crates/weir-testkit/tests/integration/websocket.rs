//! Upgrades (`semantics.md` §1.4).

use std::sync::Mutex;
use std::sync::mpsc::sync_channel;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use weir_testkit::client::{connect, get};
use weir_testkit::proxy;
use weir_testkit::server::{Server, sized};
use weir_testkit::socket::End;

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade, X-Hop\r\n\
    X-Hop: 1\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

#[test]
fn semantics_1_4_no_byte_of_the_client_goes_on_before_the_101() {
    let server = Server::start(|mut connection| {
        let request = connection.expect_request();
        assert_eq!(request.field("upgrade").map(str::to_lowercase).as_deref(), Some("websocket"));
        assert_eq!(request.field("connection"), Some("Upgrade"));
        assert!(connection.is_silent(), "the client has sent more, but nothing was promised yet");
        connection.send(format!("{SWITCH}first"));
        assert_eq!(connection.read_exact(5), b"early");
        connection.send("and then");
        assert_eq!(connection.read_exact(4), b"late");
        connection.until_end();
    });
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send(format!("{ASK}early"));
    let answer = client.answer_head().expect(101);
    assert_eq!(answer.field("upgrade"), Some("websocket"));
    assert_eq!(answer.field("connection"), Some("Upgrade"));
    assert_eq!(answer.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert!(!answer.has("x-hop") && !answer.has("content-length"), "{answer}");
    assert_eq!(client.read_exact(13), b"firstand then");
    client.send("late");
    drop(client);
    server.wait_ended(1);
}

/// An answer that switches is the last one of its connection, and it alone lacked what every answer of a route has.
#[test]
fn an_answer_that_switches_has_what_the_route_adds() {
    let server = Server::start(|mut connection| {
        connection.expect_request();
        connection.send(SWITCH);
        connection.until_end();
    });
    let proxy = proxy::start(&format!(
        "trusted_proxies: 127.0.0.1
services:
  - host: '*'
    https_only: true
    admit: {{rate: 10/d}}
    answer_headers: {{set: {{X-Route: chat}}}}
    backend_server: true
    upstream: ['{server}']
"
    ));
    let mut client = connect(&proxy);
    client.send(ASK.replace("Host: a.test\r\n", "Host: a.test\r\nX-Forwarded-Proto: wss\r\n"));
    let answer = client.answer_head().expect(101);
    for (name, value) in [
        ("strict-transport-security", "max-age=31536000"),
        ("x-ratelimit-remaining", "9"),
        ("x-route", "chat"),
        ("x-backend-server", &*server.to_string()),
        ("upgrade", "websocket"),
    ] {
        assert_eq!(answer.field(name), Some(value), "{answer}");
    }
}

#[test]
fn semantics_1_4_any_other_answer_keeps_http() {
    let server = Server::start(|mut connection| {
        while let Some(request) = connection.request() {
            connection.send(sized(request.target()));
        }
    });
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send(format!("{ASK}{}", get("/next")));
    assert_eq!(client.answer().expect(200).text(), "/chat");
    assert_eq!(client.answer().expect(200).text(), "/next");
    assert_eq!(server.connections(), 1);
}

#[test]
fn semantics_1_4_what_is_no_proper_question_is_not_passed_on() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    for request in [
        ASK.replace("keep-alive, Upgrade", "keep-alive"),
        ASK.replace("HTTP/1.1", "HTTP/1.0"),
        ASK.replace("GET", "POST"),
        ASK.replace("Upgrade: WebSocket", "Upgrade: websocket, h2c"),
        ASK.replace("Upgrade: WebSocket", "Upgrade: other"),
        ASK.replace("\r\n\r\n", "\r\nContent-Length: 2\r\n\r\nhi"),
    ] {
        connect(&proxy).send(&request).answer().expect(200);
        let got = server.last_request();
        assert!(!got.has("upgrade") && !got.has("connection"), "{request}: {got}");
    }
}

#[test]
fn a_server_that_switches_to_something_else_is_502() {
    for switch in [
        SWITCH.replace("Upgrade: websocket", "Upgrade: h2c"),
        SWITCH.replace("Upgrade: websocket\r\n", ""),
        SWITCH.replace("Upgrade: websocket", "Upgrade: websocket, h2c"),
    ] {
        let server = Server::closing(switch);
        connect(&proxy::to(&server)).send(ASK).answer().expect(502);
    }
}

#[test]
fn bytes_behind_an_empty_body_belong_to_the_new_protocol() {
    let server = Server::start(|mut connection| {
        connection.expect_request();
        assert!(connection.is_silent());
        connection.send(SWITCH);
        assert_eq!(connection.read_exact(5), b"early");
        connection.send("got it");
        connection.until_end();
    });
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send(format!("{}early", ASK.replace("\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n")));
    let status = client.answer_head().status();
    assert_eq!(status, 101);
    assert_eq!(client.read_exact(6), b"got it");
    drop(client);
    server.wait_ended(1);
}

#[test]
fn a_route_names_its_protocols() {
    let server = Server::start(|mut connection| {
        while let Some(request) = connection.request() {
            let Some(protocol) = request.field("upgrade") else {
                connection.send(sized("no"));
                continue;
            };
            connection.send(format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: {protocol}\r\n\r\n"));
            let (bytes, _) = connection.read_to_end();
            connection.send(bytes);
            return;
        }
    });
    let proxy = proxy::start(&format!(
        "services:
  - host: \"*\"
    routes:
      - {{path: /mine, upgrade: my-protocol, upstream: [\"{server}\"]}}
      - {{path: /none, upgrade: [], upstream: [\"{server}\"]}}
      - {{path: /, upstream: [\"{server}\"]}}
"
    ));
    let ask = |path: &str, protocol: &str| {
        let mut client = connect(&proxy);
        client.send(format!(
            "GET {path} HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: {protocol}\r\n\r\n"
        ));
        let answer = client.answer_head();
        if answer.status() == 101 {
            assert_eq!(answer.field("upgrade"), Some(protocol));
            client.send("echo").half_close();
            assert_eq!(client.read_to_end().0, b"echo");
        }
        answer.status()
    };
    assert_eq!(ask("/mine", "my-protocol"), 101);
    assert_eq!(ask("/mine", "websocket"), 200);
    assert_eq!(ask("/mine", "h2c"), 200);
    assert_eq!(ask("/none", "websocket"), 200);
    assert_eq!(ask("/", "websocket"), 101);
    assert_eq!(ask("/", "my-protocol"), 200);
}

#[test]
fn either_direction_may_end_alone() {
    let server = Server::start(|mut connection| {
        connection.expect_request();
        connection.send(SWITCH);
        let (bytes, end) = connection.read_to_end();
        assert_eq!((&bytes[..], end), (&b"bye"[..], End::Fin));
        connection.send("one more word");
    });
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send(ASK).answer_head().expect(101);
    client.send("bye").half_close();
    assert_eq!(client.read_to_end(), (b"one more word".to_vec(), End::Fin));
}

#[test]
fn a_reset_goes_through_to_the_other_side() {
    let (go, gone) = sync_channel(1);
    let gone = Mutex::new(gone);
    let server = Server::start(move |mut connection| {
        connection.expect_request();
        connection.send(SWITCH);
        if connection.number == 0 {
            connection.until_end();
        } else {
            gone.lock().unwrap().recv().unwrap();
            connection.reset();
        }
    });
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send(ASK).answer_head().expect(101);
    client.reset();
    server.wait_ended(1);
    let mut client = connect(&proxy);
    client.send(ASK).answer_head().expect(101);
    go.send(()).unwrap();
    assert_eq!(client.expect_end(), End::Reset);
}

#[test]
fn a_silent_upgraded_connection_ends() {
    let server = Server::start(|mut connection| {
        connection.expect_request();
        connection.send(SWITCH);
        connection.until_end();
    });
    let proxy = proxy::with(&server, "timeouts: {upgraded_idle: 50ms}");
    let mut client = connect(&proxy);
    client.send(ASK).answer_head().expect(101);
    client.expect_end();
    server.wait_ended(1);
}

#[test]
fn websockets_work() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let echo = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() || message.is_binary() {
                    socket.send(message).await.unwrap();
                }
            }
        });
        // The harness blocks while it starts and stops, which is short.
        let proxy = tokio::task::spawn_blocking(move || {
            proxy::start(&format!("services: [{{host: \"*\", upstream: [\"{address}\"]}}]\n"))
        });
        let proxy = proxy.await.unwrap();
        let stream = TcpStream::connect(proxy.address()).await.unwrap();
        let (mut socket, answer) = tokio_tungstenite::client_async("ws://a.test/chat", stream).await.unwrap();
        assert_eq!(answer.status(), 101);
        for size in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
            let sent = Message::binary(vec![7; size]);
            socket.send(sent.clone()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), sent, "{size} bytes");
        }
        socket.send(Message::text("grüße")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("grüße"));
        socket.close(None).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
        echo.await.unwrap();
        tokio::task::spawn_blocking(move || drop(proxy)).await.unwrap();
    });
}
