//! Asking the admin listener of a running Weir.
//!
//! Each question has a connection of its own: people ask rarely, and a program that asks once a second does not notice.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use weir_auth::secret::Secret;

/// Where it listens when the configuration says nothing.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:9180";

/// How long an answer may take; a queue may have to write much to a disk before.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of an answer: a page of writes with long targets is far smaller.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A connection, whatever it leads over.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl Stream for TcpStream {}
impl Stream for UnixStream {}

/// Somebody who asks.
#[derive(Debug, Clone)]
pub struct AdminClient {
    address: String,
    /// `None` for a Unix socket.
    host: Option<String>,
    /// What the listener wants to be told; it does not print.
    token: Option<Arc<Secret>>,
}

/// Why there is no answer. Shown to people: the message, an empty line, and what to do.
#[derive(Debug)]
pub enum AskError {
    /// This is no address of a listener.
    NoAddress(String),
    /// Nobody listens there; the system's word.
    Nobody {
        /// Where.
        address: String,
        /// The system's word.
        source: std::io::Error,
    },
    /// There is no answer in time.
    Slow(String),
    /// What listens there is no Weir.
    Strange(String),
    /// The token can't be sent.
    NoToken,
    /// It does not do it: the status, and what it says.
    Refused {
        /// The status.
        status: u16,
        /// What it says.
        detail: String,
    },
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress(address) => write!(
                f,
                "`{address}` is no address of an admin listener\n\nhint: write `--admin 127.0.0.1:9180` or `--admin unix:PATH`"
            ),
            Self::Nobody { address, source } => write!(
                f,
                "no Weir listens at `{address}`: {source}\n\nhint: start one with `weir run`, or name its admin listener \
                 with `--admin ADDRESS`"
            ),
            Self::Slow(address) => {
                write!(f, "`{address}` does not answer\n\nhint: look into the log of Weir")
            }
            Self::Strange(address) => {
                write!(f, "`{address}` is no admin listener of Weir\n\nhint: check `--admin`")
            }
            Self::NoToken => f.write_str("the token has characters in it that no request can carry"),
            Self::Refused { status: 401, detail } => write!(
                f,
                "{detail} (401)\n\nhint: name the file of the token with `--admin-token file:PATH`, or set `WEIR_ADMIN_TOKEN`"
            ),
            // A report has an end of its own.
            Self::Refused { detail, .. } if detail.contains('\n') => f.write_str(detail.trim_end()),
            Self::Refused { status, detail } => write!(f, "{detail} ({status})"),
        }
    }
}

impl std::error::Error for AskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Nobody { source, .. } => Some(source),
            Self::NoAddress(_) | Self::Slow(_) | Self::Strange(_) | Self::NoToken | Self::Refused { .. } => {
                None
            }
        }
    }
}

impl AdminClient {
    /// For the listener at this address, `HOST:PORT` or `unix:PATH`; `http://` before it is taken away.
    ///
    /// # Errors
    /// It is no address.
    pub fn new(address: &str) -> Result<Self, AskError> {
        if address.strip_prefix("unix:").is_some_and(|path| !path.is_empty()) {
            return Ok(Self { address: address.to_owned(), host: None, token: None });
        }
        let address = address.strip_prefix("http://").unwrap_or(address).trim_end_matches('/');
        let port = address.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then_some(port));
        match port.map(str::parse::<u16>) {
            Some(Ok(_)) => {
                Ok(Self { address: address.to_owned(), host: Some(address.to_owned()), token: None })
            }
            _ => Err(AskError::NoAddress(address.to_owned())),
        }
    }

    /// The same that tells the listener this token.
    pub fn with_token(self, token: Secret) -> Self {
        Self { token: Some(Arc::new(token)), ..self }
    }

    /// Where it asks.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Asks for a path below `/api/v1`, with its query, and gives the answer. At most a minute. Cancel safe: what was asked
    /// for may be done all the same.
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn ask(&self, method: Method, path: &str) -> Result<Value, AskError> {
        let (status, value) = self.ask_for_all(method, path).await?;
        if matches!(status, StatusCode::OK | StatusCode::CREATED) {
            return Ok(value);
        }
        let detail = value["detail"].as_str().unwrap_or("it says no more").to_owned();
        Err(AskError::Refused { status: status.as_u16(), detail })
    }

    /// The same, with the status and the whole answer whatever that is.
    ///
    /// # Errors
    /// See [`AskError`]; never [`AskError::Refused`] for what was answered.
    pub async fn ask_for_all(&self, method: Method, path: &str) -> Result<(StatusCode, Value), AskError> {
        let answer = tokio::time::timeout(PATIENCE, self.exchange(method, path)).await;
        answer.unwrap_or_else(|_| Err(AskError::Slow(self.address.clone())))
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        match (&self.host, self.address.strip_prefix("unix:")) {
            (None, Some(path)) => Ok(Box::new(UnixStream::connect(path).await?)),
            _ => Ok(Box::new(TcpStream::connect(&self.address).await?)),
        }
    }

    async fn exchange(&self, method: Method, path: &str) -> Result<(StatusCode, Value), AskError> {
        let stream = self
            .connect()
            .await
            .map_err(|source| AskError::Nobody { address: self.address.clone(), source })?;
        let strange = || AskError::Strange(self.address.clone());
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|_| strange())?;
        let driver = tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{}", path.trim_end_matches('?')))
            .header(HOST, self.host.as_deref().unwrap_or("localhost"));
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, bearer(token)?);
        }
        let request = request
            .body(Empty::<Bytes>::new())
            .map_err(|error| AskError::Refused { status: 400, detail: error.to_string() })?;
        let (head, body) = sender.send_request(request).await.map_err(|_| strange())?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|_| strange())?.to_bytes();
        // The answer is whole, whatever becomes of the connection.
        driver.abort();
        let value: Value = serde_json::from_slice(&body).map_err(|_| strange())?;
        Ok((head.status, value))
    }
}

/// What a request says to whoever wants the token (RFC 6750 §2.1).
fn bearer(token: &Secret) -> Result<HeaderValue, AskError> {
    let mut value =
        HeaderValue::from_bytes(&[b"Bearer ", token.expose()].concat()).map_err(|_| AskError::NoToken)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Percent-encoded, for a segment of a path or a value of a query (RFC 3986 §2.1).
pub fn encoded(text: &str) -> String {
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
        for good in ["127.0.0.1:9180", "localhost:1", "[::1]:9180", "http://a:80/", "unix:/run/weir.sock"] {
            assert!(AdminClient::new(good).is_ok(), "{good}");
        }
        for bad in ["", "9180", ":9180", "a", "a:b", "a:70000", "https://a", "unix:"] {
            assert!(AdminClient::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_does_not_print() {
        let client =
            AdminClient::new("a:1").map(|client| client.with_token(Secret::new(b"swordfish".to_vec())));
        assert!(!format!("{client:?}").contains("swordfish"));
        let value = bearer(&Secret::new(b"swordfish".to_vec()));
        assert!(!format!("{value:?}").contains("swordfish"));
        assert!(matches!(bearer(&Secret::new(b"a\nb".to_vec())), Err(AskError::NoToken)));
    }

    #[test]
    fn names_survive_a_path() {
        assert_eq!(encoded("a b/ü?&=%"), "a%20b%2F%C3%BC%3F%26%3D%25");
        assert_eq!(encoded("10.0.0.1:80"), "10.0.0.1:80");
    }
}
