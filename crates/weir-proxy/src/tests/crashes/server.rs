//! A server with moods: it is well or slow, refuses, fails, hangs, talks nonsense, breaks off, and comes back.

use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;
use weir_upstream::io::deadline::pause;
use weir_upstream::io::pipe::Resetter;

use super::promises;
use super::scene::Scene;
use super::world::{Visit, Way, World};
use crate::tests::dice::Dice;
use crate::tests::message::Incoming;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Well,
    Slow(Duration),
    /// Nobody can connect.
    Refuses,
    /// Connecting does not end.
    Ignores,
    /// It fails all that it gets.
    Fails,
    /// It will never take what it gets.
    Rejects,
    /// It takes a request and says nothing.
    Hangs,
    /// It closes the connection, reset or not, when it has the request.
    Resets,
    Closes,
    HalfHead,
    Nonsense,
}

impl Mood {
    pub(super) fn draw(scene: &Scene, server: usize, dice: &mut Dice) -> Self {
        if server == scene.mirror() && scene.deaf_mirror {
            return Self::Hangs;
        }
        if !dice.percent(scene.bad) {
            return match dice.percent(50) {
                true => Self::Well,
                false => Self::Slow(Duration::from_millis(5 * dice.below(30) as u64)),
            };
        }
        if scene.refusing && dice.percent(40) {
            return Self::Rejects;
        }
        dice.one_of(&[
            Self::Refuses,
            Self::Refuses,
            Self::Ignores,
            Self::Fails,
            Self::Fails,
            Self::Hangs,
            Self::Resets,
            Self::Closes,
            Self::HalfHead,
            Self::Nonsense,
            Self::Slow(Duration::from_millis(1200)),
        ])
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(
    world: Rc<World>,
    server: usize,
    way: Way,
    mut pipe: DuplexStream,
    resetter: Resetter,
) {
    for number in 0.. {
        let Some(request) = next(&mut pipe).await else { return };
        if world.fate.is_dead() {
            return;
        }
        let visit = note(&world, server, way, &request, number > 0);
        world.fate.step();
        let mood = world.mood(server);
        let answered = answer(&world, visit, mood, &request, &mut pipe).await;
        if answered {
            continue;
        }
        if mood == Mood::Resets {
            pause(Duration::from_millis(1)).await;
            resetter.reset();
        }
        return;
    }
}

/// A request to its end.
async fn next(pipe: &mut DuplexStream) -> Option<Incoming> {
    let mut request = Incoming::request();
    let mut room = [0; 4096];
    while !request.is_whole() {
        let count = pipe.read(&mut room).await.unwrap_or(0);
        if count == 0 {
            return None;
        }
        assert_eq!(request.feed(&room[..count]), count, "bytes behind a request that was not answered");
    }
    Some(request)
}

fn note(world: &World, server: usize, way: Way, request: &Incoming, reused: bool) -> usize {
    let number = request.field("X-Client").unwrap().parse().unwrap();
    let key = request.field("Idempotency-Key").map(str::to_owned);
    world.say(|| format!("{server} gets {number} by {way:?}"));
    let visit = Visit {
        server,
        request: number,
        life: world.life,
        way,
        began: world.now(),
        reused,
        key,
        plan: None,
        status: None,
    };
    promises::check_visit(world, &visit, request);
    let visits = &mut world.history.visits.borrow_mut();
    visits.push(visit);
    visits.len() - 1
}

/// Whether the connection goes on.
async fn answer(
    world: &World,
    visit: usize,
    mood: Mood,
    request: &Incoming,
    pipe: &mut DuplexStream,
) -> bool {
    let status = match mood {
        Mood::Well | Mood::Slow(_) => 201,
        Mood::Fails => 503,
        Mood::Rejects => 409,
        Mood::Refuses | Mood::Closes | Mood::Resets => return false,
        Mood::Ignores | Mood::Hangs => {
            let _ = pipe.read(&mut [0]).await;
            return false;
        }
        Mood::HalfHead => {
            let _ = pipe.write_all(b"HTTP/1.1 200 OK\r\nContent-Le").await;
            return false;
        }
        Mood::Nonsense => {
            let _ = pipe.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n").await;
            return false;
        }
    };
    let wait = if let Mood::Slow(wait) = mood { wait } else { Duration::ZERO };
    world.history.visits.borrow_mut()[visit].plan = Some((status, world.now() + wait));
    if !wait.is_zero() && timeout(wait, pipe.read(&mut [0])).await.is_ok() {
        world.say(|| format!("visit {visit} is over before it was answered"));
        return false;
    }
    if world.fate.is_dead() {
        return false;
    }
    world.say(|| format!("visit {visit} is answered with {status}"));
    world.history.visits.borrow_mut()[visit].status = Some((status, world.now()));
    let body = if request.method() == "HEAD" { "" } else { "said" };
    let head = format!("HTTP/1.1 {status} X\r\nX-Answer: {visit}\r\nContent-Length: 4\r\n\r\n{body}");
    let is_written = pipe.write_all(head.as_bytes()).await.is_ok();
    world.fate.step();
    promises::check_books(world);
    is_written
}
