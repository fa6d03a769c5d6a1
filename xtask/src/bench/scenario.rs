//! What is measured: the one table.
//!
//! Everything else asks it: [`measure`](super::measure) has one loop for all of them, and the report one form.

use clap::builder::PossibleValue;

use super::answer::Answer;
use super::handshakes;
use super::offer::Group;
use super::peer::{Peer, Protocol};

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
    /// Connections at once.
    pub(crate) connections: u32,
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
    /// Weir may cost at most this much of another peer.
    pub(crate) goals: &'static [(Peer, f64)],
}

/// Who makes the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generator {
    /// Requests on kept-alive connections.
    Wrk,
    /// New connections, one request on each.
    Handshakes(handshakes::Kind),
}

/// The bare relay cannot answer a handshake.
const SPEAKING_TLS: &[Peer] = &[Peer::Weir, Peer::Nginx, Peer::Haproxy];

/// All of them.
pub(crate) static SCENARIOS: [Scenario; 4] = [
    Scenario {
        name: "small",
        about: "CPU time per request: 64 kept-alive connections, answers of 127 bytes",
        protocol: Protocol::Plain,
        answer: Answer::Small,
        connections: 64,
        unit: "request",
        lines: &[Line {
            name: "kept alive",
            generator: Generator::Wrk,
            peers: &Peer::ALL,
            goals: &[(Peer::Nginx, 0.85), (Peer::Haproxy, 0.75)],
        }],
    },
    Scenario {
        name: "tls-small",
        about: "The same over TLS 1.3, without the relay",
        protocol: Protocol::Tls,
        answer: Answer::Small,
        connections: 64,
        unit: "request",
        lines: &[Line {
            name: "kept alive",
            generator: Generator::Wrk,
            peers: SPEAKING_TLS,
            goals: &[(Peer::Nginx, 0.85)],
        }],
    },
    Scenario {
        name: "tls-1m",
        about: "CPU time per request over TLS 1.3: 16 kept-alive connections, answers of 1 MiB",
        protocol: Protocol::Tls,
        answer: Answer::Large,
        connections: 16,
        unit: "request",
        lines: &[Line {
            name: "kept alive",
            generator: Generator::Wrk,
            peers: SPEAKING_TLS,
            goals: &[(Peer::Nginx, 0.9)],
        }],
    },
    Scenario {
        name: "tls-handshakes",
        about: "CPU time per new connection with TLS 1.3, ECDSA P-256 and one small request; full, and resumed",
        protocol: Protocol::Tls,
        answer: Answer::Small,
        connections: 16,
        unit: "handshake",
        lines: &[
            Line {
                name: "full",
                generator: new_connections(false, Group::X25519),
                peers: SPEAKING_TLS,
                goals: &[(Peer::Nginx, 0.8)],
            },
            Line {
                name: "resumed",
                generator: new_connections(true, Group::X25519),
                peers: SPEAKING_TLS,
                goals: &[(Peer::Nginx, 0.8)],
            },
            // The others' OpenSSL does not know it; the line beside `full` says what it costs.
            Line {
                name: "full, X25519MLKEM768",
                generator: new_connections(false, Group::X25519Mlkem768),
                peers: &[Peer::Weir],
                goals: &[],
            },
        ],
    },
];

const fn new_connections(resumed: bool, group: Group) -> Generator {
    Generator::Handshakes(handshakes::Kind { resumed, group })
}

impl Scenario {
    /// The one with this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// All of them, for the command line.
    pub(crate) fn values() -> impl Iterator<Item = PossibleValue> {
        SCENARIOS.iter().map(|scenario| PossibleValue::new(scenario.name).help(scenario.about))
    }

    /// Whether the peer has a part in any line.
    pub(crate) fn takes(&self, peer: Peer) -> bool {
        self.lines.iter().any(|line| line.peers.contains(&peer))
    }
}

#[cfg(test)]
mod tests {
    use super::{Generator, Peer, Protocol, SCENARIOS, Scenario};

    #[test]
    fn the_table_holds_together() {
        for scenario in &SCENARIOS {
            assert!(Scenario::named(scenario.name).is_some_and(|found| std::ptr::eq(found, scenario)));
            assert!(!scenario.lines.is_empty(), "{}", scenario.name);
            for line in scenario.lines {
                assert!(line.peers.contains(&Peer::Weir), "{}: {}", scenario.name, line.name);
                let same = scenario.lines.iter().filter(|other| other.name == line.name).count();
                assert_eq!(same, 1, "the report tells lines apart by name: {}", line.name);
                for (peer, goal) in line.goals {
                    assert!(line.peers.contains(peer) && *peer != Peer::Weir && *goal < 1.0);
                }
                let tls = scenario.protocol == Protocol::Tls;
                assert!(tls || line.generator == Generator::Wrk, "a handshake needs TLS: {}", scenario.name);
                assert!(!tls || !line.peers.contains(&Peer::Relay), "{}", scenario.name);
            }
        }
        assert!(Scenario::named("tls").is_none());
    }
}
