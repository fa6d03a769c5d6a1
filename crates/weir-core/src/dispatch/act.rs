//! The words of the modes that ask several servers at a time: what happened, and what shall be done.
//!
//! `balance` has one attempt at a time and words of its own (`event.rs`). Here attempts overlap, so they are called
//! *copies* and told apart by the numbers that the machine gives them, from 0 on, without gaps.
//!
//! [`Act::Done`], [`Act::Queue`] and [`Act::DeadLetter`] ask for nothing where there is a queue: it is told what came of each copy, and
//! comes to the same conclusion by the same [`Verdict`](crate::queue::Verdict). They are the machine's account of the delivery, on
//! which it bases what the client is told, said aloud so that the simulation can hold it at each step against what the servers
//! have and what a queue would keep. Without them the machine could believe a server to have a write, and nobody would see it.

use std::time::Duration;

use smallvec::SmallVec;

use super::event::{Reuse, Why};
use crate::retry::Cause;

/// What shall be done next, in this order. [`Act::Answer`], [`Act::AnswerDelivered`] or [`Act::GiveUp`] comes last. With up
/// to four copies there are not more than six at a time, and nothing is allocated; but for a write that can't be acknowledged
/// from the start.
pub type Acts = SmallVec<[Act; 6]>;

/// What shall be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "nothing happens unless the driver performs it"]
pub enum Act {
    /// Send the request to a server, beside those that are under way.
    Start {
        /// Names the copy in all that follows.
        copy: u32,
        /// Which server.
        to: To,
        /// Which connections it may take. A kept one that turns out to be dead before a byte was sent is replaced by the
        /// driver with a fresh one; that is not told to the machine.
        reuse: Reuse,
    },
    /// The copy's answer is not wanted any more: it is ended as `semantics.md` §2.4 says of losers. It is not spoken of again.
    Cancel {
        /// The copy.
        copy: u32,
    },
    /// Mode `duplicate`: the copy's answer is not for the client, but its write shall arrive. The request is sent to its
    /// end and the answer read and thrown away. If the copy had no head yet, its head or its failure is still told.
    Keep {
        /// The copy.
        copy: u32,
    },
    /// Mode `duplicate`: the server has taken the write; nothing waits for it any more.
    Done {
        /// The server.
        server: usize,
    },
    /// Mode `duplicate`: the server gets the write from its backlog. This may be said before the client's body is whole;
    /// it then takes the write's place in the order, and ends with the write if the body never becomes whole.
    Queue {
        /// The server.
        server: usize,
        /// Why.
        why: QueueWhy,
    },
    /// Mode `duplicate`: the server has refused the write, and repeating it would not change that.
    DeadLetter {
        /// The server.
        server: usize,
        /// What it said.
        status: u16,
    },
    /// Pass this copy's answer on. It has a head; with `majority` it is whole.
    Answer {
        /// The copy.
        copy: u32,
    },
    /// Mode `duplicate`: pass on the answer that the catch-up got from this server.
    AnswerDelivered {
        /// The server.
        server: usize,
    },
    /// There is no answer.
    GiveUp(Why),
    /// Say [`Happened::Timer`] at this moment, counted from the start of the exchange. It replaces an earlier one.
    WakeAt(Duration),
}

/// Which server a copy goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// One that is picked by the strategy of the upstream among those that the machine allows. The driver says
    /// [`Happened::Picked`] or [`Happened::NoServer`] at once.
    Balanced,
    /// This one.
    Server(usize),
}

/// Why a write waits for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueWhy {
    /// Earlier writes wait for it, or it is known to be unreachable: it was not asked.
    Gated,
    /// It could not be connected to.
    Unreachable {
        /// Whether it was for time.
        timed_out: bool,
    },
    /// The copy failed before its answer.
    Failed(Cause),
    /// It answered with a status that is repeated; a Retry-After is in that answer's head.
    Status(u16),
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// Nobody who is allowed can be asked, or the time that all servers together have for connecting is used up.
    NoServer {
        /// The copy that was to start.
        copy: u32,
    },
    /// Follows a [`Act::Start`] with [`To::Balanced`] at once.
    Picked {
        /// The copy.
        copy: u32,
        /// Its server.
        server: usize,
    },
    /// The server could not be connected to, or a fresh connection took not one byte (`semantics.md` §2.1).
    NotSent {
        /// The copy.
        copy: u32,
        /// Whether it was for time.
        timed_out: bool,
    },
    /// The copy failed before the head of its final answer was whole.
    Failed {
        /// The copy.
        copy: u32,
        /// How it failed.
        cause: Cause,
        /// Bytes of the request that may have left; 0 means the same as [`Happened::NotSent`].
        bytes_sent: u64,
    },
    /// The head of the copy's final answer has come.
    Head {
        /// The copy.
        copy: u32,
        /// Its status; never an interim one (`semantics.md` §1.5).
        status: u16,
    },
    /// The head that is told next of this copy is a 429 or 503 with a Retry-After. What asks for no repeats need not know.
    RetryAfter {
        /// The copy.
        copy: u32,
        /// How long its server wants to be left alone.
        wait: Duration,
    },
    /// Mode `majority`: the copy's answer has come whole.
    Whole {
        /// The copy.
        copy: u32,
        /// A digest of its body. Equal digests are taken for equal bodies, so it must be keyed with a secret of the process:
        /// a server must not be able to make two bodies with one digest.
        digest: u64,
    },
    /// The copy's answer broke after its head, while it was read to its end (`majority`) or held back.
    Broken {
        /// The copy.
        copy: u32,
    },
    /// Mode `duplicate`: the catch-up has delivered the write.
    Delivered {
        /// The server.
        server: usize,
        /// What it said.
        status: u16,
    },
    /// Mode `duplicate`: the catch-up was refused; the write is a dead letter now.
    Refused {
        /// The server.
        server: usize,
        /// What it said.
        status: u16,
    },
    /// Mode `duplicate`: the catch-up has given the write up for this server: its backlog was full, the write was dropped
    /// as the oldest, or `keep` is over.
    Dropped {
        /// The server.
        server: usize,
    },
    /// The client's body has come whole.
    BodyWhole,
    /// The client's body can't be sent again from its start.
    ReplayLost,
    /// The moment of the last [`Act::WakeAt`] has come.
    Timer,
}
