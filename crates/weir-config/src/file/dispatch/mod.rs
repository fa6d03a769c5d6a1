//! `dispatch`: a mode, a mapping with `mode`, or a mapping from methods to modes (semantics.md §3).

pub(crate) mod keys;
pub(super) mod statuses;

use crate::node::{Node, NodeKind};
use crate::problem::Problem;
use crate::source::{At, Span};

use self::keys::{DISPATCH, DispatchFile, MODE};
use super::decoder::Decoder;
use super::describe::Shape;
use super::kind::Kind;
use super::rule::method;
use super::table::Mapping;

/// `dispatch` as it was written: a mode for each method; `*` stands for all that are not named.
#[derive(Debug, Clone)]
pub(crate) struct DispatchesFile {
    /// In the order in which they were written; a method may stand twice where that was not noticed yet.
    pub(crate) by_method: Vec<(At<Box<str>>, At<DispatchFile>)>,
}

/// The method that stands for all that are not named.
pub(crate) const ANY_METHOD: &str = "*";

/// See the module.
pub(crate) struct DispatchKind;

impl Kind for DispatchKind {
    type Value = DispatchesFile;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<DispatchesFile> {
        match &node.kind {
            NodeKind::Mapping(entries) if node.value_of("mode").is_none() => {
                if entries.is_empty() {
                    let message = "expected a dispatch mode, found an empty mapping";
                    decoder.push(Problem::error(node.span, message));
                }
                let mut by_method = Vec::new();
                for entry in entries {
                    let key = At { value: entry.key.as_str().into(), span: entry.key_span };
                    check_method(&entry.key, entry.key_span, decoder);
                    if let Some(dispatch) = one(&entry.value, decoder) {
                        by_method.push((key, dispatch));
                    }
                }
                Some(DispatchesFile { by_method })
            }
            _ => {
                let any = At { value: ANY_METHOD.into(), span: node.span };
                one(node, decoder).map(|dispatch| DispatchesFile { by_method: vec![(any, dispatch)] })
            }
        }
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

/// A mode, or a mapping with `mode`.
fn one(node: &Node, decoder: &mut Decoder<'_>) -> Option<At<DispatchFile>> {
    let file = match node.kind {
        NodeKind::Mapping(_) => Mapping(&DISPATCH).decode(node, decoder)?,
        NodeKind::Scalar(_) | NodeKind::List(_) => {
            DispatchFile { mode: MODE.decode(node, decoder)?, ..DispatchFile::default() }
        }
    };
    Some(At { value: file, span: node.span })
}

fn check_method(name: &str, span: Span, decoder: &mut Decoder<'_>) {
    if name == ANY_METHOD {
        return;
    }
    if let Err(complaint) = method(name) {
        let hint = "a mapping without `mode` maps methods to modes: `{GET: balance}`".to_owned();
        let hint = complaint.hint.clone().filter(|hint| hint.contains("upper case")).unwrap_or(hint);
        decoder.push(Problem::complaint(span, complaint).hint(hint));
    }
}
