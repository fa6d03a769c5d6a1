//! The thread for what the data plane does beside requests: files that are watched, keys that are fetched.
//!
//! A thread of its own, so that none of it waits for a worker and no worker for it, and so that it runs wherever the
//! proxy is started from. What it finds out it publishes; nothing on a request's way waits for it.

use std::fmt;
use std::io;
use std::pin::Pin;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;

/// Tasks that may be handed over before the thread takes the first one.
const TASKS_MAX: usize = 1024;

type Task = Pin<Box<dyn Future<Output = ()>>>;
type Make = Box<dyn FnOnce() -> Task + Send>;

/// The thread. Its tasks are dropped when this is.
pub(crate) struct Control {
    tasks: mpsc::Sender<Make>,
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
        let (tasks, mut received) = mpsc::channel::<Make>(TASKS_MAX);
        std::thread::Builder::new().name("weir-control".to_owned()).spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
            match runtime {
                Ok(runtime) => runtime.block_on(async {
                    while let Some(make) = received.recv().await {
                        tokio::task::spawn_local(make());
                    }
                }),
                Err(error) => tracing::error!(%error, "the control thread has no runtime"),
            }
        })?;
        Ok(Self { tasks })
    }

    /// Begins a task that lasts until it ends by itself or the proxy is gone.
    pub(crate) fn begin<F>(&self, make: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = ()> + 'static,
    {
        if self.tasks.try_send(Box::new(|| Box::pin(make()))).is_err() {
            tracing::error!("the control thread takes no more tasks");
        }
    }
}
