//! What only a listener with `protocol: policy` has.

use ipnet::IpNet;

use crate::model::{PolicyLimits, PolicyTimeouts};
use crate::source::{At, Span};

use super::describe::Presence::{Default as Unless, Optional};
use super::kind::{Mapped, OneOrList, OrWord, Placed};
use super::network::NETWORK;
use super::rate::RATE;
use super::scalar::{DurationIn, Integer, Words};
use super::secret::{SecretSource, SecretText};
use super::table::{Field, Kept, Mapping, Table};

/// What is spoken on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP.
    Http,
    /// Messages of policy groups.
    Policy,
}

/// The protocols by their names.
pub(crate) const PROTOCOL: Words<Protocol> =
    Words { label: "protocol", words: &[("http", Protocol::Http), ("policy", Protocol::Policy)], later: &[] };

/// The keys that only such a listener has, as they were written.
#[derive(Debug, Default)]
pub(crate) struct PolicyFile {
    /// `payload_max`
    pub(crate) payload_max: Option<u64>,
    /// `register`
    pub(crate) register: RegisterFile,
    /// `limits`
    pub(crate) limits: PolicyLimits,
    /// `timeouts`
    pub(crate) timeouts: PolicyTimeouts,
    /// Those of its keys that stand in the file.
    pub(crate) keys: Vec<(&'static str, Span)>,
}

/// `register` as it was written.
#[derive(Debug, Default)]
pub(crate) struct RegisterFile {
    /// `allow`
    pub(crate) allow: Option<Vec<IpNet>>,
    /// `elsewhere`
    pub(crate) elsewhere: Vec<IpNet>,
    /// `token`
    pub(crate) token: Option<At<SecretSource>>,
}

/// Payloads longer than this are for HTTP.
const PAYLOAD_MAX: Integer = Integer { label: "the number of characters", min: 1, max: 1_000_000 };

/// The keys of a listener that it has only with `protocol: policy`
pub(crate) static POLICY_KEYS: Table<PolicyFile> = Table {
    name: "listener of policy groups",
    doc: "Keys of a listener with `protocol: policy`.",
    fields: &[
        Field {
            name: "payload_max",
            presence: Unless("1024"),
            value: &Kept(PAYLOAD_MAX, |policy: &mut PolicyFile, max| policy.payload_max = Some(max)),
            doc: "With `protocol: policy`: characters of a payload, from 1 to 1,000,000. A longer one is refused.",
        },
        Field {
            name: "register",
            presence: Optional,
            value: &Kept(Mapping(&REGISTER), |policy: &mut PolicyFile, register| policy.register = register),
            doc: "With `protocol: policy`: who may register as a server. Only this machine when not written.",
        },
        Field {
            name: "limits",
            presence: Optional,
            value: &Kept(Mapping(&POLICY_LIMITS), |policy: &mut PolicyFile, limits| policy.limits = limits),
            doc: "With `protocol: policy`: how much there may be.",
        },
        Field {
            name: "timeouts",
            presence: Optional,
            value: &Kept(Mapping(&POLICY_TIMEOUTS), |policy: &mut PolicyFile, timeouts| {
                policy.timeouts = timeouts;
            }),
            doc: "With `protocol: policy`: how long things may take.",
        },
    ],
    within: None,
    later: &[],
    note: Some(|policy, key, span| policy.keys.push((key, span))),
};

/// `register` of a listener
pub(crate) static REGISTER: Table<RegisterFile> = Table {
    name: "register",
    doc: "Who may register as a server at a listener with `protocol: policy`.",
    fields: &[
        Field {
            name: "allow",
            presence: Unless("[127.0.0.0/8, ::1]"),
            value: &Kept(
                OneOrList(NETWORK, "addresses or networks"),
                |register: &mut RegisterFile, networks| {
                    register.allow = Some(networks);
                },
            ),
            doc: "Addresses and networks from which servers may register. What is written replaces the default, which is this \
                  machine.",
        },
        Field {
            name: "elsewhere",
            presence: Optional,
            value: &Kept(
                OneOrList(NETWORK, "addresses or networks"),
                |register: &mut RegisterFile, networks| {
                    register.elsewhere = networks;
                },
            ),
            doc: "Addresses and networks for which others may register (`listenaddress` of the message). Without it a server \
                  registers for the address that it comes from and for no other.",
        },
        Field {
            name: "token",
            presence: Optional,
            value: &Kept(
                Placed(SecretText { label: "token", digest: false }),
                |register: &mut RegisterFile, token| register.token = Some(token),
            ),
            doc: "A secret that servers show (`token` of the message): `${NAME}` or `file:PATH`.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

const COUNT: Mapped<Integer, usize> =
    Mapped(Integer { label: "the number", min: 1, max: 1_000_000 }, to_usize);

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// `limits` of a listener
pub(crate) static POLICY_LIMITS: Table<PolicyLimits> = Table {
    name: "limits of a listener",
    doc: "How much there may be at a listener with `protocol: policy`.",
    fields: &[
        Field {
            name: "connections",
            presence: Unless("8192"),
            value: &Kept(COUNT, |limits: &mut PolicyLimits, count| limits.connections = count),
            doc: "Connections at the same time; more wait to be accepted.",
        },
        Field {
            name: "policies",
            presence: Unless("256"),
            value: &Kept(COUNT, |limits: &mut PolicyLimits, count| limits.policies = count),
            doc: "Policies; who registers for one more is refused.",
        },
        Field {
            name: "servers",
            presence: Unless("1024"),
            value: &Kept(COUNT, |limits: &mut PolicyLimits, count| limits.servers = count),
            doc: "Servers of one policy; one more is refused.",
        },
        Field {
            name: "messages",
            presence: Unless("unlimited"),
            value: &Kept(OrWord("unlimited", RATE), |limits: &mut PolicyLimits, rate| limits.messages = rate),
            doc: "How many messages of clients pass, as `5000/s`, so many of them at once. Those over it are refused.",
        },
        Field {
            name: "registrations",
            presence: Unless("1000/s"),
            value: &Kept(OrWord("unlimited", RATE), |limits: &mut PolicyLimits, rate| {
                limits.registrations = rate;
            }),
            doc: "How many registrations that change something pass, so many of them at once. One over it waits for its turn, for \
                  `timeouts.message` at most, and is refused then. Who only says again that it is there is not counted.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

const TIME: DurationIn =
    DurationIn { min: std::time::Duration::from_millis(1), max: std::time::Duration::from_secs(24 * 3600) };

/// `timeouts` of a listener
pub(crate) static POLICY_TIMEOUTS: Table<PolicyTimeouts> = Table {
    name: "timeouts of a listener",
    doc: "How long things may take at a listener with `protocol: policy`, each from `1ms` to `24h`.",
    fields: &[
        Field {
            name: "idle",
            presence: Unless("5s"),
            value: &Kept(TIME, |timeouts: &mut PolicyTimeouts, time| timeouts.idle = time),
            doc: "Until a message begins, on a new connection and behind an answer; then it is closed.",
        },
        Field {
            name: "message",
            presence: Unless("10s"),
            value: &Kept(TIME, |timeouts: &mut PolicyTimeouts, time| timeouts.message = time),
            doc: "From the first byte of a message to its last, and for a client to take its answer; then it is closed.",
        },
        Field {
            name: "answer",
            presence: Unless("5s"),
            value: &Kept(TIME, |timeouts: &mut PolicyTimeouts, time| timeouts.answer = time),
            doc: "Until a server has answered; then the next one is asked.",
        },
        Field {
            name: "forget",
            presence: Unless("60s"),
            value: &Kept(TIME, |timeouts: &mut PolicyTimeouts, time| timeouts.forget = time),
            doc: "How long a server that refuses connections is remembered, with its history; then it must register again.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};
