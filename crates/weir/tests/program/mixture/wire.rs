//! Messages on a connection, with TLS or without, read and written as quickly as is simple.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::SockRef;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes that are read at once at the most; no head is longer.
const BUFFER_BYTES: usize = 64 * 1024;

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A connection.
pub(crate) struct Wire {
    stream: Stream,
    buffer: Box<[u8]>,
    unread: Range<usize>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self::over(Stream::Plain(ready(stream)))
    }

    /// With TLS. Hands are shaken with the first byte.
    pub(crate) fn with_tls(stream: TcpStream, config: &Arc<ClientConfig>, name: &'static str) -> Self {
        let connection = ClientConnection::new(Arc::clone(config), name.try_into().unwrap()).unwrap();
        Self::over(Stream::Tls(Box::new(StreamOwned::new(connection, ready(stream)))))
    }

    fn over(stream: Stream) -> Self {
        Self { stream, buffer: vec![0; BUFFER_BYTES].into_boxed_slice(), unread: 0..0 }
    }

    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes.as_ref()),
            Stream::Tls(stream) => {
                stream.write_all(bytes.as_ref())?;
                stream.flush()
            }
        }
    }

    /// The next head with its empty line; `None` when the connection ends before its first byte.
    pub(crate) fn head(&mut self) -> io::Result<Option<String>> {
        let mut seen = 0_usize;
        loop {
            let held = &self.buffer[self.unread.clone()];
            let from = seen.saturating_sub(3);
            if let Some(at) = held[from..].windows(4).position(|part| part == b"\r\n\r\n") {
                let head = held[..from + at + 4].to_vec();
                self.unread.start += head.len();
                return Ok(Some(String::from_utf8(head).unwrap()));
            }
            seen = held.len();
            if self.fill()? == 0 {
                return if seen == 0 { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    /// The body that this head announces, and its trailers.
    pub(crate) fn body(&mut self, head: &str) -> io::Result<Vec<u8>> {
        if let Some(length) = field(head, "content-length") {
            return self.take(length.parse().unwrap());
        }
        if field(head, "transfer-encoding").is_none() {
            return Ok(Vec::new());
        }
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            body.extend_from_slice(&self.take(size)?);
            assert_eq!(self.line()?, "");
        }
    }

    /// Exactly so many bytes.
    pub(crate) fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            if self.unread.is_empty() {
                self.more()?;
            }
            let end = self.unread.end.min(self.unread.start + count - taken.len());
            taken.extend_from_slice(&self.buffer[self.unread.start..end]);
            self.unread.start = end;
        }
        Ok(taken)
    }

    /// Everything to the end, whatever kind of end that is.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        loop {
            rest.extend_from_slice(&self.buffer[self.unread.clone()]);
            self.unread = 0..0;
            match self.fill() {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    panic!("the connection does not end")
                }
                Ok(0) | Err(_) => return rest,
            }
        }
    }

    /// Ends the connection with a reset, which leaves nothing behind in the system.
    pub(crate) fn reset(self) {
        self.reset_at_end();
    }

    /// The end of the connection, whenever that is, will be a reset.
    pub(crate) fn reset_at_end(&self) {
        SockRef::from(self.socket()).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Says that nothing more is sent, and goes on reading.
    pub(crate) fn half_close(&self) {
        self.socket().shutdown(Shutdown::Write).unwrap();
    }

    fn socket(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => &stream.sock,
        }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            let held = &self.buffer[self.unread.clone()];
            if let Some(at) = held.windows(2).position(|part| part == b"\r\n") {
                let line = held[..at].to_vec();
                self.unread.start += at + 2;
                return Ok(String::from_utf8(line).unwrap());
            }
            self.more()?;
        }
    }

    fn more(&mut self) -> io::Result<()> {
        if self.fill()? == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    fn fill(&mut self) -> io::Result<usize> {
        if self.unread.is_empty() {
            self.unread = 0..0;
        } else if self.unread.end == self.buffer.len() {
            assert!(self.unread.start > 0, "a head or a line of more than {BUFFER_BYTES} bytes");
            self.buffer.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
        }
        let room = &mut self.buffer[self.unread.end..];
        let count = match &mut self.stream {
            Stream::Plain(stream) => stream.read(room)?,
            Stream::Tls(stream) => stream.read(room)?,
        };
        self.unread.end += count;
        Ok(count)
    }
}

fn ready(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The value of this field of a head.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}
