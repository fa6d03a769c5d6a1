//! The idle connections of a worker, by server; the last one given back is the first one taken.
//!
//! Each worker has its own pool, so no lock is taken. The connection that was used last is the least likely to have been
//! closed by the server, and those at the bottom grow old and are swept away.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::connections::{Connections, Listener, Place};
use crate::io::conduit::Conduit;
use crate::io::deadline::now;
use crate::io::stream::Stream;
use crate::member::Server;

/// Idle connections to one server that one worker keeps; more are closed when they are given back. So many that a crowd of clients
/// finds them again: where fewer are kept than are used at once, nearly every request opens one.
pub const IDLE_PER_SERVER_MAX: usize = 8192;

/// A connection to a server that carries one request at a time.
#[derive(Debug)]
pub struct Connection {
    /// The stream.
    pub stream: Rc<Stream>,
    /// The server at its other end.
    pub server: Arc<Server>,
    /// Whether it has carried a request before.
    pub reused: bool,
}

/// Says that somebody listens, for as long as it lives.
struct Listens<'p>(&'p Cell<bool>);

impl<'p> Listens<'p> {
    fn begin(listens: &'p Cell<bool>) -> Self {
        listens.set(true);
        Self(listens)
    }
}

impl Drop for Listens<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
    until: Instant,
}

/// The idle connections of one worker.
#[derive(Debug, Default)]
pub struct Pools {
    by_slot: RefCell<Vec<Vec<Idle>>>,
    /// Whether somebody hears when idle connections are in the way of others.
    listens: Cell<bool>,
}

impl Pools {
    /// An idle connection to this server, if there is one that nothing has come on.
    ///
    /// With `idle_max` the connection must have been idle for less than that, and the system is asked whether it still
    /// stands: for requests that must not be repeated (`semantics.md` §2.2).
    pub fn take(&self, server: &Arc<Server>, idle_max: Option<Duration>, now: Instant) -> Option<Connection> {
        let mut by_slot = self.by_slot.borrow_mut();
        let idle = by_slot.get_mut(server.slot())?;
        while let Some(Idle { connection, since, until }) = idle.pop() {
            let quiet = || match idle_max {
                None => connection.stream.seems_quiet(),
                Some(_) => connection.stream.is_quiet(),
            };
            if idle_max.is_some_and(|max| now.saturating_duration_since(since) >= max) {
                // Those below are older still; they may carry other requests.
                idle.push(Idle { connection, since, until });
                return None;
            }
            if now < until && quiet() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection that has carried a whole answer for the next request.
    pub fn give_back(&self, mut connection: Connection, idle_timeout: Duration, now: Instant) {
        let is_in_the_way = || {
            let connections = connection.server.connections();
            connections.are_limited() && (connections.wanted() > 0 || !self.listens.get())
        };
        if idle_timeout.is_zero() || connection.server.has_left() || is_in_the_way() {
            connection.stream.say_goodbye();
            return;
        }
        connection.reused = true;
        let slot = connection.server.slot();
        let mut by_slot = self.by_slot.borrow_mut();
        if by_slot.len() <= slot {
            by_slot.resize_with(slot + 1, Vec::new);
        }
        let idle = &mut by_slot[slot];
        if idle.len() < IDLE_PER_SERVER_MAX {
            idle.push(Idle { connection, since: now, until: now + idle_timeout });
        } else {
            connection.stream.say_goodbye();
        }
    }

    /// Closes connections that are too old, whose server has left, that the server has closed, or on which bytes came that
    /// nobody asked for.
    pub fn sweep(&self) {
        Conduit::sweep();
        let now = now();
        for idle in self.by_slot.borrow_mut().iter_mut() {
            idle.retain(|Idle { connection, until, .. }| {
                let old = now >= *until || connection.server.has_left();
                if old {
                    connection.stream.say_goodbye();
                }
                !old && connection.stream.seems_quiet()
            });
            if idle.is_empty() {
                idle.shrink_to(4);
            }
        }
    }

    /// Closes the half that has been idle longest, and pipes that wait for large bodies; for when file descriptors run out.
    pub fn shed(&self) {
        Conduit::shed();
        for idle in self.by_slot.borrow_mut().iter_mut() {
            idle.drain(..idle.len().div_ceil(2)).for_each(|idle| idle.connection.stream.say_goodbye());
        }
    }

    /// A place for one more connection to this server. One that is idle here and in the way is closed for it; else it waits, for as
    /// long as it takes, for what others close. Cancel safe.
    pub async fn place(&self, server: &Server) -> Place {
        let connections = server.connections();
        if let Some(place) = connections.try_take() {
            return place;
        }
        while self.close_one(|other| connections.lack_what_has(other)) {
            if let Some(place) = connections.try_take() {
                return place;
            }
        }
        // Rare, so that those that need not wait have no room for it.
        Box::pin(connections.take()).await
    }

    /// Closes idle connections whenever somebody waits for their places: of each server those that have been idle longest, as many
    /// as there are waiting, because nobody knows what other workers close. Those to servers whose number is limited are only kept
    /// while this runs. Never ends.
    pub async fn make_room(&self) {
        let listener = Listener::new();
        let _listens = Listens::begin(&self.listens);
        loop {
            listener.rung().await;
            for idle in self.by_slot.borrow_mut().iter_mut() {
                let wanted = idle.first().map_or(0, |idle| idle.connection.server.connections().wanted());
                let count = idle.len().min(wanted as usize);
                idle.drain(..count).for_each(|idle| idle.connection.stream.say_goodbye());
            }
        }
    }

    /// Closes the connection that has been idle longest to a server of these; whether there was one.
    fn close_one(&self, of: impl Fn(&Connections) -> bool) -> bool {
        let mut by_slot = self.by_slot.borrow_mut();
        let mut found: Option<(usize, Instant)> = None;
        for (slot, idle) in by_slot.iter().enumerate() {
            if let Some(Idle { connection, since, .. }) = idle.first()
                && found.is_none_or(|(_, oldest)| *since < oldest)
                && of(connection.server.connections())
            {
                found = Some((slot, *since));
            }
        }
        let Some((slot, _)) = found else { return false };
        by_slot[slot].remove(0).connection.stream.say_goodbye();
        true
    }

    /// Idle connections, over all servers.
    pub fn len(&self) -> usize {
        self.by_slot.borrow().iter().map(Vec::len).sum()
    }

    /// Whether there is no idle connection.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests;
