//! Health checks, counted by the server that they go to.
//!
//! There is no load: what is measured is what the proxy does by itself. The server counts connections, and says how many through
//! the proxy, because that is who is known here; the few requests for it count for nothing.

use std::io::{Read, Write};
use std::time::Duration;

use anyhow::{Context, Result};

use super::answer;
use super::load::{Load, Order};
use super::servers::{MANY, stub_status};

/// How often each server is checked in a second, as `bench/peers/weir.yaml` says.
const EACH: u32 = 10;

/// Watches for as long as it was told.
///
/// # Errors
/// When the server does not say how many there were.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
#[expect(clippy::disallowed_methods, reason = "time goes by, and nothing else is waited for")]
pub(crate) fn watch(order: &Order) -> Result<Load> {
    let before = accepted(order)?;
    std::thread::sleep(Duration::from_secs(order.seconds.into()));
    let done = accepted(order)?.saturating_sub(before);
    let (per_second, wanted) = (done as f64 / f64::from(order.seconds), f64::from(MANY * EACH));
    let mut troubles = Vec::new();
    // The jitter makes them a few more; the last ones may not have begun.
    if per_second < wanted * 0.98 {
        troubles.push(format!("only {per_second:.0} checks in a second instead of {wanted:.0}"));
    }
    Ok(Load { done, per_second, median_us: 0.0, p99_us: 0.0, in_commit: None, troubles })
}

/// How many connections the server has taken so far.
fn accepted(order: &Order) -> Result<u64> {
    let mut connection = answer::connect(order.address)?;
    write!(connection, "GET /count HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut status = String::new();
    connection.read_to_string(&mut status)?;
    stub_status(&status, 0).with_context(|| format!("the server counts nothing: {status}"))
}
