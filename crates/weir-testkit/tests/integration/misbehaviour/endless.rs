//! Answers that never end where they must: heads, interim answers, sizes, extensions, trailers. Each has a limit, and what goes on
//! beyond it costs the server its connection and the client nothing but a 502, or an answer that is visibly cut.

use weir_testkit::client::connect;
use weir_testkit::server::Connection;

use super::{MODES, Pair, final_answer, is_failure};

/// What is said first, what is said again and again behind it, and the rule that bounds it.
const ENDLESS: [(&str, &str, &str); 10] = [
    ("", "HTTP/1.1 ", "`limits.head`: a status line without an end"),
    ("HTTP/1.1 200 OK\r\nA: ", "aaaaaaaaaaaaaaaa", "`limits.head`: a field without an end"),
    ("HTTP/1.1 200 OK\r\n", "A: b\r\n", "`limits.fields`: fields without an end"),
    ("", "HTTP/1.1 100 Continue\r\n\r\n", "§1.5: 16 interim answers"),
    ("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "§1.5: 16 interim answers"),
    ("HTTP/1.1 103 Early Hints\r\n", "Link: </aaaaaaaaa>\r\n", "`limits.head`: an interim answer too"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "0000000000", "RFC 9112 §7.1: a size"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;", "aaaaaaaa", "RFC 9112 §7.1.1: an extension"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "A: b\r\n", "`limits.fields`: trailers"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: ", "aaaa", "`limits.head`: a trailer"),
];

/// Goes on for as long as somebody listens.
fn babbling(mut connection: Connection) {
    let Some(request) = connection.whole_request() else { return };
    let (begin, more, _) = ENDLESS[request.target()[1..].parse::<usize>().unwrap()];
    let more = more.repeat(4096 / more.len());
    let mut sent = connection.try_send(begin);
    while sent.is_ok() {
        sent = connection.try_send(&more);
    }
}

fn check_all(mode: &str) {
    let pair = Pair::new(babbling);
    let proxy = pair.asked(mode, "");
    for (number, (_, _, rule)) in ENDLESS.iter().enumerate() {
        for version in ["1.1", "1.0"] {
            let shown = format!("{mode}, HTTP/{version}, {rule}");
            let mut client = connect(&proxy);
            client.send(format!("GET /{number} HTTP/{version}\r\nHost: a.test\r\n\r\n"));
            match final_answer(&mut client) {
                Ok(answer) => assert!(is_failure(&answer), "{shown}: {answer}"),
                Err(broken) => {
                    assert!(broken.end.is_some(), "{shown}: {broken}");
                    assert!(broken.got.len() < 64 * 1024, "{shown}: {} bytes", broken.got.len());
                }
            }
        }
    }
    // Each of them was told to stop: none goes on.
    pair.0.iter().for_each(|server| server.wait_ended(server.connections()));
    assert_eq!(proxy.idle_upstream(), 0, "{mode}");
}

#[test]
fn in_balance() {
    check_all(MODES[0]);
}

#[test]
fn in_race() {
    check_all(MODES[1]);
}

#[test]
fn in_hedge() {
    check_all(MODES[2]);
}

#[test]
fn in_majority() {
    check_all(MODES[3]);
}

#[test]
fn in_duplicate() {
    check_all(MODES[4]);
}

/// Interim answers go to the client as they come, and no more of them than there may be.
#[test]
fn semantics_1_5_a_client_gets_sixteen_interim_answers_of_a_flood_at_most() {
    let pair = Pair::new(babbling);
    let proxy = pair.asked("balance", "");
    let mut client = connect(&proxy);
    client.send("GET /4 HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let mut interim = 0;
    let last = loop {
        let answer = client.answer();
        if answer.status() >= 200 {
            break answer;
        }
        interim += 1;
    };
    // A repeat is none of the client's business: nothing of a final answer was passed on (`semantics.md` §2.2).
    assert!(is_failure(&last) && (16..=32).contains(&interim), "{interim} and then {last}");
}
