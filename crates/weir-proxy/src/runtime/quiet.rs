//! Whether anything of the process can still bring a write, while it drains.
//!
//! A WebSocket may go on until the deadline of the drain, and brings no request. A process that is replaced lets go of its queues as
//! soon as only those are left, because writes of the one that follows wait for it.

use tokio::sync::watch;

/// How many workers may still bring one.
#[derive(Debug, Clone)]
pub(super) struct Quiet(watch::Sender<usize>);

/// A worker that may. It is dropped when the worker drains and has neither a connection that may bring a request, nor copies of one on
/// their way; and with the worker.
#[derive(Debug)]
pub(super) struct Teller(watch::Sender<usize>);

impl Drop for Teller {
    fn drop(&mut self) {
        self.0.send_modify(|workers| *workers -= 1);
    }
}

impl Default for Quiet {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Quiet {
    /// For one more worker.
    pub(super) fn teller(&self) -> Teller {
        self.0.send_modify(|workers| *workers += 1);
        Teller(self.0.clone())
    }

    /// Waits until there is none, of those that have begun. Cancel safe.
    pub(super) async fn wait(&self) {
        // The sender is this one.
        let _ = self.0.subscribe().wait_for(|workers| *workers == 0).await;
    }
}
