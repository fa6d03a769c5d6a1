//! What is done beside requests for the members of an upstream: those that leave are let go, leases end, those that fail
//! their requests are ejected and come back, new ones get warm, and where that is wanted all are checked.
//!
//! One task for each upstream, on the thread that has everything beside requests. It sleeps until something is due or
//! somebody has changed something.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use weir_core::health::EjectionChange;

use crate::health::checker::Found;
use crate::health::watch::{self, Watch};
use crate::io::deadline::pause;
use crate::roster::{Gone, Moment, Roster};
use crate::upstream::Upstream;

/// How often it is looked whether a server that leaves has ended its last request.
const LEAVING_INTERVAL: Duration = Duration::from_millis(100);

/// Nothing is due: as good as never, and the timer takes it.
const IDLE: Duration = Duration::from_secs(24 * 3600);

/// Keeps the members of an upstream in order, until it is dropped.
pub async fn keep(upstream: Arc<Upstream>) {
    let mut watch = Watch::of(&upstream);
    loop {
        let moment = Moment::now();
        let now = moment.instant;
        let (gone, changes) = upstream.tend(|roster| (roster.let_go(now), roster.review(moment)));
        gone.iter().for_each(|gone| tell(&upstream, gone));
        changes.iter().for_each(|change| tell_of_ejection(&upstream, change));
        if let Some(watch) = &mut watch {
            watch.follow(&upstream);
        }
        let due = upstream.look(|roster| due_in(roster, now));
        let mut sleeping = pin!(pause(due));
        tokio::select! {
            () = upstream.changed() => {}
            () = rung(&upstream) => {}
            () = &mut sleeping => {}
            found = watched(&mut watch) => {
                watch::note(&upstream, found).iter().for_each(|change| tell_of_ejection(&upstream, change));
            }
        }
    }
}

/// What checks have found out, where there are any.
async fn watched(watch: &mut Option<Watch>) -> Vec<Found> {
    match watch {
        Some(watch) => watch.found().await,
        None => pending().await,
    }
}

/// When there is something to do for these members.
fn due_in(roster: &Roster, now: Instant) -> Duration {
    let due = roster.members().iter().filter_map(|member| {
        let until = [member.lease_until, member.review_due(), roster.next_step_of(member, now)];
        until.into_iter().flatten().map(|until| until.saturating_duration_since(now)).min()
    });
    let leaving = (!roster.leaving().is_empty()).then_some(LEAVING_INTERVAL);
    due.chain(leaving).min().unwrap_or(IDLE)
}

/// Waits until requests have found something out about a server.
async fn rung(upstream: &Upstream) {
    match &upstream.recruit.breakers {
        Some(breakers) => breakers.rung().await,
        None => pending().await,
    }
}

fn tell_of_ejection(upstream: &Upstream, (server, change): &(Box<str>, EjectionChange)) {
    let (upstream, server) = (&*upstream.name, &**server);
    match change {
        EjectionChange::Ejected { trip, time, times } => {
            tracing::warn!(upstream, server, reason = %trip, ?time, times, "a server is ejected");
        }
        EjectionChange::Spared { trip } => {
            tracing::warn!(upstream, server, reason = %trip, "a server fails and is asked all the same, because no more may be out");
        }
        EjectionChange::Tried => tracing::info!(upstream, server, "a server that was ejected is tried"),
        EjectionChange::Returned => tracing::info!(upstream, server, "a server that was ejected is back"),
    }
}

fn tell(upstream: &Upstream, gone: &Gone) {
    let (upstream, server) = (&*upstream.name, &*gone.server);
    match gone.lease_ended {
        true => tracing::warn!(upstream, server, "a server did not renew its lease and has left"),
        false => tracing::info!(upstream, server, "a server has left"),
    }
    if gone.was_last {
        tracing::warn!(upstream, "no server of the upstream gets requests any more; they get 503");
    }
}

#[cfg(test)]
mod tests;
