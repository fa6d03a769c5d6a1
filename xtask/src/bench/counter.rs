//! What a server of ours has got so far: it says so for each line of its input.

use std::io::{self, BufRead};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::{Context, Result};

use super::child::Running;

/// In the program: a thread that answers each line with the count.
pub(crate) fn answer() -> Arc<AtomicU64> {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for _asked in io::stdin().lock().lines() {
            println!("{}", counted.load(Relaxed));
        }
    });
    count
}

/// In the measurement: asks it.
///
/// # Errors
/// When it says no count.
pub(crate) fn ask(running: &mut Running) -> Result<u64> {
    running.tell("count")?;
    let count = running.hear()?;
    count.parse().with_context(|| format!("the servers said `{count}` and no count"))
}
