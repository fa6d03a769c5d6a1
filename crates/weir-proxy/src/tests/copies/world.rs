//! What all who play have in common, and the servers as Weir reaches them.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::pending;
use std::io;
use std::pin::Pin;
use std::rc::Rc;

use tokio::io::duplex;
use tokio::task::{JoinHandle, spawn_local};
use weir_upstream::io::deadline::pause;
use weir_upstream::io::pipe::Resetter;
use weir_upstream::io::stream::Stream;
use weir_upstream::member::Server;

use super::journal::{Dialled, Journal, Stamp};
use super::scene::{Scene, name};
use super::server;
use crate::runtime::dial::Staged;
use crate::tests::dice::Dice;

/// What all have in common.
pub(super) struct World {
    pub scene: Scene,
    pub dice: RefCell<Dice>,
    pub journal: RefCell<Journal>,
    /// All connections to servers that there ever were.
    pub lines: RefCell<Vec<Rc<Line>>>,
    /// The request that is worked on while its client's connection is polled.
    pub current: Cell<Option<usize>>,
    /// Prints what is drawn.
    pub is_loud: Cell<bool>,
    /// The connection of a client was dropped by the test.
    pub is_cut: Cell<bool>,
    serving: RefCell<Vec<JoinHandle<()>>>,
}

/// A connection to a server, from there.
#[derive(Debug)]
pub(super) struct Line {
    pub number: usize,
    pub resetter: Resetter,
    /// The server has got all of a request, has said all of an answer and nothing behind it.
    pub is_clean: Cell<bool>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scene.fmt(f)
    }
}

impl World {
    pub(super) fn new(scene: Scene, dice: Dice) -> Rc<Self> {
        Rc::new(Self {
            scene,
            dice: RefCell::new(dice),
            journal: RefCell::default(),
            lines: RefCell::default(),
            current: Cell::new(None),
            is_loud: Cell::new(false),
            is_cut: Cell::new(false),
            serving: RefCell::default(),
        })
    }

    /// Asks the dice.
    pub(super) fn draw<T>(&self, ask: impl FnOnce(&mut Dice) -> T) -> T {
        ask(&mut self.dice.borrow_mut())
    }

    fn open(self: &Rc<Self>, server: usize) -> Stream {
        let (theirs, ours) = duplex(self.scene.servers[server].pipe);
        let (stream, resetter) = Stream::test_that_resets(ours);
        let number = self.lines.borrow().len();
        let line = Rc::new(Line { number, resetter, is_clean: Cell::new(true) });
        self.lines.borrow_mut().push(Rc::clone(&line));
        let serving = spawn_local(server::serve(Rc::clone(self), server, theirs, line));
        self.serving.borrow_mut().push(serving);
        stream
    }

    /// What servers have found wrong ends the test.
    pub(super) async fn check_servers(&self) {
        let serving = self.serving.take();
        for serving in serving.into_iter().filter(JoinHandle::is_finished) {
            serving.await.unwrap();
        }
    }
}

/// The way to the servers of a world.
#[derive(Debug)]
pub(super) struct Ways(pub Rc<World>);

impl Staged for Ways {
    fn connect(&self, server: &Server) -> Pin<Box<dyn Future<Output = io::Result<Stream>>>> {
        let world = Rc::clone(&self.0);
        let known = |place: &usize| name(*place) == server.name();
        let server = (0..world.scene.servers.len()).find(known).unwrap();
        let request = world.current.get();
        let place = {
            let dials = &mut world.journal.borrow_mut().dials;
            dials.push(Dialled { server, request, began: Stamp::now(), outcome: None });
            dials.len() - 1
        };
        let character = world.scene.servers[server];
        Box::pin(async move {
            let (ignores, refuses, delay) = world.draw(|dice| {
                let refuses = dice.percent(character.refuses);
                (refuses && dice.percent(character.ignores), refuses, dice.delay(character.slowness.min(4)))
            });
            if ignores {
                return pending().await;
            }
            if !delay.is_zero() {
                pause(delay).await;
            }
            world.journal.borrow_mut().dials[place].outcome = Some((Stamp::now(), !refuses));
            if refuses {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            Ok(world.open(server))
        })
    }
}
