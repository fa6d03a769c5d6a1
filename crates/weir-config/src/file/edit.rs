//! `request_headers` and `answer_headers`: what is removed, set and added.

use crate::complaint::Complaint;
use crate::model::FieldEdits;
use crate::source::At;

use super::decoder::Decoder;
use super::describe::Presence::Optional;
use super::describe::Shape;
use super::kind::{Kind, OneOrList};
use super::named::{Named, refuse_repeats};
use super::rule::{FIELD_NAME_PATTERN, field_name, field_value};
use super::scalar::Parsed;
use super::table::{Field, Kept, Mapping, Table};
use crate::node::Node;

/// Fields by which messages are framed and connections are kept (RFC 9110 §7.6.1): they are Weir's own on each side,
/// and a rule that changes them could only break messages.
const OURS: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "host",
];

/// The name of a field that a rule may change.
pub(crate) fn editable(text: &str) -> Result<Box<str>, Complaint> {
    let name = field_name(text)?;
    match OURS.iter().find(|ours| name.eq_ignore_ascii_case(ours)) {
        Some(&"host") => Err(Complaint::new("`Host` is not changed like other fields")
            .hint("write `host: keep`, `host: server` or `host: NAME` in the route")),
        Some(_) => {
            Err(Complaint::new(format!("`{name}` belongs to the connection and is not changed by rules")))
        }
        None => Ok(name),
    }
}

/// See [`editable`].
pub(crate) const EDITABLE_NAME: Parsed<Box<str>> =
    Parsed { label: "name of a field", pattern: FIELD_NAME_PATTERN, parse: editable };

/// The value of a field.
pub(crate) const VALUE: Parsed<Box<str>> =
    Parsed { label: "value of a field", pattern: "", parse: field_value };

const SET: Named<Box<str>, Parsed<Box<str>>> =
    Named { key: "name of a field", pattern: FIELD_NAME_PATTERN, name: editable, of: VALUE };

/// Names with one value each.
struct SetKind;

impl Kind for SetKind {
    type Value = Vec<(At<Box<str>>, Box<str>)>;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<Self::Value> {
        let list = SET.decode(node, decoder)?;
        let folded: Vec<(At<String>, ())> = list
            .iter()
            .map(|(name, _)| (At { value: name.value.to_ascii_lowercase(), span: name.span }, ()))
            .collect();
        refuse_repeats(&folded, decoder);
        Some(list)
    }

    fn shape(&self) -> Shape {
        SET.shape()
    }
}

/// `request_headers`, `answer_headers`
pub(crate) static EDITS: Table<FieldEdits> = Table {
    name: "header changes",
    doc: "Changes of the fields of a request or an answer: first `remove`, then `set`, then `add`. Fields that belong to \
          the connection (`Connection`, `Content-Length`, `Transfer-Encoding`, …) are not changed by rules.",
    fields: &[
        Field {
            name: "remove",
            presence: Optional,
            value: &Kept(OneOrList(EDITABLE_NAME, "names of fields"), |edits: &mut FieldEdits, names| {
                edits.remove = names;
            }),
            doc: "Names of fields to take away.",
        },
        Field {
            name: "set",
            presence: Optional,
            value: &Kept(SetKind, |edits: &mut FieldEdits, list| {
                edits.set = list.into_iter().map(|(name, value)| (name.value, value)).collect();
            }),
            doc: "Fields that stand exactly once, with this value, afterwards.",
        },
        Field {
            name: "add",
            presence: Optional,
            value: &Kept(
                Named {
                    key: "name of a field",
                    pattern: FIELD_NAME_PATTERN,
                    name: editable,
                    of: OneOrList(VALUE, "values"),
                },
                |edits: &mut FieldEdits, list| {
                    let each = |(name, values): (At<Box<str>>, Vec<Box<str>>)| {
                        values.into_iter().map(move |value| (name.value.clone(), value))
                    };
                    edits.add = list.into_iter().flat_map(each).collect();
                },
            ),
            doc: "Fields that are added, whatever is there; one value or a list.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

/// See [`EDITS`].
pub(crate) const FIELD_EDITS: Mapping<FieldEdits> = Mapping(&EDITS);
