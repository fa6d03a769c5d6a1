//! `concurrency`: how much may be in progress at once.

use std::time::Duration;

use super::describe::Presence::{Default as Unless, Optional};
use super::scalar::{DurationIn, Integer};
use super::table::{Field, Kept, Table};

/// `concurrency` as it was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConcurrencyFile {
    /// `per_client`
    pub(crate) per_client: Option<u64>,
    /// `total`
    pub(crate) total: Option<u64>,
    /// `queue`
    pub(crate) queue: Option<u64>,
    /// `wait`
    pub(crate) wait: Option<Duration>,
}

/// More requests at once than this are no limit.
const REQUESTS_MAX: u64 = 1_000_000;

/// `concurrency`
pub(crate) static CONCURRENCY: Table<ConcurrencyFile> = Table {
    name: "concurrency",
    doc: "How many requests may be in progress at once, a WebSocket until it ends. Others wait for their turn; who can't \
          wait, or waits for too long, gets 503 with `Retry-After`. `per_client` or `total` must be there.",
    fields: &[
        Field {
            name: "per_client",
            presence: Optional,
            value: &Kept(
                Integer { label: "`per_client`", min: 1, max: REQUESTS_MAX },
                |concurrency: &mut ConcurrencyFile, number| concurrency.per_client = Some(number),
            ),
            doc: "Of each client address (IPv6 by /64), from 1 to 1,000,000; any number when not written.",
        },
        Field {
            name: "total",
            presence: Optional,
            value: &Kept(
                Integer { label: "`total`", min: 1, max: REQUESTS_MAX },
                |concurrency: &mut ConcurrencyFile, number| concurrency.total = Some(number),
            ),
            doc: "Of all clients together, from 1 to 1,000,000; any number when not written.",
        },
        Field {
            name: "queue",
            presence: Unless("100"),
            value: &Kept(
                Integer { label: "`queue`", min: 0, max: REQUESTS_MAX },
                |concurrency: &mut ConcurrencyFile, number| concurrency.queue = Some(number),
            ),
            doc: "Requests that wait at the same time, from 0 (nobody waits) to 1,000,000. Of one client, no more than \
                  `per_client` wait for another one of its own to end. Each holds its connection and its head.",
        },
        Field {
            name: "wait",
            presence: Unless("1s"),
            value: &Kept(
                DurationIn { min: Duration::from_millis(1), max: Duration::from_secs(3600) },
                |concurrency: &mut ConcurrencyFile, wait| concurrency.wait = Some(wait),
            ),
            doc: "How long a request waits at most, from `1ms` to `1h`.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};
