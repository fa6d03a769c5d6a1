//! Where the servers of an upstream stand in the file.

use crate::model::Upstream;
use crate::node::{Node, NodeKind};
use crate::source::Span;

/// A step from a node to one in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// To the value of a key.
    Key(String),
    /// To an entry of a list.
    Entry(usize),
}

/// The steps from the root to what says which servers an upstream has: a list, or a mapping with it.
pub(super) fn of(root: &Node, upstream: &Upstream) -> Option<Vec<Step>> {
    match upstream {
        Upstream { in_place: Some(span), .. } => {
            let mut steps = Vec::new();
            find(root, *span, &mut steps).then_some(steps)
        }
        _ if root.value_of("proxy").is_some() => host_service(root, &upstream.name),
        _ => Some(vec![Step::Key("upstreams".to_owned()), Step::Key(upstream.name.clone())]),
    }
}

/// Looks for a list or mapping at this place.
fn find(node: &Node, span: Span, steps: &mut Vec<Step>) -> bool {
    if node.span == span && !matches!(node.kind, NodeKind::Scalar(_)) {
        return true;
    }
    let mut below = |step: Step, node: &Node| {
        steps.push(step);
        let is_found = find(node, span, steps);
        if !is_found {
            steps.pop();
        }
        is_found
    };
    match &node.kind {
        NodeKind::Scalar(_) => false,
        NodeKind::List(nodes) => {
            nodes.iter().enumerate().any(|(place, node)| below(Step::Entry(place), node))
        }
        NodeKind::Mapping(entries) => {
            entries.iter().any(|entry| below(Step::Key(entry.key.clone()), &entry.value))
        }
    }
}

/// The hosts of a service in the file of "host services".
fn host_service(root: &Node, name: &str) -> Option<Vec<Step>> {
    let services = root.value_of("proxy")?.value_of("services")?;
    let NodeKind::List(nodes) = &services.kind else { return None };
    let is_called = |node: &Node, key: &str| match node.value_of(key).map(|value| &value.kind) {
        Some(NodeKind::Scalar(scalar)) => Some(scalar.text.eq_ignore_ascii_case(name)),
        _ => None,
    };
    let is_it = |node: &Node| is_called(node, "name").or_else(|| is_called(node, "domain")).unwrap_or(false);
    let place = nodes.iter().position(is_it)?;
    Some(vec![Step::Key("proxy".to_owned()), Step::Key("services".to_owned()), Step::Entry(place)])
}

/// The nodes that these steps pass, from the root to the last one.
pub(super) fn pass<'n>(root: &'n Node, steps: &[Step]) -> Option<Vec<&'n Node>> {
    let mut nodes = vec![root];
    for step in steps {
        let node = *nodes.last()?;
        nodes.push(match (step, &node.kind) {
            (Step::Key(key), _) => node.value_of(key)?,
            (Step::Entry(place), NodeKind::List(entries)) => entries.get(*place)?,
            (Step::Entry(_), _) => return None,
        });
    }
    Some(nodes)
}
