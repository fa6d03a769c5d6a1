//! A simulation of the driver of all modes with several copies at a time, from the bytes of clients to the bytes of servers:
//! seeds make servers that refuse, lag, hang, break off, answer early and talk nonsense, and clients that go away in every
//! phase. The machines have simulations of their own in `weir-core`; here is what only the driver can do wrong: bodies that
//! are mixed up or cut, connections that are kept too long or used too soon, memory, tasks and counters that leak.
//!
//! `scene` is what a seed makes, `world` with `server`, `client` and `queue` plays it, `journal` is what these saw of Weir, and
//! `promises` is held against that. A failure prints its seed: `WEIR_SEED=NUMBER cargo test -p weir-proxy copies` plays that
//! one aloud, `WEIR_SEEDS=NUMBER` plays so many.

mod client;
mod journal;
mod promises;
mod queue;
mod scene;
mod server;
mod world;

use std::cell::Cell;
use std::env;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use tokio::io::duplex;
use tokio::task::spawn_local;
use weir_core::dispatch::Mode;
use weir_core::ports::queue::WriteQueue;
use weir_upstream::io::deadline::{now, pause};
use weir_upstream::io::stream::Stream;

use self::client::Connection;
use self::queue::Backlogs;
use self::scene::{ANSWER_HEAD, Scene};
use self::world::{Ways, World};
use super::rig::{Rig, paused_with};
use crate::tests::dice::Dice;

/// How many seeds are played for each mode if nobody says otherwise; a few seconds for all modes.
const SEEDS: u64 = 100;

/// How many behind `--full`.
const MANY_SEEDS: u64 = 5_000;

/// Seeds of each mode whose scenes are cut everywhere.
const CUT_SEEDS: u64 = 20;

/// How many behind `--full`.
const MANY_CUT_SEEDS: u64 = 500;

const MODES: [Mode; 4] = [Mode::Race, Mode::Hedge, Mode::Majority, Mode::Duplicate];

/// A scene takes fewer polls of a client's connection.
const POLLS_MAX: usize = 100_000;

/// How long a copy of a loser may still be there (`semantics.md` §2.4).
const LINGER_TIME: Duration = Duration::from_millis(20);

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

/// Tells after how many polls the connection was dropped.
struct Polls(usize);

impl Drop for Polls {
    fn drop(&mut self) {
        if thread::panicking() {
            say(&format!("it was cut after WEIR_POLLS={}", self.0));
        }
    }
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

fn simulate(mode: Mode, seeds: u64) {
    if let Some(seed) = number("WEIR_SEED") {
        play(mode, seed, None, true);
        return;
    }
    for seed in 0..number("WEIR_SEEDS").unwrap_or(seeds) {
        let told = Seed(seed);
        play(mode, seed, None, false);
        drop(told);
    }
}

/// Plays a scene. With `polls`, the connection of the first client is dropped after so many; says whether it came to its end.
fn play(mode: Mode, seed: u64, polls: Option<usize>, loud: bool) -> bool {
    fastrand::seed(seed);
    let mut dice = Dice::new(seed);
    let scene = Scene::new(mode, &mut dice);
    let scene = if polls.is_some() { scene.with_wide_pipes() } else { scene };
    let config = scene.config();
    let backlogs = Backlogs::new(Dice::new(dice.next()));
    let queue: Arc<dyn WriteQueue> = Arc::new(backlogs.clone());
    if loud {
        say(&config);
    }
    let open = Arc::new(move |_: &str, _, _| Ok(Arc::clone(&queue)));
    paused_with(&config, open, async |rig: Rig| {
        let rig = Rc::new(rig);
        let world = World::new(scene, dice);
        world.is_loud.set(loud);
        rig.worker.dial.stage(Rc::new(Ways(Rc::clone(&world))));
        let polls_left = Rc::new(Cell::new(polls.unwrap_or(usize::MAX)));
        let playing: Vec<_> = (0..world.scene.clients.len())
            .map(|number| {
                let polls_left =
                    if number == 0 { Rc::clone(&polls_left) } else { Rc::new(Cell::new(usize::MAX)) };
                let (connecting, rig) = (Rc::clone(&world), Rc::clone(&rig));
                let connect = move |current| connect(&connecting, &rig, current, &polls_left);
                spawn_local(client::play(Rc::clone(&world), number, connect))
            })
            .collect();
        for client in playing {
            client.await.unwrap();
        }
        let since = now();
        rig.worker.tracker.emptied().await;
        let lingered = now() - since;
        // Everybody hears of what has ended, and says what is still to be said.
        pause(Duration::from_millis(200)).await;
        if loud {
            world.journal.borrow().lines().iter().for_each(|line| say(line));
        }
        let lingers_at_most = if mode == Mode::Duplicate { ANSWER_HEAD + LINGER_TIME } else { LINGER_TIME };
        assert!(lingered <= lingers_at_most, "copies were there for {lingered:?}");
        world.check_servers().await;
        check_leaks(&world, &rig);
        promises::check(&world, &rig, &backlogs);
        !world.is_cut.get()
    })
}

/// A connection of a client, polled at most so often.
fn connect(
    world: &Rc<World>,
    rig: &Rig,
    current: Rc<Cell<Option<usize>>>,
    polls_left: &Rc<Cell<usize>>,
) -> Connection {
    let (pipe, ours) = duplex(world.scene.client_pipe);
    let (stream, resetter) = Stream::test_that_resets(ours);
    let serving = rig.serve(None, stream);
    let (world, polls_left) = (Rc::clone(world), Rc::clone(polls_left));
    let serving = spawn_local(async move {
        let mut serving = pin!(serving);
        poll_fn(|cx| {
            if polls_left.get() == 0 {
                world.is_cut.set(true);
                return Poll::Ready(());
            }
            polls_left.set(polls_left.get() - 1);
            world.current.set(current.get());
            let served = serving.as_mut().poll(cx);
            world.current.set(None);
            served
        })
        .await;
    });
    Connection { pipe, resetter, serving }
}

/// Nothing is left of any exchange but connections that may carry another one.
fn check_leaks(world: &World, rig: &Rig) {
    rig.expect_idle();
    assert_eq!(rig.counters.panics.value(), 0, "bugs");
    assert_eq!(rig.worker.tracker.len(), 0, "tasks");
    assert_eq!(rig.worker.replay.used_bytes(), 0, "bytes of bodies");
    // Bytes that came behind an answer may be noticed late.
    rig.worker.pools.sweep();
    let lines = world.lines.borrow();
    let open: Vec<_> = lines.iter().filter(|line| line.resetter.is_open()).collect();
    assert_eq!(
        open.len(),
        rig.worker.pools.len(),
        "connections to servers that are open, and those that are kept"
    );
    let unclean: Vec<_> = open.iter().filter(|line| !line.is_clean.get()).collect();
    assert!(unclean.is_empty(), "kept in the middle of an exchange: {unclean:?}");
}

/// The connection of a client is dropped after every number of polls, up to its end: nothing is left then either.
fn cut_everywhere(mode: Mode, seeds: u64) {
    if let Some(seed) = number("WEIR_SEED") {
        let polls = number("WEIR_POLLS").map(|polls| polls as usize);
        play(mode, seed, polls, true);
        return;
    }
    for seed in 0..number("WEIR_SEEDS").unwrap_or(seeds) {
        let told = Seed(seed);
        let end = (0..POLLS_MAX).find(|polls| {
            let told = Polls(*polls);
            let ended = play(mode, seed, Some(*polls), false);
            drop(told);
            ended
        });
        assert!(end.is_some(), "it does not end");
        drop(told);
    }
}

#[test]
fn whenever_a_client_is_cut_off_nothing_is_left_of_its_copies() {
    for mode in MODES {
        cut_everywhere(mode, CUT_SEEDS);
    }
}

#[test]
#[ignore = "takes minutes"]
fn many_scenes_keep_their_promises() {
    for mode in MODES {
        simulate(mode, MANY_SEEDS);
    }
}

#[test]
#[ignore = "takes minutes"]
fn many_clients_are_cut_off_everywhere() {
    for mode in MODES {
        cut_everywhere(mode, MANY_CUT_SEEDS);
    }
}

#[test]
fn races_keep_their_promises() {
    simulate(Mode::Race, SEEDS);
}

#[test]
fn hedges_keep_their_promises() {
    simulate(Mode::Hedge, SEEDS);
}

#[test]
fn majorities_keep_their_promises() {
    simulate(Mode::Majority, SEEDS);
}

#[test]
fn duplicates_keep_their_promises() {
    simulate(Mode::Duplicate, SEEDS);
}
