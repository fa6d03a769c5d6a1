//! Pieces of text: lines, what stands in them, and texts as YAML writes them.

use crate::source::Span;

/// A piece of the text that something else takes the place of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) span: Span,
    pub(super) new: String,
}

impl Edit {
    pub(super) fn replace(start: usize, end: usize, new: impl Into<String>) -> Self {
        Self { span: Span { start, end }, new: new.into() }
    }

    pub(super) fn insert(at: usize, new: impl Into<String>) -> Self {
        Self::replace(at, at, new)
    }

    pub(super) fn remove(start: usize, end: usize) -> Self {
        Self::replace(start, end, "")
    }
}

/// The text with these edits, which do not overlap.
pub(super) fn edited(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| edit.span);
    let mut made = text.to_owned();
    for Edit { span, new } in edits.into_iter().rev() {
        made.replace_range(span.start..span.end, &new);
    }
    made
}

/// Where the line begins in which this place lies.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// Where the content of the line ends in which this place lies; what ends the line stands there.
pub(super) fn content_end(text: &str, at: usize) -> usize {
    let end = text[at..].find('\n').map_or(text.len(), |more| at + more);
    if end > at && text[..end].ends_with('\r') { end - 1 } else { end }
}

/// What stands before a line that begins here, without the end of the line before.
pub(super) fn content_before(text: &str, start: usize) -> &str {
    let before = &text[..start];
    let before = before.strip_suffix('\n').unwrap_or(before);
    before.strip_suffix('\r').unwrap_or(before)
}

/// Where the next line begins.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |more| at + more + 1)
}

/// What ends the lines of this text around a place.
pub(super) fn newline(text: &str, at: usize) -> &'static str {
    let end = content_end(text, at);
    // The last line has no end of its own; the one before tells.
    let is_crlf = match end < text.len() {
        true => text[end..].starts_with('\r'),
        false => text.rfind('\n').is_some_and(|newline| text[..newline].ends_with('\r')),
    };
    if is_crlf { "\r\n" } else { "\n" }
}

/// Whether only spaces stand between the begin of the line and this place.
pub(super) fn begins_line(text: &str, at: usize) -> bool {
    text[line_start(text, at)..at].bytes().all(|byte| byte == b' ')
}

/// Whether nothing but a comment follows in the line.
pub(super) fn ends_line(text: &str, at: usize) -> bool {
    let rest = &text[at..content_end(text, at)];
    let behind = rest.trim_start_matches([' ', '\t']);
    behind.is_empty()
        || (behind.starts_with('#') && (behind.len() < rest.len() || at == line_start(text, at)))
}

/// The next place that is neither white space nor comment.
pub(super) fn next_sign(text: &str, from: usize) -> usize {
    let mut at = from;
    loop {
        let rest = &text[at..];
        let behind = rest.trim_start();
        let is_behind_space = behind.len() < rest.len() || at == line_start(text, at);
        at += rest.len() - behind.len();
        if !(behind.starts_with('#') && is_behind_space) {
            return at;
        }
        at = line_end(text, at);
    }
}

/// A text as YAML writes it, so that a variable of the environment is none: between these quotes, or as it is where it may.
pub(super) fn scalar(text: &str, quote: Option<char>) -> String {
    let text = text.replace('$', "$$");
    match quote {
        None if is_plain(&text) => text,
        Some('\'') => format!("'{}'", text.replace('\'', "''")),
        _ => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

/// Whether a text needs no quotes, wherever it stands.
fn is_plain(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && !text.ends_with(':')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:/~%@+".contains(&byte))
}

/// The quotes that a written scalar has.
pub(super) fn quote(written: &str) -> Option<char> {
    written.chars().next().filter(|first| matches!(first, '\'' | '"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_have_quotes_where_they_need_them() {
        for (text, quote, expected) in [
            ("127.0.0.1:80", None, "127.0.0.1:80"),
            ("127.0.0.1:80", Some('\''), "'127.0.0.1:80'"),
            ("http://a/b%20c", None, "http://a/b%20c"),
            ("[::1]:80", None, "\"[::1]:80\""),
            ("unix:/a b", None, "\"unix:/a b\""),
            ("unix:/a'b", Some('\''), "'unix:/a''b'"),
            ("unix:/a\\\"", None, "\"unix:/a\\\\\\\"\""),
            ("unix:/${A}", None, "\"unix:/$${A}\""),
        ] {
            assert_eq!(scalar(text, quote), expected, "{text}");
        }
    }

    #[test]
    fn lines_are_found_with_either_end() {
        let text = "ab # c\r\nde,\n\n  # f\n, g";
        assert_eq!(line_start(text, 9), 8);
        assert_eq!((content_end(text, 0), line_end(text, 0)), (6, 8));
        assert_eq!((newline(text, 0), newline(text, 9), newline(text, 20)), ("\r\n", "\n", "\n"));
        assert!(ends_line(text, 2) && !ends_line(text, 1) && !ends_line(text, 10));
        assert_eq!(next_sign(text, 11), text.find(", g").unwrap_or_default());
        assert_eq!(next_sign("a", 1), 1);
    }
}
