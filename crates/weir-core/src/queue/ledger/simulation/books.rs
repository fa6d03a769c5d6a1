//! Whether the books of a ledger add up.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::{Ledger, Sequence, State, Write};

impl Ledger {
    /// The sums that are kept are those of what is there.
    pub(super) fn check_books(&self, seed: u64) {
        let bytes =
            |writes: &BTreeMap<Sequence, Write>| -> u64 { writes.values().map(|write| write.bytes).sum() };
        assert_eq!(self.held_bytes, bytes(&self.held), "seed {seed}");
        self.buried.check(seed);
        assert_eq!((self.reserved_bytes, self.reserved_writes), (0, 0), "seed {seed}");
        assert!(self.held.values().all(Write::is_open), "seed {seed}");
        assert!(self.buried.all().values().all(|write| !write.is_open() && !write.targets.is_empty()));
        for lane in &self.lanes {
            let server = lane.gate.server();
            let states = |wanted: fn(&State) -> bool| -> BTreeSet<Sequence> {
                let all = self.held.iter().chain(self.buried.all());
                all.filter(|(_, write)| write.state(server).as_ref().is_some_and(wanted))
                    .map(|(sequence, _)| *sequence)
                    .collect()
            };
            let waiting = states(|state| matches!(state, State::Waiting { .. } | State::Flying { .. }));
            assert_eq!(lane.backlog, waiting, "seed {seed}: {}", lane.name);
            let flying = states(|state| matches!(state, State::Flying { .. }));
            assert_eq!(lane.flying.into_iter().collect::<BTreeSet<_>>(), flying, "seed {seed}");
            assert_eq!(lane.live, states(|state| *state == State::Live).len(), "seed {seed}");
            assert_eq!(lane.dead, states(|state| !state.is_open()).len(), "seed {seed}");
            let closed = !waiting.is_empty() || (self.limits.strict_order && lane.live > 0);
            assert_eq!(lane.gate.is_closed(), closed, "seed {seed}: the gate of {}", lane.name);
        }
    }
}
