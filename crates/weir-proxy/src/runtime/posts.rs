//! Where a worker accepts clients: its share of the sockets of the process, which may change while it runs.

use std::rc::Rc;

use tokio::task::JoinSet;

use super::worker::Worker;
use crate::inbound::door::{Door, DoorId, Post, Relief};
use crate::inbound::listener::{self, Entrance};
use crate::inbound::threshold::{Closing, Threshold};

/// An accept loop has ended that should run for as long as its worker.
#[derive(Debug)]
pub(super) struct AcceptEnded;

/// The accept loops of a worker.
#[derive(Debug, Default)]
pub(super) struct Posts {
    manned: Vec<Manned>,
    /// Each ends with whether it was told to.
    accepting: JoinSet<bool>,
}

#[derive(Debug)]
struct Manned {
    door: DoorId,
    socket: usize,
    post: Rc<Post>,
}

impl Posts {
    /// Accepts from one more socket.
    pub(super) fn man(&mut self, worker: &Rc<Worker>, entrance: Entrance) {
        let Door { id: door, ref address, .. } = *entrance.door;
        // Those who came in through one listener are asked to leave together.
        let known = self.manned.iter().find(|manned| manned.door == door);
        let threshold =
            known.map_or_else(|| Threshold::new(address), |known| Rc::clone(&known.post.threshold));
        let post = Post::new(threshold);
        // It may have accepted from this one before, and handed it over.
        self.manned.retain(|manned| (manned.door, manned.socket) != (door, entrance.number));
        self.manned.push(Manned { door, socket: entrance.number, post: Rc::clone(&post) });
        self.accepting.spawn_local(listener::accept(Rc::clone(worker), entrance, post));
    }

    /// Another worker accepts from this socket now.
    pub(super) fn hand_over(&mut self, door: DoorId, socket: usize) {
        let is_it = |manned: &Manned| manned.door == door && manned.socket == socket;
        self.manned.iter().filter(|manned| is_it(manned)).for_each(|it| it.post.relieve(Relief::HandedOver));
    }

    /// Closes a listener: what waits is accepted, and everybody who came in is asked to leave.
    pub(super) fn close(&mut self, door: DoorId, closing: Closing) {
        for manned in self.manned.extract_if(.., |manned| manned.door == door) {
            manned.post.threshold.close(closing);
            manned.post.relieve(Relief::Closed);
        }
    }

    /// Closes all of them, and waits until what waits has been accepted.
    pub(super) async fn close_all(&mut self, closing: Closing) {
        for manned in self.manned.drain(..) {
            manned.post.threshold.close(closing);
            manned.post.relieve(Relief::Closed);
        }
        while self.accepting.join_next().await.is_some() {}
    }

    /// Waits until one ends that should not; for ever where none does. Cancel safe.
    pub(super) async fn broken(&mut self) -> AcceptEnded {
        loop {
            match self.accepting.join_next().await {
                Some(Ok(true)) => {}
                Some(Ok(false) | Err(_)) => return AcceptEnded,
                None => std::future::pending().await,
            }
        }
    }
}
