//! The rates of a route, with what has been used of each. All workers share them.

use std::hash::RandomState;
use std::sync::Arc;

use weir_config::model::{RateKey, RateRule};
use weir_core::limit::RateLimit;

use super::key;

/// A rate of a route.
#[derive(Debug)]
pub struct SharedRate {
    rule: RateRule,
    entries: usize,
    /// What has been used of it.
    pub limit: RateLimit,
    /// Random for each rate and process: nobody outside can choose keys that meet in one place of a table.
    hashes: RandomState,
}

impl SharedRate {
    fn new(rule: &RateRule, entries: usize) -> Self {
        let limit = match rule.by {
            RateKey::Route => RateLimit::together(rule.rate, rule.burst),
            RateKey::Address | RateKey::Identity | RateKey::Header(_) => {
                RateLimit::by_key(rule.rate, rule.burst, entries)
            }
        };
        Self { rule: rule.clone(), entries, limit, hashes: RandomState::new() }
    }

    /// What is counted together.
    pub fn by(&self) -> &RateKey {
        &self.rule.by
    }

    /// The hash of a key that is made of these parts.
    pub fn key<'p>(&self, parts: impl Iterator<Item = &'p [u8]>) -> u64 {
        key::hash(&self.hashes, parts)
    }
}

/// The rates of one route.
#[derive(Debug, Default)]
pub struct Rates {
    /// Those that need nothing but the request.
    pub of_requests: Vec<Arc<SharedRate>>,
    /// Those that need to know who the client is.
    pub of_identities: Vec<Arc<SharedRate>>,
}

impl Rates {
    /// The rates of a route. One that was in force before goes on with what has been used of it.
    pub fn new(rules: &[RateRule], entries: usize, before: Option<&Self>) -> Self {
        let mut rates = Self::default();
        for rule in rules {
            let known = before.and_then(|before| {
                before.all().find(|known| known.rule == *rule && known.entries == entries).map(Arc::clone)
            });
            let rate = known.unwrap_or_else(|| Arc::new(SharedRate::new(rule, entries)));
            match rule.by {
                RateKey::Identity => rates.of_identities.push(rate),
                RateKey::Address | RateKey::Route | RateKey::Header(_) => rates.of_requests.push(rate),
            }
        }
        rates
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<SharedRate>> {
        self.of_requests.iter().chain(&self.of_identities)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use weir_core::limit::Rate;

    use super::*;

    fn rule(by: RateKey, burst: u32) -> RateRule {
        RateRule { by, rate: Rate { count: 1, per: Duration::from_secs(60) }, burst }
    }

    #[test]
    fn a_rate_that_stays_as_it_is_goes_on_with_what_has_been_used() {
        let now = Duration::from_secs(1);
        let rules = [rule(RateKey::Route, 1), rule(RateKey::Identity, 1)];
        let first = Rates::new(&rules, 1024, None);
        for rate in first.all() {
            assert!(rate.limit.charge(7, now).is_ok());
        }
        let same = Rates::new(&rules, 1024, Some(&first));
        assert!(same.all().all(|rate| rate.limit.charge(7, now).is_err()));
        let changed = [rule(RateKey::Route, 2), rule(RateKey::Identity, 2)];
        let other = Rates::new(&changed, 1024, Some(&first));
        assert!(other.all().all(|rate| rate.limit.charge(7, now).is_ok()));
        let larger = Rates::new(&rules, 2048, Some(&first));
        assert!(larger.all().all(|rate| rate.limit.charge(7, now).is_ok()));
    }
}
