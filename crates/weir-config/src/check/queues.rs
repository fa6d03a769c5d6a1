//! The queue of an upstream: all routes that duplicate to it say the same of it, since there is one.

use std::collections::HashMap;

use weir_core::dispatch::{Acknowledge, CatchUp, DuplicateRule, Mode};

use crate::file::dispatch::DispatchesFile;
use crate::file::dispatch::keys::DispatchFile;
use crate::model::UpstreamId;
use crate::problem::{Problem, Problems};
use crate::source::{At, Span};

use super::dispatch::duplicate_rule;

/// A key, and whether two rules have the same there.
type Same = (&'static str, fn(&DuplicateRule, &DuplicateRule) -> bool);

/// What a queue is told.
const KEYS: [Same; 8] = [
    ("catch_up", |one, other| one.catch_up == other.catch_up),
    ("order", |one, other| one.strict_order == other.strict_order),
    ("keep", |one, other| one.keep == other.keep),
    ("backlog", |one, other| one.backlog_max == other.backlog_max),
    ("backlog_bytes", |one, other| one.backlog_bytes_max == other.backlog_bytes_max),
    ("dead_letters", |one, other| one.dead_letters_max == other.dead_letters_max),
    ("dead_letters_bytes", |one, other| one.dead_letters_bytes_max == other.dead_letters_bytes_max),
    ("full", |one, other| one.full == other.full),
];

/// What was said of each queue first, and where.
#[derive(Default)]
pub(super) struct Queues {
    first: HashMap<UpstreamId, (DuplicateRule, Span)>,
}

impl Queues {
    /// Takes what a route says of the queue of its upstream. `name` is that of an upstream that has one; `found_by_name` says
    /// whether some of its servers are.
    pub(super) fn add(
        &mut self,
        upstream: UpstreamId,
        name: Option<&str>,
        found_by_name: bool,
        written: &DispatchesFile,
        problems: &mut Problems,
    ) {
        for (_, At { value: file, span }) in &written.by_method {
            let rule = duplicate_rule(file, Acknowledge::First);
            if file.mode != Mode::Duplicate || rule.catch_up == CatchUp::Off {
                continue;
            }
            if rule.catch_up == CatchUp::Durable && name.is_none() {
                // The file has the name of the upstream, and that of one in place is made of the route's.
                problems.push(
                    Problem::error(place(file, "catch_up", *span), "a durable queue needs an upstream with a name")
                        .hint("declare the servers under `upstreams`, so that the file is found again when a route changes"),
                );
            }
            if rule.catch_up == CatchUp::Durable && found_by_name {
                // `semantics.md` §3.3: after a restart nobody would know whose the backlog of an address is.
                problems.push(
                    Problem::error(
                        place(file, "catch_up", *span),
                        "a durable queue can't be for servers that are found by name",
                    )
                    .hint("write the servers with their addresses, or `catch_up: memory`"),
                );
            }
            let (first, first_span) = *self.first.entry(upstream).or_insert((rule, *span));
            if let Some((key, _)) = KEYS.iter().find(|(_, same)| !same(&first, &rule)) {
                let of =
                    name.map_or_else(|| "this upstream".to_owned(), |name| format!("the upstream `{name}`"));
                let message = format!("{of} has one queue, and `{key}` is another one here than elsewhere");
                problems.push(
                    Problem::error(place(file, key, *span), message)
                        .beside(first_span, "it is as here")
                        .hint("say the same of `catch_up`, `order`, `keep`, `backlog`, `backlog_bytes`, `dead_letters`, `dead_letters_bytes` and `full` everywhere"),
                );
            }
        }
    }
}

/// Where this key was written, or should have been.
fn place(file: &DispatchFile, key: &str, whole: Span) -> Span {
    file.keys.iter().find(|(known, _)| *known == key).map_or(whole, |(_, span)| *span)
}
