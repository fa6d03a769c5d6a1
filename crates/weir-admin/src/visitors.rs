//! Who is connected, where a token is asked for: those who have shown it, and strangers.
//!
//! A connection that has said nothing yet may be an operator's or that of somebody who wants to keep operators out. So strangers have
//! places of their own, which those who know the token do not need, and little time. When all of their places are taken, whoever
//! comes next gets one: that of the stranger who is there longest, of those from the address that has most. So who comes in
//! numbers drives out himself, and an operator from elsewhere is heard.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use weir_core::address::client_network;

/// Connections of those who have shown the token, or need none; further ones wait in the listen queue until one ends.
pub(crate) const CONNECTIONS_MAX: usize = 64;

/// Connections of strangers, beside those.
pub(crate) const STRANGERS_MAX: usize = 32;

/// Everybody who is connected.
#[derive(Debug, Default)]
pub(crate) struct Visitors(Mutex<Present>);

#[derive(Debug, Default)]
struct Present {
    /// The numbers of those who need no token, or have shown it.
    admitted: BTreeSet<u64>,
    /// In the order in which they came.
    strangers: VecDeque<Stranger>,
    /// The number of whoever comes next.
    next: u64,
}

#[derive(Debug)]
struct Stranger {
    number: u64,
    /// Where from; `None` over a Unix socket.
    address: Option<IpAddr>,
    out: Arc<Notify>,
}

/// Somebody's connection, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Visit {
    visitors: Arc<Visitors>,
    number: u64,
    out: Arc<Notify>,
}

impl Visitors {
    fn present(&self) -> MutexGuard<'_, Present> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one more may come.
    pub(crate) fn have_room(&self) -> bool {
        self.present().admitted.len() < CONNECTIONS_MAX
    }

    /// One more has come, who is a stranger where a token is asked for.
    pub(crate) fn arrive(self: &Arc<Self>, address: Option<IpAddr>, is_stranger: bool) -> Visit {
        let mut present = self.present();
        let (number, out) = (present.next, Arc::new(Notify::new()));
        present.next += 1;
        if is_stranger {
            // Who has one address of IPv6 has a whole network of them.
            let address = address.map(client_network);
            if present.strangers.len() >= STRANGERS_MAX {
                present.send_one_out();
            }
            present.strangers.push_back(Stranger { number, address, out: Arc::clone(&out) });
        } else {
            present.admitted.insert(number);
        }
        Visit { visitors: Arc::clone(self), number, out }
    }
}

impl Present {
    fn place_of(&self, number: u64) -> Option<usize> {
        self.strangers.iter().position(|stranger| stranger.number == number)
    }

    fn send_one_out(&mut self) {
        let from = |address| self.strangers.iter().filter(|one| one.address == address).count();
        let most = self.strangers.iter().map(|one| from(one.address)).max();
        let oldest = self.strangers.iter().position(|one| Some(from(one.address)) == most);
        if let Some(out) = oldest.and_then(|place| self.strangers.remove(place)) {
            out.out.notify_one();
        }
    }
}

impl Visit {
    /// It has shown the token, or it is asked for none.
    pub(crate) fn is_admitted(&self) {
        let mut present = self.visitors.present();
        if let Some(place) = present.place_of(self.number) {
            present.strangers.remove(place);
            present.admitted.insert(self.number);
        }
    }

    /// Whether it has not shown the token.
    pub(crate) fn is_stranger(&self) -> bool {
        self.visitors.present().place_of(self.number).is_some()
    }

    /// Waits until somebody else gets its place.
    pub(crate) async fn sent_out(&self) {
        self.out.notified().await;
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut present = self.visitors.present();
        // Who was sent out has no place any more.
        if !present.admitted.remove(&self.number)
            && let Some(place) = present.place_of(self.number)
        {
            present.strangers.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, 0, last]))
    }

    fn is_sent_out(visit: &Visit) -> bool {
        let mut out = std::pin::pin!(visit.sent_out());
        out.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready()
    }

    #[test]
    fn those_from_one_address_drive_out_each_other_and_nobody_else() {
        let visitors = Arc::new(Visitors::default());
        let operator = visitors.arrive(address(1), true);
        let crowd: Vec<_> = (0..4 * STRANGERS_MAX).map(|_| visitors.arrive(address(2), true)).collect();
        assert!(operator.is_stranger() && !is_sent_out(&operator), "it came first, and alone");
        let (gone, there) = crowd.split_at(crowd.len() - (STRANGERS_MAX - 1));
        assert!(gone.iter().all(|visit| !visit.is_stranger() && is_sent_out(visit)));
        assert!(there.iter().all(|visit| visit.is_stranger() && !is_sent_out(visit)));
    }

    /// Each of them has its own address of one network, which counts as one client everywhere else too.
    #[test]
    fn those_from_one_network_of_ipv6_are_one_crowd() {
        let visitors = Arc::new(Visitors::default());
        let at = |network: u16, host: u16| Some(IpAddr::from([0x2001, 0xdb8, 0, network, 0, 0, 0, host]));
        let operator = visitors.arrive(at(1, 1), true);
        let crowd: Vec<_> = (1..=40).map(|host| visitors.arrive(at(2, host), true)).collect();
        assert!(operator.is_stranger() && !is_sent_out(&operator), "it came first, and alone");
        assert!(is_sent_out(&crowd[0]));
    }

    #[test]
    fn without_addresses_the_oldest_one_goes() {
        let visitors = Arc::new(Visitors::default());
        let mut all: Vec<_> = (0..STRANGERS_MAX).map(|_| visitors.arrive(None, true)).collect();
        all.push(visitors.arrive(None, true));
        assert!(is_sent_out(&all[0]) && all[1..].iter().all(Visit::is_stranger));
        // Who was sent out and ends makes no room for another one; who leaves by himself does.
        drop(all.remove(0));
        all.push(visitors.arrive(None, true));
        assert!(is_sent_out(&all[0]));
        drop(all.remove(1));
        all.push(visitors.arrive(None, true));
        assert!(all[1..].iter().all(Visit::is_stranger));
    }

    #[test]
    fn places_are_for_those_who_are_admitted() {
        let visitors = Arc::new(Visitors::default());
        let strangers: Vec<_> = (0..STRANGERS_MAX).map(|_| visitors.arrive(address(2), true)).collect();
        let known: Vec<_> = (1..CONNECTIONS_MAX).map(|_| visitors.arrive(address(1), false)).collect();
        assert!(visitors.have_room());
        strangers[0].is_admitted();
        strangers[0].is_admitted();
        assert!(!visitors.have_room() && !strangers[0].is_stranger());
        // Its place among the strangers is free.
        let more = visitors.arrive(address(3), true);
        assert!(more.is_stranger() && strangers[1..].iter().all(Visit::is_stranger));
        drop(known);
        assert!(visitors.have_room());
        // Who has gone is admitted no more.
        let gone = visitors.arrive(address(2), true);
        assert!(is_sent_out(&strangers[1]));
        strangers[1].is_admitted();
        drop((strangers, more, gone));
        assert!(visitors.present().admitted.is_empty() && visitors.present().strangers.is_empty());
    }
}
