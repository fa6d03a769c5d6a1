//! A mixture of everything that clients and servers do, well and badly, on many connections at once. Each answer is held against
//! what was asked: it carries the number of its request, which nobody else ever had, in a field and all through its body.

mod bad_request;
mod client;
mod kind;
mod leaving;
mod ledger;
mod origin;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rustls::ClientConfig;

use self::client::Client;
pub(crate) use self::ledger::{Ledger, SERVERS};
pub(crate) use self::origin::Origin;
pub(crate) use self::wire::{Wire, field};

/// Clients at a time.
const CLIENTS: u64 = 24;

/// The field of an answer that says whose it is.
const ID_FIELD: &str = "X-Answer";

/// Where the clients find the proxy, and who holds them to account.
pub(crate) struct Entrance {
    pub(crate) plain: SocketAddr,
    pub(crate) tls: SocketAddr,
    /// Clients that come back with a ticket, and clients that never do.
    pub(crate) trust: [Arc<ClientConfig>; 2],
    pub(crate) ledger: Arc<Ledger>,
}

/// Sends so many requests, and somewhat more. Gives how many of them were answered.
///
/// # Panics
/// When an answer is not the right one.
pub(crate) fn send(entrance: &Entrance, requests: u64, seed: u64) -> u64 {
    let (sent, answered) = <(AtomicU64, AtomicU64)>::default();
    std::thread::scope(|scope| {
        for place in 0..CLIENTS {
            let (sent, answered) = (&sent, &answered);
            scope.spawn(move || {
                let _stop = Stop(sent);
                let mut random = fastrand::Rng::with_seed(seed * CLIENTS + place);
                let mut client = Client::new(entrance, place);
                loop {
                    for kind in kind::deck(&mut random) {
                        if sent.load(Relaxed) >= requests {
                            return;
                        }
                        client.play(kind);
                        sent.fetch_add(kind.requests(), Relaxed);
                        if kind.is_answered() {
                            answered.fetch_add(kind.requests(), Relaxed);
                        }
                    }
                }
            });
        }
    });
    answered.into_inner()
}

/// When one client has seen something wrong, all stop.
struct Stop<'a>(&'a AtomicU64);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(u64::MAX / 2, Relaxed);
        }
    }
}

/// A number that no other request of this process has, and behind it so many that are as good.
fn fresh(count: u64) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0x1000_0000);
    NEXT.fetch_add(count, Relaxed)
}

/// The content of a body with this number of so many bytes. No part of it is also in another one.
pub(crate) fn content(id: u64, bytes: usize) -> Vec<u8> {
    let token = format!("{id:x},");
    let mut content = token.as_bytes().repeat(bytes.div_ceil(token.len()));
    content.truncate(bytes);
    content
}

/// The head of a request without its last line.
fn head(method: &str, mode: &str, kind: &str, bytes: usize, id: u64) -> String {
    format!("{method} /{mode}/{kind}/{bytes}/{id:x} HTTP/1.1\r\nHost: a.test\r\n")
}

/// A request without a body.
pub(crate) fn get(mode: &str, kind: &str, bytes: usize, id: u64) -> String {
    head("GET", mode, kind, bytes, id) + "\r\n"
}
