//! `weir run --debug`: the servers with their states, every second, beside the log.
//!
//! It runs on the control thread and reads what the admin listener reads, so it costs requests nothing. On a terminal the table
//! stands still at the bottom and the log goes by above it; elsewhere each server is a line, each second anew.

mod pinned;
mod rows;

use std::io::{self, IsTerminal};
use std::time::{Duration, SystemTime};

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use weir_core::ports::SharedStatusSource;
use weir_tools::top::terminal_size;

use self::pinned::Pinned;
use self::rows::Clock;
use crate::output;

const INTERVAL: Duration = Duration::from_secs(1);

/// The table, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Shown(JoinHandle<()>);

impl Shown {
    /// Begins to show it, in a task of the runtime that this is called in.
    pub(crate) fn begin(source: SharedStatusSource) -> Self {
        Self(tokio::spawn(show(source)))
    }

    /// Takes it away. The terminal is as it was when this returns.
    pub(crate) async fn end(self) {
        self.0.abort();
        // It was told to end, so there is nothing to be learnt.
        let _ = self.0.await;
    }
}

async fn show(source: SharedStatusSource) {
    let clock = Clock::of_this_place();
    let mut pinned = io::stdout().is_terminal().then(Pinned::default);
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let upstreams = source.status().upstreams;
        let written = match (&mut pinned, terminal_size()) {
            (Some(pinned), Ok(size)) => output::data(pinned.frame(&rows::table(&upstreams, &clock), size)),
            // A terminal without a size is one that nothing can be placed on.
            _ => output::data(rows::lines(&upstreams, &clock, now())),
        };
        // Nobody reads it any more; the proxy goes on.
        if written.is_err() {
            return;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "each line says when it was written")]
fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
