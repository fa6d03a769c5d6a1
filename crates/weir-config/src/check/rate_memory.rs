//! What the rates of all routes may take together: each route counts by itself, so each has memory of its own.

use weir_core::limit::RateLimit;

use crate::model::{RateKey, RateRule};
use crate::problem::{Problem, Problems};
use crate::source::Span;

/// Above this the memory of rates is worth a word: small machines have less, and it is seldom what was meant.
const BYTES_UNSAID: usize = 1 << 30;

/// The memory of the rates so far.
#[derive(Default)]
pub(super) struct RateMemory {
    rates: usize,
    places: Vec<(usize, Span)>,
}

impl RateMemory {
    /// Notes the rates of a route; `place` is where they are written.
    pub(super) fn note(&mut self, rates: &[RateRule], place: Span) {
        let keyed = rates.iter().filter(|rate| rate.by != RateKey::Route).count();
        if keyed > 0 {
            self.rates += keyed;
            self.places.push((self.rates, place));
        }
    }

    /// Warns if a flood of clients could take more than is usual; `entries` is how many each rate has room for.
    pub(super) fn warn(&self, entries: usize, problems: &mut Problems) {
        let each = RateLimit::bytes_max(entries);
        let is_over = |rates: usize| rates.saturating_mul(each) > BYTES_UNSAID;
        let Some((_, place)) = self.places.iter().find(|(rates, _)| is_over(*rates)) else { return };
        let mebibytes = self.rates.saturating_mul(each) >> 20;
        problems.push(
            Problem::warning(
                *place,
                format!(
                    "with this the {} rates by client may take {mebibytes} MiB, if so many clients come",
                    self.rates
                ),
            )
            .hint("each route counts by itself, also where the rate stands at the service; make `limits.client_entries` smaller"),
        );
    }
}
