//! What a seed makes: a mode, servers with their moods, requests, and a mirror.

use std::time::Duration;

use weir_core::dispatch::Mode;

use crate::tests::dice::Dice;

pub(super) const CONNECT: Duration = Duration::from_millis(500);
pub(super) const ANSWER_HEAD: Duration = Duration::from_millis(1000);
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_millis(400);
/// How long a copy for the mirror may take: longer than all that a client waits for.
pub(super) const MIRROR_TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acknowledge {
    First,
    All,
    Quorum,
}

/// One request of a client.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Since the beginning of the life in which it begins.
    pub at: Duration,
    pub method: &'static str,
    pub content: Vec<u8>,
    /// The client goes away after so many bytes of the body, or so long after all of it.
    pub leaves: Option<Leave>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    Upload(usize),
    Waiting(Duration),
}

#[derive(Debug)]
pub(super) struct Scene {
    pub mode: Mode,
    pub acknowledge: Acknowledge,
    pub servers: usize,
    pub requests: Vec<Asked>,
    /// Of a hundred moods so many are bad.
    pub bad: usize,
    /// Servers refuse what is asked, too.
    pub refusing: bool,
    /// The mirror never answers.
    pub deaf_mirror: bool,
    /// The bound of the backlog.
    pub backlog: usize,
    /// The bound of the dead letters.
    pub dead_letters: usize,
}

impl Scene {
    pub(super) fn new(dice: &mut Dice) -> Self {
        let mode = dice.one_of(&[
            Mode::Duplicate,
            Mode::Duplicate,
            Mode::Duplicate,
            Mode::Duplicate,
            Mode::Race,
            Mode::Hedge,
            Mode::Majority,
        ]);
        let requests = 1 + dice.below(9);
        Self {
            mode,
            acknowledge: dice.one_of(&[Acknowledge::First, Acknowledge::All, Acknowledge::Quorum]),
            servers: dice.one_of(&[1, 2, 3, 3]),
            requests: (0..requests).map(|_| asked(mode, dice)).collect(),
            bad: dice.one_of(&[0, 30, 60, 90]),
            refusing: dice.percent(40),
            deaf_mirror: dice.percent(40),
            backlog: dice.one_of(&[2, 5, 1000]),
            dead_letters: dice.one_of(&[1, 2, 1000]),
        }
    }

    /// The configuration that says so.
    pub(super) fn config(&self) -> String {
        let dispatch = match self.mode {
            Mode::Duplicate => {
                let acknowledge = match self.acknowledge {
                    Acknowledge::First => "first",
                    Acknowledge::All => "all",
                    Acknowledge::Quorum => "quorum",
                };
                let (timeout, backlog, dead) = (ANSWER_TIMEOUT.as_millis(), self.backlog, self.dead_letters);
                format!(
                    "mode: duplicate, catch_up: durable, acknowledge: {acknowledge}, answer_timeout: {timeout}ms, \
                     backlog: {backlog}, dead_letters: {dead}"
                )
            }
            Mode::Race => "mode: race".to_owned(),
            Mode::Hedge => "mode: hedge, after: 30ms, at_most: 30ms".to_owned(),
            Mode::Majority => "mode: majority".to_owned(),
            Mode::Balance => unreachable!("it has one copy"),
        };
        let servers: Vec<_> = (0..self.servers).map(|server| format!("'{}'", name(server))).collect();
        let mirror = MIRROR_TIMEOUT.as_secs();
        let (connect, head) = (CONNECT.as_millis(), ANSWER_HEAD.as_millis());
        format!(
            "services: [{{host: '*', routes: [{{path: /, upstream: u, dispatch: {{{dispatch}}}, \
             mirror: {{upstream: m, timeout: {mirror}s}}}}]}}]\n\
             upstreams: {{u: {{servers: [{}]}}, m: {{servers: ['{}']}}}}\n\
             timeouts: {{connect: {connect}ms, answer_head: {head}ms}}\n\
             replay: {{memory: 16KiB, disk: off}}",
            servers.join(", "),
            name(self.mirror()),
        )
    }

    /// The number of the mirror among the servers.
    pub(super) fn mirror(&self) -> usize {
        self.servers
    }

    /// How many servers must have a write before its client is told so.
    pub(super) fn needed(&self) -> usize {
        match self.acknowledge {
            Acknowledge::First => 1,
            Acknowledge::All => self.servers,
            Acknowledge::Quorum => self.servers / 2 + 1,
        }
    }
}

/// Its name in the configuration.
pub(super) fn name(server: usize) -> String {
    format!("127.0.0.1:{}", server + 1)
}

fn asked(mode: Mode, dice: &mut Dice) -> Asked {
    let method = match mode {
        Mode::Duplicate => dice.one_of(&["POST", "PUT"]),
        _ => dice.one_of(&["GET", "PUT"]),
    };
    let bytes = if method == "GET" { 0 } else { dice.one_of(&[0, 1, 40, 300]) };
    let content: Vec<u8> = (0..bytes).map(|_| b'a' + dice.below(26) as u8).collect();
    let leaves = dice.percent(25).then(|| match bytes {
        40.. if dice.percent(50) => Leave::Upload(dice.below(bytes)),
        _ => Leave::Waiting(dice.delay(30)),
    });
    Asked { at: Duration::from_millis(5 * dice.below(200) as u64), method, content, leaves }
}
