//! The one spelling of a path (semantics.md §1.2): what is matched is what is sent.
//!
//! A proxy that matches one spelling and forwards another can be talked past its rules: `/%61dmin/`,
//! `/x/../admin/` and `/x/%2e%2E/admin/` all mean `/admin/` to a server. So every path is brought to one form
//! before anything looks at it, and that form is what goes to the server.
//!
//! | in the path | becomes |
//! |---|---|
//! | escapes of letters, digits, `-` `.` `_` `~` | the character itself (RFC 3986 §6.2.2.2) |
//! | other escapes, also `%2f`, `%5c`, `%25` | the same with upper-case digits (RFC 3986 §6.2.2.1), never decoded |
//! | segments `.` and `..`, also written with `%2e` | removed (RFC 3986 §5.2.4); above the root: refused |
//! | bytes from 0x80, `"` `<` `>` `[` `]` `^` `` ` `` `{` `\|` `}` | their escapes |
//! | `;x` and `//` | stay: a segment may be empty, and its parameters belong to its name |
//! | `%00`, a raw `\`, control bytes, spaces, `?`, `#`, half escapes | refused |
//!
//! Browsers and curl send raw UTF-8 and characters like `|` although RFC 3986 has no place for them. They are
//! neither refused (that would break working clients) nor kept (`/{` and `/%7B` would be two spellings of one
//! path): they are escaped, as a browser's address bar does.
//!
//! Escapes of reserved characters such as `%21` and `%40` are not the same path as the character (RFC 3986
//! §2.2), so they stay. The module does not merge `//`, does not know routes and does not read queries.

use std::fmt;

#[cfg(test)]
mod tests;

/// Why a path has no normal form; all are answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// It does not begin with `/`.
    NotRooted,
    /// A `%` without two hex digits after it.
    BrokenEscape,
    /// `%00`, which cuts names short in programs that end strings with it.
    EscapedNul,
    /// A raw `\`, which some servers take for `/`.
    Backslash,
    /// A control byte (0x00 to 0x1f, 0x7f).
    Control,
    /// A raw space.
    Space,
    /// A raw `?` or `#`, which would end the path for whoever reads it next.
    Delimiter,
    /// `..` with nothing left to remove.
    AboveRoot,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotRooted => "the path does not begin with `/`",
            Self::BrokenEscape => "the path holds a `%` without two hex digits after it",
            Self::EscapedNul => "the path holds `%00`",
            Self::Backslash => "the path holds a raw backslash",
            Self::Control => "the path holds a control byte",
            Self::Space => "the path holds a raw space",
            Self::Delimiter => "the path holds a raw `?` or `#`",
            Self::AboveRoot => "the path leads above the root",
        })
    }
}

impl std::error::Error for PathError {}

/// What a byte is in a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Unreserved except the dot: stays, and its escape is decoded.
    Unreserved,
    /// The dot: unreserved, and may be a whole segment.
    Dot,
    /// Sub-delimiters, `:` and `@`: stays, and so does its escape.
    Reserved,
    /// The only separator of segments.
    Slash,
    /// The beginning of an escape.
    Percent,
    /// Has no place in a path and is replaced by its escape.
    Escaped,
    /// Refused.
    Backslash,
    /// Refused.
    Control,
    /// Refused.
    Space,
    /// Refused.
    Delimiter,
}

/// The class of every byte.
const CLASS: [Class; 256] = {
    let mut table = [Class::Escaped; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => Class::Unreserved,
            b'.' => Class::Dot,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@' => {
                Class::Reserved
            }
            b'/' => Class::Slash,
            b'%' => Class::Percent,
            b'\\' => Class::Backslash,
            0..=0x1f | 0x7f => Class::Control,
            b' ' => Class::Space,
            b'?' | b'#' => Class::Delimiter,
            _ => Class::Escaped,
        };
        byte += 1;
    }
    table
};

fn class(byte: u8) -> Class {
    CLASS[usize::from(byte)]
}

/// Whether `path` is its own normal form, so that [`normalise`] would give it back unchanged.
///
/// One pass, nothing allocated. Nearly every path of real traffic answers `true` here and needs nothing else.
pub fn is_normal(path: &[u8]) -> bool {
    path.first() == Some(&b'/') && (is_plain(path) || is_normal_with_care(path))
}

/// Marks in [`MARKS`]: a slash.
const SLASH: u8 = 1;
/// A dot: one bit above [`SLASH`], so that shifting the mark of the byte before compares the two.
const DOT: u8 = SLASH << 1;
/// Whatever does not simply stay: `%` and all that is escaped or refused.
const SPECIAL: u8 = 1 << 7;

/// What [`is_plain`] has to know about every byte.
const MARKS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match CLASS[byte] {
            Class::Unreserved | Class::Reserved => 0,
            Class::Slash => SLASH,
            Class::Dot => DOT,
            Class::Percent
            | Class::Escaped
            | Class::Backslash
            | Class::Control
            | Class::Space
            | Class::Delimiter => SPECIAL,
        };
        byte += 1;
    }
    table
};

/// Whether the path holds neither escapes nor a dot behind a slash, and nothing that does not belong into a path.
///
/// Without a branch per byte, which makes it about twice as fast as looking at each on its own.
fn is_plain(path: &[u8]) -> bool {
    let mut before = 0;
    let mut seen = 0;
    for &byte in path {
        let mark = MARKS[usize::from(byte)];
        seen |= (mark & SPECIAL) | ((before << 1) & mark);
        before = mark & SLASH;
    }
    seen == 0
}

/// [`is_normal`] for the rooted paths that [`is_plain`] does not settle.
fn is_normal_with_care(path: &[u8]) -> bool {
    let mut at = 1;
    while let Some(&byte) = path.get(at) {
        match class(byte) {
            Class::Unreserved | Class::Reserved | Class::Slash => at += 1,
            Class::Dot => {
                // `at` is at least 1, and only a dot right behind a slash can begin a dot segment.
                if path[at - 1] == b'/' && begins_with_dot_segment(&path[at..]) {
                    return false;
                }
                at += 1;
            }
            Class::Percent => {
                let [high, low] = match path.get(at + 1..at + 3) {
                    Some(&[high, low]) => [high, low],
                    _ => return false,
                };
                let upper = |digit: u8| !digit.is_ascii_lowercase();
                match escape_value(high, low) {
                    Some(value) if upper(high) && upper(low) && stays_escaped(value) => at += 3,
                    _ => return false,
                }
            }
            Class::Escaped | Class::Backslash | Class::Control | Class::Space | Class::Delimiter => {
                return false;
            }
        }
    }
    true
}

/// Appends the normal form of `path` to `out`.
///
/// The result begins with `/`, is at most three times as long as `path`, and [`is_normal`] holds for it.
/// After an error `out` is as it was before.
pub fn normalise(path: &[u8], out: &mut Vec<u8>) -> Result<(), PathError> {
    let root = out.len();
    let result = write_normal(path, out);
    if result.is_err() {
        out.truncate(root);
    }
    result
}

fn write_normal(path: &[u8], out: &mut Vec<u8>) -> Result<(), PathError> {
    let Some((&b'/', mut rest)) = path.split_first() else {
        return Err(PathError::NotRooted);
    };
    out.reserve(path.len());
    out.push(b'/');
    // Where the first segment begins; `..` never removes what stands before.
    let first = out.len();
    let mut segment = first;
    while let [byte, after @ ..] = rest {
        rest = after;
        match class(*byte) {
            Class::Unreserved | Class::Dot | Class::Reserved => out.push(*byte),
            Class::Slash => segment = end_segment(out, first, segment, true)?,
            Class::Percent => {
                let [high, low, after @ ..] = rest else {
                    return Err(PathError::BrokenEscape);
                };
                push_escape(out, escape_value(*high, *low).ok_or(PathError::BrokenEscape)?)?;
                rest = after;
            }
            Class::Escaped => push_escaped(out, *byte),
            Class::Backslash => return Err(PathError::Backslash),
            Class::Control => return Err(PathError::Control),
            Class::Space => return Err(PathError::Space),
            Class::Delimiter => return Err(PathError::Delimiter),
        }
    }
    end_segment(out, first, segment, false)?;
    Ok(())
}

/// Ends the segment that begins at `segment` in `out`, removing it and its parent as its dots demand (RFC
/// 3986 §5.2.4). Returns where the next segment begins.
///
/// Escaped dots are decoded by now, so that `%2e` needs no rule of its own. Each removed byte is removed
/// once: the work stays linear however many dot segments there are.
fn end_segment(out: &mut Vec<u8>, first: usize, segment: usize, slash: bool) -> Result<usize, PathError> {
    match &out[segment..] {
        b"." => {
            out.truncate(segment);
            Ok(segment)
        }
        b".." => {
            if segment == first {
                return Err(PathError::AboveRoot);
            }
            // Before `segment` stands the slash that ended its parent; the parent begins behind the slash
            // before that.
            let parent = match out[first..segment - 1].iter().rposition(|&byte| byte == b'/') {
                Some(at) => first + at + 1,
                None => first,
            };
            out.truncate(parent);
            Ok(parent)
        }
        _ => {
            if slash {
                out.push(b'/');
            }
            Ok(out.len())
        }
    }
}

/// Writes what an escape of `value` becomes: the character if it is unreserved, else the escape in upper
/// case.
fn push_escape(out: &mut Vec<u8>, value: u8) -> Result<(), PathError> {
    match class(value) {
        Class::Unreserved | Class::Dot => out.push(value),
        _ if value == 0 => return Err(PathError::EscapedNul),
        _ => push_escaped(out, value),
    }
    Ok(())
}

fn push_escaped(out: &mut Vec<u8>, value: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend_from_slice(&[b'%', DIGITS[usize::from(value >> 4)], DIGITS[usize::from(value & 15)]]);
}

/// Whether an escape of `value` is part of a normal path.
fn stays_escaped(value: u8) -> bool {
    value != 0 && !matches!(class(value), Class::Unreserved | Class::Dot)
}

fn escape_value(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

/// Whether `rest`, which follows a slash, begins with a whole segment `.` or `..`.
fn begins_with_dot_segment(rest: &[u8]) -> bool {
    matches!(rest, [b'.'] | [b'.', b'/', ..] | [b'.', b'.'] | [b'.', b'.', b'/', ..])
}
