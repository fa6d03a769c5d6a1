//! Asking the admin listener of a running Weir about its queues.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::failure::Failure;

/// How long an answer may take; a queue may have to write much to a disk before.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of an answer: a page of writes with long targets is far smaller.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Somebody who asks.
pub(crate) struct Client {
    address: String,
}

impl Client {
    /// For the listener at this address, `HOST:PORT`; `http://` before it is taken away.
    ///
    /// # Errors
    /// It is no address.
    pub(crate) fn new(address: &str) -> Result<Self, Failure> {
        let address = address.strip_prefix("http://").unwrap_or(address).trim_end_matches('/');
        let port = address.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then_some(port));
        match port.map(str::parse::<u16>) {
            Some(Ok(_)) => Ok(Self { address: address.to_owned() }),
            _ => Err(Failure::Usage(vec![format!(
                "`{address}` is no address of an admin listener\n\nhint: write `--admin 127.0.0.1:9180`"
            )])),
        }
    }

    /// Asks for a path below that of all queues, and gives the answer.
    ///
    /// # Errors
    /// Nobody listens there, it is no Weir, or what it says.
    pub(crate) async fn ask(&self, method: Method, path: &str) -> Result<Value, Failure> {
        match tokio::time::timeout(PATIENCE, self.exchange(method, path)).await {
            Ok(result) => result,
            Err(_) => Err(self.failed("does not answer", "look into the log of Weir")),
        }
    }

    async fn exchange(&self, method: Method, path: &str) -> Result<Value, Failure> {
        let stream = TcpStream::connect(&self.address).await.map_err(|error| {
            Failure::Running(format!(
                "no Weir listens at `{}`: {error}\n\nhint: start one with `weir run`, or name its admin listener with \
                 `--admin ADDRESS`",
                self.address
            ))
        })?;
        let strange =
            |_: &dyn std::fmt::Display| self.failed("is no admin listener of Weir", "check `--admin`");
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| strange(&error))?;
        let driver = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1/queues{}", path.trim_end_matches('?')))
            .header(HOST, &self.address)
            .body(Empty::<Bytes>::new())
            .map_err(|error| Failure::Running(format!("this can't be asked for: {error}")))?;
        let (head, body) = sender.send_request(request).await.map_err(|error| strange(&error))?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| strange(&error))?.to_bytes();
        // The answer is whole, whatever becomes of the connection.
        driver.abort();
        let value: Value = serde_json::from_slice(&body).map_err(|error| strange(&error))?;
        if head.status == StatusCode::OK {
            return Ok(value);
        }
        let detail = value["detail"].as_str().unwrap_or("it says no more");
        Err(Failure::Running(format!("{} ({})", detail, head.status.as_u16())))
    }

    fn failed(&self, what: &str, hint: &str) -> Failure {
        Failure::Running(format!("`{}` {what}\n\nhint: {hint}", self.address))
    }
}

/// Percent-encoded, for a segment of a path or a value of a query (RFC 3986 §2.1).
pub(crate) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for good in ["127.0.0.1:9180", "localhost:1", "[::1]:9180", "http://a:80/"] {
            assert!(Client::new(good).is_ok(), "{good}");
        }
        for bad in ["", "9180", ":9180", "a", "a:b", "a:70000", "https://a"] {
            assert!(Client::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_survive_a_path() {
        assert_eq!(encoded("a b/ü?&=%"), "a%20b%2F%C3%BC%3F%26%3D%25");
        assert_eq!(encoded("10.0.0.1:80"), "10.0.0.1:80");
    }
}
