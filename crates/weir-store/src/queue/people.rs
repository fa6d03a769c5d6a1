//! What people see of the queue and do to it. The lock is held for a part of a large selection at a time.

use std::io;
use std::sync::Arc;

use weir_core::ports::queue::{
    DeadLetterCount, Done, QueueServerStatus, QueueStatus, QueuedTarget, QueuedWrite, REFUSALS_MAX, Selection,
};
use weir_core::queue::{Effects, Lane, Ledger, Refusal, Sequence, ServerId, State, Write};

use super::books::Books;

/// Entries that are looked at under one lock.
const PART: usize = 1000;

/// What people may do to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Retry,
    Discard,
}

impl Books {
    pub(super) fn status(&self) -> QueueStatus {
        let now = self.clock.now();
        let state = self.lock();
        let ledger = &state.ledger;
        let shown = |lane: &&Lane| lane.is_configured() || !lane.is_empty();
        let (kept, refused) = ledger.dead_letters();
        let count = |(writes, bytes)| DeadLetterCount { writes, bytes };
        QueueStatus {
            name: Arc::clone(&self.name),
            durable: self.place.is_durable(),
            limits: *ledger.limits(),
            backlog_bytes: ledger.backlog_bytes(),
            backlog_writes: ledger.backlog_writes(),
            dead_kept: count(kept),
            dead_refused: count(refused),
            dead_letters_full: ledger.is_full_of_dead_letters(),
            accepted_total: state.accepted_total,
            full_total: state.full_total,
            commits_total: self.place.commits_total(),
            write_errors_total: state.write_errors_total,
            abandoned_total: ledger.abandoned_total(),
            servers: ledger.lanes().iter().filter(shown).map(|lane| lane_status(ledger, lane, now)).collect(),
        }
    }

    pub(super) async fn list(
        &self,
        selection: &Selection,
        from: Sequence,
        max: usize,
    ) -> io::Result<Vec<QueuedWrite>> {
        let from = selection.sequence.unwrap_or(from);
        let mut writes: Vec<QueuedWrite> = {
            let state = self.lock();
            let server = self.selected_server(&state.ledger, selection);
            let Ok(server) = server else { return Ok(Vec::new()) };
            let matching = state.ledger.writes_from(from);
            let matching =
                matching.take_while(|(sequence, _)| selection.sequence.is_none_or(|one| one == *sequence));
            matching
                .filter(|(_, write)| !entries(write, selection, server).is_empty())
                .take(max)
                .map(|(sequence, write)| self.queued(&state.ledger, sequence, write))
                .collect()
        };
        for write in &mut writes {
            if let Some((head, _)) = self.place.content(write.sequence).await? {
                write.head = head;
            }
        }
        Ok(writes)
    }

    fn queued(&self, ledger: &Ledger, sequence: Sequence, write: &Write) -> QueuedWrite {
        let targets = write.targets.iter().map(|target| {
            let lane = &ledger.lanes()[target.server.index()];
            QueuedTarget { server: lane.name().into(), configured: lane.is_configured(), state: target.state }
        });
        QueuedWrite {
            sequence,
            accepted: write.accepted,
            bytes: write.bytes,
            head: bytes::Bytes::new(),
            targets: targets.collect(),
        }
    }

    /// Does it to all that match, and returns when that is durable.
    pub(super) async fn act(&self, selection: &Selection, act: Act) -> io::Result<Done> {
        let mut done = Done::default();
        let mut from = selection.sequence.unwrap_or(Sequence(0));
        while let Some(next) = self.change(|ledger, now, effects| {
            let Ok(server) = self.selected_server(ledger, selection) else { return None };
            if act == Act::Retry && from == selection.sequence.unwrap_or(Sequence(0)) {
                wake(ledger, server, now);
            }
            act_on_part(ledger, selection, server, from, act, &mut done, now, effects)
        }) {
            from = next;
        }
        self.place.flush().await?;
        Ok(done)
    }

    /// The server of a selection; none for all.
    fn selected_server(&self, ledger: &Ledger, selection: &Selection) -> Result<Option<ServerId>, Refusal> {
        let Some(name) = &selection.server else { return Ok(None) };
        let lane = ledger.lanes().iter().find(|lane| lane.name() == name);
        lane.map(|lane| Some(lane.gate().server())).ok_or(Refusal::Unknown)
    }
}

fn lane_status(ledger: &Ledger, lane: &Lane, now: std::time::Duration) -> QueueServerStatus {
    let oldest = lane.oldest().and_then(|sequence| ledger.write(sequence));
    let waits = lane.backlog() > 0 && lane.in_flight().is_none();
    QueueServerStatus {
        name: lane.name().into(),
        configured: lane.is_configured(),
        gate_closed: lane.gate().is_closed(),
        backlog: lane.backlog(),
        oldest_age: oldest.map(|write| now.saturating_sub(write.accepted)),
        in_flight: lane.in_flight().is_some(),
        live: lane.live(),
        dead: lane.dead(),
        failures: lane.failures(),
        next_in: if waits { lane.due().saturating_sub(now) } else { std::time::Duration::ZERO },
        last_failure: lane.last_failure(),
        counts: lane.counts(),
    }
}

/// The servers of a write that match.
fn entries(write: &Write, selection: &Selection, server: Option<ServerId>) -> Vec<(ServerId, State)> {
    let matches = |id: ServerId, state: State| {
        server.is_none_or(|server| server == id) && !(selection.dead_only && state.is_open())
    };
    let targets = write.targets.iter().filter(|target| matches(target.server, target.state));
    targets.map(|target| (target.server, target.state)).collect()
}

fn wake(ledger: &mut Ledger, server: Option<ServerId>, now: std::time::Duration) {
    match server {
        Some(server) => ledger.wake(server, now),
        None => {
            for id in ledger.lanes().iter().map(|lane| lane.gate().server()).collect::<Vec<_>>() {
                ledger.wake(id, now);
            }
        }
    }
}

/// Does it to a part, and says where the next one begins.
#[expect(clippy::too_many_arguments, reason = "the ledger's own arguments, and a selection")]
fn act_on_part(
    ledger: &mut Ledger,
    selection: &Selection,
    server: Option<ServerId>,
    from: Sequence,
    act: Act,
    done: &mut Done,
    now: std::time::Duration,
    effects: &mut Effects,
) -> Option<Sequence> {
    let part: Vec<(Sequence, Vec<(ServerId, State)>)> = ledger
        .writes_from(from)
        .take_while(|(sequence, _)| selection.sequence.is_none_or(|one| one == *sequence))
        .take(PART)
        .map(|(sequence, write)| (sequence, entries(write, selection, server)))
        .collect();
    let next = part.last().map(|(sequence, _)| Sequence(sequence.0 + 1)).filter(|_| part.len() == PART);
    for (sequence, entries) in part {
        for (server, state) in entries {
            let result = match act {
                // What waits is no refusal: its server is tried at once, which is what was asked for.
                Act::Retry if state.is_open() => Ok(()),
                Act::Retry => ledger.revive(sequence, server, now, effects),
                Act::Discard => ledger.discard(sequence, server, effects),
            };
            match result {
                Ok(()) => done.entries += 1,
                Err(refusal) if done.refusals.len() < REFUSALS_MAX => {
                    let name = ledger.lanes()[server.index()].name().into();
                    done.refusals.push((sequence, name, refusal));
                }
                Err(_) => {}
            }
        }
    }
    next
}
