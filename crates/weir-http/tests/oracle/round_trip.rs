//! What we write: hyper reads it as it was meant, and so do we, again and again.

use proptest::prelude::*;
use weir_http::chunked::{ChunkSize, LAST_CHUNK};
use weir_http::framing::{Direction, decide};
use weir_http::head::Head;
use weir_http::method::Method;
use weir_http::scan::HeadScanner;

use crate::cases;
use crate::message::{Message, Start, needless_zeros};
use crate::ours::{self, FIELDS_MAX, HEAD_BYTES_MAX, Kind};
use crate::theirs::{self, Answer};
use crate::valid::{Body, Line, Spec, answer, request};

fn append(head: &mut Head, lines: &[Line]) {
    for line in lines {
        head.append(&*line.name, &line.value);
    }
}

/// A message put together with what the codec has for writing.
fn written(spec: &Spec) -> Vec<u8> {
    let mut head = match &spec.start {
        Start::Request(method, target) => Head::request(method, target),
        Start::Answer(status, _) => Head::answer(*status),
    };
    append(&mut head, &spec.lines);
    let mut out = Vec::new();
    head.write(&mut out);
    match &spec.body {
        Body::None => {}
        Body::Sized(content) | Body::UntilClose(content) => out.extend_from_slice(content),
        Body::Chunked(chunks, _, trailers) => {
            for chunk in chunks {
                out.extend_from_slice(ChunkSize::of(chunk.content.len()).as_bytes());
                out.extend_from_slice(&chunk.content);
                out.extend_from_slice(b"\r\n");
            }
            if trailers.is_empty() {
                out.extend_from_slice(LAST_CHUNK);
            } else {
                let mut head = Head::default();
                append(&mut head, trailers);
                out.extend_from_slice(ChunkSize::of(0).as_bytes());
                head.write_fields(&mut out);
                out.extend_from_slice(b"\r\n");
            }
        }
    }
    out
}

/// Parses the head at the beginning of `bytes`, and decides what follows it, as is done before a head goes on.
fn parsed(bytes: &[u8], is_request: bool) -> Head {
    let length = HeadScanner::default().scan(bytes, HEAD_BYTES_MAX).unwrap().unwrap();
    let mut head = Head::default();
    if is_request {
        head.parse_request(&bytes[..length], FIELDS_MAX).unwrap();
        decide(&mut head, Direction::Request).unwrap();
    } else {
        head.parse_answer(&bytes[..length], FIELDS_MAX).unwrap();
        decide(&mut head, Direction::Answer(Method::Get)).unwrap();
    }
    head
}

/// Parsing and writing changes spelling once, and then nothing any more.
fn canonical_form_is_a_fixpoint(spec: &Spec) -> Result<(), TestCaseError> {
    let is_request = matches!(spec.start, Start::Request(..));
    let write = |head: &Head| {
        let mut out = Vec::new();
        head.write(&mut out);
        out
    };
    let first = parsed(&spec.bytes(), is_request);
    let canonical = write(&first);
    let mut lines: Vec<u8> = Vec::new();
    for line in &spec.lines {
        let zeros =
            if line.name.eq_ignore_ascii_case("content-length") { needless_zeros(&line.value) } else { 0 };
        lines.extend([line.name.as_bytes(), b": ", &line.value[zeros..], b"\r\n"].concat());
    }
    lines.extend_from_slice(b"\r\n");
    prop_assert!(canonical.ends_with(&lines), "{}", canonical.escape_ascii());
    let second = parsed(&canonical, is_request);
    prop_assert_eq!(ours::all(&first), ours::all(&second));
    prop_assert_eq!(ours::all(&first), spec.message().fields);
    prop_assert_eq!(
        (first.method_token(), first.target(), first.status(), first.reason()),
        (second.method_token(), second.target(), second.status(), second.reason())
    );
    prop_assert_eq!(write(&second), canonical.clone());
    let mut slices = Vec::new();
    first.for_each_slice(|slice| slices.extend_from_slice(slice));
    prop_assert_eq!([&*slices, b"\r\n"].concat(), canonical);
    Ok(())
}

proptest! {
    #![proptest_config(cases::seeded(256))]

    #[test]
    fn hyper_reads_the_requests_that_we_write(mut spec in request()) {
        spec.http10 = false;
        let bytes = written(&spec);
        let theirs = theirs::requests(&bytes);
        prop_assert_eq!(&theirs.error, &None);
        let ours = ours::read(&Kind::Requests, [&*bytes]);
        prop_assert_eq!(&ours.messages, &theirs.messages);
        let read = &ours.messages[0];
        prop_assert_eq!(Message { start: read.start.clone(), ..spec.message() }, read.clone());
    }

    #[test]
    fn hyper_reads_the_answers_that_we_write(mut spec in answer()) {
        spec.http10 = false;
        match theirs::answer("GET", &written(&spec), true) {
            Answer::Whole(theirs) => {
                prop_assert_eq!(Message { start: theirs.start.clone(), ..spec.message() }, *theirs);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn canonical_requests_stay_as_they_are(spec in request()) {
        canonical_form_is_a_fixpoint(&spec)?;
    }

    #[test]
    fn canonical_answers_stay_as_they_are(spec in answer()) {
        canonical_form_is_a_fixpoint(&spec)?;
    }
}
