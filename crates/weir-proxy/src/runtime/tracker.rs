//! Tasks of a worker that outlive the exchange in which they began: the rest of an answer that nobody wants, a copy that
//! goes on after its client was answered.
//!
//! Whoever begins one says itself how long it may last; here they are only counted, so that a drain waits for them. They
//! are dropped with the worker.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

/// The tasks of a worker that belong to no connection of a client.
#[derive(Debug, Default)]
pub struct Tracker {
    state: Rc<State>,
}

#[derive(Debug, Default)]
struct State {
    running: Cell<usize>,
    emptied: Notify,
}

/// One task is counted for as long as this lives, also if it panics.
struct Counted(Rc<State>);

impl Drop for Counted {
    fn drop(&mut self) {
        let left = self.0.running.get() - 1;
        self.0.running.set(left);
        if left == 0 {
            self.0.emptied.notify_waiters();
        }
    }
}

impl Tracker {
    /// Begins a task on this worker.
    pub(crate) fn begin(&self, task: impl Future<Output = ()> + 'static) {
        self.state.running.set(self.state.running.get() + 1);
        let counted = Counted(Rc::clone(&self.state));
        tokio::task::spawn_local(async move {
            let _counted = counted;
            task.await;
        });
    }

    /// Tasks that run.
    pub fn len(&self) -> usize {
        self.state.running.get()
    }

    /// Whether none runs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until none runs. Cancel safe.
    pub async fn emptied(&self) {
        // Nothing ends between the look and the wait: all of it happens on this thread.
        while !self.is_empty() {
            self.state.emptied.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]

    use tokio::runtime::{Builder, LocalOptions};
    use tokio::sync::oneshot;

    use super::*;

    fn on_a_worker(test: impl Future<Output = ()> + 'static) {
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        runtime.expect("a runtime can be made").block_on(test);
    }

    #[test]
    fn a_drain_waits_for_the_last_task() {
        on_a_worker(async {
            let tracker = Tracker::default();
            tracker.emptied().await;
            let (end, ended) = oneshot::channel::<()>();
            tracker.begin(async move {
                let _ = ended.await;
            });
            tracker.begin(std::future::ready(()));
            assert_eq!(tracker.len(), 2);
            let mut emptied = std::pin::pin!(tracker.emptied());
            tokio::select! {
                biased;
                () = &mut emptied => panic!("a task still runs"),
                () = tokio::task::yield_now() => {}
            }
            let _ = end.send(());
            emptied.await;
            assert!(tracker.is_empty());
        });
    }

    #[test]
    fn a_task_that_panics_is_over_too() {
        on_a_worker(async {
            let tracker = Tracker::default();
            tracker.begin(async { panic!("a bug") });
            tracker.emptied().await;
        });
    }
}
