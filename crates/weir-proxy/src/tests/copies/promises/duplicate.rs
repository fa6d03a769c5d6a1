//! `duplicate`: who is told that a write was taken can rely on it (`semantics.md` §3.1).

use std::time::Duration;

use tokio::time::Instant;

use super::Case;
use crate::tests::copies::journal::{By, From, Visit};
use crate::tests::copies::queue::{Backlogs, Entry, Fate};
use crate::tests::copies::scene::{ANSWER_TIMEOUT, Acknowledge};

pub(super) fn check(case: &Case<'_>, acknowledge: Acknowledge, backlogs: Option<&Backlogs>) {
    match backlogs {
        None => check_one(case, acknowledge, None),
        Some(backlogs) => backlogs.with_entries(|entries| {
            let entries: Vec<_> = entries.iter().filter(|entry| entry.request == case.number).collect();
            assert!(entries.len() <= 1, "{}: accepted {} times", case.number, entries.len());
            match entries.first() {
                Some(entry) => {
                    check_entry(case, entry);
                    check_one(case, acknowledge, Some(entry));
                }
                None => {
                    assert!(case.visits().next().is_none(), "{}: sent, and not accepted", case.number);
                    let weir = case.answer().is_none_or(|answer| answer.from == From::Weir);
                    assert!(weir, "{}: answered, and not accepted", case.number);
                }
            }
        }),
    }
}

/// What the queue was told.
fn check_entry(case: &Case<'_>, entry: &Entry) {
    let number = case.number;
    assert!(entry.released, "{number}: somebody holds the write");
    assert!(!entry.fates.contains(&Fate::Live), "{number}: nobody has it: {:?}", entry.fates);
    let is_bodyless = case.request.content.is_empty();
    if let Some(content) = &entry.content {
        assert!(*content == case.request.content, "{number}: another body waits");
        assert!(case.request.sent.is_some() || is_bodyless, "{number}: it was not sent whole");
    }
    for visit in case.visits() {
        assert!(entry.live.contains(&visit.server), "{number}: sent past the backlog: {visit:?}");
    }
    for (server, outcome) in &entry.settled {
        let said = |visit: &Visit| visit.server == *server && visit.status == outcome.status();
        let is_said = outcome.status().is_none() || case.visits().any(said);
        assert!(is_said, "{number}: server {server} has not said {outcome:?}");
    }
}

fn check_one(case: &Case<'_>, acknowledge: Acknowledge, entry: Option<&Entry>) {
    let number = case.number;
    check_goes_on(case, entry);
    let Some(answer) = case.answer() else { return };
    let came = answer.came.at;
    let taken = |server: usize, at: Instant| {
        let live = case.visits().any(|visit| {
            visit.server == server
                && visit.status.is_some_and(|status| status < 400)
                && visit.answered.is_some_and(|stamp| stamp.at <= at)
        });
        let caught_up = entry.map(|entry| entry.fates[server]);
        live || matches!(caught_up, Some(Fate::Taken(stamp)) if stamp.at <= at)
    };
    let count = |at: Instant| (0..case.servers).filter(|server| taken(*server, at)).count();
    let is_met = |at: Instant| match acknowledge {
        Acknowledge::First => count(at) >= 1,
        Acknowledge::All => count(at) >= case.servers,
        Acknowledge::Quorum => count(at) > case.servers / 2,
        Acknowledge::Primary(primary) => taken(primary, at),
        Acknowledge::Number(needed) => count(at) >= needed,
    };
    // What happens in the same moment may have come too late.
    let before = came.checked_sub(Duration::from_millis(1)).unwrap();
    if let Some(sent) = case.request.sent {
        let waited = came.saturating_duration_since(sent.at);
        // The queue takes a little while to accept a write without a body.
        let accepting = Duration::from_millis(10);
        assert!(waited <= ANSWER_TIMEOUT + accepting, "{number}: an answer after {waited:?}");
    }
    match answer.from {
        From::Weir => {
            assert!(!matches!(answer.status, 200..400), "{number}: {answer:?}");
            let is_late = answer.status == 503 && case.request.sent.is_some();
            assert!(!is_late || !is_met(before), "{number}: it was acknowledged: {answer:?}");
        }
        From::Delivery { .. } | From::Visit(_) if answer.status < 400 => {
            assert!(is_met(came), "{number}: acknowledged by {} of {}", count(came), case.servers);
            let sent = case.request.sent.is_some_and(|stamp| stamp.at <= came);
            assert!(sent, "{number}: acknowledged before it was whole");
        }
        From::Delivery { .. } | From::Visit(_) => {
            assert!(!is_met(before), "{number}: it was acknowledged, and the client hears a refusal");
        }
    }
}

/// A write whose body is whole reaches each server, or waits for it, whatever became of its client.
fn check_goes_on(case: &Case<'_>, entry: Option<&Entry>) {
    let number = case.number;
    let acknowledged =
        case.request.answer.as_ref().is_some_and(|answer| answer.status < 400 && answer.from != From::Weir);
    for server in 0..case.servers {
        let visits = || case.visits().filter(move |visit| visit.server == server);
        for visit in visits() {
            let Some((ended, By::Weir)) = visit.ended else { continue };
            // With an answer of its own making it has said what it wants.
            let is_cut = visit.answered.is_none() && visit.babbled.is_none();
            let was_given_up = visit.began.at + super::PATIENCE_MIN <= ended.at;
            let flood = visit.status.is_none() && visit.whole.is_some();
            assert!(
                !acknowledged || !is_cut || was_given_up || flood,
                "{number}: an acknowledged write was taken away: {visit:?}"
            );
            let has_taken = visit.status.is_some_and(|status| status < 400);
            let is_whole = visit.whole.is_some() || !visit.reads_on || !has_taken;
            assert!(
                !acknowledged || is_whole || was_given_up,
                "{number}: it wanted all of the write: {visit:?}"
            );
        }
        let Some(entry) = entry.filter(|_| acknowledged) else { continue };
        match entry.fates[server] {
            Fate::Taken(_) | Fate::Dead(_) | Fate::Backlog => {}
            fate @ (Fate::Live | Fate::Abandoned) => {
                panic!("{number}: server {server} never gets it: {fate:?}")
            }
        }
    }
}
