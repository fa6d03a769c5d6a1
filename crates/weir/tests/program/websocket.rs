//! WebSockets through a proxy: a server that says again what it hears, and clients that hold it to that.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use tokio_tungstenite::tungstenite::{Bytes, Error, Message, WebSocket, accept, client};

/// After this a test gives up. Far more than a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of messages, one after the other: less than a segment, more than a buffer, nothing.
const SIZES: [usize; 5] = [20, 1500, 0, 70_000, 126];

/// Starts a server that sends back every message, until the tests end.
pub(crate) fn echo_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || echo(stream));
        }
    });
    address
}

fn echo(stream: TcpStream) {
    let Ok(mut socket) = accept(stream) else { return };
    // The library answers pings, and the goodbye of a client.
    while let Ok(message) = socket.read() {
        if message.is_binary() && socket.send(message).is_err() {
            return;
        }
    }
}

/// A WebSocket that is open.
pub(crate) struct Chat {
    socket: WebSocket<TcpStream>,
    /// Messages that were sent, and those that have come back.
    sent: usize,
    heard: usize,
}

impl Chat {
    /// Opens one, which must succeed.
    pub(crate) fn open(address: SocketAddr, path: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let (socket, answer) = client(format!("ws://a.example{path}"), stream).unwrap();
        assert_eq!(answer.status(), 101);
        Self { socket, sent: 0, heard: 0 }
    }

    /// Where it comes from.
    pub(crate) fn from(&self) -> SocketAddr {
        self.socket.get_ref().local_addr().unwrap()
    }

    /// Sends the next message.
    pub(crate) fn say(&mut self) {
        self.socket.send(message(self.sent)).unwrap();
        self.sent += 1;
    }

    /// Waits for every message that has not come back yet.
    pub(crate) fn hear(&mut self) {
        while self.heard < self.sent {
            let heard = self.socket.read().unwrap();
            assert!(heard == message(self.heard), "message {} is another one: {heard:?}", self.heard);
            self.heard += 1;
        }
    }

    /// A message, and what comes back; an error is the end of the connection.
    pub(crate) fn try_exchange(&mut self) -> Result<(), Error> {
        self.socket.send(message(self.sent))?;
        self.sent += 1;
        let heard = self.socket.read()?;
        assert!(heard == message(self.heard), "message {} is another one: {heard:?}", self.heard);
        self.heard += 1;
        Ok(())
    }

    /// The same where it must not end.
    pub(crate) fn exchange(&mut self) {
        self.try_exchange().unwrap();
    }

    /// Says goodbye, waits for the answer to that and for the end of the connection (RFC 6455 §7.1.1).
    pub(crate) fn close(mut self) {
        self.socket.close(None).unwrap();
        let end = loop {
            match self.socket.read() {
                Ok(message) => assert!(message.is_close(), "{message:?}"),
                Err(error) => break error,
            }
        };
        assert!(matches!(end, Error::ConnectionClosed), "{end}");
    }
}

/// Whether this is how a connection ends that was cut: without a goodbye.
pub(crate) fn is_cut(error: &Error) -> bool {
    match error {
        Error::Protocol(_) => true,
        Error::Io(error) => matches!(
            error.kind(),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof
        ),
        _ => false,
    }
}

/// The message with this number: other bytes than those before and behind it.
fn message(number: usize) -> Message {
    let byte = |place: usize| (number * 31 + place * 7) as u8;
    Message::Binary((0..SIZES[number % SIZES.len()]).map(byte).collect::<Bytes>())
}
