//! What all who play have in common: what servers and clients saw, over all lives of the process, and how Weir reaches servers.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::pending;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::duplex;
use tokio::task::{JoinHandle, spawn_local};
use weir_upstream::io::deadline::pause;
use weir_upstream::io::stream::Stream;
use weir_upstream::member::Server;

use super::disk::Disk;
use super::fate::Fate;
use super::scene::{Scene, name};
use super::server;
use super::store::Store;
use crate::runtime::dial::Staged;
use crate::tests::dice::Dice;

/// A request, as its client saw it. Its place is its number.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// In which it began.
    pub life: Option<usize>,
    /// When it was begun to be written, if all of it was or will be.
    pub sent: Option<Duration>,
    /// The client is gone.
    pub left: bool,
    pub answer: Option<Answer>,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    /// The place of the visit that it answers; none when it is Weir's own, or of a catch-up.
    pub visit: Option<usize>,
    pub came: Duration,
    /// When all of it had come.
    pub whole: Option<Duration>,
}

/// Over which of its ways Weir has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Live,
    Delivery,
}

/// A request at a server, once all of it has come.
#[derive(Debug)]
pub(super) struct Visit {
    pub server: usize,
    pub request: usize,
    pub life: usize,
    pub way: Way,
    pub began: Duration,
    /// The connection had carried another one.
    pub reused: bool,
    pub key: Option<String>,
    /// What the server means to say, and when.
    pub plan: Option<(u16, Duration)>,
    /// What it has said.
    pub status: Option<(u16, Duration)>,
}

/// What no crash takes away.
#[derive(Default)]
pub(super) struct History {
    pub requests: RefCell<Vec<Request>>,
    pub visits: RefCell<Vec<Visit>>,
    pub disk: Arc<Mutex<Disk>>,
    /// How long the lives have lasted that are over.
    pub elapsed: Cell<Duration>,
    /// Moods of servers, with how many requests they last.
    pub moods: RefCell<Vec<(server::Mood, usize)>>,
}

/// One life of the process.
pub(super) struct World {
    pub scene: Rc<Scene>,
    pub history: Rc<History>,
    pub store: Store,
    pub fate: Arc<Fate>,
    pub dice: RefCell<Dice>,
    pub life: usize,
    /// Everybody is well from now on.
    pub is_ending: Cell<bool>,
    pub is_loud: bool,
    serving: RefCell<Vec<JoinHandle<()>>>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scene.fmt(f)
    }
}

impl World {
    pub(super) fn new(
        scene: Rc<Scene>,
        history: Rc<History>,
        store: Store,
        fate: Arc<Fate>,
        dice: Dice,
        (life, is_loud): (usize, bool),
    ) -> Rc<Self> {
        Rc::new(Self {
            scene,
            history,
            store,
            fate,
            dice: RefCell::new(dice),
            life,
            is_ending: Cell::new(false),
            is_loud,
            serving: RefCell::default(),
        })
    }

    pub(super) fn now(&self) -> Duration {
        self.store.now()
    }

    pub(super) fn draw<T>(&self, ask: impl FnOnce(&mut Dice) -> T) -> T {
        ask(&mut self.dice.borrow_mut())
    }

    pub(super) fn say(&self, line: impl FnOnce() -> String) {
        if self.is_loud {
            let (now, steps) = (self.now().as_millis(), self.fate.steps());
            super::say(&format!("{now} ms, life {}, step {steps}: {}", self.life, line()));
        }
    }

    /// What servers have found wrong ends the test.
    pub(super) async fn check_servers(&self) {
        let serving = self.serving.take();
        for serving in serving.into_iter().filter(JoinHandle::is_finished) {
            serving.await.unwrap();
        }
    }

    /// How a server is to the next who comes.
    pub(super) fn mood(&self, server: usize) -> server::Mood {
        if self.is_ending.get() {
            return server::Mood::Well;
        }
        let (mood, left) = &mut self.history.moods.borrow_mut()[server];
        if *left == 0 {
            *mood = self.draw(|dice| server::Mood::draw(&self.scene, server, dice));
            *left = 1 + self.draw(|dice| dice.below(6));
        }
        *left -= 1;
        *mood
    }
}

/// One of the two ways to the servers.
#[derive(Debug)]
pub(super) struct Ways(pub Rc<World>, pub Way);

impl Staged for Ways {
    fn connect(&self, server: &Server) -> Pin<Box<dyn Future<Output = io::Result<Stream>>>> {
        let (world, way) = (Rc::clone(&self.0), self.1);
        let server = (0..=world.scene.servers).find(|place| name(*place) == server.name()).unwrap();
        Box::pin(async move {
            let mood = world.mood(server);
            world.say(|| format!("{way:?} connects to {server}, which is {mood:?}"));
            match mood {
                server::Mood::Ignores => return pending().await,
                server::Mood::Refuses => {
                    pause(Duration::from_millis(1)).await;
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                _ => {}
            }
            let (theirs, ours) = duplex(1 << 16);
            let (stream, resetter) = Stream::test_that_resets(ours);
            let serving = spawn_local(server::serve(Rc::clone(&world), server, way, theirs, resetter));
            world.serving.borrow_mut().push(serving);
            Ok(stream)
        })
    }
}
