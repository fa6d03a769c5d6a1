//! Telling the process to end in order.

use std::sync::Arc;

/// Somebody who can let the process drain.
pub trait DrainControl: Send + Sync {
    /// Begins to drain, as TERM does; when that is over, the process ends. Asked twice, the second time changes nothing.
    fn drain(&self);
}

/// The usual way to hand one around.
pub type SharedDrainControl = Arc<dyn DrainControl>;
