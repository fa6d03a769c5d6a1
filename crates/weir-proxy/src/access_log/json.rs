//! A line as a JSON object: the usual fields, or chosen ones in their order.
//!
//! The usual line is written field by field, without looking at a list: most logs are of this form.

use std::time::Duration;

use weir_core::log_field::LogField;
use weir_core::log_template::Told;
use weir_core::trace_context::{part_digits, trace_digits};

use super::entry::{Entry, Try};
use super::escape::json_string;
use super::field::{address, of_copies, seconds};
use super::number::decimal;
use super::timestamp;

/// The usual fields.
pub(super) fn usual(entry: &Entry<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"time\":\"");
    timestamp::rfc3339(entry.received, out);
    out.extend_from_slice(b"\",\"client\":\"");
    address(entry.client, out);
    out.push(b'"');
    text("user", entry.user, out);
    text("method", Some(entry.method), out);
    text("target", Some(entry.target), out);
    text("version", Some(entry.version.as_bytes()), out);
    number("status", entry.status.into(), out);
    number("bytes_sent", entry.bytes_sent, out);
    text("referer", entry.referer, out);
    text("user_agent", entry.user_agent, out);
    text("host", entry.host, out);
    text("service", Some(entry.service.as_bytes()), out);
    text("route", Some(entry.route.as_bytes()), out);
    text("server", entry.server.map(str::as_bytes), out);
    number("attempts", entry.attempts.into(), out);
    key("tries", out);
    tries(entry.tries, out);
    text("mode", Some(entry.mode.as_bytes()), out);
    if let Some(copies) = &entry.copies {
        number("cancelled", copies.cancelled.into(), out);
        key("hedged", out);
        out.extend_from_slice(if copies.hedged { b"true" } else { b"false" });
        number("acknowledged", copies.acknowledged.into(), out);
    }
    key("upstream_seconds", out);
    seconds_or_null(entry.upstream_seconds, out);
    key("seconds", out);
    seconds(entry.duration, out);
    text("request_id", Some(entry.request_id), out);
    if entry.trace.is_some() {
        for field in [LogField::TraceId, LogField::SpanId, LogField::ParentId] {
            key(field.name(), out);
            value(field, entry, out);
        }
    }
    text("reason", entry.reason.map(str::as_bytes), out);
    out.extend_from_slice(b"}\n");
}

/// These fields, in this order.
pub(super) fn chosen(fields: &[Told], entry: &Entry<'_>, out: &mut Vec<u8>) {
    for (place, told) in fields.iter().enumerate() {
        out.extend_from_slice(if place == 0 { b"{\"" } else { b",\"" });
        match told {
            Told::Field(field) => {
                out.extend_from_slice(field.name().as_bytes());
                out.extend_from_slice(b"\":");
                value(*field, entry, out);
            }
            Told::Header(name) => {
                // A token: nothing in it is special in JSON.
                out.extend_from_slice(b"header:");
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b"\":");
                json_string(entry.header(name), out);
            }
        }
    }
    out.extend_from_slice(b"}\n");
}

/// The value of one field.
fn value(field: LogField, entry: &Entry<'_>, out: &mut Vec<u8>) {
    use LogField as F;
    let string = |value: &[u8], out: &mut Vec<u8>| json_string(Some(value), out);
    match field {
        F::Time => quoted(out, |out| timestamp::rfc3339(entry.received, out)),
        F::NcsaTime => quoted(out, |out| timestamp::ncsa(entry.received, out)),
        F::Client => quoted(out, |out| address(entry.client, out)),
        F::Peer => quoted(out, |out| address(entry.peer, out)),
        F::User => json_string(entry.user, out),
        F::Method => string(entry.method, out),
        F::Target => string(entry.target, out),
        F::Version => string(entry.version.as_bytes(), out),
        F::Scheme => string(entry.scheme.as_bytes(), out),
        F::Status => decimal(entry.status.into(), out),
        F::BytesSent => decimal(entry.bytes_sent, out),
        F::BytesReceived => decimal(entry.bytes_received, out),
        F::Referer => json_string(entry.referer, out),
        F::UserAgent => json_string(entry.user_agent, out),
        F::Host => json_string(entry.host, out),
        F::Service => string(entry.service.as_bytes(), out),
        F::Route => string(entry.route.as_bytes(), out),
        F::Server => json_string(entry.server.map(str::as_bytes), out),
        F::Attempts => decimal(entry.attempts.into(), out),
        F::Tries => tries(entry.tries, out),
        F::Mode => string(entry.mode.as_bytes(), out),
        F::Cancelled | F::Hedged | F::Acknowledged => match of_copies(field, entry) {
            // Numbers and truth values, which JSON writes as they are.
            Some(word) => out.extend_from_slice(word.as_bytes()),
            None => out.extend_from_slice(b"null"),
        },
        F::QueueSeconds => seconds(entry.queued, out),
        F::ConnectSeconds => seconds(entry.connecting, out),
        F::UpstreamSeconds => seconds_or_null(entry.upstream_seconds, out),
        F::Seconds => seconds(entry.duration, out),
        F::RequestId => string(entry.request_id, out),
        F::TraceId => {
            let id = entry.trace.map(|trace| trace_digits(trace.trace_id));
            json_string(id.as_ref().map(|id| &id[..]), out);
        }
        F::SpanId => {
            let id = entry.trace.map(|trace| part_digits(trace.span_id));
            json_string(id.as_ref().map(|id| &id[..]), out);
        }
        F::ParentId => {
            let id = entry.trace.and_then(|trace| trace.parent_id).map(part_digits);
            json_string(id.as_ref().map(|id| &id[..]), out);
        }
        F::Reason => json_string(entry.reason.map(str::as_bytes), out),
    }
}

/// A list, or null when there is nothing that the line does not say anyhow.
fn tries(tries: &[Try<'_>], out: &mut Vec<u8>) {
    if tries.is_empty() {
        out.extend_from_slice(b"null");
        return;
    }
    for (place, tried) in tries.iter().enumerate() {
        // The words for outcomes are ours, and plain.
        out.extend_from_slice(if place == 0 { b"[{\"outcome\":\"" } else { b",{\"outcome\":\"" });
        out.extend_from_slice(tried.outcome.as_bytes());
        out.push(b'"');
        text("server", Some(tried.server.as_bytes()), out);
        key("status", out);
        match tried.status {
            Some(status) => decimal(status.into(), out),
            None => out.extend_from_slice(b"null"),
        }
        key("seconds", out);
        seconds(tried.time, out);
        out.push(b'}');
    }
    out.push(b']');
}

fn key(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn text(name: &str, value: Option<&[u8]>, out: &mut Vec<u8>) {
    key(name, out);
    json_string(value, out);
}

fn number(name: &str, value: u64, out: &mut Vec<u8>) {
    key(name, out);
    decimal(value, out);
}

fn seconds_or_null(duration: Option<Duration>, out: &mut Vec<u8>) {
    match duration {
        Some(duration) => seconds(duration, out),
        None => out.extend_from_slice(b"null"),
    }
}

/// Something of ours that holds nothing special.
fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}
