//! The configuration as people may see it: what was written, and the defaults of what was not, as JSON.
//!
//! It is made when the configuration is read, because the file may be another one when somebody asks. What may be a secret is not in it:
//! whatever a report hides, what came from the environment (its name is shown instead), fields and keys that are called like
//! a secret, and what stands before the `@` of a URL. Better too little is shown than too much.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::file::describe::{Describe, Presence, Shape};
use crate::node::{Entry, Node, NodeKind, Scalar};
use crate::source::{Source, Span};

/// What stands where nobody may look.
const HIDDEN: &str = "(hidden)";

/// Names of fields and keys whose values are secrets, in lower case.
const SECRET_NAMES: [&str; 13] = [
    "authorization",
    "cookie",
    "token",
    "secret",
    "password",
    "passwd",
    "api-key",
    "apikey",
    "access-key",
    "x-auth",
    "credential",
    "private",
    "signature",
];

/// The document. `hidden` are the places that a report hides.
pub(crate) fn effective(
    root: &Node,
    table: &'static dyn Describe,
    source: &Source,
    hidden: &[Span],
) -> String {
    let hidden = hidden.iter().map(|span| (span.start, span.end)).collect();
    let made = Making { source, hidden }.mapping(root, table, true);
    format!("{made:#}\n")
}

struct Making<'s> {
    source: &'s Source,
    hidden: HashSet<(usize, usize)>,
}

impl Making<'_> {
    /// A node of which this shape is known.
    fn value(&self, node: &Node, shape: Option<&Shape>) -> Value {
        match &node.kind {
            NodeKind::Scalar(scalar) => self.scalar(scalar, node.span),
            NodeKind::List(nodes) => {
                let of = shape.and_then(|shape| fitting(shape, |shape| matches!(shape, Shape::List { .. })));
                let of = match &of {
                    Some(Shape::List { of, .. }) => Some(&**of),
                    _ => None,
                };
                nodes.iter().map(|node| self.value(node, of)).collect()
            }
            NodeKind::Mapping(entries) => {
                let is_mapping = |shape: &Shape| matches!(shape, Shape::Mapping(_) | Shape::Named { .. });
                match shape.and_then(|shape| fitting(shape, is_mapping)) {
                    Some(Shape::Mapping(table)) => self.mapping(node, table, false),
                    Some(Shape::Named { of, .. }) => self.entries(entries, |_| Some((*of).clone())).into(),
                    _ => self.entries(entries, |_| None).into(),
                }
            }
        }
    }

    /// A mapping with the fields of a table, and the defaults of those that are not written. At the root, parts that only have
    /// defaults are shown too.
    fn mapping(&self, node: &Node, table: &'static dyn Describe, is_root: bool) -> Value {
        let NodeKind::Mapping(entries) = &node.kind else { return self.value(node, None) };
        let fields = table.fields();
        let shape =
            |key: &str| fields.iter().find(|field| field.name == key).map(|field| field.shape.clone());
        let mut made = self.entries(entries, shape);
        for field in &fields {
            if made.contains_key(field.name) {
                continue;
            }
            match (field.presence, &field.shape) {
                (Presence::Default(default), _) => {
                    made.insert(field.name.to_owned(), typed(default));
                }
                (Presence::Optional, Shape::Mapping(table)) if is_root => {
                    made.insert(field.name.to_owned(), defaults(*table));
                }
                (Presence::Required | Presence::Optional, _) => {}
            }
        }
        made.into()
    }

    fn entries(&self, entries: &[Entry], shape: impl Fn(&str) -> Option<Shape>) -> Map<String, Value> {
        let each = entries.iter().map(|entry| {
            let value = match &entry.value.kind {
                NodeKind::Scalar(scalar) if is_secret(&entry.key) && !scalar.text.starts_with("file:") => {
                    HIDDEN.into()
                }
                _ => self.value(&entry.value, shape(&entry.key).as_ref()),
            };
            (entry.key.clone(), value)
        });
        each.collect()
    }

    fn scalar(&self, scalar: &Scalar, span: Span) -> Value {
        let is_hidden = self.hidden.contains(&(span.start, span.end));
        if scalar.replaced {
            // As it was written, with the names of the variables. Where that can't be told, nothing is.
            let written = self.source.text().get(span.start..span.end).unwrap_or(HIDDEN);
            let written = written.trim_matches(['"', '\'']);
            return if is_hidden { names_alone(written) } else { without_user(written) }.into();
        }
        if is_hidden && !scalar.text.starts_with("file:") {
            return HIDDEN.into();
        }
        if scalar.is_nothing() {
            return Value::Null;
        }
        if scalar.plain { typed(&scalar.text) } else { without_user(&scalar.text).into() }
    }
}

/// A text as YAML understands it where it is plain.
fn typed(text: &str) -> Value {
    match text {
        "true" => true.into(),
        "false" => false.into(),
        // `010` and `1e3` are no numbers here.
        _ => match text.parse::<u64>() {
            Ok(number) if number.to_string() == text => number.into(),
            Ok(_) | Err(_) => without_user(text).into(),
        },
    }
}

/// The defaults of a table.
fn defaults(table: &dyn Describe) -> Value {
    let fields = table.fields().into_iter().filter_map(|field| match field.presence {
        Presence::Default(default) => Some((field.name.to_owned(), typed(default))),
        Presence::Required | Presence::Optional => None,
    });
    Value::Object(fields.collect())
}

/// This shape, or the one of its alternatives, that is of a kind.
fn fitting(shape: &Shape, is_it: impl Fn(&Shape) -> bool + Copy) -> Option<Shape> {
    match shape {
        Shape::Either(several) => several.iter().find_map(|shape| fitting(shape, is_it)),
        shape => is_it(shape).then(|| shape.clone()),
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

/// Of a text that is a secret: the names of its variables, without their defaults and without what stands around them.
fn names_alone(written: &str) -> String {
    let names = written.split("${").skip(1).filter_map(|rest| rest.split([':', '}']).next());
    let names: Vec<String> = names.map(|name| format!("${{{name}}}")).collect();
    if names.is_empty() { HIDDEN.to_owned() } else { names.join(" ") }
}

/// A URL without user and password.
fn without_user(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{HIDDEN}{}", &rest[at..]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
