//! What a measurement is made of: who answers, who asks, who is measured, and how the result is judged.

use super::answer::Answer;
use super::goal::Goal;
use super::handshakes;
use super::load::Method;
use super::mode::Mode;
use super::peer::{Peer, Protocol};
use super::servers::Servers;
use super::store::Writes;

/// One kind of measurement.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// What it is, in a sentence for `--help`.
    pub(crate) about: &'static str,
    /// What the peers' listeners speak. Their server always speaks plain HTTP.
    pub(crate) protocol: Protocol,
    /// What the server answers.
    pub(crate) answer: Answer,
    /// Who answers.
    pub(crate) servers: Servers,
    /// What Weir does with a request.
    pub(crate) mode: Mode,
    /// Connections at once.
    pub(crate) connections: u32,
    /// What everybody is told beside that.
    pub(crate) words: &'static [&'static str],
    /// What one is, of that which is counted.
    pub(crate) unit: &'static str,
    /// What is done with the peers, one after the other in each round; at least one.
    pub(crate) lines: &'static [Line],
}

/// One thing that is done with every peer, and one part of the report.
#[derive(Debug)]
pub(crate) struct Line {
    /// What it is called in the report.
    pub(crate) name: &'static str,
    /// What is done.
    pub(crate) generator: Generator,
    /// With whom.
    pub(crate) peers: &'static [Peer],
    /// What one of them may be at most or at least, beside another.
    pub(crate) goals: &'static [Goal],
}

/// Who makes the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generator {
    /// Requests on kept-alive connections.
    Wrk(Method),
    /// The same, each request timed; so many in a second, or one after the other as fast as they are answered.
    Callers(Method, Option<u32>),
    /// One request on each connection, and then silence.
    Idle,
    /// A new connection for each request, without TLS.
    Connections,
    /// New connections with TLS, one request on each.
    Handshakes(handshakes::Kind),
    /// Durable writes without a proxy.
    Writes(Writes),
    /// Nobody: what is counted is done without being asked.
    Checks,
}

impl Generator {
    /// The package of this project that it is, if it is one.
    pub(crate) fn package(self) -> Option<&'static str> {
        match self {
            Self::Wrk(_) | Self::Writes(_) | Self::Checks => None,
            Self::Callers(..) | Self::Idle | Self::Connections | Self::Handshakes(_) => Some("xtask"),
        }
    }

    /// What is sent.
    pub(crate) fn method(self) -> Option<Method> {
        match self {
            Self::Wrk(method) | Self::Callers(method, _) => Some(method),
            Self::Idle | Self::Connections | Self::Handshakes(_) => Some(Method::Get),
            Self::Writes(_) | Self::Checks => None,
        }
    }
}

impl Scenario {
    /// What the peer does with a request.
    pub(crate) fn mode_of(&self, peer: Peer) -> Mode {
        match self.mode {
            mode if peer == Peer::Weir => mode,
            Mode::Checked(_) => Mode::Unchecked,
            _ => Mode::Balance,
        }
    }

    /// What CPU time is divided by: the servers that get each request of a client. A hedge and a copy for a mirror belong
    /// to what a request costs, and so does all that is done for a write that is to be durable.
    pub(crate) fn copies_of(&self, peer: Peer) -> u32 {
        match self.mode_of(peer) {
            mode if mode != Mode::Durable && mode.asks_all() => self.servers.count(),
            _ => 1,
        }
    }

    /// What is wrong with so many requests at the servers for one of a client's, if something is.
    pub(crate) fn trouble_with(&self, peer: Peer, asked: f64) -> Option<String> {
        let right = match (self.servers, self.mode_of(peer)) {
            (_, Mode::Hedge) => true,
            // It gets few: it has no room for more.
            (Servers::Deaf, Mode::Mirror) => asked > 0.0,
            (Servers::Deaf, _) => asked == 0.0,
            (servers, mode) => {
                let wanted = f64::from(if mode.asks_all() { servers.count() } else { 1 });
                (asked / wanted - 1.0).abs() <= 0.01
            }
        };
        (!right).then(|| format!("{asked:.3} requests at {} for one of a client's", self.counted()))
    }

    /// Where requests are counted.
    pub(crate) fn counted(&self) -> &'static str {
        if self.servers == Servers::Deaf { "the mirror" } else { "the servers" }
    }

    /// Whether the peer has a part in any line.
    pub(crate) fn takes(&self, peer: Peer) -> bool {
        self.lines.iter().any(|line| line.peers.contains(&peer))
    }
}
