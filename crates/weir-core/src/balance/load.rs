//! What balancing looks at in the servers of an upstream.

use std::cmp::Ordering;

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
}

/// Whether a server may be picked: usable, and not taken out by weight 0.
pub(super) fn eligible<M: Members + ?Sized>(members: &M, index: usize) -> bool {
    index < members.len() && members.weight(index) > 0 && members.usable(index)
}

/// Requests in flight per weight, as a fraction that is compared exactly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    in_flight: u32,
    weight: u32,
}

impl Load {
    /// The load of an eligible server now.
    pub(super) fn of<M: Members + ?Sized>(members: &M, index: usize) -> Self {
        Self { in_flight: members.in_flight(index), weight: members.weight(index) }
    }

    /// Compares `a/v` with `b/w` as `a·w` with `b·v`; 64 bits hold every product.
    pub(super) fn compare(self, other: Self) -> Ordering {
        let product = |a: u32, b: u32| u64::from(a) * u64::from(b);
        product(self.in_flight, other.weight).cmp(&product(other.in_flight, self.weight))
    }
}
