//! `dispatch`: a mode, a mapping with `mode`, or a mapping from methods to modes (semantics.md §3).

use weir_core::dispatch::Mode;

use crate::node::{Node, NodeKind};
use crate::problem::Problem;

use super::decoder::Decoder;
use super::describe::Presence::Required;
use super::describe::Shape;
use super::kind::Kind;
use super::rule::method;
use super::scalar::Words;
use super::table::{Field, Kept, Mapping, Table};

const MODE: Words<Mode> = Words {
    label: "dispatch mode",
    words: &[("balance", Mode::Balance)],
    later: &["duplicate", "race", "hedge", "majority"],
};

/// `dispatch` as a mapping with `mode`
pub(crate) static DISPATCH: Table<Mode> = Table {
    name: "dispatch",
    doc: "`dispatch` as a mapping with `mode`. Without `mode` a mapping gives each method its own: `{GET: balance, \
          \"*\": balance}`.",
    fields: &[Field {
        name: "mode",
        presence: Required,
        value: &Kept(MODE, |mode: &mut Mode, written| *mode = written),
        doc: "How many servers get a request. `balance`: one.",
    }],
    within: None,
    later: &[
        "acknowledge",
        "after",
        "at_most",
        "budget",
        "answer_timeout",
        "catch_up",
        "order",
        "width",
        "stagger",
    ],
    note: None,
};

/// See the module. As long as there is one mode, all methods have it.
pub(crate) struct DispatchKind;

impl Kind for DispatchKind {
    type Value = Mode;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<Mode> {
        let NodeKind::Mapping(entries) = &node.kind else {
            return MODE.decode(node, decoder);
        };
        if node.value_of("mode").is_some() {
            return self.with_mode(node, decoder);
        }
        if entries.is_empty() {
            decoder.push(Problem::error(node.span, "expected a dispatch mode, found an empty mapping"));
        }
        let mut modes = Vec::new();
        for entry in entries {
            if entry.key != "*"
                && let Err(complaint) = method(&entry.key)
            {
                let hint = "a mapping without `mode` maps methods to modes: `{GET: balance}`".to_owned();
                let hint = complaint.hint.clone().filter(|hint| hint.contains("upper case")).unwrap_or(hint);
                decoder.push(Problem::complaint(entry.key_span, complaint).hint(hint));
            }
            modes.push(match entry.value.kind {
                NodeKind::Mapping(_) => self.with_mode(&entry.value, decoder),
                NodeKind::Scalar(_) | NodeKind::List(_) => MODE.decode(&entry.value, decoder),
            });
        }
        modes.into_iter().collect::<Option<Vec<Mode>>>()?.first().copied()
    }

    fn shape(&self) -> Shape {
        let mode = vec![MODE.shape(), Shape::Mapping(&DISPATCH)];
        let methods = Shape::Named {
            key: "method",
            pattern: r"^(\*|[A-Z][A-Z0-9_-]*)$",
            of: Box::new(Shape::Either(mode.clone())),
        };
        Shape::Either(mode.into_iter().chain([methods]).collect())
    }
}

impl DispatchKind {
    /// A mode that is not in this version is told once, without complaints about its keys.
    fn with_mode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<Mode> {
        if let Some(mode) = node.value_of("mode")
            && let NodeKind::Scalar(scalar) = &mode.kind
            && MODE.later.contains(&scalar.text.as_str())
        {
            return MODE.decode(mode, decoder);
        }
        Mapping(&DISPATCH).decode(node, decoder)
    }
}
