//! The queues of mode `duplicate`, one for each upstream that is written to so, for as long as the process lives.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_config::model::{Action, Dispatch, Model};
use weir_core::dispatch::{CatchUp, DuplicateRule};
use weir_core::ports::queue::{QueueSource, QueueStatus, WriteQueue};
use weir_core::queue::{Full, QueueLimits};

/// Opens a queue: by its name, whether it must outlive the process, and its bounds. Says what is wrong when it can't.
pub type OpenQueue = dyn Fn(&str, CatchUp, QueueLimits) -> Result<Arc<dyn WriteQueue>, String> + Send + Sync;

/// Opens none: for a process whose routes duplicate nothing, or without `catch_up`.
pub fn no_queues() -> Arc<OpenQueue> {
    Arc::new(|_, _, _| Err("there is no place for queues".to_owned()))
}

/// Why a queue can't be had: a process that went on without it would let writes wait nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueError {
    /// The upstream that it is for.
    pub upstream: String,
    /// Why, for people.
    pub reason: String,
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the queue of the upstream `{}` can't be opened: {}", self.upstream, self.reason)
    }
}

impl std::error::Error for QueueError {}

/// Why one that is in memory is no durable one.
const IN_MEMORY: &str = "it is in memory, and what waits in it is not moved into a file\n\nhint: `catch_up: durable` needs a restart";

/// All queues of the process.
#[derive(Clone)]
pub struct Queues {
    open: Arc<OpenQueue>,
    /// Looked at when a configuration is put in use, never on a request's way.
    by_upstream: Arc<Mutex<HashMap<Box<str>, Opened>>>,
}

#[derive(Clone)]
struct Opened {
    queue: Arc<dyn WriteQueue>,
    /// Whether somebody delivers from it.
    runs: bool,
}

impl fmt::Debug for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queues").field("upstreams", &self.opened().keys()).finish_non_exhaustive()
    }
}

impl Queues {
    /// None yet.
    pub fn new(open: Arc<OpenQueue>) -> Self {
        Self { open, by_upstream: Arc::default() }
    }

    fn opened(&self) -> MutexGuard<'_, HashMap<Box<str>, Opened>> {
        self.by_upstream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens what this model needs and was not open yet; what is open gets the bounds that the model says. A queue stays where it
    /// is, in memory or in a file, until the process ends: what waits in it is not moved.
    ///
    /// # Errors
    /// One can't be had as the model wants it. Nothing has changed then: what was opened is closed again.
    pub fn prepare(&self, model: &Model) -> Result<(), QueueError> {
        let mut new: HashMap<&str, Arc<dyn WriteQueue>> = HashMap::new();
        for (upstream, rule) in duplicates(model) {
            let is_durable = rule.catch_up == CatchUp::Durable;
            match self.of(upstream) {
                // What is promised for a write would not be kept.
                Some(queue) if is_durable && !queue.is_durable() => {
                    return Err(QueueError { upstream: upstream.to_owned(), reason: IN_MEMORY.to_owned() });
                }
                Some(queue) => {
                    if queue.is_durable() != is_durable {
                        tracing::warn!(
                            upstream,
                            "it stays in its file; another `catch_up` is used after the next start"
                        );
                    }
                }
                None if new.contains_key(upstream) => {}
                None => {
                    let queue = (self.open)(upstream, rule.catch_up, limits(rule))
                        .map_err(|reason| QueueError { upstream: upstream.to_owned(), reason })?;
                    new.insert(upstream, queue);
                }
            }
        }
        let mut by_upstream = self.opened();
        for (upstream, rule) in duplicates(model) {
            if let Some(queue) = new.remove(upstream) {
                by_upstream.insert(upstream.into(), Opened { queue, runs: false });
            } else if let Some(Opened { queue, .. }) = by_upstream.get(upstream) {
                queue.set_limits(limits(rule));
            }
        }
        Ok(())
    }

    /// The queue of an upstream, if it was opened.
    pub fn of(&self, upstream: &str) -> Option<Arc<dyn WriteQueue>> {
        self.opened().get(upstream).map(|known| Arc::clone(&known.queue))
    }

    /// Those from which nobody delivers yet; whoever asks does from now on.
    pub(super) fn begin_delivering(&self) -> Vec<(Box<str>, Arc<dyn WriteQueue>)> {
        let mut by_upstream = self.opened();
        let idle = by_upstream.iter_mut().filter(|(_, opened)| !opened.runs);
        idle.map(|(name, opened)| {
            opened.runs = true;
            (name.clone(), Arc::clone(&opened.queue))
        })
        .collect()
    }

    /// Writes what is still to be written and gives the files free. Blocks; call it when nobody delivers any more.
    pub(super) fn close(&self) {
        for queue in self.queues() {
            queue.close();
        }
    }

    /// The names of those that have files.
    pub(super) fn durable(&self) -> Vec<String> {
        let durable = self.queues().into_iter().filter(|queue| queue.is_durable());
        durable.map(|queue| queue.status().name.to_string()).collect()
    }

    /// One that waits for another process to let go of its file.
    pub(super) fn not_taken_over(&self) -> Option<String> {
        let waits = self.queues().into_iter().find(|queue| !queue.delivers())?;
        Some(waits.status().name.to_string())
    }

    /// See [`WriteQueue::share`].
    pub(super) fn share(&self, shared: bool) {
        self.queues().iter().for_each(|queue| queue.share(shared));
    }

    /// Gives the files free, and takes no write for them any more. Blocks.
    pub(super) fn close_durable(&self) {
        self.queues().iter().filter(|queue| queue.is_durable()).for_each(|queue| queue.close());
    }

    /// Waits until servers have all that waits in memory. Cancel safe.
    pub(super) async fn delivered_from_memory(&self) {
        for queue in self.queues().iter().filter(|queue| !queue.is_durable()) {
            queue.emptied().await;
        }
    }

    /// Writes in memory that some server has not got.
    pub(super) fn writes_in_memory(&self) -> usize {
        let in_memory = self.queues().into_iter().filter(|queue| !queue.is_durable());
        in_memory.map(|queue| queue.status().backlog_writes).sum()
    }

    /// All queues with their states, by the names of their upstreams.
    pub fn status(&self) -> Vec<QueueStatus> {
        self.queues().iter().map(|queue| queue.status()).collect()
    }
}

impl QueueSource for Queues {
    fn queues(&self) -> Vec<Arc<dyn WriteQueue>> {
        let opened = self.opened();
        let by_name: BTreeMap<_, _> = opened.iter().collect();
        by_name.into_values().map(|opened| Arc::clone(&opened.queue)).collect()
    }

    fn queue(&self, name: &str) -> Option<Arc<dyn WriteQueue>> {
        self.of(name)
    }
}

/// The rules by which writes wait, with the names of their upstreams.
fn duplicates(model: &Model) -> impl Iterator<Item = (&str, &DuplicateRule)> {
    let routes = model.services.iter().flat_map(|service| &service.routes);
    let forwards = routes.filter_map(|route| match &route.action {
        Action::Forward(forward) => Some(forward),
        Action::Redirect(_) | Action::Respond(_) => None,
    });
    forwards.flat_map(|forward| {
        let name = model.upstreams[forward.upstream.0].name.as_str();
        forward.dispatch.iter().filter_map(move |dispatch| match dispatch {
            Dispatch::Duplicate(rule) if rule.catch_up != CatchUp::Off => Some((name, rule)),
            _ => None,
        })
    })
}

fn limits(rule: &DuplicateRule) -> QueueLimits {
    QueueLimits {
        keep: rule.keep,
        backlog_writes_max: usize::try_from(rule.backlog_max).unwrap_or(usize::MAX),
        backlog_bytes_max: rule.backlog_bytes_max,
        full: match rule.full {
            weir_core::dispatch::Full::Reject => Full::Reject,
            weir_core::dispatch::Full::DropOldest => Full::DropOldest,
        },
        dead_writes_max: usize::try_from(rule.dead_letters_max).unwrap_or(usize::MAX),
        dead_bytes_max: rule.dead_letters_bytes_max,
        strict_order: rule.strict_order,
    }
}
