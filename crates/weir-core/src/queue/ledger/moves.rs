//! The steps that all changes are made of: into a backlog, out of it, settled, buried, forgotten.

use std::time::Duration;

use smallvec::SmallVec;

use super::super::burial::Burial;
use super::super::company::Company;
use super::super::effect::{Effect, Effects};
use super::super::gate::ServerId;
use super::super::write::{Sequence, State};
use super::Ledger;

impl Ledger {
    pub(super) fn ids(&self) -> impl Iterator<Item = ServerId> + use<> {
        (0..self.lanes.len()).map(|index| ServerId(u32::try_from(index).unwrap_or(u32::MAX)))
    }

    pub(super) fn state(&self, sequence: Sequence, server: ServerId) -> Option<State> {
        self.held.get(&sequence).or_else(|| self.buried.get(sequence))?.state(server)
    }

    pub(super) fn set_state(&mut self, sequence: Sequence, server: ServerId, new: State) {
        if let Some(state) = self.held.get_mut(&sequence).and_then(|write| write.state_mut(server)) {
            *state = new;
        }
    }

    pub(super) fn move_gate(&self, server: ServerId) {
        let lane = &self.lanes[server.index()];
        lane.gate.set_closed(self.company == Company::Waits || lane.is_closed(self.limits.strict_order));
    }

    pub(super) fn has_room(&self, bytes: u64) -> bool {
        self.held_bytes + self.reserved_bytes + bytes <= self.limits.backlog_bytes_max
            && self.held.len() + self.reserved_writes < self.limits.backlog_writes_max
    }

    /// Into the backlog; `keep` counts from `since`, or from the acceptance.
    pub(super) fn join_backlog(&mut self, sequence: Sequence, server: ServerId, since: Option<Duration>) {
        if let Some(write) = self.held.get_mut(&sequence) {
            let since = since.unwrap_or(write.accepted);
            if let Some(state) = write.state_mut(server) {
                *state = State::Waiting { since };
                self.lanes[server.index()].backlog.insert(sequence);
            }
        }
    }

    pub(super) fn leave_backlog(&mut self, sequence: Sequence, server: ServerId) {
        self.lanes[server.index()].backlog.remove(&sequence);
    }

    /// The oldest write that waits somewhere and is in flight nowhere, with the servers that it waits for.
    pub(super) fn oldest_waiting(&self) -> Option<(Sequence, SmallVec<[ServerId; 4]>)> {
        self.held.iter().find_map(|(sequence, write)| {
            let waits = |state| matches!(state, State::Waiting { .. });
            let servers: SmallVec<[ServerId; 4]> = write
                .targets
                .iter()
                .filter(|target| waits(target.state))
                .map(|target| target.server)
                .collect();
            (write.whole && !servers.is_empty()).then_some((*sequence, servers))
        })
    }

    /// The server needs it no more. It is in no backlog.
    pub(super) fn remove(&mut self, sequence: Sequence, server: ServerId, effects: &mut Effects) {
        effects.push(Effect::Settled { sequence, server });
        if let Some(write) = self.held.get_mut(&sequence) {
            write.remove(server);
            self.tidy_up(sequence, effects);
        } else if let Some(mut write) = self.buried.remove(sequence) {
            write.remove(server);
            if write.targets.is_empty() {
                effects.push(Effect::Gone { sequence });
            } else {
                self.buried.insert(sequence, write);
            }
        }
    }

    /// Makes a dead letter of it. It is in no backlog, and no live copy any more.
    pub(super) fn bury(
        &mut self,
        sequence: Sequence,
        server: ServerId,
        burial: Burial,
        now: Duration,
        effects: &mut Effects,
    ) {
        self.set_state(sequence, server, State::Dead { burial, since: now });
        effects.push(Effect::Buried { sequence, server, burial, at: now });
        let lane = &mut self.lanes[server.index()];
        lane.dead += 1;
        let count = match burial {
            Burial::Refused { .. } | Burial::RefusedByAll { .. } => &mut lane.counts.refused_total,
            Burial::Expired => &mut lane.counts.expired_total,
            Burial::Dropped => &mut lane.counts.dropped_total,
            Burial::Unreadable => &mut lane.counts.unreadable_total,
        };
        *count += 1;
        self.move_gate(server);
        self.tidy_up(sequence, effects);
    }

    /// A write that is held stays so only while some server has yet to get it.
    fn tidy_up(&mut self, sequence: Sequence, effects: &mut Effects) {
        if self.held.get(&sequence).is_none_or(super::super::write::Write::is_open) {
            return;
        }
        let Some(mut write) = self.held.remove(&sequence) else { return };
        self.held_bytes -= write.bytes;
        if write.targets.is_empty() {
            effects.push(Effect::Gone { sequence });
            return;
        }
        if write.nobody_wants_it() {
            for (server, burial, at) in write.note_refusals(true) {
                effects.push(Effect::Buried { sequence, server, burial, at });
            }
        }
        self.buried.insert(sequence, write);
        self.forget_beyond_bounds(sequence, effects);
    }

    /// Some server has it, so a client may have been told that it is kept (`semantics.md` §3.3).
    pub(super) fn note_taken(&mut self, sequence: Sequence) {
        if let Some(write) = self.held.get_mut(&sequence) {
            write.taken = true;
        }
    }

    /// Dead letters beyond their bounds go as far as they may, counted; never the one that has just become one.
    pub(super) fn forget_beyond_bounds(&mut self, newest: Sequence, effects: &mut Effects) {
        while self.buried.is_beyond(&self.limits) {
            let oldest = self.buried.to_forget(newest, self.limits.full);
            let Some(sequence) = oldest else { return };
            self.forget(sequence, effects);
        }
    }

    fn forget(&mut self, sequence: Sequence, effects: &mut Effects) {
        let Some(write) = self.buried.remove(sequence) else { return };
        self.forgotten_total += u64::from(!write.is_refused_by_all());
        for target in write.targets {
            let lane = &mut self.lanes[target.server.index()];
            lane.dead -= 1;
            lane.counts.forgotten_total += 1;
            effects.push(Effect::Settled { sequence, server: target.server });
        }
        effects.push(Effect::Gone { sequence });
    }
}
