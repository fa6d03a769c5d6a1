//! What a strategy is asked.

use super::plan::Plan;

/// What a request brings along, the same for all its attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Turn {
    /// Its number in the rotation, from one counter of the whole process. Repeats keep it, so that failures do not disturb
    /// the rotation. Not looked at unless [`Needs::ticket`](super::Needs) says so.
    pub ticket: usize,
    /// The hash of its key ([`key`](super::key)); `None` when it has none.
    pub key: Option<u64>,
    /// The server that its client was with before, which keeps it as long as it can be used.
    pub pinned: Option<usize>,
}

/// One question.
pub(super) struct Asked<'a, M: ?Sized> {
    /// What was worked out when the servers became what they are.
    pub(super) plan: &'a Plan,
    /// What the request brings along.
    pub(super) turn: Turn,
    /// Uniform random numbers.
    pub(super) random: &'a mut dyn FnMut() -> u64,
    /// The servers.
    pub(super) members: &'a M,
}
