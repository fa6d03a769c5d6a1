//! Answer heads: read the same after being written out, and their body ends where RFC 9112 §6.3 says.

use weir_http::field::KnownName;
use weir_http::framing::{Direction, Framing, decide};
use weir_http::head::Head;
use weir_http::method::Method;
use weir_http::scan::HeadScanner;

/// Small enough that the fuzzer finds the way past them.
const HEAD_BYTES_MAX: usize = 512;
const FIELDS_MAX: usize = 16;

/// Holds any bytes against what must be true of them.
pub(crate) fn check(input: &[u8]) {
    let Ok(Some(length)) = HeadScanner::default().scan(input, HEAD_BYTES_MAX) else { return };
    let mut head = Head::default();
    let parsed = head.parse_answer(&input[..length], FIELDS_MAX);
    // Finding the end and parsing in one go is the same.
    let mut at_once = Head::default();
    let read = at_once.read_answer(&mut HeadScanner::default(), input, HEAD_BYTES_MAX, FIELDS_MAX);
    assert_eq!(read, parsed.map(|()| Some(length)));
    assert!(at_once.fields().eq(head.fields()));
    if parsed.is_err() {
        assert_eq!(head.fields().count(), 0, "a head that is refused is empty");
        return;
    }
    let status = head.status();
    assert!((100..=599).contains(&status));
    let framing = decide(&mut head, Direction::Answer(Method::Get));
    if let (Ok(_), Some(value)) = (framing, head.only(KnownName::ContentLength)) {
        assert!(
            value == b"0" || !value.starts_with(b"0"),
            "a length has one spelling, also where no body follows"
        );
    }
    let without_body = status < 200 || status == 204 || status == 304;
    if without_body {
        assert!(matches!(framing, Ok(Framing::None) | Err(_)));
    }
    assert!(matches!(decide(&mut head, Direction::Answer(Method::Head)), Ok(Framing::None) | Err(_)));
    let mut written = Vec::new();
    head.write(&mut written);
    let mut again = Head::default();
    again.parse_answer(&written, FIELDS_MAX).expect("what we write is well formed");
    assert_eq!((status, head.reason()), (again.status(), again.reason()));
    assert!(head.fields().eq(again.fields()), "the same fields in the same order");
    // A copy is a head of its own.
    let mut copy = head.clone();
    copy.remove_where(|_, _| true);
    assert_eq!(copy.fields().count(), 0);
    assert!(head.fields().eq(again.fields()), "changing the copy changes the copy");
}
