//! A name server that knows one thing: which addresses every name has now, or why it does not say.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::wait::until;

/// A running name server over UDP. It ends with the process.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    known: Arc<Known>,
}

#[derive(Debug)]
struct Known {
    says: Mutex<Says>,
    /// Questions for IPv4 addresses that came.
    asked: AtomicUsize,
}

/// What it says to every question.
#[derive(Debug, Clone)]
enum Says {
    /// These addresses, of both kinds; with none, that there is no such name.
    Addresses { addresses: Vec<IpAddr>, ttl_seconds: u32 },
    /// That something is wrong with it.
    Failure,
    /// These bytes behind the id of the question.
    Bytes(Vec<u8>),
    /// Nothing.
    Silence,
}

/// The type of a question for an IPv4 address (RFC 1035 §3.2.2).
const A: [u8; 2] = [0, 1];

/// The type of a question for an IPv6 address (RFC 3596 §2.1).
const AAAA: [u8; 2] = [0, 28];

/// The codes of answers (RFC 1035 §4.1.1).
const SERVER_FAILURE: u8 = 2;
const NO_SUCH_NAME: u8 = 3;

/// How long answers are good for, unless a test says something else.
const TTL_SECONDS: u32 = 1;

impl NameServer {
    /// A server for which every name has these addresses.
    ///
    /// # Panics
    /// When there is no port left.
    pub fn start<Address: Copy + Into<IpAddr>>(addresses: &[Address]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port of the system's choice can be had");
        let address = socket.local_addr().expect("a bound socket has an address");
        let known = Arc::new(Known { says: Mutex::new(Says::Silence), asked: AtomicUsize::new(0) });
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
    pub fn say<Address: Copy + Into<IpAddr>>(&self, addresses: &[Address]) {
        self.say_for(addresses, TTL_SECONDS);
    }

    /// The same, in answers that are good for so long.
    pub fn say_for<Address: Copy + Into<IpAddr>>(&self, addresses: &[Address], ttl_seconds: u32) {
        let addresses = addresses.iter().map(|address| (*address).into()).collect();
        self.known.become_one_that(Says::Addresses { addresses, ttl_seconds });
    }

    /// From now on it says that something is wrong with it.
    pub fn fail(&self) {
        self.known.become_one_that(Says::Failure);
    }

    /// From now on it answers with these bytes behind the id of the question, whatever they are.
    pub fn say_bytes(&self, bytes: &[u8]) {
        self.known.become_one_that(Says::Bytes(bytes.to_vec()));
    }

    /// From now on it says nothing.
    pub fn fall_silent(&self) {
        self.known.become_one_that(Says::Silence);
    }

    /// Waits until it has been asked so often since it began.
    ///
    /// # Panics
    /// When it is not in time.
    #[track_caller]
    pub fn wait_asked(&self, count: usize) {
        until(|| self.asked() >= count);
    }

    /// How often it has been asked.
    pub fn asked(&self) -> usize {
        self.known.asked.load(Ordering::Relaxed)
    }
}

impl Known {
    fn become_one_that(&self, says: Says) {
        *self.says.lock().unwrap_or_else(PoisonError::into_inner) = says;
    }

    /// The answer to a question (RFC 1035 §4.1).
    fn answer(&self, packet: &[u8]) -> Option<Vec<u8>> {
        let (header, rest) = packet.split_at_checked(12)?;
        let name = rest.iter().position(|byte| *byte == 0)? + 1;
        let question = rest.get(..name + 4)?;
        let kind = [question[name], question[name + 1]];
        let says = self.says.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if kind == A {
            self.asked.fetch_add(1, Ordering::Relaxed);
        }
        let (code, told, ttl_seconds) = match says {
            Says::Silence => return None,
            Says::Bytes(bytes) => return Some([&header[..2], &bytes].concat()),
            Says::Failure => (SERVER_FAILURE, Vec::new(), 0),
            Says::Addresses { addresses, .. } if addresses.is_empty() => (NO_SUCH_NAME, addresses, 0),
            Says::Addresses { mut addresses, ttl_seconds } => {
                addresses.retain(|address| kind == if address.is_ipv4() { A } else { AAAA });
                (0, addresses, ttl_seconds)
            }
        };
        let mut answer = Vec::new();
        answer.extend_from_slice(&header[..2]);
        answer.extend_from_slice(&[0x81, 0x80 | code, 0, 1, 0, u8::try_from(told.len()).ok()?, 0, 0, 0, 0]);
        answer.extend_from_slice(question);
        for address in told {
            // The name is that of the question.
            answer.extend_from_slice(&[0xC0, 12]);
            answer.extend_from_slice(&kind);
            answer.extend_from_slice(&[0, 1]);
            answer.extend_from_slice(&ttl_seconds.to_be_bytes());
            match address {
                IpAddr::V4(address) => {
                    answer.extend_from_slice(&[0, 4]);
                    answer.extend_from_slice(&address.octets());
                }
                IpAddr::V6(address) => {
                    answer.extend_from_slice(&[0, 16]);
                    answer.extend_from_slice(&address.octets());
                }
            }
        }
        Some(answer)
    }
}
