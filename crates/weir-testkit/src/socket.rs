//! A connection as tests use it: exact bytes, limits on every wait, and words for how it ended.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use socket2::SockRef;

pub use crate::message::End;
use crate::message::{Broken, Message, shortened};
use crate::reader::{Reader, Source};
use crate::tls::Tls;

/// How long anything may take before a test fails. Long, because the machine may be busy; nothing waits for it in a test
/// that passes.
pub const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<Tls>),
}

impl Kind {
    /// The TCP connection, with or without TLS on it.
    fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(stream) => Some(stream),
            Self::Tls(tls) => Some(&tls.stream),
            Self::Unix(_) => None,
        }
    }
}

/// One end of a connection.
pub struct Socket {
    kind: Kind,
    /// Bytes that were read and not yet used.
    unread: Vec<u8>,
    ended: Option<End>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, unread: {:?}", self.kind, String::from_utf8_lossy(&self.unread))
    }
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a connected socket takes options");
        stream.set_read_timeout(Some(PATIENCE)).expect("a connected socket takes options");
        stream.set_write_timeout(Some(PATIENCE)).expect("a connected socket takes options");
        Self { kind: Kind::Tcp(stream), unread: Vec::new(), ended: None }
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a connected socket takes options");
        stream.set_write_timeout(Some(PATIENCE)).expect("a connected socket takes options");
        Self { kind: Kind::Unix(stream), unread: Vec::new(), ended: None }
    }
}

impl Socket {
    /// Sends these bytes.
    ///
    /// # Panics
    /// When the other side takes them not.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        if let Err(error) = self.try_send(bytes) {
            panic!("{} bytes could not be sent: {error}: {:?}", bytes.len(), shortened(bytes));
        }
        self
    }

    /// Sends these bytes, if the other side still takes them.
    ///
    /// # Errors
    /// The system's.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        match &mut self.kind {
            Kind::Tcp(stream) => stream.write_all(bytes.as_ref()),
            Kind::Unix(stream) => stream.write_all(bytes.as_ref()),
            Kind::Tls(tls) => tls.write_all(bytes.as_ref()),
        }
    }

    /// Sends these bytes one at a time, each in a packet of its own.
    pub fn send_bytewise(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        for byte in bytes.as_ref() {
            self.send([*byte]);
            // Lets the other side run between two bytes, so that most of them are read alone.
            std::thread::yield_now();
        }
        self
    }

    /// Ends our direction with a FIN; with TLS, with a goodbye before it.
    pub fn half_close(&mut self) -> &mut Self {
        self.say_goodbye();
        self.cut()
    }

    /// Says goodbye as TLS does, and keeps the connection. Nothing without TLS.
    pub fn say_goodbye(&mut self) -> &mut Self {
        if let Kind::Tls(tls) = &mut self.kind {
            tls.connection.send_close_notify();
            // A connection that the other side has reset needs no end of ours.
            let _ = tls.flush();
        }
        self
    }

    /// Ends our direction with a FIN, with TLS without a goodbye.
    pub fn cut(&mut self) -> &mut Self {
        let _ = match &self.kind {
            Kind::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Kind::Unix(stream) => stream.shutdown(Shutdown::Write),
            Kind::Tls(tls) => tls.stream.shutdown(Shutdown::Write),
        };
        self
    }

    /// This connection with TLS on it, when hands have been shaken.
    ///
    /// # Errors
    /// The network's, or one of rustls inside.
    ///
    /// # Panics
    /// When this is no TCP connection of which nothing was read.
    pub fn with_tls(self, connection: impl Into<rustls::Connection>) -> io::Result<Self> {
        assert!(self.unread.is_empty(), "nothing was read yet");
        let Kind::Tcp(stream) = self.kind else { panic!("TLS goes over TCP here") };
        let mut tls = Tls { connection: connection.into(), stream };
        tls.shake_hands()?;
        Ok(Self { kind: Kind::Tls(Box::new(tls)), unread: Vec::new(), ended: None })
    }

    /// What rustls knows of a connection with TLS.
    ///
    /// # Panics
    /// When it has none.
    pub fn tls(&mut self) -> &mut rustls::Connection {
        match &mut self.kind {
            Kind::Tls(tls) => &mut tls.connection,
            Kind::Tcp(_) | Kind::Unix(_) => panic!("there is no TLS on this connection"),
        }
    }

    /// Sends what was asked of [`tls`](Self::tls).
    ///
    /// # Panics
    /// When the other side takes it not.
    pub fn flush(&mut self) -> &mut Self {
        if let Kind::Tls(tls) = &mut self.kind {
            tls.flush().expect("the other side takes what TLS has to say");
        }
        self
    }

    /// The next answer, or how rustls says that what was said is refused.
    ///
    /// # Errors
    /// The refusal: in TLS 1.3 a client is done before the other side has looked at its certificate.
    ///
    /// # Panics
    /// When the connection ends in another way.
    pub fn answer_or_refusal(&mut self) -> Result<Message, rustls::Error> {
        while self.unread.is_empty() {
            match self.try_fill() {
                Ok(None) => {}
                Ok(Some(end)) => panic!("{end:?} before an answer"),
                Err(error) => return Err(refusal(error)),
            }
        }
        Ok(self.answer())
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        if let Some(stream) = self.kind.tcp() {
            SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("a connected socket takes options");
        }
    }

    /// Another handle of the same connection, to write while this one reads.
    ///
    /// # Panics
    /// When the system has no file descriptor left, or the connection has TLS.
    pub fn another(&self) -> Self {
        match &self.kind {
            Kind::Tcp(stream) => stream.try_clone().expect("a socket can be cloned").into(),
            Kind::Unix(stream) => stream.try_clone().expect("a socket can be cloned").into(),
            Kind::Tls(_) => panic!("a connection with TLS has one handle"),
        }
    }

    /// The address of this side.
    ///
    /// # Panics
    /// When it is no TCP connection.
    pub fn local_address(&self) -> std::net::SocketAddr {
        let stream = self.kind.tcp().expect("a Unix connection has no network address");
        stream.local_addr().expect("a connected socket has an address")
    }

    /// Exactly so many bytes.
    ///
    /// # Panics
    /// When fewer come.
    pub fn read_exact(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            if let Some(end) = self.fill() {
                panic!("{end:?} after {:?}, {count} bytes were expected", shortened(&self.unread));
            }
        }
        self.unread.drain(..count).collect()
    }

    /// Everything up to the end, and what the end was.
    pub fn read_to_end(&mut self) -> (Vec<u8>, End) {
        loop {
            if let Some(end) = self.fill() {
                return (std::mem::take(&mut self.unread), end);
            }
        }
    }

    /// Reads and counts everything up to the end without keeping it; each piece is shown to `see`.
    pub fn drain(&mut self, mut see: impl FnMut(&[u8])) -> End {
        loop {
            if !self.unread.is_empty() {
                see(&self.unread);
                self.unread.clear();
            }
            if let Some(end) = self.fill() {
                return end;
            }
        }
    }

    /// The next request; `None` when the connection ends before its first byte.
    ///
    /// # Panics
    /// When it is malformed or ends in the middle.
    pub fn request(&mut self) -> Option<Message> {
        match Reader::request().read(self) {
            Ok(request) => Some(request),
            Err(Broken { got, .. }) if got.is_empty() => None,
            Err(broken) => panic!("no request: {broken}"),
        }
    }

    /// The next request, or what there is instead.
    ///
    /// # Errors
    /// See [`Broken`].
    pub fn try_request(&mut self) -> Result<Message, Broken> {
        Reader::request().read(self)
    }

    /// The head of the next request alone.
    ///
    /// # Panics
    /// When there is none.
    pub fn request_head(&mut self) -> Message {
        Reader::request().read_head(self).unwrap_or_else(|broken| panic!("no head of a request: {broken}"))
    }

    /// The head of the next request alone, or what there is instead.
    ///
    /// # Errors
    /// See [`Broken`].
    pub fn try_request_head(&mut self) -> Result<Message, Broken> {
        Reader::request().read_head(self)
    }

    /// The next answer, interim ones included.
    ///
    /// # Panics
    /// When there is none, or it is broken.
    pub fn answer(&mut self) -> Message {
        self.try_answer().unwrap_or_else(|broken| panic!("no whole answer: {broken}"))
    }

    /// The answer to a HEAD request.
    ///
    /// # Panics
    /// When there is none.
    pub fn answer_to_head(&mut self) -> Message {
        Reader::answer_to_head().read(self).unwrap_or_else(|broken| panic!("no answer: {broken}"))
    }

    /// The head of the next answer alone.
    ///
    /// # Panics
    /// When there is none.
    pub fn answer_head(&mut self) -> Message {
        Reader::answer().read_head(self).unwrap_or_else(|broken| panic!("no head of an answer: {broken}"))
    }

    /// The next answer, or what there is instead.
    ///
    /// # Errors
    /// See [`Broken`].
    pub fn try_answer(&mut self) -> Result<Message, Broken> {
        Reader::answer().read(self)
    }

    /// Waits for the end; nothing may come before it.
    ///
    /// # Panics
    /// When something comes.
    pub fn expect_end(&mut self) -> End {
        let (bytes, end) = self.read_to_end();
        assert!(bytes.is_empty(), "before the end came {:?}", shortened(&bytes));
        end
    }

    /// Whether nothing comes for a moment. The only wait that a passing test really waits for; use it where the proof of
    /// silence is the point.
    pub fn is_silent(&mut self) -> bool {
        const MOMENT: Duration = Duration::from_millis(30);
        self.set_patience(MOMENT);
        let silent = self.unread.is_empty() && self.try_fill().is_err_and(|error| is_timeout(&error));
        self.set_patience(PATIENCE);
        silent
    }

    fn try_fill(&mut self) -> io::Result<Option<End>> {
        if self.ended.is_some() {
            return Ok(self.ended);
        }
        let mut bytes = [0; 64 * 1024];
        let read = match &mut self.kind {
            Kind::Tcp(stream) => stream.read(&mut bytes),
            Kind::Unix(stream) => stream.read(&mut bytes),
            Kind::Tls(tls) => tls.read(&mut bytes),
        };
        match read {
            Ok(0) => self.ended = Some(End::Fin),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.ended = Some(End::Cut),
            Ok(count) => self.unread.extend_from_slice(&bytes[..count]),
            // Somebody stopped and continued the process.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error)
                if matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) =>
            {
                self.ended = Some(End::Reset);
            }
            Err(error) => return Err(error),
        }
        Ok(self.ended)
    }

    fn set_patience(&self, patience: Duration) {
        match &self.kind {
            Kind::Tcp(stream) => stream.set_read_timeout(Some(patience)),
            Kind::Unix(stream) => stream.set_read_timeout(Some(patience)),
            Kind::Tls(tls) => tls.stream.set_read_timeout(Some(patience)),
        }
        .expect("a connected socket takes options");
    }
}

impl Source for Socket {
    fn unread(&mut self) -> &mut Vec<u8> {
        &mut self.unread
    }

    fn fill(&mut self) -> Option<End> {
        match self.try_fill() {
            Ok(end) => end,
            Err(error) if is_timeout(&error) => {
                panic!("nothing came for {PATIENCE:?} after {:?}", shortened(&self.unread))
            }
            Err(error) => panic!("reading failed: {error}"),
        }
    }
}

/// What rustls says inside this error.
///
/// # Panics
/// When it says nothing.
pub fn refusal(error: io::Error) -> rustls::Error {
    error.downcast().unwrap_or_else(|error| panic!("nothing was refused: {error}"))
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
