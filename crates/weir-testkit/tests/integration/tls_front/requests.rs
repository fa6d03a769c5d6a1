//! Requests over TLS are requests: kept, pipelined, large, chunked, answered early, upgraded and old.

use weir_testkit::client::get;
use weir_testkit::proxy;
use weir_testkit::server::{Server, sized};
use weir_testkit::socket::End;

use super::Front;

/// Bytes of a large body: many records, and more than any buffer.
const LARGE: usize = 5 << 20;

/// Bytes that are all different from their neighbours, so that none can be lost, doubled or moved unseen.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

/// A server that gives each body back, in the coding that the target names.
fn echo() -> Server {
    Server::start(|mut connection| {
        while let Some(request) = connection.request() {
            if request.target() == "/chunked" {
                connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                for chunk in request.body.chunks(70_000) {
                    connection.send(format!("{:x}\r\n", chunk.len())).send(chunk).send("\r\n");
                }
                connection.send("0\r\nChecked: yes\r\n\r\n");
            } else {
                connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.body.len()));
                connection.send(&request.body);
            }
        }
    })
}

#[test]
fn one_connection_carries_many_requests_one_after_the_other_and_pipelined() {
    let (front, server) = (Front::new(), Server::saying("ok"));
    let proxy = front.to(&server);
    let mut client = front.connect(&proxy);
    for target in ["/1", "/2", "/3"] {
        assert_eq!(client.send(get(target)).answer().expect(200).text(), "ok");
    }
    let targets: Vec<String> = (0..20).map(|number| format!("/pipelined/{number}")).collect();
    client.send(targets.iter().map(|target| get(target)).collect::<String>());
    for _ in &targets {
        client.answer().expect(200);
    }
    client.send_bytewise(get("/bytewise")).answer().expect(200);
    assert_eq!((proxy.connections(), server.connections()), (1, 1));
    let got: Vec<String> = server.requests().iter().map(|request| request.target().to_owned()).collect();
    assert_eq!(got[3..23], targets);
    assert_eq!(client.half_close().expect_end(), End::Fin);
}

#[test]
fn large_bodies_come_through_both_ways_byte_for_byte() {
    let (front, server) = (Front::new(), echo());
    let proxy = front.to(&server);
    let body = noise(LARGE);
    let mut client = front.connect(&proxy);
    for target in ["/sized", "/chunked"] {
        client.send(format!("PUT {target} HTTP/1.1\r\nHost: a.test\r\nContent-Length: {LARGE}\r\n\r\n"));
        client.send(&body);
        let answer = client.answer().expect(200);
        assert!(answer.body == body, "{target}");
        client.send(format!(
            "PUT {target} HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n"
        ));
        for chunk in body.chunks(100_000) {
            client.send(format!("{:x}\r\n", chunk.len())).send(chunk).send("\r\n");
        }
        client.send("0\r\n\r\n");
        let answer = client.answer().expect(200);
        assert!(answer.body == body, "{target}");
        assert_eq!(answer.trailers.len(), usize::from(target == "/chunked"));
    }
    // How many there are to the server is a question of how long the client has thought.
    assert_eq!(proxy.connections(), 1);
}

#[test]
fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let server = Server::start(|mut connection| {
        connection.request_head();
        connection
            .send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
        connection.until_end();
    });
    let front = Front::new();
    let proxy = front.to(&server);
    let mut client = front.connect(&proxy);
    client.send(format!("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {LARGE}\r\n\r\n"));
    client.send(noise(50_000));
    let answer = client.answer().expect(413);
    assert_eq!(answer.text(), "big");
    assert!(answer.says_close());
    // It is read from for a while, so that nothing of the answer is lost.
    client.send(noise(100_000));
    assert_eq!(client.half_close().expect_end(), End::Fin);
}

#[test]
fn semantics_1_5_interim_answers_are_passed_on() {
    let server = Server::start(|mut connection| {
        assert!(connection.request_head().has("expect"));
        connection.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
        connection.send("HTTP/1.1 100 Continue\r\n\r\n");
        assert_eq!(connection.read_exact(5), b"hello");
        connection.send(sized("ok"));
        connection.until_end();
    });
    let front = Front::new();
    let proxy = front.to(&server);
    let mut client = front.connect(&proxy);
    client.send("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.answer().expect(103).field("link"), Some("</a>"));
    client.answer().expect(100);
    client.send("hello").answer().expect(200);
    drop(client);
    drop(proxy);
}

#[test]
fn old_clients_are_answered_in_their_own_way() {
    let front = Front::new();
    let server =
        Server::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    let proxy = front.to(&server);
    let mut client = front.connect(&proxy);
    // Without a Host there is nothing that could be outside the certificate.
    let answer = client.send("GET / HTTP/1.0\r\n\r\n").answer().expect(200);
    assert_eq!((answer.text().as_str(), answer.until_close), ("abc", true));
    assert_eq!(client.expect_end(), End::Fin);
    let server = Server::saying("ok");
    let proxy = front.to(&server);
    let mut client = front.connect(&proxy);
    for _ in 0..3 {
        let answer = client.send("GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n").answer();
        assert_eq!(answer.expect(200).text(), "ok");
    }
    assert_eq!(proxy.connections(), 1);
}

/// A client that reads to the end takes what it got for the whole only if the end was announced.
#[test]
fn semantics_1_7_a_broken_answer_does_not_end_like_a_whole_one() {
    let front = Front::new();
    for (rest, expected) in [("0\r\n\r\n", Some(End::Fin)), ("", None)] {
        let server = Server::closing(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n{rest}"
        ));
        let proxy = front.to(&server);
        let mut client = front.connect(&proxy);
        client.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n");
        match (client.try_answer(), expected) {
            (Ok(answer), Some(_)) => assert_eq!(answer.expect(200).text(), "abc"),
            (Ok(answer), None) => assert_eq!(answer.status(), 502, "{answer}"),
            (Err(broken), None) => assert_ne!(broken.end, Some(End::Fin), "{broken}"),
            (Err(broken), Some(_)) => panic!("{broken}"),
        }
    }
}

/// FIN after a complete request is no cancellation, whether or not a goodbye came before it.
#[test]
fn semantics_1_7_a_client_that_has_said_everything_is_answered() {
    let (front, server) = (Front::new(), Server::saying("ok"));
    let proxy = front.to(&server);
    for says_goodbye in [true, false] {
        let mut client = front.connect(&proxy);
        client.send(get("/"));
        if says_goodbye {
            client.say_goodbye();
        }
        client.cut();
        assert_eq!(client.answer().expect(200).text(), "ok");
        assert_eq!(client.expect_end(), End::Fin);
    }
}

#[test]
fn unix_sockets_speak_tls_too() {
    let (front, server) = (Front::new(), Server::saying("ok"));
    let path = weir_testkit::server::unix_path();
    let tls = front.certificate("a.pem", &["a.test"]);
    let listen = format!("listen: {{address: 'unix:{}', tls: {{{tls}}}}}", path.display());
    let proxy = proxy::with(&server, &listen);
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let name = rustls::pki_types::ServerName::try_from("a.test").unwrap();
    let mut tls = rustls::ClientConnection::new(front.client(), name).unwrap();
    let mut tls = rustls::Stream::new(&mut tls, &mut stream);
    let request = get("/").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    std::io::Write::write_all(&mut tls, request.as_bytes()).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut tls, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok"), "{answer}");
    drop(proxy);
}
