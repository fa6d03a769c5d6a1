//! What is measured: the one table.
//!
//! Everything else asks it: [`measure`](super::measure) has one loop for all of them, and the report one form.

use clap::builder::PossibleValue;

use super::answer::Answer;
use super::handshakes;
use super::mode::Mode;
use super::offer::Group;
use super::peer::{Peer, Protocol};
use super::servers::Servers;
use super::wrk::Method;

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
    /// What Weir may be at most, beside another peer.
    pub(crate) goals: &'static [Goal],
}

/// A figure of Weir's is at most this much of the same figure of another peer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    /// Which.
    pub(crate) figure: Figure,
    /// Of whom.
    pub(crate) peer: Peer,
    /// How much of it.
    pub(crate) at_most: f64,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// CPU time for one.
    Cpu,
    /// The time within which 99 of 100 were answered.
    P99,
    /// Requests that the servers got for each request of a client.
    Asked,
}

impl Figure {
    /// What stands before a goal; nothing for the figure that all scenarios have.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "",
            Self::P99 => "p99, ",
            Self::Asked => "requests at the servers, ",
        }
    }
}

/// Who makes the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generator {
    /// Requests on kept-alive connections.
    Wrk(Method),
    /// The same, each request timed.
    Callers,
    /// New connections, one request on each.
    Handshakes(handshakes::Kind),
}

impl Generator {
    /// The package of this project that it is, if it is one.
    pub(crate) fn package(self) -> Option<&'static str> {
        match self {
            Self::Wrk(_) => None,
            Self::Callers | Self::Handshakes(_) => Some("xtask"),
        }
    }
}

/// The bare relay cannot answer a handshake.
const SPEAKING_TLS: &[Peer] = &[Peer::Weir, Peer::Nginx, Peer::Haproxy];

/// The others know no such mode, so Weir is held against itself.
const BESIDE_BALANCE: &[Peer] = &[Peer::Weir, Peer::Balance];

/// All of them.
pub(crate) static SCENARIOS: [Scenario; 7] = [
    Scenario {
        name: "small",
        about: "CPU time per request: 64 kept-alive connections, answers of 127 bytes",
        protocol: Protocol::Plain,
        answer: Answer::Small,
        servers: Servers::One,
        mode: Mode::Balance,
        connections: 64,
        unit: "request",
        lines: &[Line {
            name: "kept alive",
            generator: Generator::Wrk(Method::Get),
            peers: &[Peer::Relay, Peer::Weir, Peer::Nginx, Peer::Haproxy],
            goals: &[cpu(Peer::Nginx, 0.85), cpu(Peer::Haproxy, 0.75)],
        }],
    },
    Scenario {
        name: "tls-small",
        about: "The same over TLS 1.3, without the relay",
        protocol: Protocol::Tls,
        answer: Answer::Small,
        servers: Servers::One,
        mode: Mode::Balance,
        connections: 64,
        unit: "request",
        lines: &[Line {
            name: "kept alive",
            generator: Generator::Wrk(Method::Get),
            peers: SPEAKING_TLS,
            goals: &[cpu(Peer::Nginx, 0.85)],
        }],
    },
    Scenario {
        name: "tls-1m",
        about: "CPU time per request over TLS 1.3: 16 kept-alive connections, answers of 1 MiB",
        protocol: Protocol::Tls,
        answer: Answer::Large,
        servers: Servers::One,
        mode: Mode::Balance,
        connections: 16,
        unit: "request",
        lines: &[Line {
            name: "kept alive",
            generator: Generator::Wrk(Method::Get),
            peers: SPEAKING_TLS,
            goals: &[cpu(Peer::Nginx, 0.9)],
        }],
    },
    Scenario {
        name: "tls-handshakes",
        about: "CPU time per new connection with TLS 1.3, ECDSA P-256 and one small request; full, and resumed",
        protocol: Protocol::Tls,
        answer: Answer::Small,
        servers: Servers::One,
        mode: Mode::Balance,
        connections: 16,
        unit: "handshake",
        lines: &[
            Line {
                name: "full",
                generator: new_connections(false, Group::X25519),
                peers: SPEAKING_TLS,
                goals: &[cpu(Peer::Nginx, 0.8)],
            },
            Line {
                name: "resumed",
                generator: new_connections(true, Group::X25519),
                peers: SPEAKING_TLS,
                goals: &[cpu(Peer::Nginx, 0.8)],
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
    Scenario {
        name: "race3",
        about: "CPU time per exchange with a server: 64 kept-alive connections, each request to three servers, the first answer wins; beside the same with `balance`",
        protocol: Protocol::Plain,
        answer: Answer::Small,
        servers: Servers::Three,
        mode: Mode::Race,
        connections: 64,
        unit: "exchange",
        lines: &[Line {
            name: "GET",
            generator: Generator::Wrk(Method::Get),
            peers: BESIDE_BALANCE,
            goals: &[cpu(Peer::Balance, 1.3)],
        }],
    },
    Scenario {
        name: "duplicate3",
        about: "CPU time per exchange with a server: 64 kept-alive connections, each write of 127 bytes to three servers, all of which must acknowledge; beside the same with `balance`",
        protocol: Protocol::Plain,
        answer: Answer::Small,
        servers: Servers::Three,
        mode: Mode::Duplicate,
        connections: 64,
        unit: "exchange",
        lines: &[Line {
            name: "POST",
            generator: Generator::Wrk(Method::Post),
            peers: BESIDE_BALANCE,
            goals: &[cpu(Peer::Balance, 1.3)],
        }],
    },
    Scenario {
        name: "hedge",
        about: "The slow answers: 64 kept-alive connections, three servers that take 40 times as long for 4 % of their answers; beside the same with `balance`",
        protocol: Protocol::Plain,
        answer: Answer::Small,
        servers: Servers::Laggards,
        mode: Mode::Hedge,
        connections: 64,
        unit: "request",
        lines: &[Line {
            name: "GET",
            generator: Generator::Callers,
            peers: BESIDE_BALANCE,
            goals: &[
                Goal { figure: Figure::P99, peer: Peer::Balance, at_most: 0.2 },
                Goal { figure: Figure::Asked, peer: Peer::Balance, at_most: 1.06 },
            ],
        }],
    },
];

const fn cpu(peer: Peer, at_most: f64) -> Goal {
    Goal { figure: Figure::Cpu, peer, at_most }
}

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

    /// What the peer does with a request.
    pub(crate) fn mode_of(&self, peer: Peer) -> Mode {
        if peer == Peer::Weir { self.mode } else { Mode::Balance }
    }

    /// The servers that get each request of a client, and so what CPU time is divided by. A hedge is no copy: it
    /// belongs to what a request costs.
    pub(crate) fn copies_of(&self, peer: Peer) -> u32 {
        if self.mode_of(peer).asks_all() { self.servers.count() } else { 1 }
    }

    /// Whether the peer has a part in any line.
    pub(crate) fn takes(&self, peer: Peer) -> bool {
        self.lines.iter().any(|line| line.peers.contains(&peer))
    }
}

#[cfg(test)]
mod tests {
    use super::{Figure, Generator, Mode, Peer, Protocol, SCENARIOS, Scenario, Servers};

    #[test]
    fn the_table_holds_together() {
        for scenario in &SCENARIOS {
            assert!(Scenario::named(scenario.name).is_some_and(|found| std::ptr::eq(found, scenario)));
            assert!(!scenario.lines.is_empty(), "{}", scenario.name);
            for line in scenario.lines {
                assert!(line.peers.contains(&Peer::Weir), "{}: {}", scenario.name, line.name);
                let same = scenario.lines.iter().filter(|other| other.name == line.name).count();
                assert_eq!(same, 1, "the report tells lines apart by name: {}", line.name);
                for goal in line.goals {
                    assert!(line.peers.contains(&goal.peer) && goal.peer != Peer::Weir);
                    assert!(goal.at_most < 1.0 || goal.peer == Peer::Balance, "others are beaten");
                    assert!(
                        goal.figure != Figure::Asked || scenario.servers != Servers::One,
                        "nobody counts"
                    );
                }
                let alone = line.peers.iter().all(|peer| matches!(peer, Peer::Weir | Peer::Balance));
                assert!(alone || scenario.servers == Servers::One, "the others are told of one server");
                assert_eq!(line.peers.contains(&Peer::Balance), scenario.mode != Mode::Balance);
                let tls = scenario.protocol == Protocol::Tls;
                assert!(
                    tls || !matches!(line.generator, Generator::Handshakes(_)),
                    "a handshake needs TLS: {}",
                    scenario.name
                );
                assert!(!tls || !line.peers.contains(&Peer::Relay), "{}", scenario.name);
            }
        }
        assert!(Scenario::named("tls").is_none());
    }
}
