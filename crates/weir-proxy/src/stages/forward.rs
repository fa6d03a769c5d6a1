//! Stage *forward*: the route's one deed. Mostly that is handing the request to the dispatch mode of the route.

use std::future::poll_fn;
use std::pin::pin;

use weir_config::model::HostPolicy;
use weir_http::field::KnownName as K;
use weir_http::upgrade::Upgrade;

use super::failure::Failure;
use super::{admit, edit, local};
use crate::dispatch::mirror::{self, Copies};
use crate::dispatch::{balance, fan};
use crate::exchange::{Exchange, RequestBody};
use crate::inbound::responder::Responder;
use crate::runtime::dispatch::{Dispatch, FanRule};
use crate::runtime::mirrors::Beside;
use crate::runtime::snapshot::{Action, Forward};

/// Does what the route of `x` says, to the end of the answer.
pub(super) async fn forward(
    x: &mut Exchange,
    request: &mut RequestBody,
    responder: &mut Responder<'_>,
) -> Result<(), Failure> {
    let snapshot = x.snapshot.clone();
    let Some(place) = x.found else {
        return local::options(x, request, responder).await;
    };
    match &snapshot.routes[place].action {
        Action::Redirect(redirect) => local::redirect(x, redirect, request, responder).await,
        Action::Respond(respond) => local::respond(x, respond, request, responder).await,
        Action::Forward(forward) => {
            prepare(x, forward)?;
            if let Some(room) = &forward.room {
                admit::at_upstream(x, forward, room).await?;
            }
            // A connection that becomes another protocol has two ends (`semantics.md` §3).
            let dispatch = match &x.facts.upgrade {
                Some(_) => &Dispatch::Balance,
                None => forward.dispatch.of(x.request.method_token()),
            };
            x.record.mode = Some(dispatch.mode());
            x.worker.counters.dispatch(dispatch.mode());
            let mut copies = match &forward.beside {
                None => None,
                Some(beside) => copies(x, beside, dispatch, request, responder),
            };
            let outcome = {
                let mut main = pin!(hand_over(x, place, forward, dispatch, request, responder));
                poll_fn(|cx| {
                    let outcome = main.as_mut().poll(cx);
                    if let Some(copies) = &mut copies {
                        copies.look();
                    }
                    outcome
                })
                .await
            };
            if let Some(copies) = copies {
                copies.end(x, request);
            }
            outcome
        }
    }
}

/// Hands the request to its mode.
#[allow(clippy::manual_async_fn, reason = "an async fn keeps its arguments twice")]
fn hand_over(
    x: &mut Exchange,
    place: usize,
    forward: &Forward,
    dispatch: &Dispatch,
    request: &mut RequestBody,
    responder: &mut Responder<'_>,
) -> impl Future<Output = Result<(), Failure>> {
    async move {
        match dispatch {
            Dispatch::Balance => {
                let outcome = match balance::wants_body(x, forward) {
                    false => balance::run(x, forward, request, responder).await,
                    // In memory of its own, so that requests without a body stay small.
                    true => Box::pin(balance::run_keeping(x, forward, request, responder)).await,
                };
                outcome.map_err(|failure| failure.with_unreachable(forward.seldom.unreachable_status))
            }
            // Exchanges with several copies take memory of their own, so that the others stay small.
            Dispatch::Fan(rule) => {
                let route = fan::Route { place, forward, rule };
                Box::pin(fan::run(x, route, request, responder)).await
            }
        }
    }
}

/// The copies for others, if this request is one of those that are copied. Boxed, so that exchanges without stay small.
#[cold]
fn copies(
    x: &mut Exchange,
    beside: &Beside,
    dispatch: &Dispatch,
    request: &mut RequestBody,
    responder: &mut Responder<'_>,
) -> Option<Box<Copies>> {
    let drawn = mirror::draw(x, beside)?;
    let is_lossy = matches!(dispatch, Dispatch::Balance | Dispatch::Fan(FanRule::Hedge(_)));
    Some(Box::new(Copies::begin(x, drawn, is_lossy, request, responder)))
}

/// What the route changes in the request, the same for every attempt.
fn prepare(x: &mut Exchange, forward: &Forward) -> Result<(), Failure> {
    if let Some(edit) = &forward.path {
        edit::path(x, edit)?;
    }
    if let Some(HostPolicy::Name(name)) = forward.host.as_deref() {
        x.request.replace(K::Host, name.as_bytes());
    }
    if let Some(edits) = &forward.request_fields {
        edit::fields(&mut x.request, edits);
    }
    if let Some(protocol) = x.facts.upgrade.take()
        && Upgrade::One(&protocol).is_allowed(forward.seldom.upgrade.iter().map(|name| &**name))
    {
        x.request.append(K::Connection, b"Upgrade");
        x.request.append(K::Upgrade, &protocol);
        x.facts.upgrade = Some(protocol);
    }
    Ok(())
}
