//! The text of a configuration file and places in it.
//!
//! Places are byte offsets, because those cost nothing to keep in every node; lines and columns are found when a person
//! is told about one. The text is kept whole for that, also after decoding.

/// A range of bytes of a [`Source`]; `start <= end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the last byte.
    pub end: usize,
}

impl Span {
    /// Whether `other` begins inside this span.
    pub(crate) fn holds(self, other: Self) -> bool {
        self.start <= other.start && other.start < self.end.max(self.start + 1)
    }
}

/// A value and where it was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct At<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it stands.
    pub(crate) span: Span,
}

/// A line and a column, both counted from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A file's name and text.
#[derive(Debug, Clone, Default)]
pub struct Source {
    name: String,
    text: String,
    line_starts: Vec<usize>,
}

impl Source {
    /// Takes a name and the text; the lines are found once, here.
    pub fn new(name: &str, text: String) -> Self {
        let line_starts =
            std::iter::once(0).chain(text.match_indices('\n').map(|(newline, _)| newline + 1)).collect();
        Self { name: name.to_owned(), text, line_starts }
    }

    /// The same with these places made unreadable. What only says where something is (`${NAME}`, `file:PATH`) stays; places of
    /// everything else do not move.
    pub(crate) fn without(mut self, hidden: &[Span]) -> Self {
        for span in hidden {
            let Some(text) = self.text.get(span.start..span.end).filter(|text| !is_reference(text)) else {
                continue;
            };
            let starred: String = text
                .chars()
                .map(
                    |sign| {
                        if sign.is_ascii_control() { sign.to_string() } else { "*".repeat(sign.len_utf8()) }
                    },
                )
                .collect();
            self.text.replace_range(span.start..span.end, &starred);
        }
        self
    }

    /// The name, as it is shown in problems.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of an offset. An offset behind the end is the end.
    pub fn position(&self, offset: usize) -> Position {
        let (line, start, text) = self.line_at(offset);
        let inside = text.floor_char_boundary(offset.saturating_sub(start).min(text.len()));
        Position { line, column: text[..inside].chars().count() + 1 }
    }

    /// Number, offset and text (without its end) of the line an offset lies in.
    pub(crate) fn line_at(&self, offset: usize) -> (usize, usize, &str) {
        let line = self.line_starts.partition_point(|&start| start <= offset).max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let end = self.line_starts.get(line).copied().unwrap_or(self.text.len());
        (line, start, self.text[start..end].trim_end_matches(['\n', '\r']))
    }
}

/// Whether a scalar says where a secret is, and is none: a variable without a default, or a file.
fn is_reference(written: &str) -> bool {
    let text = written.trim_matches(['"', '\'']);
    let variable = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    text.starts_with("file:") || variable.is_some_and(is_name)
}

#[cfg(test)]
mod tests {
    use super::{Position, Source, Span};

    fn check(text: &str, offset: usize, line: usize, column: usize) {
        let source = Source::new("t", text.to_owned());
        assert_eq!(source.position(offset), Position { line, column }, "{text:?} at {offset}");
    }

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        check("", 0, 1, 1);
        check("", 9, 1, 1);
        check("ab\ncd", 0, 1, 1);
        check("ab\ncd", 2, 1, 3);
        check("ab\ncd", 3, 2, 1);
        check("ab\r\ncd", 5, 2, 2);
        check("äöü: x", 8, 1, 6);
        check("äöü: x", 1, 1, 1);
        check("ab\n", 3, 2, 1);
        check("ab\n", 99, 2, 1);
    }

    #[test]
    fn a_span_holds_what_begins_in_it() {
        let span = Span { start: 3, end: 5 };
        assert!(span.holds(Span { start: 3, end: 9 }));
        assert!(span.holds(Span { start: 4, end: 4 }));
        assert!(!span.holds(Span { start: 5, end: 6 }));
        assert!(!span.holds(Span { start: 2, end: 4 }));
        assert!(
            Span { start: 3, end: 3 }.holds(Span { start: 3, end: 3 }),
            "an empty span holds its own place"
        );
    }
}
