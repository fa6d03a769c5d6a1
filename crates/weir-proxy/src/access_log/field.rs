//! One field of a line in the forms for people: a value as it is, `-` when there is none.

use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use weir_core::log_field::LogField;
use weir_core::log_template::Told;
use weir_core::trace_context::{part_digits, trace_digits};

use super::entry::{Entry, Try};
use super::escape::escaped;
use super::number::{decimal, padded};
use super::timestamp;

/// Appends the value. Spaces are kept where it stands between quotes and escaped elsewhere, so that a line can be split at its spaces.
pub(super) fn write(told: &Told, quoted: bool, entry: &Entry<'_>, out: &mut Vec<u8>) {
    match told {
        Told::Field(field) => field_of(*field, quoted, entry, out),
        Told::Header(name) => text(entry.header(name), quoted, out),
    }
}

fn field_of(field: LogField, quoted: bool, entry: &Entry<'_>, out: &mut Vec<u8>) {
    use LogField as F;
    let word = |value: &[u8], out: &mut Vec<u8>| text(Some(value), quoted, out);
    match field {
        F::Time => timestamp::rfc3339(entry.received, out),
        F::NcsaTime => timestamp::ncsa(entry.received, out),
        F::Client => address(entry.client, out),
        F::Peer => address(entry.peer, out),
        F::User => text(entry.user, quoted, out),
        F::Method => word(entry.method, out),
        F::Target => word(entry.target, out),
        F::Version => word(entry.version.as_bytes(), out),
        F::Scheme => word(entry.scheme.as_bytes(), out),
        F::Status => decimal(entry.status.into(), out),
        F::BytesSent => decimal(entry.bytes_sent, out),
        F::BytesReceived => decimal(entry.bytes_received, out),
        F::Referer => text(entry.referer, quoted, out),
        F::UserAgent => text(entry.user_agent, quoted, out),
        F::Host => text(entry.host, quoted, out),
        F::Service => word(entry.service.as_bytes(), out),
        F::Route => word(entry.route.as_bytes(), out),
        F::Server => text(entry.server.map(str::as_bytes), quoted, out),
        F::Attempts => decimal(entry.attempts.into(), out),
        F::Tries => tries(entry.tries, quoted, out),
        F::Mode => word(entry.mode.as_bytes(), out),
        F::Cancelled | F::Hedged | F::Acknowledged => {
            text(of_copies(field, entry).as_deref().map(str::as_bytes), quoted, out);
        }
        F::QueueSeconds => seconds(entry.queued, out),
        F::ConnectSeconds => seconds(entry.connecting, out),
        F::UpstreamSeconds => match entry.upstream_seconds {
            Some(duration) => seconds(duration, out),
            None => out.push(b'-'),
        },
        F::Seconds => seconds(entry.duration, out),
        F::RequestId => word(entry.request_id, out),
        F::TraceId => {
            let id = entry.trace.map(|trace| trace_digits(trace.trace_id));
            text(id.as_ref().map(|id| &id[..]), quoted, out);
        }
        F::SpanId => {
            let id = entry.trace.map(|trace| part_digits(trace.span_id));
            text(id.as_ref().map(|id| &id[..]), quoted, out);
        }
        F::ParentId => {
            let id = entry.trace.and_then(|trace| trace.parent_id).map(part_digits);
            text(id.as_ref().map(|id| &id[..]), quoted, out);
        }
        F::Reason => text(entry.reason.map(str::as_bytes), quoted, out),
    }
}

/// What is told of copies, as a number or a truth value; `None` where the mode makes none, and for other fields.
pub(super) fn of_copies(field: LogField, entry: &Entry<'_>) -> Option<String> {
    let copies = entry.copies?;
    match field {
        LogField::Cancelled => Some(copies.cancelled.to_string()),
        LogField::Hedged => Some(copies.hedged.to_string()),
        LogField::Acknowledged => Some(copies.acknowledged.to_string()),
        _ => None,
    }
}

fn text(value: Option<&[u8]>, quoted: bool, out: &mut Vec<u8>) {
    match value.filter(|value| !value.is_empty()) {
        Some(value) => escaped(value, quoted, out),
        None => out.push(b'-'),
    }
}

/// `a:1=reset,b:1=200`
fn tries(tries: &[Try<'_>], quoted: bool, out: &mut Vec<u8>) {
    if tries.is_empty() {
        out.push(b'-');
    }
    for (place, tried) in tries.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        escaped(tried.server.as_bytes(), quoted, out);
        out.push(b'=');
        match tried.status {
            Some(status) => decimal(status.into(), out),
            None => out.extend_from_slice(tried.outcome.as_bytes()),
        }
    }
}

/// A client of an IPv6 socket that came by IPv4 is written as that IPv4 client.
pub(super) fn address(client: IpAddr, out: &mut Vec<u8>) {
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
