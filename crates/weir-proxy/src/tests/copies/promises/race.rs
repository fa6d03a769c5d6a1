//! `race`: the first usable answer, and no other one as long as a usable one may come (`semantics.md` §3.4).

use std::time::Duration;

use super::{CONNECT, Case, PATIENCE_MIN};
use crate::tests::copies::journal::{From, Visit};

pub(super) fn check(
    case: &Case<'_>,
    only_2xx: bool,
    width: Option<usize>,
    stagger: Duration,
    otherwise: Option<u16>,
) {
    let number = case.number;
    let is_usable = |status: u16| (200..if only_2xx { 300 } else { 500 }).contains(&status);
    check_width(case, width);
    check_stagger(case, stagger);
    let Some(answer) = case.answer() else { return };
    let came = answer.came.at;
    if let Some(winner) = case.winner() {
        let first = winner.answered.unwrap();
        let earlier = case.visits().find(|visit| {
            visit.status.is_some_and(is_usable) && visit.answered.is_some_and(|stamp| stamp.at < first.at)
        });
        assert!(earlier.is_none(), "{number}: an earlier usable answer: {earlier:?}");
        if is_usable(answer.status) {
            return;
        }
        assert_eq!(otherwise, None, "{number}: unusable, and the route has a status for that");
        let rank = |status: u16| status / 100;
        let better = case.visits().find(|visit| {
            visit.answered.is_some_and(|stamp| stamp.at < came)
                && visit.status.is_some_and(|status| rank(status) < rank(answer.status))
        });
        assert!(better.is_none(), "{number}: a better answer: {better:?}");
    } else {
        assert_eq!(answer.from, From::Weir, "{number}");
        if case.is_too_large() || case.request.sent.is_none() {
            return;
        }
        let came_before = |visit: &&Visit| visit.answered.is_some_and(|stamp| stamp.at <= came);
        // One may have been chosen, and have broken before a byte of it had left.
        let is_broken = case.visits().filter(came_before).any(|visit| visit.done.is_none());
        let is_good = |visit: &&Visit| otherwise.is_none() || visit.status.is_some_and(is_usable);
        let any = case.visits().filter(came_before).find(is_good);
        assert!(any.is_none() || is_broken, "{number}: there was an answer: {any:?}");
        let is_ours = |status: u16| otherwise.map_or(matches!(status, 502..=504), |own| own == status);
        assert!(is_ours(answer.status) || (is_broken && answer.status == 502), "{number}: {answer:?}");
        if is_broken {
            return;
        }
    }
    if case.is_too_large() || case.request.sent.is_none() {
        return;
    }
    // Nothing usable: so nothing usable could come any more.
    let open = case.visits().find(|visit| case.is_open(visit, came));
    assert!(open.is_none(), "{number}: it could have been usable: {open:?}");
    assert!(!case.is_connecting(came), "{number}: a server was connecting that could have been usable");
    let unasked = (0..case.servers).find(|server| !case.is_asked(*server));
    assert_eq!(unasked, None, "{number}: a server that was not asked");
}

/// No more than so many at a time.
fn check_width(case: &Case<'_>, width: Option<usize>) {
    let Some(width) = width else { return };
    for visit in case.visits() {
        let others = case.visits().filter(|other| {
            other.began < visit.began
                && other.resolved().is_none_or(|stamp| stamp > visit.began)
                && other.ended.is_none_or(|(stamp, _)| stamp > visit.began)
                && other.began.at + PATIENCE_MIN > visit.began.at
        });
        assert!(others.count() < width, "{}: more than {width} at a time: {visit:?}", case.number);
    }
}

/// Where nothing has failed, one comes so much later than the one before.
fn check_stagger(case: &Case<'_>, stagger: Duration) {
    if stagger.is_zero() {
        return;
    }
    // When each server was asked: a kept connection shows at once, a fresh one when it is asked for.
    let mut starts: Vec<_> = (0..case.servers)
        .filter_map(|server| {
            let dials = case.journal.dials.iter().filter(|dial| dial.request == Some(case.number));
            let dials = dials.filter(|dial| dial.server == server).map(|dial| dial.began);
            dials.chain(case.visits().filter(|visit| visit.server == server).map(|visit| visit.began)).min()
        })
        .collect();
    starts.sort();
    for (place, start) in starts.iter().enumerate().skip(1) {
        let dials = case.journal.dials.iter().filter(|dial| dial.request == Some(case.number));
        let refused =
            dials.filter_map(|dial| dial.outcome).any(|(stamp, good)| !good && stamp.at <= start.at);
        let given_up = starts[0].at + PATIENCE_MIN.min(CONNECT) <= start.at;
        let resolved = case.visits().filter_map(Visit::resolved).any(|stamp| stamp.at <= start.at);
        let earliest = case.request.began.at + stagger * u32::try_from(place).unwrap();
        let is_due = start.at >= earliest || refused || given_up || resolved;
        assert!(is_due, "{}: server number {place} was asked too early", case.number);
    }
}
