//! What people see of a queue and do to it.

use std::time::Duration;

use super::super::effect::{Effect, Effects};
use super::super::gate::ServerId;
use super::super::lane::Lane;
use super::super::limits::QueueLimits;
use super::super::refusal::Refusal;
use super::super::write::{Sequence, State, Write};
use super::Ledger;

impl Ledger {
    /// All servers, by their numbers, also those of which nobody knows any more whose number nobody has needed since.
    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// The bounds.
    pub fn limits(&self) -> &QueueLimits {
        &self.limits
    }

    /// Bytes of the writes that some server has yet to get.
    pub fn backlog_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// Writes that some server has yet to get.
    pub fn backlog_writes(&self) -> usize {
        self.held.len()
    }

    /// Whether anything waits for a server, so that a delivery may be due.
    pub fn has_backlog(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.backlog.is_empty())
    }

    /// Writes that are dead letters and nothing else, and their bytes: those that must be kept while others are refused for them,
    /// and those that all servers have refused.
    pub fn dead_letters(&self) -> ((usize, u64), (usize, u64)) {
        self.buried.counts()
    }

    /// Whether dead letters that must be kept are as many as there may be, so that with `full: reject` no write is taken.
    pub fn is_full_of_dead_letters(&self) -> bool {
        self.buried.is_full(&self.limits)
    }

    /// Dead letters that were forgotten although some server may have taken the write: with `full: drop_oldest` alone.
    pub fn forgotten_total(&self) -> u64 {
        self.forgotten_total
    }

    /// Writes whose driver went away before their body was whole; none of them was acknowledged.
    pub fn abandoned_total(&self) -> u64 {
        self.abandoned_total
    }

    /// A write, if it is not settled with all its servers.
    pub fn write(&self, sequence: Sequence) -> Option<&Write> {
        self.held.get(&sequence).or_else(|| self.buried.get(sequence))
    }

    /// Writes from this number on, in order.
    pub fn writes_from(&self, from: Sequence) -> impl Iterator<Item = (Sequence, &Write)> {
        let mut held = self.held.range(from..).peekable();
        let mut buried = self.buried.all().range(from..).peekable();
        std::iter::from_fn(move || {
            let held_first = match (held.peek(), buried.peek()) {
                (Some((a, _)), Some((b, _))) => a < b,
                (first, _) => first.is_some(),
            };
            let entry = if held_first { held.next() } else { buried.next() };
            entry.map(|(sequence, write)| (*sequence, write))
        })
    }

    /// The server shall be tried at once, whatever it said and however often it failed.
    pub fn wake(&mut self, server: ServerId, now: Duration) {
        self.lanes[server.index()].wake(now);
    }

    /// A dead letter waits again, in its old place, and for all of `keep`. The server is tried at once.
    ///
    /// # Errors
    /// It is no dead letter of this server, or the backlog has no room.
    pub fn revive(
        &mut self,
        sequence: Sequence,
        server: ServerId,
        now: Duration,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        match self.state(sequence, server) {
            None => return Err(Refusal::Unknown),
            Some(State::Dead { .. }) => {}
            Some(_) => return Err(Refusal::NotDead),
        }
        if let Some(bytes) = self.buried.get(sequence).map(|write| write.bytes) {
            if !self.has_room(bytes) {
                return Err(Refusal::NoRoom);
            }
            if let Some(mut write) = self.buried.remove(sequence) {
                for (server, burial, at) in write.note_refusals(false) {
                    effects.push(Effect::Buried { sequence, server, burial, at });
                }
                self.held_bytes += bytes;
                self.held.insert(sequence, write);
            }
        }
        self.join_backlog(sequence, server, Some(now));
        let lane = &mut self.lanes[server.index()];
        lane.dead -= 1;
        lane.wake(now);
        self.move_gate(server);
        effects.push(Effect::Revived { sequence, server, since: now });
        Ok(())
    }

    /// The server shall not get this write: it waits no more, or the dead letter is thrown away.
    ///
    /// # Errors
    /// The queue does not have it for this server, or it is on its way right now.
    pub fn discard(
        &mut self,
        sequence: Sequence,
        server: ServerId,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        match self.state(sequence, server) {
            None => return Err(Refusal::Unknown),
            Some(State::Live | State::Flying { .. }) => return Err(Refusal::InProgress),
            Some(State::Waiting { .. }) => self.leave_backlog(sequence, server),
            Some(State::Dead { .. }) => self.lanes[server.index()].dead -= 1,
        }
        self.lanes[server.index()].counts.discarded_total += 1;
        self.remove(sequence, server, effects);
        self.move_gate(server);
        Ok(())
    }
}
