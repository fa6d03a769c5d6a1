//! What the server behind every peer answers, and the check that a peer gives it on.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::child::{Running, pause};

/// Ten seconds of [`pause`]s are plenty to start anything here.
const TRIES: usize = 500;

/// 127 bytes, the size that all earlier figures were measured with.
const SMALL: &str = "The whole answer of the server behind every proxy of this measurement: \
                     exactly one hundred and twenty-seven bytes of plain text";
const _: () = assert!(SMALL.len() == 127, "the size of the answer is part of the measurement");

const MEDIUM_BYTES: usize = 64 * 1024;
const LARGE_BYTES: usize = 1024 * 1024;

/// The answer to every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 127 bytes from memory.
    Small,
    /// 64 KiB from a file that the system has in memory.
    Medium,
    /// 1 MiB from such a file.
    Large,
}

impl Answer {
    /// The body. No two pieces of it are alike, so that one in the wrong place is noticed.
    pub(crate) fn body(self) -> String {
        match self {
            Self::Small => SMALL.to_owned(),
            Self::Medium => numbered(MEDIUM_BYTES),
            Self::Large => numbered(LARGE_BYTES),
        }
    }

    /// The words before those lines of the configurations that are for this answer.
    pub(crate) fn words(self) -> &'static [&'static str] {
        match self {
            Self::Small => &["small"],
            Self::Medium => &["medium", "file"],
            Self::Large => &["large", "file"],
        }
    }

    /// Puts the body where the server can read it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write(self, directory: &Path) -> Result<()> {
        let file = directory.join("answer");
        fs::write(&file, self.body()).with_context(|| format!("cannot write `{}`", file.display()))
    }
}

fn numbered(bytes: usize) -> String {
    (0..bytes / 8).map(|number| format!("{number:07} ")).collect()
}

/// Ports of this machine that nobody listens on now.
///
/// # Errors
/// When there are none left.
pub(crate) fn free_addresses(count: u32) -> Result<Vec<SocketAddr>> {
    let bind = |_| TcpListener::bind(("127.0.0.1", 0)).context("no free port");
    // All are bound before the first is given back, so that no two are the same.
    let listeners = (0..count).map(bind).collect::<Result<Vec<_>>>()?;
    listeners.iter().map(|listener| Ok(listener.local_addr()?)).collect()
}

/// One of them.
///
/// # Errors
/// When there is none left.
pub(crate) fn free_address() -> Result<SocketAddr> {
    free_addresses(1)?.pop().context("no free port")
}

/// Waits until something listens there.
///
/// # Errors
/// When the program ends first, or does not listen in time.
pub(crate) fn wait_until_ready(name: &str, address: SocketAddr, running: &mut Running) -> Result<()> {
    for _ in 0..TRIES {
        if TcpStream::connect(address).is_ok() {
            return Ok(());
        }
        if let Some(status) = running.ended() {
            bail!("{name} ended before it listened on {address}: {status}");
        }
        pause();
    }
    bail!("{name} does not listen on {address} after {TRIES} tries")
}

/// A connection that gives up after five seconds of silence.
///
/// # Errors
/// When nobody listens there.
pub(crate) fn connect(address: SocketAddr) -> Result<TcpStream> {
    let connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    Ok(connection)
}

/// Sends one request and makes sure that the answer is the one the server gives.
///
/// # Errors
/// When it is not; the message shows its beginning.
pub(crate) fn check(name: &str, mut connection: impl Read + Write, expected: Answer) -> Result<()> {
    write!(connection, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).with_context(|| format!("{name} does not end its answer"))?;
    let answer = String::from_utf8_lossy(&answer);
    if !answer.starts_with("HTTP/1.1 200 ") || !answer.ends_with(&format!("\r\n\r\n{}", expected.body())) {
        bail!("{name} gives another answer than the server:\n{answer:.400}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{self, Cursor, Read, Write};

    use super::{Answer, LARGE_BYTES, check};

    /// Takes any request, and gives these bytes.
    struct Peer(Cursor<String>);

    impl Read for Peer {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            self.0.read(room)
        }
    }

    impl Write for Peer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn accepted(answer: String) -> bool {
        check("somebody", Peer(Cursor::new(answer)), Answer::Large).is_ok()
    }

    #[test]
    fn an_answer_with_a_byte_in_the_wrong_place_is_refused() {
        let body = Answer::Large.body();
        assert_eq!(body.len(), LARGE_BYTES);
        assert!(accepted(format!("HTTP/1.1 200 OK\r\nA: b\r\n\r\n{body}")));
        assert!(!accepted(format!("HTTP/1.1 502 Bad Gateway\r\n\r\n{body}")));
        assert!(!accepted(format!("HTTP/1.1 200 OK\r\n\r\n{}", &body[..LARGE_BYTES - 1])));
        let (first, rest) = body.split_at(LARGE_BYTES / 2);
        assert!(!accepted(format!("HTTP/1.1 200 OK\r\n\r\n{rest}{first}")));
    }
}
