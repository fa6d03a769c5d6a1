//! The tree of a configuration file: scalars, lists and mappings with their places.
//!
//! Scalars are kept as text. What a text means is decided where it is decoded, so that `127.0.0.1:9001`, `1e3` and `no`
//! are never turned into something else on the way.

use crate::source::Span;

/// One value of the file.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// From its first to its last byte.
    pub(crate) span: Span,
    /// What it is.
    pub(crate) kind: NodeKind,
    /// Whether it has an anchor or is an alias, so that more than this place may say it.
    pub(crate) is_shared: bool,
}

/// The three kinds of values.
#[derive(Debug, Clone)]
pub(crate) enum NodeKind {
    /// One text.
    Scalar(Scalar),
    /// Values in order.
    List(Vec<Node>),
    /// Values with keys, in the order of the file; no key stands twice.
    Mapping(Vec<Entry>),
}

/// A text.
#[derive(Debug, Clone)]
pub(crate) struct Scalar {
    /// The text itself, without quotes and with escapes resolved.
    pub(crate) text: String,
    /// Whether it was written without quotes, so that it may be a number, a truth value or nothing.
    pub(crate) plain: bool,
    /// Whether part of it came from the environment: it may then be a number although it is quoted, because inside
    /// `[…]` and `{…}` YAML wants `"${NAME}"` quoted.
    pub(crate) replaced: bool,
}

impl Scalar {
    /// Whether it may be read as a number or a truth value.
    pub(crate) fn may_be_typed(&self) -> bool {
        self.plain || self.replaced
    }

    /// Whether it is YAML's nothing (YAML 1.2.2 §10.2.1.1).
    pub(crate) fn is_nothing(&self) -> bool {
        self.plain && !self.replaced && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}

/// A key with its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The key.
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) key_span: Span,
    /// The value.
    pub(crate) value: Node,
}

impl Node {
    /// What it is, for "expected …, found …".
    pub(crate) fn described(&self) -> String {
        match &self.kind {
            NodeKind::Scalar(scalar) if scalar.is_nothing() => "nothing".to_owned(),
            NodeKind::Scalar(scalar) => format!("`{}`", shortened(&scalar.text)),
            NodeKind::List(_) => "a list".to_owned(),
            NodeKind::Mapping(_) => "a mapping".to_owned(),
        }
    }

    /// The value of a key, when this is a mapping that has it.
    pub(crate) fn value_of(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            NodeKind::Mapping(entries) => {
                entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
            }
            NodeKind::Scalar(_) | NodeKind::List(_) => None,
        }
    }
}

/// Characters of a foreign text that a message repeats.
const SHOWN_CHARACTERS_MAX: usize = 60;

/// A text short and clean enough to stand in a message.
pub(crate) fn shortened(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN_CHARACTERS_MAX)
        .map(|character| if character.is_control() { '\u{fffd}' } else { character })
        .collect();
    if text.chars().nth(SHOWN_CHARACTERS_MAX).is_some() {
        shown.push('…');
    }
    shown
}
