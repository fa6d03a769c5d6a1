//! `Server-Timing` (W3C Server Timing), inside of *respond*: where the time went until the head of the answer left.

use std::fmt::Write;
use std::time::Duration;

use weir_http::head::Head;

use crate::exchange::Exchange;

/// Appends what was measured; a server's own stays before it. What did not happen is left out: an answer of Weir's own has no
/// `connect`, and one that took nobody's time no `upstream`.
#[cold]
pub(super) fn tell(x: &mut Exchange, head: &mut Head) {
    let total = x.look_after_wait() - x.begun;
    let mut value = String::with_capacity(96);
    part(&mut value, "queue", x.record.queued);
    if x.record.server.is_some() {
        part(&mut value, "connect", x.record.connecting);
    }
    if let Some(served) = x.record.served {
        part(&mut value, "upstream", served);
    }
    part(&mut value, "total", total);
    head.append("Server-Timing", value.as_bytes());
}

/// A name and milliseconds, with microseconds behind the point.
fn part(value: &mut String, name: &str, time: Duration) {
    let separator = if value.is_empty() { "" } else { ", " };
    let micros = time.as_micros();
    // Writing into memory can't fail.
    let _ = write!(value, "{separator}{name};dur={}.{:03}", micros / 1000, micros % 1000);
}
