//! Which connections are open, on all threads, and how one is cut.
//!
//! Each thread has a table behind a lock that it takes for a moment when a connection comes and when it goes, never for a message. So
//! nobody who asks has to wait for a thread, and what one has that stands still is seen too.

use std::future::ready;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use slab::Slab;
use tokio::task::AbortHandle;
use weir_core::ports::connections::{
    ConnectionAnswer, ConnectionPage, ConnectionSource, ConnectionStatus, Cursor, CutAnswer, CutOutcome,
};
use weir_upstream::policy_groups::PolicyGroups;

use crate::sight::Sight;

/// Where a page begins that has connections of these threads: their numbers are above those of all workers for HTTP.
const FIRST_THREAD: u64 = 1 << 32;

/// What stands before the number of a thread in the name of a connection.
const PREFIX: char = 'p';

/// The connections of one thread.
#[derive(Debug)]
pub(crate) struct Connections {
    thread: u64,
    listener: SocketAddr,
    /// Whether they are asked to leave.
    is_draining: AtomicBool,
    groups: Arc<PolicyGroups>,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    entries: Slab<Entry>,
    /// The name of the next one. None is given twice: who asks for a connection to be cut may have looked long ago, and its place may be
    /// another one's now.
    next_id: u64,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    sight: Arc<Sight>,
    /// Ends it; `None` for a moment at its beginning.
    serving: Option<AbortHandle>,
}

/// The place of a connection in the table, which is given up when this is dropped.
#[derive(Debug)]
pub(crate) struct Entered {
    connections: Arc<Connections>,
    place: usize,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.connections.table().entries.try_remove(self.place);
    }
}

impl Entered {
    /// Enters a connection.
    pub(crate) fn new(connections: &Arc<Connections>, sight: &Arc<Sight>) -> Self {
        let mut table = connections.table();
        let id = table.next_id;
        table.next_id = id.wrapping_add(1);
        let place = table.entries.insert(Entry { id, sight: Arc::clone(sight), serving: None });
        Self { connections: Arc::clone(connections), place }
    }

    /// Its place, for [`Connections::is_served_by`].
    pub(crate) fn place(&self) -> usize {
        self.place
    }
}

impl Connections {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection at this place, which was entered just now, is served by this task: it is closed with that.
    pub(crate) fn is_served_by(&self, place: usize, task: AbortHandle) {
        if let Some(entry) = self.table().entries.get_mut(place) {
            entry.serving = Some(task);
        }
    }

    /// They are asked to leave.
    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    fn status(&self, id: u64, sight: &Sight) -> ConnectionStatus {
        ConnectionStatus {
            id: format!("{PREFIX}{}-{id}", self.thread),
            listener: self.listener.to_string(),
            draining: self.is_draining.load(Ordering::Relaxed),
            ..sight.status(&self.groups)
        }
    }

    /// Connections from this place on, at most so many; and the place behind them, unless there is none any more.
    fn page(&self, from: usize, max: usize) -> (Vec<ConnectionStatus>, Option<usize>) {
        let (found, next) = {
            let table = self.table();
            let mut left = table.entries.iter().skip_while(|(place, _)| *place < from);
            let found = left.by_ref().take(max).map(|(_, entry)| (entry.id, Arc::clone(&entry.sight)));
            let found: Vec<_> = found.collect();
            (found, left.next().map(|(place, _)| place))
        };
        (found.iter().map(|(id, sight)| self.status(*id, sight)).collect(), next)
    }

    /// Closes a connection at once. Says whether it was there.
    fn cut(&self, id: u64) -> bool {
        let table = self.table();
        let found = table.entries.iter().find(|(_, entry)| entry.id == id);
        found.inspect(|(_, entry)| entry.serving.iter().for_each(AbortHandle::abort)).is_some()
    }
}

/// The connections of all threads.
#[derive(Debug, Default)]
pub(crate) struct AllConnections(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    next_thread: u64,
    /// In the order of their numbers.
    threads: Vec<Weak<Connections>>,
}

impl AllConnections {
    /// The table of one more thread, which is known for as long as that holds it.
    pub(crate) fn of_thread(&self, listener: SocketAddr, groups: Arc<PolicyGroups>) -> Arc<Connections> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let thread = known.next_thread;
        known.next_thread += 1;
        let is_draining = AtomicBool::new(false);
        let table = Mutex::default();
        let connections = Arc::new(Connections { thread, listener, is_draining, groups, table });
        known.threads.retain(|thread| thread.strong_count() > 0);
        known.threads.push(Arc::downgrade(&connections));
        connections
    }

    fn threads(&self) -> Vec<Arc<Connections>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.threads.iter().filter_map(Weak::upgrade).collect()
    }

    fn page(&self, from: Cursor, max: usize) -> ConnectionPage {
        let mut page = ConnectionPage::default();
        for connections in self.threads() {
            page.total += connections.table().entries.len() as u64;
            let worker = FIRST_THREAD + connections.thread;
            if worker < from.worker || page.next.is_some() {
                continue;
            }
            let place = if worker == from.worker { from.place } else { 0 };
            let (found, next) = connections.page(place, max - page.connections.len());
            page.connections.extend(found);
            page.next = next.map(|place| Cursor { worker, place });
        }
        page
    }

    fn cut_named(&self, name: &str) -> Option<bool> {
        let (thread, id) = name.strip_prefix(PREFIX)?.split_once('-')?;
        let (thread, id): (u64, u64) = (thread.parse().ok()?, id.parse().ok()?);
        self.threads().iter().find(|connections| connections.thread == thread).map(|it| it.cut(id))
    }
}

impl ConnectionSource for AllConnections {
    fn connections(&self, from: Cursor, max: usize) -> ConnectionAnswer<'_> {
        Box::pin(ready(self.page(from, max)))
    }

    fn cut(&self, name: &str) -> CutAnswer<'_> {
        let outcome = match self.cut_named(name) {
            Some(true) => CutOutcome::Cut,
            _ => CutOutcome::Unknown,
        };
        Box::pin(ready(outcome))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;
    use std::future::pending;

    use tokio::runtime::{Builder, LocalOptions};
    use tokio::task::{JoinHandle, spawn_local, yield_now};

    use super::*;

    fn peer(port: u16) -> SocketAddr {
        ([192, 0, 2, 7], port).into()
    }

    /// A connection that is served for ever.
    fn begin(connections: &Arc<Connections>, port: u16) -> JoinHandle<()> {
        let entered = Entered::new(connections, &Arc::new(Sight::new(peer(port))));
        let place = entered.place();
        let serving = spawn_local(async move {
            pending::<()>().await;
            drop(entered);
        });
        connections.is_served_by(place, serving.abort_handle());
        serving
    }

    /// All clients with the names of their connections, in pages of so many.
    fn told(all: &AllConnections, max: usize) -> Vec<(String, String)> {
        let (mut from, mut told) = (Cursor::default(), Vec::new());
        loop {
            let page = all.page(from, max);
            assert!(page.connections.len() <= max);
            told.extend(page.connections.into_iter().map(|one| (one.client, one.id)));
            match page.next {
                Some(next) => {
                    assert!(next > from, "{next:?} is not behind {from:?}");
                    from = next;
                }
                None => return told,
            }
        }
    }

    fn local<T>(test: impl Future<Output = T>) -> T {
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        runtime.unwrap().block_on(test)
    }

    #[test]
    fn each_is_told_once_on_pages_of_any_size_and_one_is_cut_by_its_name() {
        local(async {
            let all = AllConnections::default();
            let threads = [(); 3].map(|()| all.of_thread(peer(80), Arc::default()));
            assert_eq!((told(&all, 7), all.page(Cursor::default(), 0).next), (Vec::new(), None));
            // The one in the middle has none.
            let serving: Vec<_> =
                (1..=8).map(|port| begin(&threads[usize::from(port % 2) * 2], port)).collect();
            let whole = told(&all, 1000);
            let names: BTreeSet<_> = whole.iter().map(|(_, name)| name).collect();
            assert_eq!((whole.len(), names.len()), (8, 8));
            for max in 1..10 {
                assert_eq!(told(&all, max), whole, "pages of {max}");
            }
            let none = all.page(Cursor::default(), 0);
            assert_eq!((none.total, none.connections.len(), none.next.is_some()), (8, 0, true));
            // Twice, and what makes no sense.
            let (client, name) = whole[3].clone();
            assert_eq!(all.cut(&name).await, CutOutcome::Cut);
            yield_now().await;
            assert_eq!(all.cut(&name).await, CutOutcome::Unknown);
            for bad in ["", "p", "p0", "p0-", "p0-x", "p9-0", "0-0", "p-0-0", "p0-99999999999999999999"] {
                assert_eq!(all.cut(bad).await, CutOutcome::Unknown, "{bad}");
            }
            let rest = told(&all, 3);
            assert!(rest.len() == 7 && rest.iter().all(|(other, _)| *other != client), "{rest:?}");
            assert_eq!(serving.iter().filter(|serving| serving.is_finished()).count(), 1);
            // Its place is another one's now, and its name is not.
            let thread = if name.starts_with("p0-") { 0 } else { 2 };
            let more = begin(&threads[thread], 9);
            assert!(told(&all, 3).iter().all(|(_, known)| *known != name));
            // A thread that has ended has none.
            let [first, _, last] = threads;
            drop(first);
            drop(last);
            serving.iter().for_each(JoinHandle::abort);
            more.abort();
            yield_now().await;
            assert_eq!((told(&all, 3), all.page(Cursor::default(), 3).total), (Vec::new(), 0));
        });
    }
}
