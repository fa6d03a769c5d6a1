//! Another configuration while requests go on: what is unchanged goes on as if nothing had happened, and what has changed does so
//! without anybody being refused or cut.

mod listeners;
mod load;
mod members;
mod memory;
mod workers;

use std::net::{SocketAddr, TcpStream};

use weir_core::ports::reload::ConfigurationChange;
use weir_proxy::runtime::sockets::BoundAddress;
use weir_testkit::proxy::Running;
use weir_testkit::server::{Connection, Server, sized};
use weir_testkit::socket::Socket;

/// An upgrade to a WebSocket, as a client asks for it.
const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A server that answers with its name, and that echoes what comes from whoever has switched.
fn echoing(name: &'static str) -> Server {
    Server::start(move |mut connection: Connection| {
        while let Some(request) = connection.request() {
            if request.has("upgrade") {
                connection.send(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
                );
                let mut back = connection.another();
                connection.drain(|bytes| {
                    // The client may have gone meanwhile.
                    let _ = back.try_send(bytes);
                });
                return;
            }
            connection.send(sized(name));
        }
    })
}

/// A WebSocket that is open.
struct Chat(Socket);

impl Chat {
    fn open(address: SocketAddr) -> Self {
        let mut socket = Socket::from(TcpStream::connect(address).unwrap());
        socket.send(UPGRADE).answer_head().expect(101);
        let mut chat = Self(socket);
        chat.lives();
        chat
    }

    fn lives(&mut self) {
        assert_eq!(self.0.send("ping").read_exact(4), b"ping");
    }
}

fn tcp(address: &BoundAddress) -> SocketAddr {
    match address {
        BoundAddress::Tcp(address) => *address,
        BoundAddress::Unix(path) => panic!("{} is no TCP address", path.display()),
    }
}

fn at(address: SocketAddr) -> Socket {
    Socket::from(TcpStream::connect(address).unwrap())
}

fn reload(proxy: &Running, yaml: &str) -> Vec<String> {
    told(&proxy.try_publish(yaml).unwrap_or_else(|error| panic!("{error}")))
}

fn told(changes: &[ConfigurationChange]) -> Vec<String> {
    let told = |it: &ConfigurationChange| format!("{} {} {}", it.what.name(), it.name, it.how.name());
    changes.iter().map(told).collect()
}

fn refused(proxy: &Running, yaml: &str) -> String {
    proxy.try_publish(yaml).expect_err("it can't be used").to_string()
}

const SERVICES: &str = "services:
  - {host: a.test, routes: [{path: /one, upstream: web}, {path: /, upstream: web}]}
  - {host: b.test, respond: {body: b}}
";

#[test]
fn what_has_changed_is_told_by_name_and_the_same_again_is_nothing() {
    let server = Server::saying("ok");
    let upstreams =
        format!("upstreams: {{web: {{servers: ['{server}']}}, old: {{servers: ['{server}']}}}}\n");
    let first = format!("{SERVICES}{upstreams}");
    let proxy = weir_testkit::proxy::start(&first);
    assert_eq!(reload(&proxy, &first), [""; 0]);
    let other = format!(
        "timeouts: {{idle: 7s}}
services:
  - {{host: c.test, respond: {{body: c}}}}
  - host: a.test
    routes:
      - {{path: /one, upstream: web, backend_server: true}}
      - {{path: /two, upstream: web}}
      - {{path: /, upstream: web}}
upstreams: {{new: {{servers: ['{server}']}}, web: {{servers: ['{server}'], balance: random}}}}
"
    );
    let expected = [
        "setting timeouts changed",
        "service c.test added",
        "service b.test removed",
        "route a.test /one changed",
        "route a.test /two added",
        "upstream new added",
        "upstream web changed",
        "upstream old removed",
    ];
    assert_eq!(reload(&proxy, &other), expected);
    assert_eq!(reload(&proxy, &other), [""; 0]);
    assert_eq!(reload(&proxy, &first).len(), expected.len(), "and back again");
}

#[test]
fn what_stays_for_the_life_of_the_process_is_refused_with_its_reason() {
    let server = Server::saying("ok");
    let services = format!("services: [{{host: '*', upstream: ['{server}']}}]\n");
    let proxy = weir_testkit::proxy::start(&format!("state: /tmp/one\n{services}"));
    let error = refused(&proxy, "state: /tmp/two\nservices: [{host: '*', respond: {body: x}}]\n");
    assert!(error.contains("`state`") && error.contains("\n\nhint: restart"), "{error}");
    assert_eq!(weir_testkit::client::fetch(&proxy, "/").expect(200).text(), "ok");
}
