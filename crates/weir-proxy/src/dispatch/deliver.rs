//! Delivering from a backlog: one write to one server, without a client.

use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use weir_core::health::Word;
use weir_core::ports::queue::{ANSWER_BODY_BYTES_MAX, Deliver, Delivered, Delivery, KeptAnswer, LocalFuture};
use weir_core::queue::{Failure, Outcome};
use weir_http::head::Head;
use weir_upstream::body::ReadError;
use weir_upstream::h1::head::AnswerError;
use weir_upstream::pool::Pools;
use weir_upstream::send::{Answer, Beyond, Keep, SendBody, SendError, SendLimits};

use super::judgement;
use super::retry_after::retry_after;
use crate::runtime::dial::Dial;
use crate::runtime::status::ProcessStatus;

/// A server that takes a body more slowly than this is given up, and asked again later.
pub(super) const BYTES_PER_SECOND_MIN: u64 = 64 * 1024;

/// What is read of an answer that nobody waits for, so that its connection can be kept.
const FORGOTTEN_BYTES_MAX: usize = 4 * 1024;

/// Sends what waits for the servers of one upstream, as the configuration that is in force has them.
pub(crate) struct Deliverer {
    status: Weak<ProcessStatus>,
    upstream: Box<str>,
    pools: Pools,
    /// Opens connections to servers.
    pub(crate) dial: Dial,
}

impl Deliverer {
    /// For the upstream of this name.
    pub(crate) fn new(status: Weak<ProcessStatus>, upstream: Box<str>) -> Self {
        Self { status, upstream, pools: Pools::default(), dial: Dial::default() }
    }
}

impl Deliver for Deliverer {
    fn deliver(&self, delivery: Delivery) -> LocalFuture<'_, io::Result<Delivered>> {
        Box::pin(self.send(delivery))
    }
}

impl Deliverer {
    async fn send(&self, delivery: Delivery) -> io::Result<Delivered> {
        let lost = |failure| Ok(Delivered { outcome: Outcome::Failed(failure), answer: None });
        let Some(snapshot) = self.status.upgrade().map(|status| status.snapshot()) else {
            return lost(Failure::Here);
        };
        let upstream = snapshot.upstreams.iter().find(|upstream| upstream.name == self.upstream);
        let server = upstream.and_then(|upstream| {
            // One that somebody took out gets nothing, also not what it missed.
            let found = upstream.look(|roster| {
                let member = roster.member(&delivery.server)?;
                (member.word == Word::InService).then(|| Arc::clone(&member.server))
            });
            Some((found?, upstream.waits))
        });
        let Some((server, waits)) = server else { return lost(Failure::Here) };
        let mut request = Head::default();
        if request.parse_request(&delivery.head, usize::MAX).is_err() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the head of a kept write is malformed"));
        }
        let limits = SendLimits {
            connect: waits.connect,
            whole: waits.answer_head + Duration::from_secs(delivery.body.bytes() / BYTES_PER_SECOND_MIN),
            head: snapshot.head_limits(),
            body_bytes_max: if delivery.watched { ANSWER_BODY_BYTES_MAX } else { FORGOTTEN_BYTES_MAX },
            beyond: Beyond::Cut,
            keep: Keep::All,
            idle: waits.idle,
            reuse_unsafe: waits.reuse_unsafe,
        };
        self.pools.sweep();
        let body = SendBody::Kept(delivery.body);
        let round = server.round();
        let outcome = self.dial.send(&server, &request, body, &limits, &self.pools).await;
        judgement::note(&server, round, &outcome);
        match outcome {
            Ok(answer) => Ok(delivered(answer, delivery.watched)),
            Err(SendError::Request(ReadError::Io(error))) => Err(error),
            Err(error) => {
                tracing::debug!(server = server.name(), %error, "a write could not be delivered");
                lost(failure(&error))
            }
        }
    }
}

fn delivered(answer: Answer, watched: bool) -> Delivered {
    let Answer { head, body, cut, .. } = answer;
    let outcome = Outcome::Answered { status: head.status(), retry_after: retry_after(&head) };
    let kept = watched.then(|| {
        let mut bytes = Vec::new();
        head.write(&mut bytes);
        KeptAnswer { head: bytes.into(), body: Bytes::from(body), cut }
    });
    Delivered { outcome, answer: kept }
}

fn failure(error: &SendError) -> Failure {
    match error {
        SendError::Full => Failure::Here,
        SendError::Connect(error) if error.is_exhaustion() => Failure::Here,
        SendError::Connect(_) | SendError::ConnectTimeout => Failure::Unreachable,
        SendError::Timeout => Failure::Timeout,
        SendError::Head(AnswerError::Closed | AnswerError::Truncated | AnswerError::Io(_)) => Failure::Reset,
        SendError::Body(_) => Failure::Reset,
        SendError::Request(_) => Failure::Here,
        SendError::Head(AnswerError::Head(_))
        | SendError::Framing(_)
        | SendError::Connection(_)
        | SendError::InterimFlood
        | SendError::Switched => Failure::Garbage,
    }
}
