//! Servers that misbehave, in every mode: no client ever gets what was another one's, a short answer that looks whole, or nothing
//! at all for longer than a timeout.
//!
//! What a server does is decided by the target of the request, so that one proxy and one pair of servers play all positions and
//! all faults one after the other: what the last one has left behind would be in the way of the next. What one server alone does
//! is in `garbage.rs`, what is ambiguous in `disagreement/`, and what needs a clock in the tests of `weir-proxy`.

mod campaign;
mod cuts;
mod endless;
mod unasked;

use weir_testkit::message::{Broken, Message};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Connection, Server};
use weir_testkit::socket::Socket;

/// Every way of asking servers.
const MODES: [&str; 5] = [
    "balance",
    "{mode: race}",
    "{mode: hedge, after: 1ms, budget: 100%}",
    "{mode: majority}",
    "{mode: duplicate, acknowledge: all, catch_up: off}",
];

/// Two servers that do the same.
struct Pair([Server; 2]);

impl Pair {
    fn new(serve: impl Fn(Connection) + Clone + Send + Sync + 'static) -> Self {
        Self([Server::start(serve.clone()), Server::start(serve)])
    }

    /// A proxy in front of them that asks them like this, and takes out none of them.
    fn asked(&self, mode: &str, top: &str) -> Running {
        let [one, other] = &self.0;
        proxy::start(&format!(
            "{top}\nservices: [{{host: \"*\", upstream: web, dispatch: {mode}}}]\n\
             upstreams: {{web: {{servers: [\"{one}\", \"{other}\"], eject: off}}}}\n"
        ))
    }
}

/// The first answer that is no interim one.
fn final_answer(client: &mut Socket) -> Result<Message, Broken> {
    loop {
        let answer = client.try_answer()?;
        if answer.status() >= 200 {
            return Ok(answer);
        }
    }
}

/// Whether this is Weir's own word about a server that has failed.
fn is_failure(answer: &Message) -> bool {
    matches!(answer.status(), 502..=504) && answer.has("proxy-status")
}
