//! Threads that hold passwords against their hashes.
//!
//! That takes tens of milliseconds of a processor, on purpose, and a worker that did it would stand still for all its
//! connections. So it is done beside the workers, by few threads with a short queue: whoever floods a proxy with
//! passwords takes a bounded part of its processors and makes others wait for a bounded time, and when the queue is full a
//! request is told to come again.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::watch;
use weir_auth::password_hash::PasswordHash;
use weir_auth::secret::Secret;

/// Threads at most, whatever the machine has.
const THREADS_MAX: usize = 4;

/// Passwords that wait at most. With hashes of a quarter of a second, the last of them waits for some seconds.
const QUEUE_MAX: usize = 32;

/// What comes out: nothing yet, or whether it is the password. When the sender is gone without a word, nothing ever will.
pub type Outcome = watch::Receiver<Option<bool>>;

/// The threads. They begin with the first configuration that needs them, and end when this is dropped.
#[derive(Default)]
pub struct PasswordThreads {
    jobs: OnceLock<SyncSender<Job>>,
}

impl fmt::Debug for PasswordThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordThreads").finish_non_exhaustive()
    }
}

struct Job {
    hash: Arc<PasswordHash>,
    password: Secret,
    outcome: watch::Sender<Option<bool>>,
}

impl PasswordThreads {
    /// Begins the threads, unless they run: half as many as there are processors, at least one.
    pub fn start(&self) {
        self.jobs.get_or_init(|| {
            let (sender, receiver) = sync_channel(QUEUE_MAX);
            let receiver = Arc::new(Mutex::new(receiver));
            let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            for number in 0..(processors / 2).clamp(1, THREADS_MAX) {
                let receiver = Arc::clone(&receiver);
                let name = format!("weir-password-{number}");
                if let Err(error) = std::thread::Builder::new().name(name).spawn(move || run(&receiver)) {
                    tracing::error!(%error, "a thread for passwords can't be started");
                }
            }
            sender
        });
    }

    /// Has a password held against a hash; `None` when too many wait already. When nobody waits for the outcome any more,
    /// it is not worked out.
    pub fn verify(&self, hash: Arc<PasswordHash>, password: Secret) -> Option<Outcome> {
        let (outcome, receiver) = watch::channel(None);
        match self.jobs.get()?.try_send(Job { hash, password, outcome }) {
            Ok(()) => Some(receiver),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => None,
        }
    }
}

fn run(jobs: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting for a job: the others wait for the same.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { hash, password, outcome }) = job else { return };
        if outcome.is_closed() {
            continue;
        }
        let verified = std::panic::catch_unwind(AssertUnwindSafe(|| hash.verify(password.expose())));
        match verified {
            Ok(holds) => {
                outcome.send_replace(Some(holds));
            }
            Err(_) => tracing::error!("holding a password against its hash panicked"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// `U*U`, at a cost of about a millisecond.
    const HASH: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

    fn hash(text: &str) -> Arc<PasswordHash> {
        Arc::new(PasswordHash::parse(text).unwrap().0)
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }

    #[tokio::test]
    async fn the_outcome_comes_to_all_who_wait() {
        let threads = PasswordThreads::default();
        assert!(threads.verify(hash(HASH), secret("U*U")).is_none(), "nobody is there to do it");
        threads.start();
        threads.start();
        for (password, expected) in [("U*U", true), ("U*V", false)] {
            let mut outcome = threads.verify(hash(HASH), secret(password)).unwrap();
            let mut another = outcome.clone();
            assert_eq!(*outcome.wait_for(Option::is_some).await.unwrap(), Some(expected));
            assert_eq!(*another.wait_for(Option::is_some).await.unwrap(), Some(expected));
        }
    }

    #[tokio::test]
    async fn the_queue_is_bounded_and_forgets_those_who_left() {
        let threads = PasswordThreads::default();
        threads.start();
        // A hash at a dear cost: while the threads are at it, the queue fills.
        let dear = hash(&HASH.replace("$05$", "$11$"));
        let mut waiting = Vec::new();
        let full = (0..2 * (QUEUE_MAX + THREADS_MAX)).any(|_| {
            match threads.verify(Arc::clone(&dear), secret("x")) {
                Some(outcome) => {
                    waiting.push(outcome);
                    false
                }
                None => true,
            }
        });
        assert!(full && waiting.len() >= QUEUE_MAX, "{} were taken", waiting.len());
        // Those who have left cost nothing; otherwise this took a minute.
        waiting.clear();
        let mut last = loop {
            if let Some(outcome) = threads.verify(hash(HASH), secret("U*U")) {
                break outcome;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(*last.wait_for(Option::is_some).await.unwrap(), Some(true));
    }
}
