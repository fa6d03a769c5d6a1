//! Handing over to a process that replaces this one: what it gets, and how this one ends beside it.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;

use weir_upstream::io::deadline::{now, pause};

use super::inbox::Message;
use super::process::Proxy;

/// The sockets of one address, for another process.
#[derive(Debug)]
pub struct HandedOver {
    /// The address as it is in the configuration.
    pub written: String,
    /// Its sockets once more.
    pub sockets: Vec<OwnedFd>,
    /// Somebody who is no Weir has them too, and the file of a Unix socket is theirs.
    pub is_foreign: bool,
}

/// What was not brought to its end beside a successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remains {
    /// Connections that were cut.
    pub connections: usize,
    /// Writes in memory that some server has not got.
    pub writes: usize,
}

impl Proxy {
    /// All listening sockets once more, in the order of the configuration.
    ///
    /// # Errors
    /// The system has no file descriptor left.
    pub fn sockets_to_hand_over(&self) -> io::Result<Vec<HandedOver>> {
        let handed = self.listeners.iter().map(|listener| {
            let listener = &listener.listener;
            let (written, is_foreign) = (listener.written().to_owned(), listener.is_left());
            Ok(HandedOver { written, sockets: listener.duplicates()?, is_foreign })
        });
        handed.collect()
    }

    /// The names of queues of which this process has the files.
    pub fn queues_to_hand_over(&self) -> Vec<String> {
        self.queues.durable()
    }

    /// A queue of which the process before this one still has the file; nobody can take it over from here then.
    pub fn queue_not_taken_over(&self) -> Option<String> {
        self.queues.not_taken_over()
    }

    /// Writes in memory that some server has not got: what ends with this process.
    pub fn writes_in_memory(&self) -> usize {
        self.queues.writes_in_memory()
    }

    /// Another process may use the files of queues beside this one from now on; with `false` it has gone, and what it has left there is
    /// this one's.
    pub fn share_queues(&self, shared: bool) {
        self.queues.share(shared);
    }

    /// Waits beside a process that has all listening sockets until what runs has ended, at most until the deadline of the configuration;
    /// then the rest is cut. Files of queues are let go as soon as no connection can bring a request any more: the other process waits
    /// for them. Writes in memory are delivered until the deadline. Call after [`begin_drain`](Self::begin_drain). Cancel safe.
    pub async fn drained_beside_successor(&mut self) -> Remains {
        self.listeners.iter_mut().for_each(|listener| listener.listener.leave());
        self.listeners.clear();
        let end = now() + self.drain.deadline;
        let quiet = self.quiet.clone();
        let queues = self.queues.clone();
        let mut connections = 0;
        {
            let mut over = pin!(pause(end.saturating_duration_since(now())));
            let mut lets_go = pin!(async {
                quiet.wait().await;
                queues.close_durable();
                std::future::pending::<()>().await;
            });
            tokio::select! {
                count = self.fleet.all_ended() => connections += count,
                () = &mut lets_go => {}
                () = &mut over => {
                    self.fleet.tell_all(|_| Message::Stop).await;
                    connections += self.fleet.all_ended().await;
                }
            }
        }
        queues.close_durable();
        tokio::select! {
            () = queues.delivered_from_memory() => {}
            () = pause(end.saturating_duration_since(now())) => {}
        }
        Remains { connections, writes: queues.writes_in_memory() }
    }
}
