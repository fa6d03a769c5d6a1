//! Waiting for what must come, and no longer than anybody believes in it.
//!
//! A test that asks again and again has nobody who would wake it: what it waits for is told by counters. Without a limit a
//! fault of the proxy would be a test that hangs until whoever runs it loses patience, and says nothing.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// How long something may take on a machine that is busy with everything else.
const LIMIT: Duration = Duration::from_secs(60);

/// Waits until this holds.
///
/// # Panics
/// When it does not come to hold.
#[track_caller]
pub fn until(mut holds: impl FnMut() -> bool) {
    until_some(|| holds().then_some(()));
}

/// Waits until this holds of what is looked at, and gives what was then seen.
///
/// # Panics
/// When it does not come to hold; the message says what there was instead.
#[track_caller]
pub fn until_seen<T: Debug>(mut look: impl FnMut() -> T, holds: impl Fn(&T) -> bool) -> T {
    let mut last = None;
    let found = within(LIMIT, || {
        let seen = look();
        let is_it = holds(&seen);
        last = Some(seen);
        is_it.then_some(())
    });
    match (found, last) {
        (Some(()), Some(seen)) => seen,
        (_, last) => panic!("what is waited for here did not come for {LIMIT:?}; there was {last:?}"),
    }
}

/// Waits until this finds something.
///
/// # Panics
/// When it finds nothing.
#[track_caller]
pub fn until_some<T>(look: impl FnMut() -> Option<T>) -> T {
    until_limit(LIMIT, look)
}

#[track_caller]
fn until_limit<T>(limit: Duration, look: impl FnMut() -> Option<T>) -> T {
    within(limit, look).unwrap_or_else(|| panic!("what is waited for here did not come for {limit:?}"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the limit is about the machine, whatever the clock of a test says"
)]
fn within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let since = Instant::now();
    loop {
        let found = look();
        if found.is_some() || since.elapsed() >= limit {
            return found;
        }
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_is_waited_for() {
        let mut looks = 0;
        until(|| {
            looks += 1;
            looks == 3
        });
        assert_eq!(until_some(|| Some(looks)), 3);
        let seen = until_seen(
            || {
                looks += 1;
                looks
            },
            |looks| *looks == 5,
        );
        assert_eq!(seen, 5);
    }

    #[test]
    #[should_panic(expected = "what is waited for here did not come for 0ns")]
    fn what_does_not_come_ends_the_test() {
        until_limit(Duration::ZERO, || None::<()>);
    }
}
