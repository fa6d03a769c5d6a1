//! `majority`: what more than half of the configured servers say, or nothing (`semantics.md` §3.6).

use super::Case;
use crate::tests::copies::journal::{From, Visit};

pub(super) fn check(case: &Case<'_>, best: bool) {
    let number = case.number;
    let needed = case.servers / 2 + 1;
    let Some(answer) = case.answer() else { return };
    let came = answer.came.at;
    let is_whole =
        |visit: &Visit| visit.answered.is_some() && visit.done.is_some_and(|stamp| stamp.at <= came);
    let votes = |status: Option<u16>, says: &[u8]| {
        case.visits().filter(|visit| is_whole(visit) && visit.status == status && visit.says == says).count()
    };
    if let Some(winner) = case.winner() {
        assert!(is_whole(winner), "{number}: passed on before it was whole: {winner:?}");
        assert!(answer.whole, "{number}: it was here, and is cut");
        if votes(winner.status, &winner.says) >= needed {
            return;
        }
        assert!(best, "{number}: it has no majority: {winner:?}");
    } else {
        assert_eq!(answer.from, From::Weir, "{number}");
    }
    if case.is_too_large() || case.request.sent.is_none() {
        return;
    }
    assert!(case.winner().is_some() || matches!(answer.status, 502..=504), "{number}: {answer:?}");
    // No majority: so none could come any more.
    let is_open = |visit: &Visit| case.is_open(visit, came) || case.is_reading(visit, came);
    for visit in case.visits().filter(|visit| visit.answered.is_some()) {
        let joins = |other: &&Visit| {
            is_open(other)
                && other.answered.is_none_or(|stamp| stamp.at > came || other.status == visit.status)
        };
        let open = case.visits().filter(joins).count();
        let sure = case.visits().filter(|visit| visit.done.is_some_and(|stamp| stamp.at < came));
        let agree = sure.filter(|other| other.status == visit.status && other.says == visit.says).count();
        assert!(agree + open < needed, "{number}: it could have a majority: {visit:?}");
    }
}

impl Case<'_> {
    /// Whether the body of its answer was still coming.
    fn is_reading(&self, visit: &Visit, at: tokio::time::Instant) -> bool {
        let is_over = visit.done.or(visit.ended.map(|(stamp, _)| stamp)).is_some_and(|stamp| stamp.at <= at);
        visit.answered.is_some_and(|stamp| stamp.at + super::ANSWER_BODY > at) && !is_over
    }
}
