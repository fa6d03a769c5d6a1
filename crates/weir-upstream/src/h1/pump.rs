//! The one loop that moves a body from where it comes to where it goes.
//!
//! Requests going up and answers going down use it, and upgraded connections in both directions.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use weir_http::head::Head;

use crate::body::{Body, ReadError};

/// Somewhere a body goes.
pub trait BodySink {
    /// Takes a piece of the body; it may be kept back until a later call. Waits while the other side takes nothing.
    fn data(&mut self, chunk: &[u8]) -> impl Future<Output = io::Result<()>>;

    /// Hands what was kept back to the system, all of it.
    fn flush(&mut self) -> impl Future<Output = io::Result<()>>;

    /// Ends the body and writes what was kept back.
    fn end(&mut self, trailers: Option<&Head>) -> impl Future<Output = io::Result<()>>;

    /// Whether something is kept back that only a later call would write.
    fn keeps_back(&self) -> bool;
}

/// Which side of a pump failed.
#[derive(Debug)]
pub enum PumpError {
    /// Where the body comes from.
    Read(ReadError),
    /// Where it goes.
    Write(io::Error),
}

/// Moves the whole body, with its trailers, and ends it.
///
/// Holds at most one chunk at a time: when the sink waits, nothing is read. What was kept back is written before the
/// source is waited for, so a slow source never holds up what it has given already.
///
/// # Errors
/// Which side failed. The body is broken then and its end was not written.
pub async fn pump(body: &mut Body, sink: &mut impl BodySink) -> Result<(), PumpError> {
    loop {
        if !is_ready(body).await.map_err(PumpError::Read)? {
            if sink.keeps_back() {
                // The source can't be blamed for the time that writing takes: nobody looks at it meanwhile.
                body.pause();
                sink.flush().await.map_err(PumpError::Write)?;
            }
            body.fill().await.map_err(PumpError::Read)?;
        }
        let count = body.chunk().len();
        if count == 0 {
            return sink.end(body.trailers()).await.map_err(PumpError::Write);
        }
        sink.data(body.chunk()).await.map_err(PumpError::Write)?;
        body.consume(count);
    }
}

/// Whether the body has something to give, or has ended, without waiting.
async fn is_ready(body: &mut Body) -> Result<bool, ReadError> {
    poll_fn(|cx| match body.poll_fill(cx) {
        Poll::Ready(outcome) => Poll::Ready(outcome.map(|()| true)),
        Poll::Pending => Poll::Ready(Ok(false)),
    })
    .await
}
