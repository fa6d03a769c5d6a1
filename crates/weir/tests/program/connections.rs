//! Who is connected, as the admin listener tells it.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use nix::sys::signal::Signal;
use serde_json::Value;
use weir_testkit::server::Server;
use weir_testkit::wait::{until, until_some};

use super::admin::{Kept, admin};
use super::process::Running;
use super::scratch::Scratch;

/// A program in front of a server that the test plays, and of one that answers.
struct Stage {
    proxy: Running,
    address: SocketAddr,
    admin: SocketAddr,
    played: TcpListener,
    web: Server,
    scratch: Scratch,
}

impl Stage {
    fn set(test: &str, listen: &str) -> Self {
        let scratch = Scratch::new(test);
        let played = TcpListener::bind("127.0.0.1:0").unwrap();
        let web = Server::saying("whole");
        let stage = Self::text(listen, "ws.example", &played, &web);
        let file = scratch.file("weir.yaml", stage);
        let mut proxy = Running::start(&["run", "-c", &file]);
        let (address, admin) = proxy.addresses();
        Self { proxy, address, admin, played, web, scratch }
    }

    fn text(listen: &str, host: &str, played: &TcpListener, web: &Server) -> String {
        format!(
            "listen: [{listen}]\nadmin: '127.0.0.1:0'\nworkers: 2\ndrain: {{idle: 1h}}\nservices:\n  - {{host: {host}, upstream: played}}\n  \
             - {{host: '*', upstream: web}}\nupstreams: {{played: {{servers: ['{}']}}, web: {{servers: ['{web}']}}}}\n",
            played.local_addr().unwrap()
        )
    }

    /// What is told of the connection of this client, as soon as this is so.
    fn seen(&self, client: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut kept = Kept::open(self.admin);
        until_some(|| {
            let (head, body) = kept.ask("GET", "/api/v1/connections");
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}{body}");
            let page: Value = serde_json::from_str(&body).unwrap();
            let all = page["connections"].as_array().unwrap();
            all.iter().find(|one| one["client"] == client && is_so(one)).cloned()
        })
    }
}

fn name(stream: &TcpStream) -> String {
    stream.local_addr().unwrap().to_string()
}

fn ask(address: SocketAddr, host: &str, more: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /here HTTP/1.1\r\nHost: {host}\r\n{more}\r\n").unwrap();
    stream
}

fn head(stream: &TcpStream) -> String {
    let (mut reader, mut head) = (BufReader::new(stream), String::new());
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
    }
    head
}

const UPGRADE: &str = "Connection: upgrade\r\nUpgrade: websocket\r\n";

#[test]
fn each_connection_is_told_with_what_it_is_doing() {
    let scratch = Scratch::new("connections-unix");
    let unix = scratch.path("clients");
    let listen =
        format!("'127.0.0.1:0', {{address: '127.0.0.1:0', tls: {{self_signed: true}}}}, 'unix:{unix}'");
    let stage = Stage::set("connections", &listen);
    // Between two requests.
    let mut idle = ask(stage.address, "a.example", "");
    head(&idle);
    let seen = stage.seen(&name(&idle), |one| one["state"] == "idle");
    assert_eq!(
        (&seen["requests_total"], &seen["tls"], &seen["draining"]),
        (&1.into(), &false.into(), &false.into())
    );
    assert_eq!(seen["listener"], stage.address.to_string());
    assert!(seen["exchange"].is_null(), "{seen:#}");
    assert_eq!(seen["bytes_received"], "GET /here HTTP/1.1\r\nHost: a.example\r\n\r\n".len());
    assert!(seen["bytes_sent"].as_u64().unwrap() > 5, "{seen:#}");
    // Half a request.
    idle.write_all(b"GET /").unwrap();
    stage.seen(&name(&idle), |one| one["state"] == "reading");
    // A request that a server has.
    let busy = ask(stage.address, "ws.example", "");
    let (server, _) = stage.played.accept().unwrap();
    head(&server);
    let seen = stage.seen(&name(&busy), |one| one["state"] == "exchange");
    let server_address = stage.played.local_addr().unwrap().to_string();
    let place = |one: &Value| {
        let part = |key: &str| one["exchange"][key].as_str().unwrap_or("none").to_owned();
        [part("service"), part("route"), part("upstream"), part("server")]
    };
    assert_eq!(place(&seen), ["ws.example", "/", "played", &server_address]);
    // Another protocol.
    let mut tunnel = ask(stage.address, "ws.example", UPGRADE);
    let (mut other, _) = stage.played.accept().unwrap();
    head(&other);
    other
        .write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello",
        )
        .unwrap();
    let before = head(&tunnel).len() as u64;
    tunnel.write_all(b"to the server").unwrap();
    other.read_exact(&mut [0; 13]).unwrap();
    let seen =
        stage.seen(&name(&tunnel), |one| one["state"] == "upgraded" && one["bytes_sent"] == before + 5);
    assert_eq!(place(&seen), ["ws.example", "/", "played", &server_address]);
    // Nothing yet, where TLS is spoken; and a process of this machine.
    let told = admin(stage.admin, "GET", "/api/v1/status");
    let secure: SocketAddr = told["listeners"][1].as_str().unwrap().parse().unwrap();
    let silent = TcpStream::connect(secure).unwrap();
    let seen = stage.seen(&name(&silent), |one| one["state"] == "opening");
    assert_eq!((&seen["listener"], &seen["tls"]), (&secure.to_string().into(), &false.into()));
    let _local = UnixStream::connect(&unix).unwrap();
    stage.seen("unix", |one| one["state"] == "idle" && one["requests_total"] == 0);
    // Who has gone is told no more.
    let gone = name(&busy);
    (&server).write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    head(&busy);
    drop(busy);
    until(|| {
        let page = admin(stage.admin, "GET", "/api/v1/connections");
        page["connections"].as_array().unwrap().iter().all(|one| one["client"] != gone.as_str())
    });
}

#[test]
fn every_page_follows_the_one_before_and_nobody_is_told_twice() {
    let stage = Stage::set("connections-pages", "'127.0.0.1:0'");
    let clients: Vec<_> = (0..40).map(|_| TcpStream::connect(stage.address).unwrap()).collect();
    let expected: BTreeSet<_> = clients.iter().map(name).collect();
    until(|| admin(stage.admin, "GET", "/api/v1/connections")["total"] == 40);
    for limit in [1, 7, 40, 1000] {
        let (mut cursor, mut told, mut ids) = (None, Vec::new(), BTreeSet::new());
        loop {
            let from = cursor.map_or(String::new(), |cursor| format!("&cursor={cursor}"));
            let page = admin(stage.admin, "GET", &format!("/api/v1/connections?limit={limit}{from}"));
            let some = page["connections"].as_array().unwrap();
            assert!(some.len() <= limit && page["silent_workers"] == 0, "{page:#}");
            told.extend(some.iter().map(|one| one["client"].as_str().unwrap().to_owned()));
            ids.extend(some.iter().map(|one| one["id"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => break,
            }
        }
        assert_eq!((told.len(), ids.len()), (40, 40), "limit {limit}");
        assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), expected);
    }
    let (refused, _) = Kept::open(stage.admin).ask("GET", "/api/v1/connections?limit=0");
    assert!(refused.starts_with("HTTP/1.1 400 "), "{refused}");
}

/// A WebSocket under a configuration that is in force no more is told with the names of that one; and who came in through a listener
/// that has gone is asked to leave.
#[test]
fn connections_are_told_under_the_configuration_with_which_they_began() {
    let mut stage = Stage::set("connections-reload", "'127.0.0.1:0'");
    let tunnel = ask(stage.address, "ws.example", UPGRADE);
    let (mut server, _) = stage.played.accept().unwrap();
    head(&server);
    server
        .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        .unwrap();
    head(&tunnel);
    let elsewhere = Stage::text("'127.0.0.2:0'", "other.example", &stage.played, &stage.web);
    // One worker less: the one that goes is asked too.
    stage.scratch.file("weir.yaml", elsewhere.replace("workers: 2", "workers: 1"));
    stage.proxy.signal(Signal::SIGHUP);
    stage.proxy.line("another configuration is in use");
    let seen = stage.seen(&name(&tunnel), |one| one["draining"] == true);
    assert_eq!(seen["state"], "upgraded", "{seen:#}");
    assert_eq!(
        (&seen["exchange"]["service"], &seen["exchange"]["upstream"]),
        (&"ws.example".into(), &"played".into())
    );
}
