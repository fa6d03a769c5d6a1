//! Messages that two readers could read differently: whatever stands between client and server must not be fooled by them.
//!
//! Each row of the tables is bytes, the rule they break or keep, and the verdict. Behind every request another one is sent
//! at once: where the first is refused, nobody may ever see the second, and where it is forwarded the server sees both, each in
//! the one form that Weir writes. Behind every answer there are bytes of another answer, which no client may ever see.

mod answers;
mod chunks;
mod codings;
mod connections;
mod hosts;
mod lengths;
mod lines;
mod long;
mod pipelines;
mod recorder;
mod targets;
mod versions;
mod word;

use weir_testkit::client::connect;
use weir_testkit::proxy;
use weir_testkit::server::Server;
use weir_testkit::socket::End;

use self::recorder::{Recorder, written};

/// What becomes of a request, and of the one behind it.
#[derive(Debug, Clone, Copy)]
enum Verdict {
    /// It is answered with this status by Weir itself, and the connection closed. The server sees no whole request.
    Refused(u16),
    /// The server gets this, and then the request behind it.
    Forwarded(&'static str),
    /// The server gets this, and the connection is closed behind the answer; the request behind it is nobody's.
    Last(&'static str),
    /// Weir answers with this status and the connection goes on: where the request ends is beyond doubt.
    Answered(u16),
}

use Verdict::{Answered, Forwarded, Last, Refused};

/// A rule of `semantics.md` (§) or of an RFC, a request, and what becomes of it.
type Row<'a> = (&'a str, &'a str, Verdict);

/// The request behind every other.
const BEHIND: &str = "GET /behind HTTP/1.1\r\nHost: a.test\r\n\r\n";

fn check_all(rows: &[Row<'_>]) {
    for (rule, request, verdict) in rows {
        check(rule, request.as_bytes(), *verdict);
    }
}

fn check(rule: &str, request: &[u8], verdict: Verdict) {
    let shown = String::from_utf8_lossy(&request[..request.len().min(300)]).into_owned();
    let shown = format!("{rule}: {shown:?}");
    let recorder = Recorder::start();
    let proxy = proxy::to(&recorder.server);
    let mut client = connect(&proxy);
    client.send([request, BEHIND.as_bytes()].concat());
    let answer = match request.starts_with(b"HEAD ") {
        true => client.answer_to_head(),
        false => client.try_answer().unwrap_or_else(|broken| panic!("{shown}: no answer: {broken}")),
    };
    let behind = written("GET /behind HTTP/1.1\nHost: a.test");
    let (status, seen): (u16, Vec<String>) = match verdict {
        Refused(status) => (status, vec![]),
        Answered(status) => (status, vec![behind]),
        Forwarded(expected) => (200, vec![written(expected), behind]),
        Last(expected) => (200, vec![written(expected)]),
    };
    assert_eq!(answer.status(), status, "{shown}: {answer}");
    match verdict {
        Refused(_) | Last(_) => {
            assert_eq!(client.expect_end(), End::Fin, "{shown}");
        }
        Answered(_) | Forwarded(_) => {
            let second =
                client.try_answer().unwrap_or_else(|broken| panic!("{shown}: nothing behind it: {broken}"));
            assert_eq!(second.status(), 200, "{shown}: {second}");
        }
    }
    drop(client);
    drop(proxy);
    assert_eq!(recorder.seen_in_all(), seen, "{shown}");
}

/// A server for one connection after another: the first gets this answer with another one behind it, all others `clean`.
fn poisonous(answer: Vec<u8>) -> Server {
    Server::start(move |mut connection| {
        while connection.request().is_some() {
            if connection.number == 0 {
                let _ = connection.try_send(&answer);
            } else {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nclean");
            }
        }
    })
}
