//! From the checked model to the upstreams of a snapshot, and from those of one snapshot to the next.
//!
//! One of which the configuration says what it said before is the same one: with its connections, what is known of its servers,
//! and the tasks that look after it. One that has changed is made anew, and takes over what became of its members when it comes
//! into force (`take_over`).

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;
use weir_config::model::{self, Model};
use weir_core::health::State;
use weir_core::policy_group;
use weir_upstream::breakers::Breakers;
use weir_upstream::connections::ConnectionRoom;
use weir_upstream::group_places::GroupPlaces;
use weir_upstream::io::deadline::now;
use weir_upstream::message_counts::MessageCounts;
use weir_upstream::recruit::{NamedServers, Recruit};
use weir_upstream::retries::Retries;
use weir_upstream::roster::{Member, Origin, Roster};
use weir_upstream::sticky::Sticky;
use weir_upstream::upstream::{Upstream, Waits};

use super::inventory::WatchedInventory;
use super::snapshot::Snapshot;
use super::upstream_mark::UpstreamMark;
use super::upstream_room::UpstreamRoom;

/// The upstreams of a snapshot, in the order of the configuration, each with what belongs to it.
pub(super) struct Upstreams {
    pub upstreams: Vec<Arc<Upstream>>,
    pub rooms: Vec<Option<Arc<UpstreamRoom>>>,
    pub inventories: Vec<Option<Arc<WatchedInventory>>>,
    pub marks: Vec<UpstreamMark>,
}

/// An upstream that is in force until now.
#[derive(Clone, Copy)]
struct Before<'b> {
    upstream: &'b Arc<Upstream>,
    room: Option<&'b Arc<UpstreamRoom>>,
    inventory: Option<&'b Arc<WatchedInventory>>,
    mark: UpstreamMark,
}

impl Upstreams {
    /// Those of this model.
    pub(super) fn new(
        model: &Model,
        messages: Option<&Arc<MessageCounts>>,
        since: Instant,
        before: Option<&Snapshot>,
    ) -> Self {
        let known = by_name(before);
        let mut all =
            Self { upstreams: Vec::new(), rooms: Vec::new(), inventories: Vec::new(), marks: Vec::new() };
        for written in &model.upstreams {
            let before = known.get(written.name.as_str()).copied();
            let mark = UpstreamMark::of(written, messages.is_some());
            let (upstream, room, inventory) = match before.filter(|before| before.stays(written, mark)) {
                Some(same) => (Arc::clone(same.upstream), same.room.cloned(), same.inventory.cloned()),
                None => {
                    let made =
                        upstream(written, messages, before.filter(|it| it.mark.terms == mark.terms), before);
                    let made = made.with_retries(retries(written, since, before));
                    let room = written
                        .limits
                        .map(|limits| UpstreamRoom::following(limits, before.and_then(|before| before.room)));
                    let inventory =
                        WatchedInventory::following(written, before.and_then(|before| before.inventory));
                    (Arc::new(made), room, inventory)
                }
            };
            all.upstreams.push(upstream);
            all.rooms.push(room);
            all.inventories.push(inventory);
            all.marks.push(mark);
        }
        all
    }
}

/// Lets upstreams that were made anew take over what became of the members of those of their names until now.
pub(super) fn take_over(snapshot: &Snapshot, before: &Snapshot) {
    let known = by_name(Some(before));
    for (upstream, mark) in snapshot.upstreams.iter().zip(&snapshot.marks) {
        if let Some(before) = known.get(&*upstream.name)
            && !Arc::ptr_eq(before.upstream, upstream)
        {
            upstream.take_over(before.upstream, before.mark.terms == mark.terms);
        }
    }
}

/// Lets those whose servers register themselves be the groups of their policies. `before` is what was in force until now; what it has of
/// them has been [taken over](take_over).
pub(super) fn adopt_policy_groups(snapshot: &Snapshot, before: Option<&Snapshot>) {
    let known = by_name(before);
    let mut policies = Vec::new();
    for (upstream, room) in snapshot.upstreams.iter().zip(&snapshot.rooms) {
        let Some(policy) = policy_group::number(&upstream.name) else { continue };
        policies.push(policy);
        let places = room.clone().map(|room| -> Arc<dyn GroupPlaces> { room });
        snapshot.policy_groups.configure(policy, upstream, places, known.contains_key(&*upstream.name));
    }
    snapshot.policy_groups.are_configured(&policies);
}

fn by_name(snapshot: Option<&Snapshot>) -> HashMap<&str, Before<'_>> {
    let all = snapshot.into_iter().flat_map(|snapshot| {
        let beside = snapshot.rooms.iter().zip(&snapshot.inventories).zip(&snapshot.marks);
        snapshot.upstreams.iter().zip(beside)
    });
    let mut known = HashMap::new();
    for (upstream, ((room, inventory), mark)) in all {
        let (room, inventory) = (room.as_ref(), inventory.as_ref());
        known.insert(&*upstream.name, Before { upstream, room, inventory, mark: *mark });
    }
    known
}

impl Before<'_> {
    /// Whether all is as it was, what its inventory holds included.
    fn stays(&self, written: &model::Upstream, mark: UpstreamMark) -> bool {
        let has_same_inventory = match (&written.inventory, self.inventory) {
            (None, None) => true,
            (Some(written), Some(watched)) => watched.has_read(&written.content),
            (None, Some(_)) | (Some(_), None) => false,
        };
        self.mark == mark && has_same_inventory
    }
}

fn recruit(
    upstream: &model::Upstream,
    messages: Option<&Arc<MessageCounts>>,
    before: Option<Before<'_>>,
) -> Recruit {
    let limits = upstream.limits;
    let room = before.and_then(|before| before.upstream.recruit.connections.as_ref());
    Recruit {
        tls: upstream.tls.clone(),
        messages: messages.cloned(),
        breakers: upstream.eject.map(|rule| Arc::new(Breakers::new(rule))),
        requests_max: limits.and_then(|limits| limits.server_requests),
        connections_max: limits.and_then(|limits| limits.server_connections),
        connections: limits
            .and_then(|limits| limits.connections)
            .map(|max| ConnectionRoom::following(max, room)),
    }
}

/// An upstream that is made anew. `same_terms` is the one before if its servers stay what they are.
fn upstream(
    upstream: &model::Upstream,
    messages: Option<&Arc<MessageCounts>>,
    same_terms: Option<Before<'_>>,
    before: Option<Before<'_>>,
) -> Upstream {
    let newcomer = if upstream.health.is_some() { State::NotInitiated } else { State::Healthy };
    let recruit = match same_terms {
        Some(same) => same.upstream.recruit.clone(),
        None => recruit(upstream, messages, before),
    };
    let member = |server: &model::Server| {
        let known = before.and_then(|before| {
            let known =
                |roster: &Roster| roster.member_at(&server.address).map(|known| Arc::clone(&known.server));
            before.upstream.look(known)
        });
        let stays = known.as_ref().filter(|known| same_terms.is_some() && known.address == server.address);
        let made = match stays {
            Some(stays) => Arc::clone(stays),
            None => {
                let new = recruit.with_target(server.address.clone(), server.target.clone());
                Arc::new(new.following(known.as_deref()))
            }
        };
        let origin = if server.from_inventory { Origin::Inventory } else { Origin::File };
        let member = Member::new(made, server.weight, origin, newcomer);
        Member { is_primary: server.primary, ..member }
    };
    let (found, written): (Vec<_>, Vec<_>) = upstream.servers.iter().partition(|server| server.resolve);
    let roster = Roster::new(written.into_iter().map(member).collect(), upstream.panic_percent)
        .with_slow_start(upstream.slow_start);
    let named = found
        .into_iter()
        .filter_map(|server| NamedServers::new(server.address.clone(), server.target.clone(), server.weight));
    let timeouts = &upstream.timeouts;
    let waits = Waits {
        connect: timeouts.connect,
        answer_head: upstream.retry.per_try_timeout.unwrap_or(timeouts.answer_head),
        answer_body: timeouts.answer_body,
        idle: timeouts.upstream_idle,
        reuse_unsafe: timeouts.reuse_unsafe,
    };
    let model::Balance { rule, sticky } = upstream.balance.clone();
    let made = Upstream::new(&upstream.name, roster, rule, upstream.retry.clone(), waits);
    let made = made.with_recruit(recruit).with_named(named.collect()).with_health(upstream.health.clone());
    let made = made.counting_on(before.map(|before| &**before.upstream));
    match sticky {
        None => made,
        Some(model::Sticky { cookie, signer, max_age }) => {
            made.with_sticky(Sticky::new(&upstream.name, &cookie, signer, max_age))
        }
    }
}

/// Repeats of an upstream; those of the one of this name until now, where their budget stays as it is.
fn retries(upstream: &model::Upstream, since: Instant, before: Option<Before<'_>>) -> Arc<Retries> {
    match before.map(|before| &before.upstream.retries).filter(|known| known.fits(&upstream.retry)) {
        Some(known) => Arc::clone(known),
        None => Arc::new(Retries::new(&upstream.retry, now().saturating_duration_since(since))),
    }
}
