//! Changing who belongs to an upstream while the proxy runs, for people and for servers that register themselves.

use std::sync::Arc;
use std::time::Duration;

use weir_config::address;
use weir_core::health::State;
use weir_core::ports::members::{
    Changed, LEASE_MAX, LEASE_MIN, Leaving, MemberChange, MemberControl, MemberError,
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
        let found = snapshot.upstreams.iter().find(|upstream| &*upstream.name == name).cloned();
        found.ok_or_else(|| MemberError::NoUpstream {
            known: snapshot.upstreams.iter().map(|upstream| upstream.name.to_string()).collect(),
        })
    }
}

impl MemberControl for ProcessStatus {
    fn put(&self, upstream: &str, server: &str, change: MemberChange) -> Result<Changed, MemberError> {
        check(&change)?;
        let upstream = self.upstream(upstream)?;
        let moment = Moment::now();
        let address = address::server(server).map_err(|complaint| MemberError::Bad(complaint.to_string()))?;
        let known = upstream.look(|roster| {
            let known = roster.member(server).or_else(|| roster.member_at(&address))?;
            Some(known.server.name().to_owned())
        });
        // It may be written otherwise than the member that it is.
        let server = known.as_deref().unwrap_or(server);
        // Made before the lock is taken: a new server may need a look at certificates. One that is known may leave meanwhile.
        let new = member(&upstream, address, &change);
        let changed = upstream.change(|roster| put(roster, server, new, &change, moment))?;
        let name = &*upstream.name;
        if changed.is_new {
            tracing::info!(upstream = name, server, state = %changed.state, "a server has joined");
        } else if change.lease.is_none() {
            tracing::info!(upstream = name, server, state = %changed.state, ?change, "a server was changed");
        }
        Ok(changed)
    }

    fn leave(&self, upstream: &str, server: &str, drain: Option<Duration>) -> Result<Leaving, MemberError> {
        let upstream = self.upstream(upstream)?;
        let moment = Moment::now();
        let left = upstream.change(|roster| {
            match drain.filter(|drain| !drain.is_zero()) {
                Some(drain) => roster.leave_by(server, moment.instant + drain, moment)?,
                None => roster.leave(server)?,
            }
            let may_serve = |member: &Member| !matches!(member.state(), State::Draining | State::Disabled);
            Ok(!roster.members().iter().any(may_serve))
        });
        let is_last = left.map_err(|NoSuchServer| MemberError::NoServer)?;
        let leaves = |member: &Member| member.server.name() == server;
        let is_gone = !upstream.look(|roster| roster.leaving().iter().any(leaves));
        tracing::info!(upstream = &*upstream.name, server, is_gone, "a server was told to leave");
        if is_last {
            tracing::warn!(
                upstream = &*upstream.name,
                "no server stays in the upstream; its requests get 503"
            );
        }
        Ok(Leaving { is_gone, is_last })
    }
}

fn check(change: &MemberChange) -> Result<(), MemberError> {
    if change.weight.is_some_and(|weight| weight == 0 || weight > WEIGHT_MAX) {
        let text = format!("a weight is from 1 to {WEIGHT_MAX}; to send nothing to a server, disable it");
        return Err(MemberError::Bad(text));
    }
    if change.lease.is_some_and(|lease| !(LEASE_MIN..=LEASE_MAX).contains(&lease)) {
        return Err(MemberError::Bad("a lease is from 1 second to 24 hours long".to_owned()));
    }
    Ok(())
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
    let lease_until = change.lease.map(|lease| moment.instant + lease);
    let is_new = match roster.member(server).cloned() {
        None if roster.members().len() >= SERVERS_MAX => {
            return Err(MemberError::Bad(format!(
                "the upstream has {SERVERS_MAX} servers, and takes no more"
            )));
        }
        None => roster.join(Member { lease_until, ..new? }, moment),
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
    Ok(Changed { is_new, state })
}
