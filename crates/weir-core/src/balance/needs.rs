//! What a strategy needs to know.

/// What a strategy needs. What it does not need is neither counted nor worked out for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// A number in the rotation: one shared counter is moved for each request.
    pub ticket: bool,
    /// The key of the request, and the ring that keys are found on.
    pub key: bool,
    /// How servers have answered: each answer is noted.
    pub answers: bool,
    /// What servers say of their own load: each answer is searched for it.
    pub reports: bool,
}

impl Needs {
    /// Nothing but the servers.
    pub(super) const NOTHING: Self = Self { ticket: false, key: false, answers: false, reports: false };
}
