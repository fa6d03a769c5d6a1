//! What a route asks of the path: whole segments, one path, or an expression.
//!
//! Requests are compared in the spelling of `semantics.md` §1.2. A pattern in another spelling could never match, so
//! the constructors refuse it and say how to write it; they do not repair it silently, because a person who reads the
//! file should read what is compared. Only `/` separates segments: `%2F`, `;x` and an empty segment never do.

use std::error::Error;
use std::fmt;
use std::hash::{Hash, Hasher};

use regex::bytes::{Regex, RegexBuilder};

/// What a route asks of the normalised path.
#[derive(Debug, Clone)]
pub enum PathPattern {
    /// Whole segments: `/orders` and `/orders/` take `/orders`, `/orders/` and `/orders/7`, never `/ordersx`.
    Prefix(Box<str>),
    /// The whole path, byte for byte.
    Exact(Box<str>),
    /// A regular expression that must match from the first to the last byte; [`PathPattern::regex`] sees to that.
    Regex(Regex),
}

impl Hash for PathPattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Prefix(prefix) => (0, prefix).hash(state),
            Self::Exact(path) => (1, path).hash(state),
            Self::Regex(pattern) => (2, pattern.as_str()).hash(state),
        }
    }
}

/// Why a text is not a path pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathPatternError {
    /// It does not begin with `/`.
    NotAbsolute,
    /// It holds `?` or `#`: a query is asked for with `query`.
    Query,
    /// A backslash or a control character: a request with one is refused.
    Character(char),
    /// A segment is `.` or `..`, also as `%2e`; requests have none left.
    DotSegment,
    /// A `%` without two hexadecimal digits, or `%00`, which no request may have.
    Escape,
    /// Another spelling of this path is compared.
    Spelling {
        /// The spelling that is compared.
        instead: Box<str>,
    },
    /// The expression is no regular expression, or too large when compiled.
    Regex {
        /// What is wrong with it, in the words of the `regex` crate.
        reason: Box<str>,
    },
}

/// How large a compiled expression may be. A megabyte is far beyond what paths need, and keeps a file of many routes small.
const REGEX_BYTES_MAX: usize = 1 << 20;

const ANCHORED_START: &str = r"\A(?:";
const ANCHORED_END: &str = r")\z";

impl PathPattern {
    /// A prefix of whole segments.
    ///
    /// # Errors
    /// When no request could ever match; never [`PathPatternError::Regex`].
    pub fn prefix(text: &str) -> Result<Self, PathPatternError> {
        checked(text).map(|()| Self::Prefix(text.into()))
    }

    /// One path.
    ///
    /// # Errors
    /// When no request could ever match; never [`PathPatternError::Regex`].
    pub fn exact(text: &str) -> Result<Self, PathPatternError> {
        checked(text).map(|()| Self::Exact(text.into()))
    }

    /// An expression for the whole path. It works on bytes: `.` is any byte, classes like `\w` are those of ASCII,
    /// because a path has everything else escaped.
    ///
    /// # Errors
    /// Only [`PathPatternError::Regex`].
    pub fn regex(text: &str) -> Result<Self, PathPatternError> {
        let compile = |text: &str| {
            RegexBuilder::new(text).unicode(false).size_limit(REGEX_BYTES_MAX).build().map_err(|error| {
                let reason = match error {
                    regex::Error::CompiledTooBig(limit) => format!("it needs more than {limit} bytes"),
                    other => other.to_string(),
                };
                PathPatternError::Regex { reason: reason.into() }
            })
        };
        // Alone first: otherwise `a)|(b` would pass by closing our group, and errors would show our anchors.
        compile(text)?;
        compile(&format!("{ANCHORED_START}{text}{ANCHORED_END}"))
            // An expression that ends in a comment of `(?x)` swallows our closing bracket; a line end stops the comment.
            .or_else(|_| compile(&format!("{ANCHORED_START}{text}\n{ANCHORED_END}")))
            .map(Self::Regex)
    }

    /// Whether `path` is asked for.
    pub fn matches(&self, path: &[u8]) -> bool {
        match self {
            Self::Prefix(prefix) => {
                let segments = whole_segments(prefix);
                path.strip_prefix(segments).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
            }
            Self::Exact(exact) => exact.as_bytes() == path,
            Self::Regex(regex) => regex.is_match(path),
        }
    }
}

/// A prefix without the slash at its end, which says nothing: `/orders/` asks what `/orders` asks, and `/` asks nothing.
pub(super) fn whole_segments(prefix: &str) -> &[u8] {
    prefix.strip_suffix('/').unwrap_or(prefix).as_bytes()
}

/// Whether a request's path could look like this (`semantics.md` §1.2).
fn checked(text: &str) -> Result<(), PathPatternError> {
    if !text.starts_with('/') {
        return Err(PathPatternError::NotAbsolute);
    }
    if text.contains(['?', '#']) {
        return Err(PathPatternError::Query);
    }
    if let Some(other) = text.chars().find(|c| c.is_ascii_control() || *c == '\\') {
        return Err(PathPatternError::Character(other));
    }
    let spelling = spelling(text)?;
    if spelling.split('/').any(|segment| segment == "." || segment == "..") {
        return Err(PathPatternError::DotSegment);
    }
    if spelling == text { Ok(()) } else { Err(PathPatternError::Spelling { instead: spelling.into() }) }
}

/// The path with escapes as requests have them: unreserved characters (RFC 3986 §2.3) plain, escapes in upper case, and
/// escaped what has no place in a path (RFC 3986 §3.3).
fn spelling(text: &str) -> Result<String, PathPatternError> {
    let mut out = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let (byte, escaped) = match byte {
            b'%' => (escaped_byte(bytes.next(), bytes.next()).ok_or(PathPatternError::Escape)?, true),
            other => (other, false),
        };
        let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if unreserved || (!escaped && b"/!$&'()*+,;=:@".contains(&byte)) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(out)
}

/// What two hexadecimal digits stand for; `%00` is in no request.
fn escaped_byte(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some(digit(high)? << 4 | digit(low)?).filter(|byte| *byte != 0)
}

impl fmt::Display for PathPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(prefix) => out.write_str(prefix),
            Self::Exact(exact) => write!(out, "exact:{exact}"),
            Self::Regex(regex) => {
                let text = regex.as_str();
                let inside =
                    text.strip_prefix(ANCHORED_START).and_then(|rest| rest.strip_suffix(ANCHORED_END));
                write!(out, "regex:{}", inside.unwrap_or(text).trim_end_matches('\n'))
            }
        }
    }
}

impl PathPatternError {
    /// What to write instead, where that can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotAbsolute => Some("begin it with `/`".to_owned()),
            Self::Query => Some("ask for query parameters with `query`".to_owned()),
            Self::DotSegment => Some("requests are compared after `.` and `..` were resolved".to_owned()),
            Self::Escape => Some("write a percent sign as `%25`".to_owned()),
            Self::Spelling { instead } if instead.contains("%7B") => {
                Some(format!("paths have no placeholders: use `regex`, or write `{instead}`"))
            }
            Self::Spelling { instead } => Some(format!("write `{instead}`")),
            Self::Character(_) | Self::Regex { .. } => None,
        }
    }
}

impl fmt::Display for PathPatternError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAbsolute => out.write_str("a path begins with `/`"),
            Self::Query => out.write_str("a path ends before `?` and `#`"),
            Self::Character(c) => write!(out, "`{}` is in no request's path", c.escape_default()),
            Self::DotSegment => out.write_str("a path has no segment `.` or `..`"),
            Self::Escape => out.write_str("`%` is followed by two hexadecimal digits, not both 0"),
            Self::Spelling { .. } => out.write_str("requests are compared in another spelling of this path"),
            Self::Regex { reason } => write!(out, "this is no usable regular expression: {reason}"),
        }
    }
}

impl Error for PathPatternError {}

#[cfg(test)]
mod tests;
