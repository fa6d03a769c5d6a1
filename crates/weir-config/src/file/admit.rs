//! `admit`: who may ask, how often, and how much at once.

use ipnet::IpNet;

use crate::source::At;

use super::concurrency::{CONCURRENCY, ConcurrencyFile};
use super::describe::Presence::Optional;
use super::kind::{OneOrList, OrWord, Placed};
use super::network::NETWORK;
use super::rate::{RATE_RULE_KIND, RateFile};
use super::table::{Field, Kept, Mapping, Table};

/// `admit` as it was written; `None` for `off`.
pub(crate) type AdmitKind = Placed<OrWord<Mapping<AdmitFile>>>;

/// See [`AdmitKind`].
pub(crate) const ADMIT_KIND: AdmitKind = Placed(OrWord("off", Mapping(&ADMIT)));

/// `admit` as a mapping.
#[derive(Debug, Clone, Default)]
pub(crate) struct AdmitFile {
    /// `allow`, when written
    pub(crate) allow: Option<At<Vec<IpNet>>>,
    /// `deny`
    pub(crate) deny: Vec<IpNet>,
    /// `rate`
    pub(crate) rates: Vec<At<RateFile>>,
    /// `concurrency`
    pub(crate) concurrency: Option<At<ConcurrencyFile>>,
}

/// `admit`
pub(crate) static ADMIT: Table<AdmitFile> = Table {
    name: "admit",
    doc: "Who may ask, how often, and how much at once. What stands in `deny` is refused, also if it is in `allow`; with an `allow`, so is everybody else.",
    fields: &[
        Field {
            name: "allow",
            presence: Optional,
            value: &Kept(
                Placed(OneOrList(NETWORK, "addresses or networks")),
                |admit: &mut AdmitFile, networks| admit.allow = Some(networks),
            ),
            doc: "Addresses and networks (`10.0.0.0/8`) that may ask; everybody when not written. Compared with the \
                  client's address, which `trusted_proxies` may say. Others get 403.",
        },
        Field {
            name: "deny",
            presence: Optional,
            value: &Kept(OneOrList(NETWORK, "addresses or networks"), |admit: &mut AdmitFile, networks| {
                admit.deny = networks;
            }),
            doc: "Addresses and networks that may not ask; they get 403.",
        },
        Field {
            name: "rate",
            presence: Optional,
            value: &Kept(OneOrList(RATE_RULE_KIND, "rates"), |admit: &mut AdmitFile, rates| {
                admit.rates = rates;
            }),
            doc: "How often one may ask: `100/s` for each address, a mapping, or a list of up to 8; a request must pass all \
                  of them, and one that is refused is charged in none. Each route counts by itself.",
        },
        Field {
            name: "concurrency",
            presence: Optional,
            value: &Kept(Placed(Mapping(&CONCURRENCY)), |admit: &mut AdmitFile, concurrency| {
                admit.concurrency = Some(concurrency);
            }),
            doc: "How much may be in progress at once. Each route counts by itself.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};
