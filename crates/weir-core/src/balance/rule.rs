//! How one server of an upstream is chosen, as the configuration says it.

use std::time::Duration;

use super::Strategy;
use super::observed::DECAY;
use super::report::FORGET;

/// How much of its share of the requests in flight a server may have where keys decide, in percent, unless the configuration
/// says otherwise. With less, more keys move while the load is uneven; with more, one server may have more to do. A quarter
/// above the share is what the authors of the method found to be enough in practice.
pub const BOUND_PERCENT: u32 = 125;

/// What requests have in common that go to the same server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub enum KeyOf {
    /// The client's address, IPv6 by /64.
    #[default]
    Address,
    /// The path without the query, as the server gets it.
    Path,
    /// The value of this field.
    Header(Box<str>),
    /// The value of this cookie.
    Cookie(Box<str>),
}

/// How one server of an upstream is chosen.
#[derive(Debug, Clone, PartialEq, Hash)]
pub struct Rule {
    /// The algorithm.
    pub strategy: Strategy,
    /// What decides where [`Strategy::Hash`] sends a request.
    pub key: KeyOf,
    /// How much of its share of the requests in flight a server may have there, in percent; at least 100.
    pub bound_percent: u32,
    /// How long [`Strategy::PeakEwma`] remembers.
    pub decay: Duration,
    /// After how long [`Strategy::Load`] forgets a report.
    pub forget: Duration,
    /// Whether clients get the reports too.
    pub reports_pass: bool,
}

impl From<Strategy> for Rule {
    fn from(strategy: Strategy) -> Self {
        Self {
            strategy,
            key: KeyOf::default(),
            bound_percent: BOUND_PERCENT,
            decay: DECAY,
            forget: FORGET,
            reports_pass: false,
        }
    }
}

impl Default for Rule {
    fn default() -> Self {
        Strategy::default().into()
    }
}
