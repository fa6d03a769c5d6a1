//! Places at a policy group whose configuration limits how much is in progress there at once.
//!
//! Who counts them is the data plane, because requests over HTTP and messages of the group's own protocol share them; here is what both
//! sides of that wall need to know of it.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::upstream::Upstream;

/// The places at one upstream.
pub trait GroupPlaces: fmt::Debug + Send + Sync {
    /// A place among those of this upstream for one message: at once, or when it comes free in time. Cancel safe.
    fn take(self: Arc<Self>, upstream: Arc<Upstream>) -> TakingPlace;
}

/// Waits for a place.
pub type TakingPlace = Pin<Box<dyn Future<Output = Result<GroupPlace, NoPlace>>>>;

/// A place, for as long as it lives.
#[must_use = "dropping it gives it back"]
pub struct GroupPlace {
    _held: Box<dyn Any>,
}

impl GroupPlace {
    /// The one that is given back when this is dropped.
    pub fn new(held: impl Any) -> Self {
        Self { _held: Box::new(held) }
    }
}

impl fmt::Debug for GroupPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupPlace").finish_non_exhaustive()
    }
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPlace {
    /// As many wait as may.
    Full,
    /// None has come free in time.
    Timeout,
}

impl fmt::Display for NoPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "too much is in progress, and no more may wait (`queue`)",
            Self::Timeout => "too much is in progress, and nothing of it has ended in time (`queue_timeout`)",
        })
    }
}

impl std::error::Error for NoPlace {}
