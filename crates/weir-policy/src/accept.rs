//! Accepting connections, each served in a task of its own, until there is nothing more to be served.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use weir_core::limit_hit::LimitHit;
use weir_upstream::io::backlog::take_waiting;
use weir_upstream::io::deadline::pause;
use weir_upstream::io::exhaustion::is_exhaustion;
use weir_upstream::io::stream::Stream;
use weir_upstream::permit::Permit;
use weir_upstream::pulse::Pulse;

use crate::conversation;
use crate::sight::Sight;
use crate::worker::{Open, Worker};

/// How long accepting pauses when the system has no file descriptor or memory left.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// How long accepting pauses after any other error.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// How often kept connections to servers are looked through.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Waits until it may begin, and serves until it is told to drain and every connection has ended, or to stop. Says how many
/// connections were cut.
///
/// # Errors
/// The system does not let a socket be used.
pub(crate) async fn run(worker: Rc<Worker>, sockets: Vec<std::net::TcpListener>) -> io::Result<usize> {
    let listeners = sockets.into_iter().map(TcpListener::from_std).collect::<io::Result<Vec<_>>>()?;
    if !worker.begun().await {
        return Ok(0);
    }
    // One that never comes to it is stuck too.
    let pulse = worker.counts().pulse();
    pulse.expect(SWEEP_INTERVAL);
    let sweeping = tokio::task::spawn_local(sweep(Rc::clone(&worker), Arc::clone(&pulse)));
    let making_room = {
        let worker = Rc::clone(&worker);
        tokio::task::spawn_local(async move { worker.pools.make_room().await })
    };
    let hearing = {
        let worker = Rc::clone(&worker);
        tokio::task::spawn_local(async move { worker.hear().await })
    };
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn_local(accept_all(Rc::clone(&worker), listener));
    }
    while let Some(ended) = accepting.join_next().await {
        // One that panics ends the thread, as if it were no task of its own.
        if let Some(panic) = ended.err().and_then(|error| error.try_into_panic().ok()) {
            resume_unwind(panic);
        }
    }
    let cut = worker.emptied().await;
    hearing.abort();
    sweeping.abort();
    making_room.abort();
    pulse.end();
    Ok(cut)
}

/// Accepts from a socket until it drains, and then who waits there.
async fn accept_all(worker: Rc<Worker>, listener: TcpListener) {
    accept(&worker, &listener).await;
    // What waits in the queue is accepted beyond any limit rather than reset, unless somebody else does.
    if let Ok(socket) = listener.into_std()
        && !worker.hands_over()
    {
        let begin = |(stream, peer): (std::net::TcpStream, SocketAddr)| {
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                begin(&worker, stream, peer, None);
            }
        };
        take_waiting(|| socket.accept(), begin).await;
    }
}

async fn accept(worker: &Rc<Worker>, listener: &TcpListener) {
    loop {
        // Biased, so that connections which wait are taken before the end of accepting is noticed.
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept(), if !worker.hands_over() => accepted,
            () = worker.drain_begun() => return,
        };
        match accepted {
            Ok((stream, peer)) => match with_room(worker, stream).await {
                Ok(stream) => {
                    let place = place(worker).await;
                    begin(worker, stream, peer, place);
                }
                // Closed without a word, like one that could not be accepted.
                Err(_) => pause(ERROR_PAUSE).await,
            },
            Err(error) if is_exhaustion(&error) => {
                tracing::warn!(%error, "accepting messages of policy groups pauses");
                worker.counts().hit(LimitHit::Descriptors);
                worker.pools.shed();
                pause(EXHAUSTED_PAUSE).await;
            }
            // It was about a connection that is gone, or it may last.
            Err(_) => pause(ERROR_PAUSE).await,
        }
    }
}

/// Waits until the connection that was just accepted may be served; not at all once it drains, because what was taken from the queue
/// can't be given back.
///
/// Not before accepting, like the listeners for HTTP: a thread that held a place while nobody came would keep it from another thread
/// where somebody waits, and nobody could say whether anybody waits. So each thread may hold one connection beyond the limit.
async fn place(worker: &Worker) -> Option<Permit> {
    let places = &worker.shared.places;
    if places.are_out() {
        worker.counts().hit(LimitHit::Connections);
    }
    tokio::select! {
        biased;
        place = places.take() => Some(place),
        () = worker.drain_begun() => None,
    }
}

/// Waits while clients have as many descriptors as they may, like the listeners for HTTP (`semantics.md` §4.2): the others are for
/// connections to servers, of either. Not at all once it drains.
///
/// Who has waited gets another number: on its own one it would be served with what is kept.
async fn with_room(worker: &Worker, stream: TcpStream) -> io::Result<TcpStream> {
    let descriptors = worker.shared.descriptors;
    if !descriptors.keep(stream.as_raw_fd()) {
        return Ok(stream);
    }
    tracing::warn!("nearly all file descriptors are taken: accepting messages of policy groups pauses");
    worker.counts().hit(LimitHit::Descriptors);
    loop {
        worker.pools.shed();
        tokio::select! {
            () = pause(EXHAUSTED_PAUSE) => {}
            () = worker.drain_begun() => return Ok(stream),
        }
        if descriptors.have_room() {
            return TcpStream::from_std(stream.into_std()?.try_clone()?);
        }
    }
}

/// Lets a connection be served until it ends, or somebody cuts it.
fn begin(worker: &Rc<Worker>, stream: TcpStream, peer: SocketAddr, place: Option<Permit>) {
    let (stream, sight) = (Rc::new(Stream::tcp(stream)), Arc::new(Sight::new(peer)));
    let open = Open::begin(worker, &sight, place);
    let place = open.place();
    let serving = {
        let worker = Rc::clone(worker);
        tokio::task::spawn_local(async move {
            conversation::serve(&worker, stream, &sight).await;
            drop(open);
        })
    };
    worker.connections.is_served_by(place, serving.abort_handle());
}

/// What a thread comes to at regular times; whoever looks whether it does is told by this.
async fn sweep(worker: Rc<Worker>, pulse: Arc<Pulse>) {
    loop {
        pulse.expect(SWEEP_INTERVAL);
        pause(SWEEP_INTERVAL).await;
        worker.pools.sweep();
    }
}
