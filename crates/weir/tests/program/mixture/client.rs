//! A client of the mixture: what it sends in each round, and what it demands to see.

use std::net::{SocketAddr, TcpStream};

use super::content;
use super::wire::Wire;

/// Requests that are sent at once.
const PIPELINED: u64 = 24;

/// Rounds until all has been played: most of them are well-behaved.
const ROUNDS: u64 = 64;

/// A client and the connection that it keeps, if it has one.
pub(super) struct Client {
    address: SocketAddr,
    wire: Option<Wire>,
    next: u64,
}

impl Client {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, wire: None, next: 1 }
    }

    /// Plays one round and says how many requests that were.
    pub(super) fn round(&mut self, round: u64) -> u64 {
        self.next += PIPELINED;
        let number = self.next;
        match round % ROUNDS {
            0 => self.whole("GET", "300000", number, 300_000, ""),
            1 => self.whole("POST", "echo", number, 700, &sized(700)),
            2 => self.whole("PUT", "echo", number, 100_000, &sized(100_000)),
            3 => self.whole("POST", "echo", number, 40, CHUNKED),
            4 => self.whole("GET", "chunked", number, 3000, ""),
            5 => self.whole("GET", "until", number, 5000, ""),
            6 => self.whole("GET", "interim", number, 30, ""),
            7 => self.whole("GET", "behind", number, 100, ""),
            8 => self.without_body("HEAD", "head", number, "200"),
            9 => self.without_body("GET", "none", number, "204"),
            10 => self.failed("garbage", number),
            11 => self.failed("reset", number),
            12 => self.cut(number),
            13 => self.refused(),
            14 => self.leave("GET /100/1 HTTP/1.1\r\nHos"),
            15 => self.leave("POST /echo/1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\nhalf"),
            16 => self.leave("GET /300000/1 HTTP/1.1\r\nHost: a.test\r\n\r\n"),
            17 => self.upgrade(),
            _ => self.pipelined(number),
        }
    }

    fn wire(&mut self) -> Wire {
        self.wire.take().unwrap_or_else(|| Wire::new(TcpStream::connect(self.address).unwrap()))
    }

    /// Sends this on a connection that stays, and gives the head of the answer behind interim ones.
    fn ask(&mut self, request: &str) -> (Wire, String) {
        let mut wire = self.wire();
        wire.write(request).unwrap();
        let mut head = wire.head().unwrap().unwrap();
        while head.starts_with("HTTP/1.1 1") {
            head = wire.head().unwrap().unwrap();
        }
        (wire, head)
    }

    /// A request whose answer is whole and its own.
    fn whole(&mut self, method: &str, kind: &str, number: u64, bytes: usize, rest: &str) -> u64 {
        let (mut wire, head) = self.ask(&request(method, kind, number, rest));
        assert!(head.starts_with("HTTP/1.1 200 "), "{kind}: {head}");
        assert_eq!(wire.body(&head).unwrap(), content(number, bytes), "{kind}: {head}");
        self.wire = Some(wire);
        1
    }

    fn pipelined(&mut self, number: u64) -> u64 {
        let mut wire = self.wire();
        let all: String = (0..PIPELINED).map(|more| request("GET", "100", number + more, "")).collect();
        wire.write(all).unwrap();
        for more in 0..PIPELINED {
            let head = wire.head().unwrap().unwrap();
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            assert_eq!(wire.body(&head).unwrap(), content(number + more, 100), "{head}");
        }
        self.wire = Some(wire);
        PIPELINED
    }

    fn without_body(&mut self, method: &str, kind: &str, number: u64, status: &str) -> u64 {
        let (wire, head) = self.ask(&request(method, kind, number, ""));
        assert_eq!(head.split(' ').nth(1), Some(status), "{head}");
        self.wire = Some(wire);
        1
    }

    /// A request of which the server makes nothing.
    fn failed(&mut self, kind: &str, number: u64) -> u64 {
        let (mut wire, head) = self.ask(&request("GET", kind, number, ""));
        assert!(head.starts_with("HTTP/1.1 502 "), "{kind}: {head}");
        wire.body(&head).unwrap();
        self.wire = Some(wire);
        1
    }

    /// A request whose answer the server breaks off: it never looks whole.
    fn cut(&mut self, number: u64) -> u64 {
        let (mut wire, head) = self.ask(&request("GET", "cut", number, ""));
        let body = wire.body(&head);
        assert!(head.starts_with("HTTP/1.1 502 ") || body.is_err(), "{head}");
        1
    }

    /// A request that two readers could read differently.
    fn refused(&mut self) -> u64 {
        let both = "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        let (mut wire, head) = self.ask(&format!("POST /echo/1 HTTP/1.1\r\nHost: a.test\r\n{both}"));
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
        wire.rest().unwrap();
        1
    }

    /// Says this, and resets the connection. It counts as no request: what is reset may be gone before anybody reads it.
    fn leave(&mut self, saying: &str) -> u64 {
        let mut wire = self.wire();
        wire.write(saying).unwrap();
        wire.reset();
        0
    }

    fn upgrade(&mut self) -> u64 {
        let fields = "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        let mut wire = self.wire();
        wire.write(format!("GET /upgrade/1 HTTP/1.1\r\nHost: a.test\r\n{fields}")).unwrap();
        let head = wire.head().unwrap().unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        wire.write([b'x'; 1000]).unwrap();
        assert_eq!(wire.rest().unwrap(), [b'x'; 1000]);
        1
    }
}

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n\r\n14\r\n01234567890123456789\r\n14;x=y\r\n01234567890123456789\r\n\
                       0\r\nT: u\r\n\r\n";

/// Fields and body of a request with so many bytes.
fn sized(bytes: usize) -> String {
    format!("Content-Length: {bytes}\r\n\r\n{}", "b".repeat(bytes))
}

/// A request; without a `rest` it ends with its head.
fn request(method: &str, kind: &str, number: u64, rest: &str) -> String {
    let rest = if rest.is_empty() { "\r\n" } else { rest };
    format!("{method} /{kind}/{number} HTTP/1.1\r\nHost: a.test\r\n{rest}")
}
