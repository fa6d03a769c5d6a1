//! What is done beside requests for the members of an upstream: those that leave are let go, leases end, and where that is
//! wanted all are checked.
//!
//! One task for each upstream, on the thread that has everything beside requests. It sleeps until something is due or
//! somebody has changed something.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::health::checker::Turns;
use crate::health::watch::{self, Watch};
use crate::io::deadline::{now, pause};
use crate::roster::{Gone, Roster};
use crate::upstream::Upstream;

/// How often it is looked whether a server that leaves has ended its last request.
const LEAVING_INTERVAL: Duration = Duration::from_millis(100);

/// Nothing is due: as good as never, and the timer takes it.
const IDLE: Duration = Duration::from_secs(24 * 3600);

/// Keeps the members of an upstream in order, until it is dropped.
pub async fn keep(upstream: Arc<Upstream>) {
    let mut watch = Watch::of(&upstream);
    loop {
        let now = now();
        for gone in upstream.tend(|roster| roster.let_go(now)) {
            tell(&upstream, &gone);
        }
        if let Some(watch) = &mut watch {
            watch.follow(&upstream);
        }
        let due = upstream.look(|roster| due_in(roster, now));
        let mut sleeping = pin!(pause(due));
        tokio::select! {
            () = upstream.changed() => {}
            () = &mut sleeping => {}
            turns = watched(&mut watch) => watch::note(&upstream, turns),
        }
    }
}

/// What checks have found out, where there are any.
async fn watched(watch: &mut Option<Watch>) -> Turns {
    match watch {
        Some(watch) => watch.turns().await,
        None => std::future::pending().await,
    }
}

/// When there is something to do for these members.
fn due_in(roster: &Roster, now: Instant) -> Duration {
    let due = roster.members().iter().filter_map(|member| {
        let leaving = member.leaves_at.map(|_| LEAVING_INTERVAL);
        let lease = member.lease_until.map(|until| until.saturating_duration_since(now));
        leaving.into_iter().chain(lease).min()
    });
    due.min().unwrap_or(IDLE)
}

fn tell(upstream: &Upstream, gone: &Gone) {
    let (upstream, server) = (&*upstream.name, &*gone.server);
    match gone.lease_ended {
        true => tracing::warn!(upstream, server, "a server did not renew its lease and has left"),
        false => tracing::info!(upstream, server, "a server has left"),
    }
    if gone.was_last {
        tracing::warn!(upstream, "the upstream has no server left; its requests get 503");
    }
}
