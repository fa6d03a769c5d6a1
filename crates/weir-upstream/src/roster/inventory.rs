//! Members that a file beside the configuration names, which is followed while the proxy runs.
//!
//! What is followed are its changes: a server that is new in it joins, one that is gone from it leaves. Whoever stands in it as
//! before is left alone, so that what an operator did holds: a weight, a server that is taken out, one that was sent away.

use std::collections::HashSet;
use std::time::Duration;

use super::{Member, Moment, Origin, Roster, Written};

/// What has followed from a change of an inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Followed {
    /// Servers that have joined.
    pub joined: usize,
    /// Servers that leave.
    pub left: usize,
}

impl Roster {
    /// Takes note of the servers that the inventory has now: the new ones join, and those that it had before and has no more leave
    /// when their requests have ended, after `drain` at the latest.
    pub fn follow_inventory(&mut self, wanted: Vec<Member>, drain: Duration, moment: Moment) -> Followed {
        let is_listed = |written: &Written| written.origin == Origin::Inventory;
        let names: HashSet<&str> = wanted.iter().map(|wanted| wanted.server.name()).collect();
        let is_lost = |written: &mut Written| is_listed(written) && !names.contains(&*written.server);
        let lost: Vec<_> = self.written.extract_if(.., is_lost).collect();
        let mut followed = Followed::default();
        for Written { server, .. } in lost {
            // Somebody may have sent it away before, or added it again beside the file.
            let is_listed = self.member(&server).is_some_and(|member| member.origin == Origin::Inventory);
            if is_listed && self.leave_by(&server, moment.instant + drain, moment).is_ok() {
                followed.left += 1;
            }
        }
        let known: HashSet<Box<str>> = self.written.iter().map(|written| written.server.clone()).collect();
        for member in wanted.into_iter().filter(|member| !known.contains(member.server.name())) {
            let server = member.server.name();
            self.written.push(Written {
                server: server.into(),
                origin: Origin::Inventory,
                address: member.server.address.clone(),
                weight: member.weight,
                is_primary: false,
            });
            followed.joined += usize::from(self.enlist(member, moment));
        }
        followed
    }

    /// Lets a server of the inventory be a member. One that is there already is one of the inventory from now on, with the weight
    /// that somebody gave it. Says whether it is new.
    fn enlist(&mut self, member: Member, moment: Moment) -> bool {
        match self.member_mut(member.server.name()) {
            Ok(known) => {
                known.origin = Origin::Inventory;
                known.lease_until = None;
                known.found_as = None;
                false
            }
            Err(_) => self.join(member, moment),
        }
    }
}

#[cfg(test)]
mod tests;
