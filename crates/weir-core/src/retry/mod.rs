//! Whether, how often and when a request is tried again.
//!
//! Three questions are kept apart. Whether a repeat is *safe* is a fact of the request and of how far the failed try had
//! come; [`may_repeat`] answers it, and no configuration changes the answer. Whether a repeat is *wanted* is the
//! [`RetryPolicy`] of the upstream. Whether it is *paid for* is said by the [`RetryBudget`] that all requests of an upstream
//! share, so that repeats never multiply the load of servers that fail because of it. [`Repeats`] asks all three for one
//! request and says how long to wait before; the dispatch modes ask it. Where the next try goes is decided elsewhere.

mod backoff;
mod budget;
mod policy;
mod repeats;
mod safety;

pub use backoff::Backoff;
pub use budget::{BudgetRule, RetryBudget};
pub use policy::{RetryOn, RetryPolicy};
pub use repeats::{Ended, Moment, Repeats, RetryReason};
pub use safety::{Cause, Progress, is_safe, may_repeat};
