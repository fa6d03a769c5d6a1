//! A worker's main loop: it accepts, listens to its inbox, and ends when it has drained.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use weir_upstream::body::replay::ReplayPool;
use weir_upstream::io::deadline::{now, pause};

use super::counters::WorkerCounters;
use super::inbox::{Change, Message};
use super::permits::Permits;
use super::posts::{AcceptEnded, Posts};
use super::quiet::Teller;
use super::snapshot::Snapshot;
use super::waves::Waves;
use super::worker::Worker;
use crate::access_log::LogHandle;
use crate::inbound::listener::Entrance;
use crate::inbound::threshold::Closing;

/// How often lines of the access log leave a worker that has little to say.
const LOG_FLUSH_INTERVAL: Duration = Duration::from_millis(100);

/// How often idle connections to servers are looked through.
const POOL_SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// What a worker is made of.
pub(super) struct Setup {
    /// The snapshot to begin with.
    pub snapshot: Arc<Snapshot>,
    /// The sockets it accepts from.
    pub sockets: Vec<Entrance>,
    /// Its counters.
    pub counters: Arc<WorkerCounters>,
    /// Where lines of the access log go.
    pub log: Option<LogHandle>,
    /// What may be in progress at once.
    pub permits: Permits,
    /// Where bodies are kept that more than one server gets.
    pub replay: ReplayPool,
    /// Dropped when it drains and gets no request any more.
    pub teller: Teller,
    /// Where it is told what to do.
    pub inbox: mpsc::Receiver<Message>,
}

/// Runs a worker until it has drained or is stopped. Returns how many connections were cut.
///
/// # Errors
/// It can't accept any more although nobody told it to stop: connections would wait for ever in the queues of its sockets.
pub(super) async fn run(setup: Setup) -> Result<usize, AcceptEnded> {
    let Setup { snapshot, sockets, counters, log, permits, replay, teller, mut inbox } = setup;
    let mut teller = Some(teller);
    let worker = Rc::new(Worker::new(snapshot, counters, log, permits, replay));
    let mut posts = Posts::default();
    sockets.into_iter().for_each(|entrance| posts.man(&worker, entrance));
    // One that never comes to it is stuck too.
    worker.counters.begin_ticking(POOL_SWEEP_INTERVAL);
    let ticking = tokio::task::spawn_local(tick(Rc::clone(&worker)));
    let pooling = {
        let worker = Rc::clone(&worker);
        tokio::task::spawn_local(async move { worker.pools.make_room().await })
    };
    let mut cut = 0;
    loop {
        let message = if worker.is_draining() {
            tokio::select! {
                message = inbox.recv() => message,
                () = emptied(&worker) => break,
            }
        } else {
            tokio::select! {
                message = inbox.recv() => message,
                ended = posts.broken() => return Err(ended),
            }
        };
        match message {
            Some(Message::Change(change)) => adopt(&worker, &mut posts, change),
            Some(Message::Drain(idle)) => {
                worker.begin_drain(idle);
                posts.close_all(Closing { since: now(), idle }).await;
                if let Some(teller) = teller.take() {
                    let worker = Rc::clone(&worker);
                    tokio::task::spawn_local(async move {
                        worker.registry.quiet().await;
                        worker.tracker.emptied().await;
                        drop(teller);
                    });
                }
            }
            Some(Message::Inspect(query, reply)) => {
                // Whoever asked may have gone.
                let _ = reply.send(worker.inspect(query));
            }
            Some(Message::Cut(id, reply)) => {
                // Whoever asked may have gone.
                let _ = reply.send(worker.registry.cut(id));
            }
            Some(Message::Stop) | None => {
                cut = worker.registry.len();
                break;
            }
        }
    }
    ticking.abort();
    worker.counters.end_ticking();
    // Its connections to servers end with it; the counters are somebody else's next.
    worker.counters.pool_idle.set(0);
    pooling.abort();
    Ok(cut)
}

/// Goes on as another configuration says. A worker does nothing else meanwhile, so all that takes long has been done before.
fn adopt(worker: &Rc<Worker>, posts: &mut Posts, change: Change) {
    let Change { snapshot, open, hand_over, close, idle, log, done } = change;
    let begun = now();
    worker.publish(snapshot);
    if let Some(log) = log {
        // The lines that it has go where they were meant to go.
        drop(worker.log.replace(log));
    }
    // Nobody comes in any more where somebody drains.
    if !worker.is_draining() {
        open.into_iter().for_each(|entrance| posts.man(worker, entrance));
    }
    hand_over.into_iter().for_each(|(door, socket)| posts.hand_over(door, socket));
    if !close.is_empty() {
        let closing = Closing { since: now(), idle };
        close.into_iter().for_each(|door| posts.close(door, closing));
        worker.registry.wake_all();
    }
    // Whoever asked may have gone.
    let _ = done.send(now() - begun);
}

/// Waits until no connection is left, nor anything that goes on without one.
async fn emptied(worker: &Worker) {
    worker.registry.emptied().await;
    worker.tracker.emptied().await;
}

async fn tick(worker: Rc<Worker>) {
    let (mut swept, mut waves) = (now(), Waves::default());
    loop {
        // There may be another log than a moment ago.
        let has_log = worker.log.borrow().is_some();
        let period = if has_log { LOG_FLUSH_INTERVAL } else { POOL_SWEEP_INTERVAL };
        let due = now() + period;
        pause(period).await;
        worker.counters.tick(due, POOL_SWEEP_INTERVAL);
        if let Some(log) = &mut *worker.log.borrow_mut() {
            log.flush();
        }
        if now() - swept >= POOL_SWEEP_INTERVAL {
            swept = now();
            worker.pools.sweep();
            worker.counters.pool_idle.set(worker.pools.len() as u64);
            if waves.are_over(&worker.counters) {
                weir_allocator::give_back();
            }
        }
    }
}
