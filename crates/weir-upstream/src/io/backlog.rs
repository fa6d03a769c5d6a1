//! The queue of a listening socket, when nobody will accept from it any more.
//!
//! What waits there was promised something: it is taken beyond any limit rather than reset. But others may come as fast as it is
//! taken, and then there is no end; and each of them is taken at once, so that whoever is being served would wait for all of them.

use std::future::poll_fn;
use std::io;

use tokio::task::coop;

/// Connections that may wait to be accepted, for each socket; the system may allow fewer.
pub const BACKLOG: i32 = 4096;

/// Takes what waits, and no more than can have waited at the beginning. `next` never waits, and fails when nobody is there. Other tasks
/// of the thread go on meanwhile.
pub async fn take_waiting<T>(mut next: impl FnMut() -> io::Result<T>, mut serve: impl FnMut(T)) {
    // The queue of a system may hold one more than it was asked for.
    for _ in 0..=BACKLOG {
        match next() {
            Ok(accepted) => serve(accepted),
            // Of one that has gone again meanwhile: the others are behind it.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {}
            Err(_) => return,
        }
        poll_fn(|cx| coop::poll_proceed(cx).map(|budget| budget.made_progress())).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::task::yield_now;

    use super::*;

    /// A flood at a listener that went held its worker for as long as it lasted.
    #[tokio::test]
    async fn a_flood_ends_and_lets_others_go_on() {
        let (taken, turns) = (Cell::new(0), Cell::new(0));
        let flood = take_waiting(|| Ok(()), |()| taken.set(taken.get() + 1));
        let others = async {
            loop {
                turns.set(turns.get() + 1);
                yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = flood => {}
            () = others => {}
        }
        assert_eq!(taken.get(), BACKLOG + 1);
        assert!(turns.get() >= 16, "others had {} turns", turns.get());
    }

    #[tokio::test]
    async fn what_waits_is_taken_and_nothing_else_is_waited_for() {
        // In the middle is one that has gone again.
        let mut waiting = vec![Some(3), None, Some(2), Some(1)];
        let mut taken = Vec::new();
        let next = || match waiting.pop() {
            Some(Some(one)) => Ok(one),
            Some(None) => Err(io::ErrorKind::ConnectionAborted.into()),
            None => Err(io::ErrorKind::WouldBlock.into()),
        };
        take_waiting(next, |one| taken.push(one)).await;
        assert_eq!(taken, [1, 2, 3]);
    }
}
