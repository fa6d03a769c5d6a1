//! One question to one server, and what is wrong with its answer.
//!
//! Each check opens a connection of its own. One that was kept would say that the server *was* well when it accepted it, and
//! the pools belong to workers. The server that is asked here is a twin of the one that gets requests: the same address and
//! the same TLS, but counters of its own, so that checks are neither in its load nor in its figures.
//!
//! The words of a failure are what people read in the log and in the live view, so they say what was expected too.

use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use weir_core::dispatch::StatusSet;
use weir_core::health::{CheckOutcome, HealthCheck, HttpProbe, Probe};
use weir_core::server::Transport;
use weir_http::field::KnownName as K;
use weir_http::head::Head;

use crate::connect::{ConnectError, Reached, Reaching, connect, reach};
use crate::h1::head::{AnswerError, HeadLimits};
use crate::io::deadline::{Deadlines, Wait, now};
use crate::member::Server;
use crate::pool::Connection;
use crate::send::{Answer, Beyond, Keep, SendError, SendLimits, send_over};

/// Heads of answers to checks.
const HEAD_LIMITS: HeadLimits = HeadLimits { bytes_max: 32 * 1024, fields_max: 100 };

/// Why a check failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// In a word that metrics can count; never [`CheckOutcome::Passed`].
    pub outcome: CheckOutcome,
    /// For people.
    pub reason: Box<str>,
}

impl Failure {
    fn new(outcome: CheckOutcome, words: impl Into<Box<str>>) -> Self {
        Self { outcome, reason: words.into() }
    }
}

/// What is asked of one server, made ready once.
#[derive(Debug)]
pub struct Prober {
    timeout: Duration,
    question: Question,
}

#[derive(Debug)]
enum Question {
    Tcp(Transport),
    Http(Rc<HttpQuestion>),
}

#[derive(Debug)]
struct HttpQuestion {
    twin: Arc<Server>,
    head: Head,
    expect: StatusSet,
    body: Option<Box<str>>,
}

/// What has come of a check within the call that began it.
#[derive(Debug)]
pub enum Begun {
    /// It is over.
    Over(Result<(), Failure>),
    /// There is something to wait for.
    UnderWay(UnderWay),
}

/// A check that has been begun. Dropping it closes the connection.
#[derive(Debug)]
pub struct UnderWay {
    timeout: Duration,
    waits: Waits,
}

#[derive(Debug)]
enum Waits {
    Tcp(Reaching),
    Http(Rc<HttpQuestion>),
}

impl Prober {
    /// Makes ready what this check asks of this server.
    pub fn new(check: &HealthCheck, server: &Server) -> Self {
        let question = match &check.probe {
            Probe::Tcp => Question::Tcp(server.address.transport.clone()),
            Probe::Http(probe) => Question::Http(Rc::new(HttpQuestion::new(probe, server))),
        };
        Self { timeout: check.timeout, question }
    }

    /// Begins to ask once. Where the answer is there at once, nothing is left to be done.
    pub fn begin(&self) -> Begun {
        let waits = match &self.question {
            Question::Tcp(to) => match reach(to) {
                Reached::AtOnce(reached) => return Begun::Over(told(reached)),
                Reached::Later(reaching) => Waits::Tcp(reaching),
            },
            Question::Http(question) => Waits::Http(Rc::clone(question)),
        };
        Begun::UnderWay(UnderWay { timeout: self.timeout, waits })
    }
}

impl UnderWay {
    /// Waits for the answer. Takes at most the timeout of the check.
    ///
    /// Cancel safe: dropping the future closes the connection.
    ///
    /// # Errors
    /// What is wrong with the server.
    pub async fn end(self) -> Result<(), Failure> {
        let Self { timeout, waits } = self;
        match waits {
            Waits::Tcp(reaching) => told(in_time(timeout, pin!(reaching.end())).await?),
            Waits::Http(question) => {
                let begun = now();
                let connected = in_time(timeout, pin!(connect(&question.twin))).await?;
                let stream =
                    connected.map_err(|error| Failure::new(CheckOutcome::Refused, refused(&error)))?;
                let server = Arc::clone(&question.twin);
                let connection = Connection { stream: Rc::new(stream), server, reused: false };
                let left = timeout.saturating_sub(now() - begun);
                let answer = send_over(connection, &question.head, &limits(left)).await;
                question.judge(&answer.map_err(|error| unanswered(timeout, &error))?)
            }
        }
    }
}

/// Waits for a connection as long as there is time.
async fn in_time<T>(
    timeout: Duration,
    connecting: std::pin::Pin<&mut impl Future<Output = T>>,
) -> Result<T, Failure> {
    let deadlines = Deadlines::new();
    deadlines.set(Wait::Connect, timeout);
    let connected = deadlines.guard(connecting).await;
    connected.map_err(|_| Failure::new(CheckOutcome::Timeout, format!("no connection within {timeout:?}")))
}

impl HttpQuestion {
    fn new(probe: &HttpProbe, server: &Server) -> Self {
        let mut twin = Server::new(server.address.clone()).with_target(server.target.clone());
        // One that was found by name is asked for by it.
        twin.host = server.host.clone();
        let mut head = Head::request(probe.method.as_bytes(), probe.path.as_bytes());
        if let Some(host) = &probe.host {
            head.append(K::Host, host.as_bytes());
        }
        head.append(K::UserAgent, b"weir-health-check");
        head.append(K::Accept, b"*/*");
        Self { twin: Arc::new(twin), head, expect: probe.expect, body: probe.body.clone() }
    }

    fn judge(&self, answer: &Answer) -> Result<(), Failure> {
        let status = answer.head.status();
        if !self.expect.contains(status) {
            let words = format!("status {status}, expected {}", self.expect);
            return Err(Failure::new(CheckOutcome::Answer, words));
        }
        match &self.body {
            Some(text) if memchr::memmem::find(&answer.body, text.as_bytes()).is_none() => {
                let within = if answer.cut { " within its first 64 KiB" } else { "" };
                Err(Failure::new(CheckOutcome::Answer, format!("the body lacks `{text}`{within}")))
            }
            _ => Ok(()),
        }
    }
}

fn unanswered(timeout: Duration, error: &SendError) -> Failure {
    let (outcome, words) = match error {
        SendError::Timeout | SendError::ConnectTimeout | SendError::Full => {
            (CheckOutcome::Timeout, format!("no whole answer within {timeout:?}"))
        }
        // In TLS 1.3 a server refuses us only when we have begun to speak.
        SendError::Connect(error) => (CheckOutcome::Refused, refused(error)),
        SendError::Head(AnswerError::Closed) => {
            (CheckOutcome::Answer, "the connection ended before the answer".to_owned())
        }
        SendError::Head(AnswerError::Truncated) => {
            (CheckOutcome::Answer, "the connection ended in the head of the answer".to_owned())
        }
        SendError::Head(AnswerError::Io(error)) => (CheckOutcome::Answer, words(error)),
        SendError::Head(AnswerError::Head(error)) => {
            (CheckOutcome::Answer, format!("the answer is no HTTP: {error}"))
        }
        SendError::Framing(error) => {
            (CheckOutcome::Answer, format!("the answer can't be understood: {error}"))
        }
        SendError::Connection(error) => {
            (CheckOutcome::Answer, format!("the answer can't be understood: {error}"))
        }
        SendError::Body(error) => (CheckOutcome::Answer, format!("the answer broke off: {error}")),
        SendError::InterimFlood | SendError::Switched | SendError::Request(_) => {
            (CheckOutcome::Answer, error.to_string())
        }
    };
    Failure::new(outcome, words)
}

fn limits(whole: Duration) -> SendLimits<'static> {
    SendLimits {
        connect: whole,
        whole,
        head: HEAD_LIMITS,
        body_bytes_max: HttpProbe::BODY_BYTES_MAX,
        beyond: Beyond::Cut,
        keep: Keep::All,
        idle: Duration::ZERO,
        reuse_unsafe: Duration::ZERO,
    }
}

/// What it means that a server was reached, or was not.
fn told(reached: io::Result<()>) -> Result<(), Failure> {
    reached.map_err(|error| Failure::new(CheckOutcome::Refused, words(&error)))
}

fn refused(error: &ConnectError) -> String {
    match error {
        ConnectError::Network(error) => words(error),
        ConnectError::Handshake(error) => format!("no TLS with it: {error}"),
    }
}

/// The system's words as the rest of a sentence: `connection refused`.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut signs = text.chars();
    match signs.next() {
        Some(first) => first.to_lowercase().chain(signs).collect(),
        None => "the connection failed".to_owned(),
    }
}

#[cfg(test)]
mod tests;
