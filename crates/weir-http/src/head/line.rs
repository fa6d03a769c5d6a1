//! The lines of a head, by their grammar: request line, status line, field line.
//!
//! Each function gets all bytes there are and where its line begins, and says where the next line begins. A line ends in
//! CRLF and nothing else; what is cut off is an error like any other, because whoever waits for more bytes asks the
//! [`HeadScanner`](crate::scan::HeadScanner).

use super::{Field, HeadError, Span, span};
use crate::field::KnownName;
use crate::list;
use crate::method::Method;
use crate::version::Version;
use crate::word;

/// A request line (RFC 9112 §3).
pub(super) struct RequestLine {
    pub(super) method: Method,
    pub(super) token: Span,
    pub(super) target: Span,
    pub(super) version: Version,
}

/// A status line (RFC 9112 §4).
pub(super) struct StatusLine {
    pub(super) version: Version,
    pub(super) status: u16,
    pub(super) reason: Span,
    /// Whether the line stands as it is to be written, apart from its version.
    pub(super) canonical: bool,
}

/// The request line at the beginning of `bytes`, and where the line behind it begins.
#[inline]
pub(super) fn request(bytes: &[u8]) -> Result<(RequestLine, usize), HeadError> {
    let token_bytes = word::position(bytes, b' ').ok_or(HeadError::RequestLine)?;
    let token = &bytes[..token_bytes];
    let method = Method::of(token);
    if method == Method::Other && !list::is_token(token) {
        return Err(HeadError::RequestLine);
    }
    let start = token_bytes + 1;
    let length = word::target_end(&bytes[start..]).ok_or(HeadError::RequestLine)?;
    let target = &bytes[start..start + length];
    // Bytes from 0x80 are for `path` to judge, but text that is no UTF-8 is nothing that a client could have meant.
    let text = target.is_ascii() || std::str::from_utf8(target).is_ok();
    if length == 0 || bytes[start + length] != b' ' || !text {
        return Err(HeadError::RequestLine);
    }
    let rest = &bytes[start + length + 1..];
    let version = match rest.first_chunk().and_then(version) {
        Some(version) => version,
        None if rest.starts_with(b"HTTP/") => return Err(HeadError::Version),
        // What stands where the version should is only a version if it looks like one; `GET /a b HTTP/1.1` is no request.
        None => return Err(HeadError::RequestLine),
    };
    if rest.get(8..10) != Some(b"\r\n") {
        return Err(HeadError::RequestLine);
    }
    let line = RequestLine { method, token: span(0, token_bytes), target: span(start, length), version };
    Ok((line, start + length + 11))
}

/// The status line at the beginning of `bytes`, and where the line behind it begins.
#[inline]
pub(super) fn status(bytes: &[u8]) -> Result<(StatusLine, usize), HeadError> {
    let Some(&[v0, v1, v2, v3, v4, v5, v6, v7, space, hundreds, tens, ones]) = bytes.first_chunk() else {
        return Err(HeadError::StatusLine);
    };
    let version = version(&[v0, v1, v2, v3, v4, v5, v6, v7]).filter(|_| space == b' ');
    let version = version.ok_or(HeadError::Version)?;
    // RFC 9110 §15: a status is between 100 and 599; anything else has no class that a client could fall back to.
    if !matches!((hundreds, tens, ones), (b'1'..=b'5', b'0'..=b'9', b'0'..=b'9')) {
        return Err(HeadError::StatusLine);
    }
    let digit = |byte: u8| u16::from(byte - b'0');
    let status = digit(hundreds) * 100 + digit(tens) * 10 + digit(ones);
    // RFC 9112 §4 wants the space before the reason also where there is none; many servers leave it out.
    let start = if bytes.get(12) == Some(&b' ') { 13 } else { 12 };
    let end = match word::value_end(&bytes[start..]) {
        Some(length) if start == 13 || length == 0 => start + length,
        Some(_) | None => return Err(HeadError::StatusLine),
    };
    if bytes.get(end..end + 2) != Some(b"\r\n") {
        return Err(HeadError::StatusLine);
    }
    // A reason in a character set that nobody names says nothing to anybody; RFC 9110 §15.1 lets it be ignored.
    let readable = bytes[start..end].is_ascii();
    let reason = if readable { span(start, end - start) } else { Span::default() };
    Ok((StatusLine { version, status, reason, canonical: readable && start == 13 }, end + 2))
}

/// The field line at `at` (RFC 9112 §5), and where the line behind it begins.
#[inline]
pub(super) fn field(bytes: &[u8], at: usize) -> Result<(Field, usize), HeadError> {
    let name_bytes = word::position(&bytes[at..], b':').ok_or(HeadError::FieldName)?;
    let name = &bytes[at..at + name_bytes];
    let known = KnownName::of(name);
    if known.is_none() && !list::is_token(name) {
        return Err(HeadError::FieldName);
    }
    let behind_colon = at + name_bytes + 1;
    let space = bytes.get(behind_colon) == Some(&b' ');
    let start = behind_colon + usize::from(space);
    let length = word::value_end(&bytes[start..]).ok_or(HeadError::FieldValue)?;
    let end = start + length;
    let Some([b'\r', b'\n', ..]) = bytes.get(end..) else {
        return Err(HeadError::FieldValue);
    };
    let (name, mut value, mut canonical) = (span(at, name_bytes), span(start, length), space);
    // For an empty value these are its neighbours, and looking closer does no harm.
    if is_white_space(bytes[start]) || is_white_space(bytes[end - 1]) {
        value = trimmed(value, bytes);
        canonical &= length == 0;
    }
    Ok((Field { name, value, known, canonical }, end + 2))
}

fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The value without the white space around it.
#[cold]
fn trimmed(value: Span, bytes: &[u8]) -> Span {
    let rest = value.of(bytes).trim_ascii_start();
    span(value.end() - rest.len(), rest.trim_ascii_end().len())
}

#[inline]
fn version(text: &[u8; 8]) -> Option<Version> {
    match text {
        b"HTTP/1.1" => Some(Version::Http11),
        b"HTTP/1.0" => Some(Version::Http10),
        _ => None,
    }
}
