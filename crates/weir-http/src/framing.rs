//! How the body behind a head ends: the decision of RFC 9112 §6.3, once, for both directions.
//!
//! A proxy that reads a message differently from the server behind it lets a client smuggle a second one in. So what is
//! ambiguous is refused here, also where the RFC lets a recipient choose.

use std::fmt;

use crate::field::KnownName;
use crate::head::Head;
use crate::method::Method;
use crate::version::Version;

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// After this many bytes; may be 0.
    Sized(u64),
    /// With the chunk of size 0.
    Chunked,
    /// When the connection ends; answers only.
    UntilClose,
}

/// Which message a head begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// A request.
    Request,
    /// The answer to a request with this method.
    Answer(Method),
}

/// Why a body's end can't be told for sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FramingError {
    /// Both Content-Length and Transfer-Encoding.
    LengthAndCoding,
    /// Several lengths, as fields or as a list, also equal ones.
    SeveralLengths,
    /// A length that is not one to nineteen digits.
    Length,
    /// Any coding but exactly one `chunked`.
    Coding,
    /// Transfer-Encoding in HTTP/1.0 (RFC 9112 §6.1).
    CodingInHttp10,
}

impl fmt::Display for FramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LengthAndCoding => "both Content-Length and Transfer-Encoding are given",
            Self::SeveralLengths => "Content-Length is given more than once",
            Self::Length => "Content-Length is not a number",
            Self::Coding => "the only transfer coding that is understood is one `chunked`",
            Self::CodingInHttp10 => "Transfer-Encoding is not part of HTTP/1.0",
        })
    }
}

impl std::error::Error for FramingError {}

/// How the body behind `head` ends.
///
/// A length goes on in one form, digits without needless zeros: `010` is ten here and eight to a program that reads it as C
/// does. So the head is changed where it says such a length, and nowhere else.
///
/// # Errors
/// Whatever two readers could read differently (`semantics.md` §1.3). The connection must not be used further.
pub fn decide(head: &mut Head, direction: Direction) -> Result<Framing, FramingError> {
    let stated = stated(head)?;
    let Direction::Answer(method) = direction else {
        return Ok(stated.unwrap_or(Framing::None));
    };
    // RFC 9112 §6.3, items 1 and 2: these never have a body, whatever their fields say. What follows the 2xx to a CONNECT
    // is the tunnel's.
    let status = head.status();
    let tunnel = method == Method::Connect && status / 100 == 2;
    if method == Method::Head || tunnel || status < 200 || status == 204 || status == 304 {
        return Ok(Framing::None);
    }
    Ok(stated.unwrap_or(Framing::UntilClose))
}

/// What the fields say; `None` when they say nothing.
fn stated(head: &mut Head) -> Result<Option<Framing>, FramingError> {
    let length_stated = head.has(KnownName::ContentLength);
    if !head.has(KnownName::TransferEncoding) {
        if !length_stated {
            return Ok(None);
        }
        return match head.only(KnownName::ContentLength) {
            Some(value) => {
                let stated = length(value).map(Some);
                if matches!(value, [b'0', _, ..]) && stated.is_ok() {
                    head.drop_zeros(KnownName::ContentLength);
                }
                stated
            }
            None => Err(FramingError::SeveralLengths),
        };
    }
    // RFC 9112 §6.3, item 3: allowed to be repaired there, refused here.
    if length_stated {
        return Err(FramingError::LengthAndCoding);
    }
    if head.version() == Version::Http10 {
        return Err(FramingError::CodingInHttp10);
    }
    match head.only(KnownName::TransferEncoding) {
        Some(value) if value.eq_ignore_ascii_case(b"chunked") => Ok(Some(Framing::Chunked)),
        Some(_) | None => Err(FramingError::Coding),
    }
}

/// RFC 9110 §8.6: `1*DIGIT`. Nineteen digits always fit; nobody sends more.
fn length(value: &[u8]) -> Result<Framing, FramingError> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    let number = || value.iter().try_fold(0, |sum, byte| Some(sum * 10 + digit(byte)?));
    match value.len() {
        1..=LENGTH_DIGITS_MAX => number(),
        _ => None,
    }
    .map(Framing::Sized)
    .ok_or_else(|| if value.contains(&b',') { FramingError::SeveralLengths } else { FramingError::Length })
}

const LENGTH_DIGITS_MAX: usize = 19;

#[cfg(test)]
mod tests;
