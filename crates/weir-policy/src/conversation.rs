//! One connection of a client or of a server that registers: message after message, each answered before the next is looked at.

use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;

use weir_core::limit_hit::LimitHit;
use weir_core::refusal::Refusal;
use weir_upstream::io::deadline::{Deadlines, Wait};
use weir_upstream::io::stream::Stream;

use crate::forward::{self, Question};
use crate::registry::NotRegistered;
use crate::sight::{Doing, Sight};
use crate::talk::{self, Patience, Talk, TalkError};
use crate::wire::message::{Message, Registration, Request};
use crate::wire::{Frame, WireLimits, answer};
use crate::worker::{Terms, Worker};

/// Serves a connection until one side has had enough. Cancel safe: dropping the future closes the connection, and those to servers that it
/// uses.
pub(crate) async fn serve(worker: &Worker, stream: Rc<Stream>, sight: &Sight) {
    let limits = |terms: &Terms| WireLimits::for_payload(terms.listen.payload_characters_max);
    let deadlines = Deadlines::new();
    let mut talk = Talk::new(stream, limits(&worker.shared.terms.load()));
    let mut is_fresh = true;
    loop {
        let terms = worker.shared.terms.load_full();
        let Terms { listen, .. } = &*terms;
        let (idle, message) = (listen.timeouts.idle, listen.timeouts.message);
        let patience = Patience { idle, message, sight: Some(sight) };
        talk.bound(limits(&terms));
        let frame = match next(worker, &mut talk, &deadlines, patience, is_fresh).await {
            Ok(Some(frame)) => frame,
            Ok(None) | Err(TalkError::Connection(_)) => return,
            Err(TalkError::Wire(problem)) => {
                if problem.is_limit() {
                    worker.counts().hit(LimitHit::Payload);
                }
                let form = talk.form().unwrap_or_default();
                let refusal = answer::refusal(form, None, &problem.to_string());
                if say(&talk, &deadlines, patience, &refusal).await {
                    sight.does(Doing::Closing, &talk.stream);
                    talk.end(&deadlines).await;
                }
                return;
            }
        };
        is_fresh = false;
        sight.begin(&talk.stream);
        let reply = reply(worker, &talk, &frame, &deadlines, sight).await;
        talk.take(&frame);
        if let Some(reply) = reply
            && !say(&talk, &deadlines, patience, &reply).await
        {
            return;
        }
    }
}

/// The next message; `None` when there is none in time, or the listener drains and none has begun. Whoever `is_fresh` has just come in
/// to ask something, and gets the time to do so.
async fn next(
    worker: &Worker,
    talk: &mut Talk,
    deadlines: &Deadlines,
    patience: Patience<'_>,
    is_fresh: bool,
) -> Result<Option<Frame>, TalkError> {
    let drained = {
        let mut reading = pin!(talk.next(deadlines, Some(patience)));
        tokio::select! {
            biased;
            // Whoever takes too long is closed without a word.
            read = deadlines.guard(reading.as_mut()) => return read.unwrap_or(Ok(None)),
            () = worker.drain_begun() => true,
        }
    };
    debug_assert!(drained, "there is no other way here");
    if talk.is_quiet() {
        let grace = worker.grace();
        if !is_fresh || grace.is_zero() {
            return Ok(None);
        }
        deadlines.set(Wait::ClientIdle, grace.min(patience.idle));
    }
    deadlines.guard(pin!(talk.next(deadlines, Some(patience)))).await.unwrap_or(Ok(None))
}

/// Writes an answer. Says whether the peer has taken it.
async fn say(talk: &Talk, deadlines: &Deadlines, patience: Patience<'_>, bytes: &[u8]) -> bool {
    deadlines.clear_all();
    deadlines.set(Wait::ClientWrite, patience.message);
    let written = deadlines.guard(pin!(talk::write(&talk.stream, bytes))).await;
    deadlines.clear(Wait::ClientWrite);
    matches!(written, Ok(Ok(())))
}

/// What is said to a message; nothing to a server that has registered, because the programs that there are expect nothing.
async fn reply(
    worker: &Worker,
    talk: &Talk,
    frame: &Frame,
    deadlines: &Deadlines,
    sight: &Sight,
) -> Option<Vec<u8>> {
    deadlines.clear_all();
    let refused = |reason: &str| Some(answer::refusal(frame.form, Some(&frame.value), reason));
    match Message::of(&frame.value) {
        Ok(Message::Request(request)) => {
            sight.is_for(request.policy);
            if let Err(reason) = admit(worker, &request) {
                return refused(&reason);
            }
            let question = Question {
                form: frame.form,
                value: &frame.value,
                bytes: talk.bytes(frame),
                request,
                client: &talk.stream,
                sight,
            };
            match forward::forward(worker, &question, deadlines).await {
                Ok(answer) => Some(answer),
                Err(reason) => refused(&reason),
            }
        }
        Ok(Message::Registration(registration)) => {
            sight.is_for(registration.policy);
            match register(worker, frame, &registration, sight.peer().ip()).await {
                Ok(()) => registration.confirm.then(|| answer::confirmation(frame.form, &frame.value)),
                Err(reason) => refused(&reason),
            }
        }
        Ok(Message::Answer { .. } | Message::Refusal) => {
            refused("answers go back on the connection on which the message came")
        }
        Err(senseless) => refused(&senseless.to_string()),
    }
}

/// Whether a message may go on.
fn admit(worker: &Worker, request: &Request) -> Result<(), String> {
    let max = worker.shared.terms.load().listen.payload_characters_max;
    let counts = worker.counts();
    if request.payload_characters > max {
        counts.hit(LimitHit::Payload);
        return Err(format!("the payload has {} characters, and may have {max}", request.payload_characters));
    }
    if !worker.admits_message() {
        counts.refuse(Refusal::Rate);
        return Err("there are too many messages; try again later".to_owned());
    }
    Ok(())
}

async fn register(
    worker: &Worker,
    frame: &Frame,
    registration: &Registration,
    peer: IpAddr,
) -> Result<(), String> {
    let terms = worker.shared.terms.load_full();
    let listen = &terms.listen;
    let registry = &worker.shared.registry;
    let is_news = registry.is_news(peer, frame.form, registration, &listen.register);
    let outcome = match is_news {
        Ok(true) if !worker.admits_registration(listen.timeouts.message).await => Err(NotRegistered::Rate),
        Ok(_) => registry.register(peer, frame.form, registration, &listen.register, &listen.limits),
        Err(refused) => Err(refused),
    };
    outcome.map_err(|refused| {
        // One who has waited in vain is counted already.
        if matches!(refused, NotRegistered::Servers(_) | NotRegistered::Policies(_)) {
            worker.counts().hit(LimitHit::Registrations);
        }
        let reason = refused.to_string();
        if worker.may_tell() {
            let (policy, id) = (registration.policy, registration.id);
            tracing::warn!(%peer, policy, id, reason, "a server may not register");
        }
        reason
    })
}
