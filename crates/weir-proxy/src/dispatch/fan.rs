//! Modes that ask several servers at once: what they need before the first copy, and what becomes of it all at the end. In
//! between, [`Driver`] performs what the state machine of the mode decides.

mod copy;
mod driver;
mod no_answer;
mod tally;

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use smallvec::SmallVec;
use weir_core::dispatch::{Duplicate, Fan, Hedge, HedgeFacts, Majority, Race, RequestFacts, Targets};
use weir_core::ports::queue::WriteBody;
use weir_core::retry::is_safe;
use weir_http::field::KnownName as K;
use weir_upstream::body::replay::Replay;
use weir_upstream::group::Group;
use weir_upstream::io::deadline::Wait;
use weir_upstream::upstream::Upstream;

use self::driver::{Driver, Winner};
use self::no_answer::client_failure;
use super::copy::Original;
use super::write::{KeptBody, NoBody, Write};
use super::{attempt, kept_body, pass, turn};
use crate::access_log::Copies;
use crate::exchange::{Exchange, RequestBody};
use crate::inbound::responder::Responder;
use crate::runtime::dispatch::{Duplicating, FanRule};
use crate::runtime::snapshot::Forward;
use crate::stages::failure::Failure;

/// What a route says of its requests.
pub(crate) struct Route<'r> {
    /// The service and the route.
    pub place: usize,
    /// Where it sends them.
    pub forward: &'r Forward,
    /// To how many servers.
    pub rule: &'r FanRule,
}

impl<'r> Route<'r> {
    /// The machine of a request.
    fn machine(&self, x: &Exchange, group: &Group, replay: Option<&Replay>, gated: &[usize]) -> Fan<'r> {
        let upstream = &*self.forward.upstream;
        let servers = group.servers.len();
        match self.rule {
            FanRule::Race(rule) => Fan::Race(Race::new(rule, servers)),
            FanRule::Majority(rule) => {
                Fan::Majority(Majority::new(rule, servers, |server| group.takes_requests(server)))
            }
            FanRule::Hedge(hedging) => {
                let percentile = hedging.percentile();
                let fits = kept_body::fits(x.facts.framing, x.snapshot.replay_limits(true));
                let body_survives = fits && kept_body::survives(x, replay);
                let facts = HedgeFacts {
                    request: RequestFacts { safe: is_safe(&x.request), body_survives },
                    servers,
                    percentile,
                    body_whole: x.facts.body_is_empty(),
                    began: x.snapshot.time(x.begun),
                    time_max: x.snapshot.timeouts.request.unwrap_or(Duration::MAX),
                    random: fastrand::u64(..),
                };
                let repeats = upstream.retries.budget();
                Fan::Hedge(Hedge::new(&hedging.rule, &upstream.retry, &hedging.budget, repeats, facts))
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
    responder: &mut Responder<'_>,
) -> Result<(), Failure> {
    if matches!(route.rule, FanRule::Duplicate(_)) && !x.request.has(K::IdempotencyKey) {
        // `semantics.md` §3.1: one for each write, so that a server can tell a repeat from a second write.
        x.request.append(K::IdempotencyKey, format!("{:032x}", fastrand::u128(..)).as_bytes());
    }
    x.record.copies = Some(Copies::default());
    let replay = hold_body(x, route.rule, request)?;
    let outcome = with_body(x, &route, replay.clone(), responder).await;
    if let Some(replay) = &replay {
        // A copy that still lingers may have the body for itself.
        kept_body::give_back(x, replay, request);
    }
    outcome
}

async fn with_body(
    x: &mut Exchange,
    route: &Route<'_>,
    replay: Option<Rc<Replay>>,
    responder: &mut Responder<'_>,
) -> Result<(), Failure> {
    let upstream = &route.forward.upstream;
    let body = match route.rule {
        FanRule::Duplicate(duplicating) => {
            write_body(x, upstream, duplicating, replay.as_deref(), responder).await?
        }
        FanRule::Race(_) | FanRule::Hedge(_) | FanRule::Majority(_) => None,
    };
    kept_body::invite(x, responder).await?;
    // Only now, so that what waits for its body as a whole goes to whoever is there then.
    let group = x.worker.groups.of(upstream);
    let write = match route.rule {
        FanRule::Duplicate(duplicating) => {
            let host_of_server = attempt::names_server(x, route.forward);
            Write::accept(x, duplicating, upstream, &group, host_of_server, body).await?
        }
        FanRule::Race(_) | FanRule::Hedge(_) | FanRule::Majority(_) => None,
    };
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
    let machine = route.machine(x, &group, replay.as_deref(), &gated);
    let mut driver = Driver::new(original, upstream, group, replay, turn, machine, write);
    let decided = driver.decide(x).await;
    x.client.deadlines.clear(Wait::Dispatch);
    let request_read = driver.is_request_read();
    let goes_on = matches!(route.rule, FanRule::Duplicate(_)).then(|| driver.patience());
    x.record.attempts = driver.attempts();
    driver.note_unpaid(x);
    driver.leave(x);
    x.record.copies = Some(driver.copies());
    match decided {
        Ok(Winner::Live(held)) => pass::on(x, held, request_read, goes_on, responder).await,
        Ok(Winner::Delivered(answer)) => pass::delivered(x, &answer, request_read, responder).await,
        Err(failure) => Err(failure),
    }
}

/// The body of a write, as its queue gets it; `None` as long as it is still arriving. One that must outlive the process is whole
/// before it is accepted.
///
/// # Errors
/// It does not come whole, or there is nobody to send it to.
async fn write_body(
    x: &mut Exchange,
    upstream: &Upstream,
    duplicating: &Duplicating,
    replay: Option<&Replay>,
    responder: &mut Responder<'_>,
) -> Result<Option<Arc<dyn WriteBody>>, Failure> {
    if x.worker.groups.of(upstream).servers.is_empty() {
        return Err(Failure::NoServer);
    }
    let is_durable = duplicating.queue.as_ref().is_some_and(|queue| queue.is_durable());
    Ok(match replay {
        None => Some(Arc::new(NoBody)),
        Some(replay) if is_durable => {
            kept_body::invite(x, responder).await?;
            until_whole(x, replay).await?;
            replay.content().map(|content| Arc::new(KeptBody::new(content)) as Arc<dyn WriteBody>)
        }
        Some(_) => None,
    })
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
    if !kept_body::fits(x.facts.framing, limits) && !limits.lossy {
        kept_body::note_too_large(x, limits);
        return Err(Failure::BodyTooLarge);
    }
    Ok(Some(kept_body::keep(x, limits, request)))
}
