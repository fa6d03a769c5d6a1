//! The servers behind the mixture: the target of a request says what becomes of it, `/MODE/KIND/BYTES/ID`.
//!
//! Each holds the body that it got against the one that was sent, and says in its answer whose that is.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use super::ledger::{Ledger, SERVERS};
use super::wire::{Wire, field};
use super::{ID_FIELD, content};

/// How long a server takes that is so slow that another one is asked.
const SLOW: Duration = Duration::from_millis(40);

/// A server, for as long as this lives.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    is_over: Arc<AtomicBool>,
}

/// Which of the servers this is, and where it writes down what it sees.
#[derive(Clone)]
struct Seat {
    place: usize,
    ledger: Arc<Ledger>,
}

impl Origin {
    /// One that nobody holds to account.
    pub(crate) fn alone() -> Self {
        Self::start(0, Arc::default())
    }

    /// The server in this place of several.
    pub(crate) fn start(place: usize, ledger: Arc<Ledger>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_over = Arc::<AtomicBool>::default();
        let over = Arc::clone(&is_over);
        let seat = Seat { place, ledger };
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if over.load(SeqCst) {
                    return;
                }
                let seat = seat.clone();
                // Whoever is on the other side of a connection may end it whenever it likes.
                std::thread::spawn(move || seat.serve(Wire::new(stream)));
            }
        });
        Self { address, is_over }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.is_over.store(true, SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

/// A request as its target says it.
struct Asked<'a> {
    mode: &'a str,
    kind: &'a str,
    bytes: usize,
    id: u64,
    is_head: bool,
}

impl<'a> Asked<'a> {
    fn read(head: &'a str) -> Option<Self> {
        let mut words = head.lines().next()?.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let mut parts = target.strip_prefix('/')?.split('/');
        let (mode, kind, bytes) = (parts.next()?, parts.next()?, parts.next()?.parse().ok()?);
        let id = u64::from_str_radix(parts.next()?, 16).ok()?;
        Some(Self { mode, kind, bytes, id, is_head: method == "HEAD" })
    }
}

impl Seat {
    fn serve(&self, mut wire: Wire) -> io::Result<()> {
        while let Some(head) = wire.head()? {
            let Some(asked) = Asked::read(&head) else {
                self.ledger.complain(head);
                return Ok(());
            };
            if field(&head, "expect").is_some() {
                wire.write("HTTP/1.1 100 Continue\r\n\r\n")?;
            }
            if asked.kind == "early" {
                wire.write(sized(asked.id, asked.bytes))?;
                wire.body(&head)?;
                continue;
            }
            self.examine(&asked, &head, wire.body(&head)?);
            if !self.answer(&asked, &mut wire)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Writes down what came, and whether it is what was sent.
    fn examine(&self, asked: &Asked<'_>, head: &str, body: Vec<u8>) {
        let sent = if asked.kind == "echo" { content(asked.id, asked.bytes) } else { Vec::new() };
        if body != sent {
            let came = String::from_utf8_lossy(&body[..body.len().min(100)]).into_owned();
            self.ledger.complain(format!("{head}has a body of {} bytes: {came}", body.len()));
        }
        match asked.mode {
            "memory" | "durable" => self.ledger.receive(self.place, asked.id),
            "mirror" if field(head, "x-weir-mirror").is_some() => self.ledger.count_copy(),
            _ => {}
        }
    }

    /// Answers, and says whether the connection goes on.
    fn answer(&self, asked: &Asked<'_>, wire: &mut Wire) -> io::Result<bool> {
        let Asked { id, bytes, .. } = *asked;
        if asked.is_head {
            wire.write(format!("HTTP/1.1 200 OK\r\n{}Content-Length: {bytes}\r\n\r\n", named(id)))?;
            return Ok(true);
        }
        // Of several servers another one each time is the one that is bad.
        let is_bad = id % SERVERS as u64 == self.place as u64;
        match asked.kind {
            "sized" | "echo" => wire.write(sized(id, bytes))?,
            "chunked" => wire.write(chunked(id, bytes))?,
            "none" => wire.write(format!("HTTP/1.1 204 No Content\r\n{}\r\n", named(id)))?,
            "interim" => {
                wire.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")?;
                wire.write(sized(id, bytes))?;
            }
            "slow" => {
                if self.ledger.is_first(id) {
                    std::thread::park_timeout(SLOW);
                }
                wire.write(sized(id, bytes))?;
            }
            "liar" => wire.write(sized(if is_bad { id + 1 } else { id }, bytes))?,
            "weak" if is_bad => return weak(wire, id),
            "weak" => wire.write(sized(id, bytes))?,
            "until" => {
                let head = format!("HTTP/1.1 200 OK\r\n{}\r\n", named(id));
                wire.write([head.as_bytes(), &content(id, bytes)].concat())?;
                return Ok(false);
            }
            "upgrade" => {
                upgraded(wire, id, bytes)?;
                return Ok(false);
            }
            "behind" => {
                wire.write([sized(id, bytes), sized(0, bytes)].concat())?;
                return Ok(false);
            }
            "cut" => {
                let whole = sized(id, bytes);
                wire.write(&whole[..whole.len() - bytes / 2])?;
                return Ok(false);
            }
            "garbage" => {
                wire.write("HTTP/1.1 what\r\n\r\n")?;
                return Ok(false);
            }
            "reset" => {
                wire.reset_at_end();
                return Ok(false);
            }
            other => self.ledger.complain(format!("nobody asks for `{other}`")),
        }
        Ok(true)
    }
}

/// One server of several is of no use.
fn weak(wire: &mut Wire, id: u64) -> io::Result<bool> {
    match id / SERVERS as u64 % 3 {
        0 => wire.write("HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno")?,
        1 => {
            wire.write("HTTP/1.1 what\r\n\r\n")?;
            return Ok(false);
        }
        _ => {
            wire.reset_at_end();
            return Ok(false);
        }
    }
    Ok(true)
}

/// The field that says whose answer this is.
fn named(id: u64) -> String {
    format!("{ID_FIELD}: {id:x}\r\n")
}

fn sized(id: u64, bytes: usize) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\n{}Content-Length: {bytes}\r\n\r\n", named(id));
    [head.as_bytes(), &content(id, bytes)].concat()
}

fn chunked(id: u64, bytes: usize) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\n{}Transfer-Encoding: chunked\r\nTrailer: T\r\n\r\n", named(id));
    let mut answer = head.into_bytes();
    for chunk in content(id, bytes).chunks(bytes.div_ceil(3)) {
        answer.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        answer.extend_from_slice(chunk);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"0\r\nT: u\r\n\r\n");
    answer
}

/// Says back what is said, so many bytes at a time, for as long as the other side speaks.
fn upgraded(wire: &mut Wire, id: u64, bytes: usize) -> io::Result<()> {
    let fields =
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    wire.write(format!("HTTP/1.1 101 Switching Protocols\r\n{}{fields}\r\n", named(id)))?;
    loop {
        let said = wire.take(bytes)?;
        wire.write(said)?;
    }
}
