//! Handshakes are rationed: whoever is served already waits for a few of them, however many there are.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::task::yield_now;

use super::rig::{DEFAULTS, GET, OK, Rig, WIDE, head, paused, say, take};
use super::secured_client::SecuredClient;
use crate::runtime::worker::HANDSHAKE_TURNS;

/// Steps that are computed between two turns of somebody else.
#[test]
fn everybody_has_a_turn_between_a_few_steps() {
    const STEPS: usize = 100;
    paused(DEFAULTS, async |rig: Rig| {
        let done = Rc::new(Cell::new(0));
        for _ in 0..STEPS {
            let (worker, done) = (Rc::clone(&rig.worker), Rc::clone(&done));
            tokio::task::spawn_local(async move {
                worker.in_turn(|| done.set(done.get() + 1)).await;
            });
        }
        let mut rounds = 0;
        while done.get() < STEPS {
            let before = done.get();
            yield_now().await;
            let computed = done.get() - before;
            assert!(computed <= 2 * HANDSHAKE_TURNS, "{computed} steps in one round");
            rounds += 1;
        }
        assert!(rounds <= STEPS, "nobody waits for nothing: {rounds} rounds");
    });
}

/// A step that is cancelled while it waits, or while others have their turn, takes no turn with it.
#[test]
fn cancelled_steps_give_their_turns_back() {
    paused(DEFAULTS, async |rig: Rig| {
        for polls in 0..3 {
            for _ in 0..3 * HANDSHAKE_TURNS {
                let mut step = Box::pin(rig.worker.in_turn(|| {}));
                for _ in 0..polls {
                    let _ = poll_fn(|cx| Poll::Ready(step.as_mut().poll(cx).is_ready())).await;
                }
                drop(step);
            }
        }
        rig.worker.in_turn(|| {}).await;
    });
}

/// Whether something has come, which is then gone.
fn has_answer(pipe: &mut DuplexStream) -> bool {
    let mut bytes = [0; 1];
    let mut room = ReadBuf::new(&mut bytes);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    Pin::new(pipe).poll_read(&mut cx, &mut room).is_ready()
}

#[test]
fn a_storm_of_handshakes_does_not_starve_who_is_served() {
    const STORM: usize = 200;
    paused(DEFAULTS, async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (pipe, _serving) = rig.secured_client(WIDE);
        let mut served = SecuredClient::connected(pipe).await;
        let (mut plain, _serving) = rig.client(WIDE);
        let mut storm = Vec::new();
        for _ in 0..STORM {
            let (pipe, _) = rig.secured_client(WIDE);
            let mut client = SecuredClient::new(pipe);
            let hello = client.records();
            client.pipe.write_all(&hello).await.unwrap();
            storm.push(client.pipe);
        }
        // One exchange in the clear and one with TLS, with everybody else in the queue before them.
        say(&mut plain, GET).await;
        head(&mut server).await;
        say(&mut server, OK).await;
        head(&mut plain).await;
        take(&mut plain, 2).await;
        served.say(GET).await;
        head(&mut server).await;
        say(&mut server, OK).await;
        assert!(served.answer().await.ends_with("ok"));
        storm.retain_mut(|pipe| !has_answer(pipe));
        let answered = STORM - storm.len();
        assert!(answered < STORM / 4, "{answered} handshakes were computed meanwhile");
        // And none of them is forgotten.
        while !storm.is_empty() {
            yield_now().await;
            storm.retain_mut(|pipe| !has_answer(pipe));
        }
    });
}
