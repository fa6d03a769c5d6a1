//! Handshakes that wait: over the limit of those in progress, and while the proxy ends.

use weir_core::handshake::HandshakeOutcome;
use weir_testkit::client::{connect, connect_tls, get};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;
use weir_testkit::socket::{End, Socket};

use super::{Front, HOST};

#[test]
fn handshakes_over_the_limit_wait_for_their_turn() {
    let (front, server) = (Front::new(), Server::saying("ok"));
    let proxy = proxy::with(&server, &format!("{}limits: {{handshakes: 2}}", front.listen("")));
    // Served connections hold nothing.
    let mut served: Vec<_> = (0..5).map(|_| front.connect(&proxy)).collect();
    // These are two handshakes in progress: they were answered, and say nothing to it.
    let silent = [begun(&front, &proxy), begun(&front, &proxy)];
    let (address, config) = (proxy.address(), front.client());
    let handshake = || connect_tls(address, &config, HOST).unwrap();
    std::thread::scope(|scope| {
        let late: Vec<_> = (0..4).map(|_| scope.spawn(handshake)).collect();
        for client in &mut served {
            client.send(get("/")).answer().expect(200);
        }
        // The worker has answered: whatever it could have accepted meanwhile, it has.
        assert_eq!(proxy.status().tls_handshakes[HandshakeOutcome::Full as usize], 5);
        assert!(late.iter().all(|late| !late.is_finished()));
        let [first, second] = silent;
        drop(first);
        // They go through the one place that is free now, one after the other.
        for late in late {
            late.join().unwrap().send(get("/")).answer().expect(200);
        }
        drop(second);
    });
}

/// A client that has sent its first message, and been answered.
fn begun(front: &Front, proxy: &Running) -> Socket {
    let name = rustls::pki_types::ServerName::try_from(HOST).unwrap();
    let mut tls = rustls::ClientConnection::new(front.client(), name).unwrap();
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).unwrap();
    let mut socket = connect(proxy);
    // The type of a record with a handshake (RFC 8446 §5.1).
    assert_eq!(socket.send(hello).read_exact(1), [22]);
    socket
}

/// Four thousand connections that say nothing would otherwise be enough to keep everybody out.
#[test]
fn silent_connections_keep_nobody_out() {
    let (front, server) = (Front::new(), Server::saying("ok"));
    let proxy = proxy::with(&server, &format!("{}limits: {{handshakes: 2}}", front.listen("")));
    let silent: Vec<_> = (0..8).map(|_| connect(&proxy)).collect();
    // The first byte of a message is no message.
    let slow: Vec<_> = (0..8)
        .map(|_| {
            let mut socket = connect(&proxy);
            socket.send([22]);
            socket
        })
        .collect();
    front.connect(&proxy).send(get("/")).answer().expect(200);
    drop((silent, slow));
}

#[test]
fn a_listener_in_the_clear_does_not_wait_for_handshakes() {
    let (front, server) = (Front::new(), Server::saying("ok"));
    let tls = front.certificate("a.pem", &["a.test"]);
    let proxy = proxy::with(
        &server,
        &format!(
            "listen: ['127.0.0.1:0', {{address: '127.0.0.1:0', tls: {{{tls}}}}}]\nlimits: {{handshakes: 1}}"
        ),
    );
    let secured = proxy.addresses()[1].to_string();
    let silent: Vec<_> = (0..3).map(|_| std::net::TcpStream::connect(&secured).unwrap()).collect();
    for _ in 0..3 {
        connect(&proxy).send(get("/")).answer().expect(200);
    }
    drop(silent);
}

#[test]
fn draining_serves_handshakes_that_are_in_progress_and_cuts_none() {
    let (front, server) = (Front::new(), Server::saying("ok"));
    let mut proxy = front.to(&server);
    let mut idle = front.connect(&proxy);
    let late = connect(&proxy);
    // The worker has seen it.
    while proxy.connections() < 2 {}
    proxy.begin_drain();
    let name = rustls::pki_types::ServerName::try_from("a.test").unwrap();
    let tls = rustls::ClientConnection::new(front.client(), name).unwrap();
    let mut late = late.with_tls(tls).unwrap();
    for client in [&mut late, &mut idle] {
        let answer = client.send(get("/")).answer().expect(200);
        assert!(answer.says_close(), "{answer}");
        assert_eq!(client.expect_end(), End::Fin);
    }
    assert_eq!(proxy.drained(), 0);
}

#[test]
fn cutting_connections_in_their_handshake_leaves_nothing() {
    let (front, server) = (Front::new(), Server::saying("ok"));
    let proxy = front.to(&server);
    let mut silent = connect(&proxy);
    let mut half = connect(&proxy);
    half.send([22, 3, 1, 2, 0, 1]);
    let mut served = front.connect(&proxy);
    while proxy.connections() < 3 {}
    let cut = [&silent, &half].map(|socket| socket.local_address().to_string());
    proxy.cut(|peer| cut.iter().any(|cut| cut == peer));
    silent.expect_end();
    half.expect_end();
    served.send(get("/")).answer().expect(200);
    assert_eq!(proxy.connections(), 1);
}
