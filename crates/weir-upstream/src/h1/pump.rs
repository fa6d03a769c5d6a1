//! The one loop that moves a body from where it comes to where it goes.
//!
//! Requests going up and answers going down use it, and upgraded connections in both directions.

use std::future::poll_fn;
use std::task::Poll;

pub use super::error::PumpError;
use super::passage;
pub use super::sink::BodySink;
use crate::body::{Body, ReadError};

/// Moves the whole body, with its trailers, and ends it.
///
/// Holds at most one chunk at a time: when the sink waits, nothing is read. What was kept back is written before the
/// source is waited for, so a slow source never holds up what it has given already.
///
/// # Errors
/// Which side failed. The body is broken then and its end was not written.
pub async fn pump(body: &mut Body, sink: &mut impl BodySink) -> Result<(), PumpError> {
    loop {
        // Behind the head only: what came with it leaves in one write with it, and if the body has broken off already nothing leaves.
        if !sink.keeps_back() && passage::is_worth_it(body, sink) {
            pass(body, sink).await?;
        }
        if !is_ready(body).await.map_err(PumpError::Read)? {
            if sink.keeps_back() {
                // The source can't be blamed for the time that writing takes: nobody looks at it meanwhile.
                body.pause();
                sink.flush().await.map_err(PumpError::Write)?;
                continue;
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

/// Moves as much of the body on as needs no look.
async fn pass(body: &mut Body, sink: &mut impl BodySink) -> Result<(), PumpError> {
    let mut held = None;
    poll_fn(|cx| match (&mut *body, sink.direct()) {
        (Body::H1(body), Some(sink)) => passage::poll(cx, body, sink, &mut held),
        _ => Poll::Ready(Ok(())),
    })
    .await?;
    // The system takes it into a pipe and not out of it again.
    if let Some(conduit) = held {
        let bytes = conduit.into_bytes().map_err(PumpError::Write)?;
        sink.data(&bytes).await.map_err(PumpError::Write)?;
    }
    Ok(())
}

/// Whether the body has something to give, or has ended, without waiting.
async fn is_ready(body: &mut Body) -> Result<bool, ReadError> {
    poll_fn(|cx| match body.poll_fill(cx) {
        Poll::Ready(outcome) => Poll::Ready(outcome.map(|()| true)),
        Poll::Pending => Poll::Ready(Ok(false)),
    })
    .await
}
