//! `rate`: how often somebody may ask.

use weir_core::limit::Rate;

use crate::model::RateKey;
use crate::quantity;
use crate::source::At;

use super::describe::Presence::{Default as Unless, Optional, Required};
use super::kind::{Either, Mapped, Placed};
use super::rule::{FIELD_NAME_PATTERN, field_name};
use super::scalar::{Integer, Parsed, Words};
use super::table::{Field, Kept, Mapping, Table};

/// A rule as it was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct RateFile {
    /// `by`
    pub(crate) by: RateKey,
    /// `rate`
    pub(crate) rate: Option<Rate>,
    /// `burst`
    pub(crate) burst: Option<u64>,
}

/// So many in so much time.
pub(crate) const RATE: Parsed<Rate> =
    Parsed { label: "rate", pattern: r"^[0-9]{1,7}\s*/\s*[smhd]$", parse: quantity::rate };

/// A rule: a rate alone, or a mapping.
pub(crate) type RateRuleKind = Placed<Either<Mapped<Parsed<Rate>, RateFile>, Mapping<RateFile>>>;

/// See [`RateRuleKind`].
pub(crate) const RATE_RULE_KIND: RateRuleKind = Placed(Either(
    Mapped(RATE, |rate| RateFile { rate: Some(rate), ..RateFile::default() }),
    Mapping(&RATE_RULE),
));

#[derive(Debug, Clone, Copy)]
enum KeyWord {
    Address,
    Key,
    Route,
}

const KEY_WORD: Words<KeyWord> = Words {
    label: "key of a rate",
    words: &[("address", KeyWord::Address), ("key", KeyWord::Key), ("route", KeyWord::Route)],
    later: &[],
};

fn key_of_word(word: KeyWord) -> RateKey {
    match word {
        KeyWord::Address => RateKey::Address,
        KeyWord::Key => RateKey::Identity,
        KeyWord::Route => RateKey::Route,
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct HeaderFile(Option<At<Box<str>>>);

/// `by` as a mapping
pub(crate) static BY_HEADER: Table<HeaderFile> = Table {
    name: "rate by header",
    doc: "`by` as a mapping.",
    fields: &[Field {
        name: "header",
        presence: Required,
        value: &Kept(
            Placed(Parsed { label: "name of a field", pattern: FIELD_NAME_PATTERN, parse: field_name }),
            |by: &mut HeaderFile, name| by.0 = Some(name),
        ),
        doc: "Requests with the same value of this field are counted together, and those without it too. Whoever may write \
              what it likes there has as many rates as it likes.",
    }],
    within: None,
    later: &[],
    note: None,
};

/// `rate` as a mapping
pub(crate) static RATE_RULE: Table<RateFile> = Table {
    name: "rate",
    doc: "How many requests pass. One over the rate gets 429 with `Retry-After`.",
    fields: &[
        Field {
            name: "rate",
            presence: Required,
            value: &Kept(RATE, |rule: &mut RateFile, rate| rule.rate = Some(rate)),
            doc: "Requests per time, the number from 1 to 1,000,000: `100/s`, `10/m`, `1000/h` or `5000/d`.",
        },
        Field {
            name: "by",
            presence: Unless("address"),
            value: &Kept(
                Either(
                    Mapped(KEY_WORD, key_of_word),
                    Mapped(Mapping(&BY_HEADER), |by: HeaderFile| {
                        by.0.map_or(RateKey::Address, |name| RateKey::Header(name.value))
                    }),
                ),
                |rule: &mut RateFile, by| rule.by = by,
            ),
            doc: "What is counted together: the client's `address` (IPv6 by /64), the `key`, user or subject by which \
                  `authenticate` knows it, all requests of the `route`, or those with the same value of a field \
                  (`{header: X-Tenant}`).",
        },
        Field {
            name: "burst",
            presence: Optional,
            value: &Kept(
                Integer { label: "`burst`", min: 1, max: Rate::COUNT_MAX as u64 },
                |rule: &mut RateFile, burst| rule.burst = Some(burst),
            ),
            doc: "How many may come at once, from 1 to 1,000,000; the number of the rate when not written. In any time, \
                  `rate × time + burst` requests pass.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};
