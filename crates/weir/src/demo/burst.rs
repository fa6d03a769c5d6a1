//! Many requests over a few connections, and what came back.
//!
//! The client is hyper's, not ours: if both sides were the same code, it could agree with itself on something wrong.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Connections at the same time; more would measure the waiting in the demo's own servers.
const CONNECTIONS_MAX: usize = 8;
/// How long one request may take. It goes from this machine to this machine.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Between two requests of those that go on after the burst.
const TRICKLE_PAUSE: Duration = Duration::from_millis(100);

/// What came back of a burst.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Every answer: the server that gave it, and how long it took.
    pub(crate) answers: Vec<(String, Duration)>,
    /// Why the others failed.
    pub(crate) failures: Vec<String>,
}

/// How many connections a burst of so many requests takes.
pub(crate) fn connections(requests: usize) -> usize {
    requests.min(CONNECTIONS_MAX)
}

/// Sends so many GET requests and waits for all of them.
///
/// Dropping the future closes every connection.
pub(crate) async fn send(address: SocketAddr, requests: usize) -> Outcome {
    let connections = connections(requests);
    let mut sending = JoinSet::new();
    for index in 0..connections {
        // The first ones take one more each, until nothing is left over.
        let share = requests / connections + usize::from(index < requests % connections);
        sending.spawn(send_in_turn(address, share));
    }
    let mut outcome = Outcome::default();
    while let Some(done) = sending.join_next().await {
        match done {
            Ok(done) => {
                outcome.answers.extend(done.answers);
                outcome.failures.extend(done.failures);
            }
            Err(error) => outcome.failures.push(format!("a client of the demo died: {error}")),
        }
    }
    outcome
}

/// Sends a request now and then, for ever, so that who opens the dashboard sees a proxy at work.
///
/// Dropping the future closes its connection.
#[expect(clippy::disallowed_methods, reason = "it is for eyes: there is no event to wait for")]
pub(crate) async fn trickle(address: SocketAddr) -> Infallible {
    loop {
        tokio::time::sleep(TRICKLE_PAUSE).await;
        // How it ends is what the dashboard shows.
        let _shown = send(address, 1).await;
    }
}

/// One connection's requests, one after the other. After a failure the next one gets a new connection.
async fn send_in_turn(address: SocketAddr, requests: usize) -> Outcome {
    let mut outcome = Outcome::default();
    let mut connection = None;
    for _ in 0..requests {
        let begun = now();
        match within_time(exchange(address, &mut connection)).await {
            Ok(server) => outcome.answers.push((server, begun.elapsed())),
            Err(error) => {
                connection = None;
                outcome.failures.push(error);
            }
        }
    }
    outcome
}

/// One request; its answer's server.
async fn exchange(
    address: SocketAddr,
    connection: &mut Option<SendRequest<Empty<Bytes>>>,
) -> Result<String, String> {
    let sender = match connection {
        Some(sender) => sender,
        None => connection.insert(connect(address).await?),
    };
    let broken = |error: hyper::Error| format!("no answer: {error}");
    sender.ready().await.map_err(broken)?;
    let request = Request::get("/").header(HOST, address.to_string()).body(Empty::new());
    let request = request.map_err(|error| format!("no request: {error}"))?;
    let answer = sender.send_request(request).await.map_err(broken)?;
    let status = answer.status();
    let server = answer.headers().get("x-backend-server").and_then(|value| value.to_str().ok());
    let server = server.map(str::to_owned);
    answer.into_body().collect().await.map_err(broken)?;
    match server {
        Some(server) if status.is_success() => Ok(server),
        Some(_) | None if !status.is_success() => Err(format!("the answer {status}")),
        Some(_) | None => Err("an answer that does not name its server".to_owned()),
    }
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Empty<Bytes>>, String> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| format!("no connection to `{address}`: {error}"))?;
    // A small request must not wait for an acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| format!("no connection to `{address}`: {error}"))?;
    // It ends with its sender, and what went wrong on it is said by the requests.
    tokio::spawn(connection);
    Ok(sender)
}

#[expect(clippy::disallowed_methods, reason = "what a person waits for is measured by a person's clock")]
fn now() -> Instant {
    Instant::now()
}

async fn within_time<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    tokio::time::timeout(REQUEST_TIMEOUT, work)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", REQUEST_TIMEOUT.as_secs())))
}
