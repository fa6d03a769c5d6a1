//! WebSocket over TLS, with a client that people use.

use std::net::TcpStream;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use tokio_tungstenite::tungstenite::{Message, accept, client};
use weir_testkit::proxy;
use weir_testkit::socket::PATIENCE;

use super::Front;

#[test]
fn websockets_work_over_tls() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let echo = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut socket = accept(stream).unwrap();
        while let Ok(message) = socket.read() {
            if message.is_text() || message.is_binary() {
                socket.send(message).unwrap();
            }
        }
    });
    let front = Front::new();
    let proxy = proxy::start(&format!(
        "{}services: [{{host: \"*\", upstream: [\"{address}\"]}}]\n",
        front.listen("")
    ));
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let tls = ClientConnection::new(front.client(), ServerName::try_from("a.test").unwrap()).unwrap();
    let (mut socket, answer) = client("wss://a.test/chat", StreamOwned::new(tls, stream)).unwrap();
    assert_eq!(answer.status(), 101);
    for size in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
        let sent = Message::binary((0..size).map(|n: u32| n.to_le_bytes()[0]).collect::<Vec<u8>>());
        socket.send(sent.clone()).unwrap();
        assert_eq!(socket.read().unwrap(), sent, "{size} bytes");
    }
    socket.send(Message::text("grüße")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("grüße"));
    socket.close(None).unwrap();
    while socket.read().is_ok() {}
    echo.join().unwrap();
}
