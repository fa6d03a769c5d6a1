//! The watchdog of a service manager: it hears that all goes on as long as that is so, and starts the service again when it hears nothing.
//!
//! All goes on when every worker, and every thread of a listener for policy groups, comes to what it does at regular times, and the control
//! thread, on which this runs, comes to this. So one that hangs, and serves nobody although its sockets are open, is not left alone for ever.

use std::process::Command;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};
use weir_core::ports::SharedStatusSource;

use super::notifier::Notifier;

/// After how many microseconds without a word it acts.
const TIME_VARIABLE: &str = "WATCHDOG_USEC";
/// Of which process it wants to hear; without it, of whoever gets the other variable.
const PROCESS_VARIABLE: &str = "WATCHDOG_PID";

/// However little patience it has, it is not told more often.
const PERIOD_MIN: Duration = Duration::from_millis(10);

/// What a manager wants to hear of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watchdog {
    /// How often: twice in the time after which it acts.
    period: Duration,
}

/// Tells it for as long as this lives.
#[derive(Debug)]
pub(crate) struct Watching(AbortHandle);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Watchdog {
    /// What the manager that has started this process wants to hear; `None` when that is nothing.
    pub(crate) fn of_environment() -> Option<Self> {
        let (time, process) = (std::env::var(TIME_VARIABLE).ok()?, std::env::var(PROCESS_VARIABLE).ok());
        Self::of(&time, process.as_deref(), std::process::id())
    }

    fn of(time: &str, process: Option<&str>, own: u32) -> Option<Self> {
        if !is_meant(process, own) {
            return None;
        }
        let time = Duration::from_micros(time.parse().ok()?);
        (!time.is_zero()).then(|| Self { period: (time / 2).max(PERIOD_MIN) })
    }

    /// Tells it from now on, as long as this status says that workers turn. Needs a tokio runtime with time.
    pub(crate) fn watch(self, notifier: Notifier, status: SharedStatusSource) -> Watching {
        Watching(tokio::spawn(watch(self.period, notifier, status)).abort_handle())
    }
}

fn is_meant(process: Option<&str>, own: u32) -> bool {
    process.is_none_or(|process| process.parse() == Ok(own))
}

/// A process that follows is another one, and hears the watchdog's wish if this one does.
pub(super) fn leave_out(command: &mut Command) {
    if !is_meant(std::env::var(PROCESS_VARIABLE).ok().as_deref(), std::process::id()) {
        command.env_remove(TIME_VARIABLE);
    }
    command.env_remove(PROCESS_VARIABLE);
}

/// Whether all goes on where the worker that is latest is overdue by so much: it has come to its turn since the manager was told before.
fn goes_on(stalled: Duration, period: Duration) -> bool {
    stalled < period
}

async fn watch(period: Duration, notifier: Notifier, status: SharedStatusSource) {
    let mut times = interval(period);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_well = true;
    loop {
        times.tick().await;
        let stalled = status.stalled();
        let is_well = goes_on(stalled, period);
        match (was_well, is_well) {
            (true, false) => tracing::error!(?stalled, "a worker stands still; the watchdog is told nothing"),
            (false, true) => tracing::warn!("the worker goes on; so does the watchdog"),
            _ => {}
        }
        if is_well {
            notifier.alive();
        }
        was_well = is_well;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::VecDeque;
    use std::os::unix::net::UnixDatagram;
    use std::sync::{Arc, Mutex};

    use weir_core::ports::{Status, StatusSource};

    use super::*;

    /// A process of which one look after the other finds this.
    struct Process(Mutex<VecDeque<Duration>>);

    impl StatusSource for Process {
        fn status(&self) -> Status {
            let stalled = self.0.lock().unwrap().pop_front().unwrap();
            Status { stalled, ..Status::default() }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_told_until_a_worker_stands_still_and_again_when_that_one_goes_on() {
        let path = std::env::temp_dir().join(format!("weir-watchdog-test-{}", std::process::id()));
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_nonblocking(true).unwrap();
        let heard = || std::iter::from_fn(|| manager.recv(&mut [0; 64]).ok()).count();
        let notifier = Notifier::to(path.as_os_str()).unwrap();
        let period = Duration::from_secs(15);
        let looks = [0, 14, 29, 44, 0, 1].map(Duration::from_secs);
        let process = Arc::new(Process(Mutex::new(looks.into())));
        let mut watching = std::pin::pin!(watch(period, notifier, process));
        let mut counts = Vec::new();
        for _ in looks {
            let _ = tokio::time::timeout(period - Duration::from_millis(1), &mut watching).await;
            counts.push(heard());
        }
        std::fs::remove_file(path).unwrap();
        assert_eq!(counts, [1, 1, 0, 0, 1, 1]);
    }

    #[test]
    fn the_wish_is_for_this_process_and_makes_sense() {
        let period = |time, process| Watchdog::of(time, process, 7).map(|watchdog| watchdog.period);
        assert_eq!(period("30000000", None), Some(Duration::from_secs(15)));
        assert_eq!(period("30000000", Some("7")), Some(Duration::from_secs(15)));
        assert_eq!(period("1", Some("7")), Some(PERIOD_MIN));
        for (time, process) in [
            ("30000000", Some("8")),
            ("30000000", Some("")),
            ("30000000", Some("7x")),
            ("0", None),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(period(time, process), None, "{time} {process:?}");
        }
    }

    #[test]
    fn a_worker_that_has_not_come_since_the_last_word_stands_still() {
        let period = Duration::from_secs(15);
        assert!(goes_on(Duration::ZERO, period));
        assert!(goes_on(period - Duration::from_nanos(1), period));
        assert!(!goes_on(period, period));
    }

    #[test]
    fn who_follows_is_watched_too() {
        let mut command = Command::new("weir");
        leave_out(&mut command);
        // Tests are not started by a manager with a watchdog, so whoever is meant is this process.
        let removed: Vec<_> = command.get_envs().filter(|(_, value)| value.is_none()).collect();
        assert_eq!(removed, [(PROCESS_VARIABLE.as_ref(), None)]);
    }
}
