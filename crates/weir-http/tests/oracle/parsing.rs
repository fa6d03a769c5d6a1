//! Our parser of heads held against `httparse` behind our scanner: it accepts the same heads, and finds the same in them.
//!
//! hyper is built on `httparse` but repairs and refuses more; this comparison leaves nothing to be explained away.

use httparse::{EMPTY_HEADER, Header, ParserConfig, Status};
use proptest::collection::vec;
use proptest::prelude::*;
use weir_http::head::Head;
use weir_http::scan::HeadScanner;
use weir_http::version::Version;

use crate::cases;
use crate::mutation::broken;
use crate::ours::FIELDS_MAX;
use crate::valid::{Spec, answer, request};

/// Larger than any head that is generated.
const HEAD_BYTES_MAX: usize = 1 << 20;

/// What stands in a head: the words of its first line, its version, its fields.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    length: usize,
    first_line: Vec<Vec<u8>>,
    http10: bool,
    fields: Vec<(String, Vec<u8>)>,
}

fn fields(headers: &[Header<'_>]) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|header| (header.name.to_lowercase(), header.value.to_vec())).collect()
}

fn ours(head: &Head, length: usize, first_line: &[&[u8]]) -> Found {
    let fields = head.fields();
    Found {
        length,
        first_line: first_line.iter().map(|word| word.to_vec()).collect(),
        http10: head.version() == Version::Http10,
        fields: fields
            .map(|(name, value)| {
                (String::from_utf8(name.as_bytes().to_ascii_lowercase()).unwrap(), value.to_vec())
            })
            .collect(),
    }
}

fn our_request(bytes: &[u8]) -> Option<Found> {
    let mut head = Head::default();
    let read = head.read_request(&mut HeadScanner::default(), bytes, HEAD_BYTES_MAX, FIELDS_MAX);
    let found = read.ok().flatten().map(|length| ours(&head, length, &[head.method_token(), head.target()]));
    if let Some(Found { length, .. }) = found {
        let mut again = Head::default();
        again.parse_request(&bytes[..length], FIELDS_MAX).unwrap();
        assert_eq!(ours(&again, length, &[again.method_token(), again.target()]), found.unwrap());
        return Some(ours(&head, length, &[head.method_token(), head.target()]));
    }
    assert_eq!(head.fields().count(), 0, "what is no head is empty");
    None
}

fn our_answer(bytes: &[u8]) -> Option<Found> {
    let mut head = Head::default();
    let read = head.read_answer(&mut HeadScanner::default(), bytes, HEAD_BYTES_MAX, FIELDS_MAX);
    let length = read.ok().flatten()?;
    Some(ours(&head, length, &[head.status().to_string().as_bytes(), head.reason()]))
}

fn scanned(bytes: &[u8]) -> Option<&[u8]> {
    let length = HeadScanner::default().scan(bytes, HEAD_BYTES_MAX).ok().flatten()?;
    Some(&bytes[..length])
}

fn their_request(bytes: &[u8]) -> Option<Found> {
    let bytes = scanned(bytes)?;
    let mut table = [EMPTY_HEADER; FIELDS_MAX];
    let mut parsed = httparse::Request::new(&mut table);
    let Ok(Status::Complete(length)) = parsed.parse(bytes) else { return None };
    (length == bytes.len()).then(|| Found {
        length,
        first_line: vec![parsed.method.unwrap().into(), parsed.path.unwrap().into()],
        http10: parsed.version == Some(0),
        fields: fields(parsed.headers),
    })
}

fn their_answer(bytes: &[u8]) -> Option<Found> {
    let bytes = scanned(bytes)?;
    let mut table = [EMPTY_HEADER; FIELDS_MAX];
    let mut parsed = httparse::Response::new(&mut table);
    let Ok(Status::Complete(length)) = ParserConfig::default().parse_response(&mut parsed, bytes) else {
        return None;
    };
    let status = parsed.code.filter(|status| (100..=599).contains(status))?;
    (length == bytes.len()).then(|| Found {
        length,
        first_line: vec![status.to_string().into(), parsed.reason.unwrap().into()],
        http10: parsed.version == Some(0),
        fields: fields(parsed.headers),
    })
}

fn bytes_of(specs: &[Spec]) -> Vec<u8> {
    specs.iter().flat_map(Spec::bytes).collect()
}

/// Pieces of heads in any order: close to heads, and often not one.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => proptest::sample::select(vec![
            "GET", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2", " ", "\r\n", "/", ":", ": ", "Host", "a", "\t", "200", "099", "\r", "\n",
            "HTTP/1.1 200 OK\r\n", "GET / HTTP/1.1\r\n", "A: b\r\n", "\r\n\r\n", "é", "long-enough-to-be-looked-at-in-blocks",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 1..4),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(cases::seeded(512))]

    #[test]
    fn requests(bytes in broken(vec(request(), 1..3).prop_map(|specs| bytes_of(&specs)))) {
        prop_assert_eq!(our_request(&bytes.0), their_request(&bytes.0));
    }

    #[test]
    fn answers(bytes in broken(vec(answer(), 1..3).prop_map(|specs| bytes_of(&specs)))) {
        prop_assert_eq!(our_answer(&bytes.0), their_answer(&bytes.0));
    }

    #[test]
    fn request_lines_of_anything(pieces in pieces()) {
        let bytes = [b"GET ", &pieces[..], b"\r\n\r\n"].concat();
        prop_assert_eq!(our_request(&bytes), their_request(&bytes));
        prop_assert_eq!(our_request(&pieces), their_request(&pieces));
    }

    #[test]
    fn status_lines_of_anything(pieces in pieces()) {
        let bytes = [b"HTTP/1.1 ", &pieces[..], b"\r\n\r\n"].concat();
        prop_assert_eq!(our_answer(&bytes), their_answer(&bytes));
        prop_assert_eq!(our_answer(&pieces), their_answer(&pieces));
    }

    #[test]
    fn fields_of_anything(pieces in pieces()) {
        let bytes = [b"GET / HTTP/1.1\r\n", &pieces[..], b"\r\n\r\n"].concat();
        prop_assert_eq!(our_request(&bytes), their_request(&bytes));
    }
}

#[test]
fn every_byte_at_every_place_of_a_head() {
    let request = b"GET /a?b HTTP/1.1\r\nHost: example.com\r\nX-Unknown-Name:\tv  \r\nA:\r\n\r\n";
    let answer = b"HTTP/1.1 200 All right\r\nContent-Length: 12\r\nX: a value that is longer than a block of bytes\r\n\r\n";
    for byte in 0..=u8::MAX {
        for at in 0..request.len() {
            let mut changed = request.to_vec();
            changed[at] = byte;
            assert_eq!(our_request(&changed), their_request(&changed), "{byte:#x} at {at}");
        }
        for at in 0..answer.len() {
            let mut changed = answer.to_vec();
            changed[at] = byte;
            assert_eq!(our_answer(&changed), their_answer(&changed), "{byte:#x} at {at}");
        }
    }
}
