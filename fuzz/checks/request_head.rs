//! Request heads: found at the same place however the bytes arrive, and read the same after being written out.

use weir_http::field::KnownName;
use weir_http::framing::{Direction, Framing, decide};
use weir_http::head::{Head, HeadError, is_field_value};
use weir_http::list::is_token;
use weir_http::scan::{HeadScanner, blank_lines};

/// Small enough that the fuzzer finds the way past them.
const HEAD_BYTES_MAX: usize = 512;
const FIELDS_MAX: usize = 16;

/// Looks for the end of the head with everything there at once, and byte by byte.
fn scan(input: &[u8]) -> Option<usize> {
    let whole = HeadScanner::default().scan(input, HEAD_BYTES_MAX);
    let mut scanner = HeadScanner::default();
    let stepwise: Result<Option<usize>, HeadError> = (1..=input.len())
        .map(|end| scanner.scan(&input[..end], HEAD_BYTES_MAX))
        .find(|verdict| !matches!(verdict, Ok(None)))
        .unwrap_or(Ok(None));
    match (&whole, &stepwise) {
        // Too long is known earlier when the bytes come one by one.
        (Ok(end), Ok(same)) => assert_eq!(end, same, "byte by byte"),
        (Err(_), Err(_)) => {}
        _ => panic!("at once {whole:?}, byte by byte {stepwise:?}"),
    }
    whole.ok().flatten()
}

/// Holds any bytes against what must be true of them.
pub(crate) fn check(input: &[u8]) {
    let input = &input[blank_lines(input)..];
    let Some(length) = scan(input) else { return };
    assert!(length <= HEAD_BYTES_MAX && input[..length].ends_with(b"\r\n\r\n"));
    let mut head = Head::default();
    let parsed = head.parse_request(&input[..length], FIELDS_MAX);
    // Finding the end and parsing in one go is the same.
    let mut at_once = Head::default();
    let read = at_once.read_request(&mut HeadScanner::default(), input, HEAD_BYTES_MAX, FIELDS_MAX);
    assert_eq!(read, parsed.map(|()| Some(length)));
    assert!(at_once.fields().eq(head.fields()));
    if parsed.is_err() {
        assert_eq!(head.fields().count(), 0, "a head that is refused is empty");
        return;
    }
    assert!(is_token(head.method_token()) && !head.target().is_empty());
    for (name, value) in head.fields() {
        assert!(is_token(name.as_bytes()) && is_field_value(value), "{name:?}");
        assert!(
            !value.starts_with(b" ") && !value.ends_with(b" "),
            "white space around a value is not part of it"
        );
        assert_eq!(head.get(name).is_some(), head.has(name));
    }
    let framing = decide(&mut head, Direction::Request);
    if let (Ok(Framing::Sized(length)), Some(value)) = (framing, head.only(KnownName::ContentLength)) {
        assert_eq!(value, length.to_string().as_bytes(), "a length has one spelling");
    }
    // What goes to the server is read by it as we read it.
    let mut written = Vec::new();
    head.write(&mut written);
    assert_eq!(HeadScanner::default().scan(&written, usize::MAX), Ok(Some(written.len())));
    let mut again = Head::default();
    again.parse_request(&written, FIELDS_MAX).expect("what we write is well formed");
    assert_eq!((head.method_token(), head.target()), (again.method_token(), again.target()));
    assert!(head.fields().eq(again.fields()), "the same fields in the same order");
    if head.version() == again.version() {
        assert_eq!(framing, decide(&mut again, Direction::Request));
    }
}
