//! A server that writes down what it understands, and how that is told to people.

use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

use weir_testkit::message::Message;
use weir_testkit::server::Server;
use weir_testkit::socket::Socket;

/// Fields that Weir adds to every request: `word.rs` looks at them.
const OURS: [&str; 6] =
    ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "via", "x-request-id"];

/// The request behind which no other one comes.
const LAST: &str = "GET /of-the-test-itself HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// A server that says `ok` to everything and knows the whole requests that it got.
pub(super) struct Recorder {
    pub(super) server: Server,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    pub(super) fn start() -> Self {
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let noted = Arc::clone(&seen);
        let server = Server::start(move |mut connection| {
            // One that ends in the middle, or that is malformed, is no request.
            while let Ok(request) = connection.try_request() {
                let is_head = request.start.starts_with("HEAD ");
                noted.lock().unwrap_or_else(PoisonError::into_inner).push(shown(&request));
                let body = if is_head { "" } else { "ok" };
                if connection.try_send(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{body}")).is_err()
                {
                    return;
                }
            }
        });
        Self { server, seen }
    }

    /// The requests, each as [`written`]: all that there will ever be, once the proxy is gone. What it sent last may not have been
    /// read yet, and a connection that it opened may wait to be accepted.
    pub(super) fn seen_in_all(&self) -> Vec<String> {
        // Connections are accepted in order, so those of the proxy have been when this one is answered.
        let mut last = Socket::from(TcpStream::connect(self.server.to_string()).unwrap());
        last.send(LAST).answer().expect(200);
        drop(last);
        self.server.wait_ended(self.server.connections());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        seen.retain(|request| !request.starts_with("GET /of-the-test-itself "));
        seen
    }
}

/// A request line, fields without those that Weir always adds, an empty line, the body, and trailers behind `~`.
fn shown(request: &Message) -> String {
    let is_ours = |name: &str| OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours));
    let mut text = request.start.clone();
    for (name, value) in request.fields.iter().filter(|(name, _)| !is_ours(name)) {
        text.push_str(&format!("\n{name}: {value}"));
    }
    text.push_str("\n\n");
    text.push_str(&request.text());
    for (name, value) in &request.trailers {
        text.push_str(&format!("~{name}: {value}"));
    }
    text
}

/// What a table says of a request: without a body, the empty line may be missing.
pub(super) fn written(expected: &str) -> String {
    if expected.contains("\n\n") { expected.to_owned() } else { format!("{expected}\n\n") }
}
