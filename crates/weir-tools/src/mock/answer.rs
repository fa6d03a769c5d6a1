//! What the mock answers: the table of its paths.
//!
//! | path | answer |
//! |---|---|
//! | `/echo` | the request as JSON |
//! | `/status/N` | that status, 200 to 599 |
//! | `/delay/250ms` | 200 after that time |
//! | `/bytes/N` | that many bytes of a fixed pattern, with Content-Length |
//! | `/stream/N` | that many lines, one chunk each |
//! | `/_mock` | with `control`: how the mock behaves, and another way (`control.rs`) |
//! | any other | 200 and a line with the port |
//!
//! Each answer names its port, in `X-Mock-Port` and, but for `/bytes/N`, in its text. The request's body is read to its end
//! before the answer begins, so a client that sends without listening is not stuck.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};

use super::control::{self, Asked as Wanted};
use super::echo::{self, ECHO_BODY_BYTES_MAX, ReadBody};
use super::options::{AnswerStatus, MockOptions, parse_duration};
use super::payload::Payload;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const BINARY: &str = "application/octet-stream";

/// What a path asks for.
#[derive(Debug, PartialEq)]
enum Asked {
    /// A line with the port, or the request when `debug` is on.
    Anything,
    /// The request as JSON.
    Echo,
    /// An answer with this status.
    Status(AnswerStatus),
    /// An answer after this time, beside what the options say.
    Delay(Duration),
    /// So many bytes.
    Bytes(u64),
    /// So many lines in chunks.
    Stream(u64),
    /// Nothing that can be done; says why.
    Refused(String),
}

impl Asked {
    fn of(path: &str) -> Self {
        let count = |text: &str| -> Result<u64, String> {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let number = if digits { text.parse().ok() } else { None };
            number
                .ok_or_else(|| format!("`{text}` is no count\n\nhint: write a whole number, such as `1024`"))
        };
        let asked = match path.strip_prefix('/').and_then(|path| path.split_once('/')) {
            Some(("status", text)) => text.parse().map(Self::Status).map_err(|error| error.to_string()),
            Some(("delay", text)) => parse_duration(text).map(Self::Delay).map_err(|error| error.to_string()),
            Some(("bytes", text)) => count(text).map(Self::Bytes),
            Some(("stream", text)) => count(text).map(Self::Stream),
            _ if path == "/echo" => Ok(Self::Echo),
            _ => Ok(Self::Anything),
        };
        asked.unwrap_or_else(Self::Refused)
    }
}

/// Makes the answers of one port.
#[derive(Debug)]
pub(super) struct Answerer {
    port: u16,
    /// How it was started.
    started: MockOptions,
    // Held for the time of one draw. Connections share it so that a seed gives one sequence for the port.
    behaviour: Mutex<Behaviour>,
}

/// How a port behaves now.
#[derive(Debug)]
struct Behaviour {
    options: MockOptions,
    random: fastrand::Rng,
}

impl Answerer {
    /// For a port that behaves as the options say.
    pub(super) fn new(port: u16, options: MockOptions) -> Self {
        let random = options.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        Self { port, started: options, behaviour: Mutex::new(Behaviour { options, random }) }
    }

    fn behaviour(&self) -> MutexGuard<'_, Behaviour> {
        self.behaviour.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the request to its end, waits as long as asked, and answers.
    ///
    /// # Errors
    ///
    /// When the request's body broke off; there is nobody left to answer then.
    #[expect(clippy::disallowed_methods, reason = "being late is what the mock is asked for")]
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Result<Response<Payload>, hyper::Error> {
        let (head, body) = request.into_parts();
        if head.method == Method::CONNECT {
            // A 200 would turn the connection into a tunnel (RFC 9110 §9.3.6).
            let mut response = self.text(StatusCode::METHOD_NOT_ALLOWED, "no tunnels here");
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE"));
            return Ok(response);
        }
        if self.started.control && head.uri.path() == control::PATH {
            return self.control(&head.method, body).await;
        }
        // Both are drawn for every request, so that the sequence of a seed does not depend on the options.
        let (options, for_error, for_delay) = {
            let mut behaviour = self.behaviour();
            (behaviour.options, behaviour.random.f64(), behaviour.random.f64())
        };
        let asked = Asked::of(head.uri.path());
        let echo = asked == Asked::Echo || options.debug;
        let body = echo::read(body, if echo { ECHO_BODY_BYTES_MAX } else { 0 }).await?;
        let mut delay = options.delay.pick(for_delay);
        if let Asked::Delay(more) = asked {
            delay += more;
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if options.errors.holds(for_error) {
            return Ok(self.text(StatusCode::INTERNAL_SERVER_ERROR, "an error, as asked by `--errors`"));
        }
        Ok(self.respond(options, &asked, &head, &body))
    }

    /// Says how the port behaves, and changes it. At once and without an error, however it behaves.
    async fn control(&self, method: &Method, body: Incoming) -> Result<Response<Payload>, hyper::Error> {
        let body = echo::read(body, control::BODY_BYTES_MAX).await?;
        let wanted = control::wanted(method, &body, &self.started);
        let options = {
            let mut behaviour = self.behaviour();
            if let Wanted::Change(options) = wanted {
                behaviour.options = options;
            }
            behaviour.options
        };
        Ok(match wanted {
            Wanted::Look | Wanted::Change(_) => {
                self.finish(StatusCode::OK, JSON, Payload::Whole(control::describe(options).into()))
            }
            Wanted::Refused(why) => self.text(StatusCode::BAD_REQUEST, &why),
            Wanted::NoMethod => {
                let mut response = self.text(StatusCode::METHOD_NOT_ALLOWED, "only GET, PUT and DELETE here");
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, PUT, DELETE"));
                response
            }
        })
    }

    fn respond(
        &self,
        options: MockOptions,
        asked: &Asked,
        head: &Parts,
        body: &ReadBody,
    ) -> Response<Payload> {
        let status = match asked {
            Asked::Refused(why) => return self.text(StatusCode::BAD_REQUEST, why),
            Asked::Status(status) => *status,
            _ => options.status,
        };
        // An `AnswerStatus` is always a status; the fallback is never taken.
        let status = StatusCode::from_u16(status.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        match asked {
            Asked::Bytes(count) => self.finish(status, BINARY, Payload::Pattern { remaining: *count }),
            Asked::Stream(count) => {
                self.finish(status, TEXT, Payload::Lines { sent: 0, total: *count, port: self.port })
            }
            Asked::Echo => self.echo(status, head, body),
            _ if options.debug => self.echo(status, head, body),
            _ => self.text(status, &format!("{} {}", head.method, head.uri.path())),
        }
    }

    fn echo(&self, status: StatusCode, head: &Parts, body: &ReadBody) -> Response<Payload> {
        self.finish(status, JSON, Payload::Whole(echo::describe(self.port, head, body).into()))
    }

    /// A line that begins with the port.
    fn text(&self, status: StatusCode, what: &str) -> Response<Payload> {
        self.finish(status, TEXT, Payload::Whole(Bytes::from(format!("port {}: {what}\n", self.port))))
    }

    fn finish(&self, status: StatusCode, content_type: &'static str, payload: Payload) -> Response<Payload> {
        // RFC 9110 §15.3.5, §15.3.6 and §15.4.5: these have no content.
        let bare =
            matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED);
        let mut response = Response::new(if bare { Payload::Whole(Bytes::new()) } else { payload });
        *response.status_mut() = status;
        let fields = response.headers_mut();
        if !bare {
            fields.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        fields.insert(HeaderName::from_static("x-mock-port"), HeaderValue::from(self.port));
        response
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Asked) {
        assert_eq!(Asked::of(path), expected, "{path}");
    }

    #[test]
    fn paths() {
        check("/", Asked::Anything);
        check("/echo", Asked::Echo);
        check("/status/404", Asked::Status("404".parse().unwrap()));
        check("/delay/250ms", Asked::Delay(Duration::from_millis(250)));
        check("/bytes/0", Asked::Bytes(0));
        check("/bytes/18446744073709551615", Asked::Bytes(u64::MAX));
        check("/stream/3", Asked::Stream(3));
        for path in ["", "*", "/status", "/bytes", "/echo/", "/Echo", "/other/bytes/3", "//bytes/3", "/a/b/c"]
        {
            check(path, Asked::Anything);
        }
    }

    #[test]
    fn paths_that_ask_for_nonsense_are_refused_with_a_hint() {
        for path in [
            "/status/",
            "/status/99",
            "/status/100",
            "/status/abc",
            "/status/200/",
            "/delay/",
            "/delay/5",
            "/delay/2h",
            "/bytes/",
            "/bytes/-1",
            "/bytes/+1",
            "/bytes/18446744073709551616",
            "/bytes/1/2",
            "/stream/x",
        ] {
            let Asked::Refused(why) = Asked::of(path) else { panic!("{path} was taken") };
            assert!(why.contains("hint: "), "{path}: {why}");
        }
    }
}
