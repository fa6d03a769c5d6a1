//! A body, a server, a directory, and the loop that drains a queue.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use weir_core::ports::queue::{
    Deliver, Delivered, Delivery, KeptAnswer, LocalFuture, NewWrite, Pieces, WriteBody, WriteQueue,
};
use weir_core::queue::{Outcome, ServerId, WantedTarget};

use crate::Queue;

/// A directory that goes with its test.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let path = std::env::temp_dir().join(format!("weir-queue-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs it; what takes longer than a minute hangs.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    block_on_for(60, future)
}

/// Runs it; what takes longer than so many seconds hangs.
pub(super) fn block_on_for<T>(seconds: u64, future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let limited = async { tokio::time::timeout(Duration::from_secs(seconds), future).await };
    runtime.block_on(limited).expect("it hangs")
}

pub(super) fn new_write(name: &str, servers: &[u32]) -> NewWrite {
    let targets = servers.iter().map(|server| WantedTarget { server: ServerId(*server), live: true });
    let head = format!("POST /{name} HTTP/1.1\r\nHost: example.test\r\n\r\n");
    NewWrite { head: head.into(), targets: targets.collect() }
}

/// Bytes that tell their place: the byte at each offset is its remainder by 251.
fn pattern(offset: u64, length: usize) -> &'static [u8] {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| (0..600_000_u32).map(|at| (at % 251) as u8).collect());
    let start = (offset % 251) as usize;
    &BYTES[start..start + length]
}

/// A body of this length.
pub(super) struct MemoryBody {
    pub(super) bytes: u64,
    pub(super) piece: usize,
    /// More or fewer bytes than it says.
    pub(super) wrong: i64,
}

impl MemoryBody {
    pub(super) fn new(bytes: usize) -> Self {
        Self { bytes: bytes as u64, piece: 256 << 10, wrong: 0 }
    }
}

pub(super) fn body(bytes: usize) -> Arc<dyn WriteBody> {
    Arc::new(MemoryBody::new(bytes))
}

impl WriteBody for MemoryBody {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn open(&self) -> Box<dyn Pieces> {
        let end = self.bytes.saturating_add_signed(self.wrong);
        Box::new(MemoryPieces { at: 0, end, piece: self.piece })
    }
}

struct MemoryPieces {
    at: u64,
    end: u64,
    piece: usize,
}

impl Pieces for MemoryPieces {
    fn next(&mut self) -> LocalFuture<'_, io::Result<Option<Bytes>>> {
        let next = self.end.min(self.at + self.piece as u64);
        let piece = pattern(self.at, (next - self.at) as usize);
        self.at = next;
        Box::pin(async { Ok((!piece.is_empty()).then(|| Bytes::from_static(piece))) })
    }
}

/// Reads a body to its end; every byte must be in its place.
pub(super) async fn read(body: &dyn WriteBody) -> io::Result<u64> {
    let (mut pieces, mut length) = (body.open(), 0);
    while let Some(piece) = pieces.next().await? {
        assert!(piece == pattern(length, piece.len()), "a byte is not in its place");
        length += piece.len() as u64;
    }
    assert_eq!(length, body.bytes());
    Ok(length)
}

/// A server that answers as it is told, and remembers what it got: its name, the head, the length of the body.
pub(super) struct Server {
    answer: Box<dyn Fn(&str) -> Outcome>,
    hangs: &'static str,
    pub(super) got: RefCell<Vec<(Arc<str>, Bytes, u64)>>,
    reached: Notify,
}

impl Server {
    pub(super) fn new(answer: impl Fn(&str) -> Outcome + 'static) -> Self {
        Self { answer: Box::new(answer), hangs: "", got: RefCell::default(), reached: Notify::new() }
    }

    /// Never answers what is sent to this name.
    pub(super) fn hanging_for(self, name: &'static str) -> Self {
        Self { hangs: name, ..self }
    }

    /// Returns when it has been reached since the last time.
    pub(super) async fn reached(&self) {
        self.reached.notified().await;
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.got.borrow().iter().map(|(name, _, _)| name.to_string()).collect()
    }
}

impl Deliver for Server {
    fn deliver(&self, delivery: Delivery) -> LocalFuture<'_, io::Result<Delivered>> {
        Box::pin(async move {
            self.reached.notify_one();
            if &*delivery.server == self.hangs {
                std::future::pending::<()>().await;
            }
            let length = read(&*delivery.body).await?;
            let answer = KeptAnswer {
                head: "HTTP/1.1 200 OK\r\n\r\n".into(),
                body: format!("answer of {}", delivery.server).into(),
                cut: false,
            };
            let outcome = (self.answer)(&delivery.server);
            self.got.borrow_mut().push((delivery.server, delivery.head, length));
            // The outcome is noted right after this.
            self.reached.notify_one();
            Ok(Delivered { outcome, answer: delivery.watched.then_some(answer) })
        })
    }
}

/// Delivers until nothing waits any more.
pub(super) async fn drain(queue: &Queue, server: &Rc<Server>) {
    let deliver: Rc<dyn Deliver> = server.clone();
    let empty = async {
        while queue.status().servers.iter().any(|server| server.backlog > 0) {
            server.reached().await;
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = queue.run(deliver) => unreachable!("it runs for ever"),
        () = empty => {}
    }
}
