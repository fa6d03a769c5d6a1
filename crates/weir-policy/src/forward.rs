//! Bringing a message to a server of its policy: the one whose turn it is, and the next one when that fails.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use weir_core::health::Fault;
use weir_core::refusal::Refusal;
use weir_upstream::connect::{self, ConnectError};
use weir_upstream::group_places::{GroupPlace, GroupPlaces, NoPlace};
use weir_upstream::io::deadline::{Deadlines, Wait, now};
use weir_upstream::io::stream::Stream;
use weir_upstream::member::{InFlight, Server};
use weir_upstream::policy_groups::PolicyGroup;
use weir_upstream::pool::Connection;
use weir_upstream::select;
use weir_upstream::upstream::Upstream;

use crate::registry::Manner;
use crate::sight::Sight;
use crate::talk::{self, Talk, TalkError};
use crate::wire::message::{Message, Request};
use crate::wire::{Form, Value, WireLimits, encode};
use crate::worker::Worker;

/// Servers that one message is brought to, one after the other.
const SERVERS_MAX: usize = 5;

/// A message of a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'q> {
    /// How it is written.
    pub(crate) form: Form,
    /// What it holds.
    pub(crate) value: &'q Value,
    /// Its bytes, which a server of the same form gets.
    pub(crate) bytes: &'q [u8],
    /// What it means.
    pub(crate) request: Request,
    /// The connection on which it came.
    pub(crate) client: &'q Stream,
    /// The same as others see it.
    pub(crate) sight: &'q Sight,
}

/// Why a server has not answered.
#[derive(Debug)]
enum Failure {
    /// It can't be connected to.
    Unreachable(String),
    /// We have nothing left to connect to it with.
    Exhausted,
    /// It has as many connections as its group lets it have, and none has ended in time.
    Full,
    /// It was silent for too long.
    Timeout,
    /// The connection broke before its answer.
    Broken,
    /// It answered something else.
    Garbage(String),
}

impl Failure {
    /// What is held against the server; nothing where it is ours.
    fn fault(&self) -> Option<Fault> {
        match self {
            Self::Unreachable(_) => Some(Fault::Unreachable),
            Self::Exhausted | Self::Full => None,
            Self::Timeout => Some(Fault::Timeout),
            Self::Broken => Some(Fault::Reset),
            Self::Garbage(_) => Some(Fault::Garbage),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "can't be connected to: {why}"),
            Self::Exhausted => f.write_str("could not be connected to for want of ports or descriptors"),
            Self::Full => {
                f.write_str("had no room for one more connection in time (`connections` of its group)")
            }
            Self::Timeout => f.write_str("did not answer in time"),
            Self::Broken => f.write_str("ended the connection without an answer"),
            Self::Garbage(why) => write!(f, "answered otherwise than expected: {why}"),
        }
    }
}

/// The answer of a server, as the client gets it.
///
/// # Errors
/// Why there is none, for the client.
pub(crate) async fn forward(
    worker: &Worker,
    question: &Question<'_>,
    deadlines: &Deadlines,
) -> Result<Vec<u8>, String> {
    let policy = question.request.policy;
    let nobody = || format!("there is no server for the policy {policy}");
    let PolicyGroup { upstream, places, .. } = worker.shared.registry.group(policy).ok_or_else(nobody)?;
    let _place = match places {
        Some(places) => Some(place(worker, &places, &upstream, question).await?),
        None => None,
    };
    let group = worker.groups.of(&upstream);
    let turn = select::turn(&upstream, &group, None, None);
    let mut asked = BTreeSet::new();
    let mut failed: Option<(Arc<Server>, Failure)> = None;
    while asked.len() < SERVERS_MAX {
        let usable = |server: usize| !asked.contains(&server) && group.still_has(server);
        let Some((place, in_flight)) = select::take(&upstream, &group, turn, now(), usable) else { break };
        asked.insert(place);
        let server = Arc::clone(&group.servers[place]);
        question.sight.asks(&server);
        match ask(worker, &upstream, &in_flight, question, deadlines).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => {
                tracing::debug!(upstream = &*upstream.name, server = server.name(), %failure, "a server fails");
                if let Some(fault) = failure.fault() {
                    server.blame(in_flight.round(), fault);
                }
                failed = Some((server, failure));
            }
        }
    }
    match failed {
        None if group.servers.is_empty() => Err(nobody()),
        None => Err(format!("no server of the policy {policy} can take a message now")),
        Some((server, failure)) => Err(format!(
            "no server of the policy {policy} has answered ({} asked): the last one, {}, {failure}",
            asked.len(),
            server.name()
        )),
    }
}

/// A place among those of the group. Whoever resets the connection waits for none any more; a FIN says nothing, because old programs
/// close their side when they have said what they had to say.
async fn place(
    worker: &Worker,
    places: &Arc<dyn GroupPlaces>,
    upstream: &Arc<Upstream>,
    question: &Question<'_>,
) -> Result<GroupPlace, String> {
    question.client.watch_again();
    let taken = tokio::select! {
        biased;
        _ = poll_fn(|cx| question.client.poll_reset(cx)) => return Err("the client has gone".to_owned()),
        taken = Arc::clone(places).take(Arc::clone(upstream)) => taken,
    };
    taken.map_err(|none| {
        worker.counts().refuse(match none {
            NoPlace::Full => Refusal::UpstreamQueueFull,
            NoPlace::Timeout => Refusal::UpstreamQueueTimeout,
        });
        format!("the policy {} takes no more messages now: {none}; try again later", question.request.policy)
    })
}

async fn ask(
    worker: &Worker,
    upstream: &Upstream,
    in_flight: &InFlight,
    question: &Question<'_>,
    deadlines: &Deadlines,
) -> Result<Vec<u8>, Failure> {
    let server = in_flight.server();
    let manner = worker.shared.registry.manner(server.name());
    let kept = if manner.keep { worker.pools.take(server, None, now()) } else { None };
    let bytes = match manner.form == question.form {
        true => None,
        false => Some(encode(manner.form, question.value)),
    };
    let bytes = bytes.as_deref().unwrap_or(question.bytes);
    if let Some(kept) = kept {
        // One that was closed while nobody used it says nothing about the server.
        match exchange(worker, upstream, in_flight, manner, (kept, bytes), question, deadlines).await {
            Err(Failure::Broken) => {}
            other => return other,
        }
    }
    let fresh = connect(worker, upstream, server, deadlines).await?;
    exchange(worker, upstream, in_flight, manner, (fresh, bytes), question, deadlines).await
}

/// A new connection to a server.
async fn connect(
    worker: &Worker,
    upstream: &Upstream,
    server: &Arc<Server>,
    deadlines: &Deadlines,
) -> Result<Connection, Failure> {
    let has_place = Cell::new(false);
    let connecting = async {
        let place = worker.pools.place(server).await;
        has_place.set(true);
        // The wait for our own limit takes nothing from the time that the server has.
        deadlines.set(Wait::Connect, upstream.waits.connect);
        connect::connect_for_message(server).await.map(|stream| stream.with_place(place))
    };
    deadlines.set(Wait::Connect, upstream.waits.connect);
    let connected = deadlines.guard(pin!(connecting)).await;
    deadlines.clear(Wait::Connect);
    let failure = match connected {
        Ok(Ok(stream)) => {
            server.counters.connected();
            return Ok(Connection { stream: Rc::new(stream), server: Arc::clone(server), reused: false });
        }
        Ok(Err(error)) if is_our_own(&error) => {
            worker.pools.shed();
            return Err(Failure::Exhausted);
        }
        Ok(Err(error)) => Failure::Unreachable(error.to_string()),
        // The limit is ours, and nobody has asked the server anything.
        Err(_) if !has_place.get() => return Err(Failure::Full),
        Err(_) => Failure::Unreachable(format!("not within {:?}", upstream.waits.connect)),
    };
    if server.connect_failed(None) {
        tracing::warn!(upstream = &*upstream.name, server = server.name(), %failure, "a server fails");
    }
    Err(failure)
}

/// Whether there is no connection because we have no descriptor, memory or port for it, which says nothing of the server.
fn is_our_own(error: &ConnectError) -> bool {
    let lacks_port = |error: &std::io::Error| error.kind() == std::io::ErrorKind::AddrNotAvailable;
    error.is_exhaustion() || matches!(error, ConnectError::Network(error) if lacks_port(error))
}

/// Sends the message over a connection and waits for what the client gets.
async fn exchange(
    worker: &Worker,
    upstream: &Upstream,
    in_flight: &InFlight,
    manner: Manner,
    (connection, bytes): (Connection, &[u8]),
    question: &Question<'_>,
    deadlines: &Deadlines,
) -> Result<Vec<u8>, Failure> {
    let server = in_flight.server();
    let begun = now();
    server.note_message();
    let terms = worker.shared.terms.load_full();
    let listen = &terms.listen;
    let limits = WireLimits::for_payload(listen.payload_characters_max);
    let mut talk = Talk::new(Rc::clone(&connection.stream), limits);
    let asking = async {
        talk::write(&talk.stream, bytes).await.map_err(|_| Failure::Broken)?;
        if !connection.reused {
            talk.stream.acknowledge_at_once();
        }
        match talk.next(deadlines, None).await {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) | Err(TalkError::Connection(_)) => Err(Failure::Broken),
            Err(TalkError::Wire(problem)) => Err(Failure::Garbage(problem.to_string())),
        }
    };
    deadlines.set(Wait::ServerHead, listen.timeouts.answer);
    let asked = deadlines.guard(pin!(asking)).await.unwrap_or(Err(Failure::Timeout));
    deadlines.clear(Wait::ServerHead);
    let checked = asked.and_then(|frame| check(&frame.value, &question.request).map(|()| frame));
    let frame = match checked {
        Ok(frame) => frame,
        Err(failure) => {
            if !(connection.reused && matches!(failure, Failure::Broken)) {
                server.note_failure(begun);
            }
            return Err(failure);
        }
    };
    let now = now();
    server.note_reply(in_flight.round(), now.saturating_duration_since(begun), now);
    let answer = match frame.form == question.form {
        // What a server says is not altered.
        true => talk.bytes(&frame).to_vec(),
        false => encode(question.form, &frame.value),
    };
    talk.take(&frame);
    if manner.keep && talk.is_quiet() {
        worker.pools.give_back(connection, upstream.waits.idle, now);
    }
    Ok(answer)
}

/// Whether this is an answer to the question.
fn check(answer: &Value, request: &Request) -> Result<(), Failure> {
    match Message::of(answer) {
        Ok(Message::Refusal) => Ok(()),
        Ok(Message::Answer { destination: None }) => Ok(()),
        Ok(Message::Answer { destination }) if request.source.is_none() || destination == request.source => {
            Ok(())
        }
        Ok(Message::Answer { .. }) => Err(Failure::Garbage("it is for another client".to_owned())),
        Ok(Message::Request(_) | Message::Registration(_)) => {
            Err(Failure::Garbage("it is no message of type 2".to_owned()))
        }
        Err(senseless) => Err(Failure::Garbage(senseless.to_string())),
    }
}
