//! Certificates of listeners, over real connections: whose is served, what happens when files change, and what is passed on
//! of a client's own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, HandshakeKind};
use weir_testkit::certificate::{self, Authority, Certificate, Files};
use weir_testkit::client::{connect, connect_tls};
use weir_testkit::message::Message;
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;
use weir_testkit::socket::Socket;

/// Connections after which a test gives up on a new certificate. Files are looked at every two seconds.
const CONNECTIONS_MAX: usize = 100_000;

/// A proxy to this server with this `tls`; the services take any host.
fn serving(tls: &str, server: &Server) -> Running {
    proxy::start(&format!(
        "listen: {{address: '127.0.0.1:0', tls: {tls}}}
workers: 4
services: [{{host: '*', upstream: web}}]
upstreams: {{web: {{servers: ['{server}']}}}}
"
    ))
}

/// A certificate as a listener names it, whose root the clients of a test know.
fn write(files: &Files, name: &str, certificate: &Certificate, root: &Authority) -> String {
    let chain = files.write(&format!("{name}.pem"), &certificate.chain);
    let key = files.write(&format!("{name}.key"), &certificate.key);
    let issuer = files.write("root.pem", &root.pem);
    format!("certificate: {chain}, key: {key}, issuer: {issuer}")
}

fn leaf(certificate: &Certificate) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(certificate.pem.as_bytes()).unwrap()
}

fn served(socket: &mut Socket) -> CertificateDer<'static> {
    socket.tls().peer_certificates().unwrap()[0].clone().into_owned()
}

fn request(host: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

fn saying_ok() -> Server {
    Server::saying("ok")
}

#[test]
fn a_name_gets_its_certificate_and_the_rest_the_first() {
    let (root, files, server) = (Authority::new("Root"), Files::new(), saying_ok());
    let (a, b) = (root.issue(&["a.test", "*.a.test"]), root.issue(&["b.test"]));
    let list = format!(
        "{{certificates: [{{{}}}, {{{}}}]}}",
        write(&files, "a", &a, &root),
        write(&files, "b", &b, &root)
    );
    let proxy = serving(&list, &server);
    let client = Arc::new(certificate::client(&root.pem));
    for (name, expected) in [("a.test", &a), ("x.a.test", &a), ("b.test", &b)] {
        let mut socket = connect_tls(proxy.address(), &client, name).unwrap();
        assert_eq!(served(&mut socket), leaf(expected), "{name}");
        socket.send(request(name)).answer().expect(200);
    }
    let error = connect_tls(proxy.address(), &client, "c.test").unwrap_err();
    assert!(error.to_string().contains("not valid for name"), "{error}");
}

/// Clients that ask all the time until they are told to stop: some on a connection that they keep, some with a new one for each
/// request, with a session and without. How many requests each has got an answer to; one that fails is a panic.
fn load(address: SocketAddr, root: &Authority, stop: &AtomicBool, work: impl FnOnce()) -> Vec<usize> {
    let ask = |socket: &mut Socket| drop(socket.send(request("a.test")).answer().expect(200));
    let connected = |client: &Arc<ClientConfig>| connect_tls(address, client, "a.test").unwrap();
    let keeping = || {
        let mut socket = connected(&Arc::new(certificate::client(&root.pem)));
        std::iter::repeat_with(|| ask(&mut socket)).take_while(|()| !stop.load(Ordering::Relaxed)).count()
    };
    let coming = |client: ClientConfig| {
        let client = Arc::new(client);
        let one = || ask(&mut connected(&client));
        std::iter::repeat_with(one).take_while(|()| !stop.load(Ordering::Relaxed)).count()
    };
    std::thread::scope(|scope| {
        let kept = [(); 3].map(|()| scope.spawn(keeping));
        let full = [(); 2].map(|()| scope.spawn(|| coming(without_sessions(root))));
        let resuming = scope.spawn(|| coming(certificate::client(&root.pem)));
        // Whatever becomes of it, the others end.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        stop.store(true, Ordering::Relaxed);
        let all = kept.into_iter().chain(full).chain([resuming]);
        let counts = all.map(|client| client.join().expect("no request fails")).collect();
        done.unwrap();
        counts
    })
}

/// Somebody renews a certificate while clients come and go: no request fails, new connections get the new certificate, and
/// those that were there before go on.
#[test]
fn a_certificate_that_is_replaced_under_load_costs_no_request() {
    let (root, files, server) = (Authority::new("Root"), Files::new(), saying_ok());
    let (first, second) = (root.issue(&["a.test"]), root.issue(&["a.test"]));
    let proxy = serving(&format!("{{{}}}", write(&files, "a", &first, &root)), &server);
    let client = Arc::new(without_sessions(&root));
    let mut before = connect_tls(proxy.address(), &client, "a.test").unwrap();
    before.send(request("a.test")).answer().expect(200);
    let counts = load(proxy.address(), &root, &AtomicBool::new(false), || {
        // Longer than the first by more than chance: this test may be faster than the clock that files are stamped with.
        let longer = Certificate { chain: second.chain.clone() + &"\n".repeat(100), ..second.clone() };
        write(&files, "a", &longer, &root);
        let mut connections = 0;
        loop {
            let mut socket = connect_tls(proxy.address(), &client, "a.test").unwrap();
            socket.send(request("a.test")).answer().expect(200);
            let now = served(&mut socket);
            if now == leaf(&second) {
                break;
            }
            assert_eq!(now, leaf(&first));
            connections += 1;
            assert!(connections < CONNECTIONS_MAX, "the new certificate is never served");
        }
    });
    assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
    before.send(request("a.test")).answer().expect(200);
    assert_eq!(served(&mut before), leaf(&first));
}

fn without_sessions(root: &Authority) -> ClientConfig {
    let mut client = certificate::client(&root.pem);
    client.resumption = rustls::client::Resumption::disabled();
    client
}

/// The next connection of a client comes to another worker, as often as not.
#[test]
fn sessions_are_resumed_whichever_worker_gets_the_connection() {
    let (root, files, server) = (Authority::new("Root"), Files::new(), saying_ok());
    let a = root.issue(&["a.test"]);
    let proxy = serving(&format!("{{{}}}", write(&files, "a", &a, &root)), &server);
    let client = Arc::new(certificate::client(&root.pem));
    let mut kinds = Vec::new();
    for _ in 0..16 {
        let mut socket = connect_tls(proxy.address(), &client, "a.test").unwrap();
        socket.send(request("a.test")).answer().expect(200);
        kinds.push(socket.tls().handshake_kind().unwrap());
    }
    assert_ne!(kinds[0], HandshakeKind::Resumed);
    assert!(kinds[1..].iter().all(|kind| *kind == HandshakeKind::Resumed), "{kinds:?}");
}

#[test]
fn the_subject_of_a_client_is_passed_on_and_cannot_be_made_up() {
    let (root, files, server) = (Authority::new("Root"), Files::new(), saying_ok());
    let ca = files.write("ca.pem", &root.pem);
    let a = write(&files, "a", &root.issue(&["a.test"]), &root);
    let yaml = format!(
        "listen:
  - {{address: '127.0.0.1:0', tls: {{{a}, client: {{ca: {ca}, mode: request, subject_header: X-Client-Subject}}}}}}
  - 127.0.0.1:0
services: [{{host: '*', upstream: web}}]
upstreams: {{web: {{servers: ['{server}']}}}}
"
    );
    let proxy = proxy::start(&yaml);
    let forged = "GET / HTTP/1.1\r\nHost: a.test\r\nX-Client-Subject: CN=admin\r\nx-client-subject: CN=admin\r\n\
                  X_Client_Subject: CN=admin\r\nX-Client_subject: CN=admin\r\n\r\n";
    let known = |request: &Message| {
        let alike = |name: &str| name.replace('_', "-").eq_ignore_ascii_case("x-client-subject");
        request
            .fields
            .iter()
            .filter(|(name, _)| alike(name))
            .map(|(_, value)| value.clone())
            .collect::<Vec<_>>()
    };
    let certified = root.issue_with(&["alice"], |params| {
        params.distinguished_name.push(rcgen::DnType::CommonName, "alice, \r\nX: 1");
    });
    let with = Arc::new(certificate::client_showing(&root.pem, &certified));
    connect_tls(proxy.address(), &with, "a.test").unwrap().send(forged).answer().expect(200);
    let without = Arc::new(certificate::client(&root.pem));
    connect_tls(proxy.address(), &without, "a.test").unwrap().send(forged).answer().expect(200);
    plain(&proxy).send(forged).answer().expect(200);
    let requests: Vec<_> = server.requests().iter().map(known).collect();
    assert_eq!(requests, [vec!["CN=alice\\, \\0D\\0AX: 1".to_owned()], vec![], vec![]]);
}

/// A server may merge the trailers of a body into its fields (RFC 9110 §6.5.1), and take one for the field that only we set.
#[test]
fn no_trailer_says_who_the_client_is() {
    let (root, files, server) = (Authority::new("Root"), Files::new(), saying_ok());
    let ca = files.write("ca.pem", &root.pem);
    let a = write(&files, "a", &root.issue(&["a.test"]), &root);
    let proxy = proxy::start(&format!(
        "listen:
  - {{address: '127.0.0.1:0', tls: {{{a}, client: {{ca: {ca}, mode: request, subject_header: X-Client-Subject}}}}}}
  - 127.0.0.1:0
services: [{{host: '*', upstream: web}}]
upstreams: {{web: {{servers: ['{server}']}}}}
"
    ));
    let forged = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Client-Subject\r\n\r\n\
                  5\r\nhello\r\n0\r\nX-Client-Subject: CN=admin\r\nx_client_subject: CN=admin\r\n\r\n";
    let with = Arc::new(certificate::client_showing(&root.pem, &root.issue(&["alice"])));
    let without = Arc::new(certificate::client(&root.pem));
    for client in [&with, &without] {
        let mut socket = connect_tls(proxy.address(), client, "a.test").unwrap();
        // The connection goes on where the trailers end.
        (0..2).for_each(|_| drop(socket.send(forged).answer().expect(200)));
    }
    plain(&proxy).send(forged).answer().expect(200);
    for request in server.requests() {
        assert_eq!((request.text().as_str(), &*request.trailers), ("hello", &[][..]), "{request}");
    }
    assert_eq!(server.requests().len(), 5);
    // Where no listener sets such a field, trailers go on.
    let other = proxy::to(&server);
    connect(&other).send(forged).answer().expect(200);
    assert_eq!(server.last_request().trailers.len(), 2);
}

/// A connection to the second address, without TLS.
fn plain(proxy: &Running) -> Socket {
    std::net::TcpStream::connect(proxy.addresses()[1].to_string()).unwrap().into()
}

#[test]
fn a_listener_without_tls_is_none_with_another_beside_it() {
    let (root, files, server) = (Authority::new("Root"), Files::new(), saying_ok());
    let a = write(&files, "a", &root.issue(&["a.test"]), &root);
    let proxy = proxy::start(&format!(
        "listen: ['127.0.0.1:0', {{address: '127.0.0.1:0', tls: {{{a}}}}}]
services: [{{host: '*', upstream: web}}]
upstreams: {{web: {{servers: ['{server}']}}}}
"
    ));
    connect(&proxy).send(request("a.test")).answer().expect(200);
    let status = proxy.status();
    assert_eq!(status.certificates.len(), 1);
    assert_eq!(status.certificates[0].listener, proxy.addresses()[1].to_string());
    assert_eq!(status.certificates[0].names, ["a.test"]);
}
