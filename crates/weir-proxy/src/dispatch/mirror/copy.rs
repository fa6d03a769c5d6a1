//! One copy of a request on its way to a mirror, and what comes of its answer.

use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use smallvec::SmallVec;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use weir_core::compare::{self, BodyRule, CompareOutcome, Seen, request_shown};
use weir_core::mirror::{CopyEnd, MirrorOutcome};
use weir_core::ports::ComparisonExample;
use weir_http::head::Head;
use weir_upstream::body::replay::Content;
use weir_upstream::h1::head::HeadLimits;
use weir_upstream::io::deadline::{Deadlines, Wait, now};
use weir_upstream::select;
use weir_upstream::send::{Answer, Beyond, Keep, SendBody, SendError, SendLimits};

use crate::dispatch::judgement;
use crate::dispatch::write::KeptBody;
use crate::inbound::tap::{TapReader, fields};
use crate::runtime::clock::time_of_day;
use crate::runtime::mirrors::{Comparing, Mirroring};
use crate::runtime::worker::Worker;

/// How much of a mirror's answer is read so that its connection can be kept.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Bodies that are together larger than this are compared where no request waits for it.
const COMPARED_AT_ONCE_BYTES_MAX: usize = 32 * 1024;

/// Comparisons of large bodies that may be made at the same time; others are not made.
///
/// One in the process: each takes a processor for a while, and for JSON up to 128 MiB beside its bodies.
static LARGE_COMPARISONS: Semaphore = Semaphore::const_new(1);

/// A request that is whole, and where it goes.
pub(super) struct CopiedRequest {
    pub(super) head: Rc<Head>,
    /// Its body, if it has one.
    pub(super) content: Option<Arc<Content>>,
    pub(super) to: Arc<Mirroring>,
    /// A copy that waits keeps no worker alive.
    pub(super) worker: Weak<Worker>,
    /// The hash of its key, where the mirror balances by one.
    pub(super) key: Option<u64>,
    /// When its request was handed to servers.
    pub(super) begun: Instant,
    pub(super) head_limits: HeadLimits,
}

/// Why a copy got no answer.
enum Unsent {
    /// It has waited for too long.
    Waited,
    /// Servers of the mirror may be asked, and have all that they may have at once.
    Full,
    /// The mirror has no server that may be asked.
    NoServer,
    /// The mirror has failed it.
    Failed,
    /// The mirror has failed it by taking all of its time.
    TimedOut,
}

impl Unsent {
    fn outcome(&self) -> MirrorOutcome {
        match self {
            Self::Waited | Self::Full => MirrorOutcome::DroppedQueue,
            Self::NoServer => MirrorOutcome::DroppedUnreachable,
            Self::Failed | Self::TimedOut => MirrorOutcome::Failed,
        }
    }

    fn end(&self) -> CopyEnd {
        match self {
            Self::Waited | Self::Full | Self::NoServer | Self::Failed => CopyEnd::Neither,
            Self::TimedOut => CopyEnd::TimedOut,
        }
    }
}

impl CopiedRequest {
    fn time_left(&self) -> Duration {
        (self.begun + self.to.timeout).saturating_duration_since(now())
    }

    /// Whether there is time enough. One that has waited for half of its time is not begun: behind a mirror that does not answer
    /// all that waited would have a moment left each, so that they open as many connections as there are, all at once,
    /// for nothing, while requests of clients wait for the worker.
    fn can_begin(&self) -> bool {
        self.time_left() > self.to.timeout / 2
    }

    /// Sends it to one server of the mirror, or to the next one where that can't be connected to.
    async fn send(&self, keep: Keep<'_>, body_bytes_max: usize) -> Result<Answer, Unsent> {
        let worker = self.worker.upgrade().filter(|_| self.can_begin()).ok_or(Unsent::Waited)?;
        let upstream = &*self.to.upstream;
        let group = worker.groups.of(upstream);
        // Whom the client stays with is no matter of copies.
        let turn = select::turn(upstream, &group, self.key, None);
        let mut tried = SmallVec::<[usize; 4]>::new();
        let admits = |server: usize| group.servers[server].has_room(group.panic);
        let mut unsent = Unsent::NoServer;
        while let Some(place) = select::pick(upstream, &group, turn, now(), |server| {
            let is_there = tried.is_empty() || group.still_has(server);
            is_there && !tried.contains(&server) && admits(server)
        }) {
            let limits = SendLimits {
                connect: upstream.waits.connect,
                whole: self.time_left(),
                head: self.head_limits,
                body_bytes_max,
                beyond: Beyond::Cut,
                keep,
                idle: upstream.waits.idle,
                reuse_unsafe: upstream.waits.reuse_unsafe,
            };
            let server = &group.servers[place];
            let round = server.round();
            let outcome = worker.dial.send(server, &self.head, self.body(), &limits, &worker.pools).await;
            judgement::note(server, round, &outcome);
            match outcome {
                Ok(answer) => return Ok(answer),
                // Not its fault: what it may have at once, others have.
                Err(SendError::Full) => {
                    if let Unsent::NoServer = unsent {
                        unsent = Unsent::Full;
                    }
                    tried.push(place);
                }
                Err(error @ (SendError::Connect(_) | SendError::ConnectTimeout)) => {
                    tracing::debug!(server = server.name(), %error, "a mirror can't be connected to");
                    let has_waited = matches!(error, SendError::ConnectTimeout);
                    unsent = if has_waited { Unsent::TimedOut } else { Unsent::Failed };
                    tried.push(place);
                }
                Err(error) => {
                    tracing::debug!(server = server.name(), %error, "a mirror gave no answer");
                    let has_waited = matches!(error, SendError::Timeout);
                    return Err(if has_waited { Unsent::TimedOut } else { Unsent::Failed });
                }
            }
        }
        let is_full = |server: usize| group.takes_requests(server) && !admits(server);
        Err(match unsent {
            Unsent::NoServer if (0..group.servers.len()).any(is_full) => Unsent::Full,
            unsent => unsent,
        })
    }

    fn body(&self) -> SendBody {
        match &self.content {
            None => SendBody::Memory(Bytes::new()),
            Some(content) => SendBody::Kept(Arc::new(KeptBody::new(Arc::clone(content)))),
        }
    }
}

/// Sends a copy whose answer goes nowhere.
pub(super) async fn mirrored(copy: CopiedRequest) -> CopyEnd {
    let (outcome, end) = match copy.send(Keep::Nothing, ANSWER_BYTES_MAX).await {
        Ok(_) => (MirrorOutcome::Sent, CopyEnd::Answered),
        Err(unsent) => (unsent.outcome(), unsent.end()),
    };
    copy.to.count(outcome);
    end
}

/// Sends a copy, and compares its answer with the one that the client got.
pub(super) async fn compared(copy: CopiedRequest, compare: Arc<Comparing>, tap: TapReader) -> CopyEnd {
    let sent = match (compare.rule.body, copy.worker.upgrade().map(|worker| worker.compared.clone())) {
        (BodyRule::Exact | BodyRule::Json, Some(room)) => {
            copy.send(Keep::Within(&room), compare.body_bytes_max).await
        }
        (BodyRule::Off, _) | (_, None) => copy.send(Keep::Nothing, ANSWER_BYTES_MAX).await,
    };
    match sent {
        Ok(answer) => {
            copy.to.count(MirrorOutcome::Sent);
            compare_answers(&copy, &compare, answer, &tap).await;
            CopyEnd::Answered
        }
        Err(unsent) => {
            copy.to.count(unsent.outcome());
            compare.count(CompareOutcome::Failed);
            unsent.end()
        }
    }
}

async fn compare_answers(copy: &CopiedRequest, compare: &Comparing, mut answer: Answer, tap: &TapReader) {
    // Both bodies are charged until they have been compared, wherever that is.
    let _theirs_charge = answer.charge.take();
    let theirs = seen(answer, compare);
    let deadlines = Deadlines::new();
    deadlines.set(Wait::Request, copy.time_left());
    let ours = deadlines.guard(pin!(tap.answer())).await;
    let (Some(theirs), Ok(Some((ours, _ours_charge)))) = (theirs, ours) else {
        return compare.count(CompareOutcome::Incomplete);
    };
    let latencies = (ours.latency, theirs.latency);
    let Some(verdict) = verdict(compare, ours, theirs).await else {
        return compare.count(CompareOutcome::Incomplete);
    };
    compare.count(verdict.outcome());
    compare.count_latencies(latencies.0, latencies.1);
    if !verdict.differences.is_empty() {
        let at = time_of_day().duration_since(UNIX_EPOCH).unwrap_or_default();
        compare.keep(ComparisonExample {
            at_seconds: at.as_secs(),
            request: request_shown(copy.head.method_token(), copy.head.target()),
            client_seconds: latencies.0.as_secs_f64(),
            copy_seconds: latencies.1.as_secs_f64(),
            differences: verdict.differences,
            uncompared: verdict.uncompared,
        });
    }
}

/// Large bodies are compared on another thread, so that requests of clients do not wait for it; `None` when there is no turn
/// for that.
async fn verdict(compare: &Comparing, ours: Seen, theirs: Seen) -> Option<compare::Verdict> {
    if ours.body.len() + theirs.body.len() <= COMPARED_AT_ONCE_BYTES_MAX {
        return Some(compare::compare(&compare.rule, &ours, &theirs));
    }
    let turn = LARGE_COMPARISONS.try_acquire().ok()?;
    let rule = Arc::clone(&compare.rule);
    let compared = move || {
        // Over there, because the thread goes on when nobody waits for it any more.
        let _turn = turn;
        compare::compare(&rule, &ours, &theirs)
    };
    tokio::task::spawn_blocking(compared).await.ok()
}

/// What is compared of an answer; `None` when it is too large.
fn seen(answer: Answer, compare: &Comparing) -> Option<Seen> {
    let (fields, encoding) = fields(&compare.rule, &answer.head);
    let (status, latency) = (answer.head.status(), answer.head_after);
    let is_whole = !answer.cut || compare.rule.body == BodyRule::Off;
    is_whole.then_some(Seen { status, fields, encoding, body: answer.body, latency })
}
