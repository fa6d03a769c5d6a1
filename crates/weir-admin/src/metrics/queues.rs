//! What waits for servers of mode `duplicate`, what is dead, and how much of either there may be.

use weir_core::metric::{self, Metric};
use weir_core::ports::Status;
use weir_core::ports::queue::{DeadLetterCount, QueueServerStatus, QueueStatus};

use super::text::Page;

/// What became of the writes of each server.
fn settled(status: &Status, page: &mut Page) {
    let servers =
        || status.queues.iter().flat_map(|queue| queue.servers.iter().map(move |server| (queue, server)));
    let values = servers().flat_map(|(queue, server)| {
        let counts = server.counts;
        let outcomes = [
            ("delivered", counts.delivered_total),
            ("refused", counts.refused_total),
            ("expired", counts.expired_total),
            ("dropped", counts.dropped_total),
            ("unreadable", counts.unreadable_total),
            ("discarded", counts.discarded_total),
        ];
        outcomes.map(|(outcome, count)| ([&*queue.name, &*server.name, outcome], count))
    });
    page.labelled(&metric::QUEUE_SETTLED, values);
}

/// How full queues are, and how full they may be.
fn full(status: &Status, page: &mut Page) {
    let queues = || status.queues.iter();
    let held = queues().map(|queue| ([&*queue.name], queue.backlog_writes as u64));
    page.labelled(&metric::QUEUE_HELD_WRITES, held);
    let held_bytes = queues().map(|queue| ([&*queue.name], queue.backlog_bytes));
    page.labelled(&metric::QUEUE_HELD_BYTES, held_bytes);
    let letters = |value: fn(&DeadLetterCount) -> u64| {
        queues().flat_map(move |queue| {
            let kinds = [("kept", &queue.dead_kept), ("refused_by_all", &queue.dead_refused)];
            kinds.map(|(kind, count)| ([&*queue.name, kind], value(count)))
        })
    };
    page.labelled(&metric::QUEUE_DEAD_LETTERS, letters(|count| count.writes as u64));
    page.labelled(&metric::QUEUE_DEAD_LETTERS_BYTES, letters(|count| count.bytes));
    let bounds = queues().flat_map(|queue| {
        let limits = &queue.limits;
        // Named as the keys of the configuration are.
        let bounds = [
            ("backlog", limits.backlog_writes_max as u64),
            ("backlog_bytes", limits.backlog_bytes_max),
            ("dead_letters", limits.dead_writes_max as u64),
            ("dead_letters_bytes", limits.dead_bytes_max),
        ];
        bounds.map(|(of, bound)| ([&*queue.name, of], bound))
    });
    page.labelled(&metric::QUEUE_BOUND, bounds);
}

/// What waits for servers. An upstream has one queue, and a queue has each server once.
pub(super) fn write(status: &Status, page: &mut Page) {
    let mut per_server = |metric: &Metric, value: fn(&QueueServerStatus) -> u64| {
        let servers = status.queues.iter().flat_map(|queue| {
            queue.servers.iter().map(move |server| ([&*queue.name, &*server.name], value(server)))
        });
        page.labelled(metric, servers);
    };
    per_server(&metric::QUEUE_BACKLOG_WRITES, |server| server.backlog as u64);
    per_server(&metric::QUEUE_OLDEST_AGE, |server| server.oldest_age.map_or(0, |age| age.as_secs()));
    per_server(&metric::QUEUE_DEAD_WRITES, |server| server.dead as u64);
    per_server(&metric::QUEUE_FORGOTTEN, |server| server.counts.forgotten_total);
    settled(status, page);
    full(status, page);
    let mut per_queue = |metric: &Metric, value: fn(&QueueStatus) -> u64| {
        page.labelled(metric, status.queues.iter().map(|queue| ([&*queue.name], value(queue))));
    };
    per_queue(&metric::QUEUE_ACCEPTED, |queue| queue.accepted_total);
    per_queue(&metric::QUEUE_FULL, |queue| queue.full_total);
    per_queue(&metric::QUEUE_WRITE_ERRORS, |queue| queue.write_errors_total);
    per_queue(&metric::QUEUE_ABANDONED, |queue| queue.abandoned_total);
}
