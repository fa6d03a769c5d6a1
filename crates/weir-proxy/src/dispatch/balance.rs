//! Mode `balance`: performs what [`Balance`] decides.

use std::sync::Arc;

use tokio::time::Instant;
use weir_core::dispatch::{Action, Attempt, Balance, Event, RequestFacts, Why};
use weir_core::refusal::Refusal;
use weir_core::retry::{Cause, Moment, is_safe};
use weir_http::head::Head;
use weir_tls::handshake::Fault;
use weir_upstream::body::replay::Replay;
use weir_upstream::group::Group;
use weir_upstream::member::Server;
use weir_upstream::select;
use weir_upstream::upstream::Upstream;

use super::attempt::{self, Outcome, Sent};
use super::kept_body;
use super::obtain::{self, Refused};
use super::repeat::{self, Clock};
use super::retry_after::of_overload;
use super::turn;
use crate::exchange::{Exchange, RequestBody};
use crate::inbound::responder::Responder;
use crate::runtime::snapshot::Forward;
use crate::stages::failure::Failure;
use crate::tries::TryOutcome;

/// Sends the request of `x` to one server, or to the next one where that does no harm, and its answer to the client.
pub(crate) fn run<'r>(
    x: &'r mut Exchange,
    forward: &'r Forward,
    request: &'r mut RequestBody,
    responder: &'r mut Responder<'_>,
) -> impl Future<Output = Result<(), Failure>> + 'r {
    attempts(x, forward, Sent { request, kept: None }, responder)
}

/// Whether the body should be kept meanwhile.
pub(crate) fn wants_body(x: &Exchange, forward: &Forward) -> bool {
    kept_body::is_wanted(x, &forward.upstream.retry)
}

/// The same as [`run`], with the body kept as far as it may be.
pub(crate) async fn run_keeping(
    x: &mut Exchange,
    forward: &Forward,
    request: &mut RequestBody,
    responder: &mut Responder<'_>,
) -> Result<(), Failure> {
    let kept = kept_body::for_repeats(x, request);
    let outcome = attempts(x, forward, Sent { request, kept: kept.as_deref() }, responder).await;
    if let Some(kept) = &kept {
        kept_body::give_back(x, kept, request);
    }
    outcome
}

#[allow(clippy::manual_async_fn, reason = "an async fn keeps its arguments twice")]
fn attempts(
    x: &mut Exchange,
    forward: &Forward,
    sent: Sent<'_>,
    responder: &mut Responder<'_>,
) -> impl Future<Output = Result<(), Failure>> {
    async move {
        let Sent { request, kept } = sent;
        let upstream = &*forward.upstream;
        let group = x.worker.groups.of(upstream);
        let clock = Clock::of(x);
        let moment = |machine: &Balance<'_>| clock.moment(&group, machine);
        let mut machine = Balance::new(&upstream.retry, upstream.retries.budget(), facts(x, kept));
        let turn = turn::turn(x, upstream, &group);
        let (mut action, mut passed_over, mut is_first) = (machine.begin(), PassedOver::None, true);
        loop {
            let (number, reuse) = match action {
                Action::Start { number, reuse, wait } => {
                    if !wait.is_zero() {
                        Box::pin(repeat::rest(x, wait)).await?;
                    }
                    (number, reuse)
                }
                Action::GiveUp(why) => return Err(failure(x, why, passed_over)),
                // The attempt has passed its answer on when it says so.
                Action::Answer { .. } => return Ok(()),
            };
            // In flight from here on, so that others who choose now see it, also while a connection is made.
            let usable = |server| machine.allows(server) && (is_first || group.still_has(server));
            let taken = select::take(upstream, &group, turn, x.now, usable);
            is_first = false;
            let Some((index, in_flight)) = taken else {
                action = machine.on(Event::NoServer { number }, moment);
                continue;
            };
            let attempt = Attempt { number, server: index };
            let server = &group.servers[index];
            x.record.server = Some(Arc::clone(server));
            x.client.sight.asks(server);
            let since = x.now;
            let connection = match obtain::kept(x, upstream, server, reuse) {
                Some(connection) => connection,
                None => match obtain::fresh(x, upstream, left(&group, &machine), &in_flight).await {
                    Ok(connection) => connection,
                    Err(refused) => {
                        passed_over = passed_over.and(&refused);
                        note_refusal(x, server, since, &refused);
                        action = machine.on(event(refused, attempt)?, moment);
                        continue;
                    }
                },
            };
            if let Some(kept) = kept {
                Box::pin(kept_body::invite(x, responder)).await?;
                request.body = kept.reader().into();
            }
            let decide = |progress, head: &Head| {
                let (status, retry_after) = (head.status(), of_overload(head));
                machine.on(Event::Head { attempt, progress, status, retry_after }, moment)
            };
            let outcome =
                attempt::run(x, forward, connection, in_flight, Sent { request, kept }, responder, decide);
            let outcome = outcome.await;
            action = match after(x, upstream, &mut machine, (attempt, server, since), outcome, moment) {
                Ok(next) => next,
                Err(end) => return end,
            };
        }
    }
}

/// How many servers may still be asked, whoever was picked now included.
fn left(group: &Group, machine: &Balance<'_>) -> usize {
    (0..group.servers.len()).filter(|server| group.takes_requests(*server) && machine.allows(*server)).count()
}

/// What comes after an attempt; an error is the end.
fn after(
    x: &mut Exchange,
    upstream: &Upstream,
    machine: &mut Balance<'_>,
    (attempt, server, since): (Attempt, &Arc<Server>, Instant),
    outcome: Outcome,
    moment: impl FnOnce(&Balance<'_>) -> Moment,
) -> Result<Action, Result<(), Failure>> {
    let next = match outcome {
        Outcome::Answered => {
            if !x.record.tries.is_empty() {
                x.note_try(server, since, TryOutcome::Answered(x.record.status));
            }
            Err(Ok(()))
        }
        Outcome::Discarded { next, status } => {
            x.look();
            x.note_try(server, since, TryOutcome::Answered(status));
            Ok(next)
        }
        Outcome::Failed { progress, cause, failure } => {
            let is_sent = progress.bytes_sent > 0;
            if is_sent {
                server.note_failure(since);
            }
            x.look();
            x.note_try(server, since, if is_sent { TryOutcome::of(cause) } else { TryOutcome::NotSent });
            match machine.on(Event::Failed { attempt, progress, cause }, moment) {
                Action::GiveUp(_) => Err(Err(failure)),
                next @ (Action::Start { .. } | Action::Answer { .. }) => Ok(next),
            }
        }
        Outcome::Over(failure) => {
            x.record.attempts = machine.attempts().max(1);
            return Err(Err(failure));
        }
    };
    x.record.attempts = machine.attempts();
    if let Some(reason) = machine.take_granted() {
        upstream.retries.count(reason);
    }
    if machine.is_unpaid() {
        upstream.retries.count_unpaid();
        x.record.unpaid = true;
    }
    next
}

fn facts(x: &Exchange, kept: Option<&Replay>) -> RequestFacts {
    RequestFacts { safe: is_safe(&x.request), body_survives: kept_body::survives(x, kept) }
}

/// Notes that a server was passed over.
fn note_refusal(x: &mut Exchange, server: &Arc<Server>, since: Instant, refused: &Refused) {
    let outcome = match refused {
        Refused::Server { fault: Some(_), .. } => TryOutcome::Tls,
        Refused::Server { timed_out: false, .. } => TryOutcome::Refused,
        Refused::Server { timed_out: true, .. } | Refused::Deadline => TryOutcome::ConnectTimeout,
        // That was not the server.
        Refused::Full | Refused::Over(_) => return,
    };
    x.note_try(server, since, outcome);
}

fn event(refused: Refused, attempt: Attempt) -> Result<Event, Failure> {
    match refused {
        Refused::Server { timed_out, .. } => Ok(Event::ConnectFailed { attempt, timed_out }),
        Refused::Deadline => Ok(Event::ConnectDeadline { attempt }),
        // Another one may have room.
        Refused::Full => Ok(Event::ConnectFailed { attempt, timed_out: true }),
        Refused::Over(failure) => Err(failure),
    }
}

/// What the servers that were passed over have in common.
#[derive(Clone, Copy)]
enum PassedOver {
    None,
    /// TLS could not be spoken with any of them, with the last one for this reason.
    Handshakes(Fault),
    /// No connection to any of them became free.
    Full,
    Otherwise,
}

impl PassedOver {
    fn and(self, refused: &Refused) -> Self {
        match (self, refused) {
            (Self::None | Self::Handshakes(_), Refused::Server { fault: Some(fault), .. }) => {
                Self::Handshakes(*fault)
            }
            (Self::None | Self::Full, Refused::Full) => Self::Full,
            _ => Self::Otherwise,
        }
    }
}

fn failure(x: &Exchange, why: Why, passed_over: PassedOver) -> Failure {
    match (why, passed_over) {
        (Why::Unreachable { .. }, PassedOver::Full) => {
            x.worker.counters.refuse(Refusal::UpstreamQueueTimeout);
            Failure::TooMuchAtOnce
        }
        (Why::Unreachable { timed_out: false }, PassedOver::Handshakes(fault)) => Failure::ServerTls(fault),
        (Why::NoServer, _) => Failure::NoServer,
        (Why::Unreachable { timed_out }, _) => Failure::Unreachable { timed_out },
        (Why::Failed(Cause::Timeout), _) => Failure::ServerTimeout,
        (Why::Failed(_), _) => Failure::ServerReset,
        (Why::Discarded { status } | Why::NothingUsable { status } | Why::NoMajority { status }, _) => {
            Failure::Discarded(status)
        }
        (Why::NotAcknowledged, _) => Failure::NoServer,
        (Why::ReplayLost, _) => Failure::BodyTooLarge,
    }
}
