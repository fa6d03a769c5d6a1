//! What is measured: the one table.
//!
//! Everything else asks it: [`measure`](super::measure) has one loop for all of them, and the report one form.

use clap::builder::PossibleValue;

use super::answer::Answer;
use super::goal::{Bound, Figure, Goal};
use super::handshakes;
use super::load::Method;
use super::mode::{Mode, Strategy};
use super::offer::Group;
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
    /// New connections, one request on each.
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
            Self::Callers(..) | Self::Handshakes(_) => Some("xtask"),
        }
    }

    /// What is sent.
    pub(crate) fn method(self) -> Option<Method> {
        match self {
            Self::Wrk(method) | Self::Callers(method, _) => Some(method),
            Self::Handshakes(_) => Some(Method::Get),
            Self::Writes(_) | Self::Checks => None,
        }
    }
}

/// The bare relay cannot answer a handshake.
const SPEAKING_TLS: &[Peer] = &[Peer::Weir, Peer::Nginx, Peer::Haproxy];

/// The others know no such mode, so Weir is held against itself.
const BESIDE_BALANCE: &[Peer] = &[Peer::Weir, Peer::Balance];

/// There is no other store for writes, so the queue is held against what it is built on.
const BESIDE_SQLITE: &[Peer] = &[Peer::Store, Peer::Sqlite];

/// What the queue shall do of what SQLite alone does.
const DURABLE: &[Goal] = &[Goal {
    figure: Figure::PerSecond,
    ours: Peer::Store,
    peer: Some(Peer::Sqlite),
    bound: Bound::AtLeast(0.7),
}];

/// A mirror is nothing that a client notices. Why not 1: CONTRIBUTING.md.
const UNNOTICED: &[Goal] = &[beside_balance(Figure::P99, 1.25)];

/// Requests in a second of the scenario `mirror`: a fraction of what one core can do.
const BELOW_SATURATION: Option<u32> = Some(4000);

/// All of them.
pub(crate) static SCENARIOS: [Scenario; 14] = [
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
            goals: &[beside_balance(Figure::Cpu, 1.3)],
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
            generator: Generator::Wrk(Method::Post(127)),
            peers: BESIDE_BALANCE,
            goals: &[beside_balance(Figure::Cpu, 1.3)],
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
            generator: Generator::Callers(Method::Get, None),
            peers: BESIDE_BALANCE,
            goals: &[beside_balance(Figure::P99, 0.2), beside_balance(Figure::Asked, 1.06)],
        }],
    },
    Scenario {
        name: "durable",
        about: "Durable writes of 1 KiB for two servers in a second: the queue beside SQLite alone with as many in a commit, and the whole proxy with 64 connections",
        protocol: Protocol::Plain,
        answer: Answer::Small,
        servers: Servers::Two,
        mode: Mode::Durable,
        connections: 64,
        unit: "write",
        lines: &[
            durable("16 at a time", 16, true),
            durable("64 at a time", 64, true),
            durable("256 at a time", 256, true),
            durable("64 at a time, kept", 64, false),
            Line {
                name: "POST",
                generator: Generator::Wrk(Method::Post(1024)),
                peers: &[Peer::Weir],
                goals: &[],
            },
        ],
    },
    Scenario {
        name: "mirror",
        about: "What clients notice of a mirror that never reads: 16 kept-alive connections, 4000 requests in a second; beside the same without a mirror",
        protocol: Protocol::Plain,
        answer: Answer::Small,
        servers: Servers::Deaf,
        mode: Mode::Mirror,
        connections: 16,
        unit: "request",
        lines: &[
            Line {
                name: "GET",
                generator: Generator::Callers(Method::Get, BELOW_SATURATION),
                peers: BESIDE_BALANCE,
                goals: UNNOTICED,
            },
            Line {
                name: "POST",
                generator: Generator::Callers(Method::Post(127), BELOW_SATURATION),
                peers: BESIDE_BALANCE,
                // A body is kept for the copy, which takes time of the same core.
                goals: &[],
            },
        ],
    },
    balance5(
        "balance5",
        "CPU time per request: 64 kept-alive connections, five servers with health checks and ejection, `round_robin`; beside the same without either",
        Strategy::RoundRobin,
    ),
    balance5("balance5-least", "The same with `least_requests`", Strategy::LeastRequests),
    balance5("balance5-p2c", "The same with `p2c`", Strategy::P2c),
    balance5("balance5-peak", "The same with `peak_ewma`", Strategy::PeakEwma),
    Scenario {
        name: "checks",
        about: "CPU time per health check: a thousand servers, each of which is connected to ten times in a second, and no requests",
        protocol: Protocol::Plain,
        answer: Answer::Small,
        servers: Servers::Many,
        mode: Mode::Checks,
        connections: 1,
        unit: "check",
        lines: &[Line {
            name: "TCP",
            generator: Generator::Checks,
            peers: &[Peer::Weir],
            goals: &[Goal { figure: Figure::Core, ours: Peer::Weir, peer: None, bound: Bound::AtMost(1.0) }],
        }],
    },
];

/// Five servers that are balanced so and looked after, beside five that take turns whatever happens.
const fn balance5(name: &'static str, about: &'static str, strategy: Strategy) -> Scenario {
    Scenario {
        name,
        about,
        protocol: Protocol::Plain,
        answer: Answer::Small,
        servers: Servers::Five,
        mode: Mode::Checked(strategy),
        connections: 64,
        unit: "request",
        lines: CHECKED,
    }
}

/// What it costs to look how servers are and to choose among them.
const CHECKED: &[Line] = &[Line {
    name: "GET",
    generator: Generator::Wrk(Method::Get),
    peers: BESIDE_BALANCE,
    goals: &[beside_balance(Figure::Cpu, 1.03)],
}];

const fn cpu(peer: Peer, at_most: f64) -> Goal {
    Goal { figure: Figure::Cpu, ours: Peer::Weir, peer: Some(peer), bound: Bound::AtMost(at_most) }
}

const fn beside_balance(figure: Figure, at_most: f64) -> Goal {
    Goal { figure, ours: Peer::Weir, peer: Some(Peer::Balance), bound: Bound::AtMost(at_most) }
}

const fn durable(name: &'static str, at_a_time: u32, settled: bool) -> Line {
    let generator = Generator::Writes(Writes { at_a_time, settled });
    Line { name, generator, peers: BESIDE_SQLITE, goals: DURABLE }
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

#[cfg(test)]
mod tests {
    use super::{Bound, Figure, Generator, Mode, Peer, Protocol, SCENARIOS, Scenario, Servers};

    #[test]
    fn the_table_holds_together() {
        for scenario in &SCENARIOS {
            assert!(Scenario::named(scenario.name).is_some_and(|found| std::ptr::eq(found, scenario)));
            assert!(!scenario.lines.is_empty(), "{}", scenario.name);
            for line in scenario.lines {
                let ours = |peer: &Peer| matches!(peer, Peer::Weir | Peer::Store);
                assert!(line.peers.iter().any(ours), "{}: {}", scenario.name, line.name);
                let listen = !matches!(line.generator, Generator::Writes(_));
                assert!(line.peers.iter().all(|peer| peer.listens() == listen), "{}", line.name);
                let same = scenario.lines.iter().filter(|other| other.name == line.name).count();
                assert_eq!(same, 1, "the report tells lines apart by name: {}", line.name);
                for goal in line.goals {
                    assert!(line.peers.contains(&goal.ours) && ours(&goal.ours));
                    let Some(peer) = goal.peer else { continue };
                    assert!(line.peers.contains(&peer) && !ours(&peer));
                    let beaten = matches!(goal.bound, Bound::AtMost(bound) if bound < 1.0);
                    assert!(beaten || matches!(peer, Peer::Balance | Peer::Sqlite), "others are beaten");
                    assert!(
                        goal.figure != Figure::Asked || scenario.servers != Servers::One,
                        "nobody counts"
                    );
                }
                let others = [Peer::Relay, Peer::Nginx, Peer::Haproxy];
                let alone = !line.peers.iter().any(|peer| others.contains(peer));
                assert!(alone || scenario.servers == Servers::One, "the others are told of one server");
                let beside_itself = !matches!(scenario.mode, Mode::Balance | Mode::Durable | Mode::Checks);
                assert_eq!(line.peers.contains(&Peer::Balance), beside_itself);
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

    #[test]
    fn requests_at_the_servers_are_as_many_as_the_mode_says() {
        let right = |name: &str, peer, asked| {
            Scenario::named(name).is_some_and(|scenario| scenario.trouble_with(peer, asked).is_none())
        };
        assert!(right("race3", Peer::Weir, 2.98) && !right("race3", Peer::Weir, 2.9));
        assert!(right("race3", Peer::Balance, 1.0) && !right("race3", Peer::Balance, 3.0));
        assert!(right("durable", Peer::Weir, 2.0) && !right("durable", Peer::Weir, 1.0));
        assert!(right("hedge", Peer::Weir, 1.5));
        assert!(right("mirror", Peer::Weir, 0.01) && !right("mirror", Peer::Weir, 0.0), "no copies");
        assert!(right("mirror", Peer::Balance, 0.0) && !right("mirror", Peer::Balance, 0.01));
    }
}
