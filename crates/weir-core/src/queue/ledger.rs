//! The state of one queue.
//!
//! Writes are held as long as some server has yet to get them, then settled and gone, or buried as dead letters. The ledger is
//! fed by whoever accepts writes, sends live copies and delivers; what it stores is a number and a few words per write. Lists
//! of servers are small and walked through; writes are many and looked up.

mod by_hand;
mod delivery;
mod moves;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::burial::Burial;
use super::company::Company;
use super::dead_letters::DeadLetters;
use super::effect::Effects;
use super::gate::{Gate, ServerId};
use super::lane::Lane;
use super::limits::{Full, QueueLimits};
use super::outcome::{Outcome, Verdict};
use super::write::{Sequence, State, Target, WantedTarget, Write};

/// The backlog is full, and nothing could be dropped from it; or there are too many dead letters that must be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRoom;

/// Room that is kept for a write on its way in. It is given to [`Ledger::accept`] or [`Ledger::give_back`], else it is lost.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the room is lost unless it is used or given back"]
pub struct Reservation {
    bytes: u64,
}

/// A write as it was stored.
#[derive(Debug, Clone)]
pub struct Restored {
    /// Its number.
    pub sequence: Sequence,
    /// When it was accepted.
    pub accepted: Duration,
    /// Bytes of head, body and trailers.
    pub bytes: u64,
    /// The servers that it is not settled with: `None` waits since it was accepted or revived, `Some` is a dead letter; and
    /// since when.
    pub targets: SmallVec<[(ServerId, Option<Burial>, Duration); 4]>,
}

/// The rules of one queue. Every `now` is the time since 1970 as the owner reckons it; it never goes back.
#[derive(Debug)]
pub struct Ledger {
    limits: QueueLimits,
    lanes: Vec<Lane>,
    /// Writes that some server has yet to get.
    held: BTreeMap<Sequence, Write>,
    held_bytes: u64,
    reserved_bytes: u64,
    reserved_writes: usize,
    /// Writes that are dead letters and nothing else.
    buried: DeadLetters,
    next: u64,
    abandoned_total: u64,
    forgotten_total: u64,
    company: Company,
}

impl Ledger {
    /// An empty one. `next` is the number of the first write; larger than all that were ever given in this queue.
    pub fn new(limits: QueueLimits, next: Sequence) -> Self {
        Self {
            limits,
            lanes: Vec::new(),
            held: BTreeMap::new(),
            held_bytes: 0,
            reserved_bytes: 0,
            reserved_writes: 0,
            buried: DeadLetters::default(),
            next: next.0,
            abandoned_total: 0,
            forgotten_total: 0,
            company: Company::Alone,
        }
    }

    /// Whether somebody else puts writes into the same store, from now on.
    ///
    /// In company no server's number is given to another one: what the other ledger keeps for it isn't known here.
    pub fn set_company(&mut self, company: Company, now: Duration) {
        let waited = std::mem::replace(&mut self.company, company) == Company::Waits;
        for server in self.ids() {
            if waited && company != Company::Waits {
                self.lanes[server.index()].wake(now);
            }
            self.move_gate(server);
        }
    }

    /// Who else puts writes into the same store.
    pub fn company(&self) -> Company {
        self.company
    }

    /// The server of this name, which is an orphan until it is configured. A new one gets a number that nobody ever had.
    pub fn server(&mut self, name: &str) -> ServerId {
        let known = self.lanes.iter().find(|lane| &*lane.name == name);
        known.map(|lane| lane.gate.server()).unwrap_or_else(|| self.add_server(name))
    }

    fn add_server(&mut self, name: &str) -> ServerId {
        let id = ServerId(u32::try_from(self.lanes.len()).expect("a queue has fewer than 2^32 servers"));
        self.lanes.push(Lane::new(name, id));
        id
    }

    /// From now on these are the servers. One that is not among them keeps its backlog and gets nothing; one that comes back
    /// gets it at once. One for which nothing is kept, and whose gate nobody holds any more, gives its number to a new one:
    /// servers may come and go a million times.
    pub fn configure(&mut self, names: &[&str], now: Duration) -> Vec<Arc<Gate>> {
        let ids = self.numbers_of(names);
        let mut is_configured = vec![false; self.lanes.len()];
        ids.iter().for_each(|id| is_configured[id.index()] = true);
        for (lane, configured) in self.lanes.iter_mut().zip(is_configured) {
            if configured && !lane.configured {
                lane.wake(now);
            }
            lane.configured = configured;
        }
        // A gate begins open, also where all are closed.
        ids.iter().for_each(|id| self.move_gate(*id));
        ids.iter().map(|id| Arc::clone(&self.lanes[id.index()].gate)).collect()
    }

    /// The numbers of these servers, in their order; new ones get those that are free.
    fn numbers_of(&mut self, names: &[&str]) -> Vec<ServerId> {
        let lanes = self.lanes.iter().map(|lane| (&*lane.name, lane.gate.server()));
        let by_name: HashMap<&str, ServerId> = lanes.collect();
        let known: Vec<_> = names.iter().map(|name| by_name.get(name).copied()).collect();
        if known.iter().all(Option::is_some) {
            return known.into_iter().flatten().collect();
        }
        let wanted: HashSet<ServerId> = known.iter().copied().flatten().collect();
        let alone = self.company == Company::Alone;
        let forgotten = self.lanes.iter().filter(|lane| alone && lane.is_forgotten());
        let free = forgotten.map(|lane| lane.gate.server());
        let free: Vec<ServerId> = free.filter(|id| !wanted.contains(id)).collect();
        let mut free = free.into_iter();
        let mut ids: Vec<ServerId> = Vec::with_capacity(names.len());
        for (place, name) in names.iter().enumerate() {
            let twice = || names[..place].iter().position(|before| before == name);
            ids.push(match known[place] {
                Some(id) => id,
                None => match (twice(), free.next()) {
                    (Some(before), _) => ids[before],
                    (None, Some(id)) => {
                        self.lanes[id.index()] = Lane::new(name, id);
                        id
                    }
                    (None, None) => self.add_server(name),
                },
            });
        }
        ids
    }

    /// Other bounds. What is there already stays, also if it is too much now.
    pub fn set_limits(&mut self, limits: QueueLimits) {
        self.limits = limits;
        for server in self.ids() {
            self.move_gate(server);
        }
    }

    /// Puts back what was stored, in the order of the numbers: before anything else happens, or what another ledger has put into
    /// the same store.
    pub fn restore(&mut self, restored: Restored) {
        let Restored { sequence, accepted, bytes, targets } = restored;
        debug_assert!(!targets.is_empty(), "a write without servers is not stored");
        self.next = self.next.max(sequence.0 + 1);
        let mut write = Write { accepted, bytes, whole: true, taken: true, targets: SmallVec::new() };
        for (server, burial, since) in targets {
            let lane = &mut self.lanes[server.index()];
            let state = match burial {
                Some(burial) => {
                    lane.dead += 1;
                    State::Dead { burial, since }
                }
                None => {
                    lane.backlog.insert(sequence);
                    State::Waiting { since }
                }
            };
            write.targets.push(Target { server, state });
            self.move_gate(server);
        }
        if write.is_open() {
            self.held_bytes += bytes;
            self.held.insert(sequence, write);
        } else {
            self.buried.insert(sequence, write);
        }
    }

    /// Keeps room for a write of so many bytes (head, body, trailers). With `full: drop_oldest` writes that wait become dead
    /// letters until there is room. With `full: reject` there is none while there are too many dead letters that must be kept
    /// (`semantics.md` §3.3): what is acknowledged from now on could not be kept beside them.
    ///
    /// # Errors
    /// There is none.
    pub fn reserve(
        &mut self,
        bytes: u64,
        now: Duration,
        effects: &mut Effects,
    ) -> Result<Reservation, NoRoom> {
        if bytes > self.limits.backlog_bytes_max {
            return Err(NoRoom);
        }
        if self.limits.full == Full::Reject && self.is_full_of_dead_letters() {
            return Err(NoRoom);
        }
        while !self.has_room(bytes) {
            let oldest = match self.limits.full {
                Full::Reject => None,
                Full::DropOldest => self.oldest_waiting(),
            };
            let Some((sequence, servers)) = oldest else { return Err(NoRoom) };
            for server in servers {
                self.leave_backlog(sequence, server);
                self.bury(sequence, server, Burial::Dropped, now, effects);
            }
        }
        self.reserved_bytes += bytes;
        self.reserved_writes += 1;
        Ok(Reservation { bytes })
    }

    /// The write will not come.
    pub fn give_back(&mut self, reservation: Reservation) {
        self.reserved_bytes -= reservation.bytes;
        self.reserved_writes -= 1;
    }

    /// The number for the next write.
    pub fn number(&mut self) -> Sequence {
        let sequence = Sequence(self.next);
        self.next += 1;
        sequence
    }

    /// The number that the next write gets.
    pub fn next_number(&self) -> Sequence {
        Sequence(self.next)
    }

    /// A write is accepted, under a number larger than that of all others before. `whole` tells whether its body is there
    /// already. Says which servers get a live copy; the others get it from their backlogs (`semantics.md` §3.2).
    pub fn accept(
        &mut self,
        reservation: Reservation,
        sequence: Sequence,
        targets: &[WantedTarget],
        whole: bool,
        now: Duration,
    ) -> SmallVec<[ServerId; 4]> {
        debug_assert!(self.held.last_key_value().is_none_or(|(last, _)| *last < sequence), "in order");
        let bytes = reservation.bytes;
        self.give_back(reservation);
        let mut live = SmallVec::new();
        let mut write = Write { accepted: now, bytes, whole, taken: false, targets: SmallVec::new() };
        for wanted in targets {
            let lane = &mut self.lanes[wanted.server.index()];
            let open = self.company != Company::Waits && !lane.is_closed(self.limits.strict_order);
            let state = if wanted.live && open {
                lane.live += 1;
                live.push(wanted.server);
                State::Live
            } else {
                if lane.backlog.is_empty() {
                    lane.wake(now);
                }
                lane.backlog.insert(sequence);
                State::Waiting { since: now }
            };
            write.targets.push(Target { server: wanted.server, state });
            self.move_gate(wanted.server);
        }
        if !write.targets.is_empty() {
            self.held_bytes += bytes;
            self.held.insert(sequence, write);
        }
        live
    }

    /// The body of the write has come whole, with so many bytes. They count from now on, and are not refused: the backlog may be
    /// over its bound by the bodies that were on their way.
    pub fn supply(&mut self, sequence: Sequence, bytes: u64, effects: &mut Effects) {
        if let Some(write) = self.held.get_mut(&sequence) {
            if !std::mem::replace(&mut write.whole, true) {
                write.bytes += bytes;
                self.held_bytes += bytes;
            }
        } else if self.buried.get(sequence).is_some_and(|write| !write.whole)
            && let Some(mut write) = self.buried.remove(sequence)
        {
            write.whole = true;
            write.bytes += bytes;
            self.buried.insert(sequence, write);
            self.forget_beyond_bounds(sequence, effects);
        }
    }

    /// What came of a live copy. `random` is even over all of `u64`. A server that did not get it has a backlog now.
    pub fn settle(
        &mut self,
        sequence: Sequence,
        server: ServerId,
        outcome: Outcome,
        random: u64,
        now: Duration,
        effects: &mut Effects,
    ) -> Verdict {
        let verdict = outcome.verdict();
        let live = self.state(sequence, server) == Some(State::Live);
        debug_assert!(live, "{sequence} is no live copy of {server:?}");
        if !live {
            return verdict;
        }
        let lane = &mut self.lanes[server.index()];
        lane.live -= 1;
        match verdict {
            Verdict::Delivered => {
                lane.counts.delivered_total += 1;
                lane.note_life(now);
                self.note_taken(sequence);
                self.remove(sequence, server, effects);
            }
            Verdict::Refused => {
                let status = outcome.status().unwrap_or_default();
                self.bury(sequence, server, Burial::Refused { status }, now, effects);
            }
            Verdict::Again => {
                lane.note_live_failure(outcome, random, now);
                self.join_backlog(sequence, server, None);
            }
        }
        self.move_gate(server);
        verdict
    }

    /// Whoever sent the live copies has gone. Those that he has not settled are delivered from the backlogs. A write whose body
    /// has not come whole can't be: it was not acknowledged and is forgotten, counted.
    pub fn release(&mut self, sequence: Sequence, now: Duration, effects: &mut Effects) {
        let Some(write) = self.write(sequence) else { return };
        let (whole, targets) = (write.whole, write.targets.clone());
        self.abandoned_total += u64::from(!whole);
        for Target { server, .. } in targets {
            // With the servers before it, it may have become a dead letter and been forgotten.
            let Some(state) = self.state(sequence, server) else { continue };
            let lane = &mut self.lanes[server.index()];
            match state {
                State::Live => lane.live -= 1,
                _ if whole => continue,
                State::Waiting { .. } => self.leave_backlog(sequence, server),
                State::Dead { .. } => lane.dead -= 1,
                State::Flying { .. } => debug_assert!(false, "a part is not delivered"),
            }
            let lane = &mut self.lanes[server.index()];
            if !whole {
                self.remove(sequence, server, effects);
            } else {
                if lane.backlog.is_empty() {
                    lane.wake(now);
                }
                self.join_backlog(sequence, server, None);
            }
            self.move_gate(server);
        }
    }
}
