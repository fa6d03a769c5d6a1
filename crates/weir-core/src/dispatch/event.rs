//! The words in which dispatch modes and their driver speak.
//!
//! [`Event`] and [`Action`] are those of `balance`, which has one attempt at a time; [`Why`], [`Reuse`] and
//! [`RequestFacts`] are used by all modes. The words of those with several attempts at a time stand in `act.rs`.

use std::time::Duration;

use crate::retry::{Cause, Progress};

/// One attempt: what a [`Action::Start`] became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The number that [`Action::Start`] gave it.
    pub number: u32,
    /// The server that was picked for it, by its index in the upstream.
    pub server: usize,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// No server that the machine allows can be picked for the attempt of this number.
    NoServer {
        /// The number of the start that found none.
        number: u32,
    },
    /// The server could not be connected to; nothing was sent.
    ConnectFailed {
        /// The attempt.
        attempt: Attempt,
        /// It did not answer in time; false when it refused or was not reachable.
        timed_out: bool,
    },
    /// The connect deadline of the request has passed, over all servers that were passed over together.
    ConnectDeadline {
        /// The attempt that was connecting.
        attempt: Attempt,
    },
    /// The attempt failed before the head of its final answer was whole.
    Failed {
        /// The attempt.
        attempt: Attempt,
        /// How far it had come.
        progress: Progress,
        /// How it failed.
        cause: Cause,
    },
    /// The head of the attempt's final answer has come; nothing of it was passed on yet.
    Head {
        /// The attempt.
        attempt: Attempt,
        /// How far the request had come.
        progress: Progress,
        /// The answer's status; never an interim one (`semantics.md` §1.5).
        status: u16,
        /// Its Retry-After, where the status is 429 or 503.
        retry_after: Option<Duration>,
    },
}

/// What shall be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "nothing happens unless the driver performs it"]
pub enum Action {
    /// Wait, then pick a server among those that the machine allows and send the request to it. An answer of an earlier
    /// attempt that was not passed on is thrown away.
    Start {
        /// Names the attempt in the events that follow.
        number: u32,
        /// Which connections it may take.
        reuse: Reuse,
        /// How long to wait before; mostly zero.
        wait: Duration,
    },
    /// Pass this attempt's answer on. The machine has nothing more to say.
    Answer {
        /// The attempt.
        number: u32,
    },
    /// There is no answer. The machine has nothing more to say.
    GiveUp(Why),
}

/// Which kept connections an attempt may take; a fresh one is always allowed (`semantics.md` §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// Any: if the server has closed it meanwhile, the request is repeated, as long as the budget can pay for it.
    Any,
    /// Only one that was idle for less than `reuse_unsafe`: the request would not be repeated.
    Recent,
    /// None: a kept connection has just turned out to be dead, and its siblings may be as old.
    Never,
}

/// Why there is no answer. The statuses are those of `semantics.md` §1.10.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// No server could be picked at all: 503.
    NoServer,
    /// No server could be connected to: 502, or 504 when the last one `timed_out`.
    Unreachable {
        /// Whether it was for time.
        timed_out: bool,
    },
    /// The last attempt failed so and may not or shall not be repeated: 504 for a timeout, else 502.
    Failed(Cause),
    /// The answer of this status was thrown away for a repeat, and then no server was left: this status.
    Discarded {
        /// The status.
        status: u16,
    },
    /// No answer was usable, and the route has this status for that.
    NothingUsable {
        /// The status.
        status: u16,
    },
    /// No answer was given by more than half of the servers, and the route has this status for that.
    NoMajority {
        /// The status.
        status: u16,
    },
    /// The write was not acknowledged as the route demands it: 503. It means "not yet" when there is a catch-up.
    NotAcknowledged,
    /// The body is larger than what can be kept of it, and every server must get it: 413.
    ReplayLost,
}

/// What a mode must know of a request before it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestFacts {
    /// The method is idempotent ([`Method::is_idempotent`](weir_http::method::Method::is_idempotent)), or there is an
    /// Idempotency-Key.
    pub safe: bool,
    /// The body can be sent again after it was sent: there is none, or all of it will be in replay.
    pub body_survives: bool,
}
