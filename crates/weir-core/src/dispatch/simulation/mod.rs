//! A simulation of all modes with several copies at a time: seeds make servers and requests, and after each step the promises
//! of `fan.rs` and of the mode are looked at. A failure prints its seed; `WEIR_SEED=NUMBER cargo test -p weir-core simulation`
//! plays that one aloud, `WEIR_SEEDS=NUMBER` plays so many.
//!
//! `world` is a driver without sockets, `ledger` keeps what all modes promise, and there is a watcher for each mode. A watcher
//! does not ask the machine; it has its own idea of what must come next.

mod dice;
mod duplicate;
mod hedge;
mod ledger;
mod majority;
mod race;
mod world;

use std::env;
use std::thread;

use dice::Dice;

/// How many seeds are played if nobody says otherwise; a few seconds for all modes.
const SEEDS: u64 = 20_000;

/// Prints a line; the output of a test is seen only when it fails.
#[expect(clippy::print_stderr, reason = "a failure must be told with its seed, and only tests come here")]
fn say(line: &str) {
    eprintln!("{line}");
}

/// Tells the seed if the test ends here.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if thread::panicking() {
            say(&format!("the seed was {0}: play it again with WEIR_SEED={0}", self.0));
        }
    }
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

fn simulate(play: fn(Dice, bool)) {
    if let Some(seed) = number("WEIR_SEED") {
        return play(Dice::new(seed), true);
    }
    for seed in 0..number("WEIR_SEEDS").unwrap_or(SEEDS) {
        let told = Seed(seed);
        play(Dice::new(seed), false);
        drop(told);
    }
}

#[test]
fn races_keep_their_promises() {
    simulate(race::play);
}

#[test]
fn hedges_keep_their_promises() {
    simulate(hedge::play);
}

#[test]
fn majorities_keep_their_promises() {
    simulate(majority::play);
}

#[test]
fn duplicates_keep_their_promises() {
    simulate(duplicate::play);
}
