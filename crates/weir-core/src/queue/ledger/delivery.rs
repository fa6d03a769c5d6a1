//! Delivery from the backlogs: one write at a time per server, in order.

use std::time::Duration;

use super::super::burial::Burial;
use super::super::company::Company;
use super::super::effect::Effects;
use super::super::gate::ServerId;
use super::super::next::Next;
use super::super::outcome::{Outcome, Verdict};
use super::super::write::{Sequence, State};
use super::Ledger;

impl Ledger {
    /// What to deliver next. Writes that nobody got within `keep` become dead letters here.
    pub fn next(&mut self, now: Duration, effects: &mut Effects) -> Next {
        if self.company == Company::Waits {
            return Next::Nothing;
        }
        let mut until: Option<Duration> = None;
        let mut sooner = |moment: Duration| until = Some(until.map_or(moment, |until| until.min(moment)));
        for server in self.ids() {
            if let Some(expiry) = self.expire(server, now, effects) {
                sooner(expiry);
            }
            let Some(sequence) = self.first_waiting(server) else { continue };
            let lane = &mut self.lanes[server.index()];
            if lane.due() > now {
                sooner(lane.due());
                continue;
            }
            let Some(State::Waiting { since }) = self.state(sequence, server) else { continue };
            self.set_state(sequence, server, State::Flying { since });
            let lane = &mut self.lanes[server.index()];
            lane.flying = Some(sequence);
            return Next::Deliver { server, sequence, failures: lane.failures() };
        }
        until.map_or(Next::Nothing, Next::Wait)
    }

    /// What came of a delivery. `random` is even over all of `u64`.
    pub fn finish(
        &mut self,
        sequence: Sequence,
        server: ServerId,
        outcome: Outcome,
        random: u64,
        now: Duration,
        effects: &mut Effects,
    ) -> Verdict {
        let verdict = outcome.verdict();
        let Some(since) = self.land(sequence, server) else { return verdict };
        let lane = &mut self.lanes[server.index()];
        match verdict {
            Verdict::Delivered => {
                lane.note_answer(now);
                lane.counts.delivered_total += 1;
                self.leave_backlog(sequence, server);
                self.note_taken(sequence);
                self.remove(sequence, server, effects);
            }
            Verdict::Refused => {
                lane.note_answer(now);
                self.leave_backlog(sequence, server);
                let status = outcome.status().unwrap_or_default();
                self.bury(sequence, server, Burial::Refused { status }, now, effects);
            }
            Verdict::Again => {
                lane.note_failure(outcome, random, now);
                self.set_state(sequence, server, State::Waiting { since });
            }
        }
        self.move_gate(server);
        verdict
    }

    /// The delivery was given up from our side; it is the server's next one again, and counts as no failure.
    pub fn interrupt(&mut self, sequence: Sequence, server: ServerId) {
        if let Some(since) = self.land(sequence, server) {
            self.set_state(sequence, server, State::Waiting { since });
        }
    }

    /// What was stored of the write can't be read: the server can't get it any more.
    pub fn unreadable(&mut self, sequence: Sequence, server: ServerId, now: Duration, effects: &mut Effects) {
        if self.land(sequence, server).is_some() {
            self.leave_backlog(sequence, server);
            self.bury(sequence, server, Burial::Unreadable, now, effects);
            self.move_gate(server);
        }
    }

    /// The one that the server gets next. One whose body is still arriving is left out: it was not acknowledged, so nothing that
    /// came later was meant to come after it, and a slow client does not hold up the others.
    fn first_waiting(&self, server: ServerId) -> Option<Sequence> {
        let lane = &self.lanes[server.index()];
        let whole = |sequence: &&Sequence| self.held.get(sequence).is_some_and(|write| write.whole);
        if lane.is_blocked(self.limits.strict_order) {
            None
        } else {
            lane.backlog.iter().find(whole).copied()
        }
    }

    /// Takes the write out of flight. Says since when it waited, if it was in flight at all.
    fn land(&mut self, sequence: Sequence, server: ServerId) -> Option<Duration> {
        let Some(State::Flying { since }) = self.state(sequence, server) else {
            debug_assert!(false, "{sequence} is not in flight to {server:?}");
            return None;
        };
        self.lanes[server.index()].flying = None;
        Some(since)
    }

    /// Makes dead letters of what the server did not get within `keep`. Says when the next one is due, if any waits.
    ///
    /// Writes are accepted in the order of their numbers, so that the walk ends at the first that waits and is young. One that
    /// was revived lies among the old ones and has its own time.
    fn expire(&mut self, server: ServerId, now: Duration, effects: &mut Effects) -> Option<Duration> {
        let keep = self.limits.keep;
        let mut next = None;
        let mut after = Sequence(0);
        while let Some(sequence) = self.lanes[server.index()].backlog.range(after..).next().copied() {
            after = Sequence(sequence.0 + 1);
            let Some(write) = self.held.get(&sequence) else { continue };
            let young = write.accepted + keep > now;
            if let Some(State::Waiting { since }) = write.state(server) {
                if since + keep <= now {
                    self.leave_backlog(sequence, server);
                    self.bury(sequence, server, Burial::Expired, now, effects);
                    self.move_gate(server);
                } else {
                    next = Some(next.map_or(since + keep, |next: Duration| next.min(since + keep)));
                }
            }
            if young && next.is_some() {
                break;
            }
        }
        next
    }
}
