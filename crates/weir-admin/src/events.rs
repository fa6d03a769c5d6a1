//! The live view: a stream of server-sent events, one document each second, for as many listeners as there are places.
//!
//! The document is made once for all who listen. Whoever does not read gets none made: a stream is only asked for its next event when
//! the one before has been written. A stream ends after some minutes, before its connection does; browsers come again by
//! themselves.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::history::History;
use crate::live;
use crate::sources::Sources;

/// Listeners at a time; further ones get 503.
pub(crate) const LISTENERS_MAX: usize = 16;

/// From document to document.
const PERIOD: Duration = Duration::from_secs(1);

/// A document is told again to whoever asks so soon after it was made.
const FRESH: Duration = Duration::from_millis(500);

/// A stream ends after this, some time before the lifetime of its connection is over.
const STREAM_LIFETIME: Duration = Duration::from_secs(290);

/// Who makes documents, and keeps the last one.
pub(crate) struct Broadcast {
    sources: Sources,
    places: Arc<Semaphore>,
    last: Mutex<Option<(Instant, Bytes)>>,
    history: History,
}

impl Broadcast {
    pub(crate) fn new(sources: Sources) -> Self {
        Self {
            sources,
            places: Arc::new(Semaphore::new(LISTENERS_MAX)),
            last: Mutex::default(),
            history: History::default(),
        }
    }

    /// Keeps a look at this moment, for those who come later.
    pub(crate) fn remember(&self) {
        self.history.take(&self.sources.status.status(), live::now());
    }

    /// A stream for one more listener, if there is a place. It ends when `stopped` is ready.
    #[expect(
        clippy::disallowed_methods,
        reason = "a document each second is a matter of time; there is no event"
    )]
    pub(crate) fn listen(
        self: &Arc<Self>,
        stopped: impl Future<Output = ()> + Send + 'static,
    ) -> Option<Events> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Some(Events {
            broadcast: Arc::clone(self),
            history: Some(Bytes::from(format!("event: history\ndata: {}\n\n", self.history.document()))),
            ticks,
            stopped: Box::pin(stopped),
            ends: Instant::now() + STREAM_LIFETIME,
            _place: place,
        })
    }

    /// The document of this moment as an event.
    fn event(&self, now: Instant) -> Bytes {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, event)) = &*last
            && now.saturating_duration_since(*made) < FRESH
        {
            return event.clone();
        }
        self.sources.status.look_on();
        // JSON in one line: a line break would end the field.
        let event =
            Bytes::from(format!("retry: 1000\nevent: status\ndata: {}\n\n", live::document(&self.sources)));
        *last = Some((now, event.clone()));
        event
    }
}

/// The stream of one listener.
pub(crate) struct Events {
    broadcast: Arc<Broadcast>,
    /// What was before, until it has been told.
    history: Option<Bytes>,
    ticks: Interval,
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
    ends: Instant,
    _place: OwnedSemaphorePermit,
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if this.stopped.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        if let Some(history) = this.history.take() {
            return Poll::Ready(Some(Ok(Frame::data(history))));
        }
        let now = ready!(this.ticks.poll_tick(cx));
        if now >= this.ends {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(this.broadcast.event(now)))))
    }
}
