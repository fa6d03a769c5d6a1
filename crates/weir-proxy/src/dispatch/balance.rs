//! Mode `balance`: performs what [`Balance`] decides.

use std::sync::Arc;

use weir_core::dispatch::{Action, Attempt, Balance, Event, RequestFacts, Why};
use weir_core::retry::{Cause, is_safe};
use weir_tls::handshake::Fault;
use weir_upstream::select;

use super::attempt::{self, Outcome};
use super::obtain::{self, Refused};
use super::turn;
use crate::exchange::{Exchange, RequestBody};
use crate::inbound::responder::Responder;
use crate::runtime::snapshot::Forward;
use crate::stages::failure::Failure;

/// Sends the request of `x` to one server, or to the next one where that does no harm, and its answer to the client.
pub(crate) async fn run(
    x: &mut Exchange,
    forward: &Forward,
    request: &mut RequestBody,
    responder: &mut Responder,
) -> Result<(), Failure> {
    let upstream = &*forward.upstream;
    let group = x.worker.groups.of(upstream);
    let mut machine = Balance::new(&upstream.retry, facts(x));
    let turn = turn::turn(x, upstream, &group);
    let (mut action, mut passed_over) = (machine.begin(), PassedOver::None);
    loop {
        let (number, reuse) = match action {
            Action::Start { number, reuse } => (number, reuse),
            Action::GiveUp(why) => return Err(failure(why, passed_over)),
            // The attempt has passed its answer on when it says so.
            Action::Answer { .. } => return Ok(()),
        };
        // In flight from here on, so that others who choose now see it, also while a connection is made.
        let taken = select::take(upstream, &group, turn, x.now, |server| machine.allows(server));
        let Some((index, in_flight)) = taken else {
            action = machine.on(Event::NoServer { number });
            continue;
        };
        let attempt = Attempt { number, server: index };
        let server = &group.servers[index];
        x.record.server = Some(Arc::clone(server));
        let connection = match obtain::kept(x, upstream, server, reuse) {
            Some(connection) => connection,
            None => match obtain::fresh(x, upstream, group.servers.len(), server).await {
                Ok(connection) => connection,
                Err(refused) => {
                    passed_over = passed_over.and(&refused);
                    action = machine.on(event(refused, attempt)?);
                    continue;
                }
            },
        };
        let begun = x.now;
        let outcome =
            attempt::run(x, forward, connection, in_flight, request, responder, |progress, status| {
                machine.on(Event::Head { attempt, progress, status })
            });
        action = match outcome.await {
            Outcome::Answered => {
                x.record.attempts = machine.attempts();
                return Ok(());
            }
            Outcome::Discarded(next) => next,
            Outcome::Failed { progress, cause, failure } => {
                if progress.bytes_sent > 0 {
                    server.note_failure(begun);
                }
                match machine.on(Event::Failed { attempt, progress, cause }) {
                    Action::GiveUp(_) => {
                        x.record.attempts = machine.attempts();
                        return Err(failure);
                    }
                    next @ (Action::Start { .. } | Action::Answer { .. }) => next,
                }
            }
            Outcome::Over(failure) => {
                x.record.attempts = machine.attempts().max(1);
                return Err(failure);
            }
        };
        x.record.attempts = machine.attempts();
        x.look();
    }
}

fn facts(x: &Exchange) -> RequestFacts {
    RequestFacts { safe: is_safe(&x.request), body_survives: x.facts.body_is_empty() }
}

fn event(refused: Refused, attempt: Attempt) -> Result<Event, Failure> {
    match refused {
        Refused::Server { timed_out, .. } => Ok(Event::ConnectFailed { attempt, timed_out }),
        Refused::Deadline => Ok(Event::ConnectDeadline { attempt }),
        Refused::Over(failure) => Err(failure),
    }
}

/// What the servers that were passed over have in common.
#[derive(Clone, Copy)]
enum PassedOver {
    None,
    /// TLS could not be spoken with any of them, with the last one for this reason.
    Handshakes(Fault),
    Otherwise,
}

impl PassedOver {
    fn and(self, refused: &Refused) -> Self {
        match (self, refused) {
            (Self::None | Self::Handshakes(_), Refused::Server { fault: Some(fault), .. }) => {
                Self::Handshakes(*fault)
            }
            _ => Self::Otherwise,
        }
    }
}

fn failure(why: Why, passed_over: PassedOver) -> Failure {
    match (why, passed_over) {
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
