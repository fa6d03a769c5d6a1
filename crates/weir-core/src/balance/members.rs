//! What balancing looks at in the servers of an upstream.

use std::cmp::Ordering;

use super::observed::Standing;
use super::report::Reported;

/// The servers of an upstream at this moment. Numbers may change between two questions; each question is cheap, an atomic
/// read at most.
pub trait Members {
    /// How many there are, usable or not.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The server's share; 0 gets nothing.
    fn weight(&self, index: usize) -> u32;

    /// Requests in flight to it, over the whole process.
    fn in_flight(&self, index: usize) -> u32;

    /// Whether it may be picked now: it takes traffic, and this request has not tried it yet.
    fn usable(&self, index: usize) -> bool;

    /// How it has answered until now; asked for by strategies that need it (`Needs::answers`).
    fn standing(&self, _index: usize) -> Standing {
        Standing::default()
    }

    /// What it has said of its own load; asked for by strategies that need it (`Needs::reports`).
    fn reported(&self, _index: usize) -> Option<Reported> {
        None
    }
}

/// Whether a server may be picked: usable, and not taken out by weight 0.
pub(super) fn eligible<M: Members + ?Sized>(members: &M, index: usize) -> bool {
    index < members.len() && members.weight(index) > 0 && members.usable(index)
}

/// Requests in flight per weight, as a fraction that is compared exactly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Burden {
    in_flight: u32,
    weight: u32,
}

impl Burden {
    /// The burden of an eligible server now.
    pub(super) fn of<M: Members + ?Sized>(members: &M, index: usize) -> Self {
        Self { in_flight: members.in_flight(index), weight: members.weight(index) }
    }

    /// Compares `a/v` with `b/w` as `a·w` with `b·v`; 64 bits hold every product.
    pub(super) fn compare(self, other: Self) -> Ordering {
        let product = |a: u32, b: u32| u64::from(a) * u64::from(b);
        product(self.in_flight, other.weight).cmp(&product(other.in_flight, self.weight))
    }

    /// How long a queue one more request would stand in: a server of weight 5 is taken for five servers, each with a fifth
    /// of its requests. Idle servers are equal whatever their weights, so that drawing by weight stays exact.
    pub(super) fn queue(self) -> f32 {
        1.0 + self.in_flight as f32 / self.weight.max(1) as f32
    }
}
