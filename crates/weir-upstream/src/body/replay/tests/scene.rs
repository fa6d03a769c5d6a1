//! A client behind a pipe, and readers of what it sends.

use std::future::poll_fn;
use std::path::PathBuf;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::io::{AsyncWriteExt, DuplexStream};
use weir_http::framing::Framing;

use crate::body::replay::{Impossible, Replay, ReplayBody, ReplayLimits, ReplayPool, Source};
use crate::body::{BodyLimits, H1Body, ReadError};
use crate::io::buffer::ReadBuffer;
use crate::io::deadline::{Deadlines, Wait};
use crate::io::stream::Stream;
use crate::io::timed::{Patience, Timed};

/// Bytes a pipe takes before somebody reads.
pub(super) const PIPE_BYTES: usize = 64 * 1024;

/// How long the client may stand still, where a test lets time pass.
pub(super) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Runs on one thread with a clock that stands still.
pub(super) fn local<T>(work: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

/// Bytes that are different everywhere.
pub(super) fn content(length: usize) -> Bytes {
    let mut random = fastrand::Rng::with_seed(length as u64);
    let mut bytes = vec![0; length];
    random.fill(&mut bytes);
    bytes.into()
}

pub(super) fn limits(memory_bytes: usize, disk_bytes: Option<u64>, lossy: bool) -> ReplayLimits {
    ReplayLimits { memory_bytes, disk_bytes, lossy }
}

/// What was not possible, by reason.
pub(super) fn counts(pool: &ReplayPool) -> [u64; 5] {
    Impossible::ALL.map(|reason| pool.impossible(reason))
}

/// What asking once for more gives, if it gives something.
pub(super) fn try_fill(reader: &mut ReplayBody) -> Option<Result<(), ReadError>> {
    match reader.poll_fill(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}

/// A source with this framing, its client, and the deadlines of its connection.
pub(super) fn source(framing: Framing) -> (Source, DuplexStream, Rc<Deadlines>) {
    source_up_to(framing, u64::MAX)
}

/// The same, with a body of at most so many bytes.
pub(super) fn source_up_to(framing: Framing, bytes_max: u64) -> (Source, DuplexStream, Rc<Deadlines>) {
    let (client, pipe) = tokio::io::duplex(PIPE_BYTES);
    let deadlines = Rc::new(Deadlines::new());
    let timed = Timed {
        stream: Rc::new(Stream::test(pipe)),
        deadlines: Rc::clone(&deadlines),
        read: Some(Patience { wait: Wait::ClientBody, at_most: PATIENCE }),
        write: None,
    };
    let limits = BodyLimits { bytes_max: Some(bytes_max), trailer_bytes_max: 1024, trailer_fields_max: 10 };
    (Source::H1(H1Body::new(timed, ReadBuffer::new(), framing, limits)), client, deadlines)
}

/// A replay of a body with a length, and its client.
pub(super) fn sized(length: usize, limits: ReplayLimits, pool: &ReplayPool) -> (Replay, DuplexStream) {
    let (source, client, _) = source(Framing::Sized(length as u64));
    (Replay::new(source, limits, pool), client)
}

/// A replay of a body in chunks, and its client.
pub(super) fn chunked(limits: ReplayLimits, pool: &ReplayPool) -> (Replay, DuplexStream) {
    let (source, client, _) = source(Framing::Chunked);
    (Replay::new(source, limits, pool), client)
}

/// Sends one chunk.
pub(super) async fn send_chunk(client: &mut DuplexStream, chunk: &[u8]) {
    let head = format!("{:x}\r\n", chunk.len());
    client.write_all(&[head.as_bytes(), chunk, b"\r\n"].concat()).await.unwrap();
}

/// Reads to the end.
pub(super) async fn read(reader: &mut ReplayBody) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    while step(reader, &mut bytes, usize::MAX).await? {}
    assert!(reader.is_end());
    Ok(bytes)
}

/// Reads up to so many bytes. Says whether there may be more.
pub(super) async fn step(
    reader: &mut ReplayBody,
    into: &mut Vec<u8>,
    bytes_max: usize,
) -> Result<bool, ReadError> {
    poll_fn(|cx| reader.poll_fill(cx)).await?;
    let count = reader.chunk().len().min(bytes_max);
    into.extend_from_slice(&reader.chunk()[..count]);
    reader.consume(count);
    Ok(count > 0)
}

/// A directory that is gone with this, and does not exist before it is needed.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new() -> Self {
        let name = format!("weir-spool-{}-{:016x}", std::process::id(), fastrand::u64(..));
        Self(std::env::temp_dir().join(name))
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.clone()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits until the threads have let go of everything.
pub(super) fn settle(pool: &ReplayPool) {
    if let Some(files) = &pool.files {
        drop(files.hold());
    }
}
