//! A request as JSON: what arrived behind the proxy, said back.
//!
//! The body is read to its end whatever its length, but only its beginning is kept. What is not text is given in Base64,
//! and the answer says so: a reader never has to guess what a string means.

use hyper::body::{Body, Incoming};
use hyper::header::{HeaderMap, HeaderName};
use hyper::http::request::Parts;
use serde_json::{Map, Value, json};

use http_body_util::BodyExt;

/// Bytes of a body that `/echo` gives back; what is behind them is read, counted and dropped.
pub const ECHO_BODY_BYTES_MAX: usize = 1024 * 1024;

/// What was read of a body.
#[derive(Debug, Default)]
pub(super) struct ReadBody {
    /// Its first bytes.
    pub(super) kept: Vec<u8>,
    /// Its length.
    pub(super) bytes: u64,
    /// Its trailer fields.
    pub(super) trailers: Option<HeaderMap>,
}

/// Reads a body to its end and keeps at most `keep_max` bytes of it.
///
/// # Errors
///
/// When the client broke off or its framing is wrong.
pub(super) async fn read(mut body: Incoming, keep_max: usize) -> Result<ReadBody, hyper::Error> {
    let mut read = ReadBody::default();
    if body.is_end_stream() {
        return Ok(read);
    }
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => {
                read.bytes += data.len() as u64;
                let room = keep_max - read.kept.len();
                read.kept.extend_from_slice(&data[..data.len().min(room)]);
            }
            Err(frame) => read.trailers = frame.into_trailers().ok(),
        }
    }
    Ok(read)
}

/// The request as JSON, one member a line.
pub(super) fn describe(port: u16, head: &Parts, body: &ReadBody) -> Vec<u8> {
    let truncated = body.bytes > body.kept.len() as u64;
    let (text, encoding) = body_text(&body.kept, truncated);
    let mut value = json!({
        "port": port,
        "method": head.method.as_str(),
        "path": head.uri.path(),
        "query": head.uri.query(),
        "version": format!("{:?}", head.version),
        "headers": fields(&head.headers),
        "body": text,
        "body_encoding": encoding,
        "body_bytes": body.bytes,
        "body_truncated": truncated,
    });
    if let Value::Object(members) = &mut value {
        if truncated {
            members.insert("body_limit_bytes".to_owned(), ECHO_BODY_BYTES_MAX.into());
        }
        if let Some(trailers) = &body.trailers {
            members.insert("trailers".to_owned(), fields(trailers));
        }
    }
    let mut text = format!("{value:#}").into_bytes();
    text.push(b'\n');
    text
}

/// Fields as an object: a string for a name that stands once, a list of strings in their order for one that stands more often.
fn fields(fields: &HeaderMap) -> Value {
    let values = |name: &HeaderName| {
        let mut all: Vec<Value> = fields
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into())
            .collect();
        if all.len() == 1 { all.remove(0) } else { Value::Array(all) }
    };
    Value::Object(fields.keys().map(|name| (name.to_string(), values(name))).collect::<Map<_, _>>())
}

/// A body as a string, and how to read it: `utf-8` or `base64`.
fn body_text(kept: &[u8], truncated: bool) -> (String, &'static str) {
    match std::str::from_utf8(kept) {
        Ok(text) => (text.to_owned(), "utf-8"),
        // A character cut in two by our own limit does not make the rest binary.
        Err(error) if truncated && error.error_len().is_none() => {
            (String::from_utf8_lossy(&kept[..error.valid_up_to()]).into_owned(), "utf-8")
        }
        Err(_) => (base64(kept), "base64"),
    }
}

/// Base64 with padding (RFC 4648 §4). Twelve lines are cheaper than a dependency for one tool.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) & 63;
            text.push(if digit <= group.len() { char::from(DIGITS[index as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_rfc_4648_section_10() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xff, 0xfe, 0xfd]), "//79");
    }

    #[test]
    fn a_character_cut_by_the_limit_is_left_out_and_a_broken_one_is_not_text() {
        let euro = "a€".as_bytes();
        assert_eq!(body_text(&euro[..3], true), ("a".to_owned(), "utf-8"));
        assert_eq!(body_text(&euro[..3], false).1, "base64");
        assert_eq!(body_text(&[b'a', 0xff, b'b'], true).1, "base64");
        assert_eq!(body_text(b"", false), (String::new(), "utf-8"));
    }
}
