//! Servers that read nothing and answer much.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use socket2::{Domain, Socket, Type};

/// Content of one of the chunks of an answer.
const CHUNK_BYTES: usize = 0x10000;

/// A server that reads nothing.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Connections so far.
    count: AtomicUsize,
    /// Whether it holds its answers back.
    holds: Mutex<bool>,
    changed: Condvar,
    /// Connections on which nothing more is said.
    silent: Mutex<Vec<TcpStream>>,
}

impl Server {
    /// One that answers at once and without an end, as much as the system and the proxy take.
    pub(super) fn endless() -> Self {
        Self::answering(usize::MAX)
    }

    /// One whose answers stop after so many bytes, and never end.
    pub(super) fn answering(bytes: usize) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        // All come at once. Who finds no room believes to be connected, and isn't for long.
        socket.listen(4096).unwrap();
        let listener = TcpListener::from(socket);
        let (address, shared) = (listener.local_addr().unwrap(), Arc::<Shared>::default());
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                theirs.count.fetch_add(1, SeqCst);
                let shared = Arc::clone(&theirs);
                std::thread::spawn(move || shared.answer(stream, bytes));
            }
        });
        Self { address, shared }
    }

    /// Connections so far.
    pub(super) fn connections(&self) -> usize {
        self.shared.count.load(SeqCst)
    }

    /// Holds answers back from now on, or no more.
    pub(super) fn hold(&self, holds: bool) {
        *self.shared.holds.lock().unwrap_or_else(PoisonError::into_inner) = holds;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn answer(&self, mut stream: TcpStream, bytes: usize) {
        {
            let holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
            let _held = self.changed.wait_while(holds, |holds| *holds);
        }
        let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = format!("{CHUNK_BYTES:x}\r\n{}\r\n", "x".repeat(CHUNK_BYTES));
        let mut left = bytes;
        while sent.is_ok() && left > 0 {
            sent = stream.write_all(chunk.as_bytes());
            left = left.saturating_sub(CHUNK_BYTES);
        }
        self.silent.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
    }
}
