//! The form of a line: `common`, `combined` and `json`.
//!
//! Whatever a client sends stays inside its place: in the NCSA formats everything but visible ASCII is written `\xNN`, and
//! so are quotes and backslashes; in JSON control characters are escaped and bytes that are no UTF-8 are replaced. A line is
//! formatted straight into the worker's buffer, without another allocation and without a JSON library in the way.

#[cfg(test)]
mod tests;

use std::io::Write;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use weir_config::model::AccessLogFormat;

use super::number::{decimal, padded};
use super::timestamp;

/// Bytes that mean nothing to any reader of a quoted string: visible ASCII and the space, but no quote and no backslash.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        plain[byte as usize] = byte != b'"' && byte != b'\\';
        byte += 1;
    }
    plain
};

/// What a line says of one request. Bytes are as they came; they need not be UTF-8 nor harmless.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The client, after `trusted_proxies` were looked through.
    pub client: IpAddr,
    /// Who the client proved to be.
    pub user: Option<&'a [u8]>,
    /// When the request's head was whole.
    pub received: SystemTime,
    /// The method; empty when the head could not be read.
    pub method: &'a [u8],
    /// The target as the client wrote it; empty when the head could not be read.
    pub target: &'a [u8],
    /// The protocol, such as `HTTP/1.1`.
    pub version: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// Bytes of the answer's body that were sent.
    pub bytes_sent: u64,
    /// Referer.
    pub referer: Option<&'a [u8]>,
    /// User-Agent.
    pub user_agent: Option<&'a [u8]>,
    /// Host, as it was routed.
    pub host: Option<&'a [u8]>,
    /// The service's name; empty when none matched.
    pub service: &'a str,
    /// The route's name; empty when none matched.
    pub route: &'a str,
    /// The server that answered, as the configuration writes it.
    pub server: Option<&'a str>,
    /// Requests sent to servers for this one.
    pub attempts: u32,
    /// What was tried, in this order, where that was more than one server that has answered. Written as JSON only.
    pub tries: &'a [Try<'a>],
    /// The dispatch mode; empty when the request went to no server.
    pub mode: &'a str,
    /// What became of its copies, in modes that ask several servers. Written as JSON only.
    pub copies: Option<Copies>,
    /// From the first attempt to the head of the answer that was passed on.
    pub upstream_seconds: Option<Duration>,
    /// From the request's first byte to the answer's last.
    pub duration: Duration,
    /// X-Request-Id.
    pub request_id: &'a [u8],
    /// Why Weir answered itself or broke off.
    pub reason: Option<&'a str>,
}

/// What became of the copies of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copies {
    /// Those whose answers were not wanted.
    pub cancelled: u32,
    /// Whether a second one was sent because the first server was slow.
    pub hedged: bool,
    /// Those of a write that a server had taken when its answer was chosen.
    pub acknowledged: u32,
}

/// One server that was asked or passed over.
#[derive(Debug, Clone, Copy)]
pub struct Try<'a> {
    /// The server, as the configuration writes it.
    pub server: &'a str,
    /// What came of it: a word of visible ASCII without quotes.
    pub outcome: &'static str,
    /// The status of its answer, if it gave one.
    pub status: Option<u16>,
    /// How long that took.
    pub time: Duration,
}

impl Entry<'_> {
    /// An entry of a client of whose request nothing is known, as after a head that could not be read.
    pub fn of(client: IpAddr, received: SystemTime) -> Self {
        Self {
            client,
            user: None,
            received,
            method: b"",
            target: b"",
            version: "",
            status: 0,
            bytes_sent: 0,
            referer: None,
            user_agent: None,
            host: None,
            service: "",
            route: "",
            server: None,
            attempts: 0,
            tries: &[],
            mode: "",
            copies: None,
            upstream_seconds: None,
            duration: Duration::ZERO,
            request_id: b"",
            reason: None,
        }
    }
}

/// Appends the line of a request with its line end.
pub fn write(format: AccessLogFormat, entry: &Entry<'_>, out: &mut Vec<u8>) {
    match format {
        AccessLogFormat::Common => common(entry, out),
        AccessLogFormat::Combined => {
            common(entry, out);
            out.push(b' ');
            quoted(entry.referer, out);
            out.push(b' ');
            quoted(entry.user_agent, out);
        }
        AccessLogFormat::Json => return json(entry, out),
    }
    our_fields(entry, out);
    out.push(b'\n');
}

/// `client - user [time] "request line" status bytes`
fn common(entry: &Entry<'_>, out: &mut Vec<u8>) {
    address(entry.client, out);
    out.extend_from_slice(b" - ");
    bare(entry.user.unwrap_or_default(), out);
    out.extend_from_slice(b" [");
    timestamp::ncsa(entry.received, out);
    out.extend_from_slice(b"] \"");
    // Parts of the request line have no spaces, so that a reader can split it at them.
    bare(entry.method, out);
    out.push(b' ');
    bare(entry.target, out);
    out.push(b' ');
    bare(entry.version.as_bytes(), out);
    out.extend_from_slice(b"\" ");
    decimal(entry.status.into(), out);
    out.push(b' ');
    decimal(entry.bytes_sent, out);
}

/// ` key=value` behind an NCSA line, always all of them, so that a pattern can rely on their order.
fn our_fields(entry: &Entry<'_>, out: &mut Vec<u8>) {
    let text = |name: &str, value: &[u8], out: &mut Vec<u8>| {
        out.push(b' ');
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        value_of_key(value, out);
    };
    text("host", entry.host.unwrap_or_default(), out);
    text("service", entry.service.as_bytes(), out);
    text("route", entry.route.as_bytes(), out);
    text("server", entry.server.unwrap_or_default().as_bytes(), out);
    out.extend_from_slice(b" attempts=");
    decimal(entry.attempts.into(), out);
    text("mode", entry.mode.as_bytes(), out);
    out.extend_from_slice(b" upstream_seconds=");
    match entry.upstream_seconds {
        Some(duration) => seconds(duration, out),
        None => out.push(b'-'),
    }
    out.extend_from_slice(b" seconds=");
    seconds(entry.duration, out);
    text("request_id", entry.request_id, out);
    text("reason", entry.reason.unwrap_or_default().as_bytes(), out);
}

/// A client of an IPv6 socket that came by IPv4 is written as that IPv4 client.
fn address(client: IpAddr, out: &mut Vec<u8>) {
    match client.to_canonical() {
        IpAddr::V4(client) => {
            for (place, octet) in client.octets().into_iter().enumerate() {
                if place > 0 {
                    out.push(b'.');
                }
                decimal(octet.into(), out);
            }
        }
        // Writing into a vector does not fail.
        IpAddr::V6(client) => drop(write!(out, "{client}")),
    }
}

/// Seconds with microseconds, as a decimal number that JSON can hold too.
pub(super) fn seconds(duration: Duration, out: &mut Vec<u8>) {
    decimal(duration.as_secs(), out);
    out.push(b'.');
    padded(duration.subsec_micros().into(), 6, out);
}

/// A value between quotes; `"-"` when there is none, as everybody writes it.
fn quoted(value: Option<&[u8]>, out: &mut Vec<u8>) {
    out.push(b'"');
    match value {
        Some(value) => escaped(value, true, out),
        None => out.push(b'-'),
    }
    out.push(b'"');
}

/// A value without quotes and without spaces; `-` when it is empty.
pub(super) fn bare(value: &[u8], out: &mut Vec<u8>) {
    if value.is_empty() {
        out.push(b'-');
    }
    escaped(value, false, out);
}

/// A value behind a key: quoted when it has a space, or could be taken for the `-` of an empty one.
fn value_of_key(value: &[u8], out: &mut Vec<u8>) {
    if value.contains(&b' ') || value == b"-" { quoted(Some(value), out) } else { bare(value, out) }
}

/// Visible ASCII as it is, but for quotes and backslashes; these and all the rest as `\xNN`, without `spaces` also those.
fn escaped(value: &[u8], spaces: bool, out: &mut Vec<u8>) {
    let mut rest = value;
    while let Some(place) =
        rest.iter().position(|byte| !PLAIN[usize::from(*byte)] || (*byte == b' ' && !spaces))
    {
        out.extend_from_slice(&rest[..place]);
        out.extend_from_slice(b"\\x");
        hex(rest[place], out);
        rest = &rest[place + 1..];
    }
    out.extend_from_slice(rest);
}

fn hex(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

fn json(entry: &Entry<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"time\":\"");
    timestamp::rfc3339(entry.received, out);
    out.extend_from_slice(b"\",\"client\":\"");
    address(entry.client, out);
    out.push(b'"');
    json_text("user", entry.user, out);
    json_text("method", Some(entry.method), out);
    json_text("target", Some(entry.target), out);
    json_text("version", Some(entry.version.as_bytes()), out);
    json_number("status", entry.status.into(), out);
    json_number("bytes_sent", entry.bytes_sent, out);
    json_text("referer", entry.referer, out);
    json_text("user_agent", entry.user_agent, out);
    json_text("host", entry.host, out);
    json_text("service", Some(entry.service.as_bytes()), out);
    json_text("route", Some(entry.route.as_bytes()), out);
    json_text("server", entry.server.map(str::as_bytes), out);
    json_number("attempts", entry.attempts.into(), out);
    json_tries(entry.tries, out);
    json_text("mode", Some(entry.mode.as_bytes()), out);
    if let Some(copies) = &entry.copies {
        json_number("cancelled", copies.cancelled.into(), out);
        json_key("hedged", out);
        out.extend_from_slice(if copies.hedged { b"true" } else { b"false" });
        json_number("acknowledged", copies.acknowledged.into(), out);
    }
    json_key("upstream_seconds", out);
    match entry.upstream_seconds {
        Some(duration) => seconds(duration, out),
        None => out.extend_from_slice(b"null"),
    }
    json_key("seconds", out);
    seconds(entry.duration, out);
    json_text("request_id", Some(entry.request_id), out);
    json_text("reason", entry.reason.map(str::as_bytes), out);
    out.extend_from_slice(b"}\n");
}

/// A list, or null when there is nothing that the line does not say anyhow.
fn json_tries(tries: &[Try<'_>], out: &mut Vec<u8>) {
    json_key("tries", out);
    if tries.is_empty() {
        out.extend_from_slice(b"null");
        return;
    }
    for (place, tried) in tries.iter().enumerate() {
        // The words for outcomes are ours, and plain.
        out.extend_from_slice(if place == 0 { b"[{\"outcome\":\"" } else { b",{\"outcome\":\"" });
        out.extend_from_slice(tried.outcome.as_bytes());
        out.push(b'"');
        json_text("server", Some(tried.server.as_bytes()), out);
        json_key("status", out);
        match tried.status {
            Some(status) => decimal(status.into(), out),
            None => out.extend_from_slice(b"null"),
        }
        json_key("seconds", out);
        seconds(tried.time, out);
        out.push(b'}');
    }
    out.push(b']');
}

fn json_key(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn json_number(name: &str, value: u64, out: &mut Vec<u8>) {
    json_key(name, out);
    decimal(value, out);
}

/// A string, or null when there is no value or an empty one: both mean that there was none.
fn json_text(name: &str, value: Option<&[u8]>, out: &mut Vec<u8>) {
    json_key(name, out);
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        out.extend_from_slice(b"null");
        return;
    };
    out.push(b'"');
    if value.iter().all(|byte| PLAIN[usize::from(*byte)]) {
        // Nearly every value, and much cheaper than the way below.
        out.extend_from_slice(value);
    } else {
        for chunk in value.utf8_chunks() {
            json_escaped(chunk.valid().as_bytes(), out);
            if !chunk.invalid().is_empty() {
                out.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
    }
    out.push(b'"');
}

/// The inside of a JSON string (RFC 8259 §7). Takes UTF-8 and gives UTF-8.
fn json_escaped(value: &[u8], out: &mut Vec<u8>) {
    let mut rest = value;
    // U+0080 to U+009F, which begin with C2, need no escape in JSON but move the cursor of a terminal.
    let special = |byte: &u8| matches!(byte, 0..=0x1f | b'"' | b'\\' | 0x7f | 0xc2);
    while let Some(place) = rest.iter().position(special) {
        out.extend_from_slice(&rest[..place]);
        let length = match &rest[place..] {
            [byte @ (b'"' | b'\\'), ..] => {
                out.extend_from_slice(&[b'\\', *byte]);
                1
            }
            [0xc2, byte @ 0x80..=0x9f, ..] => {
                out.extend_from_slice(b"\\u00");
                hex(*byte, out);
                2
            }
            [0xc2, byte, ..] => {
                out.extend_from_slice(&[0xc2, *byte]);
                2
            }
            tail => {
                out.extend_from_slice(b"\\u00");
                hex(tail[0], out);
                1
            }
        };
        rest = &rest[place + length..];
    }
    out.extend_from_slice(rest);
}
