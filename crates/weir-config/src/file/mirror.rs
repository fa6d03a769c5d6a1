//! `mirror`: who else gets a copy of requests.

use std::time::Duration;

use crate::node::{Node, NodeKind};
use crate::source::At;

use super::decoder::Decoder;
use super::describe::Presence::{Default as Unless, Required};
use super::describe::Shape;
use super::kind::{Kind, OneOrList, OrWord, Placed};
use super::scalar::{DurationIn, Integer, SHARE};
use super::table::{Field, Kept, Mapping, Table};
use super::upstream::{NAME_PATTERN, UpstreamRef, UpstreamRefKind};

/// A mirror as it was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct MirrorFile {
    /// `upstream`
    pub(crate) upstream: Option<At<UpstreamRef>>,
    /// `share`
    pub(crate) share: Option<f64>,
    /// `queue`
    pub(crate) queue: Option<u64>,
    /// `timeout`
    pub(crate) timeout: Option<Duration>,
}

/// `mirror`; `None` for `off`.
pub(crate) type MirrorKind = Placed<OrWord<OneOrList<Placed<OneMirror>>>>;

/// See [`MirrorKind`].
pub(crate) const MIRROR_KIND: MirrorKind = Placed(OrWord("off", OneOrList(Placed(OneMirror), "mirrors")));

/// The name of an upstream, or a mapping.
pub(crate) struct OneMirror;

impl Kind for OneMirror {
    type Value = MirrorFile;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<MirrorFile> {
        match &node.kind {
            NodeKind::Mapping(_) => Mapping(&MIRROR).decode(node, decoder),
            NodeKind::Scalar(_) | NodeKind::List(_) => {
                let scalar = decoder.scalar("the name of an upstream, or a mapping with `upstream`", node)?;
                let upstream = At { value: UpstreamRef::Name(scalar.text.clone()), span: node.span };
                Some(MirrorFile { upstream: Some(upstream), ..MirrorFile::default() })
            }
        }
    }

    fn shape(&self) -> Shape {
        let name = Shape::Text { label: "name of an upstream", pattern: NAME_PATTERN };
        Shape::Either(vec![name, Shape::Mapping(&MIRROR)])
    }

    fn looks_like(&self, node: &Node) -> bool {
        matches!(node.kind, NodeKind::Scalar(_) | NodeKind::Mapping(_))
    }
}

/// How many copies may wait.
pub(crate) const QUEUE: Integer = Integer { label: "`queue`", min: 1, max: 100_000 };

/// How long a copy may take.
pub(crate) const TIMEOUT: DurationIn =
    DurationIn { min: Duration::from_millis(1), max: Duration::from_secs(300) };

/// `mirror` as a mapping
pub(crate) static MIRROR: Table<MirrorFile> = Table {
    name: "mirror",
    doc: "An upstream that gets copies of requests, of every method. Requests that would switch to another protocol are not \
          copied, nor those whose body can't be kept (`replay`). A copy carries `X-Weir-Mirror: 1`.",
    fields: &[
        Field {
            name: "upstream",
            presence: Required,
            value: &Kept(Placed(UpstreamRefKind), |mirror: &mut MirrorFile, upstream| {
                mirror.upstream = Some(upstream);
            }),
            doc: "The name of an upstream, or one in place. One of its servers gets the copy. Let it be a system for tests: it \
                  sees what clients send, and writes too.",
        },
        Field {
            name: "share",
            presence: Unless("100%"),
            value: &Kept(SHARE, |mirror: &mut MirrorFile, share| mirror.share = Some(share)),
            doc: "Of how many requests there is a copy, from `0%` to `100%`, by chance.",
        },
        Field {
            name: "queue",
            presence: Unless("1000"),
            value: &Kept(QUEUE, |mirror: &mut MirrorFile, number| mirror.queue = Some(number)),
            doc: "How many copies wait at the same time, for each worker, from 1 to 100,000; more are dropped and counted. Each \
                  holds a head, and a body if it has one; heads of all copies of a worker take at most 32 MiB.",
        },
        Field {
            name: "timeout",
            presence: Unless("10s"),
            value: &Kept(TIMEOUT, |mirror: &mut MirrorFile, time| mirror.timeout = Some(time)),
            doc: "How long a copy may wait and take together, from `1ms` to `5m`. A stop waits for no longer.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};
