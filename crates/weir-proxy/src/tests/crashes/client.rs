//! A client: asks once, and may go away.

use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, split};
use tokio::time::timeout;
use weir_upstream::io::deadline::pause;
use weir_upstream::io::pipe::Resetter;

use super::promises;
use super::scene::Leave;
use super::world::{Answer, World};
use crate::tests::message::Incoming;

/// Asks what is asked under this number. `connect` makes a connection to Weir.
pub(super) async fn play(world: Rc<World>, number: usize, connect: Rc<dyn Fn() -> (DuplexStream, Resetter)>) {
    let asked = world.scene.requests[number].clone();
    pause(asked.at).await;
    if world.fate.is_dead() {
        return;
    }
    let (pipe, resetter) = connect();
    world.say(|| format!("client asks {number}"));
    world.history.requests.borrow_mut()[number].life = Some(world.life);
    let (from, mut to) = split(pipe);
    let length = if asked.method == "GET" {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", asked.content.len())
    };
    let head = format!(
        "{} /{number} HTTP/1.1\r\nHost: a\r\nX-Client: {number}\r\nConnection: close\r\n{length}\r\n",
        asked.method
    );
    let upload = match asked.leaves {
        Some(Leave::Upload(bytes)) => bytes,
        _ => asked.content.len(),
    };
    if upload == asked.content.len() {
        world.history.requests.borrow_mut()[number].sent = Some(world.now());
    }
    let half = upload / 2;
    // In two pieces, so that something may happen between them.
    for piece in [[head.as_bytes(), &asked.content[..half]].concat(), asked.content[half..upload].to_vec()] {
        if to.write_all(&piece).await.is_err() {
            break;
        }
        pause(Duration::from_millis(1)).await;
    }
    if upload < asked.content.len() {
        world.history.requests.borrow_mut()[number].left = true;
        resetter.reset();
        return;
    }
    let receiving = receive(&world, number, asked.method == "HEAD", from);
    match asked.leaves {
        Some(Leave::Waiting(patience)) => {
            if timeout(patience, receiving).await.is_err() && !world.fate.is_dead() {
                world.say(|| format!("client {number} leaves"));
                world.history.requests.borrow_mut()[number].left = true;
                resetter.reset();
            }
        }
        _ => receiving.await,
    }
}

/// One answer, and nothing behind it.
async fn receive(world: &World, number: usize, is_head: bool, mut from: ReadHalf<DuplexStream>) {
    let mut answer = Incoming::answer(is_head);
    let mut room = [0; 4096];
    loop {
        let count = from.read(&mut room).await.unwrap_or(0);
        if world.fate.is_dead() {
            return;
        }
        if count == 0 {
            assert!(answer.is_whole(), "no whole answer to {number}: {:?}", answer.head);
            world.history.requests.borrow_mut()[number].answer.as_mut().unwrap().whole = Some(world.now());
            world.fate.step();
            return;
        }
        assert_eq!(answer.feed(&room[..count]), count, "bytes behind the answer to {number}");
        if answer.has_head() && world.history.requests.borrow()[number].answer.is_none() {
            assert!(answer.status() >= 200, "nothing interim was asked for");
            let visit = answer.field("X-Answer").map(|visit| visit.parse().unwrap());
            let (status, came) = (answer.status(), world.now());
            world.say(|| format!("client of {number} gets {status} of visit {visit:?}"));
            world.history.requests.borrow_mut()[number].answer =
                Some(Answer { status, visit, came, whole: None });
            promises::check_answer(world, number);
            world.fate.step();
        }
    }
}
