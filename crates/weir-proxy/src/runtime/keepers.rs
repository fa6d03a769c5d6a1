//! The tasks that keep the members of upstreams in order, one for each upstream that is in force.

use std::collections::HashMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::task::{AbortHandle, spawn_local};
use weir_upstream::io::deadline::pause;
use weir_upstream::keeper;
use weir_upstream::names::Names;
use weir_upstream::upstream::Upstream;

use super::found;
use super::status::ProcessStatus;

/// How long a task that panicked is left alone.
const RESTART_PAUSE: Duration = Duration::from_secs(5);

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
            keepers.retain(|upstream, _| in_force.contains_key(upstream));
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
    let kept = Arc::clone(upstream);
    let mut tasks = vec![again_and_again("members", move || keeper::keep(Arc::clone(&kept)))];
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
        tasks.push(again_and_again("names", move || {
            found::keep(Arc::clone(&upstream), servers.clone(), names.clone())
        }));
    }
    Keeper { _upstream: Arc::clone(upstream), tasks }
}

/// Does this for as long as the handle lives; when it panics, that is told and it is begun again.
fn again_and_again<F: Future<Output = ()> + 'static>(
    task: &'static str,
    make: impl Fn() -> F + 'static,
) -> AbortHandle {
    let kept = async move {
        while let Err(Died) = survived(make()).await {
            tracing::error!(task, "a task beside requests died, and is begun again");
            pause(RESTART_PAUSE).await;
        }
    };
    spawn_local(kept).abort_handle()
}

/// A task that panicked; it has said what of.
struct Died;

async fn survived(task: impl Future<Output = ()>) -> Result<(), Died> {
    let mut task = pin!(task);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        // It is not polled again.
        Err(_) => Poll::Ready(Err(Died)),
    })
    .await
}
