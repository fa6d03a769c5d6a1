//! Finds out when most answers have begun, for the routes that hedge (`semantics.md` §3.5), and publishes it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;
use weir_core::latency::{Remembered, median};
use weir_upstream::io::deadline::{now, pause};
use weir_upstream::upstream::Upstream;

use super::dispatch::Hedging;
use super::snapshot::Snapshot;
use super::status::ProcessStatus;

/// How often it is looked.
const INTERVAL: Duration = Duration::from_millis(250);

/// The share of the answers after which a second server is asked.
const SHARE: f64 = 0.95;

/// Runs for as long as the process's status is asked for by somebody else.
pub(super) async fn watch(status: Weak<ProcessStatus>) {
    let mut memory = Memory::default();
    loop {
        pause(INTERVAL).await;
        let Some(status) = status.upgrade() else { return };
        memory.look(&status.snapshot.load(), now());
    }
}

/// What is remembered of the servers, by the names of their upstreams and their own: a new configuration makes new servers.
#[derive(Default)]
struct Memory {
    servers: HashMap<(Box<str>, Box<str>), Remembered>,
    looked: Option<Instant>,
}

impl Memory {
    fn look(&mut self, snapshot: &Snapshot, now: Instant) {
        let elapsed = self.looked.replace(now).map_or(Duration::ZERO, |looked| now - looked);
        let hedging: Vec<(&Arc<Upstream>, &Hedging)> = hedging(snapshot).collect();
        let mut seen: HashMap<(Box<str>, Box<str>), Remembered> = HashMap::new();
        for (upstream, _) in &hedging {
            for server in &upstream.group().servers {
                let name = (upstream.name.clone(), server.name().into());
                let known = self.servers.remove(&name);
                // A server of two routes is looked at once.
                seen.entry(name).or_insert_with(|| {
                    let mut times = known.unwrap_or_default();
                    times.add(elapsed, server.latencies.take());
                    times
                });
            }
        }
        self.servers = seen;
        for (upstream, hedging) in hedging {
            let group = upstream.group();
            let known = group.servers.iter().filter_map(|server| {
                // One that has joined since is not known yet.
                self.servers.get(&(upstream.name.clone(), server.name().into()))?.percentile(SHARE)
            });
            hedging.publish(median(known.collect()));
        }
    }
}

fn hedging(snapshot: &Snapshot) -> impl Iterator<Item = (&Arc<Upstream>, &Hedging)> {
    let routes = snapshot.hedging.iter().filter_map(|place| snapshot.forward(*place));
    routes.flat_map(|forward| forward.dispatch.hedging().map(|hedging| (&forward.upstream, hedging)))
}
