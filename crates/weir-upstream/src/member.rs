//! A server, as the whole process shares it.
//!
//! What must be exact over all workers is an atomic here: the requests in flight, the counters. What a server may get of the
//! requests of its upstream is not said here but in the [`Group`](crate::group::Group) that it belongs to.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use weir_core::health::{Fault as Failure, Round, Trial};
use weir_core::queue::Gate;
use weir_core::server::{ServerAddress, Transport};
use weir_http::field::KnownName;
use weir_http::head::Head;
use weir_http::method::Method;
use weir_tls::handshake::Fault;
use weir_tls::target::Target;

use crate::breakers::{Breakers, ServerBreaker};
use crate::check_record::CheckRecord;
use crate::connections::Connections;
use crate::latency::{Latencies, WatchedLatencies};
use crate::message_counts::{MessageCounts, Source};
use crate::observation::Observation;
use crate::slot::{Slot, Slots};

/// One server.
#[derive(Debug)]
pub struct Server {
    /// Identifies the server among all of the process.
    slot: Slot,
    /// Where it is.
    pub address: ServerAddress,
    /// What `host: server` sends as Host.
    pub host: Box<str>,
    /// What it is told in TLS handshakes.
    pub target: Option<Arc<Target>>,
    /// What happened with it; the same for this server under the next configuration.
    pub counters: Arc<ServerCounters>,
    /// What checks of it have said; likewise.
    pub checks: Arc<CheckRecord>,
    /// How long it takes, as far as somebody wants to know.
    pub latencies: Latencies,
    /// What balancing has noted of it.
    pub observation: Observation,
    /// The same for people who look on.
    pub watched: WatchedLatencies,
    /// Where its messages are counted by method and status, if anybody wants to know.
    messages: Option<Arc<MessageCounts>>,
    /// What is held against it, where that is watched.
    breaker: Option<ServerBreaker>,
    /// Requests that it may have in flight.
    requests_max: Option<u32>,
    /// Connections to it.
    connections: Arc<Connections>,
    /// Whether it takes live copies of writes, where there is a queue for those that it does not take.
    gate: OnceLock<Arc<Gate>>,
    /// Whether it has left its upstream.
    has_left: AtomicBool,
    /// Whether it gets nothing new because somebody says so, or it has left.
    is_taken_out: AtomicBool,
}

/// What happened with a server.
#[derive(Debug, Default)]
pub struct ServerCounters {
    in_flight: AtomicU32,
    /// Requests of which a byte was sent.
    pub requests: AtomicU64,
    /// Requests whose answer came from it, in modes that ask several servers.
    pub won: AtomicU64,
    /// Connections opened.
    pub connections: AtomicU64,
    /// Connects that failed.
    pub connect_failures: AtomicU64,
    /// Exchanges that failed after a byte was sent.
    pub failures: AtomicU64,
    /// What people were told of connecting to it last, as a [`Told`].
    told: AtomicU8,
    /// Whether people were told that it refuses us after a handshake (RFC 8446 §4.4.2.4).
    told_of_refusal: AtomicBool,
}

/// What people are told of connecting to a server, once for each change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Connected,
    Unreachable,
    Handshake(Fault),
}

impl Told {
    fn number(self) -> u8 {
        match self {
            Self::Connected => 0,
            Self::Unreachable => 1,
            Self::Handshake(Fault::Certificate) => 2,
            Self::Handshake(Fault::Alert) => 3,
            Self::Handshake(Fault::Protocol) => 4,
        }
    }
}

impl ServerCounters {
    /// Counts a connection that was opened. Says whether the connect before it had failed.
    pub fn connected(&self) -> bool {
        self.connections.fetch_add(1, Ordering::Relaxed);
        // Mostly there is nothing to change, and looking is cheaper than writing.
        self.told.load(Ordering::Relaxed) != Told::Connected.number() && self.tell(Told::Connected)
    }

    /// Counts a connect that failed, perhaps in the TLS handshake. Says whether it failed otherwise than the one before
    /// it.
    pub fn connect_failed(&self, fault: Option<Fault>) -> bool {
        self.connect_failures.fetch_add(1, Ordering::Relaxed);
        self.tell(fault.map_or(Told::Unreachable, Told::Handshake))
    }

    /// Notes that the server has ended a connection with an alert after the handshake. Says whether it is the first one
    /// since it answered.
    pub fn refused(&self) -> bool {
        !self.told_of_refusal.swap(true, Ordering::Relaxed)
    }

    /// Notes that the server has answered on a new connection.
    pub fn answered(&self) {
        if self.told_of_refusal.load(Ordering::Relaxed) {
            self.told_of_refusal.store(false, Ordering::Relaxed);
        }
    }

    fn tell(&self, told: Told) -> bool {
        self.told.swap(told.number(), Ordering::Relaxed) != told.number()
    }
}

static SLOTS: Slots = Slots::new();

impl Server {
    /// A server that nothing has happened with.
    pub fn new(address: ServerAddress) -> Self {
        let port = |port: u16| match port {
            port if port == address.scheme.default_port() => String::new(),
            port => format!(":{port}"),
        };
        let host = match &address.transport {
            Transport::Ip(ip, number) if ip.is_ipv6() => format!("[{ip}]{}", port(*number)),
            Transport::Ip(ip, number) => format!("{ip}{}", port(*number)),
            Transport::Name(name, number) => format!("{name}{}", port(*number)),
            // A Unix socket has no authority; this is what other proxies and curl send there.
            Transport::Unix(_) => "localhost".to_owned(),
        };
        Self {
            slot: SLOTS.take(),
            address,
            host: host.into(),
            target: None,
            counters: Arc::default(),
            checks: Arc::default(),
            latencies: Latencies::default(),
            observation: Observation::default(),
            watched: WatchedLatencies::default(),
            messages: None,
            breaker: None,
            requests_max: None,
            connections: Arc::default(),
            gate: OnceLock::new(),
            has_left: AtomicBool::new(false),
            is_taken_out: AtomicBool::new(false),
        }
    }

    /// The same, spoken to with TLS. Without it a server with `https://` can't be connected to.
    pub fn with_target(self, target: Option<Arc<Target>>) -> Self {
        Self { target, ..self }
    }

    /// The same, whose messages are counted there too.
    pub fn counted_in(self, messages: Option<Arc<MessageCounts>>) -> Self {
        Self { messages, ..self }
    }

    /// The same, whose failures are held against it.
    pub fn with_breaker(self, breakers: Option<Arc<Breakers>>) -> Self {
        Self { breaker: breakers.map(ServerBreaker::new), ..self }
    }

    /// The same, which has at most so many requests in flight.
    pub fn limited(self, requests_max: Option<u32>) -> Self {
        Self { requests_max, ..self }
    }

    /// The same, whose connections are counted there, and limited if they say so. Each request needs one, so more of those
    /// are not in flight either.
    pub fn with_connections(self, connections: Connections) -> Self {
        let requests_max = [self.requests_max, connections.max()].into_iter().flatten().min();
        Self { requests_max, connections: Arc::new(connections), ..self }
    }

    /// The same, where `known` is the server that was at its place until now: requests in flight and connections to that one
    /// count still, and what was counted goes on.
    pub fn following(self, known: Option<&Self>) -> Self {
        let Some(known) = known else { return self };
        // Nobody has begun to connect to a server that is being made.
        let own = Arc::try_unwrap(self.connections).unwrap_or_default();
        Self {
            connections: Arc::new(own.following(&known.connections)),
            counters: Arc::clone(&known.counters),
            checks: Arc::clone(&known.checks),
            ..self
        }
    }

    /// Connections to it.
    pub fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }

    /// What is held against it, where that is watched.
    pub fn breaker(&self) -> Option<&ServerBreaker> {
        self.breaker.as_ref()
    }

    /// How many requests it may have in flight; `None` for any number.
    pub fn requests_max(&self) -> Option<u32> {
        self.requests_max
    }

    /// The round of its breaker, for a request that begins: what becomes of the request is held against it in this one only.
    #[inline]
    pub fn round(&self) -> Round {
        self.breaker.as_ref().map(|held| held.breaker.round()).unwrap_or_default()
    }

    /// Notes how it has answered a request that began in this round, by the head of the answer.
    #[inline]
    pub fn judge(&self, round: Round, answer: &Head) {
        if let Some(held) = &self.breaker {
            held.answered(round, answer.status(), || answer.has(KnownName::RetryAfter));
        }
    }

    /// Notes that a request to it that began in this round has failed. What says nothing about the server, as a kept connection that it had closed or a
    /// client that went away, is not noted.
    pub fn blame(&self, round: Round, failure: Failure) {
        if let Some(held) = &self.breaker {
            held.failed(round, failure);
        }
    }

    /// Notes that an answer broke that was [`judge`](Self::judge)d when it began.
    pub fn blame_for_answer(&self, round: Round, failure: Failure) {
        if let Some(held) = &self.breaker {
            held.broke(round, failure);
        }
    }

    /// Whether one more request may go to it, unless another one is quicker: it has not all that it may have at once. Where
    /// health is ignored, nobody is kept from trying it.
    #[inline]
    pub fn has_room(&self, ignores_health: bool) -> bool {
        self.requests_max.is_none_or(|max| self.in_flight() < max)
            && (ignores_health || self.breaker.as_ref().is_none_or(ServerBreaker::admits))
    }

    /// Counts a request of which a byte is about to be sent.
    #[inline]
    pub fn note_request(&self, method: Method) {
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
        if let Some(messages) = &self.messages {
            messages.request(Source::Proxy, method);
        }
    }

    /// Counts the final answer to a request, which took so long from when it was begun to be sent, and takes from its head what it says to us
    /// alone.
    #[inline]
    pub fn note_answer(&self, head: &mut Head, took: impl FnOnce() -> Duration, now: Instant) {
        if let Some(messages) = &self.messages {
            messages.answer(Source::Client, head.status());
        }
        self.observation.answered(head, took, now);
    }

    /// Counts a message of another protocol than HTTP of which a byte is about to be sent.
    #[inline]
    pub fn note_message(&self) {
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the good answer to such a message, which began in this round and took so long.
    pub fn note_reply(&self, round: Round, took: Duration, now: Instant) {
        if let Some(held) = &self.breaker {
            held.answered(round, 200, || false);
        }
        self.observation.replied(took, now);
        self.watched.observe(|| took);
    }

    /// Counts an exchange that failed after a byte was sent.
    pub fn note_failure(&self, begun: Instant) {
        self.counters.failures.fetch_add(1, Ordering::Relaxed);
        self.observation.failed(Some(begun));
    }

    /// Notes that nobody waits any more for the answer to a request that was begun to be sent then.
    pub fn note_cut(&self, begun: Instant) {
        self.observation.cut(begun);
    }

    /// Counts a connect that failed, perhaps in the TLS handshake. Says whether it failed otherwise than the one before
    /// it.
    pub fn connect_failed(&self, fault: Option<Fault>) -> bool {
        self.observation.failed(None);
        self.counters.connect_failed(fault)
    }

    /// Identifies the server in tables of a worker, as a small number; given to another one when nobody holds this one any
    /// more.
    pub fn slot(&self) -> usize {
        self.slot.index()
    }

    /// Whether it takes live copies of writes; `None` where nothing would keep those that it does not take.
    pub fn gate(&self) -> Option<&Arc<Gate>> {
        self.gate.get()
    }

    /// Says which gate is its own. The first word counts: there is one queue for an upstream as long as the process lives.
    pub fn set_gate(&self, gate: Arc<Gate>) {
        let _ = self.gate.set(gate);
    }

    /// Whether it has left its upstream, so that connections to it are of no use any more.
    pub fn has_left(&self) -> bool {
        self.has_left.load(Ordering::Relaxed)
    }

    /// Notes that it has left its upstream; requests that it has go on.
    pub(crate) fn leave(&self) {
        self.has_left.store(true, Ordering::Relaxed);
        self.take_out(true);
    }

    /// Whether it gets nothing new: it drains, is disabled or has left. A request knows the servers that there were when it
    /// began; whoever asks one of them later looks here first.
    #[inline]
    pub fn is_taken_out(&self) -> bool {
        self.is_taken_out.load(Ordering::Relaxed)
    }

    /// Notes whether it gets nothing new.
    pub(crate) fn take_out(&self, is_taken_out: bool) {
        self.is_taken_out.store(is_taken_out, Ordering::Relaxed);
    }

    /// Its name for people: what the configuration says.
    pub fn name(&self) -> &str {
        &self.address.written
    }

    /// Requests in flight, over all workers.
    pub fn in_flight(&self) -> u32 {
        self.counters.in_flight.load(Ordering::Relaxed)
    }
}

/// A request that is in flight to a server for as long as this lives.
#[derive(Debug)]
pub struct InFlight {
    server: Arc<Server>,
    /// When it began, as the breaker of the server counts.
    round: Round,
    /// The right to try the server, where it has to be tried.
    trial: Option<Trial>,
}

impl InFlight {
    /// Counts one more request, whatever the server may have: for what is not a client's request.
    pub fn begin(server: &Arc<Server>) -> Self {
        server.counters.in_flight.fetch_add(1, Ordering::Relaxed);
        Self { server: Arc::clone(server), round: server.round(), trial: None }
    }

    /// Counts one more request, if the server [`has_room`](Server::has_room) for it. Exact over all workers.
    pub fn enter(server: &Arc<Server>, ignores_health: bool) -> Option<Self> {
        let in_flight = &server.counters.in_flight;
        match server.requests_max {
            None => {
                in_flight.fetch_add(1, Ordering::Relaxed);
            }
            Some(max) => {
                let more = |count: u32| (count < max).then_some(count + 1);
                in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
            }
        }
        // From here on it is taken back when it is dropped.
        let mut entered = Self { server: Arc::clone(server), round: server.round(), trial: None };
        if let Some(held) = server.breaker.as_ref().filter(|_| !ignores_health) {
            entered.trial = held.enter()?;
            entered.round = entered.trial.map_or(entered.round, |trial| trial.round);
        }
        Some(entered)
    }

    /// Whose it is.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// The round of the breaker of the server in which it began.
    pub fn round(&self) -> Round {
        self.round
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.server.counters.in_flight.fetch_sub(1, Ordering::Relaxed);
        if let (Some(trial), Some(held)) = (self.trial.take(), &self.server.breaker) {
            held.breaker.give_back(trial);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use weir_http::target::Scheme;

    use super::*;

    /// A server that is down fails thousands of connects; people are told of the first one and of the way back.
    #[test]
    fn a_change_of_reachability_is_told_once() {
        let counters = ServerCounters::default();
        assert!(!counters.connected(), "a first connection is no change");
        assert!(counters.connect_failed(None));
        assert!(!counters.connect_failed(None));
        assert!(
            counters.connect_failed(Some(Fault::Certificate)),
            "another failure is another thing to look at"
        );
        assert!(!counters.connect_failed(Some(Fault::Certificate)));
        assert!(counters.connected());
        assert!(!counters.connected());
        assert_eq!(counters.connect_failures.load(Ordering::Relaxed), 4);
        assert_eq!(counters.connections.load(Ordering::Relaxed), 3);
    }

    /// In TLS 1.3 a server refuses us only after it was connected to, each time anew.
    #[test]
    fn a_refusal_after_the_handshake_is_told_once_until_there_is_an_answer() {
        let counters = ServerCounters::default();
        assert!(counters.refused());
        counters.connected();
        assert!(!counters.refused());
        counters.answered();
        assert!(counters.refused());
    }

    #[test]
    fn the_host_of_a_server_has_its_port_unless_that_is_the_usual_one() {
        let check = |scheme, transport, expected: &str| {
            let address = ServerAddress { written: "x".into(), scheme, transport, base: "".into() };
            assert_eq!(&*Server::new(address).host, expected);
        };
        let name = |port| Transport::Name("a.test".into(), port);
        let ip = |text: &str, port| Transport::Ip(text.parse().unwrap(), port);
        check(Scheme::Http, name(80), "a.test");
        check(Scheme::Http, name(443), "a.test:443");
        check(Scheme::Https, name(443), "a.test");
        check(Scheme::Https, name(80), "a.test:80");
        check(Scheme::Https, ip("::1", 443), "[::1]");
        check(Scheme::Https, ip("::1", 8443), "[::1]:8443");
        check(Scheme::Http, ip("10.0.0.1", 80), "10.0.0.1");
        check(Scheme::Http, Transport::Unix("x".into()), "localhost");
    }
}
