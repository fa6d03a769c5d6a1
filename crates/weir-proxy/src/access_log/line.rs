//! The form of a line that has a name: `common`, `combined` and `json`.
//!
//! A line is formatted straight into the worker's buffer, without another allocation and without a JSON library in the way.

#[cfg(test)]
mod tests;

use weir_config::model::AccessLogFormat;

use super::entry::Entry;
use super::escape::{bare, quoted, value_of_key};
use super::field::{address, seconds};
use super::json;
use super::number::decimal;
use super::timestamp;

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
        AccessLogFormat::Json => return json::usual(entry, out),
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
