//! The tasks that keep the members of upstreams in order, one for each upstream that is in force.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use tokio::task::{AbortHandle, spawn_local};
use weir_upstream::keeper;
use weir_upstream::names::Names;
use weir_upstream::upstream::Upstream;

use super::found;
use super::members::moment;
use super::status::ProcessStatus;

/// The keeper of one upstream, which ends with this.
struct Keeper {
    /// Held, so that its address is no other upstream's.
    _upstream: Arc<Upstream>,
    tasks: Vec<AbortHandle>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Runs for as long as somebody else holds the status. Tasks of upstreams that are in force no more end.
pub(super) async fn watch(status: Weak<ProcessStatus>) {
    let mut keepers: HashMap<*const Upstream, Keeper> = HashMap::new();
    // Whom to ask for names; nobody as long as nothing is found by name.
    let mut names = None;
    loop {
        let Some(published) = status.upgrade().map(|status| {
            let snapshot = status.snapshot();
            let (upstreams, asked) = (&snapshot.upstreams, &snapshot.resolver);
            let in_force: HashMap<_, _> =
                upstreams.iter().map(|upstream| (Arc::as_ptr(upstream), upstream)).collect();
            let died = |keeper: &Keeper| keeper.tasks.iter().any(AbortHandle::is_finished);
            keepers.retain(|upstream, keeper| in_force.contains_key(upstream) && !died(keeper));
            for (address, upstream) in in_force {
                keepers.entry(address).or_insert_with(|| begin(upstream, &mut names, asked));
            }
            Arc::clone(&status.published)
        }) else {
            return;
        };
        published.notified().await;
    }
}

fn begin(upstream: &Arc<Upstream>, names: &mut Option<Names>, asked: &[SocketAddr]) -> Keeper {
    let mut tasks = vec![spawn_local(keeper::keep(Arc::clone(upstream), moment)).abort_handle()];
    if !upstream.named.is_empty() && names.is_none() {
        match Names::new(asked) {
            Ok(made) => *names = Some(made),
            Err(error) => tracing::error!(%error, "nobody can be asked for names"),
        }
    }
    if let Some(names) = names {
        for servers in &upstream.named {
            let finding = found::keep(Arc::clone(upstream), servers.clone(), names.clone());
            tasks.push(spawn_local(finding).abort_handle());
        }
    }
    Keeper { _upstream: Arc::clone(upstream), tasks }
}
