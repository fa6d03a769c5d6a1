//! Whether and how often a request is tried again.
//!
//! Two questions are kept apart. Whether a repeat is *safe* is a fact of the request and of how far the failed try had
//! come; [`may_repeat`] answers it, and no configuration changes the answer. Whether a repeat is *wanted* is the
//! [`RetryPolicy`] of the upstream. The dispatch modes ask both. Where the next try goes is decided elsewhere.

use std::time::Duration;

use weir_http::field::KnownName;
use weir_http::head::Head;

/// What is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryOn {
    /// The server could not be connected to. Passing over it is free and always done; this word only states it.
    ConnectFailure,
    /// The connection broke before the answer's head was whole.
    Reset,
    /// The answer's head did not come in time.
    Timeout,
    /// This status.
    Status(u16),
}

/// The retry policy of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in total, the first included; counts those of which a byte may have been sent. At least 1.
    pub attempts: u32,
    /// What is tried again.
    pub on: Vec<RetryOn>,
    /// Time for each try until the answer's head; `None` leaves it to the upstream's `head` timeout.
    pub per_try_timeout: Option<Duration>,
}

impl Default for RetryPolicy {
    /// One repeat on reset, beside passing over (`semantics.md` §4.4).
    fn default() -> Self {
        Self { attempts: 2, on: vec![RetryOn::ConnectFailure, RetryOn::Reset], per_try_timeout: None }
    }
}

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
/// `safe` is what [`is_safe`] says. In either of the two cases of §2.2 the repeat must also be possible: the body is there from its first byte, and the client has seen nothing.
pub fn may_repeat(safe: bool, progress: Progress) -> bool {
    let possible = progress.body_whole && !progress.answer_begun;
    possible && (progress.bytes_sent == 0 || safe)
}

impl RetryPolicy {
    /// Whether a try that failed this way shall be repeated, as far as the policy is concerned.
    pub fn wants(&self, cause: Cause) -> bool {
        match cause {
            Cause::Reset => self.on.contains(&RetryOn::Reset),
            Cause::Timeout => self.on.contains(&RetryOn::Timeout),
            Cause::Garbage => false,
        }
    }

    /// Whether an answer with this status shall be thrown away and the request repeated, as far as the policy is concerned.
    pub fn wants_status(&self, status: u16) -> bool {
        self.on.contains(&RetryOn::Status(status))
    }
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
    fn a_policy_wants_what_it_names() {
        let none = RetryPolicy { attempts: 3, on: vec![], per_try_timeout: None };
        let all =
            RetryPolicy { on: vec![RetryOn::Reset, RetryOn::Timeout, RetryOn::Status(503)], ..none.clone() };
        assert!(all.wants(Cause::Reset) && all.wants(Cause::Timeout) && !all.wants(Cause::Garbage));
        assert!(!none.wants(Cause::Reset) && !none.wants(Cause::Timeout));
        assert!(all.wants_status(503) && !all.wants_status(502) && !none.wants_status(503));
        let usual = RetryPolicy::default();
        assert!(usual.wants(Cause::Reset) && !usual.wants(Cause::Timeout) && usual.attempts == 2);
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
