//! The keys of an issuer that publishes them: what was fetched last, for all workers.
//!
//! Workers read a pointer and wait for nobody. One task beside them fetches: when the time of the last document is over,
//! and when a token names a key that is not in it, which is how issuers change their keys. Whoever invents names of keys
//! makes it ask once a second, however many requests there are.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};
use tokio::sync::Notify;
use weir_auth::jwt::key::Algorithm;
use weir_auth::jwt::key_set::KeySet;
use weir_upstream::io::deadline::{now, pause};

/// Between two fetches, whatever happens.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// How long a document holds at least, whatever its issuer says: half the world would be asked all the time.
const FRESH_MIN: Duration = Duration::from_secs(60);

/// How long a document holds at most, whatever its issuer says: a key that was withdrawn must not be good for ever.
const FRESH_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a document holds of which nothing is said.
const FRESH_USUAL: Duration = Duration::from_secs(10 * 60);

/// The longest pause between two fetches that fail.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// A document that was fetched.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// Its bytes.
    pub content: Vec<u8>,
    /// How long it holds (`max-age`), if its issuer says so.
    pub max_age: Option<Duration>,
}

/// Keys that were fetched.
#[derive(Debug)]
pub struct Published {
    /// The keys.
    pub keys: KeySet,
    /// No two documents of the process have the same; what was found out with one is not believed with another.
    pub generation: u64,
    content: Vec<u8>,
}

/// Where workers find the keys. When this is dropped, nobody fetches them any more.
#[derive(Debug)]
pub struct KeySource(Arc<Shared>);

struct Shared {
    published: ArcSwapOption<Published>,
    /// Somebody wants other keys than there are.
    wanted: AtomicBool,
    wake: Notify,
    dropped: AtomicBool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("published", &self.published).finish_non_exhaustive()
    }
}

/// What fetches for a [`KeySource`].
#[derive(Debug, Clone)]
pub(crate) struct Fetcher {
    shared: Arc<Shared>,
    /// What it is called in the log.
    name: Box<str>,
    algorithms: Vec<Algorithm>,
}

impl KeySource {
    /// A source without keys, and what fetches them.
    pub(crate) fn new(name: &str, algorithms: &[Algorithm]) -> (Self, Fetcher) {
        let shared = Arc::new(Shared {
            published: ArcSwapOption::empty(),
            wanted: AtomicBool::new(false),
            wake: Notify::new(),
            dropped: AtomicBool::new(false),
        });
        let fetcher =
            Fetcher { shared: Arc::clone(&shared), name: name.into(), algorithms: algorithms.to_vec() };
        (Self(shared), fetcher)
    }

    /// The keys that were fetched last; `None` before the first time.
    pub fn keys(&self) -> Guard<Option<Arc<Published>>> {
        self.0.published.load()
    }

    /// Says that other keys than these are wanted. Costs one atomic when that was said already.
    pub fn want(&self) {
        if !self.0.wanted.swap(true, Ordering::Relaxed) {
            self.0.wake.notify_one();
        }
    }
}

impl Drop for KeySource {
    fn drop(&mut self) {
        self.0.dropped.store(true, Ordering::Relaxed);
        self.0.wake.notify_one();
    }
}

impl Fetcher {
    /// Fetches for as long as its source lives.
    pub(crate) async fn run<F>(self, mut fetch: impl FnMut() -> F)
    where
        F: Future<Output = Result<Document, String>>,
    {
        let mut failures = 0;
        while !self.shared.dropped.load(Ordering::Relaxed) {
            let begun = now();
            // Who wants keys from here on wants others than those that come now.
            self.shared.wanted.store(false, Ordering::Relaxed);
            let fetched = fetch().await.and_then(|document| self.publish(document));
            let patience = match fetched {
                Ok(fresh) => {
                    if failures > 0 {
                        tracing::info!(url = &*self.name, "the keys of an issuer can be fetched again");
                    }
                    failures = 0;
                    fresh
                }
                Err(error) => {
                    self.tell(failures, &error);
                    failures += 1;
                    RETRY_MAX.min(INTERVAL_MIN * 2_u32.saturating_pow(failures - 1))
                }
            };
            tokio::select! {
                () = pause(patience) => {}
                () = self.shared.wake.notified() => pause(INTERVAL_MIN.saturating_sub(now() - begun)).await,
            }
        }
    }

    /// Makes a document the one that counts. Says how long it holds.
    fn publish(&self, document: Document) -> Result<Duration, String> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let fresh = document.max_age.unwrap_or(FRESH_USUAL).clamp(FRESH_MIN, FRESH_MAX);
        let is_same = |published: &Arc<Published>| published.content == document.content;
        if self.shared.published.load().as_ref().is_some_and(is_same) {
            return Ok(fresh);
        }
        let keys =
            KeySet::of_jwks(&document.content).map_err(|error| error.to_string())?.only(&self.algorithms);
        if keys.is_empty() {
            return Err("there is no key for the algorithms of the configuration".to_owned());
        }
        let generation = NEXT.fetch_add(1, Ordering::Relaxed);
        let published = Published { keys, generation, content: document.content };
        self.shared.published.store(Some(Arc::new(published)));
        Ok(fresh)
    }

    /// Tells people of the first failure; the others are the same.
    fn tell(&self, failures: u32, error: &str) {
        let url = &*self.name;
        if failures > 0 {
            tracing::debug!(url, error, "the keys of an issuer still can't be fetched");
        } else if self.shared.published.load().is_some() {
            tracing::warn!(
                url,
                error,
                "the keys of an issuer can't be fetched; those that are there are kept"
            );
        } else {
            tracing::warn!(
                url,
                error,
                "the keys of an issuer can't be fetched; until then its tokens get 503"
            );
        }
    }
}

#[cfg(test)]
mod tests;
