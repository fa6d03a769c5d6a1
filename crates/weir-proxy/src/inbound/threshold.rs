//! Where connections of a worker came in, so that those of one listener can be asked to leave together.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// Connections are asked to leave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closing {
    /// Since then.
    pub since: Instant,
    /// Idle ones are kept for so long.
    pub idle: Duration,
}

/// Where connections of a worker came in; shared by all that came through one listener.
#[derive(Debug, Default)]
pub(crate) struct Threshold {
    closing: Cell<Option<Closing>>,
    /// Where the listener listens.
    address: Arc<str>,
}

impl Threshold {
    /// That of a listener at this address.
    pub(crate) fn new(address: &Arc<str>) -> Rc<Self> {
        Rc::new(Self { closing: Cell::new(None), address: Arc::clone(address) })
    }

    /// Where the listener listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Asks those who came in here to leave.
    pub(crate) fn close(&self, closing: Closing) {
        if !self.is_closing() {
            self.closing.set(Some(closing));
        }
    }

    /// Whether those who came in here shall leave.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get().is_some()
    }

    /// Since when, and how long idle ones are kept.
    pub(crate) fn closing(&self) -> Option<Closing> {
        self.closing.get()
    }
}
