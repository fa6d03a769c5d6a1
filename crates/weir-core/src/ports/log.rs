//! Changing what the operational log tells while the program runs, through the wall between those who are asked and the one who
//! writes it.

use std::sync::Arc;

use crate::log_level::Levels;

/// Whoever writes the operational log.
pub trait LogControl: Send + Sync {
    /// What is told now.
    fn levels(&self) -> Levels;

    /// From now on this is told, on every thread, until it is changed again or the program ends.
    fn set(&self, levels: Levels);
}

/// A control that others hold too.
pub type SharedLogControl = Arc<dyn LogControl>;
