//! Listeners that come, go and change while the others go on.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use weir_testkit::certificate::{self, Authority, Files};
use weir_testkit::client::{connect, connect_tls, get};
use weir_testkit::port::ReservedPort;
use weir_testkit::proxy;
use weir_testkit::server::Server;
use weir_testkit::socket::End;
use weir_testkit::wait::until;

use super::{Chat, at, echoing, refused, reload, tcp};

fn config(listen: &[SocketAddr], more: &str, server: &Server) -> String {
    let listen: Vec<String> = listen.iter().map(|address| format!("'{address}'")).collect();
    format!(
        "listen: [{}]\nworkers: 2\n{more}\nservices: [{{host: '*', upstream: ['{server}']}}]\n",
        listen.join(", ")
    )
}

#[test]
fn a_listener_comes_and_goes_and_the_others_notice_nothing() {
    let server = echoing("ok");
    let ports = [ReservedPort::new(), ReservedPort::new()];
    let [stays, goes] = [ports[0].address(), ports[1].address()];
    let proxy = proxy::start(&config(&[stays], "", &server));
    let (mut kept, mut chat) = (at(stays), Chat::open(stays));
    kept.send(get("/")).answer().expect(200);
    let changes = reload(&proxy, &config(&[stays, goes], "", &server));
    assert_eq!(changes, [format!("listener {goes} added")]);
    assert_eq!(proxy.addresses_now().iter().map(tcp).collect::<Vec<_>>(), [stays, goes]);
    let (mut idle, mut busy, mut last) = (at(goes), Chat::open(goes), at(goes));
    for client in [&mut idle, &mut last] {
        client.send(get("/")).answer().expect(200);
    }
    let changes = reload(&proxy, &config(&[stays], "drain: {idle: 50ms}", &server));
    assert_eq!(changes, [format!("listener {goes} removed"), "setting drain changed".to_owned()]);
    // Workers close their sockets when they have accepted what waited.
    until(|| TcpStream::connect(goes).is_err());
    // Who is idle is let go; who came in through another door is not.
    assert_eq!(idle.expect_end(), End::Fin);
    busy.lives();
    chat.lives();
    assert!(!kept.send(get("/")).answer().expect(200).says_close());
    assert_eq!(proxy.status().listeners, [stays.to_string()]);
    // And it may come back.
    reload(&proxy, &config(&[stays, goes], "", &server));
    at(goes).send(get("/")).answer().expect(200);
}

#[test]
fn semantics_4_3_the_next_answer_at_a_listener_that_goes_is_its_last() {
    let server = Server::saying("ok");
    let ports = [ReservedPort::new(), ReservedPort::new()];
    let [stays, goes] = [ports[0].address(), ports[1].address()];
    let proxy = proxy::start(&config(&[stays, goes], "drain: {idle: 60s}", &server));
    let mut client = at(goes);
    client.send(get("/")).answer().expect(200);
    reload(&proxy, &config(&[stays], "drain: {idle: 60s}", &server));
    assert!(client.is_silent(), "it is kept for drain.idle");
    assert!(client.send(get("/")).answer().expect(200).says_close());
    assert_eq!(client.expect_end(), End::Fin);
}

#[test]
fn an_address_that_is_taken_refuses_all_of_it() {
    let server = Server::saying("ok");
    let port = ReservedPort::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = proxy::start(&config(&[port.address()], "", &server));
    let other = config(&[port.address(), taken.local_addr().unwrap()], "limits: {body: 1KiB}", &server);
    let error = refused(&proxy, &other);
    assert!(error.contains(&taken.local_addr().unwrap().to_string()) && error.contains("in use"), "{error}");
    let long = format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2000\r\n\r\n{}", "x".repeat(2000));
    connect(&proxy).send(long).answer().expect(200);
    drop(taken);
    reload(&proxy, &other);
    assert_eq!(proxy.addresses_now().len(), 2);
}

/// `127.0.0.1:8080` becomes `:8080`, as happens when a service is opened to others.
#[test]
fn an_address_may_become_another_one_of_the_same_port() {
    let server = Server::saying("ok");
    let port = ReservedPort::new();
    let proxy = proxy::start(&config(&[port.address()], "", &server));
    let wide = SocketAddr::from(([0, 0, 0, 0], port.address().port()));
    reload(&proxy, &config(&[wide], "", &server));
    assert_eq!(proxy.addresses_now().iter().map(tcp).collect::<Vec<_>>(), [wide]);
    at(port.address()).send(get("/")).answer().expect(200);
    reload(&proxy, &config(&[port.address()], "", &server));
    at(port.address()).send(get("/")).answer().expect(200);
}

#[test]
fn a_listener_may_begin_to_speak_tls_and_end_it() {
    let server = echoing("ok");
    let port = ReservedPort::new();
    let (root, files) = (Authority::new("Root"), Files::new());
    let certificate = root.issue(&["a.test"]);
    let secured = format!(
        "listen: [{{address: '{}', tls: {{certificate: '{}', key: '{}', issuer: '{}'}}}}]\nworkers: 2\n\
         services: [{{host: '*', upstream: ['{server}']}}]\n",
        port.address(),
        files.write("a.pem", &certificate.chain),
        files.write("a.key", &certificate.key),
        files.write("root.pem", &root.pem),
    );
    let plain = config(&[port.address()], "", &server);
    let proxy = proxy::start(&plain);
    let mut chat = Chat::open(port.address());
    assert_eq!(reload(&proxy, &secured)[0], format!("listener {} changed", port.address()));
    let trusting = Arc::new(certificate::client(&root.pem));
    let tls = || connect_tls(port.address(), &trusting, "a.test");
    tls().unwrap().send(get("/")).answer().expect(200);
    at(port.address()).send(get("/")).answer().expect(400);
    chat.lives();
    // The same files with another content are read at once.
    let other = root.issue(&["a.test"]);
    files.write("a.pem", &other.chain);
    files.write("a.key", &other.key);
    assert_eq!(reload(&proxy, &secured), [format!("certificates {} changed", port.address())]);
    // One without a session of before.
    let trusting = Arc::new(certificate::client(&root.pem));
    let mut client = connect_tls(port.address(), &trusting, "a.test").unwrap();
    let shown = client.tls().peer_certificates().unwrap()[0].clone();
    assert_eq!(shown, CertificateDer::from_pem_slice(other.pem.as_bytes()).unwrap());
    reload(&proxy, &plain);
    at(port.address()).send(get("/")).answer().expect(200);
    assert!(tls().is_err());
    chat.lives();
}

/// The certificate may be the same and who is let in be another: an authority that is believed no more, or a revocation.
#[test]
fn another_authority_of_clients_in_the_same_file_is_used_at_once() {
    let server = Server::saying("ok");
    let port = ReservedPort::new();
    let (root, files) = (Authority::new("Root"), Files::new());
    let certificate = root.issue(&["a.test"]);
    let secured = format!(
        "listen: [{{address: '{}', tls: {{certificate: '{}', key: '{}', issuer: '{}', client: {{ca: '{}'}}}}}}]\n\
         services: [{{host: '*', upstream: ['{server}']}}]\n",
        port.address(),
        files.write("a.pem", &certificate.chain),
        files.write("a.key", &certificate.key),
        files.write("root.pem", &root.pem),
        files.write("clients.pem", Authority::new("Clients").pem),
    );
    let proxy = proxy::start(&secured);
    assert_eq!(reload(&proxy, &secured), [""; 0]);
    files.write("clients.pem", Authority::new("Clients").pem);
    assert_eq!(reload(&proxy, &secured), [format!("certificates {} changed", port.address())]);
    assert_eq!(reload(&proxy, &secured), [""; 0]);
}

#[test]
fn the_limit_of_connections_may_change() {
    let server = Server::saying("ok");
    let port = ReservedPort::new();
    let limited = |limit: &str| config(&[port.address()], limit, &server).replace("workers: 2", "workers: 1");
    let proxy = proxy::start(&limited(""));
    let mut first = at(port.address());
    first.send(get("/")).answer().expect(200);
    let mut second = at(port.address());
    second.send(get("/")).answer().expect(200);
    reload(&proxy, &limited("limits: {connections: 1}"));
    first.send(get("/")).answer().expect(200);
    let mut third = at(port.address());
    third.send(get("/"));
    assert!(third.is_silent(), "two are there, and one may be");
    drop(second);
    until(|| proxy.connections() == 1);
    assert!(third.is_silent(), "one is there, and one may be");
    reload(&proxy, &limited("limits: {connections: 2}"));
    third.answer().expect(200);
    first.send(get("/")).answer().expect(200);
}
