//! The keys of a dispatch mode. Which of them belong to which mode is checked where the mode is known.

use std::time::Duration;

use weir_core::dispatch::{Acknowledge, After, CatchUp, Full, Mode, StatusSet};

use super::super::describe::Presence::{Default as Unless, Optional, Required};
use super::super::scalar::{DurationIn, Integer, OrNumber, Parsed, SHARE, SizeIn, Words};
use super::super::table::{Field, Kept, Table};
use super::statuses::{LIST, STATUS_SET};
use crate::complaint::Complaint;
use crate::node::shortened;
use crate::quantity;
use crate::source::Span;

/// `dispatch` as a mapping with `mode`, as it was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct DispatchFile {
    /// `mode`
    pub(crate) mode: Mode,
    /// `usable`
    pub(crate) usable: Option<StatusSet>,
    /// `width`
    pub(crate) width: Option<u64>,
    /// `stagger`
    pub(crate) stagger: Option<Duration>,
    /// `otherwise`; `None` inside stands for the best answer.
    pub(crate) otherwise: Option<Option<u16>>,
    /// `best`
    pub(crate) best: Option<Vec<StatusSet>>,
    /// `after`
    pub(crate) after: Option<After>,
    /// `at_most`
    pub(crate) at_most: Option<Duration>,
    /// `budget`
    pub(crate) budget: Option<f64>,
    /// `acknowledge`
    pub(crate) acknowledge: Option<Acknowledge>,
    /// `answer_timeout`
    pub(crate) answer_timeout: Option<Duration>,
    /// `catch_up`
    pub(crate) catch_up: Option<CatchUp>,
    /// `order`
    pub(crate) strict_order: Option<bool>,
    /// `keep`
    pub(crate) keep: Option<Duration>,
    /// `backlog`
    pub(crate) backlog: Option<u64>,
    /// `backlog_bytes`
    pub(crate) backlog_bytes: Option<u64>,
    /// `dead_letters`
    pub(crate) dead_letters: Option<u64>,
    /// `dead_letters_bytes`
    pub(crate) dead_letters_bytes: Option<u64>,
    /// `full`
    pub(crate) full: Option<Full>,
    /// Where each key was written.
    pub(crate) keys: Vec<(&'static str, Span)>,
}

pub(super) const MODE: Words<Mode> = Words {
    label: "dispatch mode",
    words: &[
        ("balance", Mode::Balance),
        ("duplicate", Mode::Duplicate),
        ("race", Mode::Race),
        ("hedge", Mode::Hedge),
        ("majority", Mode::Majority),
    ],
    later: &[],
};

const ACKNOWLEDGE: OrNumber<Acknowledge> = OrNumber {
    text: Parsed {
        label: "acknowledgement rule",
        pattern: r"^(first|all|quorum|primary|[1-9][0-9]{0,3})$",
        parse: acknowledge,
    },
    min: 1,
    max: 9999,
};

fn acknowledge(text: &str) -> Result<Acknowledge, Complaint> {
    match text.parse::<u32>() {
        Ok(number) if (1..=9999).contains(&number) => Ok(Acknowledge::Number(number)),
        _ => RULES.parse(text),
    }
}

const RULES: Words<Acknowledge> = Words {
    label: "acknowledgement rule",
    words: &[
        ("first", Acknowledge::First),
        ("all", Acknowledge::All),
        ("quorum", Acknowledge::Quorum),
        ("primary", Acknowledge::Primary),
    ],
    later: &[],
};

const CATCH_UP: Words<CatchUp> = Words {
    label: "way to catch up",
    words: &[("memory", CatchUp::Memory), ("durable", CatchUp::Durable), ("off", CatchUp::Off)],
    later: &[],
};

const ORDER: Words<bool> =
    Words { label: "order", words: &[("relaxed", false), ("strict", true)], later: &[] };

const FULL: Words<Full> = Words {
    label: "effect of a full backlog",
    words: &[("reject", Full::Reject), ("drop_oldest", Full::DropOldest)],
    later: &[],
};

const AFTER: Parsed<After> =
    Parsed { label: "moment to hedge", pattern: r"^(p95|[0-9]+(\.[0-9]+)?\s*(ms|s|m|h))$", parse: after };

pub(crate) fn after(text: &str) -> Result<After, Complaint> {
    if text == "p95" {
        return Ok(After::Percentile);
    }
    match quantity::duration(text) {
        Ok(time) if (MILLISECOND..=HOUR).contains(&time) => Ok(After::Fixed(time)),
        Ok(_) => Err(Complaint::new(format!("`{}` is not from `1ms` to `1h`", shortened(text)))),
        Err(complaint) => Err(complaint.hint("write `p95`, or a duration as `50ms`")),
    }
}

const OTHERWISE: OrNumber<Option<u16>> = OrNumber {
    text: Parsed { label: "answer when none is usable", pattern: "^(best|[45][0-9]{2})$", parse: otherwise },
    min: 400,
    max: 599,
};

fn otherwise(text: &str) -> Result<Option<u16>, Complaint> {
    let no = || {
        Complaint::new(format!("`{}` is no answer when none is usable", shortened(text)))
            .hint("write `best`, or a status from 400 to 599")
    };
    match text {
        "best" => Ok(None),
        _ => text.parse().ok().filter(|status| (400..600).contains(status)).map(Some).ok_or_else(no),
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

/// `dispatch` as a mapping with `mode`
pub(crate) static DISPATCH: Table<DispatchFile> = Table {
    name: "dispatch",
    doc: "`dispatch` as a mapping with `mode`. Without `mode` a mapping gives each method its own: `{GET: balance, \
          POST: {mode: duplicate, acknowledge: quorum}}`; methods that are not named take `\"*\"`, else `balance`, and HEAD \
          follows GET. Each key belongs to the modes that its text names.",
    fields: &[
        Field {
            name: "mode",
            presence: Required,
            value: &Kept(MODE, |dispatch: &mut DispatchFile, mode| dispatch.mode = mode),
            doc: "How many servers get a request. `balance`: one. `duplicate`: all, and enough of them must acknowledge. \
                  `race`: all, the first usable answer wins. `hedge`: a second one when the first is slow. `majority`: all, \
                  the answer of most.",
        },
        Field {
            name: "usable",
            presence: Unless("[2xx, 3xx, 4xx]"),
            value: &Kept(STATUS_SET, |dispatch: &mut DispatchFile, set| dispatch.usable = Some(set)),
            doc: "race: answers that win: classes, statuses, ranges (`500-503`). Interim answers never win.",
        },
        Field {
            name: "width",
            presence: Optional,
            value: &Kept(
                Integer { label: "`width`", min: 1, max: 1000 },
                |dispatch: &mut DispatchFile, number| dispatch.width = Some(number),
            ),
            doc: "race: servers that are asked at the same time, from 1 to 1000; all when not written. When one fails, the \
                  next one is asked.",
        },
        Field {
            name: "stagger",
            presence: Unless("0s"),
            value: &Kept(
                DurationIn { min: Duration::ZERO, max: HOUR },
                |dispatch: &mut DispatchFile, time| dispatch.stagger = Some(time),
            ),
            doc: "race: time between one server and the next, from `0s` to `1h`; a failure ends the wait.",
        },
        Field {
            name: "otherwise",
            presence: Optional,
            value: &Kept(OTHERWISE, |dispatch: &mut DispatchFile, otherwise| {
                dispatch.otherwise = Some(otherwise);
            }),
            doc: "race, majority: what the client gets when no answer is usable, or no majority agrees: the `best` answer, or \
                  this status from 400 to 599. `best` for a race, 502 for a majority when not written.",
        },
        Field {
            name: "best",
            presence: Unless("[2xx, 3xx, 4xx, 5xx]"),
            value: &Kept(LIST, |dispatch: &mut DispatchFile, sets| dispatch.best = Some(sets)),
            doc: "race, majority: which answer is the best, in this order; among equals the first to come.",
        },
        Field {
            name: "after",
            presence: Unless("p95"),
            value: &Kept(AFTER, |dispatch: &mut DispatchFile, after| dispatch.after = Some(after)),
            doc: "hedge: when the second server is asked: after the time within which 95 % of the answers begin (`p95`, measured \
                  as it runs; the median over the servers), or after a duration from `1ms` to `1h`.",
        },
        Field {
            name: "at_most",
            presence: Unless("1s"),
            value: &Kept(DurationIn { min: MILLISECOND, max: HOUR }, |dispatch: &mut DispatchFile, time| {
                dispatch.at_most = Some(time);
            }),
            doc: "hedge: the latest moment to ask the second server, from `1ms` to `1h`; what holds as long as nothing was \
                  measured.",
        },
        Field {
            name: "budget",
            presence: Unless("5%"),
            value: &Kept(SHARE, |dispatch: &mut DispatchFile, share| dispatch.budget = Some(share)),
            doc: "hedge: second requests, as a share of the requests of clients; up to 10 of them are saved up. A larger share \
                  costs the servers more when all of them are slow.",
        },
        Field {
            name: "acknowledge",
            presence: Unless("first"),
            value: &Kept(ACKNOWLEDGE, |dispatch: &mut DispatchFile, rule| dispatch.acknowledge = Some(rule)),
            doc: "duplicate: who must have taken the write before the client is told that it was: the `first`, `all`, more than \
                  half of the servers (`quorum`), the `primary`, or a number of them.",
        },
        Field {
            name: "answer_timeout",
            presence: Unless("10s"),
            value: &Kept(DurationIn { min: MILLISECOND, max: HOUR }, |dispatch: &mut DispatchFile, time| {
                dispatch.answer_timeout = Some(time);
            }),
            doc: "duplicate: how long the client waits for that, from `1ms` to `1h`. Then it gets 503, which means \"not yet\": \
                  delivery goes on.",
        },
        Field {
            name: "catch_up",
            presence: Unless("memory"),
            value: &Kept(CATCH_UP, |dispatch: &mut DispatchFile, way| dispatch.catch_up = Some(way)),
            doc: "duplicate: where writes wait for a server that could not take them: in `memory`, which is lost when Weir \
                  stops, in a file under `state` in which a write is before any server gets it (`durable`, only for an \
                  upstream with a name), or nowhere (`off`).",
        },
        Field {
            name: "order",
            presence: Unless("relaxed"),
            value: &Kept(ORDER, |dispatch: &mut DispatchFile, strict| dispatch.strict_order = Some(strict)),
            doc: "duplicate: `strict` sends one write at a time to each server; otherwise writes that come at the same time \
                  overtake each other. A server that has a backlog gets it in order in both.",
        },
        Field {
            name: "keep",
            presence: Unless("24h"),
            value: &Kept(
                DurationIn { min: Duration::from_secs(1), max: Duration::from_secs(90 * 24 * 3600) },
                |dispatch: &mut DispatchFile, time| dispatch.keep = Some(time),
            ),
            doc: "duplicate: how long a write waits for its server, from `1s` to 90 days; then it is a dead letter.",
        },
        Field {
            name: "backlog",
            presence: Unless("100000"),
            value: &Kept(
                Integer { label: "`backlog`", min: 1, max: 100_000_000 },
                |dispatch: &mut DispatchFile, number| dispatch.backlog = Some(number),
            ),
            doc: "duplicate: how many writes may wait or be in progress, each once however many servers it waits for, from 1 to \
                  100,000,000. Each costs about 200 bytes of memory with `durable`, and about 1 KiB beside its content \
                  where it is kept in memory. An upstream has one queue, so all that duplicates to it says the same of it.",
        },
        Field {
            name: "backlog_bytes",
            presence: Unless("1GiB"),
            value: &Kept(SizeIn { min: 1 << 20, max: 1 << 50 }, |dispatch: &mut DispatchFile, size| {
                dispatch.backlog_bytes = Some(size);
            }),
            doc: "duplicate: bytes of the heads and bodies of all writes that wait or are in progress, from `1MiB` to \
                  `1048576GiB`. What is over one of the two bounds gets what `full` says.",
        },
        Field {
            name: "dead_letters",
            presence: Unless("100000"),
            value: &Kept(
                Integer { label: "`dead_letters`", min: 1, max: 100_000_000 },
                |dispatch: &mut DispatchFile, number| dispatch.dead_letters = Some(number),
            ),
            doc: "duplicate: how many dead letters are kept, each once however many servers it is one of, from 1 to 100,000,000. \
                  Beyond, writes that all servers have refused are forgotten, the oldest first.",
        },
        Field {
            name: "dead_letters_bytes",
            presence: Unless("256MiB"),
            value: &Kept(SizeIn { min: 1 << 20, max: 1 << 50 }, |dispatch: &mut DispatchFile, size| {
                dispatch.dead_letters_bytes = Some(size);
            }),
            doc: "duplicate: bytes of the heads and bodies of all dead letters, from `1MiB` to `1048576GiB`. The newest is kept \
                  however large it is.",
        },
        Field {
            name: "full",
            presence: Unless("reject"),
            value: &Kept(FULL, |dispatch: &mut DispatchFile, full| dispatch.full = Some(full)),
            doc: "duplicate: what happens to a write when the backlog is full: it is refused with 503 (`reject`), or the oldest \
                  one becomes a dead letter (`drop_oldest`). So too when the dead letters are full of writes that some server may \
                  have taken: new writes are refused with 503 until there is room, or the oldest dead letter is forgotten.",
        },
    ],
    within: None,
    later: &[],
    note: Some(|dispatch, key, span| dispatch.keys.push((key, span))),
};
