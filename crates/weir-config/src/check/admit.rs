//! What a route admits.

use std::time::Duration;

use ipnet::IpNet;
use weir_core::address::{AddressRules, NetworkSet};

use crate::file::admit::AdmitFile;
use crate::file::concurrency::ConcurrencyFile;
use crate::file::rate::RateFile;
use crate::model::{Admit, Concurrency, RateKey, RateRule};
use crate::problem::{Problem, Problems};
use crate::source::At;

/// More rules than this at one route are a mistake, and each costs every request a look.
const RATES_MAX: usize = 8;

/// `admit` of a route; nothing when it is `off` or not written. `is_authenticated` says whether clients prove who they are.
pub(super) fn admit(
    written: Option<At<Option<AdmitFile>>>,
    is_authenticated: bool,
    problems: &mut Problems,
) -> Admit {
    let Some(AdmitFile { allow, deny, rates, concurrency }) = written.and_then(|admit| admit.value) else {
        return Admit::default();
    };
    Admit {
        addresses: addresses(allow, &deny, problems),
        rates: self::rates(rates, is_authenticated, problems),
        concurrency: concurrency.and_then(|concurrency| self::concurrency(&concurrency, problems)),
    }
}

fn addresses(allow: Option<At<Vec<IpNet>>>, deny: &[IpNet], problems: &mut Problems) -> Option<AddressRules> {
    if allow.is_none() && deny.is_empty() {
        return None;
    }
    let deny = NetworkSet::new(deny);
    let allow = allow.map(|At { value, span }| {
        let allow = NetworkSet::new(&value);
        if allow.is_within(&deny) {
            problems.push(
                Problem::warning(span, "nobody may ask: all of `allow` is in `deny`")
                    .hint("`deny` wins; take what may ask out of it"),
            );
        }
        allow
    });
    Some(AddressRules { allow, deny })
}

fn rates(written: Vec<At<RateFile>>, is_authenticated: bool, problems: &mut Problems) -> Vec<RateRule> {
    if let Some(extra) = written.get(RATES_MAX) {
        problems.push(Problem::error(extra.span, format!("a route has at most {RATES_MAX} rates")));
    }
    let mut rules: Vec<At<RateRule>> = Vec::new();
    for At { value: RateFile { by, rate, burst }, span } in written {
        // Without a rate it was wrong, which was said already.
        let Some(rate) = rate else { continue };
        if by == RateKey::Identity && !is_authenticated {
            problems.push(
                Problem::warning(
                    span,
                    "nobody has a key here: all requests of the route are counted together",
                )
                .hint("write `authenticate` beside `admit`, or `by: address`"),
            );
        }
        let burst = burst.and_then(|burst| u32::try_from(burst).ok()).unwrap_or(rate.count);
        let rule = RateRule { by, rate, burst };
        if let Some(first) = rules.iter().find(|known| known.value == rule) {
            problems.push(
                Problem::error(span, "this rate stands twice")
                    .beside(first.span, "first written here")
                    .hint("each request would be counted twice; take one away"),
            );
        }
        rules.push(At { value: rule, span });
    }
    rules.into_iter().map(|rule| rule.value).collect()
}

/// Requests that wait when nothing is written: a burst that ends soon.
const QUEUE: u32 = 100;

/// How long a request waits when nothing is written. Whoever would wait longer had better be told to come again.
const WAIT: Duration = Duration::from_secs(1);

fn concurrency(written: &At<ConcurrencyFile>, problems: &mut Problems) -> Option<Concurrency> {
    let At { value: file, span } = written;
    let number = |number: Option<u64>| number.and_then(|number| u32::try_from(number).ok());
    if file.per_client.is_none() && file.total.is_none() {
        if !problems.has_error_in(*span) {
            problems.push(
                Problem::error(*span, "`concurrency` needs `per_client` or `total`")
                    .hint("write how many requests may be in progress at once: `{total: 100}`"),
            );
        }
        return None;
    }
    if let (Some(per_client), Some(total)) = (file.per_client, file.total)
        && per_client > total
    {
        problems.push(
            Problem::warning(*span, "`per_client` has no effect: it is more than `total`")
                .hint("write a smaller one, so that one client leaves room for others"),
        );
    }
    if let (Some(0), Some(_)) = (file.queue, file.wait) {
        problems.push(
            Problem::warning(*span, "`wait` has no effect: with `queue: 0` nobody waits")
                .hint("leave one of them away"),
        );
    }
    Some(Concurrency {
        per_client: number(file.per_client),
        total: number(file.total),
        queue: number(file.queue).unwrap_or(QUEUE),
        wait: file.wait.unwrap_or(WAIT),
    })
}
