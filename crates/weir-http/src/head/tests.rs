//! Heads parsed, asked, changed and written; and held against a plain list of fields under any sequence of changes.

#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::field::KnownName as K;

fn request(text: &str) -> Result<Head, HeadError> {
    let mut head = Head::default();
    head.parse_request(text.as_bytes(), 8).map(|()| head)
}

fn answer(text: &str) -> Result<Head, HeadError> {
    let mut head = Head::default();
    head.parse_answer(text.as_bytes(), 8).map(|()| head)
}

fn written(head: &Head) -> String {
    let mut out = Vec::new();
    head.write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_canonical_head_is_written_as_it_came_in_one_run() {
    let text = "GET /a?b=c HTTP/1.1\r\nHost: x\r\nA: 1\r\nb: 2\r\nHost: y\r\n\r\n";
    let head = request(text).unwrap();
    assert_eq!(written(&head), text);
    let mut slices = 0;
    head.for_each_slice(|_| slices += 1);
    assert_eq!(slices, 1);
    assert_eq!(
        (head.method(), head.method_token(), head.target()),
        (Method::Get, &b"GET"[..], &b"/a?b=c"[..])
    );
    assert_eq!(head.get(K::Host), Some(&b"x"[..]));
    assert_eq!(head.get_all(K::Host).collect::<Vec<_>>(), [b"x", b"y"]);
    assert_eq!(head.get("a"), Some(&b"1"[..]));
    assert_eq!(head.get("B"), Some(&b"2"[..]));
    assert_eq!(head.get("c"), None);
}

#[test]
fn odd_spacing_becomes_canonical() {
    let head = request("GET / HTTP/1.1\r\nA:1\r\nB:  2\r\nC: 3  \r\nD:\r\nE: \r\nF: 6\r\n\r\n").unwrap();
    assert_eq!(written(&head), "GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: \r\nE: \r\nF: 6\r\n\r\n");
}

#[test]
fn removing_and_adding_leaves_the_rest_alone() {
    let mut head = request("GET / HTTP/1.1\r\nA: 1\r\nHost: x\r\nB: 2\r\nA: 3\r\n\r\n").unwrap();
    assert!(head.remove("a"));
    assert!(!head.remove("a"), "twice the same finds nothing");
    assert!(!head.has("A"));
    head.append("C", b"4");
    head.append_parts(K::Via, &[b"1.1 ", b"weir"]);
    head.replace(K::Host, b"y");
    head.set_target(b"/new");
    assert_eq!(written(&head), "GET /new HTTP/1.1\r\nB: 2\r\nC: 4\r\nVia: 1.1 weir\r\nHost: y\r\n\r\n");
    head.remove_where(|name, value| name == FieldName::Known(K::Host) || value == b"2");
    assert_eq!(written(&head), "GET /new HTTP/1.1\r\nC: 4\r\nVia: 1.1 weir\r\n\r\n");
    let copy = head.clone();
    head.clear();
    assert_eq!(written(&head), "\r\n");
    assert_eq!(copy.get("c"), Some(&b"4"[..]));
}

#[test]
fn answers_keep_their_reason() {
    for text in ["HTTP/1.1 200 OK\r\nA: b\r\n\r\n", "HTTP/1.1 404 Nope here\r\n\r\n", "HTTP/1.1 599 \r\n\r\n"]
    {
        assert_eq!(written(&answer(text).unwrap()), text);
    }
    assert_eq!(written(&answer("HTTP/1.0 204\r\n\r\n").unwrap()), "HTTP/1.1 204 \r\n\r\n");
    assert_eq!(answer("HTTP/1.0 200 OK\r\n\r\n").unwrap().version(), Version::Http10);
    assert_eq!(written(&Head::answer(503)), "HTTP/1.1 503 Service Unavailable\r\n\r\n");
}

#[test]
fn what_is_not_a_request_is_refused() {
    for (text, expected) in [
        ("GET / HTTP/2.0\r\n\r\n", HeadError::Version),
        ("GET / HTTP/1.2\r\n\r\n", HeadError::Version),
        ("GET /\r\n\r\n", HeadError::RequestLine),
        ("GET  / HTTP/1.1\r\n\r\n", HeadError::RequestLine),
        ("G(T / HTTP/1.1\r\n\r\n", HeadError::RequestLine),
        (" GET / HTTP/1.1\r\n\r\n", HeadError::RequestLine),
        ("GET / HTTP/1.1\r\nA : b\r\n\r\n", HeadError::FieldName),
        ("GET / HTTP/1.1\r\n: b\r\n\r\n", HeadError::FieldName),
        ("GET / HTTP/1.1\r\nA\r\n\r\n", HeadError::FieldName),
        ("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", HeadError::FieldValue),
        ("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", HeadError::FieldValue),
        ("GET / HTTP/1.1\r\nA: b\x7f\r\n\r\n", HeadError::FieldValue),
        ("GET / HTTP/1.1\r\n\r\nrest", HeadError::RequestLine),
        ("GET / HTTP/1.1\r\nA: b\r\n", HeadError::FieldName),
        ("GET / HTTP/1.1\r\nA: b\r\n\r", HeadError::FieldName),
        ("GET / HTTP/1.1\r\nA: b\nB: c\r\n\r\n", HeadError::FieldValue),
        ("GET / HTTP/1.1\n\r\n", HeadError::RequestLine),
    ] {
        assert_eq!(request(text).map(|head| written(&head)), Err(expected), "{text:?}");
    }
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(9));
    assert_eq!(request(&many).map(|head| written(&head)), Err(HeadError::TooManyFields));
}

#[test]
fn every_byte_is_judged_alike_wherever_it_stands() {
    // The parser looks at many bytes at once, with a tail of fewer: each byte in each place of both must be judged as
    // the grammar does (RFC 9110 §5.5, §5.6.2).
    let mut head = Head::default();
    for byte in 0..=u8::MAX {
        for place in 0..=40 {
            let mut text = vec![b'a'; 41];
            text[place] = byte;
            let fields = [&b"GET / HTTP/1.1\r\nA: x"[..], &text, b"\r\n\r\n"].concat();
            let expected = is_field_value(&[byte]);
            assert_eq!(head.parse_request(&fields, 8).is_ok(), expected, "{byte:#x} at {place} of a value");
            let fields = [&b"GET / HTTP/1.1\r\n"[..], &text, b": x\r\n\r\n"].concat();
            let expected = list::is_token(&[byte]) || (byte == b':' && place > 0);
            assert_eq!(head.parse_request(&fields, 8).is_ok(), expected, "{byte:#x} at {place} of a name");
        }
    }
}

#[test]
fn what_is_not_an_answer_is_refused() {
    for (text, expected) in [
        ("HTTP/1.1 099 Low\r\n\r\n", HeadError::StatusLine),
        ("HTTP/1.1 600 High\r\n\r\n", HeadError::StatusLine),
        ("HTTP/1.1 20 OK\r\n\r\n", HeadError::StatusLine),
        ("HTTP/2.0 200 OK\r\n\r\n", HeadError::Version),
        ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", HeadError::FieldName),
        ("SSH-2.0-OpenSSH\r\n\r\n", HeadError::Version),
    ] {
        assert_eq!(answer(text).map(|head| written(&head)), Err(expected), "{text:?}");
    }
}

#[test]
fn trailers_have_no_first_line() {
    let mut head = Head::default();
    head.parse_trailers(b"Checksum: 1\r\n\r\n", 8).unwrap();
    assert_eq!(head.get("checksum"), Some(&b"1"[..]));
    head.parse_trailers(b"\r\n", 8).unwrap();
    assert_eq!(head.fields().count(), 0);
    assert_eq!(head.parse_trailers(b"A b\r\n\r\n", 8), Err(HeadError::FieldName));
}

#[test]
fn a_head_may_be_handed_to_another_thread() {
    fn sendable<T: Send + Sync>() {}
    sendable::<Head>();
}

/// A change to a head; numbers choose among [`NAMES`].
#[derive(Debug, Clone)]
enum Change {
    Append(usize, u8),
    Replace(usize, u8),
    Remove(usize),
    RemoveValue(u8),
    Clear,
    Clone,
    WriteAndParse,
}

const NAMES: [&str; 6] = ["Host", "hOST", "Via", "X-Other", "x-other", "Y"];

fn change() -> impl Strategy<Value = Change> {
    let name = 0..NAMES.len();
    prop_oneof![
        4 => (name.clone(), 0..4u8).prop_map(|(name, value)| Change::Append(name, value)),
        2 => (name.clone(), 0..4u8).prop_map(|(name, value)| Change::Replace(name, value)),
        2 => name.prop_map(Change::Remove),
        1 => (0..4u8).prop_map(Change::RemoveValue),
        1 => Just(Change::Clear),
        1 => Just(Change::Clone),
        1 => Just(Change::WriteAndParse),
    ]
}

/// What a head is meant to be: names in lower case and values, in order.
type Model = Vec<(String, Vec<u8>)>;

fn apply(head: &mut Head, model: &mut Model, change: &Change) {
    let lower = |name: usize| NAMES[name].to_lowercase();
    match *change {
        Change::Append(name, value) => {
            head.append_parts(NAMES[name], &[b"v", &[b'0' + value]]);
            model.push((lower(name), vec![b'v', b'0' + value]));
        }
        Change::Replace(name, value) => {
            head.replace(NAMES[name], &[b'v', b'0' + value]);
            model.retain(|(other, _)| *other != lower(name));
            model.push((lower(name), vec![b'v', b'0' + value]));
        }
        Change::Remove(name) => {
            let before = model.len();
            model.retain(|(other, _)| *other != lower(name));
            assert_eq!(head.remove(NAMES[name]), model.len() < before);
        }
        Change::RemoveValue(value) => {
            head.remove_where(|_, other| other == [b'v', b'0' + value]);
            model.retain(|(_, other)| *other != [b'v', b'0' + value]);
        }
        Change::Clear => {
            head.clear();
            model.clear();
        }
        Change::Clone => *head = head.clone(),
        Change::WriteAndParse => {
            let bytes = written(head).into_bytes();
            head.parse_trailers(&bytes, FIELDS).unwrap();
        }
    }
}

const FIELDS: usize = 64;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The set of names that are present is kept beside the table: no sequence of changes may part the two.
    #[test]
    fn any_sequence_of_changes_leaves_what_a_list_would_hold(changes in vec(change(), 0..24)) {
        let (mut head, mut model) = (Head::default(), Model::new());
        for change in &changes {
            apply(&mut head, &mut model, change);
            let fields: Model = head
                .fields()
                .map(|(name, value)| (String::from_utf8(name.as_bytes().to_ascii_lowercase()).unwrap(), value.to_vec()))
                .collect();
            prop_assert_eq!(&fields, &model);
            for name in NAMES {
                let expected: Vec<&[u8]> =
                    model.iter().filter(|(other, _)| name.eq_ignore_ascii_case(other)).map(|(_, value)| &**value).collect();
                prop_assert_eq!(head.get_all(name).collect::<Vec<_>>(), expected.clone());
                prop_assert_eq!(head.get(name), expected.first().copied());
                prop_assert_eq!(head.has(name), !expected.is_empty());
            }
            prop_assert!(!head.has(K::Date) && head.get(K::Date).is_none() && !head.remove(K::Date));
        }
    }
}

#[test]
fn a_block_is_added_like_its_fields_one_by_one() {
    let mut head = request("GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let block = Block::new(&[(K::XForwardedFor, b"10.0.0.1"), (K::Via, b"1.1 weir")]);
    head.append_block(&block);
    head.append_block(&block);
    head.remove(K::XForwardedFor);
    head.append(K::Te, b"trailers");
    assert_eq!(head.get_all(K::Via).count(), 2);
    assert!(!head.has(K::XForwardedFor));
    let expected = "GET / HTTP/1.1\r\nHost: x\r\nVia: 1.1 weir\r\nVia: 1.1 weir\r\nTE: trailers\r\n\r\n";
    assert_eq!(written(&head), expected);
}
