//! Upstreams that come into being because servers register for them: one for each policy.
//!
//! They belong to no configuration, although one may say how they are balanced and limited, and routes may use them. So they are
//! kept apart from what is published with a configuration, and live as long as the process: whoever has registered stays when
//! another configuration comes into force.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use weir_core::balance::Strategy;
use weir_core::health::EjectionRule;
use weir_core::policy_group;
use weir_core::retry::RetryPolicy;

use crate::breakers::Breakers;
use crate::group_places::GroupPlaces;
use crate::policy_counts::PolicyCounts;
use crate::recruit::Recruit;
use crate::roster::{Moment, Roster};
use crate::upstream::{Upstream, Waits};

/// How things are with servers of a group of which no configuration says anything.
const WAITS: Waits = Waits {
    connect: Duration::from_secs(2),
    answer_head: Duration::from_secs(60),
    answer_body: Duration::from_secs(60),
    idle: Duration::from_secs(4),
    reuse_unsafe: Duration::from_secs(1),
};

/// A group.
#[derive(Debug, Clone)]
pub struct PolicyGroup {
    /// Its servers, and how one of them is chosen.
    pub upstream: Arc<Upstream>,
    /// Places for messages, where a configuration limits how much is in progress.
    pub places: Option<Arc<dyn GroupPlaces>>,
    /// Whether a configuration has asked for it, so that routes may use it.
    is_configured: bool,
}

/// The groups of all policies.
#[derive(Debug, Default)]
pub struct PolicyGroups {
    known: ArcSwap<BTreeMap<i64, PolicyGroup>>,
    /// Held by whoever changes them.
    changing: Mutex<()>,
    changed: Arc<Notify>,
    /// What listeners for them have to tell.
    pub counts: PolicyCounts,
}

impl PolicyGroups {
    /// The group of this policy, if there is one.
    pub fn of(&self, policy: i64) -> Option<Arc<Upstream>> {
        self.known.load().get(&policy).map(|known| Arc::clone(&known.upstream))
    }

    /// The same with what belongs to it, for one message.
    pub fn group(&self, policy: i64) -> Option<PolicyGroup> {
        self.known.load().get(&policy).cloned()
    }

    /// Lets this be the group of a policy, as a configuration that comes into force says that it is. Whoever has registered stays.
    /// `has_members` says that it has the members of the one before already.
    pub fn configure(
        &self,
        policy: i64,
        upstream: &Arc<Upstream>,
        places: Option<Arc<dyn GroupPlaces>>,
        has_members: bool,
    ) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let new = PolicyGroup { upstream: Arc::clone(upstream), places, is_configured: true };
        self.exchange(vec![(policy, new)], has_members);
    }

    /// Notes of which policies alone a configuration that comes into force says something. What another one has said of others
    /// holds no more: they are as usual again.
    pub fn are_configured(&self, policies: &[i64]) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.known.load();
        let is_over =
            |(policy, known): &(&i64, &PolicyGroup)| known.is_configured && !policies.contains(policy);
        let over = known.iter().filter(is_over).map(|(policy, _)| (*policy, PolicyGroup::usual(*policy)));
        self.exchange(over.collect(), false);
    }

    /// Lets these be the groups of their policies. Whoever calls holds `changing`.
    fn exchange(&self, new: Vec<(i64, PolicyGroup)>, have_members: bool) {
        if new.is_empty() {
            return;
        }
        let mut known = BTreeMap::clone(&self.known.load());
        let mut succeeded = Vec::new();
        for (policy, group) in new {
            let upstream = Arc::clone(&group.upstream);
            let before = known.insert(policy, group).map(|known| known.upstream);
            let Some(before) = before.filter(|before| !Arc::ptr_eq(before, &upstream)) else { continue };
            if !have_members {
                upstream.take_over(&before, false);
            }
            succeeded.push((before, upstream));
        }
        self.known.store(Arc::new(known));
        for (before, upstream) in succeeded {
            // Those who have registered while nobody was looking.
            let late = before.look(|roster| roster.members().to_vec());
            let moment = Moment::now();
            late.into_iter().for_each(|member| {
                upstream.change(|roster| roster.join(member, moment));
            });
        }
        self.changed.notify_one();
    }

    /// The group of this policy, made as usual if there is none. `None` when there are `groups_max` and none of them is without servers.
    pub fn obtain(&self, policy: i64, groups_max: usize) -> Option<Arc<Upstream>> {
        if let Some(upstream) = self.of(policy) {
            return Some(upstream);
        }
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = BTreeMap::clone(&self.known.load());
        if let Some(known) = known.get(&policy) {
            return Some(Arc::clone(&known.upstream));
        }
        if known.len() >= groups_max {
            // What was known of servers that have gone makes room for servers that come.
            known.retain(|_, known| {
                known.is_configured || known.upstream.look(|roster| !roster.members().is_empty())
            });
        }
        if known.len() >= groups_max {
            return None;
        }
        let group = PolicyGroup::usual(policy);
        let upstream = Arc::clone(&group.upstream);
        known.insert(policy, group);
        self.known.store(Arc::new(known));
        self.changed.notify_one();
        Some(upstream)
    }

    /// All of them, in the order of their policies.
    pub fn all(&self) -> Vec<Arc<Upstream>> {
        self.known.load().values().map(|known| Arc::clone(&known.upstream)).collect()
    }

    /// Rung when there is another group. For one who waits.
    pub fn bell(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }
}

impl PolicyGroup {
    /// One of which no configuration says anything.
    fn usual(policy: i64) -> Self {
        Self { upstream: Arc::new(usual(policy)), places: None, is_configured: false }
    }
}

fn usual(policy: i64) -> Upstream {
    let roster = Roster::new(Vec::new(), policy_group::PANIC_PERCENT);
    let breakers = Some(Arc::new(Breakers::new(EjectionRule::default())));
    Upstream::new(&policy_group::name(policy), roster, Strategy::RoundRobin, RetryPolicy::default(), WAITS)
        .with_recruit(Recruit { breakers, ..Recruit::default() })
        .with_health(Some(policy_group::check()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use weir_core::health::State;
    use weir_core::server::{ServerAddress, Transport};
    use weir_http::target::Scheme;

    use super::*;
    use crate::roster::{Member, Origin};

    fn join(upstream: &Upstream, name: &str) {
        let transport = Transport::Name(name.into(), 80);
        let address =
            ServerAddress { written: name.into(), scheme: Scheme::Http, transport, base: "".into() };
        let server = Arc::new(upstream.recruit.server(address).unwrap());
        let member = Member::new(server, 1, Origin::Lease, State::Healthy);
        assert!(upstream.change(|roster| roster.join(member, Moment::now())));
    }

    #[test]
    fn a_group_is_there_from_the_first_server_and_makes_room_when_it_is_empty() {
        let groups = PolicyGroups::default();
        assert!(groups.of(111).is_none());
        let first = groups.obtain(111, 2).unwrap();
        assert_eq!(&*first.name, "policy:111");
        join(&first, "a");
        assert!(Arc::ptr_eq(&first, &groups.of(111).unwrap()));
        assert!(Arc::ptr_eq(&first, &groups.obtain(111, 0).unwrap()));
        let second = groups.obtain(112, 2).unwrap();
        assert_eq!(groups.all().len(), 2);
        assert!(groups.obtain(113, 2).is_some(), "112 has no servers");
        assert!(groups.of(112).is_none());
        join(&groups.of(113).unwrap(), "a");
        assert!(groups.obtain(112, 2).is_none());
        drop(second);
        // One that a route uses stays, and takes nobody's place.
        let configured = Arc::new(usual(7));
        groups.configure(7, &configured, None, false);
        assert!(groups.obtain(8, 3).is_none());
        assert!(Arc::ptr_eq(&configured, &groups.of(7).unwrap()));
        groups.are_configured(&[]);
        assert!(groups.obtain(8, 3).is_some(), "nobody uses 7 any more");
    }

    /// Another configuration says something else of a group: whoever has registered is there under it too.
    #[test]
    fn whoever_has_registered_stays_under_another_configuration() {
        let groups = PolicyGroups::default();
        let before = groups.obtain(111, 9).unwrap();
        join(&before, "a");
        let next = Arc::new(usual(111));
        groups.configure(111, &next, None, false);
        let names = |upstream: &Upstream| {
            upstream.group().servers.iter().map(|server| server.name().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(&groups.of(111).unwrap()), ["a"]);
        assert!(Arc::ptr_eq(&next, &groups.of(111).unwrap()));
        // What the data plane has taken over itself is not taken over twice; who came late is there as well.
        let last = Arc::new(usual(111));
        last.take_over(&next, false);
        join(&next, "late");
        groups.configure(111, &last, None, true);
        assert_eq!(names(&last), ["a", "late"]);
    }

    /// What a configuration had said of a group held until the process ended, although the one in force did not say it.
    #[test]
    fn what_a_configuration_no_longer_says_of_a_group_holds_no_more() {
        #[derive(Debug)]
        struct NoPlaces;
        impl GroupPlaces for NoPlaces {
            fn take(self: Arc<Self>, _: Arc<Upstream>) -> crate::group_places::TakingPlace {
                Box::pin(async { Err(crate::group_places::NoPlace::Full) })
            }
        }
        let groups = PolicyGroups::default();
        join(&groups.obtain(111, 9).unwrap(), "a");
        let roster = Roster::new(Vec::new(), 0);
        let written = Upstream::new("policy:111", roster, Strategy::Random, RetryPolicy::default(), WAITS);
        let written = Arc::new(written);
        groups.configure(111, &written, Some(Arc::new(NoPlaces)), false);
        groups.are_configured(&[111]);
        let group = groups.group(111).unwrap();
        assert!(Arc::ptr_eq(&group.upstream, &written) && group.places.is_some());
        join(&written, "b");
        groups.are_configured(&[]);
        let group = groups.group(111).unwrap();
        assert_eq!((group.upstream.balance_name(), group.places.is_none()), ("round_robin", true));
        let names: Vec<_> =
            group.upstream.group().servers.iter().map(|server| server.name().to_owned()).collect();
        assert_eq!(names, ["a", "b"], "who has registered stays");
        let same = groups.of(111).unwrap();
        groups.are_configured(&[]);
        assert!(Arc::ptr_eq(&same, &groups.of(111).unwrap()), "and nothing changes any more");
    }
}
