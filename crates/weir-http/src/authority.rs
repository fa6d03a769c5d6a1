//! Host and port as they stand in a Host field, in `:authority` and in an absolute target (semantics.md
//! §1.1).
//!
//! Services are found by this text, so it is read strictly: where RFC 3986 §3.2 lets two readers come to two
//! answers, the request is refused instead.
//!
//! - **Names** consist of letters, digits, `-`, `.`, `_`, `~`. The further `reg-name` characters of RFC 3986
//!   §3.2.2 (`!$&'()*+,;=`) are refused: no name needs them, `*` would read like a wildcard of the
//!   configuration and `,` or `;` like another entry in `X-Forwarded-Host` and `Forwarded`. Escapes are
//!   refused: they would be a second spelling.
//! - **Labels** are not empty (except for one trailing dot) and at most 63 bytes, names at most 253 bytes
//!   (RFC 1035 §2.3.4): no such name can be resolved or stand in a certificate, and the bound keeps logs and
//!   tables small.
//! - **Ports** are 1 to 65535, without leading zeros. RFC 3986 also allows `host:` with nothing behind the
//!   colon, and RFC 9110 §4.2.3 makes it equal to the default port; no client sends it, and parsers disagree
//!   about it: refused.
//! - **Userinfo** is refused (RFC 9110 §4.2.4). **IPv6** stands in brackets and has no zone; `[v1.…]` is
//!   refused.
//!
//! An empty Host (RFC 9110 §7.2 wants it for targets without an authority) is [`AuthorityError::Empty`]: no
//! http or https target is without one (RFC 9110 §4.2.1). The module does not resolve names and does not know
//! services.

use std::fmt;
use std::io::Write;
use std::net::Ipv6Addr;

#[cfg(test)]
mod tests;

/// The longest name, in bytes, without its trailing dot (RFC 1035 §2.3.4).
pub const NAME_BYTES_MAX: usize = 253;

/// The longest label of a name, in bytes (RFC 1035 §2.3.4).
pub const LABEL_BYTES_MAX: usize = 63;

/// The longest text of an IPv6 address: eight groups of four digits or the mixed form, with two brackets.
const IPV6_BYTES_MAX: usize = 2 + 45;

/// A checked host with its port, borrowed from the text it was read from.
///
/// There is no `==`: use [`same_authority`], which knows the default port and the spellings of a host.
#[derive(Clone, Copy, Debug)]
pub struct Authority<'a> {
    host: &'a [u8],
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// The host as it was written: a name, an IPv4 address, or an IPv6 address in brackets. Always ASCII,
    /// never empty.
    pub fn host(&self) -> &'a [u8] {
        self.host
    }

    /// The port if one was written; never 0.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

/// Bytes that names consist of.
const NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'-' | b'.' | b'_' | b'~');
        byte += 1;
    }
    table
};

/// Why a text is no authority; all are answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorityError {
    /// There is no host.
    Empty,
    /// Something stands before an `@`.
    Userinfo,
    /// A percent escape.
    Escape,
    /// A byte that no host holds.
    Character,
    /// Two dots in a row, or a dot at the beginning.
    EmptyLabel,
    /// A label is longer than [`LABEL_BYTES_MAX`].
    LabelTooLong,
    /// The name is longer than [`NAME_BYTES_MAX`].
    NameTooLong,
    /// Brackets without an IPv6 address in them.
    Ipv6,
    /// A port that is empty, 0, above 65535, has leading zeros, or is no number.
    Port,
}

impl fmt::Display for AuthorityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the host is empty",
            Self::Userinfo => "the host has a user name before it",
            Self::Escape => "the host holds a percent escape",
            Self::Character => "the host holds a character that no host has",
            Self::EmptyLabel => "the host has an empty label",
            Self::LabelTooLong => "the host has a label of more than 63 bytes",
            Self::NameTooLong => "the host has more than 253 bytes",
            Self::Ipv6 => "the brackets of the host do not hold an IPv6 address",
            Self::Port => "the port is not a number from 1 to 65535",
        })
    }
}

impl std::error::Error for AuthorityError {}

/// Reads `host` or `host:port`. White space around the text is the caller's to remove; here it is a bad
/// character.
pub fn parse(text: &[u8]) -> Result<Authority<'_>, AuthorityError> {
    let host_len = match text.first() {
        Some(b'[') => ipv6_len(text)?,
        Some(_) => text.iter().position(|&byte| !NAME[usize::from(byte)]).unwrap_or(text.len()),
        None => return Err(AuthorityError::Empty),
    };
    let (host, rest) = text.split_at(host_len);
    let port = match rest {
        [] => None,
        [b':', digits @ ..] if !host.is_empty() => {
            Some(parse_port(digits).ok_or_else(|| not_a_port(host, rest))?)
        }
        _ => return Err(not_a_port(host, rest)),
    };
    check_name(host)?;
    Ok(Authority { host, port })
}

/// What is wrong with what stands behind a host.
#[cold]
fn not_a_port(host: &[u8], rest: &[u8]) -> AuthorityError {
    match rest {
        // Asked before the port, so that `user:secret@host` is called what it is.
        _ if rest.contains(&b'@') => AuthorityError::Userinfo,
        [b':', ..] if host.is_empty() => AuthorityError::Empty,
        [b':', ..] => AuthorityError::Port,
        [b'%', ..] => AuthorityError::Escape,
        _ => AuthorityError::Character,
    }
}

/// How many bytes the bracketed address at the beginning has.
fn ipv6_len(text: &[u8]) -> Result<usize, AuthorityError> {
    let end = text.iter().position(|&byte| byte == b']').ok_or(AuthorityError::Ipv6)?;
    ipv6(&text[..=end]).ok_or(AuthorityError::Ipv6)?;
    Ok(end + 1)
}

/// The address in brackets. Zones (`%eth0`, RFC 6874) mean something only on the machine that wrote them and
/// are not read.
fn ipv6(host: &[u8]) -> Option<Ipv6Addr> {
    let inside = host.strip_prefix(b"[")?.strip_suffix(b"]")?;
    std::str::from_utf8(inside).ok()?.parse().ok()
}

fn check_name(host: &[u8]) -> Result<(), AuthorityError> {
    if host.first() == Some(&b'[') {
        return Ok(());
    }
    let name = without_trailing_dot(host);
    if name.len() > NAME_BYTES_MAX {
        return Err(AuthorityError::NameTooLong);
    }
    let mut label_bytes = 0;
    for byte in name {
        if *byte != b'.' {
            label_bytes += 1;
            continue;
        }
        check_label(label_bytes)?;
        label_bytes = 0;
    }
    check_label(label_bytes)
}

fn check_label(bytes: usize) -> Result<(), AuthorityError> {
    match bytes {
        0 => Err(AuthorityError::EmptyLabel),
        1..=LABEL_BYTES_MAX => Ok(()),
        _ => Err(AuthorityError::LabelTooLong),
    }
}

fn parse_port(digits: &[u8]) -> Option<u16> {
    // The first digit also rules out 0 and leading zeros: a port has one spelling.
    if !matches!(digits, [b'1'..=b'9', ..]) || digits.len() > 5 {
        return None;
    }
    let mut port: u32 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        port = port * 10 + u32::from(digit - b'0');
    }
    u16::try_from(port).ok()
}

fn without_trailing_dot(host: &[u8]) -> &[u8] {
    host.strip_suffix(b".").unwrap_or(host)
}

/// Whether `host` is its own normal form, so that [`normalise_host`] would give it back unchanged. Allocates
/// nothing.
///
/// `host` is what [`Authority::host`] gives; of other texts only the case and the trailing dot are looked at.
pub fn is_normal_host(host: &[u8]) -> bool {
    match ipv6(host) {
        Some(address) => {
            let mut buffer = [0; IPV6_BYTES_MAX];
            ipv6_text(address, &mut buffer) == host
        }
        // A fold over all bytes, because finding the first one is slower than looking at several at once.
        None => {
            !host.ends_with(b".") && !host.iter().fold(false, |any, byte| any | byte.is_ascii_uppercase())
        }
    }
}

/// Appends the form of `host` by which services are found: lower case, one trailing dot removed, IPv6 in its
/// shortest text (RFC 5952) and in brackets.
///
/// `host` is what [`Authority::host`] gives; the result is never longer than 253 bytes then.
pub fn normalise_host(host: &[u8], out: &mut Vec<u8>) {
    if let Some(address) = ipv6(host) {
        let mut buffer = [0; IPV6_BYTES_MAX];
        out.extend_from_slice(ipv6_text(address, &mut buffer));
    } else {
        out.extend(without_trailing_dot(host).iter().map(u8::to_ascii_lowercase));
    }
}

/// Writes the address with its brackets into `buffer`.
fn ipv6_text(address: Ipv6Addr, buffer: &mut [u8; IPV6_BYTES_MAX]) -> &[u8] {
    let mut rest = &mut buffer[..];
    // The buffer holds the longest address; were it too short, the text would be cut and equal to nothing.
    let written = write!(rest, "[{address}]");
    debug_assert!(written.is_ok(), "an IPv6 address longer than {IPV6_BYTES_MAX} bytes");
    let left = rest.len();
    &buffer[..IPV6_BYTES_MAX - left]
}

/// Whether two authorities name the same host and port: case, one trailing dot, the spelling of an IPv6
/// address and a written default port make no difference (semantics.md §1.1).
///
/// `default_port` is that of the scheme: 80 or 443.
pub fn same_authority(one: &Authority<'_>, other: &Authority<'_>, default_port: u16) -> bool {
    one.port.unwrap_or(default_port) == other.port.unwrap_or(default_port) && same_host(one.host, other.host)
}

fn same_host(one: &[u8], other: &[u8]) -> bool {
    match (ipv6(one), ipv6(other)) {
        (None, None) => without_trailing_dot(one).eq_ignore_ascii_case(without_trailing_dot(other)),
        (one, other) => one == other,
    }
}
