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
use super::scenario::{Generator, Line, Scenario};
use super::servers::Servers;
use super::store::Writes;

/// The one with this name.
pub(crate) fn named(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

/// All of them, for the command line.
pub(crate) fn values() -> impl Iterator<Item = PossibleValue> {
    SCENARIOS.iter().map(|scenario| PossibleValue::new(scenario.name).help(scenario.about))
}

/// Requests on kept-alive connections, a small answer to each, one server, and nothing beside a request's way.
const PLAIN: Scenario = Scenario {
    name: "",
    about: "",
    protocol: Protocol::Plain,
    answer: Answer::Small,
    servers: Servers::One,
    mode: Mode::Balance,
    connections: 64,
    words: &[],
    unit: "request",
    lines: &[],
};

const OTHERS: &[Peer] =
    &[Peer::Relay, Peer::Weir, Peer::Nginx, Peer::NginxDefault, Peer::Haproxy, Peer::HaproxyDefault];

/// The bare relay would open as many connections to the server. Unless they are told otherwise nginx takes 512, and HAProxy half as
/// many as it may open files.
const IN_A_CROWD: &[Peer] = &[Peer::Weir, Peer::Nginx, Peer::Haproxy];

/// The bare relay cannot answer a handshake.
const SPEAKING_TLS: &[Peer] =
    &[Peer::Weir, Peer::Nginx, Peer::NginxDefault, Peer::Haproxy, Peer::HaproxyDefault];

/// The others know no such mode, so Weir is held against itself.
const BESIDE_BALANCE: &[Peer] = &[Peer::Weir, Peer::Balance];

/// There is no other store for writes, so the queue is held against what it is built on.
const BESIDE_SQLITE: &[Peer] = &[Peer::Store, Peer::Sqlite];

/// What the queue shall do of what SQLite alone does.
const DURABLE: &[Goal] = &[Goal {
    figure: Figure::PerSecond,
    ours: Peer::Store,
    peer: Some(Peer::Sqlite),
    wall: Some(Bound::AtLeast(0.7)),
    target: None,
}];

/// A mirror is nothing that a client notices. Why not 1: CONTRIBUTING.md.
const UNNOTICED: &[Goal] = &[beside_balance(Figure::P99, 1.25)];

/// Requests in a second of the scenario `mirror`: a fraction of what one core can do.
const BELOW_SATURATION: Option<u32> = Some(4000);

/// All of them.
pub(crate) static SCENARIOS: [Scenario; 24] = [
    Scenario {
        name: "small",
        about: "CPU time per request: 64 kept-alive connections, answers of 127 bytes",
        lines: &[kept_alive(&[
            cpu(Peer::Nginx, 0.85).target(0.8),
            cpu(Peer::Haproxy, 0.75).target(0.65),
            // Moving the bytes alone costs that much; it is no wall, because the relay knows nothing of HTTP.
            aim(Peer::Relay, 1.15),
        ])],
        ..PLAIN
    },
    Scenario {
        name: "small-one",
        about: "The same with one connection, so that the proxy sleeps and is woken for each message",
        connections: 1,
        lines: &[kept_alive(&[cpu(Peer::Nginx, 1.0).target(0.9)])],
        ..PLAIN
    },
    Scenario {
        name: "64k",
        about: "CPU time per request: 16 kept-alive connections, answers of 64 KiB",
        answer: Answer::Medium,
        connections: 16,
        lines: &[kept_alive(&[cpu(Peer::Nginx, 0.85).target(0.65), cpu(Peer::Haproxy, 0.85).target(0.65)])],
        ..PLAIN
    },
    Scenario {
        name: "1m",
        about: "CPU time per request: 16 kept-alive connections, answers of 1 MiB",
        answer: Answer::Large,
        connections: 16,
        lines: &[kept_alive(&[cpu(Peer::Nginx, 0.8).target(0.6), cpu(Peer::Haproxy, 0.8).target(0.6)])],
        ..PLAIN
    },
    Scenario {
        name: "churn",
        about: "CPU time per request: 16 clients, a new connection for each request, closed by the client after the answer",
        connections: 16,
        lines: &[Line {
            name: "GET",
            generator: Generator::Connections,
            peers: OTHERS,
            goals: &[cpu(Peer::Nginx, 1.05).target(0.95)],
        }],
        ..PLAIN
    },
    Scenario {
        name: "upload",
        about: "CPU time per request: 16 kept-alive connections, bodies of 1 MiB, which nobody keeps before they are sent on",
        servers: Servers::Sink,
        connections: 16,
        words: &["upload"],
        lines: &[Line {
            name: "POST",
            generator: Generator::Wrk(Method::Post(1024 * 1024)),
            peers: OTHERS,
            goals: &[aim(Peer::Nginx, 0.75), aim(Peer::Haproxy, 0.75)],
        }],
        ..PLAIN
    },
    Scenario {
        name: "log",
        about: "The load of `small`, and a line of JSON for each request in a file; without HAProxy, which sends its lines to others",
        words: &["log"],
        lines: &[Line {
            name: "kept alive",
            generator: Generator::Wrk(Method::Get),
            peers: &[Peer::Weir, Peer::Nginx, Peer::NginxDefault],
            goals: &[cpu(Peer::Nginx, 0.9).target(0.8)],
        }],
        ..PLAIN
    },
    Scenario {
        name: "hosts",
        about: "CPU time per request for 10,000 hosts with 10 routes each, all of which are asked for; beside one host with one route and the same requests",
        mode: Mode::Hosts,
        lines: &[Line {
            name: "kept alive",
            generator: Generator::Wrk(Method::GetOfHosts),
            peers: BESIDE_BALANCE,
            goals: &[beside_balance(Figure::Cpu, 1.05).target(1.02)],
        }],
        ..PLAIN
    },
    Scenario {
        name: "idle",
        about: "Memory of 10,000 kept-alive connections that have sent one request each and are silent now",
        connections: 10_000,
        words: &["crowd"],
        unit: "connection",
        lines: &[Line {
            name: "silent",
            generator: Generator::Idle,
            peers: IN_A_CROWD,
            goals: &[own(Figure::Held, 3.0), beside(Figure::Held, Peer::Haproxy, 1.0).wish()],
        }],
        ..PLAIN
    },
    Scenario {
        name: "many",
        about: "The slow answers of 5,000 kept-alive connections, each of which sends the next request when it has an answer",
        connections: 5000,
        words: &["crowd"],
        lines: &[Line {
            name: "kept alive",
            generator: Generator::Callers(Method::Get, None),
            peers: IN_A_CROWD,
            goals: &[beside(Figure::P99, Peer::Nginx, 1.0).target(0.8)],
        }],
        ..PLAIN
    },
    Scenario {
        name: "workers",
        about: "CPU time per request with two workers, one of which shares its core with the server and the load generator; beside one that shares nothing",
        mode: Mode::Pair,
        lines: &[Line {
            name: "kept alive",
            generator: Generator::Wrk(Method::Get),
            peers: BESIDE_BALANCE,
            goals: &[beside_balance(Figure::Cpu, 1.1).target(1.05)],
        }],
        ..PLAIN
    },
    Scenario {
        name: "tls-small",
        about: "The load of `small` over TLS 1.3, without the relay",
        protocol: Protocol::Tls,
        lines: &[Line {
            name: "kept alive",
            generator: Generator::Wrk(Method::Get),
            peers: SPEAKING_TLS,
            goals: &[cpu(Peer::Nginx, 1.0).target(0.85)],
        }],
        ..PLAIN
    },
    Scenario {
        name: "tls-1m",
        about: "CPU time per request over TLS 1.3: 16 kept-alive connections, answers of 1 MiB",
        protocol: Protocol::Tls,
        answer: Answer::Large,
        connections: 16,
        lines: &[Line {
            name: "kept alive",
            generator: Generator::Wrk(Method::Get),
            peers: SPEAKING_TLS,
            goals: &[cpu(Peer::Nginx, 1.0).target(0.9)],
        }],
        ..PLAIN
    },
    Scenario {
        name: "tls-handshakes",
        about: "CPU time per new connection with TLS 1.3, ECDSA P-256 and one small request; full, and resumed",
        protocol: Protocol::Tls,
        connections: 16,
        unit: "handshake",
        lines: &[
            Line {
                name: "full",
                generator: new_connections(false, Group::X25519),
                peers: SPEAKING_TLS,
                goals: &[cpu(Peer::Nginx, 1.0).target(0.8)],
            },
            Line {
                name: "resumed",
                generator: new_connections(true, Group::X25519),
                peers: SPEAKING_TLS,
                goals: &[cpu(Peer::Nginx, 1.0).target(0.8)],
            },
            // The others' OpenSSL does not know it; the line beside `full` says what it costs.
            Line {
                name: "full, X25519MLKEM768",
                generator: new_connections(false, Group::X25519Mlkem768),
                peers: &[Peer::Weir],
                goals: &[],
            },
        ],
        ..PLAIN
    },
    Scenario {
        name: "race3",
        about: "CPU time per exchange with a server: 64 kept-alive connections, each request to three servers, the first answer wins; beside the same with `balance`",
        servers: Servers::Three,
        mode: Mode::Race,
        unit: "exchange",
        lines: &[Line {
            name: "GET",
            generator: Generator::Wrk(Method::Get),
            peers: BESIDE_BALANCE,
            goals: &[beside_balance(Figure::Cpu, 1.3)],
        }],
        ..PLAIN
    },
    Scenario {
        name: "duplicate3",
        about: "CPU time per exchange with a server: 64 kept-alive connections, each write of 127 bytes to three servers, all of which must acknowledge; beside the same with `balance`",
        servers: Servers::Three,
        mode: Mode::Duplicate,
        unit: "exchange",
        lines: &[Line {
            name: "POST",
            generator: Generator::Wrk(Method::Post(127)),
            peers: BESIDE_BALANCE,
            goals: &[beside_balance(Figure::Cpu, 1.3)],
        }],
        ..PLAIN
    },
    Scenario {
        name: "hedge",
        about: "The slow answers: 64 kept-alive connections, three servers that take 40 times as long for 4 % of their answers; beside the same with `balance`",
        servers: Servers::Laggards,
        mode: Mode::Hedge,
        lines: &[Line {
            name: "GET",
            generator: Generator::Callers(Method::Get, None),
            peers: BESIDE_BALANCE,
            goals: &[beside_balance(Figure::P99, 0.2), beside_balance(Figure::Asked, 1.06)],
        }],
        ..PLAIN
    },
    Scenario {
        name: "durable",
        about: "Durable writes of 1 KiB for two servers in a second: the queue beside SQLite alone with as many in a commit, and the whole proxy with 64 connections",
        servers: Servers::Two,
        mode: Mode::Durable,
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
        ..PLAIN
    },
    Scenario {
        name: "mirror",
        about: "What clients notice of a mirror that never reads: 16 kept-alive connections, 4000 requests in a second; beside the same without a mirror",
        servers: Servers::Deaf,
        mode: Mode::Mirror,
        connections: 16,
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
        ..PLAIN
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
        servers: Servers::Many,
        mode: Mode::Checks,
        connections: 1,
        unit: "check",
        lines: &[Line {
            name: "TCP",
            generator: Generator::Checks,
            peers: &[Peer::Weir],
            goals: &[own(Figure::Core, 1.0)],
        }],
        ..PLAIN
    },
];

/// Five servers that are balanced so and looked after, beside five that take turns whatever happens.
const fn balance5(name: &'static str, about: &'static str, strategy: Strategy) -> Scenario {
    Scenario { name, about, servers: Servers::Five, mode: Mode::Checked(strategy), lines: CHECKED, ..PLAIN }
}

/// What it costs to look how servers are and to choose among them.
const CHECKED: &[Line] = &[Line {
    name: "GET",
    generator: Generator::Wrk(Method::Get),
    peers: BESIDE_BALANCE,
    goals: &[beside_balance(Figure::Cpu, 1.03)],
}];

/// All peers, with kept-alive connections.
const fn kept_alive(goals: &'static [Goal]) -> Line {
    Line { name: "kept alive", generator: Generator::Wrk(Method::Get), peers: OTHERS, goals }
}

/// CPU time beside another peer.
const fn cpu(peer: Peer, at_most: f64) -> Goal {
    beside(Figure::Cpu, peer, at_most)
}

/// The same as a wish.
const fn aim(peer: Peer, at_most: f64) -> Goal {
    cpu(peer, at_most).wish()
}

const fn beside_balance(figure: Figure, at_most: f64) -> Goal {
    beside(figure, Peer::Balance, at_most)
}

const fn beside(figure: Figure, peer: Peer, at_most: f64) -> Goal {
    Goal { peer: Some(peer), ..own(figure, at_most) }
}

/// A figure of Weir's as it is.
const fn own(figure: Figure, at_most: f64) -> Goal {
    Goal { figure, ours: Peer::Weir, peer: None, wall: Some(Bound::AtMost(at_most)), target: None }
}

const fn durable(name: &'static str, at_a_time: u32, settled: bool) -> Line {
    let generator = Generator::Writes(Writes { at_a_time, settled });
    Line { name, generator, peers: BESIDE_SQLITE, goals: DURABLE }
}

const fn new_connections(resumed: bool, group: Group) -> Generator {
    Generator::Handshakes(handshakes::Kind { resumed, group })
}

#[cfg(test)]
mod tests;
