//! Messages cut into pieces mean the same as in one piece, wherever they are cut.

use std::cell::RefCell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;

use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use weir_testkit::client::connect;
use weir_testkit::message::Message;
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, sized};

const SIZED: &str = "POST /%61/../b?c HTTP/1.1\r\nHost: a.test\r\nX-Request-Id: 1\r\nContent-Length: 11\r\nA:  b\t\r\n\r\nhello\r\nworl";
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a.test\r\nX-Request-Id: 1\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n\
    5;a=b\r\nhe\r\no\r\n00A\r\n0123456789\r\n0\r\nT: 1\r\nU: 2\r\n\r\n";
const PAIR: &str = "POST /1 HTTP/1.1\r\nHost: a.test\r\nX-Request-Id: 1\r\nContent-Length: 3\r\n\r\nabc\
    GET /2 HTTP/1.1\r\nHost: a.test\r\nX-Request-Id: 2\r\n\r\n";

/// Sends the pieces, waiting in between until the proxy has seen what was sent, and gives the answers of the proxy and
/// what the server got.
fn result(proxy: &Running, server: &Server, pieces: &[&str], answers: usize) -> (Vec<Message>, Vec<Message>) {
    let before = server.requests().len();
    let mut client = connect(proxy);
    for (number, piece) in pieces.iter().enumerate() {
        if number > 0 {
            // The worker answers this after it has looked at its sockets.
            proxy.connections();
        }
        client.send(piece);
    }
    let mut answers: Vec<Message> = (0..answers).map(|_| client.answer()).collect();
    for answer in &mut answers {
        answer.fields.retain(|(name, _)| name != "Date");
    }
    (answers, server.requests().split_off(before))
}

fn check(request: &str, answers: usize) {
    let server = Server::start(|mut connection| {
        while let Some(request) = connection.request() {
            connection.send(sized(&format!("{} {}", request.start, request.text())));
        }
    });
    let proxy = proxy::to(&server);
    let expected = result(&proxy, &server, &[request], answers);
    assert_eq!(expected.0.len(), expected.1.len());
    for cut in 1..request.len() {
        let (first, second) = request.split_at(cut);
        assert_eq!(result(&proxy, &server, &[first, second], answers), expected, "cut at {cut}: {first:?}");
    }
    let bytes: Vec<&str> = request.split_inclusive(|_| true).collect();
    assert_eq!(result(&proxy, &server, &bytes, answers), expected, "byte by byte");
}

#[test]
fn a_sized_request_may_come_in_pieces() {
    check(SIZED, 1);
}

#[test]
fn a_chunked_request_may_come_in_pieces() {
    check(CHUNKED, 1);
}

#[test]
fn pipelined_requests_may_come_in_pieces() {
    check(PAIR, 2);
}

/// Lets a server send this answer cut at each position, and byte by byte.
fn check_answer(answer: &'static str) {
    let cut = std::sync::Arc::new(AtomicUsize::new(answer.len()));
    let (sent, first_sent) = sync_channel::<()>(1);
    let (go, second_due) = sync_channel::<()>(1);
    let second_due = Mutex::new(second_due);
    let at = std::sync::Arc::clone(&cut);
    let server = Server::start(move |mut connection| {
        while connection.request().is_some() {
            let at = at.load(Ordering::SeqCst);
            if at == 0 {
                connection.send_bytewise(answer);
                continue;
            }
            connection.send(&answer[..at]);
            if at < answer.len() {
                sent.send(()).unwrap();
                second_due.lock().unwrap().recv().unwrap();
                connection.send(&answer[at..]);
            }
        }
    });
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    let mut ask = |at: usize| {
        cut.store(at, Ordering::SeqCst);
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\nX-Request-Id: 1\r\n\r\n");
        if at > 0 && at < answer.len() {
            first_sent.recv().unwrap();
            proxy.connections();
            go.send(()).unwrap();
        }
        let mut answers = vec![client.answer()];
        while answers.last().is_some_and(|answer| answer.status() < 200) {
            answers.push(client.answer());
        }
        for answer in &mut answers {
            answer.fields.retain(|(name, _)| name != "Date");
        }
        answers
    };
    let expected = ask(answer.len());
    for at in (1..answer.len()).chain([0]) {
        assert_eq!(ask(at), expected, "cut at {at}");
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_sized_answer_may_come_in_pieces() {
    check_answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX:  y\r\n\r\n012345\r\n89");
}

#[test]
fn a_chunked_answer_may_come_in_pieces() {
    check_answer(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\r\n\r\n000a;x=y\r\n0123456789\r\n0\r\nT: u\r\n\r\n",
    );
}

#[test]
fn interim_answers_may_come_in_pieces() {
    check_answer(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
}

/// A request as a client may send it.
#[derive(Debug, Clone)]
enum Ask {
    Get,
    Head,
    Sized(Vec<u8>),
    Chunked(Vec<Vec<u8>>, bool),
}

impl Ask {
    fn bytes(&self, target: &str) -> Vec<u8> {
        let head = |method: &str, fields: &str| {
            format!("{method} {target} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n").into_bytes()
        };
        match self {
            Self::Get => head("GET", ""),
            Self::Head => head("HEAD", ""),
            Self::Sized(body) => {
                [head("POST", &format!("Content-Length: {}\r\n", body.len())), body.clone()].concat()
            }
            Self::Chunked(chunks, trailers) => {
                let mut bytes = head("PUT", "Transfer-Encoding: chunked\r\n");
                for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
                    bytes.extend(format!("{:X}\r\n", chunk.len()).bytes());
                    bytes.extend(chunk);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(if *trailers { &b"0\r\nT: 1\r\n\r\n"[..] } else { b"0\r\n\r\n" });
                bytes
            }
        }
    }

    fn body(&self) -> Vec<u8> {
        match self {
            Self::Get | Self::Head => Vec::new(),
            Self::Sized(body) => body.clone(),
            Self::Chunked(chunks, _) => chunks.concat(),
        }
    }
}

fn asks() -> impl Strategy<Value = Vec<(Ask, u8)>> {
    let body = || prop::collection::vec(any::<u8>(), 0..3000);
    let ask = prop_oneof![
        Just(Ask::Get),
        Just(Ask::Head),
        body().prop_map(Ask::Sized),
        (prop::collection::vec(body(), 0..4), any::<bool>())
            .prop_map(|(chunks, trailers)| Ask::Chunked(chunks, trailers)),
    ];
    prop::collection::vec((ask, 0..4_u8), 1..7)
}

/// A server that gives each request back, in the way its target asks for.
fn echo() -> Server {
    Server::start(|mut connection| {
        while let Some(request) = connection.request() {
            let (body, size) = (&request.body, request.body.len());
            let bodiless = request.start.starts_with("HEAD");
            let way = request.target().rsplit('/').next().unwrap();
            let head = match way {
                "0" => format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n"),
                "1" => format!(
                    "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n"
                ),
                "2" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
                _ => "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_owned(),
            };
            connection.send(head);
            if !bodiless && way == "2" {
                for chunk in body.chunks(700) {
                    connection.send(format!("{:x}\r\n", chunk.len())).send(chunk).send("\r\n");
                }
                connection.send("0\r\n\r\n");
            } else if !bodiless {
                connection.send(body);
            }
            if way == "3" {
                return;
            }
        }
    })
}

#[test]
fn any_sequence_of_requests_in_any_pieces_is_answered_in_order() {
    let server = echo();
    let proxy = proxy::to(&server);
    let client = RefCell::new(connect(&proxy));
    let pieces = prop::collection::vec(1..2000_usize, 1..6);
    let mut runner = TestRunner::new(Config {
        cases: 300,
        max_shrink_iters: 0,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&(asks(), pieces), |(asks, pieces)| {
        let mut client = client.borrow_mut();
        let target = |number: usize, way: u8| format!("/{number}/{way}");
        let all: Vec<u8> = asks
            .iter()
            .enumerate()
            .flat_map(|(number, (ask, way))| ask.bytes(&target(number, *way)))
            .collect();
        let mut left = &all[..];
        for size in pieces.iter().cycle() {
            let (piece, rest) = left.split_at(left.len().min(*size));
            client.send(piece);
            left = rest;
            if left.is_empty() {
                break;
            }
        }
        for (number, (ask, way)) in asks.iter().enumerate() {
            if *way == 1 {
                client.answer().expect(103);
            }
            let answer = if matches!(ask, Ask::Head) { client.answer_to_head() } else { client.answer() };
            assert_eq!(answer.status(), 200, "{number} of {asks:?}: {answer}");
            assert_eq!(
                answer.body,
                if matches!(ask, Ask::Head) { Vec::new() } else { ask.body() },
                "{number} of {asks:?}"
            );
            if answer.says_close() {
                // Only an answer that came before its request was whole may end the connection.
                *client = connect(&proxy);
                break;
            }
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn many_clients_at_once_get_their_own_answers() {
    let server = echo();
    let proxy = proxy::start(&format!("workers: 2\nservices: [{{host: \"*\", upstream: [\"{server}\"]}}]\n"));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let proxy = &proxy;
            let mut clients: Vec<_> = (0..8).map(|_| connect(proxy)).collect();
            scope.spawn(move || {
                for round in 0..20 {
                    for (number, client) in clients.iter_mut().enumerate() {
                        let ask = Ask::Sized(format!("{thread}-{number}-{round}").into_bytes());
                        client.send(ask.bytes(&format!("/{}", round % 3)));
                    }
                    for (number, client) in clients.iter_mut().enumerate() {
                        if round % 3 == 1 {
                            client.answer().expect(103);
                        }
                        assert_eq!(client.answer().expect(200).text(), format!("{thread}-{number}-{round}"));
                    }
                }
            });
        }
    });
}
