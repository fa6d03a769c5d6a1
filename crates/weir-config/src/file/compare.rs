//! `compare`: another upstream whose answers are compared with those that clients get.

use std::time::Duration;

use weir_core::compare::{BodyRule, JsonPath, PathError};

use crate::complaint::Complaint;
use crate::node::shortened;
use crate::source::{At, Span};

use super::describe::Presence::{Default as Unless, Optional, Required};
use super::kind::{List, Mapped, OneOrList, OrWord, Placed};
use super::mirror::{QUEUE, TIMEOUT};
use super::rule::{FIELD_NAME_PATTERN, METHOD, field_name};
use super::scalar::{Boolean, DurationIn, Integer, Parsed, SHARE, SizeIn, Words};
use super::table::{Field, Kept, Mapping, Table};
use super::upstream::{UpstreamRef, UpstreamRefKind};

/// `compare` as it was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct CompareFile {
    /// `upstream`
    pub(crate) upstream: Option<At<UpstreamRef>>,
    /// `share`
    pub(crate) share: Option<f64>,
    /// `queue`
    pub(crate) queue: Option<u64>,
    /// `timeout`
    pub(crate) timeout: Option<Duration>,
    /// `methods`
    pub(crate) methods: Option<Vec<Box<str>>>,
    /// `status`
    pub(crate) status: Option<bool>,
    /// `headers`
    pub(crate) fields: Vec<Box<str>>,
    /// `body`
    pub(crate) body: BodyRule,
    /// `ignore`
    pub(crate) ignore: Vec<JsonPath>,
    /// `latency`
    pub(crate) latency: Option<Duration>,
    /// `limit`
    pub(crate) body_bytes_max: Option<usize>,
    /// `keep`
    pub(crate) keep: Option<u64>,
    /// The keys that were written.
    pub(crate) keys: Vec<(&'static str, Span)>,
}

/// `compare`; `None` for `off`.
pub(crate) type CompareKind = Placed<OrWord<Mapping<CompareFile>>>;

/// See [`CompareKind`].
pub(crate) const COMPARE_KIND: CompareKind = Placed(OrWord("off", Mapping(&COMPARE)));

const FIELD: Parsed<Box<str>> =
    Parsed { label: "name of a field", pattern: FIELD_NAME_PATTERN, parse: field_name };

const BODY: Words<BodyRule> = Words {
    label: "way to compare bodies",
    words: &[("exact", BodyRule::Exact), ("json", BodyRule::Json), ("off", BodyRule::Off)],
    later: &[],
};

const PATH: Parsed<JsonPath> = Parsed { label: "path in JSON", pattern: r"^(\$[.\[]|/)", parse: path };

fn path(text: &str) -> Result<JsonPath, Complaint> {
    JsonPath::parse(text).map_err(|error| {
        let complaint = Complaint::new(format!("`{}` is not a path in JSON: {error}", shortened(text)));
        complaint.hint(match error {
            PathError::Root => "to compare no bodies write `body: off`".to_owned(),
            PathError::Beginning if !text.is_empty() && !text.starts_with('$') => {
                format!("did you mean `$.{}`?", shortened(text))
            }
            _ => "write `$.updated_at`, `$.items[*].id` or `/items/0/id`".to_owned(),
        })
    })
}

/// `compare`
pub(crate) static COMPARE: Table<CompareFile> = Table {
    name: "compare",
    doc: "An upstream that gets copies of requests as a `mirror` does, and what is compared of its answers. Differences are \
          counted, and the last ones can be read at `/api/v1/compare` of the admin listener.",
    fields: &[
        Field {
            name: "upstream",
            presence: Required,
            value: &Kept(Placed(UpstreamRefKind), |compare: &mut CompareFile, upstream| {
                compare.upstream = Some(upstream);
            }),
            doc: "The name of an upstream, or one in place. One of its servers gets the copy.",
        },
        Field {
            name: "share",
            presence: Unless("100%"),
            value: &Kept(SHARE, |compare: &mut CompareFile, share| compare.share = Some(share)),
            doc: "Of how many requests the answers are compared, from `0%` to `100%`, by chance.",
        },
        Field {
            name: "methods",
            presence: Unless("[GET, HEAD, OPTIONS]"),
            value: &Kept(OneOrList(METHOD, "methods"), |compare: &mut CompareFile, methods| {
                compare.methods = Some(methods);
            }),
            doc: "Requests of which methods; a server that shares its data with the others should get no writes twice.",
        },
        Field {
            name: "status",
            presence: Unless("true"),
            value: &Kept(Boolean, |compare: &mut CompareFile, on| compare.status = Some(on)),
            doc: "Whether statuses are compared.",
        },
        Field {
            name: "headers",
            presence: Optional,
            value: &Kept(OneOrList(FIELD, "names of fields"), |compare: &mut CompareFile, names| {
                compare.fields = names;
            }),
            doc: "Names of fields of answers that are compared, as the client gets them.",
        },
        Field {
            name: "body",
            presence: Unless("exact"),
            value: &Kept(BODY, |compare: &mut CompareFile, rule| compare.body = rule),
            doc: "How bodies are compared: byte by byte (`exact`), by what they mean where both are JSON (`json`), or not at \
                  all (`off`). Where Content-Encoding differs they are not.",
        },
        Field {
            name: "ignore",
            presence: Optional,
            value: &Kept(
                List { max: Some(64), ..List::of(PATH, "a list of paths") },
                |compare: &mut CompareFile, paths| compare.ignore = paths,
            ),
            doc: "What is passed over in JSON, with all that is in it: `$.updated_at`, `$.items[*].id`, or a pointer as \
                  `/items/0/id`.",
        },
        Field {
            name: "latency",
            presence: Optional,
            value: &Kept(
                DurationIn { min: Duration::ZERO, max: Duration::from_secs(300) },
                |compare: &mut CompareFile, time| compare.latency = Some(time),
            ),
            doc: "How much longer than for the client it may take from the end of the request until the answer begins, from `0s` to \
                  `5m`; any time when not written. How long both took is recorded in any case.",
        },
        Field {
            name: "limit",
            presence: Unless("1MiB"),
            value: &Kept(
                Mapped(SizeIn { min: 1024, max: 64 << 20 }, |bytes| {
                    usize::try_from(bytes).unwrap_or(usize::MAX)
                }),
                |compare: &mut CompareFile, bytes| compare.body_bytes_max = Some(bytes),
            ),
            doc: "The longest body that is compared, from `1KiB` to `64MiB`; longer ones count as `incomplete`. So much of an \
                  answer is kept in memory, of all answers of a worker, those of copies too, no more than 64 MiB together. \
                  With `body: off` nothing is kept.",
        },
        Field {
            name: "queue",
            presence: Unless("1000"),
            value: &Kept(QUEUE, |compare: &mut CompareFile, number| compare.queue = Some(number)),
            doc: "How many copies wait at the same time, for each worker, from 1 to 100,000; more are dropped and counted. Heads of \
                  all copies of a worker take at most 32 MiB.",
        },
        Field {
            name: "timeout",
            presence: Unless("10s"),
            value: &Kept(TIMEOUT, |compare: &mut CompareFile, time| compare.timeout = Some(time)),
            doc: "How long a copy may wait and take together, and the client's answer with it, from `1ms` to `5m`.",
        },
        Field {
            name: "keep",
            presence: Unless("20"),
            value: &Kept(
                Integer { label: "`keep`", min: 0, max: 1000 },
                |compare: &mut CompareFile, number| compare.keep = Some(number),
            ),
            doc: "How many examples of differences are kept, from 0 to 1000. They show the beginnings of values, and nothing of \
                  what looks like a secret.",
        },
    ],
    within: None,
    later: &[],
    note: Some(|compare, key, span| compare.keys.push((key, span))),
};
