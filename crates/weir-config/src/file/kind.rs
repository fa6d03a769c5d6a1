//! Kinds of values: each decodes a node and says what it takes, in one place, so that the two cannot disagree.
//!
//! Here are the kinds that are made of others. Those for single texts stand in `scalar`, mappings with fixed keys in
//! `table`, mappings with free keys in `named`.

use crate::node::{Node, NodeKind};
use crate::problem::Problem;
use crate::source::{At, Span};

use super::decoder::Decoder;
use super::describe::Shape;

/// A kind of value.
pub(crate) trait Kind: Sync {
    /// What it becomes.
    type Value;

    /// Decodes a node; notes every problem in it and is `None` when there is no value to go on with.
    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<Self::Value>;

    /// What it takes.
    fn shape(&self) -> Shape;

    /// Whether a node looks like this kind, for [`Either`]: lists and mappings tell by themselves.
    fn looks_like(&self, node: &Node) -> bool {
        matches!(node.kind, NodeKind::Scalar(_))
    }
}

/// A value with its place.
pub(crate) struct Placed<K>(pub(crate) K);

impl<K: Kind> Kind for Placed<K> {
    type Value = At<K::Value>;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<Self::Value> {
        self.0.decode(node, decoder).map(|value| At { value, span: node.span })
    }

    fn shape(&self) -> Shape {
        self.0.shape()
    }

    fn looks_like(&self, node: &Node) -> bool {
        self.0.looks_like(node)
    }
}

/// A kind whose values are turned into others.
pub(crate) struct Mapped<K: Kind, V>(pub(crate) K, pub(crate) fn(K::Value) -> V);

impl<K: Kind, V> Kind for Mapped<K, V> {
    type Value = V;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<V> {
        self.0.decode(node, decoder).map(self.1)
    }

    fn shape(&self) -> Shape {
        self.0.shape()
    }

    fn looks_like(&self, node: &Node) -> bool {
        self.0.looks_like(node)
    }
}

/// A kind whose values are checked as a whole, with their place; only when nothing in them was wrong already.
pub(crate) struct Refined<K: Kind, V>(
    pub(crate) K,
    pub(crate) fn(K::Value, Span, &mut Decoder<'_>) -> Option<V>,
);

impl<K: Kind, V> Kind for Refined<K, V> {
    type Value = V;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<V> {
        let value = self.0.decode(node, decoder)?;
        if decoder.problems.has_error_in(node.span) {
            return None;
        }
        (self.1)(value, node.span, decoder)
    }

    fn shape(&self) -> Shape {
        self.0.shape()
    }

    fn looks_like(&self, node: &Node) -> bool {
        self.0.looks_like(node)
    }
}

/// A list with at least one entry. Bad entries are left out.
pub(crate) struct List<K> {
    /// What each entry is.
    pub(crate) of: K,
    /// What the list is called in problems: `a list of servers`.
    pub(crate) label: &'static str,
    /// What to write instead of a single value, if that is a frequent mistake.
    pub(crate) hint: Option<&'static str>,
    /// Most entries.
    pub(crate) max: Option<usize>,
}

impl<K> List<K> {
    /// A list without an upper bound.
    pub(crate) const fn of(of: K, label: &'static str) -> Self {
        Self { of, label, hint: None, max: None }
    }
}

impl<K: Kind> Kind for List<K> {
    type Value = Vec<K::Value>;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<Self::Value> {
        let NodeKind::List(nodes) = &node.kind else {
            // Nothing at all is another mistake than one value where a list should be.
            let nothing = matches!(&node.kind, NodeKind::Scalar(scalar) if scalar.is_nothing());
            match self.hint.filter(|_| !nothing) {
                Some(hint) => decoder.push(
                    Problem::error(node.span, format!("expected {}, found {}", self.label, node.described()))
                        .hint(hint),
                ),
                None => decoder.expected(self.label, node),
            }
            return None;
        };
        if nodes.is_empty() {
            decoder.push(Problem::error(node.span, format!("expected {}, found an empty one", self.label)));
            return None;
        }
        if let Some((max, extra)) = self.max.and_then(|max| Some((max, nodes.get(max)?))) {
            decoder.push(Problem::error(extra.span, format!("expected {} with at most {max}", self.label)));
        }
        Some(nodes.iter().filter_map(|node| self.of.decode(node, decoder)).collect())
    }

    fn shape(&self) -> Shape {
        Shape::List { of: Box::new(self.of.shape()), min: 1, max: self.max }
    }

    fn looks_like(&self, node: &Node) -> bool {
        matches!(node.kind, NodeKind::List(_))
    }
}

/// One value, or a list of them.
pub(crate) struct OneOrList<K>(pub(crate) K, pub(crate) &'static str);

impl<K: Kind> Kind for OneOrList<K> {
    type Value = Vec<K::Value>;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<Self::Value> {
        match &node.kind {
            NodeKind::List(nodes) if nodes.is_empty() => {
                decoder.push(Problem::error(node.span, format!("expected {}, found an empty list", self.1)));
                None
            }
            NodeKind::List(nodes) => {
                Some(nodes.iter().filter_map(|node| self.0.decode(node, decoder)).collect())
            }
            NodeKind::Scalar(_) | NodeKind::Mapping(_) => {
                self.0.decode(node, decoder).map(|value| vec![value])
            }
        }
    }

    fn shape(&self) -> Shape {
        let one = self.0.shape();
        Shape::Either(vec![one.clone(), Shape::List { of: Box::new(one), min: 1, max: None }])
    }

    fn looks_like(&self, node: &Node) -> bool {
        matches!(node.kind, NodeKind::List(_)) || self.0.looks_like(node)
    }
}

/// The second kind where a node looks like it, else the first.
pub(crate) struct Either<A, B>(pub(crate) A, pub(crate) B);

impl<A: Kind, B: Kind<Value = A::Value>> Kind for Either<A, B> {
    type Value = A::Value;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<Self::Value> {
        if self.1.looks_like(node) { self.1.decode(node, decoder) } else { self.0.decode(node, decoder) }
    }

    fn shape(&self) -> Shape {
        Shape::Either(vec![self.0.shape(), self.1.shape()])
    }

    fn looks_like(&self, node: &Node) -> bool {
        self.0.looks_like(node) || self.1.looks_like(node)
    }
}

/// A word that stands for nothing (`off`, `unlimited`), or a value.
pub(crate) struct OrWord<K>(pub(crate) &'static str, pub(crate) K);

impl<K: Kind> Kind for OrWord<K> {
    type Value = Option<K::Value>;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<Self::Value> {
        match &node.kind {
            NodeKind::Scalar(scalar) if scalar.text == self.0 => Some(None),
            // `off` was `false` in YAML 1.1, and some programs still write it so.
            NodeKind::Scalar(scalar) if self.0 == "off" && scalar.plain && scalar.text == "false" => {
                decoder
                    .push(Problem::error(node.span, "expected a value, found `false`").hint("write `off`"));
                None
            }
            NodeKind::Scalar(_) | NodeKind::List(_) | NodeKind::Mapping(_) => {
                self.1.decode(node, decoder).map(Some)
            }
        }
    }

    fn shape(&self) -> Shape {
        Shape::Either(vec![self.1.shape(), Shape::Words(vec![self.0])])
    }

    fn looks_like(&self, node: &Node) -> bool {
        self.1.looks_like(node) || matches!(node.kind, NodeKind::Scalar(_))
    }
}
