//! Members that are found by a name: what follows from the addresses that it has now.
//!
//! What an operator said of a server holds for a while without it ([`said`](super::said)).

use std::time::Duration;

use weir_core::health::Word;

use super::said::Said;
use super::{Member, Moment, Roster};

impl Roster {
    /// Takes note of all that were found under a name: the new ones join, and those that were found before and not now leave
    /// when their requests have ended, after `drain` at the latest. Says how many joined and how many leave.
    pub fn found(
        &mut self,
        name: &str,
        wanted: Vec<Member>,
        drain: Duration,
        moment: Moment,
    ) -> (usize, usize) {
        let is_wanted =
            |member: &Member| wanted.iter().any(|wanted| wanted.server.name() == member.server.name());
        let lost: Vec<Box<str>> = self
            .members
            .iter()
            .filter(|member| member.found_as.as_deref() == Some(name) && !is_wanted(member))
            .map(|member| member.server.name().into())
            .collect();
        let usual_weight = wanted.first().map(|member| member.weight);
        for server in &lost {
            self.remember(server, usual_weight, moment);
            // It is one of the members that were looked at.
            let _ = self.leave_by(server, moment.instant + drain, moment);
        }
        let mut joined = 0;
        for member in wanted {
            let server: Box<str> = member.server.name().into();
            let said = self.said.take(&server, moment.instant);
            // It may be there already, written otherwise.
            if self.member_at(&member.server.address).is_none() {
                joined += usize::from(self.join(member, moment));
                if let Some(said) = said {
                    self.say_again(said, moment);
                }
            }
        }
        (joined, lost.len())
    }

    /// Remembers what an operator said of a server that leaves, if anything.
    fn remember(&mut self, server: &str, usual_weight: Option<u32>, moment: Moment) {
        let Some(member) = self.member(server) else { return };
        let weight = Some(member.weight).filter(|weight| Some(*weight) != usual_weight);
        if member.word == Word::InService && weight.is_none() {
            return;
        }
        let said = Said { server: server.into(), word: member.word, weight };
        self.said.remember(said, moment.instant);
    }

    fn say_again(&mut self, said: Said, moment: Moment) {
        // It has joined a moment ago.
        let Ok(member) = self.member_mut(&said.server) else { return };
        member.weight = said.weight.unwrap_or(member.weight);
        member.change(moment, "an operator had said so before its name lost it", |member| {
            member.word = said.word;
        });
    }
}
