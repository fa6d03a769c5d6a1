//! Fetching the keys of an issuer over HTTP.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use weir_config::model;
use weir_http::field::KnownName as K;
use weir_http::head::Head;
use weir_upstream::h1::head::HeadLimits;
use weir_upstream::member::Server;
use weir_upstream::send::{Beyond, Keep, SendBody, SendLimits, send};

use super::key_source::Document;

/// Bytes of the largest document. Sixty-four keys with their certificates are less.
const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

/// What fetching may cost. An issuer is asked once in minutes, so no connection to it is kept.
const LIMITS: SendLimits<'static> = SendLimits {
    connect: Duration::from_secs(5),
    whole: Duration::from_secs(10),
    head: HeadLimits { bytes_max: 32 * 1024, fields_max: 100 },
    body_bytes_max: DOCUMENT_BYTES_MAX,
    beyond: Beyond::Refused,
    keep: Keep::All,
    idle: Duration::ZERO,
    reuse_unsafe: Duration::ZERO,
};

/// Whom to ask, and for what.
#[derive(Debug)]
pub(super) struct KeyRequest {
    server: Arc<Server>,
    head: Head,
}

impl KeyRequest {
    pub(super) fn new(model: &model::Jwks) -> Self {
        let server = Server::new(model.server.address.clone()).with_target(model.server.target.clone());
        let mut head = Head::request(b"GET", model.target.as_bytes());
        // RFC 7517 §8.5.2, and what issuers send instead.
        head.append(K::Accept, b"application/jwk-set+json, application/json;q=0.9, */*;q=0.1");
        head.append(K::UserAgent, b"weir");
        Self { server: Arc::new(server), head }
    }

    /// Asks once. The text of an error is for the log.
    pub(super) async fn fetch(&self) -> Result<Document, String> {
        let answer = send(&self.server, &self.head, SendBody::Memory(Bytes::new()), &LIMITS, None).await;
        let answer = answer.map_err(|error| error.to_string())?;
        match answer.head.status() {
            200 => Ok(Document { max_age: max_age(&answer.head), content: answer.body }),
            status => Err(format!("the issuer answers with {status}")),
        }
    }
}

/// How its issuer is called in the log: without the query, which may be a secret.
pub(super) fn name(model: &model::Jwks) -> String {
    let path = model.target.split('?').next().unwrap_or_default();
    format!("{}{path}", model.server.address.written)
}

/// `max-age` (RFC 9111 §5.2.2.1). An answer that must not be stored at all (`no-store`, `no-cache`) holds for the least time.
fn max_age(head: &Head) -> Option<Duration> {
    let directives = || head.get_all("Cache-Control").flat_map(|value| value.split(|byte| *byte == b','));
    let named = |directive: &[u8]| {
        let directive = directive.trim_ascii();
        let is = |name: &str| directive.eq_ignore_ascii_case(name.as_bytes());
        if is("no-store") || is("no-cache") {
            return Some(Duration::ZERO);
        }
        let (name, value) = directive.split_at(directive.iter().position(|byte| *byte == b'=')?);
        let value = std::str::from_utf8(&value[1..]).ok()?.trim_matches('"');
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        // What does not fit is for ever.
        (name.eq_ignore_ascii_case(b"max-age") && digits)
            .then(|| Duration::from_secs(value.parse().unwrap_or(u64::MAX)))
    };
    directives().filter_map(named).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_how_long_it_holds() {
        let check = |values: &[&str], expected: Option<u64>| {
            let mut head = Head::answer(200);
            for value in values {
                head.append("Cache-Control", value.as_bytes());
            }
            assert_eq!(max_age(&head), expected.map(Duration::from_secs), "{values:?}");
        };
        check(&[], None);
        check(&["public"], None);
        check(&["max-age=300"], Some(300));
        check(&["public, Max-Age=300 , immutable"], Some(300));
        check(&["public", "max-age=\"300\""], Some(300));
        check(&["max-age=300, no-cache"], Some(0));
        check(&["no-store"], Some(0));
        check(&["max-age=5, max-age=7"], Some(5));
        check(&["max-age=-1"], None);
        check(&["max-age="], None);
        check(&["s-maxage=7"], None);
        check(&["max-age=99999999999999999999999"], Some(u64::MAX));
    }
}
