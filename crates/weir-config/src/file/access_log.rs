//! `access_log`: whether requests have a line, which of them, in which form and where.

use std::path::PathBuf;

use weir_core::log_field::LogField;
use weir_core::log_template::{self, Piece, Told, What, Wrong};

use crate::model::{AccessLog, AccessLogFormat, LineForm, LogTarget, Share};
use crate::node::{Node, NodeKind, shortened};
use crate::problem::Problem;
use crate::source::{At, Span};
use crate::suggest::nearest;

use super::decoder::Decoder;
use super::describe::Presence::{Default as Unless, Optional};
use super::describe::Shape;
use super::kind::{Kind, List, Placed};
use super::scalar::{SHARE, Text, Words};
use super::table::{Field, Kept, Mapping, Table};

const FORMAT: Words<AccessLogFormat> = Words {
    label: "access log format",
    words: &[
        ("common", AccessLogFormat::Common),
        ("combined", AccessLogFormat::Combined),
        ("json", AccessLogFormat::Json),
    ],
    later: &[],
};

/// A form that has a name, or a template.
struct Form;

impl Kind for Form {
    type Value = LineForm;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<LineForm> {
        let scalar = decoder.scalar("an access log format", node)?;
        if !log_template::is_template(&scalar.text) {
            return FORMAT.decode(node, decoder).map(LineForm::Known);
        }
        match log_template::parse(&scalar.text) {
            Ok(pieces) => Some(LineForm::Template(pieces)),
            Err(wrong) => {
                for Wrong { at, what } in wrong {
                    decoder.push(complain(part(node.span, &scalar.text, at), &what));
                }
                None
            }
        }
    }

    fn shape(&self) -> Shape {
        Shape::Either(vec![FORMAT.shape(), Shape::Text { label: "template", pattern: r"\{" }])
    }
}

/// Where a part of a text stands: exactly, if the text was written as it is, with quotes or without; else the whole of it.
fn part(span: Span, text: &str, at: std::ops::Range<usize>) -> Span {
    match (span.end - span.start).checked_sub(text.len()) {
        Some(around @ (0 | 2)) if !at.is_empty() => {
            let begin = span.start + around / 2;
            Span { start: begin + at.start, end: begin + at.end }
        }
        _ => span,
    }
}

fn complain(span: Span, what: &What) -> Problem {
    let problem = Problem::error(span, what.to_string());
    match what {
        What::Unknown(name) => match nearest(name, LogField::ALL.iter().map(|field| field.name())) {
            Some(known) => problem.hint(format!("did you mean `{known}`?")),
            None => {
                let names: Vec<&str> = LogField::ALL.iter().map(|field| field.name()).collect();
                problem.hint(format!("the fields are {}, and `header:NAME`", names.join(", ")))
            }
        },
        What::BadHeader(_) => problem.hint("write `header:` and the name of a field, as `header:Accept`"),
        What::Unclosed | What::Unopened => problem.hint("write `{{` and `}}` for braces"),
        What::NoField => problem.hint("write fields in braces: `{client} {method} {target} {status}`"),
        What::Secret(_) => problem.hint("`{user}` says who the client has proved to be"),
        What::Control | What::TooMany => problem,
    }
}

/// A field by its name.
struct FieldName;

impl Kind for FieldName {
    type Value = At<Told>;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<At<Told>> {
        let scalar = decoder.scalar("the name of a field", node)?;
        match Told::parse(&scalar.text) {
            Ok(value) => Some(At { value, span: node.span }),
            Err(what) => {
                decoder.push(complain(node.span, &what));
                None
            }
        }
    }

    fn shape(&self) -> Shape {
        let names = LogField::ALL.iter().map(|field| field.name()).collect();
        Shape::Either(vec![
            Shape::Words(names),
            Shape::Text { label: "field of the request", pattern: "^header:." },
        ])
    }
}

#[derive(Debug, Default)]
pub(crate) struct AccessLogFile {
    format: Option<At<LineForm>>,
    fields: Option<At<Vec<At<Told>>>>,
    sample: Option<f64>,
    file: Option<PathBuf>,
}

/// `access_log` as a mapping
pub(crate) static ACCESS_LOG: Table<AccessLogFile> = Table {
    name: "access log",
    doc: "`access_log` as a mapping.",
    fields: &[
        Field {
            name: "format",
            presence: Unless("common"),
            value: &Kept(Placed(Form), |log: &mut AccessLogFile, format| log.format = Some(format)),
            doc: "`common` (NCSA), `combined` (with Referer and User-Agent), both with our fields behind it; `json`; or a template: \
                  `\"{client} {method} {target} {status}\"`. [Logs](logs.md#fields) lists the fields.",
        },
        Field {
            name: "fields",
            presence: Optional,
            value: &Kept(
                Placed(List::of(FieldName, "a list of fields")),
                |log: &mut AccessLogFile, fields| {
                    log.fields = Some(fields);
                },
            ),
            doc: "With `format: json`: the fields of a line, in this order.",
        },
        Field {
            name: "sample",
            presence: Unless("100%"),
            value: &Kept(SHARE, |log: &mut AccessLogFile, share| log.sample = Some(share)),
            doc: "The share of successful requests that have a line, by chance. Requests with a status from 400, and those that Weir has \
                  a `reason` for, always have one.",
        },
        Field {
            name: "file",
            presence: Optional,
            value: &Kept(Text, |log: &mut AccessLogFile, file| log.file = Some(file.into())),
            doc: "A file that lines are appended to; relative to the configuration's directory. Standard error without it. It is \
                  opened anew at USR1.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

/// `off`, a format, or a mapping.
pub(crate) struct AccessLogKind;

impl Kind for AccessLogKind {
    type Value = AccessLog;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<AccessLog> {
        if let NodeKind::Mapping(_) = node.kind {
            let log = Mapping(&ACCESS_LOG).decode(node, decoder)?;
            let target = log.file.map_or(LogTarget::Stderr, LogTarget::File);
            // All requests are the usual; so nothing is drawn for each of them.
            let share = log.sample.filter(|share| *share < 1.0).map(Share);
            return form(log.format, log.fields, decoder).map(|format| AccessLog::On {
                format,
                target,
                share,
            });
        }
        let scalar = decoder.scalar("`off`, a format or a mapping", node)?;
        if scalar.text == "off" {
            return Some(AccessLog::Off);
        }
        let format = Form.decode(node, decoder)?;
        Some(AccessLog::On { format, target: LogTarget::Stderr, share: None })
    }

    fn shape(&self) -> Shape {
        Shape::Either(vec![Shape::Words(vec!["off"]), Form.shape(), Shape::Mapping(&ACCESS_LOG)])
    }
}

/// What `format` and `fields` say together.
fn form(
    format: Option<At<LineForm>>,
    fields: Option<At<Vec<At<Told>>>>,
    decoder: &mut Decoder<'_>,
) -> Option<LineForm> {
    let Some(fields) = fields else {
        return Some(format.map_or(LineForm::Known(AccessLogFormat::Common), |format| format.value));
    };
    if format.as_ref().is_none_or(|format| format.value != LineForm::Known(AccessLogFormat::Json)) {
        decoder
            .push(Problem::error(fields.span, "`fields` belongs to `format: json`").hint(
                "write `format: json`, or the fields into a template: `format: \"{client} {status}\"`",
            ));
        return None;
    }
    let mut chosen: Vec<At<Told>> = Vec::new();
    for field in fields.value {
        match chosen.iter().find(|known| known.value == field.value) {
            Some(first) => decoder.push(
                Problem::error(field.span, format!("`{}` stands twice here", shortened(&field.value.name())))
                    .beside(first.span, "first written here"),
            ),
            None => chosen.push(field),
        }
    }
    Some(LineForm::Fields(chosen.into_iter().map(|field| field.value).collect()))
}

/// The fields of requests that a log writes, in lower case.
pub(crate) fn headers(log: &AccessLog) -> Vec<&str> {
    let AccessLog::On { format, .. } = log else { return Vec::new() };
    let told: Vec<&Told> = match format {
        LineForm::Known(_) => Vec::new(),
        LineForm::Fields(fields) => fields.iter().collect(),
        LineForm::Template(pieces) => pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Value { told, .. } => Some(told),
                Piece::Text(_) => None,
            })
            .collect(),
    };
    told.into_iter()
        .filter_map(|told| match told {
            Told::Header(name) => Some(&**name),
            Told::Field(_) => None,
        })
        .collect()
}
