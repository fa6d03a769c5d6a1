//! How many requests of clients are with an upstream at once, and who waits for its turn. All workers share it.
//!
//! The machine is that of a route's `concurrency`. How many places there are follows from what is written, and from what the
//! servers may have that get requests now: as long as no more requests have a place than servers have room for, whoever has
//! a place finds a server with room. So there is one queue, in the order of arrival, whichever server becomes free.

use std::sync::Arc;

use weir_config::model::{Concurrency, UpstreamLimits};
use weir_upstream::group::Group;

use super::concurrency::{Places, SharedConcurrency};

/// The places at one upstream.
#[derive(Debug)]
pub struct UpstreamRoom {
    limits: UpstreamLimits,
    places: SharedConcurrency,
}

impl UpstreamRoom {
    /// By these limits. What was in force before goes on with what is in progress, if they are the same.
    pub fn following(limits: UpstreamLimits, before: Option<&Arc<Self>>) -> Arc<Self> {
        if let Some(before) = before.filter(|before| before.limits == limits) {
            return Arc::clone(before);
        }
        let total = limits.at_once().unwrap_or(0);
        let UpstreamLimits { queue, queue_timeout: wait, .. } = limits;
        let rule = Concurrency { per_client: None, total: Some(total), queue, wait };
        let places = SharedConcurrency::new(rule, 0);
        Arc::new(Self { limits, places })
    }

    /// The machine, for whoever waits.
    pub fn places(&self) -> &SharedConcurrency {
        &self.places
    }

    /// Takes a place among the servers of this group if there is one, without waiting. It must be given to
    /// [`leave`](Self::leave).
    pub fn arrive(&self, group: &Group) -> Places {
        self.fit(group);
        self.places.arrive_alone()
    }

    /// Gives a place back. `group` is that of the upstream now.
    pub fn leave(&self, places: Places, group: &Group) {
        self.fit(group);
        self.places.leave(places);
    }

    /// There are as many places as these servers have room for.
    fn fit(&self, group: &Group) {
        let total = match (self.limits.at_once(), group.places) {
            (Some(written), Some(room)) => written.min(room),
            (Some(only), None) | (None, Some(only)) => only,
            // A server joined for which nothing is written; no limit is a very high one.
            (None, None) => UNLIMITED,
        };
        if self.places.total() != total {
            self.places.resize(total);
        }
    }
}

/// More than there are connections.
const UNLIMITED: u32 = 1 << 28;
