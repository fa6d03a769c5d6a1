//! `eject`: when a server is taken out because requests to it fail, and how it comes back.

use std::time::Duration;

use weir_core::health::{BreakerRule, EjectionRule, Fault, Faults, ShareRule};

use crate::node::{Node, NodeKind};
use crate::problem::Problem;
use crate::quantity::{self, duration_text};
use crate::source::{At, Span};

use super::decoder::Decoder;
use super::describe::Presence::{Default as Unless, Optional};
use super::describe::Shape;
use super::dispatch::statuses::STATUSES;
use super::kind::{Kind, OneOrList, OrWord, Placed, Refined};
use super::scalar::{DurationIn, Integer, Parsed, Words};
use super::table::{Field, Kept, Mapping, Table};

/// `eject` as it was written.
#[derive(Debug, Default)]
pub(crate) struct EjectFile {
    consecutive: Option<Option<u64>>,
    share: Option<At<f64>>,
    window: Option<At<Duration>>,
    least: Option<At<u64>>,
    on: Option<Vec<Faults>>,
    time: Option<Duration>,
    time_max: Option<At<Duration>>,
    at_most: Option<f64>,
    trials: Option<u64>,
}

/// `eject`; `None` for `off`.
pub(crate) type EjectKind = OrWord<Refined<Mapping<EjectFile>, EjectionRule>>;

/// See [`EjectKind`].
pub(crate) const EJECT_KIND: EjectKind = OrWord("off", Refined(Mapping(&EJECT), ejection));

/// How far back failures are counted, where a share is written and nothing of this.
const WINDOW: Duration = Duration::from_secs(10);

/// Below so many requests in the window a share says nothing, where nothing is written of this.
const LEAST: u32 = 20;

const HOUR: Duration = Duration::from_secs(3600);

/// A share from 0.1 % on: less can't be told from nothing by what is counted.
const SHARE: Parsed<f64> =
    Parsed { label: "share", pattern: r"^[0-9]+(\.[0-9]+)?\s*%$", parse: above_nothing };

fn above_nothing(text: &str) -> Result<f64, crate::complaint::Complaint> {
    let share = quantity::share(text)?;
    if share >= 0.001 {
        return Ok(share);
    }
    Err(crate::complaint::Complaint::new(format!("`{text}` is not from `0.1%` to `100%`")))
}

/// What failed, as a word or as statuses.
struct FaultsKind;

const WORDS: Words<Fault> = Words {
    label: "kind of failure",
    words: &[
        ("connect_failure", Fault::Unreachable),
        ("reset", Fault::Reset),
        ("timeout", Fault::Timeout),
        ("garbage", Fault::Garbage),
    ],
    later: &[],
};

impl Kind for FaultsKind {
    type Value = Faults;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<Faults> {
        match &node.kind {
            NodeKind::Scalar(scalar) if scalar.text.starts_with(|sign: char| sign.is_ascii_digit()) => {
                STATUSES.decode(node, decoder).map(|statuses| Faults { statuses, ..Faults::NONE })
            }
            NodeKind::Scalar(_) | NodeKind::List(_) | NodeKind::Mapping(_) => {
                WORDS.decode(node, decoder).map(|fault| Faults::NONE.with(fault))
            }
        }
    }

    fn shape(&self) -> Shape {
        Shape::Either(vec![WORDS.shape(), STATUSES.shape()])
    }
}

/// `eject`
pub(crate) static EJECT: Table<EjectFile> = Table {
    name: "eject",
    doc: "When a server is taken out for a while because requests to it fail. It comes back when some requests that try it have \
          succeeded. A server that is alone is never taken out. `off` for never.",
    fields: &[
        Field {
            name: "consecutive",
            presence: Unless("5"),
            value: &Kept(
                OrWord(
                    "off",
                    Integer { label: "`consecutive`", min: 1, max: BreakerRule::CONSECUTIVE_MAX as u64 },
                ),
                |eject: &mut EjectFile, number| eject.consecutive = Some(number),
            ),
            doc: "Failures in a row that take a server out, from 1 to 255, or `off`. They are counted over all workers and routes.",
        },
        Field {
            name: "share",
            presence: Optional,
            value: &Kept(Placed(SHARE), |eject: &mut EjectFile, share| eject.share = Some(share)),
            doc: "The share of failed requests in `window` that takes a server out, from `0.1%`. Each answer is counted then.",
        },
        Field {
            name: "window",
            presence: Unless("10s"),
            value: &Kept(
                Placed(DurationIn { min: Duration::from_millis(100), max: HOUR }),
                |eject: &mut EjectFile, window| eject.window = Some(window),
            ),
            doc: "How far back `share` looks, from `100ms` to `1h`; of many requests at the last thousand or two.",
        },
        Field {
            name: "least",
            presence: Unless("20"),
            value: &Kept(
                Placed(Integer { label: "`least`", min: 1, max: 500 }),
                |eject: &mut EjectFile, number| eject.least = Some(number),
            ),
            doc: "Requests in `window` below which `share` says nothing, from 1 to 500.",
        },
        Field {
            name: "on",
            presence: Unless("[connect_failure, reset, timeout, garbage, 502, 503, 504]"),
            value: &Kept(OneOrList(FaultsKind, "kinds of failures"), |eject: &mut EjectFile, on| {
                eject.on = Some(on);
            }),
            doc: "What counts as a failure: `connect_failure`, `reset` (the connection broke), `timeout` (no answer in time), \
                  `garbage` (no HTTP), and statuses, classes and ranges of them. A 503 with Retry-After counts neither way.",
        },
        Field {
            name: "time",
            presence: Unless("10s"),
            value: &Kept(
                DurationIn { min: Duration::from_millis(100), max: HOUR },
                |eject: &mut EjectFile, time| eject.time = Some(time),
            ),
            doc: "How long a server is out the first time, from `100ms` to `1h`; twice as long the second time lately, and so \
                  on. Each such time in which it was not out takes one back.",
        },
        Field {
            name: "time_max",
            presence: Unless("5m"),
            value: &Kept(
                Placed(DurationIn { min: Duration::from_millis(100), max: Duration::from_secs(24 * 3600) }),
                |eject: &mut EjectFile, time| eject.time_max = Some(time),
            ),
            doc: "How long it is out at most, up to `24h`; not less than `time`.",
        },
        Field {
            name: "at_most",
            presence: Unless("50%"),
            value: &Kept(SHARE, |eject: &mut EjectFile, share| eject.at_most = Some(share)),
            doc: "The share of the servers that may be out at a time, rounded down; one may always be, where it is not alone.",
        },
        Field {
            name: "trials",
            presence: Unless("3"),
            value: &Kept(
                Integer { label: "`trials`", min: 1, max: BreakerRule::TRIALS_MAX as u64 },
                |eject: &mut EjectFile, number| eject.trials = Some(number),
            ),
            doc: "Requests that may try a server at a time when it has been out, from 1 to 100; as many successes bring it back, \
                  and a failure takes it out again.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

fn number(written: Option<u64>) -> Option<u32> {
    written.and_then(|number| u32::try_from(number).ok())
}

/// A share in thousandths; at least one.
fn per_mille(share: f64) -> u32 {
    // From 0 to 1, so it fits.
    ((share * 1000.0).round() as u32).clamp(1, 1000)
}

fn ejection(file: EjectFile, span: Span, decoder: &mut Decoder<'_>) -> Option<EjectionRule> {
    let usual = EjectionRule::default();
    let consecutive = file.consecutive.map_or(usual.breaker.consecutive, number);
    if consecutive.is_none() && file.share.is_none() {
        decoder.push(
            Problem::error(span, "`eject` does not say when: `consecutive` is `off` and there is no `share`")
                .hint("write `share: 50%`, or `eject: off`"),
        );
        return None;
    }
    if file.share.is_none() {
        let without = |span, key: &str| {
            Problem::warning(span, format!("`{key}` has no effect without `share`"))
                .hint("write `share: 50%`, or take it away")
        };
        file.window.iter().for_each(|window| decoder.push(without(window.span, "window")));
        file.least.iter().for_each(|least| decoder.push(without(least.span, "least")));
    }
    let time = file.time.unwrap_or(usual.time);
    if let Some(At { value, span }) = file.time_max
        && value < time
    {
        let problem = Problem::error(span, "`time_max` is shorter than `time`");
        decoder.push(problem.hint(format!("`time` is `{}`", duration_text(time))));
        return None;
    }
    let share = file.share.map(|share| ShareRule {
        per_mille: per_mille(share.value),
        window: file.window.map_or(WINDOW, |window| window.value),
        least: number(file.least.map(|least| least.value)).unwrap_or(LEAST),
    });
    let on = file.on.map(|on| on.iter().fold(Faults::NONE, Faults::and));
    Some(EjectionRule {
        breaker: BreakerRule {
            consecutive,
            share,
            trials: number(file.trials).unwrap_or(usual.breaker.trials),
        },
        on: on.unwrap_or(usual.on),
        time,
        time_max: file.time_max.map_or(usual.time_max.max(time), |time| time.value),
        at_most_per_mille: file.at_most.map_or(usual.at_most_per_mille, per_mille),
    })
}

#[cfg(test)]
mod tests;
