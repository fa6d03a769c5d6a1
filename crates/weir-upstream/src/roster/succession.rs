//! From one configuration to the next: what became of the members while the proxy ran goes on where the file says nothing new.
//!
//! A new configuration changes what is new in it. What people have done since the last one (a server that is drained, another
//! weight, one that was added or sent away) holds until they undo it, or the file says something else about that very server;
//! what checks and requests have found out goes on anyway.

use std::collections::HashMap;
use std::sync::Arc;

use weir_core::health::State;

use super::places::is_same_place;
use super::{Member, Moment, Roster};

/// Members by their names.
type Known = HashMap<Box<str>, Member>;

impl Roster {
    /// This one holds what the configuration says; it takes over what became of the members of the one before. `remade` says what
    /// a member that the configuration does not name is under the new one. With `newcomer` servers are not checked as they
    /// were: that is what is known of each now.
    pub(crate) fn succeed(
        &mut self,
        before: Self,
        remade: &dyn Fn(&Member) -> Option<Member>,
        newcomer: Option<State>,
        moment: Moment,
    ) {
        let Self { members, leaving, written, said, told_of_nobody, .. } = before;
        self.said = said;
        self.told_of_nobody = told_of_nobody;
        let weights: HashMap<_, _> = written.into_iter().map(|it| (it.server, it.weight)).collect();
        let mut known: Known =
            members.iter().map(|member| (member.server.name().into(), member.clone())).collect();
        let own = std::mem::take(&mut self.members).into_iter();
        let own = own.filter_map(|new| {
            let weight_before = weights.get(new.server.name());
            match taken(&mut known, &new) {
                Some(known) => {
                    // What somebody said of its weight holds until the file says something else.
                    let is_as_before = weight_before == Some(&new.weight);
                    let weight = if is_as_before { known.weight } else { new.weight };
                    Some(Member { weight, ..new.succeeding(known) })
                }
                // Somebody has sent it away.
                None if weight_before.is_some() => None,
                None => Some(Member { since: moment.since_epoch, warm_since: Some(moment.instant), ..new }),
            }
        });
        let mut all: Vec<_> = own.collect();
        // In the order in which they came.
        let others = members.iter().filter(|member| known.contains_key(member.server.name()));
        all.extend(others.filter(|member| !member.origin.is_written()).filter_map(remade));
        for member in &mut all {
            member.checked = newcomer.unwrap_or(member.checked);
            member.server.take_out(matches!(member.state(), State::Draining | State::Disabled));
        }
        let is_member = |name: &str| all.iter().any(|member| member.server.name() == name);
        self.leaving = leaving.into_iter().filter(|member| !is_member(member.server.name())).collect();
        self.members = all;
    }
}

/// The member that this one is under the new configuration, also where it is written otherwise.
fn taken(known: &mut Known, new: &Member) -> Option<Member> {
    known.remove(new.server.name()).or_else(|| {
        let is_there = |member: &Member| is_same_place(&member.server.address, &new.server.address);
        let name = known.iter().find(|(_, member)| is_there(member)).map(|(name, _)| name.clone())?;
        known.remove(&name)
    })
}

impl Member {
    /// As the configuration says, with what became of it under the one before.
    fn succeeding(self, known: Self) -> Self {
        let is_the_same = Arc::ptr_eq(&self.server, &known.server);
        let Self { server, weight, is_primary, origin, ejection, found_as, .. } = self;
        Self {
            server,
            weight,
            is_primary,
            origin,
            ejection: if is_the_same { known.ejection } else { ejection },
            leaves_at: None,
            lease_until: None,
            found_as,
            ..known
        }
    }
}
