//! Waves of connections and of requests at a worker, as far as memory is given back after them.
//!
//! The two are apart, because requests may come in a wave over connections that stay. And what has come and gone between two looks
//! has taken memory as well as what is there.

use weir_core::ebb::Ebb;

use super::counters::WorkerCounters;

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Waves {
    connections: (Ebb, u64),
    requests: (Ebb, u64),
}

impl Waves {
    /// Looks at the counters, as it should at regular times. Says whether a wave is over.
    pub(super) fn are_over(&mut self, counters: &WorkerCounters) -> bool {
        let connections =
            look(&mut self.connections, counters.connections.value(), counters.connections_open.value());
        let requests = look(&mut self.requests, counters.requests.value(), counters.in_flight.value());
        connections || requests
    }
}

/// `total` have begun since the beginning, and so many are there now.
fn look((ebb, before): &mut (Ebb, u64), total: u64, there: u64) -> bool {
    let begun = total.wrapping_sub(std::mem::replace(before, total));
    ebb.look(there.max(begun))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_between_two_looks_or_beside_those_who_stay_is_seen() {
        let (counters, mut waves) = (WorkerCounters::default(), Waves::default());
        counters.connections.add(1000);
        counters.connections_open.add(1000);
        assert!((0..10).all(|_| !waves.are_over(&counters)), "they stay");
        counters.requests.add(500);
        let over: Vec<_> = (0..10).filter(|_| waves.are_over(&counters)).collect();
        assert_eq!(over, [3], "five hundred requests came and went");
        counters.connections_open.subtract(1000);
        let over: Vec<_> = (0..10).filter(|_| waves.are_over(&counters)).collect();
        assert_eq!(over, [2]);
    }
}
