//! A name server that knows one thing: which addresses every name has now.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A running name server over UDP. It ends with the process.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    known: Arc<Known>,
}

#[derive(Debug, Default)]
struct Known {
    addresses: Mutex<Vec<Ipv4Addr>>,
    /// Questions for IPv4 addresses that were answered.
    asked: AtomicUsize,
}

/// The type of a question for an IPv4 address (RFC 1035 §3.2.2).
const A: [u8; 2] = [0, 1];

/// How long answers are good for: a second.
const TTL: [u8; 4] = [0, 0, 0, 1];

impl NameServer {
    /// A server for which every name has these addresses.
    ///
    /// # Panics
    /// When there is no port left.
    pub fn start(addresses: &[Ipv4Addr]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port of the system's choice can be had");
        let address = socket.local_addr().expect("a bound socket has an address");
        let known = Arc::new(Known::default());
        let server = Self { address, known: Arc::clone(&known) };
        server.say(addresses);
        std::thread::spawn(move || {
            let mut packet = [0; 1500];
            while let Ok((length, client)) = socket.recv_from(&mut packet) {
                if let Some(answer) = known.answer(&packet[..length]) {
                    // Whoever asked may have gone.
                    let _ = socket.send_to(&answer, client);
                }
            }
        });
        server
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on every name has these addresses; with none, no name is known.
    pub fn say(&self, addresses: &[Ipv4Addr]) {
        *self.known.addresses.lock().unwrap_or_else(PoisonError::into_inner) = addresses.to_vec();
    }

    /// Waits until it has been asked so often since it began.
    pub fn wait_asked(&self, count: usize) {
        while self.known.asked.load(Ordering::Relaxed) < count {
            std::thread::yield_now();
        }
    }

    /// How often it has been asked.
    pub fn asked(&self) -> usize {
        self.known.asked.load(Ordering::Relaxed)
    }
}

impl Known {
    /// The answer to a question (RFC 1035 §4.1).
    fn answer(&self, packet: &[u8]) -> Option<Vec<u8>> {
        let (header, rest) = packet.split_at_checked(12)?;
        let name = rest.iter().position(|byte| *byte == 0)? + 1;
        let question = rest.get(..name + 4)?;
        let is_a = question[name..name + 2] == A;
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let told: &[Ipv4Addr] = if is_a { &addresses } else { &[] };
        // Nothing is there at all, or nothing of that type.
        let code = if addresses.is_empty() { 3 } else { 0 };
        let mut answer = Vec::new();
        answer.extend_from_slice(&header[..2]);
        answer.extend_from_slice(&[0x81, 0x80 | code, 0, 1, 0, u8::try_from(told.len()).ok()?, 0, 0, 0, 0]);
        answer.extend_from_slice(question);
        for address in told {
            // The name is that of the question.
            answer.extend_from_slice(&[0xC0, 12]);
            answer.extend_from_slice(&A);
            answer.extend_from_slice(&[0, 1]);
            answer.extend_from_slice(&TTL);
            answer.extend_from_slice(&[0, 4]);
            answer.extend_from_slice(&address.octets());
        }
        if is_a {
            self.asked.fetch_add(1, Ordering::Relaxed);
        }
        Some(answer)
    }
}
