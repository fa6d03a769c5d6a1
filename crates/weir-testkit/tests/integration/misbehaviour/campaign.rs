//! Many clients at once, and servers that do something wrong with every second request: everybody gets what is their own, or
//! learns that there is nothing.
//!
//! The number of a request decides what is asked, what the server makes of it, and what the client may see; so each answer
//! can be judged by whoever asked. An answer to another number is wrong however well it is made.

use std::net::TcpStream;
use std::thread::scope;

use weir_testkit::message::{Broken, Message};
use weir_testkit::server::Connection;
use weir_testkit::socket::Socket;

use super::{MODES, Pair, is_failure};

const CLIENTS: usize = 8;
const REQUESTS: usize = 100;

/// What no client may ever see.
const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";

/// What a server does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Sized,
    Bytewise,
    Chunked,
    UntilClose,
    Hinted,
    Poisoned,
    TooShort,
    TooLong,
    TwoLengths,
    CutSized,
    CutChunked,
    BadChunk,
    Flood,
    Switched,
    Garbage,
    EndlessHead,
    Nothing,
    Reset,
    Mute,
}

/// What a client may see of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    /// All of its answer.
    Whole,
    /// The beginning of its answer, because the server says that it is all.
    Beginning,
    /// A failure, or the visible beginning of its answer.
    Broken,
}

const FATES: [(Fate, Allowed); 24] = [
    (Fate::Sized, Allowed::Whole),
    (Fate::Chunked, Allowed::Whole),
    (Fate::Poisoned, Allowed::Whole),
    (Fate::TooLong, Allowed::Broken),
    (Fate::Sized, Allowed::Whole),
    (Fate::UntilClose, Allowed::Whole),
    (Fate::TooShort, Allowed::Beginning),
    (Fate::CutSized, Allowed::Broken),
    (Fate::Chunked, Allowed::Whole),
    (Fate::TwoLengths, Allowed::Broken),
    (Fate::Hinted, Allowed::Whole),
    (Fate::CutChunked, Allowed::Broken),
    (Fate::Sized, Allowed::Whole),
    (Fate::BadChunk, Allowed::Broken),
    (Fate::Poisoned, Allowed::Whole),
    (Fate::Flood, Allowed::Broken),
    (Fate::Bytewise, Allowed::Whole),
    (Fate::Switched, Allowed::Broken),
    (Fate::Sized, Allowed::Whole),
    (Fate::Garbage, Allowed::Broken),
    (Fate::EndlessHead, Allowed::Broken),
    (Fate::Nothing, Allowed::Broken),
    (Fate::Reset, Allowed::Broken),
    (Fate::Mute, Allowed::Broken),
];

/// Something that looks random and is the same for the same number.
fn mixed(number: usize) -> usize {
    let mut mixed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^= mixed >> 29;
    mixed = mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 32) as usize
}

fn fate(number: usize) -> (Fate, Allowed) {
    let (fate, allowed) = FATES[mixed(number) % FATES.len()];
    // Who is mute costs its time: only some are.
    if fate == Fate::Mute && !number.is_multiple_of(3) { FATES[0] } else { (fate, allowed) }
}

/// The content of the answer to this number.
fn content(number: usize) -> Vec<u8> {
    let bytes = match mixed(number) / FATES.len() % 8 {
        // Such that are read through a buffer again and again, and such that never come into one.
        0 => 20_000,
        1 => 100_000,
        few => few * 40,
    };
    format!("the answer to {number}; ").into_bytes().into_iter().cycle().take(bytes).collect()
}

fn sized(length: usize, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes(), body].concat()
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let (begin, rest) = body.split_at(body.len() / 3);
    let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for part in [begin, rest] {
        bytes.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
        bytes.extend_from_slice(part);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\nT: u\r\n\r\n");
    bytes
}

/// Serves one connection.
fn misbehaving(mut connection: Connection) {
    while let Some(request) = connection.whole_request() {
        let number: usize = request.target()[1..].parse().unwrap();
        if !answer(&mut connection, number) {
            return;
        }
    }
}

/// Answers, and says whether the connection goes on.
fn answer(connection: &mut Connection, number: usize) -> bool {
    let body = content(number);
    let all = sized(body.len(), &body);
    // Somewhere behind the head, before the end.
    let cut = all.len() - 1 - mixed(number) % (body.len() - 1);
    let answer = match fate(number).0 {
        Fate::Sized => return connection.try_send(all).is_ok(),
        Fate::Chunked => return connection.try_send(chunked(&body)).is_ok(),
        Fate::Hinted => {
            let hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".as_slice();
            return connection.try_send([hints, &all].concat()).is_ok();
        }
        Fate::Bytewise => {
            return all[..100].iter().all(|byte| connection.try_send([*byte]).is_ok())
                && connection.try_send(&all[100..]).is_ok();
        }
        Fate::UntilClose => [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &body].concat(),
        Fate::Poisoned => [&all, POISON.as_bytes()].concat(),
        Fate::TooShort => [sized(body.len() - 7, &body), POISON.into()].concat(),
        Fate::TooLong => sized(body.len() + 7, &body),
        Fate::TwoLengths => {
            let length = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", body.len());
            [length.as_bytes(), b"Content-Length: 1\r\n\r\n", &body].concat()
        }
        Fate::CutSized => all[..cut].to_vec(),
        Fate::CutChunked => {
            let mut bytes = chunked(&body);
            bytes.truncate(bytes.len() - 1 - mixed(number) % body.len());
            bytes
        }
        Fate::BadChunk => {
            let bytes = chunked(&body);
            [&bytes[..bytes.len() - 11], b"x\r\n\r\n".as_slice()].concat()
        }
        Fate::Flood => "HTTP/1.1 102 Processing\r\n\r\n".repeat(40).into_bytes(),
        Fate::Switched => {
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n".into()
        }
        Fate::Garbage => b"HTTP/1.1 OK\r\n\r\n".into(),
        Fate::EndlessHead => format!("HTTP/1.1 200 OK\r\nA: {}", "a".repeat(40_000)).into_bytes(),
        Fate::Nothing => Vec::new(),
        Fate::Reset => {
            // Not waited for: it may overtake whatever was said.
            let _ = connection.try_send(&all[..cut]);
            connection.another().reset();
            return false;
        }
        Fate::Mute => {
            connection.until_end();
            return false;
        }
    };
    // Whether the proxy takes all of it is its own affair; it must not ask again.
    let _ = connection.try_send(answer);
    if matches!(fate(number).0, Fate::Poisoned | Fate::TooShort) {
        assert!(connection.whole_request().is_none(), "{number}: the connection was used again");
    }
    false
}

/// What was asked of this number.
fn request(number: usize) -> Vec<u8> {
    match mixed(number) % 5 {
        0 => {
            let body = content(number);
            let head = format!("PUT /{number} HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n", body.len());
            [head.as_bytes(), &body].concat()
        }
        1 => format!(
            "POST /{number} HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        )
        .into(),
        _ => format!("GET /{number} HTTP/1.1\r\nHost: a.test\r\n\r\n").into(),
    }
}

/// Demands that a client who asked for this number may see this; whether its connection goes on.
fn judge(mode: &str, number: usize, seen: Result<Message, Broken>) -> bool {
    let (fate, allowed) = fate(number);
    let expected = content(number);
    match seen {
        Ok(answer) if answer.status() == 200 => {
            let is_right = match allowed {
                Allowed::Whole => answer.body == expected,
                Allowed::Beginning => answer.body == expected[..expected.len() - 7],
                Allowed::Broken => false,
            };
            assert!(is_right, "{mode}, {number}, {fate:?}: {answer}");
            !answer.says_close()
        }
        Ok(answer) => {
            assert!(is_failure(&answer), "{mode}, {number}, {fate:?}: {answer}");
            let needs = allowed == Allowed::Broken || mode != MODES[0];
            assert!(needs, "{mode}, {number}, {fate:?}: a good answer was lost: {answer}");
            !answer.says_close()
        }
        Err(broken) => {
            let shown = format!("{mode}, {number}, {fate:?}: {broken}");
            assert!(broken.end.is_some() && allowed == Allowed::Broken, "{shown}");
            let got = String::from_utf8_lossy(&broken.got);
            assert!(!got.contains("poison"), "{shown}");
            // What there is of it is this number's and no other's; where a chunk ends inside the number, it is in two pieces.
            let named = got.split("the answer to ").skip(1).filter_map(|rest| rest.split_once("; "));
            let mut whole = named.map(|(named, _)| named).filter(|named| !named.contains('\r'));
            assert!(whole.all(|named| named == number.to_string()), "{shown}");
            false
        }
    }
}

/// The answers to these requests, which are sent at once; whether the connection goes on.
fn ask(mode: &str, client: &mut Socket, numbers: &[usize]) -> bool {
    let all: Vec<u8> = numbers.iter().flat_map(|number| request(*number)).collect();
    if client.try_send(all).is_err() {
        return false;
    }
    numbers.iter().all(|number| judge(mode, *number, super::final_answer(client)))
}

fn check(mode: &str) {
    let pair = Pair::new(misbehaving);
    let proxy = pair.asked(mode, "workers: 2\ntimeouts: {answer_head: 300ms}");
    let address = proxy.address();
    scope(|scope| {
        for place in 0..CLIENTS {
            let connect = || Socket::from(TcpStream::connect(address).unwrap());
            scope.spawn(move || {
                let mut client = connect();
                let mut number = place * REQUESTS;
                while number < (place + 1) * REQUESTS {
                    // Some come two at a time: the second one must not get what is left of the first.
                    let count = 1 + number % 2;
                    let numbers: Vec<usize> = (number..number + count).collect();
                    if !ask(mode, &mut client, &numbers) {
                        client = connect();
                    }
                    number += count;
                }
            });
        }
    });
    assert_eq!(proxy.status().panics_total, 0, "{mode}");
}

#[test]
fn in_balance() {
    check(MODES[0]);
}

#[test]
fn in_race() {
    check(MODES[1]);
}

#[test]
fn in_hedge() {
    check(MODES[2]);
}

#[test]
fn in_majority() {
    check(MODES[3]);
}

#[test]
fn in_duplicate() {
    check(MODES[4]);
}
