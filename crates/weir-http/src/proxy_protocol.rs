//! The header of the PROXY protocol, versions 1 and 2: what a proxy in front of us says about the client before the
//! client's own first byte (haproxy.org, "The PROXY protocol", 2020-03-05).
//!
//! The decoder says how many bytes are certainly still missing. Whoever reads no more than that never takes a byte which
//! belongs to what comes behind the header; so nothing has to be handed back, and TLS may follow. It is strict: what the
//! specification does not allow is an error and not a guess, because an address that is believed decides who may come in.
//!
//! Our own, because the libraries that there are take a header out of a buffer that may hold more, and some accept
//! signs and leading zeros in ports.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use smallvec::SmallVec;

/// The longest header of version 1: two IPv6 addresses of 39 letters, with its line end.
pub const V1_BYTES_MAX: usize = 107;

/// The longest header of version 2 that is read: what the specification asks receivers to have room for, addresses and
/// some extensions.
pub const V2_BYTES_MAX: usize = 536;

/// How version 2 begins: bytes that no HTTP request and no TLS handshake begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The bytes of version 2 that are always there: signature, command, family, length.
const FIXED_BYTES: usize = 16;

/// Whom a header names as the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// Nobody: the connection is the proxy's own (a health check), or the client has no network address.
    Unnamed,
    /// This address.
    At(SocketAddr),
}

/// What is known after some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// At least so many bytes of the header are missing; never 0.
    Missing(usize),
    /// The bytes are a whole header, to the last one.
    Whole(Client),
}

/// Why bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyHeaderError {
    /// They begin like neither version.
    Signature,
    /// A line of version 1 that says something else than two addresses and two ports.
    Line,
    /// A command, a family or a transport that version 2 does not have, or datagrams on a stream.
    Command,
    /// Addresses or extensions that do not fit the length.
    Length,
    /// It is longer than [`V1_BYTES_MAX`] or [`V2_BYTES_MAX`].
    TooLong,
}

impl fmt::Display for ProxyHeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signature => "it begins like neither version of the PROXY protocol",
            Self::Line => "the line does not have two addresses and two ports",
            Self::Command => "the command or the family is unknown",
            Self::Length => "addresses or extensions do not fit the length",
            Self::TooLong => "it is too long",
        })
    }
}

impl std::error::Error for ProxyHeaderError {}

/// Looks at the bytes that have come so far, from the first one. Called with no more than were missing before, it never
/// sees a byte behind the header.
///
/// # Errors
/// The bytes can't become a header any more.
pub fn read(bytes: &[u8]) -> Result<Progress, ProxyHeaderError> {
    match bytes.first() {
        None => Ok(Progress::Missing(SHORTEST_LINE)),
        Some(b'P') => read_v1(bytes),
        Some(_) => read_v2(bytes),
    }
}

/// The shortest line: nothing is known.
const SHORTEST_LINE: usize = b"PROXY UNKNOWN\r\n".len();

fn read_v1(bytes: &[u8]) -> Result<Progress, ProxyHeaderError> {
    const BEGINNING: &[u8] = b"PROXY ";
    let Some(rest) = behind(bytes, BEGINNING)? else {
        return Ok(Progress::Missing(SHORTEST_LINE - bytes.len()));
    };
    let Some(end) = line_end(bytes)? else {
        let missing = if bytes.ends_with(b"\r") { 1 } else { missing_of_line(rest)? };
        // The line end alone would not fit any more.
        let room = V1_BYTES_MAX.saturating_sub(bytes.len());
        return if room < missing.min(2) {
            Err(ProxyHeaderError::TooLong)
        } else {
            Ok(Progress::Missing(missing.min(room)))
        };
    };
    // Whoever read further than it was told would take bytes of somebody else for part of this.
    if end + 2 != bytes.len() {
        return Err(ProxyHeaderError::Line);
    }
    if bytes.len() > V1_BYTES_MAX {
        return Err(ProxyHeaderError::TooLong);
    }
    client_of_line(&bytes[BEGINNING.len()..end]).map(Progress::Whole)
}

/// What stands behind a beginning; `None` while it is not complete.
fn behind<'b>(bytes: &'b [u8], beginning: &[u8]) -> Result<Option<&'b [u8]>, ProxyHeaderError> {
    let common = bytes.len().min(beginning.len());
    if bytes[..common] != beginning[..common] {
        return Err(ProxyHeaderError::Signature);
    }
    Ok(bytes.get(beginning.len()..))
}

/// Where the line ends, if it does: CR and LF stand together and nowhere else.
fn line_end(bytes: &[u8]) -> Result<Option<usize>, ProxyHeaderError> {
    let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else { return Ok(None) };
    match &bytes[end..] {
        [b'\r'] => Ok(None),
        [b'\r', b'\n', ..] => Ok(Some(end)),
        _ => Err(ProxyHeaderError::Line),
    }
}

/// The fewest bytes that a line lacks of which this stands behind `PROXY `.
fn missing_of_line(rest: &[u8]) -> Result<usize, ProxyHeaderError> {
    let mut words = rest.split(|byte| *byte == b' ');
    let family = words.next().unwrap_or_default();
    let shortest_address = match family {
        b"TCP4" => b"0.0.0.0".len(),
        b"TCP6" => b"::".len(),
        // What follows may be anything.
        b"UNKNOWN" => return Ok(2),
        // Nothing else stands there yet, and it may become one of them.
        _ if [&b"UNKNOWN"[..], b"TCP4", b"TCP6"].iter().any(|name| name.starts_with(rest)) => {
            return Ok(b"UNKNOWN\r\n".len() - rest.len());
        }
        _ => return Err(ProxyHeaderError::Line),
    };
    let shortest = [shortest_address, shortest_address, 1, 1];
    let words: SmallVec<[&[u8]; 5]> = words.collect();
    if words.len() > shortest.len() {
        return Err(ProxyHeaderError::Line);
    }
    // A word that has begun may end at once; the others are missing with the space before them.
    let of_last = match words.last() {
        Some([]) => shortest[words.len() - 1],
        Some(_) | None => 0,
    };
    let of_others: usize = shortest[words.len()..].iter().map(|length| length + 1).sum();
    Ok(of_last + of_others + 2)
}

fn client_of_line(line: &[u8]) -> Result<Client, ProxyHeaderError> {
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Ok(Client::Unnamed);
    }
    let text = std::str::from_utf8(line).map_err(|_| ProxyHeaderError::Line)?;
    let words: SmallVec<[&str; 6]> = text.split(' ').collect();
    let &[family, source, destination, port, destination_port] = words.as_slice() else {
        return Err(ProxyHeaderError::Line);
    };
    let address = |text: &str| match family {
        "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    };
    match (address(source), address(destination), self::port(port), self::port(destination_port)) {
        (Some(source), Some(_), Some(port), Some(_)) => Ok(Client::At(SocketAddr::new(source, port))),
        _ => Err(ProxyHeaderError::Line),
    }
}

/// A decimal number without sign and without zeros before it.
fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let zeros = text.len() > 1 && text.starts_with('0');
    if digits && !zeros { text.parse().ok() } else { None }
}

fn read_v2(bytes: &[u8]) -> Result<Progress, ProxyHeaderError> {
    behind(bytes, SIGNATURE)?;
    if let Some(command) = bytes.get(12) {
        // Version 2; the command is LOCAL or PROXY.
        if !matches!(command, 0x20 | 0x21) {
            return Err(ProxyHeaderError::Command);
        }
    }
    if let Some(family) = bytes.get(13) {
        // Unknown, or a stream over IPv4, IPv6 or a Unix socket. Datagrams have no connection that we could have accepted.
        if !matches!(family, 0x00 | 0x11 | 0x21 | 0x31) {
            return Err(ProxyHeaderError::Command);
        }
    }
    let Some(length) = bytes.get(14..FIXED_BYTES) else {
        return Ok(Progress::Missing(FIXED_BYTES - bytes.len()));
    };
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    if FIXED_BYTES + length > V2_BYTES_MAX {
        return Err(ProxyHeaderError::TooLong);
    }
    let addresses = address_bytes(bytes[12], bytes[13]);
    if length < addresses {
        return Err(ProxyHeaderError::Length);
    }
    let rest = &bytes[FIXED_BYTES..];
    match rest.len().cmp(&length) {
        std::cmp::Ordering::Less => Ok(Progress::Missing(length - rest.len())),
        std::cmp::Ordering::Greater => Err(ProxyHeaderError::Length),
        std::cmp::Ordering::Equal => {
            // Where there are no addresses there may be anything, which is passed over.
            if addresses > 0 {
                check_extensions(&rest[addresses..])?;
            }
            Ok(Progress::Whole(client_of_addresses(bytes[12], bytes[13], rest)))
        }
    }
}

/// The bytes of both addresses and ports.
fn address_bytes(command: u8, family: u8) -> usize {
    match (command, family) {
        (0x21, 0x11) => 4 + 4 + 2 + 2,
        (0x21, 0x21) => 16 + 16 + 2 + 2,
        (0x21, 0x31) => 108 + 108,
        _ => 0,
    }
}

/// Extensions are passed over, but they must be whole: type, length, value.
fn check_extensions(mut rest: &[u8]) -> Result<(), ProxyHeaderError> {
    while let [_, high, low, behind @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        rest = behind.get(length..).ok_or(ProxyHeaderError::Length)?;
    }
    if rest.is_empty() { Ok(()) } else { Err(ProxyHeaderError::Length) }
}

fn client_of_addresses(command: u8, family: u8, rest: &[u8]) -> Client {
    let port = |at: usize| rest.get(at..at + 2).map(|port| u16::from_be_bytes([port[0], port[1]]));
    let client = match (command, family) {
        (0x21, 0x11) => rest.first_chunk::<4>().map(|source| IpAddr::from(*source)).zip(port(8)),
        (0x21, 0x21) => rest.first_chunk::<16>().map(|source| IpAddr::from(*source)).zip(port(32)),
        // A process on the proxy's machine, which is no process on ours.
        _ => None,
    };
    client.map_or(Client::Unnamed, |(source, port)| Client::At(SocketAddr::new(source, port)))
}

#[cfg(test)]
mod tests;
