//! Large bodies between real sockets: they come whole or visibly broken, and nothing behind them is touched.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::future::poll_fn;
use std::io::{self, Write};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::io::Errno;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use weir_http::body::BodyError;
use weir_http::framing::Framing;

use super::{TURN_BYTES_MAX, WORTH_BYTES};
use crate::body::{Body, BodyLimits, H1Body, ReadError};
use crate::h1::pump::{PumpError, pump};
use crate::h1::sink::{Coding, Direct, H1Sink};
use crate::io::buffer::ReadBuffer;
use crate::io::conduit::{CONDUIT_BYTES, Conduit, GIVES_NOTHING};
use crate::io::deadline::{Deadlines, Wait};
use crate::io::stream::Stream;
use crate::io::timed::{Patience, Timed};

/// More than fits into sockets and a conduit together.
const LARGE: usize = 3_000_001;

fn content() -> Vec<u8> {
    (0..LARGE).map(|at| (at % 251) as u8 ^ (at >> 13) as u8).collect()
}

/// A body that comes from one socket and goes to another one; and both far ends.
struct Rig {
    server: UnixStream,
    client: UnixStream,
    body: Body,
    to: Timed,
    deadlines: Rc<Deadlines>,
}

impl Rig {
    fn new(framing: Framing, read_ahead: &[u8], limits: BodyLimits) -> Self {
        let (server, from) = UnixStream::pair().unwrap();
        let (to, client) = UnixStream::pair().unwrap();
        let deadlines = Rc::new(Deadlines::new());
        let patience = |wait| Some(Patience { wait, at_most: Duration::from_secs(5) });
        let timed = |stream| Timed {
            stream: Rc::new(Stream::unix(stream)),
            deadlines: Rc::clone(&deadlines),
            read: patience(Wait::ServerBody),
            write: patience(Wait::ClientWrite),
        };
        let mut buffer = ReadBuffer::new();
        buffer.append(read_ahead);
        let body = Body::H1(H1Body::new(timed(from), buffer, framing, limits));
        Self { server, client, body, to: timed(to), deadlines }
    }

    fn sized(bytes: usize) -> Self {
        Self::new(Framing::Sized(bytes as u64), b"", unlimited())
    }
}

/// A sink that has been given a head.
fn begun(to: &Timed) -> H1Sink<'_> {
    let mut sink = H1Sink::new(to);
    sink.head(Coding::Plain).extend_from_slice(b"head|");
    sink
}

fn unlimited() -> BodyLimits {
    BodyLimits { bytes_max: None, trailer_bytes_max: 100, trailer_fields_max: 10 }
}

async fn received(client: &mut UnixStream) -> Vec<u8> {
    let mut all = Vec::new();
    client.read_to_end(&mut all).await.unwrap();
    all
}

/// Sends it and says that nothing more will come.
async fn send(server: &mut UnixStream, bytes: &[u8]) {
    // Whoever is sent to may have gone.
    let _ = server.write_all(bytes).await;
    let _ = server.shutdown().await;
}

/// Pumps everything through, whoever waits for whom, and closes the sink.
async fn through(rig: Rig, sent: &[u8]) -> (Result<(), PumpError>, Vec<u8>, Body) {
    let Rig { mut server, mut client, mut body, to, .. } = rig;
    let pumping = async {
        let to = to;
        let mut sink = begun(&to);
        let pumped = pump(&mut body, &mut sink).await;
        assert_eq!(sink.written_bytes(), sink.content_bytes() + 5);
        drop(sink);
        pumped
    };
    let (pumped, (), received) = tokio::join!(pumping, send(&mut server, sent), received(&mut client));
    (pumped, received, body)
}

#[tokio::test]
async fn a_large_body_passes_whole_and_unseen() {
    assert_eq!(Conduit::kept(), 0);
    let sent = content();
    let (pumped, received, body) = through(Rig::sized(LARGE), &sent).await;
    pumped.unwrap();
    assert!(received.strip_prefix(b"head|").is_some_and(|content| content == sent));
    assert!(body.is_end());
    let Body::H1(body) = body else { panic!("the same") };
    assert_eq!(body.received_bytes(), LARGE as u64);
    assert_eq!(Conduit::kept(), 1, "one was used, and went back");
}

#[tokio::test]
async fn what_was_read_with_the_head_goes_first() {
    let sent = content();
    let (ahead, rest) = sent.split_at(7000);
    let rig = Rig::new(Framing::Sized(LARGE as u64), ahead, unlimited());
    let (pumped, received, _) = through(rig, rest).await;
    pumped.unwrap();
    assert!(received.strip_prefix(b"head|").is_some_and(|content| content == sent));
    assert_eq!(Conduit::kept(), 1);
}

#[tokio::test]
async fn a_small_body_and_one_without_a_length_are_copied() {
    let sent = &content()[..WORTH_BYTES as usize - 1];
    let (pumped, received, _) = through(Rig::sized(sent.len()), sent).await;
    pumped.unwrap();
    assert_eq!(received[5..], *sent);
    let (pumped, received, _) = through(Rig::new(Framing::UntilClose, b"", unlimited()), &content()).await;
    pumped.unwrap();
    assert_eq!(received.len(), LARGE + 5);
    assert_eq!(Conduit::kept(), 0);
}

#[tokio::test]
async fn what_comes_behind_the_body_stays_where_it_is() {
    let mut sent = content();
    sent.extend_from_slice(b"of another message");
    let (pumped, received, body) = through(Rig::sized(LARGE), &sent).await;
    pumped.unwrap();
    assert_eq!(received.len(), LARGE + 5);
    let Body::H1(mut body) = body else { panic!("the same") };
    assert!(body.take_buffer().is_empty());
    let mut buffer = ReadBuffer::new();
    poll_fn(|cx| body.from().poll_read(cx, &mut buffer)).await.unwrap();
    assert_eq!(buffer.unread(), b"of another message");
}

#[tokio::test]
async fn a_body_that_ends_early_is_truncated_at_every_length() {
    let whole = content();
    for length in [0, 1, 4095, 4096, CONDUIT_BYTES - 1, CONDUIT_BYTES, CONDUIT_BYTES + 1, LARGE - 1] {
        let (pumped, received, body) = through(Rig::sized(LARGE), &whole[..length]).await;
        let Err(PumpError::Read(ReadError::Body(BodyError::Truncated))) = pumped else {
            panic!("{length} bytes: {pumped:?}")
        };
        assert!(!body.is_end());
        assert_eq!(received.len(), length + 5, "what came was passed on, and nothing else");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_is_a_failed_write_and_leaves_nothing_to_others() {
    let Rig { mut server, mut client, mut body, to, .. } = Rig::sized(LARGE);
    let sent = content();
    let leaving = async {
        client.read_exact(&mut vec![0; 100_000]).await.unwrap();
        drop(client);
    };
    let pumping = async {
        let to = to;
        let mut sink = begun(&to);
        let pumped = pump(&mut body, &mut sink).await;
        // Else the other side would go on sending.
        drop(body);
        pumped
    };
    let (pumped, (), ()) = tokio::join!(pumping, send(&mut server, &sent), leaving);
    let Err(PumpError::Write(error)) = pumped else { panic!("{pumped:?}") };
    assert!(matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset), "{error}");
    assert_eq!(Conduit::kept(), 0, "its pipe had bytes in it");
    assert_eq!(Conduit::lent(), 0);
}

/// Dropped after so many polls, wherever it was then.
#[tokio::test]
async fn cancelled_at_every_await_it_leaves_no_pipe_behind() {
    let sent = &content()[..LARGE / 2];
    for polls in 0..60_i32 {
        let Rig { mut server, mut client, mut body, to, .. } = Rig::sized(LARGE);
        // Body and sink are dropped with it, as an exchange would.
        let cancelled = async move {
            let mut sink = begun(&to);
            let mut pumping = pin!(pump(&mut body, &mut sink));
            let mut left = polls;
            poll_fn(|cx| {
                left -= 1;
                if left < 0 || pumping.as_mut().poll(cx).is_ready() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        };
        tokio::join!(cancelled, send(&mut server, sent), received(&mut client));
        assert_eq!(Conduit::lent(), 0, "after {polls} polls");
    }
}

#[tokio::test]
async fn without_conduits_it_is_copied() {
    let lent: Vec<_> = std::iter::from_fn(Conduit::obtain).collect();
    let (pumped, received, _) = through(Rig::sized(LARGE), &content()).await;
    pumped.unwrap();
    assert!(received[5..] == content());
    drop(lent);
    Conduit::refuse();
    let (pumped, received, _) = through(Rig::sized(LARGE), &content()).await;
    pumped.unwrap();
    assert!(received[5..] == content());
}

/// Both ways round: also what is in the pipe already arrives.
#[tokio::test]
async fn a_system_that_gives_nothing_out_of_a_pipe_is_asked_once() {
    GIVES_NOTHING.set(Some(Errno::INVAL));
    let (pumped, received, _) = through(Rig::sized(LARGE), &content()).await;
    pumped.unwrap();
    assert!(received[5..] == content());
    assert!(Conduit::obtain().is_none());
}

/// One client that a filter of packets keeps from us, which says the same as a system that forbids the call.
#[tokio::test]
async fn a_client_that_may_not_be_written_to_is_no_reason_to_copy_for_the_others() {
    GIVES_NOTHING.set(Some(Errno::PERM));
    let Rig { mut server, client: _client, mut body, to, .. } = Rig::sized(LARGE);
    let mut sink = begun(&to);
    let sending = async {
        // No more than a socket holds: nobody reads on.
        send(&mut server, &content()[..100_000]).await;
    };
    let (pumped, ()) = tokio::join!(pump(&mut body, &mut sink), sending);
    assert!(matches!(pumped, Err(PumpError::Write(_))), "{pumped:?}");
    GIVES_NOTHING.set(None);
    assert!(Conduit::obtain().is_some());
}

/// An answer that broke off before anything of it left can be taken back, so nothing leaves before that is known.
#[tokio::test]
async fn of_a_body_that_has_ended_early_already_no_head_leaves() {
    for length in [0, 1, 4000] {
        let Rig { mut server, mut client, mut body, to, .. } = Rig::sized(LARGE);
        send(&mut server, &content()[..length]).await;
        let Body::H1(from) = &body else { panic!("of a connection") };
        poll_fn(|cx| from.from().stream.poll_readable(cx)).await;
        let mut sink = begun(&to);
        let pumped = pump(&mut body, &mut sink).await;
        assert!(matches!(pumped, Err(PumpError::Read(_))), "{pumped:?}");
        assert_eq!(sink.written_bytes(), 0, "{length} bytes");
        drop(to);
        assert_eq!(received(&mut client).await, b"");
    }
}

#[tokio::test]
async fn a_limit_is_told_as_ever() {
    let limits = BodyLimits { bytes_max: Some(100_000), ..unlimited() };
    let rig = Rig::new(Framing::Sized(LARGE as u64), b"", limits);
    // No more than a socket holds, because nobody reads on.
    let (pumped, received, _) = through(rig, &content()[..120_000]).await;
    assert!(matches!(pumped, Err(PumpError::Read(ReadError::TooLarge))), "{pumped:?}");
    assert!(received.len() <= 100_005);
}

async fn stalls(pumping: impl Future<Output = Result<(), PumpError>>, deadlines: &Deadlines) -> Wait {
    let Err(wait) = deadlines.guard(pin!(pumping)).await else { panic!("it can't go on") };
    wait
}

#[tokio::test(start_paused = true)]
async fn who_stands_still_is_found_out() {
    // A client that takes nothing.
    let Rig { mut server, client, mut body, to, deadlines } = Rig::sized(LARGE);
    let mut sink = begun(&to);
    let sent = content();
    let sending = async {
        send(&mut server, &sent).await;
        std::future::pending::<()>().await;
    };
    let wait = tokio::select! {
        wait = stalls(pump(&mut body, &mut sink), &deadlines) => wait,
        () = sending => unreachable!("it waits"),
    };
    assert_eq!(wait, Wait::ClientWrite);
    drop(client);
    // A server that says no more.
    let Rig { mut server, mut client, mut body, to, deadlines } = Rig::sized(LARGE);
    let mut sink = begun(&to);
    let others = async {
        server.write_all(&sent[..100_000]).await.unwrap();
        received(&mut client).await;
    };
    let wait = tokio::select! {
        wait = stalls(pump(&mut body, &mut sink), &deadlines) => wait,
        () = others => panic!("the sink is open"),
    };
    assert_eq!(wait, Wait::ServerBody);
    assert_eq!(Conduit::lent(), 0, "nothing is held while nothing comes");
}

/// Takes all at once, and has the far end send as much again as its socket holds.
struct Neighbour {
    far_end: std::os::unix::net::UnixStream,
    taken_bytes: usize,
}

impl Neighbour {
    fn send(&mut self) {
        self.far_end.write_all(&[7; 64 * 1024]).unwrap();
    }
}

impl Direct for Neighbour {
    fn takes_as_it_is(&self) -> bool {
        true
    }

    fn poll_out_of(&mut self, _: &mut Context<'_>, conduit: &mut Conduit) -> Poll<io::Result<()>> {
        let full = std::mem::replace(conduit, Conduit::obtain().unwrap());
        self.taken_bytes += full.into_bytes().unwrap().len();
        self.send();
        Poll::Ready(Ok(()))
    }
}

/// Between neighbours that never made it wait, tens of megabytes were moved in one turn of a task.
#[tokio::test]
async fn others_have_their_turn_however_fast_both_sides_are() {
    const TOTAL: usize = 8 << 20;
    let Rig { server, client: _client, body, .. } = Rig::sized(TOTAL);
    let Body::H1(mut body) = body else { panic!("of a connection") };
    let mut neighbour = Neighbour { far_end: server.into_std().unwrap(), taken_bytes: 0 };
    neighbour.send();
    let (mut held, mut turns) = (None, Vec::new());
    poll_fn(|cx| {
        let before = neighbour.taken_bytes;
        let polled = super::poll(cx, &mut body, &mut neighbour, &mut held);
        turns.push(neighbour.taken_bytes - before);
        polled
    })
    .await
    .unwrap();
    assert_eq!(turns.iter().sum::<usize>(), TOTAL);
    assert!(turns.iter().all(|bytes| *bytes <= TURN_BYTES_MAX + CONDUIT_BYTES), "{turns:?}");
}
