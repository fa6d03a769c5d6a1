//! The ring that keys are found on.
//!
//! Each server has points on a circle of 64-bit numbers, as many as its weight asks for; a key belongs to the server whose
//! point comes next. Points depend on nothing but the server's name, so a server that joins or leaves moves only the keys
//! that it gets or had. Not a table of fixed size (Maglev), because that moves some others too, and not the highest of a
//! hash per server and key (rendezvous), because that looks at every server for every request.

use super::key::{key, mixed};

/// Points of a server for each unit of its weight. With 160, servers of equal weight have within about 8 % of equal parts of
/// the circle (one standard deviation is 1/√160).
pub const POINTS_PER_WEIGHT: u32 = 160;

/// Points of a ring altogether, about: 1 MiB, and a few milliseconds to sort when the servers change.
pub const RING_POINTS_MAX: u64 = 65_536;

/// Who owns which keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring {
    /// Points in their order, with their owners.
    points: Box<[(u64, u32)]>,
    bound_percent: u32,
}

impl Ring {
    /// The ring of servers with these names and weights; one of weight 0 has no point. `bound_percent` below 100 counts as
    /// 100.
    ///
    /// A server's points for a smaller weight are some of those for a larger one, so a change of weight moves keys of that
    /// server only. When a ring would have more than [`RING_POINTS_MAX`] points, all servers get half as many, or a
    /// quarter, and so on, but at least one each: halves, so that this moves keys seldom.
    pub fn new(names: &[&str], weights: &[u32], bound_percent: u32) -> Self {
        let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let mut halvings = 0;
        while (total * u64::from(POINTS_PER_WEIGHT)) >> halvings > RING_POINTS_MAX {
            halvings += 1;
        }
        let mut points = Vec::new();
        for ((owner, name), weight) in (0u32..).zip(names).zip(weights) {
            let count = (u64::from(*weight) * u64::from(POINTS_PER_WEIGHT)) >> halvings;
            let count = if *weight == 0 { 0 } else { count.max(1) };
            let begin = key([name.as_bytes()]);
            // Numbers in order, each mixed: that is what SplitMix64 is.
            let at = |point: u64| mixed(begin.wrapping_add(point.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            points.extend((1..=count).map(|point| (at(point), owner)));
        }
        // Two points in one place are told apart by their owners' places in the list; with 2¹⁶ of 2⁶⁴ that never happens.
        points.sort_unstable();
        Self { points: points.into(), bound_percent: bound_percent.max(100) }
    }

    /// The servers in the order in which they are asked to take this key, each as often as it has points; empty when nobody
    /// has any.
    pub fn owners(&self, key: u64) -> impl Iterator<Item = usize> {
        let begin = self.points.partition_point(|(point, _)| *point < key);
        let (before, behind) = self.points.split_at(begin);
        behind.iter().chain(before).map(|(_, owner)| *owner as usize)
    }

    /// How much of its share of the requests in flight a server may have, in percent.
    pub fn bound_percent(&self) -> u32 {
        self.bound_percent
    }

    /// Points altogether.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether nobody owns anything.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }
}

#[cfg(test)]
mod tests;
