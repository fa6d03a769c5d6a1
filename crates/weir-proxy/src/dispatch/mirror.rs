//! Copies of a request for mirrors, and for whoever is compared with the servers of the route (`semantics.md` §3.7).
//!
//! The request goes its way as without them. Its body passes through a replay, read by the route's mode alone; when it has
//! come whole, copies take what was kept into the lanes of the worker. So a copy never reads the client, and nobody ever
//! waits for one. They belong to the worker and not to the exchange: a client that goes away then takes none of them along.

mod copy;

use std::net::IpAddr;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use smallvec::SmallVec;
use weir_core::compare::CompareOutcome;
use weir_core::mirror::MirrorOutcome;
use weir_core::trace_context::TraceContext;
use weir_http::field::KnownName as K;
use weir_http::head::Head;
use weir_upstream::body::Body;
use weir_upstream::body::replay::{Content, Impossible, Replay, ReplayLimits};
use weir_upstream::h1::head::HeadLimits;
use weir_upstream::io::deadline::now;

use self::copy::{CopiedRequest, compared, mirrored};
use super::{kept_body, turn};
use crate::exchange::{Exchange, RequestBody};
use crate::inbound::responder::Responder;
use crate::inbound::tap::{TapReader, tap};
use crate::runtime::lanes::{LaneLimits, Load, Work};
use crate::runtime::mirrors::{Beside, Comparing, Mirroring};
use crate::runtime::worker::Worker;
use crate::stages::trace;

/// The field by which a mirror knows a copy.
const MIRROR_FIELD: &str = "X-Weir-Mirror";

/// Who gets a copy of one request.
#[derive(Debug)]
pub(crate) struct Drawn {
    mirrors: SmallVec<[Arc<Mirroring>; 4]>,
    compare: Option<Arc<Comparing>>,
}

/// Draws who gets a copy of the request of `x`; `None` when nobody does. Connections that become another protocol are never
/// copied: there is nobody to speak it with a mirror. Where there is no room for a copy none is made, so that a mirror that
/// hangs costs requests next to nothing.
pub(crate) fn draw(x: &Exchange, beside: &Beside) -> Option<Drawn> {
    if x.facts.upgrade.is_some() {
        return None;
    }
    let has_room = |to: &Mirroring| {
        let has_room = x.worker.lanes.has_room(to.number, to.queue_max);
        if !has_room {
            to.count(MirrorOutcome::DroppedQueue);
        }
        has_room
    };
    let gets = |mirror: &&Arc<Mirroring>| mirror.draw() && has_room(mirror);
    let mirrors: SmallVec<_> = beside.mirrors.iter().filter(gets).cloned().collect();
    let is_compared = |compare: &&Arc<Comparing>| {
        if !compare.takes(x.request.method_token()) || !compare.mirroring.draw() {
            return false;
        }
        let has_room = has_room(&compare.mirroring);
        if !has_room {
            compare.count(CompareOutcome::Failed);
        }
        has_room
    };
    let compare = beside.compare.as_ref().filter(is_compared).cloned();
    (!mirrors.is_empty() || compare.is_some()).then_some(Drawn { mirrors, compare })
}

/// The copies of one request, from its beginning to the moment when they go, or when it is certain that they don't.
pub(crate) struct Copies {
    worker: Rc<Worker>,
    drawn: Drawn,
    head: Rc<Head>,
    /// The trace that it belongs to; each copy is a part of its own.
    trace: Option<TraceContext>,
    /// The path within its target.
    path: Range<usize>,
    client: IpAddr,
    limits: CopyLimits,
    tap: Option<TapReader>,
    body: Held,
    /// They have not gone yet.
    waits: bool,
}

#[derive(Debug, Clone, Copy)]
struct CopyLimits {
    head: HeadLimits,
    /// Bytes of bodies that one lane holds.
    lane_bytes: u64,
    /// Bytes of memory that all replays hold when another body is kept for a mirror: half of what there is, so that requests
    /// of clients always find some.
    memory_bytes: usize,
}

/// The body, for copies.
enum Held {
    /// There is none.
    Empty,
    /// It arrives, or is whole.
    Replay(Rc<Replay>),
    /// It is not: it is known to be too large, or memory is short.
    NotKept,
}

impl Copies {
    /// Prepares the copies: the body of `request` is read through a replay from here on, until [`end`](Self::end). `is_lossy`
    /// says that the request goes on when its body can't be kept (`semantics.md` §2.5).
    pub(crate) fn begin(
        x: &Exchange,
        drawn: Drawn,
        is_lossy: bool,
        request: &mut RequestBody,
        responder: &mut Responder<'_>,
    ) -> Self {
        let tap = drawn.compare.as_ref().map(|compare| {
            let (writer, reader) = tap(&compare.rule, compare.body_bytes_max, &x.worker.compared);
            responder.tap(writer);
            reader
        });
        let mut kept = x.snapshot.replay_limits(is_lossy);
        if is_lossy && !x.snapshot.replay.written {
            // A request that needs no second server waits for no disk because of a mirror, unless somebody wants that.
            kept.disk_bytes = None;
        }
        let limits = CopyLimits {
            head: x.snapshot.head_limits(),
            lane_bytes: kept.content_bytes_max(),
            memory_bytes: x.snapshot.replay.total_bytes / 2,
        };
        let mut copies = Self {
            worker: Rc::clone(&x.worker),
            drawn,
            head: Rc::new(copy_head(x)),
            trace: trace::of_copy(x),
            path: x.facts.path.clone(),
            client: x.facts.client,
            limits,
            tap,
            body: hold(x, kept, limits.memory_bytes, request),
            waits: true,
        };
        copies.look();
        copies
    }

    /// Gives the client's body back, for what comes behind it.
    pub(crate) fn end(self, x: &mut Exchange, request: &mut RequestBody) {
        let Held::Replay(replay) = &self.body else { return };
        // A mode that asks several servers has given it back itself.
        if let Body::Replay(_) = request.body {
            // A reader that nobody could follow has the source.
            request.body = Body::Empty;
            let source = replay.take_source();
            // Without it nobody knows where the next request would begin.
            x.close |= source.is_none();
            request.body = source.map_or(Body::Empty, Body::from);
        }
    }

    /// Lets the copies go as soon as the body is whole; to be asked whenever the request has moved on.
    pub(crate) fn look(&mut self) {
        if !self.waits {
            return;
        }
        let content = match &self.body {
            Held::Empty => None,
            Held::Replay(replay) => match replay.content() {
                Some(content) => Some(content),
                None => return,
            },
            Held::NotKept => return,
        };
        self.waits = false;
        self.go(content.as_ref());
    }

    /// Lets them go, as far as there is room.
    fn go(&self, content: Option<&Arc<Content>>) {
        let bytes = content.map_or(0, |content| content.bytes());
        let is_short_of_memory = bytes > 0 && self.worker.replay.used_bytes() > self.limits.memory_bytes;
        let copied = |to: &Arc<Mirroring>| CopiedRequest {
            head: match self.trace {
                None => Rc::clone(&self.head),
                Some(context) => {
                    let mut head = Head::clone(&self.head);
                    trace::mark_copy(&mut head, context);
                    Rc::new(head)
                }
            },
            content: content.map(Arc::clone),
            to: Arc::clone(to),
            worker: Rc::downgrade(&self.worker),
            key: turn::key_of(&self.head, &self.head.target()[self.path.clone()], self.client, &to.upstream),
            begun: now(),
            head_limits: self.limits.head,
        };
        let head_bytes = self.head.memory_bytes();
        let add = |to: &Arc<Mirroring>, work: Work| {
            let limits = LaneLimits { waiting: to.queue_max, bytes: self.limits.lane_bytes };
            let lanes = &self.worker.lanes;
            let load = Load { work, body_bytes: bytes, head_bytes };
            let is_taken = !is_short_of_memory
                && lanes.add(to.number, load, limits, &to.width, &self.worker.tracker).is_ok();
            if !is_taken {
                to.count(MirrorOutcome::DroppedQueue);
            }
            is_taken
        };
        for to in &self.drawn.mirrors {
            let copy = copied(to);
            add(to, Box::new(|| Box::pin(mirrored(copy))));
        }
        if let (Some(compare), Some(tap)) = (&self.drawn.compare, &self.tap) {
            let to = &compare.mirroring;
            let (copy, comparing, tap) = (copied(to), Arc::clone(compare), tap.clone());
            if !add(to, Box::new(|| Box::pin(compared(copy, comparing, tap)))) {
                compare.count(CompareOutcome::Failed);
            }
        }
    }
}

impl Drop for Copies {
    /// However the exchange ends, also by a connection that is cut: copies whose body never came whole are not sent.
    fn drop(&mut self) {
        if !self.waits {
            return;
        }
        for to in &self.drawn.mirrors {
            to.count(MirrorOutcome::DroppedBody);
        }
        if let Some(compare) = &self.drawn.compare {
            compare.mirroring.count(MirrorOutcome::DroppedBody);
            compare.count(CompareOutcome::Failed);
        }
    }
}

/// The head of the request of `x` as mirrors get it: with the Host of the client (`semantics.md` §3.7).
fn copy_head(x: &Exchange) -> Head {
    let mut head = Head::clone(&x.request);
    if x.origin.authority.is_empty() {
        // Each server gets its own.
        head.remove(K::Host);
    } else {
        head.replace(K::Host, &x.origin.authority);
    }
    head.replace(MIRROR_FIELD, b"1");
    head
}

/// Has the body of a request kept while it is read, unless so much memory is in use already.
fn hold(x: &Exchange, limits: ReplayLimits, memory_bytes: usize, request: &mut RequestBody) -> Held {
    if x.facts.body_is_empty() {
        return Held::Empty;
    }
    if !kept_body::fits(x.facts.framing, limits) {
        // Otherwise the mode refuses the request for the same reason, and counts it.
        if limits.lossy {
            kept_body::note_too_large(x, limits);
        }
        return Held::NotKept;
    }
    if x.worker.replay.used_bytes() > memory_bytes {
        x.worker.replay.note_impossible(Impossible::Total);
        return Held::NotKept;
    }
    let replay = std::mem::take(&mut request.body).into_replay(limits, &x.worker.replay);
    request.body = replay.reader().into();
    Held::Replay(Rc::new(replay))
}
