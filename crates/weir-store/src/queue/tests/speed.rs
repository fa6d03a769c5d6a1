//! What a write costs without a file: `cargo test --release -p weir-store speed -- --ignored --nocapture` prints it. Durable ones are a
//! scenario of `cargo xtask bench`.

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::time::Instant;

use weir_core::ports::queue::WriteQueue;
use weir_core::queue::{Outcome, QueueLimits};

use super::super::Queue;
use super::rig::{block_on, body, new_write};

const OK: Outcome = Outcome::Answered { status: 200, retry_after: None };

/// What a write to three servers costs in memory, from its acceptance to the last settlement, on one thread.
#[test]
#[ignore = "measures: run it alone, in release"]
fn a_write_in_memory() {
    let queue = Queue::in_memory("q", QueueLimits::default());
    queue.configure(&["a:1", "b:1", "c:1"]);
    let (write, content) = (new_write("w", &[0, 1, 2]), body(100));
    block_on(async {
        let (writes, started) = (1_000_000, Instant::now());
        for _ in 0..writes {
            let mut accepted = queue.accept(write.clone(), None).await.unwrap();
            accepted.supply(content.clone());
            for server in 0..3 {
                accepted.settle(weir_core::queue::ServerId(server), OK);
            }
        }
        println!("{:?} for a write in memory to three servers", started.elapsed() / writes);
    });
}
