//! A simulation of all that is there when the process dies: clients, servers that are slow, fail, hang, talk nonsense and come
//! back, live copies, the durable queue, deliveries from it, and a mirror. The process dies behind any step; all that it knew
//! is gone, the disk is left as it was committed, and the next one goes on from there.
//!
//! What is played is the product, from the bytes of clients to the bytes of servers: connections, the driver, the deliverer, the
//! mirror, and the ledger of the queue. Only the disk is not a file: `store` says when something is committed, so that a seed
//! can end the process between any two commits. What a file does then is tested with processes that are killed (`weir-store`,
//! `queue/tests/crash.rs`). Modes without crashes, and servers with worse manners: `copies`.
//!
//! A failure prints its seed: `WEIR_SEED=NUMBER cargo test -p weir-proxy crashes` plays that one aloud, with `WEIR_STEP=NUMBER`
//! the one that dies there; `WEIR_SEEDS=NUMBER` plays so many.

mod client;
mod disk;
mod fate;
mod panics;
mod promises;
mod scene;
mod server;
mod store;
mod world;

use std::cell::RefCell;
use std::env;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use tokio::io::{DuplexStream, duplex};
use tokio::task::{JoinHandle, spawn_local};
use weir_core::dispatch::{CatchUp, Mode};
use weir_core::ports::queue::WriteQueue;
use weir_core::queue::QueueLimits;
use weir_upstream::io::deadline::{now, pause};
use weir_upstream::io::pipe::Resetter;
use weir_upstream::io::stream::Stream;

use self::fate::Fate;
use self::scene::Scene;
use self::store::Store;
use self::world::{History, Request, Way, Ways, World};
use super::dice::Dice;
use super::rig::{Rig, paused_with};
use crate::dispatch::deliver::Deliverer;
use crate::runtime::status::ProcessStatus;

/// Seeds that are played if nobody says otherwise: each without a crash, and with some.
const SEEDS: u64 = 300;

/// Seeds of which every step is the last one once.
const STEP_SEEDS: u64 = 2;

/// How many behind `--full`.
const MANY_SEEDS: u64 = 20_000;

/// How many behind `--full`.
const MANY_STEP_SEEDS: u64 = 300;

/// Backlogs are delivered in this time when all servers are well.
const CATCH_UP: Duration = Duration::from_secs(600);

/// Prints a line; the output of a test is seen only when it fails.
#[expect(clippy::print_stderr, reason = "a failure must be told with its seed, and only tests come here")]
fn say(line: &str) {
    eprintln!("{line}");
}

/// Tells what was played if the test ends here.
struct Told {
    seed: u64,
    step: Option<usize>,
}

impl Drop for Told {
    fn drop(&mut self) {
        if thread::panicking() {
            let step = self.step.map_or(String::new(), |step| format!(" WEIR_STEP={step}"));
            say(&format!("play it again with WEIR_SEED={}{step}", self.seed));
        }
    }
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// How a life ended: behind so many steps, by death or not.
struct Ended {
    steps: usize,
    died: bool,
}

/// Plays a scene. The first life of the process ends behind this step, later ones now and then. Says how many steps the first had.
fn play(seed: u64, step: Option<usize>, is_loud: bool) -> usize {
    let told = Told { seed, step };
    fastrand::seed(seed);
    let mut dice = Dice::new(seed);
    let scene = Rc::new(Scene::new(&mut dice));
    let history = Rc::new(History::default());
    history.requests.borrow_mut().resize_with(scene.requests.len(), Request::default);
    *history.moods.borrow_mut() = vec![(server::Mood::Well, 0); scene.servers + 1];
    if is_loud {
        say(&scene.config());
    }
    let mut steps = None;
    for life in 0.. {
        let last = match life {
            0 => step,
            1..4 if step.is_some() => dice.percent(40).then(|| 1 + dice.below(60)),
            _ => None,
        };
        let ended = live(&scene, &history, life, last, &mut dice, is_loud);
        steps.get_or_insert(ended.steps);
        if !ended.died {
            break;
        }
    }
    drop(told);
    steps.unwrap_or_default()
}

/// One life of the process.
fn live(
    scene: &Rc<Scene>,
    history: &Rc<History>,
    life: usize,
    last: Option<usize>,
    dice: &mut Dice,
    is_loud: bool,
) -> Ended {
    let fate = Fate::new(last);
    panics::watch();
    let (for_store, for_world) = (Dice::new(dice.next()), Dice::new(dice.next()));
    let limits = QueueLimits {
        backlog_writes_max: scene.backlog,
        dead_writes_max: scene.dead_letters,
        ..QueueLimits::default()
    };
    let place: Arc<Mutex<Option<Store>>> = Arc::default();
    let (found, disk, fate_too) = (Arc::clone(&place), Arc::clone(&history.disk), Arc::clone(&fate));
    let (elapsed, servers) = (history.elapsed.get(), scene.servers);
    let for_store = Mutex::new(Some(for_store));
    let open = Arc::new(move |_: &str, catch_up, _| {
        assert_eq!(catch_up, CatchUp::Durable);
        let dice = for_store.lock().unwrap().take().expect("one queue");
        let store = Store::open(&disk, limits, servers, life, elapsed, &fate_too, dice);
        *found.lock().unwrap() = Some(store.clone());
        Ok(Arc::new(store) as Arc<dyn WriteQueue>)
    });
    paused_with(&scene.config(), open, async |rig: Rig| {
        let began = now();
        let store = place.lock().unwrap().take();
        let store = store.unwrap_or_else(|| {
            Store::open(&history.disk, limits, servers, life, elapsed, &fate, Dice::new(0))
        });
        let world = World::new(
            Rc::clone(scene),
            Rc::clone(history),
            store,
            Arc::clone(&fate),
            for_world,
            (life, is_loud),
        );
        let rig = Rc::new(rig);
        tokio::select! {
            biased;
            () = fate.died() => {}
            () = run(&world, &rig) => {}
        }
        world.check_servers().await;
        let lasted = now() - began;
        if fate.is_dead() {
            world.say(|| "the process dies".to_owned());
            promises::check_books(&world);
        } else {
            check_leaks(&rig);
            promises::check_end(&world);
        }
        history.elapsed.set(history.elapsed.get() + lasted);
    });
    // Also where the process died, and what it would have caught itself.
    assert_eq!(panics::seen(), 0, "life {life} has panicked; what it said is above");
    Ended { steps: fate.steps(), died: fate.is_dead() }
}

/// Everything that happens while the process lives.
async fn run(world: &Rc<World>, rig: &Rc<Rig>) {
    rig.worker.dial.stage(Rc::new(Ways(Rc::clone(world), Way::Live)));
    let status = ProcessStatus::of_snapshot(Arc::clone(&rig.snapshot));
    let deliverer = Deliverer::new(Arc::downgrade(&status), "u".into());
    deliverer.dial.stage(Rc::new(Ways(Rc::clone(world), Way::Delivery)));
    let (store, fate) = (world.store.clone(), Arc::clone(&world.fate));
    let delivering = spawn_local(async move {
        let _status = status;
        let running = store.run(Rc::new(deliverer));
        steps(running, &fate).await;
    });
    let writing = spawn_local(world.store.clone().write_behind());
    play_clients(world, rig).await;
    rig.worker.tracker.emptied().await;
    // Whoever was ill is well again, and gets what it missed.
    world.is_ending.set(true);
    let caught_up = tokio::time::timeout(CATCH_UP, async {
        while !world.store.is_idle() {
            pause(Duration::from_millis(200)).await;
        }
    });
    assert!(caught_up.await.is_ok(), "the backlog is not delivered");
    delivering.abort();
    writing.abort();
    for task in [delivering, writing] {
        let outcome = task.await;
        assert!(outcome.is_err_and(|error| error.is_cancelled()), "it ended by itself");
    }
}

/// Polls it step by step, as long as the process lives.
async fn steps(future: impl Future<Output = ()>, fate: &Fate) {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if fate.is_dead() {
            return Poll::Pending;
        }
        let polled = future.as_mut().poll(cx);
        fate.step();
        polled
    })
    .await;
}

/// All requests that have not begun in an earlier life.
async fn play_clients(world: &Rc<World>, rig: &Rc<Rig>) {
    let is_new = |number: &usize| world.history.requests.borrow()[*number].life.is_none();
    let numbers: Vec<usize> = (0..world.scene.requests.len()).filter(is_new).collect();
    let serving: Rc<RefCell<Vec<JoinHandle<()>>>> = Rc::default();
    let connect: Rc<dyn Fn() -> (DuplexStream, Resetter)> = {
        let (rig, fate, serving) = (Rc::clone(rig), Arc::clone(&world.fate), Rc::clone(&serving));
        Rc::new(move || {
            let (pipe, ours) = duplex(1 << 16);
            let (stream, resetter) = Stream::test_that_resets(ours);
            let (connection, fate) = (rig.serve(None, stream), Arc::clone(&fate));
            serving.borrow_mut().push(spawn_local(async move { steps(connection, &fate).await }));
            (pipe, resetter)
        })
    };
    let clients: Vec<_> = numbers
        .into_iter()
        .map(|number| spawn_local(client::play(Rc::clone(world), number, Rc::clone(&connect))))
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let serving = serving.take();
    for connection in serving {
        connection.await.unwrap();
    }
}

/// Nothing is left of any exchange.
fn check_leaks(rig: &Rig) {
    rig.expect_idle();
    assert_eq!(rig.counters.panics.value(), 0, "bugs");
    assert_eq!(rig.worker.tracker.len(), 0, "tasks");
    assert_eq!(rig.worker.replay.used_bytes(), 0, "bytes of bodies");
}

fn simulate(seeds: u64) {
    if let Some(seed) = number("WEIR_SEED") {
        play(seed, number("WEIR_STEP").map(|step| step as usize), true);
        return;
    }
    for seed in 0..number("WEIR_SEEDS").unwrap_or(seeds) {
        let steps = play(seed, None, false);
        // Anywhere in it.
        play(seed, Some(Dice::new(seed).below(steps)), false);
    }
}

fn die_everywhere(seeds: u64) {
    if number("WEIR_SEED").is_some() {
        return simulate(1);
    }
    let mut seeds_left = number("WEIR_SEEDS").unwrap_or(seeds);
    for seed in 0.. {
        if seeds_left == 0 {
            break;
        }
        if Scene::new(&mut Dice::new(seed)).mode == Mode::Duplicate {
            seeds_left -= 1;
            let steps = play(seed, None, false);
            (0..steps).for_each(|step| {
                play(seed, Some(step), false);
            });
        }
    }
}

#[test]
fn whenever_the_process_dies_promises_are_kept() {
    simulate(SEEDS);
}

#[test]
fn it_may_die_behind_every_step() {
    die_everywhere(STEP_SEEDS);
}

#[test]
#[ignore = "takes minutes: `cargo xtask test --full`"]
fn many_processes_die_and_promises_are_kept() {
    simulate(MANY_SEEDS);
}

#[test]
#[ignore = "takes minutes: `cargo xtask test --full`"]
fn many_processes_die_behind_every_step() {
    die_everywhere(MANY_STEP_SEEDS);
}
