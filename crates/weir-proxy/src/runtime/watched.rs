//! How long servers take, for people who look on.
//!
//! Counting each answer costs requests a write to a word that all workers share, and most of the time nobody wants to know. So it
//! is counted only while somebody asks for the status, and for some seconds after; the first answers to a question have no times.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;
use weir_core::latency::Remembered;
use weir_upstream::io::deadline::{now, pause};
use weir_upstream::member::Server;

use super::snapshot::Snapshot;
use super::status::ProcessStatus;

/// How often what was counted is collected.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long it is counted after the last question.
const KEPT: Duration = Duration::from_secs(10);

/// Runs for as long as the process's status is asked for by somebody else.
pub(super) async fn watch(status: Weak<ProcessStatus>) {
    let Some(lookout) = status.upgrade().map(|status| Arc::clone(&status.lookout)) else { return };
    loop {
        lookout.asked().await;
        let mut memory = Memory::default();
        // Somebody who asked while it was counted has rung too, and need not have asked since.
        let mut asked = lookout.has_asked().then(now);
        while asked.is_some_and(|asked| now() - asked < KEPT) {
            {
                let Some(status) = status.upgrade() else { return };
                memory.look(&status.snapshot.load(), now());
            }
            pause(INTERVAL).await;
            if lookout.has_asked() {
                asked = Some(now());
            }
        }
        memory.forget();
    }
}

/// What is remembered of the servers, by their slots; each is held, so that no other one gets its slot.
#[derive(Default)]
struct Memory {
    servers: HashMap<usize, (Arc<Server>, Remembered)>,
    looked: Option<Instant>,
}

impl Memory {
    fn look(&mut self, snapshot: &Snapshot, now: Instant) {
        let elapsed = self.looked.replace(now).map_or(Duration::ZERO, |looked| now - looked);
        let mut seen = HashMap::new();
        for upstream in snapshot.upstreams.iter().chain(&snapshot.other_policy_groups()) {
            for server in &upstream.group().servers {
                let known = self.servers.remove(&server.slot());
                let (_, times) = seen.entry(server.slot()).or_insert_with(|| {
                    known.unwrap_or_else(|| {
                        server.watched.watch(true);
                        (Arc::clone(server), Remembered::default())
                    })
                });
                times.add(elapsed, server.watched.take());
                server.watched.publish(times.percentile_of_few(0.5), times.percentile_of_few(0.99));
            }
        }
        // Whoever has left is not looked at any more.
        self.forget();
        self.servers = seen;
    }

    fn forget(&mut self) {
        for (_, (server, _)) in self.servers.drain() {
            server.watched.watch(false);
        }
    }
}
