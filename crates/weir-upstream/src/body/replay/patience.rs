//! Waiting for the threads of the spool files, but not for ever.
//!
//! The threads may stand still with their disk, and nothing else ends the wait of an exchange: its server is not late, and neither
//! is its client. The timer is made only where the outcome is not there at once.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::io::deadline::pause;

/// How long a disk may take for one piece of a spool file. It is longer than a disk that works ever takes, and shorter than what
/// clients wait.
///
/// None in the tests of this crate that don't ask for one: the threads work in real time, and the clock of a test stands still
/// meanwhile and then jumps to whatever is waited for.
pub(super) const FILE_TIME_MAX: Option<Duration> =
    if cfg!(test) { None } else { Some(Duration::from_secs(30)) };

/// What the threads will have done.
pub(super) struct Patient<T> {
    outcome: oneshot::Receiver<io::Result<T>>,
    at_most: Option<Duration>,
    overdue: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl<T> Patient<T> {
    /// Waits for this, for so long at most; counts from the first time that somebody waits.
    pub(super) fn new(outcome: oneshot::Receiver<io::Result<T>>, at_most: Option<Duration>) -> Self {
        Self { outcome, at_most, overdue: None }
    }
}

impl<T> Future for Patient<T> {
    type Output = io::Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let this = self.get_mut();
        if let Poll::Ready(outcome) = Pin::new(&mut this.outcome).poll(cx) {
            return Poll::Ready(outcome.unwrap_or_else(|_| Err(io::Error::other("its thread ended"))));
        }
        let Some(at_most) = this.at_most else { return Poll::Pending };
        let overdue = this.overdue.get_or_insert_with(|| Box::pin(pause(at_most)));
        ready!(overdue.as_mut().poll(cx));
        let message = format!("its disk has stood still for {} s", at_most.as_secs());
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
    }
}

impl<T> fmt::Debug for Patient<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patient").field("at_most", &self.at_most).finish_non_exhaustive()
    }
}
