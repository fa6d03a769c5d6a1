//! Mappings whose keys are free, as `upstreams` and `headers`.

use crate::complaint::Complaint;
use crate::node::{Node, NodeKind};
use crate::problem::Problem;
use crate::source::At;

use super::decoder::Decoder;
use super::describe::Shape;
use super::kind::Kind;

/// A mapping from names to values, in the order of the file.
pub(crate) struct Named<N: 'static, K> {
    /// What a key is called: `name`.
    pub(crate) key: &'static str,
    /// What a key looks like, for the JSON Schema (ECMA 262); never refuses what `name` takes.
    pub(crate) pattern: &'static str,
    /// Checks a key.
    pub(crate) name: fn(&str) -> Result<N, Complaint>,
    /// What each value is.
    pub(crate) of: K,
}

impl<N: PartialEq + 'static, K: Kind> Kind for Named<N, K> {
    type Value = Vec<(At<N>, K::Value)>;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<Self::Value> {
        let NodeKind::Mapping(entries) = &node.kind else {
            decoder.expected(&format!("a mapping from {} to value", self.key), node);
            return None;
        };
        let mut list: Self::Value = Vec::with_capacity(entries.len());
        for entry in entries {
            let name = decoder.accept(entry.key_span, (self.name)(&entry.key));
            let value = self.of.decode(&entry.value, decoder);
            if let (Some(name), Some(value)) = (name, value) {
                list.push((At { value: name, span: entry.key_span }, value));
            }
        }
        Some(list)
    }

    fn shape(&self) -> Shape {
        Shape::Named { key: self.key, pattern: self.pattern, of: Box::new(self.of.shape()) }
    }

    fn looks_like(&self, node: &Node) -> bool {
        matches!(node.kind, NodeKind::Mapping(_))
    }
}

/// Notes names that mean the same although they are spelt differently, as `X-A` and `x-a`.
pub(crate) fn refuse_repeats<N: Eq + std::hash::Hash + std::fmt::Display, V>(
    list: &[(At<N>, V)],
    decoder: &mut Decoder<'_>,
) {
    let mut seen = std::collections::HashMap::new();
    for (name, _) in list {
        if let Some(first) = seen.insert(&name.value, name.span) {
            decoder.push(
                Problem::error(name.span, format!("`{}` stands twice here", name.value))
                    .beside(first, "first written here"),
            );
        }
    }
}
