//! `retry` of an upstream: what is tried again, how often, when, and what that is paid from.

use std::time::Duration;

use weir_core::retry::{Backoff, BudgetRule, RetryOn, RetryPolicy};

use crate::node::{Node, NodeKind};
use crate::problem::Problem;
use crate::quantity;
use crate::source::{At, Span};

use super::decoder::Decoder;
use super::describe::Presence::{Default as Unless, Optional};
use super::describe::Shape;
use super::kind::{Kind, OneOrList, OrWord, Placed, Refined};
use super::scalar::SHARE;
use super::scalar::{DurationIn, Integer, Words};
use super::table::{Field, Kept, Mapping, Table};

/// `retry` as it was written.
#[derive(Debug, Default)]
pub(crate) struct RetryFile {
    attempts: Option<u64>,
    on: Option<Vec<RetryOn>>,
    per_try: Option<Duration>,
    /// `None` within for `off`.
    budget: Option<Option<BudgetRule>>,
    backoff: Option<Option<Backoff>>,
}

/// A word, or a status as a number.
struct RetryOnKind;

const RETRY_WORDS: Words<RetryOn> = Words {
    label: "reason to retry",
    words: &[
        ("connect_failure", RetryOn::ConnectFailure),
        ("reset", RetryOn::Reset),
        ("timeout", RetryOn::Timeout),
    ],
    later: &[],
};

const RETRY_STATUS: Integer = Integer { label: "a status to retry on", min: 400, max: 599 };

impl Kind for RetryOnKind {
    type Value = RetryOn;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<RetryOn> {
        match &node.kind {
            NodeKind::Scalar(scalar) if scalar.text.starts_with(|sign: char| sign.is_ascii_digit()) => {
                let status = RETRY_STATUS.decode(node, decoder)?;
                u16::try_from(status).ok().map(RetryOn::Status)
            }
            NodeKind::Scalar(_) | NodeKind::List(_) | NodeKind::Mapping(_) => {
                RETRY_WORDS.decode(node, decoder)
            }
        }
    }

    fn shape(&self) -> Shape {
        Shape::Either(vec![RETRY_WORDS.shape(), RETRY_STATUS.shape()])
    }
}

/// A try that is given up after a few milliseconds would fail on every pause of a server.
const PER_TRY: DurationIn =
    DurationIn { min: Duration::from_millis(10), max: Duration::from_secs(24 * 3600) };

/// Waits between attempts, in which a client waits too.
const BACKOFF_TIME: DurationIn = DurationIn { min: Duration::from_millis(1), max: Duration::from_secs(60) };

/// How long a server may have asked to be left alone.
const RETRY_AFTER: DurationIn = DurationIn { min: Duration::ZERO, max: Duration::from_secs(3600) };

/// `retry`
pub(crate) static RETRY: Table<RetryFile> = Table {
    name: "retry",
    doc: "What is tried again, where repeating is safe: methods that are idempotent and requests with an Idempotency-Key, \
          as long as the body is still there whole. Passing over servers that can't be connected to is always done.",
    fields: &[
        Field {
            name: "attempts",
            presence: Unless("2"),
            value: &Kept(
                Integer { label: "`attempts`", min: 1, max: 10 },
                |retry: &mut RetryFile, number| retry.attempts = Some(number),
            ),
            doc: "Attempts in total, the first included, from 1 to 10; counts requests of which a byte may have been sent.",
        },
        Field {
            name: "on",
            presence: Unless("[connect_failure, reset]"),
            value: &Kept(OneOrList(RetryOnKind, "reasons to retry"), |retry: &mut RetryFile, on| {
                retry.on = Some(on);
            }),
            doc: "`connect_failure`, `reset` (the connection broke before the answer's head was whole), `timeout`, and \
                  statuses.",
        },
        Field {
            name: "per_try",
            presence: Optional,
            value: &Kept(PER_TRY, |retry: &mut RetryFile, time| retry.per_try = Some(time)),
            doc: "Time for each try until the answer's head, from `10ms`; `answer_head` when not written.",
        },
        Field {
            name: "budget",
            presence: Unless("{share: 20%, least: 10}"),
            value: &Kept(
                OrWord("off", Refined(Mapping(&BUDGET), budget)),
                |retry: &mut RetryFile, budget| {
                    retry.budget = Some(budget);
                },
            ),
            doc: "What repeats are paid from, for all workers together, so that servers which fail because they have too much \
                  to do are not given more. A request whose repeat can't be paid gets what the last attempt gave. `off`: only \
                  `attempts` limits them.",
        },
        Field {
            name: "backoff",
            presence: Unless("{first: 25ms, at_most: 250ms, retry_after: 5s}"),
            value: &Kept(
                OrWord("off", Refined(Mapping(&BACKOFF), backoff)),
                |retry: &mut RetryFile, backoff| {
                    retry.backoff = Some(backoff);
                },
            ),
            doc: "How long to wait before a repeat. The first one to another server waits for nothing. `off`: no waits but for \
                  a Retry-After.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

/// `budget` as it was written.
#[derive(Debug, Default)]
pub(crate) struct BudgetFile {
    share: Option<f64>,
    least: Option<u64>,
}

/// `retry.budget`
pub(crate) static BUDGET: Table<BudgetFile> = Table {
    name: "retry budget",
    doc: "What repeats are paid from. What is not used is kept for later, up to what comes in 10 s.",
    fields: &[
        Field {
            name: "share",
            presence: Unless("20%"),
            value: &Kept(SHARE, |budget: &mut BudgetFile, share| budget.share = Some(share)),
            doc: "Repeats for each request, up to `100%`.",
        },
        Field {
            name: "least",
            presence: Unless("10"),
            value: &Kept(
                Integer { label: "`least`", min: 0, max: 100_000 },
                |budget: &mut BudgetFile, number| budget.least = Some(number),
            ),
            doc: "Repeats per second beside them, so that a proxy with few requests has some too.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

/// `backoff` as it was written.
#[derive(Debug, Default)]
pub(crate) struct BackoffFile {
    first: Option<At<Duration>>,
    at_most: Option<Duration>,
    retry_after: Option<Duration>,
}

/// `retry.backoff`
pub(crate) static BACKOFF: Table<BackoffFile> = Table {
    name: "retry backoff",
    doc: "Waits before repeats. Each is drawn from the upper half of a span.",
    fields: &[
        Field {
            name: "first",
            presence: Unless("25ms"),
            value: &Kept(Placed(BACKOFF_TIME), |backoff: &mut BackoffFile, time| backoff.first = Some(time)),
            doc: "The span of the first wait, from `1ms`; it doubles with each.",
        },
        Field {
            name: "at_most",
            presence: Unless("250ms"),
            value: &Kept(BACKOFF_TIME, |backoff: &mut BackoffFile, time| backoff.at_most = Some(time)),
            doc: "The longest span, up to `1m`.",
        },
        Field {
            name: "retry_after",
            presence: Unless("5s"),
            value: &Kept(RETRY_AFTER, |backoff: &mut BackoffFile, time| backoff.retry_after = Some(time)),
            doc: "The longest Retry-After of a 429 or 503 that is waited for. An answer that asks for more is passed on, and so \
                  is one whose wait would take longer than `timeouts.request` leaves.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

/// What is made of it.
pub(crate) fn retry(file: RetryFile) -> RetryPolicy {
    let default = RetryPolicy::default();
    let without = Backoff { first: Duration::ZERO, at_most: Duration::ZERO, ..default.backoff };
    RetryPolicy {
        attempts: file.attempts.and_then(|number| u32::try_from(number).ok()).unwrap_or(default.attempts),
        on: file.on.unwrap_or(default.on),
        per_try_timeout: file.per_try,
        budget: file.budget.unwrap_or(default.budget),
        backoff: file.backoff.map_or(default.backoff, |written| written.unwrap_or(without)),
    }
}

fn budget(file: BudgetFile, span: Span, decoder: &mut Decoder<'_>) -> Option<BudgetRule> {
    let default = BudgetRule::default();
    // A share is from 0 to 1, so this fits.
    let share = file.share.map_or(default.share_millionths, |share| (share * 1e6).round() as u32);
    let least = file.least.and_then(|number| u32::try_from(number).ok()).unwrap_or(default.least);
    if share == 0 && least == 0 {
        decoder.push(
            Problem::error(span, "a budget of nothing pays no repeat")
                .hint("write `attempts: 1` to repeat nothing, or `budget: off` to repeat without a budget"),
        );
        return None;
    }
    Some(BudgetRule { share_millionths: share, least })
}

fn backoff(file: BackoffFile, _: Span, decoder: &mut Decoder<'_>) -> Option<Backoff> {
    let default = Backoff::default();
    // Who writes one of the two does not have to know the other.
    let first = file.first.as_ref().map(|first| first.value);
    let at_most = file.at_most.unwrap_or(default.at_most.max(first.unwrap_or_default()));
    let retry_after = file.retry_after.unwrap_or(default.retry_after);
    if let Some(written) = file.first.filter(|first| first.value > at_most) {
        let [first, at_most] = [written.value, at_most].map(quantity::duration_text);
        decoder.push(Problem::error(
            written.span,
            format!("the first wait is longer than the longest: `{first}` and `at_most: {at_most}`"),
        ));
        return None;
    }
    Some(Backoff { first: first.unwrap_or(default.first.min(at_most)), at_most, retry_after })
}
