//! The request target in its four forms (RFC 9112 §3.2).
//!
//! Splitting and refusing, nothing else: the path is brought to its one spelling by [`crate::path`], the
//! authority is checked by [`crate::authority`], and whether a form suits the method is decided by whoever
//! knows the method (only CONNECT may have an authority, only OPTIONS an asterisk). The query is not touched
//! (semantics.md §1.2): a raw `\`, `|` or byte from 0x80 is passed on as it came; only what could end the
//! request line (spaces, control bytes) and `#` are refused there.

use std::fmt;

use crate::authority::{self, Authority, AuthorityError};
use crate::word;

#[cfg(test)]
mod tests;

/// The scheme of an absolute target. Others than these two are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`, port 80.
    Http,
    /// `https`, port 443.
    Https,
}

impl Scheme {
    /// The scheme in lower case, without `://`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port of an authority that names none.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    fn from_name(name: &[u8]) -> Option<Self> {
        [Self::Http, Self::Https]
            .into_iter()
            .find(|scheme| name.eq_ignore_ascii_case(scheme.name().as_bytes()))
    }
}

/// What a request asks for, borrowed from its request line.
///
/// Paths begin with `/` and hold no raw `\`, but are as they were sent otherwise. A query is what follows the
/// first `?`, without it; `Some` of nothing stands for a bare `?`.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// `/path?query`: nearly every request.
    Origin {
        /// The path as it was sent. It may begin with `//`: put before nothing but an authority.
        path: &'a [u8],
        /// The query as it was sent.
        query: Option<&'a [u8]>,
    },
    /// `http://host/path?query`: what clients send to a forward proxy, and may send to every server.
    Absolute {
        /// The scheme.
        scheme: Scheme,
        /// The authority, which counts in place of the Host field (semantics.md §1.1).
        authority: Authority<'a>,
        /// The path as it was sent, `/` if there was none.
        path: &'a [u8],
        /// The query as it was sent.
        query: Option<&'a [u8]>,
        /// Nothing followed the authority; see [`Target::is_whole_server`].
        bare: bool,
    },
    /// `host:port`: CONNECT only.
    Authority(Authority<'a>),
    /// `*`: OPTIONS only.
    Asterisk,
}

impl<'a> Target<'a> {
    /// The path and the query, where the form has them.
    pub fn path_and_query(&self) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        match *self {
            Self::Origin { path, query } | Self::Absolute { path, query, .. } => Some((path, query)),
            Self::Authority(_) | Self::Asterisk => None,
        }
    }

    /// The authority, where the form has one.
    pub fn authority(&self) -> Option<Authority<'a>> {
        match *self {
            Self::Absolute { authority, .. } | Self::Authority(authority) => Some(authority),
            Self::Origin { .. } | Self::Asterisk => None,
        }
    }

    /// Whether an OPTIONS request with this target means the server as a whole and goes on with `*`: an
    /// absolute target with neither path nor query does (RFC 9112 §3.2.4).
    pub fn is_whole_server(&self) -> bool {
        matches!(self, Self::Asterisk | Self::Absolute { bare: true, .. })
    }
}

/// Why a target can't be read; all are answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetError {
    /// There is none.
    Empty,
    /// It has none of the four forms.
    Form,
    /// It is absolute, and its scheme is neither http nor https.
    Scheme,
    /// Its authority is bad.
    Authority(AuthorityError),
    /// A `#`: fragments stay with the client (RFC 9110 §4.2.5).
    Fragment,
    /// A raw `\` in the path, which some servers take for `/`.
    Backslash,
    /// A control byte (0x00 to 0x1f, 0x7f).
    Control,
    /// A raw space.
    Space,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the request target is empty",
            Self::Form => "the request target is neither a path, nor an http URL, nor `host:port`, nor `*`",
            Self::Scheme => "the scheme of the request target is neither http nor https",
            Self::Authority(error) => return write!(f, "in the request target, {error}"),
            Self::Fragment => "the request target holds a `#`",
            Self::Backslash => "the path holds a raw backslash",
            Self::Control => "the request target holds a control byte",
            Self::Space => "the request target holds a raw space",
        })
    }
}

impl std::error::Error for TargetError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Authority(error) => Some(error),
            _ => None,
        }
    }
}

impl From<AuthorityError> for TargetError {
    fn from(error: AuthorityError) -> Self {
        Self::Authority(error)
    }
}

/// Marks in [`MARKS`]: may stand neither in a path nor in a query.
const REFUSED: u8 = 1;
/// May stand in a query, but not in a path.
const NOT_IN_PATHS: u8 = 2;

/// The marks of every byte.
const MARKS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            0..=b' ' | 0x7f | b'#' => REFUSED,
            b'\\' => NOT_IN_PATHS,
            _ => 0,
        };
        byte += 1;
    }
    table
};

/// All marks of a text. Without a branch per byte, because nearly always there are none.
fn marks(text: &[u8]) -> u8 {
    text.iter().fold(0, |marks, &byte| marks | MARKS[usize::from(byte)])
}

/// Reads a request target. It is linear in the length of the target, which the limit on request lines bounds.
pub fn parse(target: &[u8]) -> Result<Target<'_>, TargetError> {
    match target {
        [b'/', ..] => {
            let (path, query) = split_query(target)?;
            Ok(Target::Origin { path, query })
        }
        b"*" => Ok(Target::Asterisk),
        [] => Err(TargetError::Empty),
        _ => match split_scheme(target) {
            Some((scheme, rest)) => parse_absolute(scheme, rest),
            None => parse_authority_form(target),
        },
    }
}

/// The scheme, if the target begins with one and `://` (RFC 3986 §3.1), and what follows.
fn split_scheme(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let end = target.iter().position(|&byte| !is_scheme(byte))?;
    let (scheme, rest) = target.split_at(end);
    let rest = rest.strip_prefix(b"://")?;
    scheme.first()?.is_ascii_alphabetic().then_some((scheme, rest))
}

fn parse_absolute<'a>(scheme: &[u8], rest: &'a [u8]) -> Result<Target<'a>, TargetError> {
    let scheme = Scheme::from_name(scheme).ok_or(TargetError::Scheme)?;
    // A backslash does not end the authority here, unlike in browsers: it makes it a bad one.
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let authority = authority::parse(authority)?;
    let (path, query) = split_query(rest)?;
    let bare = rest.is_empty();
    // RFC 9112 §3.2.1: an empty path is sent on as `/`.
    let path = if path.is_empty() { b"/" } else { path };
    Ok(Target::Absolute { scheme, authority, path, query, bare })
}

/// RFC 9112 §3.2.3: always with its port, because there is no scheme that would supply one.
fn parse_authority_form(target: &[u8]) -> Result<Target<'_>, TargetError> {
    let authority = authority::parse(target)?;
    match authority.port() {
        Some(_) => Ok(Target::Authority(authority)),
        None => Err(TargetError::Form),
    }
}

/// Splits at the first `?`, and refuses what may stand on neither side.
fn split_query(text: &[u8]) -> Result<(&[u8], Option<&[u8]>), TargetError> {
    let (path, query) = match word::position(text, b'?') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    if marks(path) != 0 {
        return Err(first_refusal(path, REFUSED | NOT_IN_PATHS));
    }
    if let Some(query) = query.filter(|query| marks(query) & REFUSED != 0) {
        return Err(first_refusal(query, REFUSED));
    }
    Ok((path, query))
}

/// The error for the first byte in `text` with one of these marks.
fn first_refusal(text: &[u8], marks: u8) -> TargetError {
    match text.iter().find(|&&byte| MARKS[usize::from(byte)] & marks != 0) {
        Some(b'#') => TargetError::Fragment,
        Some(b'\\') => TargetError::Backslash,
        Some(b' ') => TargetError::Space,
        _ => TargetError::Control,
    }
}
