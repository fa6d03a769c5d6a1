//! The way from whoever wants the configuration to be read again to whoever does it, and what is known of the last time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot};
use weir_core::ports::reload::{LastReload, ReloadControl, ReloadError, Reloaded, Reloading};

/// Who may ask before the first one is heard.
const REQUESTS_MAX: usize = 64;

/// Where the outcome goes.
pub(crate) type Reply = oneshot::Sender<Result<Reloaded, ReloadError>>;

/// The way to whoever reloads.
pub(crate) struct Asker {
    /// `None` where there is no file to read.
    requests: Option<mpsc::Sender<Reply>>,
    last: Arc<Mutex<LastReload>>,
}

/// Those who ask, for whoever reloads.
#[derive(Debug)]
pub(crate) struct Requests {
    received: mpsc::Receiver<Reply>,
    last: Arc<Mutex<LastReload>>,
}

/// A way to ask, and where it is heard. Without `has_file` everybody is told that there is nothing to read.
pub(crate) fn requests(has_file: bool) -> (Asker, Requests) {
    let (sender, received) = mpsc::channel(REQUESTS_MAX);
    let (at, succeeded, generation) = (since_epoch(), true, 1);
    let last = Arc::new(Mutex::new(LastReload { at, succeeded, generation, in_use_since: at }));
    let asker = Asker { requests: has_file.then_some(sender), last: Arc::clone(&last) };
    (asker, Requests { received, last })
}

impl ReloadControl for Asker {
    fn reload(&self) -> Reloading {
        let requests = self.requests.clone();
        Box::pin(async move {
            let requests = requests.ok_or(ReloadError::NoFile)?;
            let (reply, answer) = oneshot::channel();
            requests.send(reply).await.map_err(|_| ReloadError::Ending)?;
            answer.await.unwrap_or(Err(ReloadError::Ending))
        })
    }

    fn last(&self) -> LastReload {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Requests {
    /// Waits for the next one who asks. Cancel safe.
    pub(crate) async fn next(&mut self) -> Reply {
        match self.received.recv().await {
            Some(reply) => reply,
            None => std::future::pending().await,
        }
    }

    /// Notes how one has ended.
    pub(crate) fn note(&self, succeeded: bool, generation: u64, at: Duration) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let in_use_since = if generation == last.generation { last.in_use_since } else { at };
        *last = LastReload { at, succeeded, generation, in_use_since };
    }
}

/// The time of day.
#[expect(clippy::disallowed_methods, reason = "it is told when a reload was")]
pub(crate) fn since_epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
