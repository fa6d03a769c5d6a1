//! Whether this machine stood still for a while, so that a test which promises something about time can't be believed.
//!
//! A check that ends after 300 ms and a try that ends after 2 s are part of what is tested there, and no wait for a state can take
//! the place of them. So somebody beside it asks a server that is well all the time, and says how that went.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::mock::Mock;
use super::process::{answer, ask};

/// How often a test is played again after a machine that stalled.
const ROUNDS: usize = 3;
/// How long asking a mock that is well takes on a machine that stalls. It takes a millisecond on others.
const STALL: Duration = Duration::from_millis(200);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(20);

/// Plays this until it succeeds, or fails on a machine that did not stall meanwhile.
pub(crate) fn unless_stalled(test: impl Fn()) {
    for number in 1..=ROUNDS {
        let bystander = Bystander::start();
        let outcome = catch_unwind(AssertUnwindSafe(&test));
        let slowest = bystander.end();
        let Err(panic) = outcome else { return };
        say(&format!(
            "round {number} failed; at the worst a mock beside it needed {slowest:?} for its answer"
        ));
        if slowest < STALL || number == ROUNDS {
            resume_unwind(panic);
        }
    }
}

/// Seen only when the test fails.
#[expect(clippy::print_stderr, reason = "whoever looks at a failure has to know how the machine was")]
fn say(line: &str) {
    eprintln!("{line}");
}

/// Asks a mock of its own again and again.
struct Bystander {
    is_over: Arc<AtomicBool>,
    slowest_ms: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
    _mock: Mock,
}

impl Bystander {
    fn start() -> Self {
        let mock = Mock::start(SocketAddr::from(([127, 0, 0, 1], 0)), &[]);
        let (is_over, slowest_ms) = <(Arc<AtomicBool>, Arc<AtomicU64>)>::default();
        let (over, slowest, address) = (Arc::clone(&is_over), Arc::clone(&slowest_ms), mock.address);
        let thread = std::thread::spawn(move || watch(address, &over, &slowest));
        Self { is_over, slowest_ms, thread: Some(thread), _mock: mock }
    }

    /// How long it took at the worst.
    fn end(mut self) -> Duration {
        self.is_over.store(true, SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        Duration::from_millis(self.slowest_ms.load(SeqCst))
    }
}

#[expect(clippy::disallowed_methods, reason = "it is the machine that is measured")]
fn watch(address: SocketAddr, is_over: &AtomicBool, slowest_ms: &AtomicU64) {
    let mut began = Instant::now();
    while !is_over.load(SeqCst) {
        let (_sender, never) = sync_channel::<()>(1);
        let _ = never.recv_timeout(PAUSE);
        answer(ask(address, "localhost", "/healthz"));
        // With the pause, of which a machine that stalls makes a longer one.
        let now = Instant::now();
        let took = (now - began).saturating_sub(PAUSE);
        slowest_ms.fetch_max(u64::try_from(took.as_millis()).unwrap_or(u64::MAX), SeqCst);
        began = now;
    }
}
