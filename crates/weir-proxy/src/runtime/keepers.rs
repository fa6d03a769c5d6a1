//! The tasks that keep the members of upstreams in order, one for each upstream that is in force.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use tokio::task::{AbortHandle, spawn_local};
use weir_upstream::keeper;
use weir_upstream::names::Names;
use weir_upstream::upstream::Upstream;

use super::control::again_and_again;
use super::found;
use super::inventory::{self, WatchedInventory};
use super::status::ProcessStatus;

/// The keeper of one upstream, which ends with this.
struct Keeper {
    /// Held, so that its address is no other upstream's.
    upstream: Arc<Upstream>,
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
    let mut asked_until_now = Vec::new();
    loop {
        let Some((published, registered)) = status.upgrade().map(|status| {
            let snapshot = status.snapshot();
            let (upstreams, asked) = (&snapshot.upstreams, &snapshot.resolver);
            let others = snapshot.other_policy_groups();
            let each = upstreams.iter().zip(&snapshot.inventories);
            let each = each.chain(others.iter().zip(std::iter::repeat(&None)));
            let in_force: HashMap<_, _> =
                each.map(|(upstream, inventory)| (Arc::as_ptr(upstream), (upstream, inventory))).collect();
            keepers.retain(|upstream, _| in_force.contains_key(upstream));
            if *asked != asked_until_now {
                // Others know the addresses from now on.
                asked_until_now.clone_from(asked);
                names = None;
                keepers.retain(|_, keeper| keeper.upstream.named.is_empty());
            }
            for (address, (upstream, inventory)) in in_force {
                keepers.entry(address).or_insert_with(|| {
                    let mut keeper = begin(upstream, &mut names, asked);
                    keeper.tasks.extend(inventory.as_ref().map(|inventory| follow(upstream, inventory)));
                    keeper
                });
            }
            (Arc::clone(&status.published), snapshot.policy_groups.bell())
        }) else {
            return;
        };
        tokio::select! {
            () = published.notified() => {}
            () = registered.notified() => {}
        }
    }
}

fn begin(upstream: &Arc<Upstream>, names: &mut Option<Names>, asked: &[SocketAddr]) -> Keeper {
    let kept = Arc::clone(upstream);
    let mut tasks = vec![begun("members", move || keeper::keep(Arc::clone(&kept)))];
    if !upstream.named.is_empty() && names.is_none() {
        match Names::new(asked) {
            Ok(made) => *names = Some(made),
            Err(error) => tracing::error!(%error, "nobody can be asked for names"),
        }
    }
    for servers in &upstream.named {
        let Some(names) = names.clone() else {
            upstream.note_found(servers);
            continue;
        };
        let (upstream, servers) = (Arc::clone(upstream), servers.clone());
        tasks.push(begun("names", move || {
            let names = names.clone();
            let ask = async move |name: &str| names.addresses(name).await;
            found::keep(Arc::clone(&upstream), servers.clone(), ask)
        }));
    }
    Keeper { upstream: Arc::clone(upstream), tasks }
}

/// Follows the inventory of an upstream.
fn follow(upstream: &Arc<Upstream>, inventory: &Arc<WatchedInventory>) -> AbortHandle {
    let (upstream, inventory) = (Arc::clone(upstream), Arc::clone(inventory));
    begun("inventory", move || inventory::keep(Arc::clone(&upstream), Arc::clone(&inventory)))
}

fn begun<F: Future<Output = ()> + 'static>(
    task: &'static str,
    make: impl Fn() -> F + 'static,
) -> AbortHandle {
    spawn_local(again_and_again(task, make)).abort_handle()
}
