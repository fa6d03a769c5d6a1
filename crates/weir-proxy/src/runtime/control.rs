//! The thread for what the data plane does beside requests: files that are watched, keys that are fetched.
//!
//! A thread of its own, so that none of it waits for a worker and no worker for it, and so that it runs wherever the
//! proxy is started from. What it finds out it publishes; nothing on a request's way waits for it.
//!
//! A task that panics is told of and begun again. That is unlike a worker, whose death ends the process: without a worker
//! clients wait, while without one of these everything goes on as it was for a while, with the certificates and keys that
//! are there.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use weir_upstream::io::deadline::pause;

/// Tasks that may be handed over before the thread takes the first one.
const TASKS_MAX: usize = 1024;

/// How long a task that panicked is left alone. What made it panic may still be there, and each time is a line in the log.
const RESTART_PAUSE: Duration = Duration::from_secs(5);

/// What is done, and how it is begun, as often as it has to be.
struct Task {
    name: &'static str,
    make: Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()>>> + Send>,
}

impl Task {
    fn new<F>(name: &'static str, make: impl Fn() -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        Self { name, make: Box::new(move || Box::pin(make())) }
    }

    /// Does it until it ends by itself.
    async fn keep(self) {
        again_and_again(self.name, self.make).await;
    }
}

/// Does this until it ends by itself; when it panics, that is told and it is begun again. Dropped, it ends at once.
pub(super) async fn again_and_again<F: Future<Output = ()>>(task: &'static str, make: impl Fn() -> F) {
    while let Err(Died) = survived(make()).await {
        tracing::error!(task, "a task beside requests died, and is begun again");
        pause(RESTART_PAUSE).await;
    }
}

/// A task that panicked; it has said what of.
struct Died;

async fn survived(task: impl Future<Output = ()>) -> Result<(), Died> {
    let mut task = pin!(task);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        // It is not polled again.
        Err(_) => Poll::Ready(Err(Died)),
    })
    .await
}

/// The thread. Its tasks are dropped when this is.
pub(crate) struct Control {
    tasks: mpsc::Sender<Task>,
    stop: Arc<Notify>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

impl Control {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system's, when a thread or its runtime can't be made.
    pub(crate) fn start() -> io::Result<Self> {
        let (tasks, mut received) = mpsc::channel::<Task>(TASKS_MAX);
        let (begun, has_begun) = sync_channel(1);
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("weir-control".to_owned()).spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
            // Whoever starts the thread waits for this.
            match runtime {
                Ok(runtime) => {
                    let _ = begun.send(Ok(()));
                    runtime.block_on(async {
                        let mut running = JoinSet::new();
                        loop {
                            let task = tokio::select! {
                                task = received.recv() => task,
                                () = stopped.notified() => None,
                            };
                            let Some(task) = task else { break };
                            running.spawn_local(task.keep());
                            while running.try_join_next().is_some() {}
                        }
                    });
                    // A name that is being looked up is not waited for.
                    runtime.shutdown_background();
                }
                Err(error) => {
                    let _ = begun.send(Err(error));
                }
            }
        })?;
        has_begun.recv().unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self { tasks, stop, thread: Mutex::new(Some(thread)) })
    }

    /// Drops all tasks and waits for that. None begins afterwards.
    pub(crate) fn stop(&self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // It has said what it died of.
            let _ = thread.join();
        }
    }

    /// Begins a task that lasts until it ends by itself or the proxy is gone. `make` is called again when it panics.
    pub(crate) fn begin<F>(&self, name: &'static str, make: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = ()> + 'static,
    {
        if self.tasks.try_send(Task::new(name, make)).is_err() {
            tracing::error!(task = name, "the control thread takes no more tasks");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::cell::Cell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use weir_upstream::io::deadline::now;

    use super::*;

    /// A panic in one look at the certificates ended all looks, and nobody was told: they expired weeks later.
    #[test]
    fn a_task_that_panics_is_begun_again_until_it_ends_by_itself() {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build_local(LocalOptions::default());
        let begun = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&begun);
        let task = Task::new("test", move || {
            let number = counted.fetch_add(1, Ordering::Relaxed);
            async move { assert!(number >= 3, "it dies") }
        });
        let passed = Cell::new(Duration::ZERO);
        runtime.unwrap().block_on(async {
            let start = now();
            task.keep().await;
            passed.set(now() - start);
        });
        assert_eq!(begun.load(Ordering::Relaxed), 4);
        assert!((RESTART_PAUSE * 3..RESTART_PAUSE * 4).contains(&passed.get()), "{passed:?}");
    }

    #[test]
    fn others_go_on_beside_one_that_panics() {
        let control = Control::start().unwrap();
        control.begin("dies", || async { panic!("it dies") });
        let (said, heard) = sync_channel(1);
        control.begin("lives", move || {
            let said = said.clone();
            async move { said.send(7).unwrap() }
        });
        assert_eq!(heard.recv().unwrap(), 7);
    }
}
