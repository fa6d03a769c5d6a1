//! What a seed makes: a mode with its rule, servers with their ways, clients with their requests.

use std::time::Duration;

use weir_core::dispatch::Mode;

use crate::tests::dice::Dice;
use crate::tests::message::Coding;

pub(super) const CONNECT: Duration = Duration::from_millis(500);
pub(super) const ANSWER_HEAD: Duration = Duration::from_millis(1000);
pub(super) const ANSWER_BODY: Duration = Duration::from_millis(700);
pub(super) const REQUEST_BODY: Duration = Duration::from_millis(3000);
pub(super) const CLIENT_WRITE: Duration = Duration::from_millis(3000);
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_millis(400);
pub(super) const HEDGE_AFTER: Duration = Duration::from_millis(30);
/// Bytes of a body that can be kept.
pub(super) const KEPT_BYTES_MAX: usize = 16 * 1024;

/// Bytes that a pipe takes before it is read, where it takes all that is said at once.
const WIDE: usize = 1 << 16;

/// The rule of the mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// `usable` is all but 5xx, or 2xx alone; without `otherwise` the best answer is passed on.
    Race {
        only_2xx: bool,
        width: Option<usize>,
        stagger: Duration,
        otherwise: Option<u16>,
    },
    Hedge,
    Majority {
        best: bool,
    },
    Duplicate {
        acknowledge: Acknowledge,
        catch_up: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acknowledge {
    First,
    All,
    Quorum,
    Primary(usize),
    Number(usize),
}

/// How a server is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Character {
    /// Of a hundred connections so many are refused, or not answered at all.
    pub refuses: usize,
    pub ignores: usize,
    /// Of a hundred requests so many get no good answer, and so many the answer that others give.
    pub ails: usize,
    pub agrees: usize,
    /// How slow it is at most, in steps.
    pub slowness: usize,
    /// How much its pipes hold.
    pub pipe: usize,
    /// It ends connections that are idle for so long.
    pub idle: Option<Duration>,
}

/// One request of a client.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub method: &'static str,
    pub coding: Coding,
    pub content: Vec<u8>,
    pub trailers: &'static str,
    pub key: bool,
    pub expects: bool,
    /// It says no more behind the request, which is no reason not to answer.
    pub half_closes: bool,
    pub close: bool,
    pub leaves: Option<Leave>,
    pub pauses: Vec<Duration>,
}

/// How a client does not stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leave {
    pub when: When,
    pub how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// After so many bytes of the body.
    Upload(usize),
    /// So long after the request.
    Waiting(Duration),
    /// After so many bytes of the answer.
    Download(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It closes, which Weir can't tell from a half-close until it writes.
    Closes,
    Resets,
    /// It is there and says no more.
    Stalls,
}

#[derive(Debug)]
pub(super) struct Scene {
    pub rule: Rule,
    pub servers: Vec<Character>,
    /// Requests on one connection after the other, for each client.
    pub clients: Vec<Vec<Asked>>,
    /// How much the pipes of clients hold.
    pub client_pipe: usize,
}

impl Scene {
    pub(super) fn new(mode: Mode, dice: &mut Dice) -> Self {
        let servers = dice.one_of(&[1, 2, 3, 3, 3, 4, 5]);
        let rule = rule(mode, servers, dice);
        // Sometimes all are well, sometimes all are ill.
        let (refusing, ailing) = (dice.one_of(&[0, 0, 30, 100]), dice.one_of(&[0, 0, 30, 100]));
        let agreeing = dice.one_of(&[0, 50, 90, 100]);
        let hanging = dice.one_of(&[0, 0, 0, 30]);
        let characters = (0..servers).map(|_| Character {
            refuses: dice.below(refusing + 1),
            ignores: hanging,
            ails: dice.below(ailing + 1),
            agrees: agreeing,
            slowness: dice.one_of(&[1, 2, 4, 8, 40]),
            pipe: dice.one_of(&[WIDE, WIDE, 500, 16, 3]),
            idle: dice.percent(20).then(|| Duration::from_millis(dice.below(60) as u64)),
        });
        let servers = characters.collect();
        let clients = dice.one_of(&[1, 1, 2, 3]);
        let leaving = dice.one_of(&[0, 0, 30, 100]);
        let clients = (0..clients).map(|_| {
            let requests = dice.one_of(&[1, 1, 2, 4]);
            (0..requests).map(|_| asked(leaving, dice)).collect()
        });
        Self { rule, servers, clients: clients.collect(), client_pipe: dice.one_of(&[WIDE, WIDE, 300, 7]) }
    }

    /// The same with pipes that hold whatever is said: a scene that is played again for each of its steps has fewer of them.
    pub(super) fn with_wide_pipes(mut self) -> Self {
        self.client_pipe = WIDE;
        self.servers.iter_mut().for_each(|server| server.pipe = WIDE);
        self
    }

    /// The configuration that says so.
    pub(super) fn config(&self) -> String {
        let dispatch = match self.rule {
            Rule::Race { only_2xx, width, stagger, otherwise } => {
                let usable = if only_2xx { "2xx" } else { "[2xx, 3xx, 4xx]" };
                let width = width.map_or(String::new(), |width| format!(", width: {width}"));
                let otherwise = otherwise.map_or("best".to_owned(), |status| status.to_string());
                let stagger = stagger.as_millis();
                format!("mode: race, usable: {usable}{width}, stagger: {stagger}ms, otherwise: {otherwise}")
            }
            Rule::Hedge => {
                let after = HEDGE_AFTER.as_millis();
                format!("mode: hedge, after: {after}ms, at_most: {after}ms")
            }
            Rule::Majority { best } => {
                format!("mode: majority, otherwise: {}", if best { "best" } else { "502" })
            }
            Rule::Duplicate { acknowledge, catch_up } => {
                let acknowledge = match acknowledge {
                    Acknowledge::First => "first".to_owned(),
                    Acknowledge::All => "all".to_owned(),
                    Acknowledge::Quorum => "quorum".to_owned(),
                    Acknowledge::Primary(_) => "primary".to_owned(),
                    Acknowledge::Number(number) => number.to_string(),
                };
                let catch_up = if catch_up { "memory" } else { "off" };
                let timeout = ANSWER_TIMEOUT.as_millis();
                format!(
                    "mode: duplicate, acknowledge: {acknowledge}, catch_up: {catch_up}, answer_timeout: {timeout}ms"
                )
            }
        };
        let primary = match self.rule {
            Rule::Duplicate { acknowledge: Acknowledge::Primary(primary), .. } => Some(primary),
            _ => None,
        };
        let servers = (0..self.servers.len()).map(|server| {
            let name = name(server);
            if primary == Some(server) {
                format!("{{address: '{name}', primary: true}}")
            } else {
                format!("'{name}'")
            }
        });
        let servers: Vec<_> = servers.collect();
        let waits = [("connect", CONNECT), ("answer_head", ANSWER_HEAD), ("answer_body", ANSWER_BODY)];
        let waits = waits.map(|(name, wait)| format!("{name}: {}ms", wait.as_millis())).join(", ");
        let (body, write) = (REQUEST_BODY.as_millis(), CLIENT_WRITE.as_millis());
        format!(
            "services: [{{host: '*', routes: [{{path: /, upstream: u, dispatch: {{{dispatch}}}}}]}}]\n\
             upstreams: {{u: {{servers: [{}]}}}}\n\
             timeouts: {{{waits}, request_body: {body}ms, client_write: {write}ms}}\n\
             replay: {{memory: {KEPT_BYTES_MAX}B, disk: off}}",
            servers.join(", ")
        )
    }
}

/// Its name in the configuration.
pub(super) fn name(server: usize) -> String {
    format!("127.0.0.1:{}", server + 1)
}

fn rule(mode: Mode, servers: usize, dice: &mut Dice) -> Rule {
    match mode {
        Mode::Race => Rule::Race {
            only_2xx: dice.percent(30),
            width: dice.percent(50).then(|| 1 + dice.below(3)),
            stagger: dice.one_of(&[0, 0, 5, 30].map(Duration::from_millis)),
            otherwise: dice.percent(30).then_some(500),
        },
        Mode::Hedge => Rule::Hedge,
        Mode::Majority => Rule::Majority { best: dice.percent(40) },
        Mode::Duplicate => Rule::Duplicate {
            acknowledge: match dice.below(5) {
                0 => Acknowledge::First,
                1 => Acknowledge::All,
                2 => Acknowledge::Quorum,
                3 => Acknowledge::Primary(dice.below(servers)),
                _ => Acknowledge::Number(1 + dice.below(servers)),
            },
            catch_up: dice.percent(60),
        },
        Mode::Balance => unreachable!("it has one copy"),
    }
}

fn asked(leaving: usize, dice: &mut Dice) -> Asked {
    let method = dice.one_of(&["GET", "POST", "POST", "PUT", "HEAD"]);
    let coding = match method {
        "GET" | "HEAD" => Coding::None,
        _ => dice.one_of(&[Coding::Sized, Coding::Sized, Coding::Chunked, Coding::None]),
    };
    let bytes = match coding {
        Coding::None => 0,
        _ => dice.one_of(&[0, 1, 30, 200, 200, 5000, 16_000, 40_000]),
    };
    let bytes = bytes.min(if dice.percent(85) { 200 } else { usize::MAX });
    let content = (0..bytes).map(|_| b'a' + dice.below(26) as u8).collect();
    let trailers = if coding == Coding::Chunked && dice.percent(40) { "End: up\r\n" } else { "" };
    let leaves = dice.percent(leaving).then(|| {
        let when = match dice.below(3) {
            0 if bytes > 0 => When::Upload(dice.below(bytes)),
            0 | 1 => When::Waiting(dice.delay(40)),
            _ => When::Download(dice.below(300)),
        };
        let how = match when {
            When::Upload(_) => dice.one_of(&[How::Closes, How::Resets, How::Stalls]),
            When::Waiting(_) => dice.one_of(&[How::Closes, How::Resets]),
            When::Download(_) => dice.one_of(&[How::Closes, How::Resets, How::Stalls]),
        };
        Leave { when, how }
    });
    Asked {
        method,
        coding,
        content,
        trailers,
        key: dice.percent(20),
        expects: bytes > 0 && dice.percent(15),
        half_closes: leaves.is_none() && dice.percent(10),
        close: dice.percent(20),
        leaves,
        pauses: (0..6).map(|_| dice.delay(8)).collect(),
    }
}
