//! Waiting for what must come, and no longer than anybody believes in it.
//!
//! A test that asks again and again has nobody who would wake it: what it waits for is told by counters. Without a limit a
//! fault of the proxy would be a test that hangs until whoever runs it loses patience, and says nothing.

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

/// Waits until this finds something.
///
/// # Panics
/// When it finds nothing.
#[track_caller]
pub fn until_some<T>(look: impl FnMut() -> Option<T>) -> T {
    until_limit(LIMIT, look)
}

#[track_caller]
#[expect(
    clippy::disallowed_methods,
    reason = "the limit is about the machine, whatever the clock of a test says"
)]
fn until_limit<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < limit, "what is waited for here did not come for {limit:?}");
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
    }

    #[test]
    #[should_panic(expected = "what is waited for here did not come for 0ns")]
    fn what_does_not_come_ends_the_test() {
        until_limit(Duration::ZERO, || None::<()>);
    }
}
