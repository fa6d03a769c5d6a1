//! Modes that ask several servers at once: what they need before the first copy, and what becomes of it all at the end. In
//! between, [`Driver`] performs what the state machine of the mode decides.

mod driver;
mod tally;

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use smallvec::SmallVec;
use weir_core::dispatch::{Duplicate, Fan, Hedge, HedgeFacts, Majority, Race, RequestFacts, Targets};
use weir_core::ports::queue::WriteBody;
use weir_core::retry::is_safe;
use weir_http::field::KnownName as K;
use weir_http::framing::Framing;
use weir_http::head::Head;
use weir_upstream::body::Body;
use weir_upstream::body::replay::Replay;
use weir_upstream::group::Group;
use weir_upstream::io::deadline::Wait;

use self::driver::{Driver, Winner, client_failure};
use super::copy::Original;
use super::write::{KeptBody, NoBody, Write};
use super::{attempt, pass, turn};
use crate::exchange::{Exchange, RequestBody};
use crate::inbound::responder::Responder;
use crate::runtime::dispatch::{Duplicating, FanRule};
use crate::runtime::snapshot::Forward;
use crate::stages::failure::Failure;

/// What a route says of its requests.
pub(crate) struct Route<'r> {
    /// The service and the route.
    pub place: (usize, usize),
    /// Where it sends them.
    pub forward: &'r Forward,
    /// To how many servers.
    pub rule: &'r FanRule,
}

impl<'r> Route<'r> {
    /// The machine of a request.
    fn machine(&self, x: &Exchange, group: &Group, gated: &[usize]) -> Fan<'r> {
        let upstream = &*self.forward.upstream;
        let servers = group.servers.len();
        match self.rule {
            FanRule::Race(rule) => Fan::Race(Race::new(rule, servers)),
            FanRule::Majority(rule) => {
                Fan::Majority(Majority::new(rule, servers, |server| group.takes_requests(server)))
            }
            FanRule::Hedge(hedging) => {
                let percentile = hedging.percentile();
                let request = RequestFacts { safe: is_safe(&x.request), body_survives: survives(x) };
                let body_whole = x.facts.body_is_empty();
                let facts = HedgeFacts { request, servers, percentile, body_whole };
                Fan::Hedge(Hedge::new(&hedging.rule, &upstream.retry, &hedging.budget, facts))
            }
            FanRule::Duplicate(duplicating) => {
                let body_whole = x.facts.body_is_empty();
                let targets = Targets { servers, primary: group.primary, gated, body_whole };
                Fan::Duplicate(Duplicate::new(&duplicating.rule, targets))
            }
        }
    }
}

/// Sends the request of `x` to the servers that the mode chooses, and the answer that it chooses to the client.
pub(crate) async fn run(
    x: &mut Exchange,
    route: Route<'_>,
    request: &mut RequestBody,
    responder: &mut Responder,
) -> Result<(), Failure> {
    if matches!(route.rule, FanRule::Duplicate(_)) && !x.request.has(K::IdempotencyKey) {
        // `semantics.md` §3.1: one for each write, so that a server can tell a repeat from a second write.
        x.request.append(K::IdempotencyKey, format!("{:032x}", fastrand::u128(..)).as_bytes());
    }
    let replay = hold_body(x, route.rule, request)?;
    let outcome = with_body(x, &route, replay.clone(), responder).await;
    if let Some(replay) = &replay {
        // Where a copy that still lingers has the body for itself, nobody knows where the next request would begin.
        let source = replay.take_source();
        x.close |= source.is_none();
        request.body = source.map_or(Body::Empty, Body::from);
        if let Body::H1(body) = &request.body {
            x.record.received_bytes = x.record.received_bytes.max(body.received_bytes());
        }
    }
    outcome
}

async fn with_body(
    x: &mut Exchange,
    route: &Route<'_>,
    replay: Option<Rc<Replay>>,
    responder: &mut Responder,
) -> Result<(), Failure> {
    let upstream = &route.forward.upstream;
    let group = x.worker.groups.of(upstream);
    let write = match route.rule {
        FanRule::Duplicate(duplicating) => {
            accept(x, route, &group, duplicating, replay.as_deref(), responder).await?
        }
        FanRule::Race(_) | FanRule::Hedge(_) | FanRule::Majority(_) => None,
    };
    invite_body(x, responder).await?;
    let gated = match (&write, route.rule) {
        (Some(write), _) => write.gated(),
        // Nothing would keep it for them; they get nothing all the same.
        (None, FanRule::Duplicate(_)) => {
            (0..group.servers.len()).filter(|server| !group.takes_requests(*server)).collect()
        }
        (None, FanRule::Race(_) | FanRule::Hedge(_) | FanRule::Majority(_)) => SmallVec::new(),
    };
    // What `hedge` repeats is said by the retry policy alone.
    let repeatable = is_safe(&x.request) && !matches!(route.rule, FanRule::Hedge(_));
    let host_of_server = attempt::names_server(x, route.forward);
    let turn = turn::turn(x, upstream, &group);
    let original =
        Rc::new(Original::new(x, route.place, host_of_server, repeatable, group.panic, replay.clone()));
    let mut driver =
        Driver::new(original, upstream, group.clone(), replay, turn, route.machine(x, &group, &gated), write);
    let decided = driver.decide(x).await;
    x.client.deadlines.clear(Wait::Dispatch);
    let request_read = driver.is_request_read();
    let goes_on = matches!(route.rule, FanRule::Duplicate(_)).then(|| driver.patience());
    x.record.attempts = driver.attempts();
    driver.leave(x);
    match decided {
        Ok(Winner::Live(held)) => pass::on(x, held, request_read, goes_on, responder).await,
        Ok(Winner::Delivered(answer)) => pass::delivered(x, &answer, request_read, responder).await,
        Err(failure) => Err(failure),
    }
}

/// Gives a write its place in the order of its servers. One that must outlive the process is whole before.
async fn accept(
    x: &mut Exchange,
    route: &Route<'_>,
    group: &Group,
    duplicating: &Duplicating,
    replay: Option<&Replay>,
    responder: &mut Responder,
) -> Result<Option<Write>, Failure> {
    let is_durable = duplicating.queue.as_ref().is_some_and(|queue| queue.is_durable());
    let host_of_server = attempt::names_server(x, route.forward);
    let body = match replay {
        None => Some(Arc::new(NoBody) as Arc<dyn WriteBody>),
        Some(replay) if is_durable => {
            invite_body(x, responder).await?;
            until_whole(x, replay).await?;
            replay.content().map(|content| Arc::new(KeptBody::new(content)) as Arc<dyn WriteBody>)
        }
        Some(_) => None,
    };
    Write::accept(x, duplicating, group, host_of_server, body).await
}

/// Reads the client's body to its end.
async fn until_whole(x: &Exchange, replay: &Replay) -> Result<(), Failure> {
    let whole = poll_fn(|cx| {
        if let Poll::Ready(whole) = replay.poll_whole(cx) {
            return Poll::Ready(whole.map_err(|error| Failure::of_body(&error)));
        }
        x.client.deadlines.poll_passed(cx).map(|wait| Err(client_failure(wait)))
    });
    let outcome = whole.await;
    replay.pause();
    outcome
}

/// With several copies the client is answered by us when it waits to be asked for the body (`semantics.md` §1.5).
async fn invite_body(x: &mut Exchange, responder: &mut Responder) -> Result<(), Failure> {
    if std::mem::take(&mut x.facts.expects_continue) {
        x.request.remove(K::Expect);
        responder.interim(&Head::answer(100)).await?;
    }
    Ok(())
}

/// The body, where every copy can have it from its first byte.
///
/// # Errors
/// It is known to be larger than may be held, and all servers need it (`semantics.md` §2.5).
fn hold_body(x: &Exchange, rule: &FanRule, request: &mut RequestBody) -> Result<Option<Rc<Replay>>, Failure> {
    if x.facts.body_is_empty() {
        return Ok(None);
    }
    // `hedge` goes on without a second copy where the body can't be kept.
    let limits = x.snapshot.replay_limits(matches!(rule, FanRule::Hedge(_)));
    if let Framing::Sized(bytes) = x.facts.framing
        && bytes > limits.content_bytes_max()
        && !limits.lossy
    {
        return Err(Failure::BodyTooLarge);
    }
    let body = std::mem::take(&mut request.body);
    Ok(Some(Rc::new(body.into_replay(limits, &x.worker.replay))))
}

/// Whether the body is known to fit into what may be kept of it.
fn survives(x: &Exchange) -> bool {
    match x.facts.framing {
        Framing::None => true,
        Framing::Sized(bytes) => bytes <= x.snapshot.replay_limits(true).content_bytes_max(),
        Framing::Chunked | Framing::UntilClose => false,
    }
}
