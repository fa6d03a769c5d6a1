//! A client: asks one thing after the other, at its own pace, and may go away in any phase. It notes what it got.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, split};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use weir_upstream::io::deadline::pause;
use weir_upstream::io::pipe::Resetter;

use super::journal::{Answer, From, Request, Stamp};
use super::scene::{Asked, How, When};
use super::world::World;
use crate::tests::message::{Incoming, coded, length_field};

/// A connection to Weir.
pub(super) struct Connection {
    pub pipe: DuplexStream,
    pub resetter: Resetter,
    pub serving: JoinHandle<()>,
}

/// How an exchange ended for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With an answer, and the connection may be used again.
    Kept,
    /// The connection is over.
    Closed,
    Left(How),
}

/// Asks everything, on as few connections as it can.
pub(super) async fn play(
    world: Rc<World>,
    client: usize,
    connect: impl Fn(Rc<Cell<Option<usize>>>) -> Connection,
) {
    let asked = world.scene.clients[client].clone();
    let current = Rc::new(Cell::new(None));
    let mut open: Option<Connection> = None;
    for one in asked {
        let connection = open.take().unwrap_or_else(|| connect(Rc::clone(&current)));
        let number = begin(&world, client, &one);
        current.set(Some(number));
        let Connection { pipe, resetter, serving } = connection;
        let (mut from, mut to) = split(pipe);
        let end = exchange(&world, number, &one, &mut from, &mut to).await;
        match end {
            End::Kept => open = Some(Connection { pipe: from.unsplit(to), resetter, serving }),
            End::Closed | End::Left(_) => {
                if let End::Left(how) = end {
                    note(&world, number, |request| {
                        request.left.get_or_insert_with(Stamp::now);
                    });
                    if how == How::Resets {
                        resetter.reset();
                    }
                }
                drop((from, to));
                serving.await.unwrap();
            }
        }
    }
    if let Some(Connection { pipe, serving, .. }) = open {
        drop(pipe);
        serving.await.unwrap();
    }
}

fn note(world: &World, number: usize, write: impl FnOnce(&mut Request)) {
    write(&mut world.journal.borrow_mut().requests[number]);
}

fn begin(world: &World, client: usize, asked: &Asked) -> usize {
    let requests = &mut world.journal.borrow_mut().requests;
    requests.push(Request {
        client,
        method: asked.method,
        content: asked.content.clone(),
        trailers: asked.trailers.to_owned(),
        repeatable: asked.key || asked.method != "POST",
        began: Stamp::now(),
        sent: None,
        left: None,
        answer: None,
        cut: None,
        pauses: asked.pauses.iter().sum(),
    });
    requests.len() - 1
}

async fn exchange(
    world: &World,
    number: usize,
    asked: &Asked,
    from: &mut ReadHalf<DuplexStream>,
    to: &mut WriteHalf<DuplexStream>,
) -> End {
    let invited = Notify::new();
    let over = Cell::new(false);
    let mut sending = pin!(async {
        let end = send(world, number, asked, to, &invited).await;
        over.set(true);
        end
    });
    let mut receiving = pin!(receive(world, number, asked, from, &invited));
    let (end, answered) = poll_fn(|cx| {
        if !over.get()
            && let Poll::Ready(Some(how)) = sending.as_mut().poll(cx)
        {
            return Poll::Ready((End::Left(how), false));
        }
        receiving.as_mut().poll(cx).map(|end| (end, true))
    })
    .await;
    let request_sent = world.journal.borrow().requests[number].sent.is_some();
    match end {
        End::Kept if answered && (!request_sent || asked.half_closes) => End::Closed,
        end => end,
    }
}

/// Sends the request. `Some` when the client goes away, in its manner.
async fn send(
    world: &World,
    number: usize,
    asked: &Asked,
    to: &mut WriteHalf<DuplexStream>,
    invited: &Notify,
) -> Option<How> {
    let key = if asked.key { format!("Idempotency-Key: key-{number}\r\n") } else { String::new() };
    let expect = if asked.expects { "Expect: 100-continue\r\n" } else { "" };
    let close = if asked.close { "Connection: close\r\n" } else { "" };
    let te = if asked.trailers.is_empty() { "" } else { "TE: trailers\r\nConnection: te\r\n" };
    let length = length_field(asked.coding, asked.content.len());
    let head = format!(
        "{} /{number} HTTP/1.1\r\nHost: a\r\nX-Client: {number}\r\n{key}{expect}{close}{te}{length}\r\n",
        asked.method
    );
    let (body, pieces) = world.draw(|dice| {
        let body = coded(asked.coding, &asked.content, asked.trailers, dice);
        let upload = match asked.leaves.map(|leaves| leaves.when) {
            Some(When::Upload(bytes)) => bytes.min(body.len().saturating_sub(1)),
            _ => body.len(),
        };
        let mut pieces = if asked.expects { Vec::new() } else { dice.pieces(head.as_bytes()) };
        pieces.extend(dice.pieces(&body[..upload]));
        (upload == body.len(), pieces)
    });
    let whole = body;
    if asked.expects {
        to.write_all(head.as_bytes()).await.ok()?;
        invited.notified().await;
    }
    for (piece, pause_before) in pieces.iter().zip(asked.pauses.iter().cycle()) {
        if !pause_before.is_zero() {
            pause(*pause_before).await;
        }
        if to.write_all(piece).await.is_err() {
            return None;
        }
    }
    if whole {
        note(world, number, |request| request.sent = Some(Stamp::now()));
        if asked.half_closes {
            let _ = to.shutdown().await;
        }
    }
    match asked.leaves {
        Some(leaves) if !whole => match leaves.how {
            How::Stalls => {
                note(world, number, |request| request.left = Some(Stamp::now()));
                None
            }
            how => Some(how),
        },
        Some(leaves) if let When::Waiting(patience) = leaves.when => {
            pause(patience).await;
            Some(leaves.how)
        }
        _ => None,
    }
}

/// Receives the answer.
async fn receive(
    world: &World,
    number: usize,
    asked: &Asked,
    from: &mut ReadHalf<DuplexStream>,
    invited: &Notify,
) -> End {
    let is_head = asked.method == "HEAD";
    let mut answer = Incoming::answer(is_head);
    let mut room = [0; 4096];
    let mut received = 0;
    loop {
        let download = match asked.leaves {
            Some(leaves) if let When::Download(bytes) = leaves.when => bytes,
            _ => usize::MAX,
        };
        if received >= download {
            if asked.leaves.is_some_and(|leaves| leaves.how == How::Stalls) {
                note(world, number, |request| request.left = Some(Stamp::now()));
                pause(super::scene::CLIENT_WRITE * 2).await;
            }
            return End::Left(asked.leaves.map_or(How::Closes, |leaves| leaves.how));
        }
        let count = from.read(&mut room[..(download - received).min(4096)]).await.unwrap();
        received += count;
        let mut rest = &room[..count];
        if count == 0 {
            answer.end();
            let is_none = answer.has_head() || !answer.has_begun() || world.is_cut.get();
            assert!(is_none, "half a head:\n{}", answer.head);
        }
        loop {
            rest = &rest[answer.feed(rest)..];
            if !answer.has_head() || answer.status() >= 200 {
                break;
            }
            // Of several servers no interim answers are passed on (`semantics.md` §1.5).
            assert!(asked.expects && answer.status() == 100, "{}", answer.head);
            invited.notify_one();
            answer = Incoming::answer(is_head);
        }
        if answer.has_head() {
            invited.notify_one();
            note_answer(world, number, &answer);
        }
        if count == 0 {
            if !answer.is_whole() {
                note(world, number, |request| request.cut = Some(Stamp::now()));
            }
            return End::Closed;
        }
        if answer.is_whole() {
            assert!(rest.is_empty(), "bytes behind the answer to {number}");
            let closes = answer.field("Connection") == Some("close");
            if !closes {
                return End::Kept;
            }
            let behind = from.read(&mut room).await.unwrap();
            assert_eq!(behind, 0, "bytes behind the last answer, to {number}");
            return End::Closed;
        }
    }
}

fn note_answer(world: &World, number: usize, answer: &Incoming) {
    note(world, number, |request| {
        let noted = request.answer.get_or_insert_with(|| Answer {
            status: answer.status(),
            content: Vec::new(),
            came: Stamp::now(),
            whole: false,
            from: whose(answer),
        });
        noted.content.clone_from(&answer.content);
        noted.whole = answer.is_whole();
    });
}

fn whose(answer: &Incoming) -> From {
    match answer.field("X-Answer") {
        None => {
            assert!(answer.field("Proxy-Status").is_some(), "nobody's answer:\n{}", answer.head);
            From::Weir
        }
        Some(visit) => match visit.strip_prefix("delivery-") {
            Some(server) => From::Delivery { server: server.parse().unwrap() },
            None => From::Visit(visit.parse().unwrap()),
        },
    }
}
