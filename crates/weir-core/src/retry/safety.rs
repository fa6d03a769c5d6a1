//! Whether doing a request again could do twice what should be done once (`semantics.md` §2.2).

use weir_http::field::KnownName;
use weir_http::head::Head;

/// How a try failed before the head of its answer was whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The connection broke: reset, closed, or a write error; also a kept-alive connection that the server had closed.
    Reset,
    /// The head of the answer did not come in time.
    Timeout,
    /// What came is no HTTP, or more of a head than is allowed. Never tried again: the server did get the request and
    /// worked on it.
    Garbage,
}

/// How far a try had come when the question of a repeat came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the request, its head included, that may have left on this try's connection.
    pub bytes_sent: u64,
    /// Whether the body can be sent again from its first byte: there is none, nothing of it was taken from the client
    /// yet, or all that was taken is in replay.
    pub body_whole: bool,
    /// Whether a byte of the final answer was passed on to the client. Interim answers do not count.
    pub answer_begun: bool,
}

/// Whether doing a request twice is like doing it once, as far as can be told from its head: its method is idempotent, or it
/// has an Idempotency-Key (`semantics.md` §2.2 b, RFC 9110 §9.2.2).
pub fn is_safe(request: &Head) -> bool {
    request.method().is_idempotent() || request.has(KnownName::IdempotencyKey)
}

/// Whether a request may be repeated without the risk of doing twice what should be done once (`semantics.md` §2.2).
///
/// `safe` is what [`is_safe`] says. In either of the two cases of §2.2 the repeat must also be possible: the body is there
/// from its first byte, and the client has seen nothing.
pub fn may_repeat(safe: bool, progress: Progress) -> bool {
    let possible = progress.body_whole && !progress.answer_begun;
    possible && (progress.bytes_sent == 0 || safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (safe, bytes sent, body whole, answer begun) → may repeat
    fn check(safe: bool, bytes_sent: u64, body_whole: bool, answer_begun: bool, expected: bool) {
        let progress = Progress { bytes_sent, body_whole, answer_begun };
        assert_eq!(may_repeat(safe, progress), expected, "safe: {safe}, {progress:?}");
    }

    /// `semantics.md` §2.2 (a): no byte of the request was written.
    #[test]
    fn what_was_not_sent_may_be_sent_again_whatever_it_is() {
        check(false, 0, true, false, true);
        check(true, 0, true, false, true);
        check(false, 0, false, false, false);
        check(true, 0, false, false, false);
        check(false, 0, true, true, false);
    }

    /// `semantics.md` §2.2 (b): idempotent or with a key, nothing passed on, the body whole.
    #[test]
    fn what_was_sent_may_be_repeated_only_if_twice_is_like_once() {
        check(true, 1, true, false, true);
        check(true, u64::MAX, true, false, true);
        check(false, 1, true, false, false);
        check(true, 1, false, false, false);
        check(true, 1, true, true, false);
        check(true, 1, false, true, false);
        check(false, 1, false, true, false);
    }

    #[test]
    fn a_method_or_a_key_makes_a_request_safe() {
        let keyed = |method: &[u8]| {
            let mut head = Head::request(method, b"/");
            head.append(KnownName::IdempotencyKey, b"1");
            head
        };
        for (method, expected) in
            [("GET", true), ("PUT", true), ("DELETE", true), ("POST", false), ("PATCH", false)]
        {
            assert_eq!(is_safe(&Head::request(method.as_bytes(), b"/")), expected, "{method}");
            assert!(is_safe(&keyed(method.as_bytes())), "{method}");
        }
    }
}
