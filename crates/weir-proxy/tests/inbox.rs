//! What a running proxy can be told: another configuration, questions, and to cut a connection.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use weir_config::model::Model;
use weir_proxy::Proxy;
use weir_proxy::runtime::inbox::{ConnectionId, Inspection, Query};
use weir_proxy::runtime::queues::no_queues;
use weir_proxy::runtime::sockets::BoundAddress;

/// After this a test gives up. Far more than a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that a test plays itself.
struct Server {
    listener: TcpListener,
}

/// One end of a connection on which whole messages are read.
struct End(BufReader<TcpStream>);

impl Server {
    fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    fn accept(&self) -> End {
        End::new(self.listener.accept().unwrap().0)
    }
}

impl End {
    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    fn address(&self) -> SocketAddr {
        self.0.get_ref().local_addr().unwrap()
    }

    fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn ask(&mut self, path: &str) {
        self.say(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }

    fn answer(&mut self, body: &str) {
        self.say(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    }

    /// The first line of a head.
    fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.0.read_line(&mut head).unwrap() > 0, "the end behind `{head}`");
        }
        head.lines().next().unwrap().to_owned()
    }

    /// Demands a whole answer with this body.
    fn expect(&mut self, body: &str) {
        assert_eq!(self.head(), "HTTP/1.1 200 OK");
        let mut read = vec![0; body.len()];
        self.0.read_exact(&mut read).unwrap();
        assert_eq!(String::from_utf8(read).unwrap(), body);
    }

    /// Demands that the connection has ended without another byte; a reset is an end too.
    fn expect_end(&mut self) {
        assert!(matches!(self.0.read(&mut [0]), Ok(0) | Err(_)), "more was said");
    }
}

fn model(workers: usize, server: &Server) -> Model {
    let text = format!(
        "listen: ['127.0.0.1:0']\nworkers: {workers}\naccess_log: off\nservices: [{{host: a, upstream: ['{}']}}]\n",
        server.address()
    );
    weir_config::parse("test", text.as_bytes(), &|_| None, Path::new("")).unwrap().model
}

fn connect(proxy: &Proxy) -> End {
    let Some(BoundAddress::Tcp(address)) = proxy.addresses().next() else { panic!("it listens on TCP") };
    End::new(TcpStream::connect(address).unwrap())
}

/// Who is connected to which worker. Every worker has done what it was told before when it answers.
async fn connections(proxy: &Proxy) -> Vec<(usize, ConnectionId, String)> {
    let mut all = Vec::new();
    for (worker, answer) in proxy.inspect(Query::Connections).await.into_iter().enumerate() {
        let Inspection::Connections(connections) = answer else { panic!("{answer:?}") };
        all.extend(connections.into_iter().map(|(id, peer)| (worker, id, peer)));
    }
    all
}

async fn idle_upstream(proxy: &Proxy) -> Vec<Inspection> {
    proxy.inspect(Query::IdleUpstream).await
}

#[tokio::test]
async fn what_is_published_holds_for_the_next_request_and_not_for_those_that_run() {
    let (old, new) = (Server::new(), Server::new());
    let mut proxy = Proxy::start(&model(1, &old), no_queues()).unwrap();
    let (mut running, mut idle) = (connect(&proxy), connect(&proxy));
    idle.ask("/before");
    let mut at_old = old.accept();
    assert_eq!(at_old.head(), "GET /before HTTP/1.1");
    at_old.answer("old");
    idle.expect("old");
    running.ask("/running");
    assert_eq!(at_old.head(), "GET /running HTTP/1.1");

    let prepared = proxy.standing().prepare(&model(1, &new)).expect("nothing is in the way");
    proxy.adopt(prepared).await;
    assert_eq!(connections(&proxy).await.len(), 2, "nobody loses a connection");
    let servers = |proxy: &Proxy| proxy.status_source().status().upstreams[0].servers[0].address.clone();
    assert_eq!(servers(&proxy), new.address().to_string());

    idle.ask("/after");
    let mut at_new = new.accept();
    assert_eq!(at_new.head(), "GET /after HTTP/1.1");
    at_new.answer("new");
    idle.expect("new");
    at_old.answer("still old");
    running.expect("still old");
    running.ask("/next");
    assert_eq!(at_new.head(), "GET /next HTTP/1.1");
    at_new.answer("new too");
    running.expect("new too");
    assert_eq!(idle_upstream(&proxy).await, [Inspection::IdleUpstream(2)], "one to each server");
    proxy.stop().await;
}

#[tokio::test]
async fn one_connection_is_cut_and_its_neighbours_are_not() {
    let server = Server::new();
    let proxy = Proxy::start(&model(2, &server), no_queues()).unwrap();
    let mut clients: Vec<_> = (0..6).map(|_| connect(&proxy)).collect();
    let mut ends = Vec::new();
    for client in &mut clients {
        client.ask("/");
        let mut end = server.accept();
        assert_eq!(end.head(), "GET / HTTP/1.1");
        ends.push(end);
    }
    let all = connections(&proxy).await;
    assert_eq!(all.len(), clients.len());
    for cut in [1, 4] {
        let peer = clients[cut].address().to_string();
        let (worker, id, _) = all.iter().find(|(_, _, address)| *address == peer).unwrap();
        // Twice is no error.
        proxy.cut(*worker, *id).await;
        proxy.cut(*worker, *id).await;
        clients[cut].expect_end();
        // What it had asked for is not wanted any more.
        ends[cut].expect_end();
    }
    proxy.cut(0, ConnectionId(usize::MAX)).await;
    proxy.cut(usize::MAX, ConnectionId(0)).await;
    for other in [0, 2, 3, 5] {
        ends[other].answer("whole");
        clients[other].expect("whole");
    }
    let left: Vec<_> = connections(&proxy).await.into_iter().map(|(_, _, peer)| peer).collect();
    assert_eq!(left.len(), 4);
    for other in [0, 2, 3, 5] {
        assert!(left.contains(&clients[other].address().to_string()));
    }
    assert_eq!(proxy.status_source().status().requests_in_flight, 0);
    proxy.stop().await;
}

#[tokio::test]
async fn a_connection_that_has_gone_is_cut_in_nobodys_place() {
    let server = Server::new();
    let proxy = Proxy::start(&model(1, &server), no_queues()).unwrap();
    let first = connect(&proxy);
    let known = loop {
        // It is accepted some time after it is connected.
        if let Some(known) = connections(&proxy).await.first() {
            break known.clone();
        }
    };
    drop(first);
    while !connections(&proxy).await.is_empty() {}
    let mut second = connect(&proxy);
    while connections(&proxy).await.is_empty() {}
    proxy.cut(known.0, known.1).await;
    second.ask("/");
    let mut end = server.accept();
    end.head();
    end.answer("here");
    second.expect("here");
    proxy.stop().await;
}
