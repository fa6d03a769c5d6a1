//! Servers that are found by name: each address of the name is one, for as long as the name has it.
//!
//! A name that nobody knows, or for which nobody answers, takes nothing away: who was found last stays. Servers that are
//! there are worth more than an answer about them.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::Instant;
use weir_upstream::io::deadline::{now, pause};
use weir_upstream::names::{Found, Names, NotFound};
use weir_upstream::recruit::NamedServers;
use weir_upstream::roster::{Member, Moment};
use weir_upstream::upstream::Upstream;

/// How long requests to an address that the name lost may go on before it is forgotten.
const DRAIN: Duration = Duration::from_secs(60);

/// The first pause after a failure; the next is twice as long.
const RETRY_MIN: Duration = Duration::from_secs(1);

/// The longest pause after a failure.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// After this without an answer people are told that there is none yet. The proxy does not wait longer when it starts.
const TOLD_AFTER: Duration = Duration::from_secs(2);

/// Asks for the addresses of a name again and again, and lets servers join and leave.
pub(super) async fn keep(
    upstream: Arc<Upstream>,
    servers: NamedServers,
    ask: impl AsyncFn(&str) -> Result<Found, NotFound>,
) {
    let mut failures = 0;
    let mut is_told = false;
    loop {
        let answer = {
            let mut asking = pin!(ask(servers.name()));
            tokio::select! {
                answer = &mut asking => answer,
                () = pause(TOLD_AFTER), if !is_told => {
                    is_told = true;
                    tell(&upstream, &servers, &NotFound::because("nobody has answered yet"));
                    asking.await
                }
            }
        };
        match answer {
            Ok(found) => {
                take(&upstream, &servers, &found);
                if is_told {
                    let name = servers.name();
                    tracing::info!(upstream = &*upstream.name, name, "a name is known again");
                }
                (failures, is_told) = (0, false);
                upstream.note_found(&servers);
                pause(found.ttl).await;
            }
            Err(error) => {
                if !is_told {
                    tell(&upstream, &servers, &error);
                }
                failures += 1;
                is_told = true;
                upstream.note_found(&servers);
                pause(pause_after(failures)).await;
            }
        }
    }
}

/// Asks once for the addresses of names that came with these upstreams and were not looked at before, until the deadline at most: else
/// the first requests would find nobody. Blocks. Who is not known by then may be found later.
pub(super) fn find(upstreams: &[(Arc<Upstream>, NamedServers)], asked: &[SocketAddr], deadline: Instant) {
    if upstreams.is_empty() {
        return;
    }
    let Ok(runtime) = Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        let Ok(names) = Names::new(asked) else { return };
        for (upstream, servers) in upstreams {
            tokio::select! {
                answer = names.addresses(servers.name()) => {
                    if let Ok(found) = answer {
                        take(upstream, servers, &found);
                    }
                }
                () = pause(deadline.saturating_duration_since(now())) => return,
            }
        }
    });
}

fn pause_after(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    (RETRY_MIN * 2u32.pow(doublings)).min(RETRY_MAX)
}

fn take(upstream: &Upstream, servers: &NamedServers, found: &Found) {
    let moment = Moment::now();
    let checked = upstream.newcomer();
    let member = |address| Member { checked, ..servers.member(address, &upstream.recruit) };
    let wanted: Vec<_> = found.addresses.iter().map(|address| member(*address)).collect();
    let (joined, left) = upstream.change(|roster| roster.found(servers.written(), wanted, DRAIN, moment));
    if joined + left > 0 {
        let name = servers.name();
        tracing::info!(upstream = &*upstream.name, name, joined, left, "a name has other addresses");
    }
}

fn tell(upstream: &Upstream, servers: &NamedServers, error: &NotFound) {
    let is_one = |member: &Member| member.found_as.as_deref() == Some(servers.written());
    let some_stay = upstream.look(|roster| roster.members().iter().any(is_one));
    let (upstream, name) = (&*upstream.name, servers.name());
    if some_stay {
        tracing::warn!(upstream, name, %error, "a name is not known; servers that were found before stay");
    } else {
        tracing::warn!(upstream, name, %error, "a name is not known; it has no servers until it is");
    }
}

#[cfg(test)]
mod tests;
