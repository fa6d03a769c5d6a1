//! `balance` of an upstream: an algorithm, or a mapping with `mode`. Which keys belong to which mode is checked where the
//! mode is known.

use std::sync::Arc;
use std::time::Duration;

use weir_core::balance::{KeyOf, Strategy};
use weir_http::cookie;

use crate::complaint::Complaint;
use crate::node::shortened;
use crate::problem::Problem;
use crate::source::{At, Span};

use super::decoder::Decoder;
use super::describe::Presence::{Default as Unless, Optional, Required};
use super::kind::{Either, Mapped, Placed, Refined};
use super::rule::{FIELD_NAME_PATTERN, field_name};
use super::scalar::{Boolean, DurationIn, Parsed, Words};
use super::secret::{SecretSource, SecretText, Sensitive};
use super::table::{Field, Kept, Mapping, Table};

/// `mode` of `balance`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BalanceMode {
    /// An algorithm.
    By(Strategy),
    /// Clients stay with their servers.
    Sticky,
}

impl BalanceMode {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::By(strategy) => strategy.name(),
            Self::Sticky => STICKY,
        }
    }
}

impl Default for BalanceMode {
    fn default() -> Self {
        Self::By(Strategy::default())
    }
}

/// `balance` as it was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct BalanceFile {
    /// `mode`
    pub(crate) mode: BalanceMode,
    /// `on`
    pub(crate) on: Option<KeyOf>,
    /// `bound`, in percent.
    pub(crate) bound: Option<u32>,
    /// `decay`
    pub(crate) decay: Option<Duration>,
    /// `forget`
    pub(crate) forget: Option<Duration>,
    /// `reports_pass`
    pub(crate) reports_pass: bool,
    /// `cookie`
    pub(crate) cookie: Option<Box<str>>,
    /// `secret`
    pub(crate) secret: Option<Arc<At<SecretSource>>>,
    /// `max_age`
    pub(crate) max_age: Option<Duration>,
    /// `first`
    pub(crate) first: Option<Strategy>,
    /// Where each key was written.
    pub(crate) keys: Vec<(&'static str, Span)>,
}

impl From<Strategy> for BalanceFile {
    fn from(strategy: Strategy) -> Self {
        BalanceMode::By(strategy).into()
    }
}

impl From<BalanceMode> for BalanceFile {
    fn from(mode: BalanceMode) -> Self {
        Self { mode, ..Self::default() }
    }
}

const STICKY: &str = "sticky";

const STRATEGIES: usize = Strategy::ALL.len();

/// Every strategy by its name: the list in `weir_core::balance` is the only one.
const STRATEGY_WORDS: [(&str, Strategy); STRATEGIES] = {
    let mut words = [("", Strategy::ALL[0]); STRATEGIES];
    let mut at = 0;
    while at < STRATEGIES {
        words[at] = (Strategy::ALL[at].name(), Strategy::ALL[at]);
        at += 1;
    }
    words
};

const MODE_WORDS: [(&str, BalanceMode); STRATEGIES + 1] = {
    let mut words = [(STICKY, BalanceMode::Sticky); STRATEGIES + 1];
    let mut at = 0;
    while at < STRATEGIES {
        words[at] = (Strategy::ALL[at].name(), BalanceMode::By(Strategy::ALL[at]));
        at += 1;
    }
    words
};

/// The balancing strategies.
pub(crate) const STRATEGY: Words<Strategy> =
    Words { label: "balancing strategy", words: &STRATEGY_WORDS, later: &[] };

const MODE: Words<BalanceMode> = Words { label: "balancing strategy", words: &MODE_WORDS, later: &[] };

/// `balance`
pub(crate) type BalanceKind =
    Either<Mapped<Words<BalanceMode>, BalanceFile>, Sensitive<Mapping<BalanceFile>>>;

/// See [`BalanceKind`].
pub(crate) const BALANCE_KIND: BalanceKind = Either(
    Mapped(MODE, BalanceFile::from),
    Sensitive {
        of: Mapping(&BALANCE),
        label: "a balancing strategy or a mapping (`balance`)",
        open: &[
            "mode",
            "on",
            "bound",
            "decay",
            "forget",
            "reports_pass",
            "cookie",
            "secret",
            "max_age",
            "first",
        ],
    },
);

#[derive(Debug, Clone, Copy)]
enum KeyWord {
    Address,
    Path,
}

const KEY_WORD: Words<KeyWord> = Words {
    label: "key of requests",
    words: &[("address", KeyWord::Address), ("path", KeyWord::Path)],
    later: &[],
};

#[derive(Debug, Default)]
pub(crate) struct OnFile {
    header: Option<At<Box<str>>>,
    cookie: Option<At<Box<str>>>,
}

/// `on` as a mapping
pub(crate) static ON: Table<OnFile> = Table {
    name: "balance on",
    doc: "`on` as a mapping: either `header` or `cookie`. Requests without it go to any server, by weight.",
    fields: &[
        Field {
            name: "header",
            presence: Optional,
            value: &Kept(
                Placed(Parsed { label: "name of a field", pattern: FIELD_NAME_PATTERN, parse: field_name }),
                |on: &mut OnFile, name| on.header = Some(name),
            ),
            doc: "Requests with the same value of this field go to the same server.",
        },
        Field {
            name: "cookie",
            presence: Optional,
            value: &Kept(Placed(COOKIE_NAME), |on: &mut OnFile, name| on.cookie = Some(name)),
            doc: "Requests with the same value of this cookie go to the same server.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

fn on(file: OnFile, span: Span, decoder: &mut Decoder<'_>) -> Option<KeyOf> {
    match (file.header, file.cookie) {
        (Some(name), None) => Some(KeyOf::Header(name.value)),
        (None, Some(name)) => Some(KeyOf::Cookie(name.value)),
        (None, None) => {
            let problem = Problem::error(span, "`on` does not say what requests have in common");
            decoder.push(problem.hint("write `address`, `path`, `{header: NAME}` or `{cookie: NAME}`"));
            None
        }
        (Some(header), Some(cookie)) => {
            let problem = Problem::error(cookie.span, "a key is either a header or a cookie");
            decoder.push(problem.beside(header.span, "`header` is written here"));
            None
        }
    }
}

const COOKIE_NAME: Parsed<Box<str>> =
    Parsed { label: "name of a cookie", pattern: r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", parse: cookie_name };

/// RFC 6265 §4.1.1
fn cookie_name(text: &str) -> Result<Box<str>, Complaint> {
    if cookie::is_name(text.as_bytes()) {
        return Ok(text.into());
    }
    Err(Complaint::new(format!("`{}` is not the name of a cookie", shortened(text)))
        .hint("a name has letters, digits, `-` and `_`"))
}

const BOUND: Parsed<u32> = Parsed { label: "bound", pattern: r"^[1-9][0-9]{2,3}\s*%$", parse: bound };

/// Largest bound: ten times its share.
const BOUND_MAX: u32 = 1000;

fn bound(text: &str) -> Result<u32, Complaint> {
    let number = text.strip_suffix('%').map(str::trim_end);
    match number.filter(|number| number.bytes().all(|byte| byte.is_ascii_digit())).map(str::parse) {
        Some(Ok(percent @ 100..=BOUND_MAX)) => Ok(percent),
        Some(Ok(..100)) => {
            Err(Complaint::new(format!("`{}` is less than a server's share", shortened(text)))
                .hint("with less than `100%` there would be no room for all requests"))
        }
        Some(_) => Err(Complaint::new(format!("`{}` is more than `{BOUND_MAX}%`", shortened(text)))),
        None => Err(Complaint::new(format!("`{}` is not a bound", shortened(text)))
            .hint("write a whole number and `%`: `125%`")),
    }
}

const REMEMBERED: DurationIn = DurationIn { min: Duration::from_millis(100), max: Duration::from_secs(3600) };

/// Browsers keep no cookie for longer than 400 days (RFC 6265bis §5.6.2).
const AGE: DurationIn = DurationIn { min: Duration::from_secs(1), max: Duration::from_secs(400 * 24 * 3600) };

/// `balance` as a mapping
pub(crate) static BALANCE: Table<BalanceFile> = Table {
    name: "balance",
    doc: "`balance` as a mapping. A strategy alone is short for `{mode: STRATEGY}`. `docs/upstreams.md` says when to use which.",
    fields: &[
        Field {
            name: "mode",
            presence: Required,
            value: &Kept(MODE, |balance: &mut BalanceFile, mode| balance.mode = mode),
            doc: "The strategy, or `sticky`: a client stays with its server.",
        },
        Field {
            name: "on",
            presence: Unless("address"),
            value: &Kept(
                Either(
                    Mapped(KEY_WORD, |word| match word {
                        KeyWord::Address => KeyOf::Address,
                        KeyWord::Path => KeyOf::Path,
                    }),
                    Refined(Mapping(&ON), on),
                ),
                |balance: &mut BalanceFile, key| balance.on = Some(key),
            ),
            doc: "`hash`: what requests have in common that go to the same server: the client's `address` (IPv6 by /64), the \
                  `path` without the query, a field (`{header: X-User}`) or a cookie (`{cookie: session}`).",
        },
        Field {
            name: "bound",
            presence: Unless("125%"),
            value: &Kept(BOUND, |balance: &mut BalanceFile, bound| balance.bound = Some(bound)),
            doc: "`hash`: how much of its share of all requests in flight a server may have, from `100%` to `1000%`. Requests \
                  beyond it go to the next server on the ring. More keeps keys together; less keeps servers even.",
        },
        Field {
            name: "decay",
            presence: Unless("10s"),
            value: &Kept(REMEMBERED, |balance: &mut BalanceFile, decay| balance.decay = Some(decay)),
            doc: "`peak_ewma`: the time in which what is known of a server loses two thirds of its weight, from `100ms` to `1h`. \
                  Longer is calmer, and slower to come back to a server that was slow or failed.",
        },
        Field {
            name: "forget",
            presence: Unless("10s"),
            value: &Kept(REMEMBERED, |balance: &mut BalanceFile, forget| balance.forget = Some(forget)),
            doc: "`load`: after how long a report is forgotten, from `100ms` to `1h`; it counts fully for half of it.",
        },
        Field {
            name: "reports_pass",
            presence: Unless("false"),
            value: &Kept(Boolean, |balance: &mut BalanceFile, pass| balance.reports_pass = pass),
            doc: "`load`: whether clients get the field `X-Load` of the servers' answers too.",
        },
        Field {
            name: "cookie",
            presence: Unless("weir"),
            value: &Kept(COOKIE_NAME, |balance: &mut BalanceFile, name| balance.cookie = Some(name)),
            doc: "`sticky`: the name of the cookie that says which server a client has.",
        },
        Field {
            name: "secret",
            presence: Optional,
            value: &Kept(
                Placed(SecretText { label: "secret", digest: false }),
                |balance: &mut BalanceFile, secret| balance.secret = Some(Arc::new(secret)),
            ),
            doc: "`sticky`: what cookies are signed with, at least 16 bytes: `file:PATH`, or `${NAME}` of the environment. \
                  Several Weirs in front of the same servers have the same one. `sticky` needs it.",
        },
        Field {
            name: "max_age",
            presence: Optional,
            value: &Kept(AGE, |balance: &mut BalanceFile, age| balance.max_age = Some(age)),
            doc: "`sticky`: how long a cookie is good, from `1s` to `9600h`, counted from the answer that set it; without it, \
                  as long as the browser runs.",
        },
        Field {
            name: "first",
            presence: Unless("round_robin"),
            value: &Kept(STRATEGY, |balance: &mut BalanceFile, first| balance.first = Some(first)),
            doc: "`sticky`: the strategy for a client that has no server yet, or one that can't be used now.",
        },
    ],
    within: None,
    later: &[],
    note: Some(|balance, key, span| balance.keys.push((key, span))),
};
