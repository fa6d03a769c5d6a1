//! Breaking messages: at any byte, and where it hurts.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Bytes that mean something to a parser.
const BYTES: &[u8] = b"\r\n \t:;,0158aAfFxX/\\?#*\"=-+\0\x01\x0b\x0c\x7f\x80\xff()@[]{}<>^`|%";

/// Lines to be put behind the first one.
const LINES: &[&str] = &[
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "content-length:0\r\n",
    "Content-Length: +5\r\n",
    "Content-Length: -1\r\n",
    "Content-Length: 5, 5\r\n",
    "Content-Length: 5 5\r\n",
    "Content-Length: 0x5\r\n",
    "Content-Length: 5;\r\n",
    "Content-Length: \r\n",
    "Content-Length: 18446744073709551615\r\n",
    "Content-Length: 99999999999999999999999\r\n",
    "Content-Length : 5\r\n",
    "Content-Length\r\n",
    "Content_Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: chunked, chunked\r\n",
    "Transfer-Encoding: chunked, identity\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding: xchunked\r\n",
    "Transfer-Encoding: \"chunked\"\r\n",
    "Transfer-Encoding: chunked;a=b\r\n",
    "Transfer-Encoding: ,chunked\r\n",
    "Transfer-Encoding: \x0bchunked\r\n",
    "Transfer-Encoding:\tchunked\t\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Transfer-Encoding: \r\n",
    "Transfer-Encoding:\r\n chunked\r\n",
    " folded: a\r\n",
    "\tfolded\r\n",
    "A: b\r\n c\r\n",
    "A: b\nTransfer-Encoding: chunked\r\n",
    "A: b\rTransfer-Encoding: chunked\r\n",
    "A: b\r\r\n",
    "x\n",
    "A\r\n",
    ": a\r\n",
    "A b: c\r\n",
    "A: \0\r\n",
    "A: b\x7f\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\nConnection: close\r\n",
    "Connection: \"close\"\r\n",
    "Connection: content-length\r\n",
    "\r\n",
    "\n",
    "\r",
];

/// One change.
#[derive(Debug, Clone)]
enum Change {
    Replace(Index, u8),
    Insert(Index, u8),
    Remove(Index, usize),
    Repeat(Index, usize),
    Truncate(Index),
    /// Some CRLF becomes something else.
    LineEnd(Index, &'static str),
    /// Behind the end of some line.
    InsertLine(Index, &'static str),
    /// Behind the first line.
    SecondLine(&'static str),
    /// A version in the first line becomes another.
    Version(&'static str),
    /// Some digits that stand alone on a line become others.
    Size(Index, &'static str),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    let sizes = vec![
        "-1",
        "+5",
        "0x5",
        "5 ",
        " 5",
        "5\t;a",
        "00000000000000005",
        "ffffffffffffffff",
        "fffffffffffffffff",
        "",
        ";",
        "g",
        "5;a\x01b",
        "5;a\x7f",
        "5;\"\n\"",
        "5 5",
        "5 ;a=b",
        "5;a\rb",
    ];
    prop_oneof![
        3 => (index(), select(BYTES)).prop_map(|(at, byte)| Change::Replace(at, byte)),
        3 => (index(), select(BYTES)).prop_map(|(at, byte)| Change::Insert(at, byte)),
        2 => (index(), 1..9usize).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => (index(), 1..9usize).prop_map(|(at, count)| Change::Repeat(at, count)),
        1 => index().prop_map(Change::Truncate),
        2 => (index(), select(vec!["\n", "\r", "x\n", " \n", "\rx", "\r\r\n", "\n\r", "\r\n ", " \r\n", "\r\n\r\n"]))
            .prop_map(|(at, end)| Change::LineEnd(at, end)),
        3 => (index(), select(LINES)).prop_map(|(at, line)| Change::InsertLine(at, line)),
        6 => select(LINES).prop_map(Change::SecondLine),
        1 => select(vec!["HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "http/1.1", "HTTP/1.10", "HTTP/1.1 "])
            .prop_map(Change::Version),
        3 => (index(), select(sizes)).prop_map(|(at, size)| Change::Size(at, size)),
    ]
}

/// Bytes that are readable when a property fails.
#[derive(Clone)]
pub(crate) struct Raw(pub(crate) Vec<u8>);

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// The bytes of well-formed messages, with one to three changes.
pub(crate) fn broken(bytes: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Raw> {
    (bytes.prop_map(Raw), vec(change(), 1..4)).prop_map(|(mut bytes, changes)| {
        changes.iter().for_each(|change| apply(&mut bytes.0, change));
        bytes
    })
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    let length = bytes.len();
    if length == 0 {
        return;
    }
    match change {
        Change::Replace(at, byte) => bytes[at.index(length)] = *byte,
        Change::Insert(at, byte) => bytes.insert(at.index(length), *byte),
        Change::Remove(at, count) => {
            let at = at.index(length);
            bytes.drain(at..(at + count).min(length));
        }
        Change::Repeat(at, count) => {
            let at = at.index(length);
            let piece = bytes[at..(at + count).min(length)].to_vec();
            bytes.splice(at..at, piece);
        }
        Change::Truncate(at) => bytes.truncate(at.index(length)),
        Change::LineEnd(at, end) => splice(bytes, at, |line_end| line_end - 2..line_end, end),
        Change::InsertLine(at, line) => splice(bytes, at, |line_end| line_end..line_end, line),
        Change::SecondLine(line) => {
            if let Some(&end) = line_ends(bytes).first() {
                bytes.splice(end..end, line.bytes());
            }
        }
        Change::Version(version) => {
            if let Some(at) = bytes.windows(5).position(|five| five == b"HTTP/") {
                bytes.splice(at..(at + 8).min(length), version.bytes());
            }
        }
        Change::Size(at, size) => {
            let sizes = size_lines(bytes);
            if !sizes.is_empty() {
                bytes.splice(sizes[at.index(sizes.len())].clone(), size.bytes());
            }
        }
    }
}

fn splice(bytes: &mut Vec<u8>, at: &Index, place: impl Fn(usize) -> std::ops::Range<usize>, with: &str) {
    let ends = line_ends(bytes);
    if !ends.is_empty() {
        bytes.splice(place(ends[at.index(ends.len())]), with.bytes());
    }
}

/// Where every line that ends in CRLF ends.
fn line_ends(bytes: &[u8]) -> Vec<usize> {
    let pairs = bytes.windows(2).enumerate();
    pairs.filter(|(_, pair)| pair == b"\r\n").map(|(at, _)| at + 2).collect()
}

/// The digits of lines that begin like the size of a chunk.
fn size_lines(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let digits = |start: usize| bytes[start..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let ranges = line_ends(bytes).into_iter().map(|start| start..start + digits(start));
    let is_size = |range: &std::ops::Range<usize>| {
        !range.is_empty() && matches!(bytes.get(range.end), Some(b';' | b'\r'))
    };
    ranges.filter(is_size).collect()
}
