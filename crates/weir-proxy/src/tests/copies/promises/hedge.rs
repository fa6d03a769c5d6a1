//! `hedge`: a second server when the first is slow, never for what must not happen twice (`semantics.md` §3.5).

use super::Case;
use crate::tests::copies::journal::{From, Visit};
use crate::tests::copies::scene::HEDGE_AFTER;

/// Attempts that the retry policy allows, and the hedge.
const VISITS_MAX: usize = 3;

pub(super) fn check(case: &Case<'_>) {
    let number = case.number;
    let visits: Vec<_> = case.visits().collect();
    if !case.request.repeatable {
        assert!(visits.len() <= 1, "{number}: it may not be repeated: {visits:?}");
    }
    let repeats = visits.iter().filter(|visit| visit.reused && visit.is_fruitless()).count();
    assert!(visits.len() <= VISITS_MAX + repeats, "{number}: {} visits", visits.len());
    for (place, visit) in visits.iter().enumerate() {
        let beside: Vec<_> = visits[..place]
            .iter()
            .filter(|other| {
                other.resolved().is_none_or(|stamp| stamp > visit.began)
                    && other.ended.is_none_or(|(stamp, _)| stamp > visit.began)
                    && other.began.at + super::PATIENCE_MIN > visit.began.at
            })
            .collect();
        assert!(beside.len() <= 1, "{number}: {} at a time", beside.len() + 1);
        for other in beside {
            assert_ne!(other.server, visit.server, "{number}: twice the same server");
            let since = case.request.began.at;
            assert!(visit.began.at >= since + HEDGE_AFTER, "{number}: a hedge that is early: {visit:?}");
        }
    }
    let Some(answer) = case.answer() else { return };
    let came = answer.came.at;
    match case.winner() {
        Some(winner) => {
            let first = winner.answered.unwrap();
            let earlier = visits.iter().find(|visit| visit.answered.is_some_and(|stamp| stamp.at < first.at));
            assert!(earlier.is_none(), "{number}: an earlier answer: {earlier:?}");
        }
        None => {
            assert_eq!(answer.from, From::Weir, "{number}");
            if case.request.sent.is_none() {
                return;
            }
            assert!(matches!(answer.status, 502..=504), "{number}: {answer:?}");
            let came_before = |visit: &&&Visit| visit.answered.is_some_and(|stamp| stamp.at <= came);
            // It may have broken before a byte of it had left.
            let is_broken = visits.iter().filter(came_before).any(|visit| visit.done.is_none());
            let any = visits.iter().find(|visit| visit.answered.is_some_and(|stamp| stamp.at < came));
            assert!(any.is_none() || is_broken, "{number}: there was an answer: {any:?}");
            if any.is_none() && !is_broken {
                let open = visits.iter().find(|visit| case.is_open(visit, came));
                assert!(open.is_none(), "{number}: it could have answered: {open:?}");
            }
        }
    }
}
