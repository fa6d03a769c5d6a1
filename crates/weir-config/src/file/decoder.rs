//! What every step of decoding has at hand: where problems go, and the tables by which misplaced keys are recognised.

use crate::complaint::Complaint;
use crate::node::{Node, NodeKind, Scalar};
use crate::problem::{Problem, Problems};
use crate::source::Span;

use super::describe::{Describe, reachable};

/// The state of a decoding.
pub(crate) struct Decoder<'p> {
    /// Where problems go.
    pub(crate) problems: &'p mut Problems,
    root: &'static dyn Describe,
}

impl<'p> Decoder<'p> {
    /// Begins at a root table.
    pub(crate) fn new(root: &'static dyn Describe, problems: &'p mut Problems) -> Self {
        Self { problems, root }
    }

    /// Notes a problem.
    pub(crate) fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Keeps the value, or notes what its parser said of it.
    pub(crate) fn accept<T>(&mut self, span: Span, outcome: Result<T, Complaint>) -> Option<T> {
        outcome.map_err(|complaint| self.push(Problem::complaint(span, complaint))).ok()
    }

    /// Notes that `node` is not what should stand here.
    pub(crate) fn expected(&mut self, what: &str, node: &Node) {
        let problem = Problem::error(node.span, format!("expected {what}, found {}", node.described()));
        self.push(match &node.kind {
            NodeKind::Scalar(scalar) if scalar.is_nothing() => {
                problem.hint("write a value, or take the key away")
            }
            NodeKind::Scalar(_) | NodeKind::List(_) | NodeKind::Mapping(_) => problem,
        });
    }

    /// The node's text, or a problem when it is something else or nothing.
    pub(crate) fn scalar<'n>(&mut self, what: &str, node: &'n Node) -> Option<&'n Scalar> {
        match &node.kind {
            NodeKind::Scalar(scalar) if !scalar.is_nothing() => Some(scalar),
            NodeKind::Scalar(_) | NodeKind::List(_) | NodeKind::Mapping(_) => {
                self.expected(what, node);
                None
            }
        }
    }

    /// Names of the tables that have a field `key`, for "… is a key of …".
    pub(crate) fn owners(&self, key: &str) -> Vec<&'static str> {
        let has = |table: &&'static dyn Describe| table.fields().iter().any(|field| field.name == key);
        reachable(self.root).into_iter().filter(has).map(Describe::name).collect()
    }
}
