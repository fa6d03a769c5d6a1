//! Messages cut into pieces mean the same as in one piece, wherever they are cut.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;

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
