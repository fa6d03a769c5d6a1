//! Lines of the access log as somebody has written them: `{client} {method} "{target}" {status}`.
//!
//! A name in braces is a field; `{{` and `}}` are braces. `header:NAME` is a field of the request's head. Everything is
//! looked up when the configuration is read, so that a line is written by walking over a list.

use std::fmt;
use std::ops::Range;

use crate::log_field::LogField;

/// More pieces than this are a mistake.
pub const PIECES_MAX: usize = 256;

/// What stands before the name of a field of the request's head.
const HEADER: &str = "header:";

/// Fields of requests that hold secrets. They are never written.
pub const SECRETS: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];

/// Something that a line tells.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Told {
    /// A field of the table.
    Field(LogField),
    /// A field of the request's head, by its name in lower case.
    Header(Box<str>),
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Piece {
    /// Written as it is.
    Text(Box<str>),
    /// Written as the request has it.
    Value {
        /// What.
        told: Told,
        /// Whether it stands between quotes, where spaces are harmless.
        quoted: bool,
    },
}

/// What is wrong, and where in the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Bytes of the template.
    pub at: Range<usize>,
    /// What.
    pub what: What,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A `{` without its `}`.
    Unclosed,
    /// A `}` alone.
    Unopened,
    /// There is no such field.
    Unknown(String),
    /// The name of a header is none.
    BadHeader(String),
    /// What it holds is nobody's business.
    Secret(String),
    /// A line end, or another control character: the template is one line.
    Control,
    /// It tells nothing.
    NoField,
    /// There are more than [`PIECES_MAX`].
    TooMany,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unclosed => f.write_str("a field begins here and does not end"),
            Self::Unopened => f.write_str("a brace ends nothing here"),
            Self::Unknown(name) => write!(f, "there is no field `{name}`"),
            Self::BadHeader(name) => write!(f, "`{name}` is not the name of a field of requests"),
            Self::Secret(name) => write!(f, "`{name}` holds secrets, which are not logged"),
            Self::Control => f.write_str("a template is one line without control characters"),
            Self::NoField => f.write_str("the template names no field, so all lines would be the same"),
            Self::TooMany => write!(f, "a template has at most {PIECES_MAX} parts"),
        }
    }
}

impl Told {
    /// Reads a name: that of a field, or `header:NAME`.
    ///
    /// # Errors
    /// There is no such thing, or it is not written.
    pub fn parse(name: &str) -> Result<Self, What> {
        let Some(header) = name.strip_prefix(HEADER) else {
            return LogField::of(name).map(Self::Field).ok_or_else(|| What::Unknown(name.to_owned()));
        };
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if header.is_empty() || !header.bytes().all(is_token) {
            return Err(What::BadHeader(header.to_owned()));
        }
        let header = header.to_ascii_lowercase();
        if SECRETS.contains(&header.as_str()) {
            return Err(What::Secret(header));
        }
        Ok(Self::Header(header.into()))
    }

    /// Its name, as it is read and as a line of JSON has it.
    pub fn name(&self) -> String {
        match self {
            Self::Field(field) => field.name().to_owned(),
            Self::Header(name) => format!("{HEADER}{name}"),
        }
    }
}

/// Whether a text is meant as a template, and not as the name of a form.
pub fn is_template(text: &str) -> bool {
    text.contains(['{', '}', ' '])
}

/// Reads a template.
///
/// # Errors
/// Everything that is wrong with it; at least one.
pub fn parse(template: &str) -> Result<Vec<Piece>, Vec<Wrong>> {
    let mut reader = Reader { pieces: Vec::new(), text: String::new(), is_quoted: false, wrong: Vec::new() };
    let mut at = 0;
    while let Some(letter) = template[at..].chars().next() {
        let rest = &template[at..];
        let step = match letter {
            '{' | '}' if rest[1..].starts_with(letter) => reader.text(letter, 2),
            '{' => match rest.find('}') {
                Some(end) => reader.value(&rest[1..end], at + 1),
                None => reader.wrong(at..template.len(), What::Unclosed),
            },
            '}' => reader.wrong(at..at + 1, What::Unopened),
            control if control.is_control() => reader.wrong(at..at + control.len_utf8(), What::Control),
            letter => reader.text(letter, letter.len_utf8()),
        };
        at += step;
    }
    reader.end(template)
}

struct Reader {
    pieces: Vec<Piece>,
    text: String,
    is_quoted: bool,
    wrong: Vec<Wrong>,
}

impl Reader {
    /// Each of these says how many bytes it has read.
    fn text(&mut self, letter: char, bytes: usize) -> usize {
        self.is_quoted ^= letter == '"';
        self.text.push(letter);
        bytes
    }

    fn value(&mut self, name: &str, at: usize) -> usize {
        match Told::parse(name) {
            Ok(told) => {
                self.flush();
                self.pieces.push(Piece::Value { told, quoted: self.is_quoted });
            }
            Err(what) => {
                self.wrong(at..at + name.len(), what);
            }
        }
        name.len() + 2
    }

    fn wrong(&mut self, at: Range<usize>, what: What) -> usize {
        let bytes = at.len();
        self.wrong.push(Wrong { at, what });
        bytes
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.pieces.push(Piece::Text(std::mem::take(&mut self.text).into()));
        }
    }

    fn end(mut self, template: &str) -> Result<Vec<Piece>, Vec<Wrong>> {
        self.flush();
        if self.wrong.is_empty() && !self.pieces.iter().any(|piece| matches!(piece, Piece::Value { .. })) {
            self.wrong(0..template.len(), What::NoField);
        }
        if self.pieces.len() > PIECES_MAX {
            self.wrong(0..template.len(), What::TooMany);
        }
        if self.wrong.is_empty() { Ok(self.pieces) } else { Err(self.wrong) }
    }
}

#[cfg(test)]
mod tests;
