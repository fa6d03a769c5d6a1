//! Mappings with fixed keys: one table of fields drives decoding, "did you mean", the schema and the reference.

use crate::node::{Entry, Node, NodeKind, shortened};
use crate::problem::Problem;
use crate::source::Span;
use crate::suggest::{alternatives, nearest};

use super::decoder::Decoder;
use super::describe::{Describe, Description, Presence, Shape};
use super::kind::Kind;

/// The fields of a mapping that is decoded into `T`.
pub(crate) struct Table<T: 'static> {
    /// What the mapping is called: `route`.
    pub(crate) name: &'static str,
    /// What it is for.
    pub(crate) doc: &'static str,
    /// Its fields.
    pub(crate) fields: &'static [Field<T>],
    /// Fields of another table that stand in the same mapping.
    pub(crate) within: Option<&'static dyn Within<T>>,
    /// Known words that are not in this version: an error that says so.
    pub(crate) later: &'static [&'static str],
    /// Told of each known key and its place, so that later checks can point at it.
    pub(crate) note: Option<fn(&mut T, &'static str, Span)>,
}

/// One field.
pub(crate) struct Field<T: 'static> {
    /// The key.
    pub(crate) name: &'static str,
    /// Whether it must be written.
    pub(crate) presence: Presence,
    /// What it may be and where it goes.
    pub(crate) value: &'static dyn Setter<T>,
    /// Meaning, unit, bounds; what a bigger value costs.
    pub(crate) doc: &'static str,
}

/// A kind of value and the place in `T` where it is kept.
pub(crate) struct Kept<T: 'static, K: Kind>(pub(crate) K, pub(crate) fn(&mut T, K::Value));

/// What a field needs of [`Kept`], whatever its kind.
pub(crate) trait Setter<T>: Sync {
    /// Decodes a node and keeps the value.
    fn set(&self, target: &mut T, node: &Node, decoder: &mut Decoder<'_>);
    /// What it takes.
    fn shape(&self) -> Shape;
}

impl<T, K: Kind> Setter<T> for Kept<T, K> {
    fn set(&self, target: &mut T, node: &Node, decoder: &mut Decoder<'_>) {
        if let Some(value) = self.0.decode(node, decoder) {
            (self.1)(target, value);
        }
    }

    fn shape(&self) -> Shape {
        self.0.shape()
    }
}

/// Fields of another table inside a mapping.
pub(crate) trait Within<T>: Sync {
    /// Decodes an entry if its key is one of ours.
    fn set(&self, target: &mut T, entry: &Entry, decoder: &mut Decoder<'_>) -> bool;
    /// Our fields.
    fn fields(&self) -> Vec<Description>;
}

/// All fields of `table` but `except`, kept in a part of `T`.
pub(crate) struct Part<T: 'static, U: 'static> {
    /// The table.
    pub(crate) table: &'static Table<U>,
    /// The part of `T`.
    pub(crate) of: fn(&mut T) -> &mut U,
    /// Keys that mean something else here.
    pub(crate) except: &'static [&'static str],
}

impl<T, U> Within<T> for Part<T, U> {
    fn set(&self, target: &mut T, entry: &Entry, decoder: &mut Decoder<'_>) -> bool {
        !self.except.contains(&entry.key.as_str()) && self.table.set((self.of)(target), entry, decoder)
    }

    fn fields(&self) -> Vec<Description> {
        let mut fields = Describe::fields(self.table);
        fields.retain(|field| !self.except.contains(&field.name));
        fields
    }
}

impl<T> Table<T> {
    /// Decodes an entry if its key is known.
    fn set(&self, target: &mut T, entry: &Entry, decoder: &mut Decoder<'_>) -> bool {
        if let Some(field) = self.fields.iter().find(|field| field.name == entry.key) {
            if let Some(note) = self.note {
                note(target, field.name, entry.key_span);
            }
            field.value.set(target, &entry.value, decoder);
            return true;
        }
        self.within.is_some_and(|within| within.set(target, entry, decoder))
    }

    /// Says what is wrong with a key.
    fn refuse(&self, entry: &Entry, decoder: &mut Decoder<'_>) {
        if self.later.contains(&entry.key.as_str()) {
            decoder.push(
                Problem::error(entry.key_span, format!("`{}` is not in this version yet", entry.key))
                    .hint("take it away; nothing is done about it"),
            );
            return;
        }
        let problem = Problem::error(entry.key_span, format!("unknown key `{}`", shortened(&entry.key)));
        if !decoder.problems.wants_hints() {
            decoder.push(problem);
            return;
        }
        let names: Vec<&str> = Describe::fields(self).iter().map(|field| field.name).collect();
        decoder.push(match nearest(&entry.key, names.iter().copied()) {
            Some(name) => problem.hint(format!("did you mean `{name}`?")),
            None => match decoder.owners(&entry.key).as_slice() {
                [] => problem.hint(format!("the keys of `{}` are {}", self.name, listed(&names))),
                owners => problem.hint(format!(
                    "`{}` is a key of {}, not of `{}`",
                    entry.key,
                    alternatives(owners.iter().copied()),
                    self.name
                )),
            },
        });
    }
}

/// `` `a`, `b` and `c` ``
fn listed(names: &[&str]) -> String {
    alternatives(names.iter().copied()).replace("` or `", "` and `")
}

impl<T> Describe for Table<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn doc(&self) -> &'static str {
        self.doc
    }

    fn fields(&self) -> Vec<Description> {
        let own = self.fields.iter().map(|field| Description {
            name: field.name,
            presence: field.presence,
            shape: field.value.shape(),
            doc: field.doc,
        });
        own.chain(self.within.map(Within::fields).unwrap_or_default()).collect()
    }

    fn later(&self) -> &'static [&'static str] {
        self.later
    }
}

/// A mapping with the fields of a table.
pub(crate) struct Mapping<T: 'static>(pub(crate) &'static Table<T>);

impl<T: Default> Kind for Mapping<T> {
    type Value = T;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<T> {
        let Self(table) = self;
        let NodeKind::Mapping(entries) = &node.kind else {
            decoder.expected(&format!("a mapping (`{}`)", table.name), node);
            return None;
        };
        let mut target = T::default();
        for entry in entries {
            if !table.set(&mut target, entry, decoder) {
                table.refuse(entry, decoder);
            }
        }
        for field in table.fields.iter().filter(|field| field.presence == Presence::Required) {
            // A key that was only mistyped is not missing as well.
            if node.value_of(field.name).is_none() && !misspelt(entries, field.name) {
                let message = format!("`{}` needs `{}`", table.name, field.name);
                decoder.push(Problem::error(node.span, message));
            }
        }
        Some(target)
    }

    fn shape(&self) -> Shape {
        Shape::Mapping(self.0)
    }

    fn looks_like(&self, node: &Node) -> bool {
        matches!(node.kind, NodeKind::Mapping(_))
    }
}

/// Whether a key was probably meant to be this one.
pub(crate) fn misspelt(entries: &[Entry], name: &str) -> bool {
    entries.iter().any(|entry| nearest(&entry.key, [name]).is_some())
}
