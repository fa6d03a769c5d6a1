//! Connecting and sending without a proxy: what a connection with TLS does while it is idle, and requests without a client.

use std::rc::Rc;
use std::sync::{Arc, Barrier};
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use rustls::HandshakeKind;
use tokio::runtime::{Builder, LocalOptions};
use weir_core::server::{ServerAddress, Transport};
use weir_http::head::Head;
use weir_http::target::Scheme;
use weir_testkit::certificate::{Authority, Certificate, Files};
use weir_testkit::server::{Server as Scripted, sized};
use weir_testkit::socket::PATIENCE;
use weir_testkit::wait::until;
use weir_tls::authorities::Authorities;
use weir_tls::server::MinVersion;
use weir_tls::target::{ClientOptions, ClientTls, Name, Verify};
use weir_upstream::connect::{ConnectError, connect};
use weir_upstream::h1::head::HeadLimits;
use weir_upstream::io::deadline::now;
use weir_upstream::member::Server;
use weir_upstream::pool::{Connection, Pools};
use weir_upstream::send::{Answer, Beyond, Keep, SendBody, SendError, SendLimits, send};

const LIMITS: SendLimits<'static> = SendLimits {
    connect: Duration::from_secs(5),
    whole: Duration::from_secs(5),
    head: HeadLimits { bytes_max: 8192, fields_max: 100 },
    body_bytes_max: 1000,
    beyond: Beyond::Refused,
    keep: Keep::All,
    idle: Duration::from_secs(5),
    reuse_unsafe: Duration::ZERO,
};

/// The server as the proxy would have it, believed by this authority.
fn member(server: &Scripted, authority: &str) -> Arc<Server> {
    let files = Files::new();
    let authorities = Authorities::of_file(files.write("ca.pem", authority).as_ref()).unwrap();
    let options = ClientOptions {
        verify: Verify::Full(authorities),
        server_name: None,
        certificate: None,
        min_version: MinVersion::Tls12,
    };
    let target = ClientTls::new(options).unwrap().target(Name::parse("127.0.0.1").unwrap());
    Arc::new(untold(server).with_target(Some(Arc::new(target))))
}

/// The same without a word about TLS.
fn untold(server: &Scripted) -> Server {
    let (ip, port) =
        server.to_string().split_once(':').map(|(ip, port)| (ip.to_owned(), port.to_owned())).unwrap();
    let transport = Transport::Ip(ip.parse().unwrap(), port.parse().unwrap());
    let address = ServerAddress { written: "s".into(), scheme: Scheme::Https, transport, base: "".into() };
    Server::new(address)
}

fn local<T>(test: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap().block_on(test)
}

async fn ask(server: &Arc<Server>, pools: Option<&Pools>) -> Result<Answer, SendError> {
    send(server, &Head::request(b"GET", b"/"), SendBody::Memory(Bytes::new()), &LIMITS, pools).await
}

/// RFC 8446 §4.6.1: tickets come when the server likes, mostly behind its last word in the handshake, when nobody reads. They
/// must neither make the connection look used nor be lost.
#[test]
fn tickets_that_come_on_an_idle_connection_leave_it_quiet_and_are_kept() {
    let root = Authority::new("Root");
    let barrier = Arc::new(Barrier::new(2));
    let shared = Arc::clone(&barrier);
    let server = Scripted::tls(root.issue(&["127.0.0.1"]).server(), move |mut connection| {
        // The tickets have been sent with the end of the handshake.
        shared.wait();
        let kind = connection.tls().handshake_kind();
        while connection.request().is_some() {
            connection.send(sized(&format!("{kind:?}")));
        }
    });
    let member = member(&server, &root.pem);
    local(async {
        let pools = Pools::default();
        let stream = connect(&member).await.unwrap();
        barrier.wait();
        let tickets = || {
            stream.tls(|tls| match tls {
                rustls::Connection::Client(client) => client.tls13_tickets_received(),
                rustls::Connection::Server(_) => panic!("we are the client"),
            })
        };
        assert_eq!(tickets(), Some(0), "nobody has looked");
        assert!(stream.is_quiet() && stream.seems_quiet());
        assert_eq!(tickets(), Some(2));
        let connection = Connection { stream: Rc::new(stream), server: Arc::clone(&member), reused: false };
        pools.give_back(connection, LIMITS.idle, now());
        // What the runtime has heard since makes no difference.
        tokio::task::yield_now().await;
        pools.sweep();
        assert_eq!(pools.len(), 1);
        assert_eq!(
            ask(&member, Some(&pools)).await.unwrap().body,
            format!("{:?}", Some(HandshakeKind::Full)).as_bytes()
        );
        assert_eq!(server.connections(), 1);
        let other = connect(&member).await.unwrap();
        barrier.wait();
        assert_eq!(other.tls(|tls| tls.handshake_kind()), Some(Some(HandshakeKind::Resumed)));
    });
}

#[test]
fn what_comes_for_whoever_uses_a_connection_makes_it_unquiet() {
    let root = Authority::new("Root");
    let acts: [fn(&mut weir_testkit::socket::Socket); 3] = [
        |connection| _ = connection.say_goodbye(),
        |connection| _ = connection.cut(),
        |connection| _ = connection.send("x"),
    ];
    for act in acts {
        let barrier = Arc::new(Barrier::new(2));
        let shared = Arc::clone(&barrier);
        let server = Scripted::tls(root.issue(&["127.0.0.1"]).server(), move |mut connection| {
            act(&mut connection);
            shared.wait();
            connection.until_end();
        });
        let member = member(&server, &root.pem);
        local(async {
            let stream = connect(&member).await.unwrap();
            barrier.wait();
            // What was sent within the host may be on its way for a moment, where the machine is busy.
            until(|| !stream.is_quiet());
            assert!(!stream.seems_quiet(), "and it stays so");
        });
    }
}

/// What was meant for TLS never goes without it.
#[test]
fn a_server_of_which_it_is_not_said_how_is_not_even_connected_to() {
    let server = Scripted::tls_saying(Certificate::self_signed(&["127.0.0.1"]).server(), "x");
    let outcome = local(connect(&untold(&server)));
    assert!(matches!(outcome, Err(ConnectError::Network(_))), "{outcome:?}");
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_connect_that_is_dropped_in_its_handshake_ends_the_connection() {
    let server = Scripted::start(|mut connection| {
        connection.read_exact(5);
        connection.until_end();
    });
    let member = member(&server, &Authority::new("Root").pem);
    local(async {
        let mut connecting = Box::pin(connect(&member));
        let mut is_pending = || {
            let mut cx = Context::from_waker(Waker::noop());
            connecting.as_mut().poll(&mut cx).is_pending()
        };
        let begun = async {
            // Until the server has something of the handshake.
            while server.connections() == 0 {
                assert!(is_pending());
                tokio::task::yield_now().await;
            }
            assert!(is_pending());
        };
        tokio::time::timeout(PATIENCE, begun).await.unwrap();
    });
    server.wait_ended(1);
}

#[test]
fn a_request_without_a_client_goes_over_tls_too() {
    let root = Authority::new("Root");
    let server = Scripted::tls_saying(root.issue(&["127.0.0.1"]).server(), "{\"keys\": []}");
    let believed = member(&server, &root.pem);
    let other = member(&server, &Authority::new("Other").pem);
    local(async {
        let pools = Pools::default();
        for _ in 0..3 {
            let answer = ask(&believed, Some(&pools)).await.unwrap();
            assert_eq!((answer.head.status(), answer.body.as_slice()), (200, &b"{\"keys\": []}"[..]));
        }
        assert_eq!(server.connections(), 1);
        assert!(ask(&believed, None).await.is_ok());
        assert_eq!(server.connections(), 2);
        let error = ask(&other, None).await.unwrap_err();
        assert!(error.to_string().contains("it sends no certificate of `CN=Root`"), "{error}");
        assert!(error.hint().unwrap().contains("tls: {ca: FILE}"));
    });
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn a_server_that_wants_a_certificate_says_so_to_a_request_without_a_client() {
    let (root, clients) = (Authority::new("Root"), Authority::new("Clients"));
    let server = Scripted::tls_saying(root.issue(&["127.0.0.1"]).server_demanding(&clients), "x");
    let error = local(ask(&member(&server, &root.pem), None)).unwrap_err();
    assert!(error.to_string().contains("it wants a certificate of its clients"), "{error}");
}

/// RFC 8446 §6.1: whoever can cut a connection must not be able to shorten an answer.
#[test]
fn an_answer_that_ends_without_a_goodbye_is_not_whole() {
    let root = Authority::new("Root");
    for goodbye in [true, false] {
        let server = Scripted::tls(root.issue(&["127.0.0.1"]).server(), move |mut connection| {
            connection.expect_request();
            connection.send("HTTP/1.1 200 OK\r\n\r\nall of it?");
            if goodbye {
                connection.say_goodbye();
            }
            connection.cut();
            connection.until_end();
        });
        let outcome = local(ask(&member(&server, &root.pem), None));
        match outcome {
            Ok(answer) => assert!(goodbye && answer.body == b"all of it?"),
            Err(error) => assert!(!goodbye && error.to_string().contains("broke off"), "{error}"),
        }
    }
}
