//! A mixture of everything that clients and servers do, well and badly, on many connections at once. Each answer is held against
//! what was asked.

mod client;
mod origin;
mod wire;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use self::client::Client;
pub(crate) use self::origin::Origin;
pub(crate) use self::wire::Wire;

/// Clients at a time.
pub(crate) const CLIENTS: u64 = 6;

/// Sends so many requests, and somewhat more.
pub(crate) fn send(address: SocketAddr, requests: u64) {
    let sent = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for place in 0..CLIENTS {
            let sent = &sent;
            scope.spawn(move || {
                let mut client = Client::new(address);
                // Everybody is at another place of the mixture.
                let mut round = place * 11;
                while sent.load(Relaxed) < requests {
                    sent.fetch_add(client.round(round), Relaxed);
                    round += 1;
                }
            });
        }
    });
}

/// The content of an answer with this number of so many bytes.
pub(crate) fn content(number: u64, bytes: usize) -> Vec<u8> {
    let mut content = format!("answer {number}, ").into_bytes();
    content.resize(bytes.max(content.len()), b'.');
    content
}
