//! A client of the mixture: how it plays each kind, and what it demands to see.

use std::net::TcpStream;

use super::bad_request::{POISON, REFUSED, too_long};
use super::kind::{Kind, PIPELINED, TLS_PIPELINED};
use super::leaving::{WAYS, last_words};
use super::wire::{Wire, field};
use super::{Entrance, ID_FIELD, content, fresh, get, head};

/// A client and the connections that it keeps, if it has them.
pub(super) struct Client<'a> {
    entrance: &'a Entrance,
    plain: Option<Wire>,
    tls: Option<Wire>,
    /// What has several variants takes them in turn.
    turn: u64,
}

impl<'a> Client<'a> {
    pub(super) fn new(entrance: &'a Entrance, place: u64) -> Self {
        Self { entrance, plain: None, tls: None, turn: place * 7 }
    }

    /// Plays one round.
    pub(super) fn play(&mut self, kind: Kind) {
        self.turn += 1;
        match kind {
            Kind::Pipeline => self.pipeline(false, PIPELINED),
            Kind::Kept => self.fetch("web", "sized", 100),
            Kind::Closed => self.closed(),
            Kind::Version10 => self.version_10(),
            Kind::HalfClosed => self.half_closed(),
            Kind::Head => self.without_body("HEAD", "sized", "200"),
            Kind::NoContent => self.without_body("GET", "none", "204"),
            Kind::Large => self.fetch("web", "sized", 300_000),
            Kind::Chunked => self.fetch("web", "chunked", 3000),
            Kind::UntilEnd => self.fetch("web", "until", 5000),
            Kind::Interim => self.fetch("web", "interim", 30),
            Kind::PostSmall => self.post("web", 700),
            Kind::PostEmpty => self.post("web", 0),
            Kind::PostMedium => self.post("web", 20_000),
            Kind::PostLarge => self.post("web", 100_000),
            Kind::PostHuge => self.post("web", 1 << 20),
            Kind::PostChunked => self.post_chunked(40, 20),
            Kind::PostChunkedLarge => self.post_chunked(100_000, 30_000),
            Kind::PostExpected => self.post_expected(),
            Kind::PostEarly => self.post_early(),
            Kind::Race => self.fetch("race", "sized", 100),
            Kind::RacePost => self.post("race", 700),
            Kind::RaceWeak => self.fetch("race", "weak", 100),
            Kind::Hedge => self.fetch("hedge", "sized", 100),
            Kind::HedgeSlow => self.fetch("hedge", "slow", 100),
            Kind::Majority => self.fetch("majority", "sized", 1000),
            Kind::MajorityLiar => self.fetch("majority", "liar", 100),
            Kind::DuplicateMemory => self.write("memory"),
            Kind::DuplicateDurable => self.write("durable"),
            Kind::Mirror => self.mirrored(0),
            Kind::MirrorPost => self.mirrored(700),
            Kind::TlsKept => self.tls(|client| client.fetch("web", "sized", 100)),
            Kind::TlsPost => self.tls(|client| client.post("web", 20_000)),
            Kind::TlsPipeline => self.pipeline(true, TLS_PIPELINED),
            Kind::TlsClosed => self.tls_closed(),
            Kind::TlsBroken => self.tls_broken(),
            Kind::BadServer => self.bad_server(),
            Kind::BadRequest => self.bad_request(),
            Kind::Leave => self.leave(),
            Kind::WebSocket => self.websocket(),
        }
    }

    /// A connection that nobody has used.
    fn connect(&self, is_tls: bool) -> Wire {
        let entrance = self.entrance;
        if !is_tls {
            return Wire::new(TcpStream::connect(entrance.plain).unwrap());
        }
        let trust = &entrance.trust[(self.turn % 2) as usize];
        Wire::with_tls(TcpStream::connect(entrance.tls).unwrap(), trust, "a.test")
    }

    fn wire(&mut self) -> Wire {
        self.plain.take().unwrap_or_else(|| self.connect(false))
    }

    /// Does the same with the connection that has TLS.
    fn tls(&mut self, play: impl FnOnce(&mut Self)) {
        let tls = self.tls.take().unwrap_or_else(|| self.connect(true));
        let plain = self.plain.replace(tls);
        play(self);
        self.tls = std::mem::replace(&mut self.plain, plain);
    }

    /// Keeps the connection for the next round, unless this answer was the last.
    fn keep(&mut self, wire: Wire, head: &str) {
        let is_last = field(head, "connection").is_some_and(|options| options.eq_ignore_ascii_case("close"));
        self.plain = (!is_last).then_some(wire);
    }

    fn fetch(&mut self, mode: &str, kind: &str, bytes: usize) {
        let id = fresh(1);
        self.exchange(get(mode, kind, bytes, id).as_bytes(), id, bytes);
    }

    fn post(&mut self, mode: &str, bytes: usize) {
        let id = fresh(1);
        self.exchange(&sized("POST", mode, bytes, id), id, bytes);
    }

    /// A request on the connection that is kept, and its own answer.
    fn exchange(&mut self, request: &[u8], id: u64, bytes: usize) {
        let mut wire = self.wire();
        wire.write(request).unwrap();
        let head = own_answer(&mut wire, id, bytes);
        self.keep(wire, &head);
    }

    fn pipeline(&mut self, is_tls: bool, count: u64) {
        if is_tls {
            return self.tls(|client| client.pipeline(false, count));
        }
        let (mut wire, first) = (self.wire(), fresh(count));
        let all: String = (first..first + count).map(|id| get("web", "sized", 100, id)).collect();
        wire.write(all).unwrap();
        let mut head = String::new();
        for id in first..first + count {
            head = own_answer(&mut wire, id, 100);
        }
        self.keep(wire, &head);
    }

    fn closed(&self) {
        let (mut wire, id) = (self.connect(false), fresh(1));
        wire.write(head("GET", "web", "sized", 100, id) + "Connection: close\r\n\r\n").unwrap();
        own_answer(&mut wire, id, 100);
        assert_eq!(wire.rest(), b"", "the end comes behind the answer");
    }

    fn version_10(&self) {
        let mut wire = self.connect(false);
        for fields in ["Connection: keep-alive\r\n\r\n", "\r\n"] {
            let id = fresh(1);
            wire.write(format!("GET /web/sized/100/{id:x} HTTP/1.0\r\n{fields}")).unwrap();
            own_answer(&mut wire, id, 100);
        }
        assert_eq!(wire.rest(), b"", "the end comes behind the answer");
    }

    fn half_closed(&self) {
        let (mut wire, id) = (self.connect(false), fresh(1));
        wire.write(sized("POST", "web", 700, id)).unwrap();
        wire.half_close();
        own_answer(&mut wire, id, 700);
        assert_eq!(wire.rest(), b"", "the end comes behind the answer");
    }

    fn without_body(&mut self, method: &str, kind: &str, status: &str) {
        let (mut wire, id) = (self.wire(), fresh(1));
        wire.write(head(method, "web", kind, 1000, id) + "\r\n").unwrap();
        let head = own_head(&mut wire, id, status);
        self.keep(wire, &head);
    }

    fn post_chunked(&mut self, bytes: usize, chunk_bytes: usize) {
        let id = fresh(1);
        let head =
            head("POST", "web", "echo", bytes, id) + "Transfer-Encoding: chunked\r\nTrailer: T\r\n\r\n";
        let mut request = head.into_bytes();
        for chunk in content(id, bytes).chunks(chunk_bytes) {
            request.extend_from_slice(format!("{:x};x=y\r\n", chunk.len()).as_bytes());
            request.extend_from_slice(chunk);
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"0\r\nT: u\r\n\r\n");
        self.exchange(&request, id, bytes);
    }

    fn post_expected(&mut self) {
        let (mut wire, id) = (self.wire(), fresh(1));
        let fields = "Expect: 100-continue\r\nContent-Length: 700\r\n\r\n";
        wire.write(head("POST", "web", "echo", 700, id) + fields).unwrap();
        let interim = wire.head().unwrap().unwrap();
        assert!(interim.starts_with("HTTP/1.1 100 "), "{interim}");
        wire.write(content(id, 700)).unwrap();
        let head = own_answer(&mut wire, id, 700);
        self.keep(wire, &head);
    }

    fn post_early(&self) {
        let (mut wire, id) = (self.connect(false), fresh(1));
        let head = head("POST", "web", "early", 100, id) + "Content-Length: 50000\r\n\r\n";
        wire.write([head.as_bytes(), &content(id, 50_000)].concat()).unwrap();
        own_answer(&mut wire, id, 100);
    }

    /// A write that every server gets in the end.
    fn write(&mut self, mode: &str) {
        let (id, bytes) = (fresh(1), if self.turn.is_multiple_of(50) { 300_000 } else { 700 });
        self.exchange(&sized("POST", mode, bytes, id), id, bytes);
        self.entrance.ledger.acknowledge(id);
    }

    fn mirrored(&mut self, bytes: usize) {
        if bytes > 0 {
            self.post("mirror", bytes);
        } else {
            self.fetch("mirror", "sized", 100);
        }
        self.entrance.ledger.count_mirrored();
    }

    fn tls_closed(&self) {
        let (mut wire, id) = (self.connect(true), fresh(1));
        wire.write(head("GET", "web", "sized", 100, id) + "Connection: close\r\n\r\n").unwrap();
        own_answer(&mut wire, id, 100);
        assert_eq!(wire.rest(), b"", "the end comes behind the answer");
    }

    /// Not a word of TLS, the beginning of one, or nothing at all.
    fn tls_broken(&self) {
        let mut wire = Wire::new(TcpStream::connect(self.entrance.tls).unwrap());
        match self.turn % 3 {
            0 => {
                wire.write(get("web", "sized", 100, fresh(1))).unwrap();
                wire.rest();
            }
            1 => {
                // A record that would have 500 bytes, of a first message that would have more.
                wire.write(b"\x16\x03\x01\x01\xf4\x01\x00\x02\x00\x03\x03").unwrap();
                wire.reset();
            }
            _ => wire.half_close(),
        }
    }

    fn bad_server(&mut self) {
        let id = fresh(1);
        match self.turn % 4 {
            0 => self.failed("garbage", id),
            1 => self.failed("reset", id),
            2 => self.cut(id),
            _ => self.exchange(get("web", "behind", 100, id).as_bytes(), id, 100),
        }
    }

    /// A request of which the server makes nothing.
    fn failed(&mut self, kind: &str, id: u64) {
        let mut wire = self.wire();
        wire.write(get("web", kind, 100, id)).unwrap();
        let head = wire.head().unwrap().unwrap();
        assert!(head.starts_with("HTTP/1.1 502 ") && field(&head, ID_FIELD).is_none(), "{kind}: {head}");
        wire.body(&head).unwrap();
        self.keep(wire, &head);
    }

    /// A request whose answer the server breaks off: what comes of it is its own, and never looks whole.
    fn cut(&mut self, id: u64) {
        let mut wire = self.wire();
        wire.write(get("web", "cut", 5000, id)).unwrap();
        let head = wire.head().unwrap().unwrap();
        if head.starts_with("HTTP/1.1 502 ") {
            wire.body(&head).unwrap();
            return self.keep(wire, &head);
        }
        assert_own(&head, id, "200");
        assert_eq!(field(&head, "content-length"), Some("5000"), "{head}");
        let came = wire.rest();
        assert!(came.len() < 5000 && content(id, 5000).starts_with(&came), "{} bytes came", came.len());
    }

    /// A request that two readers could read differently, or that is too much.
    fn bad_request(&self) {
        let (mut wire, id) = (self.connect(false), fresh(1));
        let which = (self.turn % (REFUSED.len() as u64 + 1)) as usize;
        let (request, status) = match REFUSED.get(which) {
            Some((request, status)) => (request.replace("ID", &format!("{id:x}")), *status),
            None => too_long(id),
        };
        wire.write(request.clone() + POISON).unwrap();
        let head = wire.head().unwrap().unwrap_or_default();
        assert_eq!(head.split(' ').nth(1), Some(status), "{request}\n{head}");
        assert_eq!(field(&head, ID_FIELD), None, "{request}\n{head}");
        wire.body(&head).unwrap();
        assert_eq!(wire.rest(), b"", "{request}: nothing is read behind it");
    }

    fn leave(&self) {
        let (words, is_tls) = last_words(self.turn % WAYS, fresh(1));
        let mut wire = self.connect(is_tls);
        wire.write(words).unwrap();
        if self.turn.is_multiple_of(2) {
            wire.reset();
        }
    }

    fn websocket(&self) {
        let (mut wire, id) = (self.connect(false), fresh(1));
        let fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        wire.write(head("GET", "web", "upgrade", 1000, id) + fields).unwrap();
        own_head(&mut wire, id, "101");
        for _ in 0..3 {
            let said = content(fresh(1), 1000);
            wire.write(&said).unwrap();
            assert_eq!(wire.take(1000).unwrap(), said);
        }
        wire.half_close();
        assert_eq!(wire.rest(), b"", "the server ends it too");
    }
}

/// Reads the head of the answer behind interim ones, and holds it against the request.
fn own_head(wire: &mut Wire, id: u64, status: &str) -> String {
    let mut head = wire.head().unwrap().unwrap_or_default();
    while head.starts_with("HTTP/1.1 1") && !head.starts_with("HTTP/1.1 101") {
        head = wire.head().unwrap().unwrap_or_default();
    }
    assert_own(&head, id, status);
    head
}

fn assert_own(head: &str, id: u64, status: &str) {
    assert_eq!(head.split(' ').nth(1), Some(status), "{id:x}: {head}");
    let whose = field(head, ID_FIELD).and_then(|id| u64::from_str_radix(id, 16).ok());
    assert_eq!(whose, Some(id), "somebody else's answer: {head}");
}

/// Reads the whole answer, and holds it against the request.
fn own_answer(wire: &mut Wire, id: u64, bytes: usize) -> String {
    let head = own_head(wire, id, "200");
    let body = wire.body(&head).unwrap_or_else(|error| panic!("{id:x}: {error}: {head}"));
    if body != content(id, bytes) {
        let came = String::from_utf8_lossy(&body[..body.len().min(100)]).into_owned();
        panic!("{id:x}: another body, of {} bytes: {came}\n{head}", body.len());
    }
    head
}

/// A request with so many bytes.
fn sized(method: &str, mode: &str, bytes: usize, id: u64) -> Vec<u8> {
    let head = head(method, mode, "echo", bytes, id) + &format!("Content-Length: {bytes}\r\n\r\n");
    [head.as_bytes(), &content(id, bytes)].concat()
}
