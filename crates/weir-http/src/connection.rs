//! The Connection field and what is said about one hop only (RFC 9110 §7.6.1, semantics.md §1.4).
//!
//! What a sender names in Connection is removed before the message goes on. A sender can misuse that: naming
//! Content-Length, Transfer-Encoding or Host would change where the message ends or whom it is for, so those
//! are refused. Everything else that is named is removed from what was *received*; what Weir adds itself it
//! adds afterwards.
//!
//! Some fields never go on, whether they are named or not: see [`is_hop_by_hop`]. The module reads values and
//! holds no head: removing is done by whoever owns the message.

use std::fmt;
use std::time::Duration;

use crate::field::{FieldName, KnownName, NameSet};
use crate::list;

#[cfg(test)]
mod tests;

/// How many options all Connection fields of one message may hold together. Real ones hold one or two; each
/// costs a search through the fields of the message, so their number is bounded. More are refused with
/// [`ConnectionError::TooMany`].
pub const OPTIONS_MAX: usize = 32;

/// The longest life that is read from a Keep-Alive field, in seconds (a day). Longer ones count as this.
pub const KEEP_ALIVE_SECONDS_MAX: u64 = 24 * 60 * 60;

/// Fields that never go on to the next hop, whether Connection names them or not.
///
/// - Connection, Proxy-Connection, Keep-Alive, TE, Transfer-Encoding, Upgrade: RFC 9110 §7.6.1. What the next
///   hop shall have of `TE: trailers` and of Upgrade is written anew, see [`te_trailers`] and
///   [`crate::upgrade`].
/// - HTTP2-Settings belongs to the `h2c` upgrade, which is never passed on (semantics.md §1.4).
/// - Proxy-Authorization, Proxy-Authenticate and Proxy-Authentication-Info are between a client and the proxy
///   that it was told to use (RFC 9110 §11.7). Relaying is allowed there, but a server behind a reverse proxy
///   has no use for the credentials of another proxy, and credentials do not go where they are not used.
///
/// Trailer is not among them: it announces what trailers follow, and those are passed on.
pub const HOP_BY_HOP: NameSet = NameSet::of(&[
    KnownName::Connection,
    KnownName::ProxyConnection,
    KnownName::KeepAlive,
    KnownName::Te,
    KnownName::TransferEncoding,
    KnownName::Upgrade,
    KnownName::Http2Settings,
    KnownName::ProxyAuthorization,
    KnownName::ProxyAuthenticate,
    KnownName::ProxyAuthenticationInfo,
]);

/// Whether a field is one of [`HOP_BY_HOP`].
pub fn is_hop_by_hop<'n>(name: impl Into<FieldName<'n>>) -> bool {
    matches!(name.into(), FieldName::Known(known) if HOP_BY_HOP.holds(known))
}

/// Whether a field has no business in a trailer section, so that it is not passed on from there.
///
/// RFC 9110 §6.5.1 keeps what is needed for framing, routing, authentication or reading the content out of trailers, because
/// it comes too late and a receiver that merges trailers into the head would believe it. What this proxy vouches for in the
/// head must not be claimed behind it either (semantics.md §1.8).
pub fn is_refused_in_trailers<'n>(name: impl Into<FieldName<'n>>) -> bool {
    let name = name.into();
    let known = matches!(
        name,
        FieldName::Known(
            KnownName::Authorization
                | KnownName::ContentEncoding
                | KnownName::ContentLength
                | KnownName::ContentRange
                | KnownName::ContentType
                | KnownName::Cookie
                | KnownName::Expect
                | KnownName::Forwarded
                | KnownName::Host
                | KnownName::IdempotencyKey
                | KnownName::Location
                | KnownName::MaxForwards
                | KnownName::SetCookie
                | KnownName::Trailer
                | KnownName::Via
                | KnownName::XBackendServer
                | KnownName::XForwardedFor
                | KnownName::XForwardedHost
                | KnownName::XForwardedProto
                | KnownName::XRealIp
                | KnownName::XRequestId
        )
    );
    known || is_hop_by_hop(name) || name.speaks_of_a_client()
}

/// Fields whose removal would change where the message ends or whom it is for.
const NEVER_NAMED: [&str; 3] = ["host", "content-length", "transfer-encoding"];

/// What the Connection fields of one message say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionOptions {
    /// `close`: the connection ends after this message (RFC 9112 §9.6).
    pub close: bool,
    /// `keep-alive`: an HTTP/1.0 sender wants to keep the connection (RFC 9112 §9.3). `close` beats it.
    pub keep_alive: bool,
    /// `upgrade`: the Upgrade field of this message is meant for this hop (RFC 9110 §7.8).
    pub upgrade: bool,
    /// `te`: the TE field of this message is meant for this hop (RFC 9110 §10.1.4).
    pub te: bool,
}

/// Why Connection fields can't be read: 400 in a request, 502 in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionError {
    /// An option that is no token.
    NotAToken,
    /// It names Host, Content-Length or Transfer-Encoding.
    Forbidden,
    /// More than [`OPTIONS_MAX`] options.
    TooMany,
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAToken => f.write_str("the connection field holds something that is no token"),
            Self::Forbidden => {
                f.write_str("the connection field names `host`, `content-length` or `transfer-encoding`")
            }
            Self::TooMany => write!(f, "the connection field holds more than {OPTIONS_MAX} options"),
        }
    }
}

impl std::error::Error for ConnectionError {}

/// Reads all Connection fields of one message.
///
/// `named` is called, in order, for every option that names a field besides `close`, `keep-alive`, `upgrade`
/// and `te`, whose fields never go on anyway. It gets tokens as they were written, possibly the same one
/// twice, and may have been called before an error is found: a message with an error is not sent on at all.
pub fn read<'a>(
    values: impl Iterator<Item = &'a [u8]>,
    mut named: impl FnMut(&'a [u8]),
) -> Result<ConnectionOptions, ConnectionError> {
    let mut options = ConnectionOptions::default();
    let mut count = 0;
    for value in values {
        // What nearly every message says is no list, and is written in one of two ways.
        match value {
            b"keep-alive" | b"Keep-Alive" if count < OPTIONS_MAX => options.keep_alive = true,
            b"close" | b"Close" if count < OPTIONS_MAX => options.close = true,
            _ => {
                for option in list::elements(value) {
                    if count == OPTIONS_MAX {
                        return Err(ConnectionError::TooMany);
                    }
                    count += 1;
                    read_option(option, &mut options, &mut named)?;
                }
                continue;
            }
        }
        count += 1;
    }
    Ok(options)
}

fn read_option<'a>(
    option: &'a [u8],
    options: &mut ConnectionOptions,
    named: &mut impl FnMut(&'a [u8]),
) -> Result<(), ConnectionError> {
    let is = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
    if is("close") {
        options.close = true;
    } else if is("keep-alive") {
        options.keep_alive = true;
    } else if is("upgrade") {
        options.upgrade = true;
    } else if is("te") {
        options.te = true;
    } else if !list::is_token(option) {
        return Err(ConnectionError::NotAToken);
    } else if NEVER_NAMED.into_iter().any(is) {
        return Err(ConnectionError::Forbidden);
    } else {
        named(option);
    }
    Ok(())
}

/// Whether the TE fields of a request accept trailers, so that `TE: trailers` goes on (RFC 9110 §10.1.4).
/// Everything else in them is about this hop's transfer codings and ends here.
pub fn te_trailers<'a>(values: impl Iterator<Item = &'a [u8]>) -> bool {
    values.flat_map(list::elements).any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
}

/// How long a server says that it keeps an idle connection: the `timeout` of `Keep-Alive: timeout=5,
/// max=100`.
///
/// At most [`KEEP_ALIVE_SECONDS_MAX`]. The shortest counts if there are several; one that is no number gives
/// `None`, and the default of the pool decides.
pub fn keep_alive_timeout(value: &[u8]) -> Option<Duration> {
    let mut shortest: Option<u64> = None;
    for parameter in list::elements(value) {
        let Some(at) = parameter.iter().position(|&byte| byte == b'=') else {
            continue;
        };
        if list::trim(&parameter[..at]).eq_ignore_ascii_case(b"timeout") {
            let seconds = parse_seconds(list::trim(&parameter[at + 1..]))?;
            shortest = Some(shortest.map_or(seconds, |shortest| shortest.min(seconds)));
        }
    }
    shortest.map(Duration::from_secs)
}

fn parse_seconds(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0, |seconds: u64, digit| {
        // Cutting off on each step keeps any number of digits from overflowing.
        digit.is_ascii_digit().then(|| (seconds * 10 + u64::from(digit - b'0')).min(KEEP_ALIVE_SECONDS_MAX))
    })
}
