//! The tasks that keep the members of upstreams in order, one for each upstream that is in force.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use tokio::task::{AbortHandle, spawn_local};
use weir_upstream::keeper;
use weir_upstream::upstream::Upstream;

use super::status::ProcessStatus;

/// The keeper of one upstream, which ends with this.
struct Keeper {
    /// Held, so that its address is no other upstream's.
    _upstream: Arc<Upstream>,
    task: AbortHandle,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Runs for as long as somebody else holds the status. Tasks of upstreams that are in force no more end.
pub(super) async fn watch(status: Weak<ProcessStatus>) {
    let mut keepers: HashMap<*const Upstream, Keeper> = HashMap::new();
    loop {
        let Some(published) = status.upgrade().map(|status| {
            let upstreams = &status.snapshot().upstreams;
            let in_force: HashMap<_, _> =
                upstreams.iter().map(|upstream| (Arc::as_ptr(upstream), upstream)).collect();
            keepers.retain(|upstream, keeper| in_force.contains_key(upstream) && !keeper.task.is_finished());
            for (address, upstream) in in_force {
                keepers.entry(address).or_insert_with(|| begin(upstream));
            }
            Arc::clone(&status.published)
        }) else {
            return;
        };
        published.notified().await;
    }
}

fn begin(upstream: &Arc<Upstream>) -> Keeper {
    let task = spawn_local(keeper::keep(Arc::clone(upstream)));
    Keeper { _upstream: Arc::clone(upstream), task: task.abort_handle() }
}
