//! TLS to servers: whom the proxy believes, what it says when it does not, and how long a connection is good for.

use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use rustls::HandshakeKind;
use weir_testkit::certificate::{Authority, Certificate, Files};
use weir_testkit::client::{ask, connect, fetch, get};
use weir_testkit::message::{End, Message};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, sized};

/// The address at which every server of a test is.
const HERE: &str = "127.0.0.1";

/// A proxy to this server, which is verified by this authority.
fn believing(server: &Server, files: &Files, authority: &str) -> Running {
    let ca = files.write("ca.pem", authority);
    with_tls(server, &format!("ca: {ca}"))
}

fn with_tls(server: &Server, tls: &str) -> Running {
    with_keys(&[&format!("https://{server}")], tls, "")
}

/// A proxy to these servers. A request is never repeated.
fn with_keys(servers: &[&str], tls: &str, top: &str) -> Running {
    proxy::start(&format!(
        "{top}
services:
  - {{host: \"*\", upstream: web}}
upstreams:
  web: {{servers: {servers:?}, tls: {{{tls}}}, retry: {{attempts: 1}}}}
"
    ))
}

fn post(target: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n")
}

/// Demands a 502 with this error of RFC 9209 §2.3.
#[track_caller]
fn expect_error(answer: Message, error: &str) {
    let answer = answer.expect(502);
    let status = answer.field("proxy-status").unwrap_or_default();
    assert!(status.contains(&format!("error={error};")), "{status}");
}

#[test]
fn a_server_is_believed_by_the_authority_that_is_written() {
    let (root, files) = (Authority::new("Root"), Files::new());
    let middle = root.below("Middle");
    for config in [middle.issue(&[HERE]).server(), middle.issue(&[HERE]).server_with_tls_1_2()] {
        let server = Server::tls_saying(config, "safe");
        let proxy = believing(&server, &files, &root.pem);
        assert_eq!(fetch(&proxy, "/x").expect(200).text(), "safe");
        assert_eq!(server.only_request().start, "GET /x HTTP/1.1");
        assert_eq!(server.only_request().field("host"), Some("a.test"));
        // The connection is kept as any other.
        fetch(&proxy, "/y").expect(200);
        ask(&proxy, post("/z")).expect(200);
        assert_eq!(server.connections(), 1);
    }
}

#[test]
fn semantics_1_9_the_name_that_is_asked_for_is_the_servers_own() {
    let (root, files) = (Authority::new("Root"), Files::new());
    let ca = files.write("ca.pem", &root.pem);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let server = Server::tls(root.issue(&["localhost", "b.test", HERE]).server(), move |mut connection| {
        let rustls::Connection::Server(tls) = connection.tls() else { panic!("a server") };
        seen.lock().unwrap().push(tls.server_name().map(str::to_owned));
        while connection.request().is_some() {
            connection.send(sized("ok"));
        }
    });
    let port = server.to_string().rsplit_once(':').unwrap().1.to_owned();
    for (address, tls) in [
        (format!("https://localhost:{port}"), ""),
        (format!("https://{HERE}:{port}"), ""),
        (format!("https://{HERE}:{port}"), ", server_name: b.test"),
    ] {
        fetch(&with_keys(&[&address], &format!("ca: {ca}{tls}"), ""), "/").expect(200);
    }
    assert_eq!(*asked.lock().unwrap(), [Some("localhost".to_owned()), None, Some("b.test".to_owned())]);
}

/// What is wrong with each of them is told by the tests of the verifier; here, that nothing of the request goes there.
#[test]
fn a_server_that_is_not_believed_gets_nothing() {
    let (root, other, files) = (Authority::new("Root"), Authority::new("Other"), Files::new());
    let past = rcgen::date_time_ymd(2020, 1, 1);
    let expired = root.issue_with(&[HERE], |params| params.not_after = past);
    for certificate in [
        root.issue(&["b.test"]),
        root.issue(&["127.0.0.2"]),
        expired,
        other.issue(&[HERE]),
        root.below("Middle").issue(&[HERE]).without_chain(),
        Certificate::self_signed(&[HERE]),
    ] {
        let server = Server::tls_saying(certificate.server(), "unsafe");
        let proxy = believing(&server, &files, &root.pem);
        for request in [get("/"), post("/")] {
            expect_error(ask(&proxy, request), "tls_certificate_error");
        }
        server.wait_ended(2);
        assert!(server.requests().is_empty());
        let refusals = server.refusals();
        assert!(refusals.iter().all(|said| said.contains("alert")), "the server is told: {refusals:?}");
        let status = &proxy.status().upstreams[0].servers[0];
        assert_eq!(
            (status.connect_failures_total, status.connections_total, status.requests_total),
            (2, 0, 0)
        );
    }
}

#[test]
fn verify_none_believes_whoever_answers() {
    let server = Server::tls_saying(Certificate::self_signed(&["elsewhere.test"]).server(), "who knows");
    assert_eq!(fetch(&with_tls(&server, "verify: none"), "/").expect(200).text(), "who knows");
}

#[test]
fn a_self_signed_certificate_that_is_written_down_is_believed() {
    let (certificate, files) = (Certificate::self_signed(&[HERE]), Files::new());
    let server = Server::tls_saying(certificate.server(), "known");
    fetch(&believing(&server, &files, &certificate.pem), "/").expect(200);
}

/// `semantics.md` §2.1: nothing of the request was sent, so another server may have it, whatever the request is.
#[test]
fn semantics_2_1_a_failed_handshake_is_passed_over() {
    let (root, other, files) = (Authority::new("Root"), Authority::new("Other"), Files::new());
    let bad = Server::tls_saying(other.issue(&[HERE]).server(), "bad");
    let good = Server::tls_saying(root.issue(&[HERE]).server(), "good");
    let plain = Server::saying("plain");
    let ca = files.write("ca.pem", &root.pem);
    let servers = [&format!("https://{bad}"), &format!("https://{good}"), &format!("http://{plain}")];
    let proxy = with_keys(&servers.map(String::as_str), &format!("ca: {ca}"), "");
    let mut texts: Vec<String> = (0..6).map(|_| ask(&proxy, post("/")).expect(200).text()).collect();
    texts.sort_unstable();
    assert!(texts.iter().all(|text| text == "good" || text == "plain"), "{texts:?}");
    assert!(texts.iter().any(|text| text == "plain"), "with and without TLS in one upstream");
    assert!(bad.requests().is_empty());
    // A server that refuses is another matter than one that is not believed: what they have in common is told.
    let refusing = format!("https://{}", Server::refusing());
    let proxy = with_keys(&[servers[0], &refusing], &format!("ca: {ca}"), "");
    expect_error(fetch(&proxy, "/"), "connection_refused");
    let proxy = with_keys(&[servers[0]], &format!("ca: {ca}"), "");
    expect_error(fetch(&proxy, "/"), "tls_certificate_error");
}

#[test]
fn a_server_that_wants_a_certificate_gets_ours() {
    let (root, clients, files) = (Authority::new("Root"), Authority::new("Clients"), Files::new());
    let ca = files.write("ca.pem", &root.pem);
    let ours = clients.issue(&["weir.test"]);
    let certificate = files.write("weir.pem", &ours.chain);
    let key = files.write("weir.key", &ours.key);
    let server = || Server::tls_saying(root.issue(&[HERE]).server_demanding(&clients), "welcome");
    let welcome = server();
    let proxy = with_tls(&welcome, &format!("ca: {ca}, certificate: {certificate}, key: {key}"));
    assert_eq!(fetch(&proxy, "/").expect(200).text(), "welcome");
    // In TLS 1.3 the refusal comes when the request was sent already; it is not taken for a broken connection.
    let closed = server();
    let proxy = with_tls(&closed, &format!("ca: {ca}"));
    for request in [get("/"), post("/")] {
        expect_error(ask(&proxy, request), "tls_alert_received");
    }
    let stranger = Certificate::self_signed(&["weir.test"]);
    let both = files.write("stranger.pem", format!("{}{}", stranger.pem, stranger.key));
    let proxy = with_tls(&closed, &format!("ca: {ca}, certificate: {both}"));
    expect_error(fetch(&proxy, "/"), "tls_alert_received");
    assert!(closed.requests().is_empty());
}

/// Sessions belong to the process: a worker resumes what another one began. One of twenty connections is the first one,
/// and that all twenty are of one worker happens once in half a million runs.
#[test]
fn sessions_are_resumed_also_by_another_worker() {
    let (root, files) = (Authority::new("Root"), Files::new());
    let ca = files.write("ca.pem", &root.pem);
    let certificate = root.issue(&[HERE]);
    for config in [certificate.server(), certificate.server_with_tls_1_2()] {
        let kinds = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&kinds);
        let server = Server::tls(config, move |mut connection| {
            seen.lock().unwrap().push(connection.tls().handshake_kind().unwrap());
            connection.expect_request();
            connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        });
        let proxy = with_keys(&[&format!("https://{server}")], &format!("ca: {ca}"), "workers: 2");
        for _ in 0..20 {
            fetch(&proxy, "/").expect(200);
        }
        let kinds = kinds.lock().unwrap();
        assert_eq!(kinds[0], HandshakeKind::Full);
        assert!(kinds[1..].iter().all(|kind| *kind == HandshakeKind::Resumed), "{kinds:?}");
    }
}

/// Sessions were resumed for as long as the server liked, also when its certificate had expired meanwhile: the time of a
/// certificate was looked at in full handshakes only.
#[test]
fn a_server_whose_certificate_has_expired_is_not_believed_for_its_sessions() {
    let (root, files) = (Authority::new("Root"), Files::new());
    let ca = files.write("ca.pem", &root.pem);
    let configs = [Certificate::server, Certificate::server_with_tls_1_2];
    for (number, config) in configs.into_iter().enumerate() {
        let now = std::fs::metadata(files.write(&format!("now{number}"), "")).unwrap().modified().unwrap();
        let end = now + Duration::from_secs(3);
        let certificate = root.issue_with(&[HERE], |params| params.not_after = end.into());
        let kinds = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&kinds);
        let server = Server::tls(config(&certificate), move |mut connection| {
            seen.lock().unwrap().extend(connection.tls().handshake_kind());
            if connection.request().is_some() {
                connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            }
        });
        let proxy = with_tls(&server, &format!("ca: {ca}"));
        // It is asked again and again, so there is always a session; some of these come after the end.
        let refused = (0..100_000).map(|_| fetch(&proxy, "/")).find(|answer| answer.status() != 200);
        expect_error(refused.unwrap(), "tls_certificate_error");
        expect_error(fetch(&proxy, "/"), "tls_certificate_error");
        let kinds = kinds.lock().unwrap();
        assert_eq!(kinds.iter().filter(|kind| **kind == HandshakeKind::Full).count(), 1, "{kinds:?}");
    }
}

/// A server that answers, lets the test go on, does this on the idle connection, and lets the test go on again.
fn idling(
    root: &Authority,
    act: impl Fn(&mut weir_testkit::socket::Socket) + Send + Sync + 'static,
) -> (Server, Arc<Barrier>) {
    let barrier = Arc::new(Barrier::new(2));
    let shared = Arc::clone(&barrier);
    let server = Server::tls(root.issue(&[HERE]).server(), move |mut connection| {
        connection.expect_request();
        connection.send(sized("first"));
        if connection.number == 0 {
            shared.wait();
            act(&mut connection);
            shared.wait();
        }
        while connection.request().is_some() {
            if connection.try_send(sized("again")).is_err() {
                return;
            }
        }
    });
    (server, barrier)
}

#[test]
fn what_concerns_tls_alone_leaves_an_idle_connection_usable() {
    let (root, files) = (Authority::new("Root"), Files::new());
    for request in [get("/"), post("/")] {
        let (server, barrier) = idling(&root, |connection| {
            connection.tls().refresh_traffic_keys().unwrap();
            connection.flush();
        });
        let proxy = believing(&server, &files, &root.pem);
        fetch(&proxy, "/").expect(200);
        barrier.wait();
        barrier.wait();
        assert_eq!(ask(&proxy, &request).expect(200).text(), "again");
        assert_eq!(server.connections(), 1, "{request}");
    }
}

#[test]
fn an_idle_connection_that_the_server_has_ended_or_spoken_on_is_not_used() {
    let (root, files) = (Authority::new("Root"), Files::new());
    let acts: [fn(&mut weir_testkit::socket::Socket); 4] = [
        |connection| _ = connection.say_goodbye(),
        |connection| _ = connection.half_close(),
        |connection| _ = connection.cut(),
        |connection| _ = connection.send(sized("nobody asked")),
    ];
    for act in acts {
        for request in [get("/"), post("/")] {
            let (server, barrier) = idling(&root, act);
            let proxy = believing(&server, &files, &root.pem);
            fetch(&proxy, "/").expect(200);
            barrier.wait();
            barrier.wait();
            assert_eq!(ask(&proxy, &request).expect(200).text(), "first", "on a new connection");
            assert_eq!(server.connections(), 2);
        }
    }
}

/// RFC 8446 §6.1: servers log an end without a goodbye as a fault, or take it for an attack.
#[test]
fn a_connection_that_is_not_needed_any_more_is_ended_with_a_goodbye() {
    let (root, files) = (Authority::new("Root"), Files::new());
    let ca = files.write("ca.pem", &root.pem);
    let ends = Arc::new(Mutex::new(Vec::new()));
    for (connection_field, idle) in
        [("Connection: close\r\n", "4s"), ("Keep-Alive: timeout=0\r\n", "4s"), ("", "1ms")]
    {
        let seen = Arc::clone(&ends);
        let server = Server::tls(root.issue(&[HERE]).server(), move |mut connection| {
            connection.expect_request();
            connection.send(format!("HTTP/1.1 200 OK\r\n{connection_field}Content-Length: 0\r\n\r\n"));
            seen.lock().unwrap().push(connection.until_end());
        });
        let top = format!("timeouts: {{upstream_idle: {idle}}}");
        let proxy = with_keys(&[&format!("https://{server}")], &format!("ca: {ca}"), &top);
        fetch(&proxy, "/").expect(200);
        server.wait_ended(1);
    }
    assert_eq!(*ends.lock().unwrap(), [End::Fin; 3]);
}

#[test]
fn what_is_no_tls_is_told_as_that() {
    let server = Server::start(|mut connection| {
        connection.read_exact(5);
        connection.send("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    });
    let proxy = with_tls(&server, "verify: none");
    expect_error(fetch(&proxy, "/"), "tls_protocol_error");
    let server = Server::start(drop);
    expect_error(fetch(&with_tls(&server, "verify: none"), "/"), "tls_protocol_error");
}

#[test]
fn a_handshake_that_never_ends_takes_no_longer_than_connecting_may() {
    for said in ["", "\x16\x03\x03\x40\x00\x02"] {
        let server = Server::start(move |mut connection| {
            connection.send(said);
            connection.until_end();
        });
        let address = format!("https://{server}");
        let proxy = with_keys(&[&address], "verify: none", "timeouts: {connect: 200ms}");
        let answer = fetch(&proxy, "/").expect(504);
        let status = answer.field("proxy-status").unwrap();
        assert!(status.contains("error=connection_timeout;"), "{status}");
        server.wait_ended(1);
    }
}

/// `semantics.md` §2.1: one of several servers gets its share of the time only, handshake included.
#[test]
fn semantics_2_1_a_handshake_that_hangs_leaves_time_for_another_server() {
    let hanging = Server::start(|mut connection| _ = connection.until_end());
    let good = Server::tls_saying(Certificate::self_signed(&[HERE]).server(), "good");
    let servers = [format!("https://{hanging}"), format!("https://{good}")];
    let proxy = with_keys(&[&servers[0], &servers[1]], "verify: none", "timeouts: {connect: 500ms}");
    for _ in 0..2 {
        assert_eq!(ask(&proxy, post("/")).expect(200).text(), "good");
    }
    assert_eq!(hanging.connections(), 1);
}

/// RFC 8446 §6.1, `semantics.md` §1.7: whoever can cut a connection must not be able to shorten an answer.
#[test]
fn semantics_1_7_an_answer_that_ends_without_a_goodbye_is_not_whole() {
    let (root, files) = (Authority::new("Root"), Files::new());
    for (goodbye, sized) in [(true, false), (false, false), (false, true)] {
        let server = Server::tls(root.issue(&[HERE]).server(), move |mut connection| {
            connection.expect_request();
            let length = if sized { "Content-Length: 5\r\n" } else { "" };
            connection.send(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{length}\r\nwhole"));
            if goodbye {
                connection.say_goodbye();
            }
            connection.cut();
            connection.until_end();
        });
        let proxy = believing(&server, &files, &root.pem);
        let outcome = connect(&proxy).send(get("/")).try_answer();
        match outcome {
            Ok(answer) if goodbye || sized => assert_eq!(answer.expect(200).text(), "whole"),
            // Nothing had left yet, so the answer could be taken back.
            Ok(answer) => drop(answer.expect(502)),
            Err(broken) => assert!(!goodbye && !sized && broken.end.is_some(), "{broken}"),
        }
        let old = connect(&proxy).send("GET / HTTP/1.0\r\n\r\n").try_answer();
        match old {
            Ok(answer) if goodbye || sized => assert_eq!(answer.expect(200).text(), "whole"),
            Ok(answer) => drop(answer.expect(502)),
            Err(broken) => assert!(!goodbye && broken.end == Some(End::Reset), "{broken}"),
        }
    }
}

#[test]
fn large_bodies_go_both_ways() {
    let (root, files) = (Authority::new("Root"), Files::new());
    let server = Server::tls(root.issue(&[HERE]).server(), |mut connection| {
        while let Some(request) = connection.request() {
            let text = String::from_utf8(request.body).unwrap();
            connection.send(sized(&text));
        }
    });
    let proxy = believing(&server, &files, &root.pem);
    let body: String = (0..300_000).map(|number| format!("{number:07} ")).collect();
    let head = format!("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n", body.len());
    for _ in 0..2 {
        let answer = ask(&proxy, format!("{head}{body}")).expect(200);
        assert!(answer.text() == body, "{} bytes of {}", answer.body.len(), body.len());
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_connection_may_switch_its_protocol_inside_tls() {
    let (root, files) = (Authority::new("Root"), Files::new());
    let server = Server::tls(root.issue(&[HERE]).server(), |mut connection| {
        connection.request_head();
        connection.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello ",
        );
        assert_eq!(connection.read_exact(4), b"ping");
        connection.send("pong");
        assert_eq!(connection.until_end(), End::Fin, "our goodbye comes through as one");
        connection.send(" bye").half_close();
    });
    let proxy = believing(&server, &files, &root.pem);
    let mut client = connect(&proxy);
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(client.answer_head().status(), 101);
    client.send("ping");
    assert_eq!(client.read_exact(10), b"hello pong");
    client.half_close();
    let (rest, end) = client.read_to_end();
    assert_eq!((rest.as_slice(), end), (&b" bye"[..], End::Fin));
}
