//! Changing who belongs to an upstream while the proxy runs, for people and for servers that register themselves.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use weir_config::address;
use weir_core::ports::members::{
    Changed, ComesBack, LEASE_MAX, LEASE_MIN, Leaving, MemberChange, MemberControl, MemberError,
};
use weir_core::server::ServerAddress;
use weir_upstream::roster::{Member, Moment, NoSuchServer, Origin, Roster};
use weir_upstream::upstream::Upstream;

use super::status::ProcessStatus;

/// The largest weight; the rotation of weighted servers is laid out in advance.
const WEIGHT_MAX: u32 = 1000;

/// Servers of an upstream to which more may not be added while it runs: each costs memory in every worker.
const SERVERS_MAX: usize = 1024;

impl ProcessStatus {
    fn upstream(&self, name: &str) -> Result<Arc<Upstream>, MemberError> {
        let snapshot = self.snapshot();
        let others = snapshot.other_policy_groups();
        let all = snapshot.upstreams.iter().chain(&others);
        let found = all.clone().find(|upstream| &*upstream.name == name).cloned();
        found.ok_or_else(|| MemberError::NoUpstream {
            known: all.map(|upstream| upstream.name.to_string()).collect(),
        })
    }
}

/// What the upstream calls the server at this address; one that it has, or that leaves.
fn name_of(upstream: &Upstream, server: &str) -> Result<String, MemberError> {
    let found = upstream.look(|roster| {
        let is_there = |name: &str| {
            let mut all = roster.members().iter().chain(roster.leaving());
            all.any(|member| member.server.name() == name)
        };
        if is_there(server) {
            return Some(server.to_owned());
        }
        // It may be written otherwise.
        let address = address::server(server).ok()?;
        roster.address_at(&address).map(|known| known.written.to_string()).filter(|name| is_there(name))
    });
    found.ok_or(MemberError::NoServer)
}

/// What is said in the log when requests have nowhere to go.
fn warn_of_nobody_left(upstream: &Upstream) {
    let upstream = &*upstream.name;
    tracing::warn!(upstream, "no server of the upstream gets requests any more; they get 503");
}

impl MemberControl for ProcessStatus {
    fn put(&self, upstream: &str, server: &str, change: MemberChange) -> Result<Changed, MemberError> {
        check(&change)?;
        let _members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let upstream = self.upstream(upstream)?;
        let moment = Moment::now();
        let address = address::server(server).map_err(|complaint| MemberError::Bad(complaint.to_string()))?;
        // It may be written otherwise than the server that it is.
        let known = upstream.look(|roster| match roster.member(server) {
            Some(member) => Some(member.server.address.clone()),
            None => roster.address_at(&address).cloned(),
        });
        let address = known.unwrap_or(address);
        let server = address.written.to_string();
        // Made before the lock is taken: a new server may need a look at certificates. One that is known may leave meanwhile.
        let new = member(&upstream, address, &change);
        let changed = upstream.change(|roster| put(roster, &server, new, &change, moment))?;
        let name = &*upstream.name;
        if changed.is_new {
            tracing::info!(upstream = name, server, state = %changed.state, "a server has joined");
        } else if change.lease.is_none() {
            tracing::info!(upstream = name, server, state = %changed.state, ?change, "a server was changed");
        }
        // One that registers itself says so again and again.
        if changed.is_last && change.lease.is_none() {
            warn_of_nobody_left(&upstream);
        }
        Ok(changed)
    }

    fn name_of(&self, upstream: &str, server: &str) -> Result<String, MemberError> {
        name_of(&*self.upstream(upstream)?, server)
    }

    fn leave(&self, upstream: &str, server: &str, drain: Option<Duration>) -> Result<Leaving, MemberError> {
        let _members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let upstream = self.upstream(upstream)?;
        let moment = Moment::now();
        let server = &*name_of(&upstream, server)?;
        let left = upstream.change(|roster| {
            let comes_back = roster.member(server).and_then(comes_back);
            match drain.filter(|drain| !drain.is_zero()) {
                Some(drain) => roster.leave_by(server, moment.instant + drain, moment)?,
                None => roster.leave(server)?,
            }
            Ok((comes_back, !roster.has_someone_to_ask()))
        });
        let (comes_back, is_last) = left.map_err(|NoSuchServer| MemberError::NoServer)?;
        let leaves = |member: &Member| member.server.name() == server;
        let is_gone = !upstream.look(|roster| roster.leaving().iter().any(leaves));
        tracing::info!(
            upstream = &*upstream.name,
            server,
            is_gone,
            ?comes_back,
            "a server was told to leave"
        );
        if is_last {
            warn_of_nobody_left(&upstream);
        }
        Ok(Leaving { is_gone, is_last, comes_back })
    }
}

/// Why a member that leaves will be back by itself.
fn comes_back(member: &Member) -> Option<ComesBack> {
    match member.origin {
        Origin::Lease => Some(ComesBack::Registers),
        Origin::Name => Some(ComesBack::IsFound),
        Origin::File | Origin::Inventory | Origin::Added => None,
    }
}

fn check(change: &MemberChange) -> Result<(), MemberError> {
    if change.weight.is_some_and(|weight| weight > WEIGHT_MAX) {
        let text =
            format!("a weight is from 0 to {WEIGHT_MAX}; with 0 a server gets nothing that is balanced");
        return Err(MemberError::Bad(text));
    }
    if change.lease.is_some_and(|lease| !(LEASE_MIN..=LEASE_MAX).contains(&lease)) {
        return Err(MemberError::Bad("a lease is from 1 second to 24 hours long".to_owned()));
    }
    Ok(())
}

/// Only who is a member for no other reason has a lease: what the configuration names, or what a name has, would leave when
/// somebody did not renew it, although both say that it is there.
fn check_lease(roster: &Roster, server: &str) -> Result<(), MemberError> {
    if roster.written_as(server).is_some() {
        let text = "the configuration names this server, or its inventory does, so it has no lease: take it out of the file, \
                    or don't register it";
        return Err(MemberError::Conflict(text.to_owned()));
    }
    match roster.member(server).and_then(|member| member.found_as.as_deref()) {
        Some(name) => Err(MemberError::Conflict(format!(
            "this server is found by the name `{name}` and stays for as long as the name has its address, so it has no \
             lease: don't register it"
        ))),
        None => Ok(()),
    }
}

/// A server that wants to be a member.
fn member(upstream: &Upstream, address: ServerAddress, change: &MemberChange) -> Result<Member, MemberError> {
    let server = upstream.recruit.server(address).map_err(|unfit| MemberError::Bad(unfit.to_string()))?;
    let origin = if change.lease.is_some() { Origin::Lease } else { Origin::Added };
    Ok(Member::new(Arc::new(server), change.weight.unwrap_or(1), origin, upstream.newcomer()))
}

fn put(
    roster: &mut Roster,
    server: &str,
    new: Result<Member, MemberError>,
    change: &MemberChange,
    moment: Moment,
) -> Result<Changed, MemberError> {
    let gone = |NoSuchServer| MemberError::NoServer;
    if change.lease.is_some() {
        check_lease(roster, server)?;
    }
    let lease_until = change.lease.map(|lease| moment.instant + lease);
    let is_new = match roster.member(server).cloned() {
        None if roster.members().len() >= SERVERS_MAX => {
            return Err(MemberError::Bad(format!(
                "the upstream has {SERVERS_MAX} servers, and takes no more"
            )));
        }
        None => {
            let mut new = Member { lease_until, ..new? };
            if let (None, Some(written)) = (change.weight, roster.written_as(server)) {
                new.weight = written.weight;
            }
            roster.join(new, moment)
        }
        Some(known) => {
            let weight = change.weight.unwrap_or(known.weight);
            let (origin, lease_until) = match lease_until {
                Some(until) => (Origin::Lease, Some(until)),
                None => (known.origin, known.lease_until),
            };
            roster.join(Member { weight, origin, lease_until, ..known }, moment)
        }
    };
    if let Some(word) = change.word {
        roster.say(server, word, moment).map_err(gone)?;
    }
    let state = roster.member(server).map(Member::state).ok_or(MemberError::NoServer)?;
    Ok(Changed { is_new, state, is_last: !roster.has_someone_to_ask() })
}
