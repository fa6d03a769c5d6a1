//! Who belongs to an upstream, and what people and checks say of each.
//!
//! The one place where members change. It is behind a lock that nobody on a request's way takes: what follows from a change
//! for requests is published as a [`Group`](crate::group::Group).

mod ejections;
mod found;
pub mod inventory;
mod origin;
mod places;
mod said;
mod succession;
mod written;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use weir_core::health::{
    Change, Ejection, Shares, Standing, State, WHOLE_PERMILLE, Word, shares, slow_start,
};

use self::said::AllSaid;
use crate::group::Members;
use crate::io::deadline::{now, since_epoch};
use crate::member::Server;

pub use origin::Origin;
pub use written::Written;

/// How many changes of a server are remembered.
pub const CHANGES_MAX: usize = 32;

/// One moment by two clocks.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// For spans of time.
    pub instant: Instant,
    /// For people: since 1970.
    pub since_epoch: Duration,
}

/// A server that belongs to an upstream.
#[derive(Debug, Clone)]
pub struct Member {
    /// The server.
    pub server: Arc<Server>,
    /// Its share among those that are healthy.
    pub weight: u32,
    /// Whether it acknowledges for the others, where a route says so.
    pub is_primary: bool,
    /// How it became one.
    pub origin: Origin,
    /// What an operator says of it.
    pub word: Word,
    /// What checks say of it.
    pub checked: State,
    /// Since when it is in its state.
    pub since: Duration,
    /// Changes of its state that there were.
    pub changes_total: u64,
    /// Its last changes, the newest last; at most [`CHANGES_MAX`].
    pub changes: VecDeque<Change>,
    /// Where it stands because of failed requests; `None` where those are not held against it.
    pub ejection: Option<Ejection>,
    /// When it joined or recovered.
    pub warm_since: Option<Instant>,
    /// It leaves when its requests have ended, or then at the latest.
    pub leaves_at: Option<Instant>,
    /// It leaves then, unless it has said before that it is still there.
    pub lease_until: Option<Instant>,
    /// The name under which it was found, if it was.
    pub found_as: Option<Box<str>>,
}

impl Moment {
    /// Now.
    pub fn now() -> Self {
        Self { instant: now(), since_epoch: since_epoch() }
    }
}

impl Member {
    /// A member of which nothing is known but what checks that are not there say.
    pub fn new(server: Arc<Server>, weight: u32, origin: Origin, checked: State) -> Self {
        Self {
            ejection: server.breaker().map(|held| Ejection::new(held.of.time(now()))),
            server,
            weight,
            is_primary: false,
            origin,
            word: Word::InService,
            checked,
            since: Duration::ZERO,
            changes_total: 0,
            changes: VecDeque::new(),
            warm_since: None,
            leaves_at: None,
            lease_until: None,
            found_as: None,
        }
    }

    /// Its state: that it leaves counts for more than what people say, and that for more than what checks say.
    pub fn state(&self) -> State {
        match self.leaves_at {
            Some(_) => State::Draining,
            None => self.word.state(self.checked),
        }
    }

    fn change(&mut self, moment: Moment, reason: &str, change: impl FnOnce(&mut Self)) -> bool {
        let from = self.state();
        change(self);
        let to = self.state();
        if from == to {
            return false;
        }
        self.server.take_out(matches!(to, State::Draining | State::Disabled));
        if to == State::Healthy {
            self.warm_since = Some(moment.instant);
            // What is known of how it answers is about the time before it was away.
            self.server.observation.forget();
        }
        self.since = moment.since_epoch;
        self.changes_total += 1;
        self.remember(Change { at: moment.since_epoch, from, to, reason: reason.into() });
        true
    }

    fn remember(&mut self, change: Change) {
        if self.changes.len() == CHANGES_MAX {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
    }
}

/// What may be asked of members that are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSuchServer;

/// A server that has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// Its name.
    pub server: Box<str>,
    /// Whether it did not say again that it is there.
    pub lease_ended: bool,
    /// Whether nobody is left who gets requests, and this is the first one to say so.
    pub was_last: bool,
}

/// The members of an upstream.
#[derive(Debug, Default)]
pub struct Roster {
    members: Vec<Member>,
    /// Those that have requests still, and get nothing new. They are members no more: nobody waits for their word, and nothing
    /// is kept for them.
    leaving: Vec<Member>,
    /// Those of the configuration and of its inventory.
    written: Vec<Written>,
    panic_percent: u32,
    /// How long one that joins or comes back takes until it has its full share.
    slow_start: Duration,
    /// What people said of servers that their name has lost.
    said: AllSaid,
    /// Whether somebody was told that nobody is left who gets requests.
    told_of_nobody: bool,
}

impl Roster {
    /// These members; below `panic_percent` of their weight, health is ignored.
    pub fn new(members: Vec<Member>, panic_percent: u32) -> Self {
        let written = members.iter().filter(|member| member.origin.is_written()).map(|member| Written {
            server: member.server.name().into(),
            origin: member.origin,
            address: member.server.address.clone(),
            weight: member.weight,
            is_primary: member.is_primary,
        });
        let written = written.collect();
        Self { members, written, panic_percent, ..Self::default() }
    }

    /// The same, in which whoever joins or comes back takes so long until it has its full share.
    #[must_use]
    pub fn with_slow_start(self, slow_start: Option<Duration>) -> Self {
        Self { slow_start: slow_start.unwrap_or_default(), ..self }
    }

    /// The members, in the order in which they came.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Servers that leave, and still have requests.
    pub fn leaving(&self) -> &[Member] {
        &self.leaving
    }

    /// The member of this name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.server.name() == name)
    }

    fn member_mut(&mut self, name: &str) -> Result<&mut Member, NoSuchServer> {
        self.members.iter_mut().find(|member| member.server.name() == name).ok_or(NoSuchServer)
    }

    /// Takes a member in; one of the same name stays what it is, but for its weight and its origin. One that was leaving comes
    /// back, and one that the configuration names is one of the configuration again. Says whether it is new.
    pub fn join(&mut self, member: Member, moment: Moment) -> bool {
        let name = member.server.name().to_owned();
        match self.member_mut(&name) {
            Ok(known) => {
                known.weight = member.weight;
                // One of the file stays one of the file, and has no lease.
                if !known.origin.is_written() {
                    known.origin = member.origin;
                    known.lease_until = member.lease_until;
                    known.found_as = member.found_as;
                }
                false
            }
            Err(NoSuchServer) => {
                let member = self.as_written(member);
                let known = self.leaving.iter().position(|known| known.server.name() == name);
                let member = match known.map(|place| self.leaving.remove(place)) {
                    // Its connections and what is known of it are still good.
                    Some(mut known) => {
                        known.change(moment, "it joined again", |known| known.leaves_at = None);
                        let Member { weight, origin, lease_until, found_as, is_primary, .. } = member;
                        Member { weight, origin, lease_until, found_as, is_primary, ..known }
                    }
                    None => {
                        let warm_since = Some(moment.instant);
                        Member { since: moment.since_epoch, warm_since, ..member }
                    }
                };
                self.members.push(member);
                true
            }
        }
    }

    /// Lets a member go at once. Requests that it has end.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn leave(&mut self, name: &str) -> Result<(), NoSuchServer> {
        self.take_out(name).map(|member| member.server.leave())
    }

    /// Takes a member out, also one that was leaving.
    fn take_out(&mut self, name: &str) -> Result<Member, NoSuchServer> {
        for list in [&mut self.members, &mut self.leaving] {
            if let Some(place) = list.iter().position(|member| member.server.name() == name) {
                return Ok(list.remove(place));
            }
        }
        Err(NoSuchServer)
    }

    /// Gives a member no new requests, and lets it go when those that it has have ended, or at `deadline`.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn leave_by(&mut self, name: &str, deadline: Instant, moment: Moment) -> Result<(), NoSuchServer> {
        let mut member = self.take_out(name)?;
        member.change(moment, "it leaves", |member| member.leaves_at = Some(deadline));
        self.leaving.push(member);
        Ok(())
    }

    /// Lets those go that leave and have nothing more to do, or no more time, and those whose lease has ended.
    pub fn let_go(&mut self, now: Instant) -> Vec<Gone> {
        let lease_ended = |member: &Member| member.lease_until.is_some_and(|until| now >= until);
        let is_done = |member: &Member| {
            member.leaves_at.is_some_and(|deadline| now >= deadline || member.server.in_flight() == 0)
        };
        let mut gone: Vec<_> = self.members.extract_if(.., |member| lease_ended(member)).collect();
        gone.extend(self.leaving.extract_if(.., |member| is_done(member)));
        let is_nobody_left = !self.has_someone_to_ask();
        let mut gone: Vec<_> = gone
            .iter()
            .map(|member| {
                member.server.leave();
                Gone {
                    server: member.server.name().into(),
                    lease_ended: member.leaves_at.is_none(),
                    was_last: false,
                }
            })
            .collect();
        self.told_of_nobody &= is_nobody_left;
        if let Some(last) = gone.last_mut() {
            last.was_last = is_nobody_left && !self.told_of_nobody;
            self.told_of_nobody = is_nobody_left;
        }
        gone
    }

    /// Notes what an operator says of a member. Says whether that changes its state.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn say(&mut self, name: &str, word: Word, moment: Moment) -> Result<bool, NoSuchServer> {
        let member = self.member_mut(name)?;
        let reason = match word {
            Word::InService => "an operator took it back into service",
            Word::Drain => "an operator drains it",
            Word::Disable => "an operator disabled it",
        };
        if word == Word::InService && member.word != word {
            member.pardon(moment.instant);
        }
        Ok(member.change(moment, reason, |member| member.word = word))
    }

    /// Gives a member another weight.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn weigh(&mut self, name: &str, weight: u32) -> Result<(), NoSuchServer> {
        self.member_mut(name)?.weight = weight;
        Ok(())
    }

    /// Notes what checks say of a member. Says whether that changes its state.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn checked(
        &mut self,
        name: &str,
        state: State,
        reason: &str,
        moment: Moment,
    ) -> Result<bool, NoSuchServer> {
        let member = self.member_mut(name)?;
        if (member.checked, state) == (State::Unreachable, State::Healthy)
            && let Some(held) = member.server.breaker()
        {
            // Requests that it has let hang fail for a while yet; they say nothing about what it is now.
            held.breaker.renew();
        }
        Ok(member.change(moment, reason, |member| member.checked = state))
    }

    /// Forgets what checks have said of a member that is not checked any more.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn unchecked(&mut self, name: &str, moment: Moment) -> Result<(), NoSuchServer> {
        self.checked(name, State::NotInitiated, "its checks begin anew", moment).map(drop)
    }

    /// All servers.
    pub(crate) fn servers(&self) -> Vec<Arc<Server>> {
        self.members.iter().map(|member| Arc::clone(&member.server)).collect()
    }

    /// What requests must know of the members.
    pub(crate) fn published(&self, now: Instant) -> Members {
        let standings: Vec<_> = self.members.iter().map(|member| self.standing(member, now)).collect();
        let shares = shares(&standings, self.panic_percent);
        Members {
            servers: self.servers(),
            weights: self.members.iter().map(|member| member.weight).collect(),
            places: self.places(&shares),
            shares,
            // The marked one, else the first.
            primary: self.members.iter().position(|member| member.is_primary).unwrap_or(0),
        }
    }

    /// How many requests members may have at once together that get any; `None` for any number. One that is tried counts for
    /// no more than its trials.
    fn places(&self, shares: &Shares) -> Option<u32> {
        let getting = self.members.iter().zip(&shares.of).filter(|(_, share)| **share > 0);
        getting.map(|(member, _)| member.places(shares.panic)).sum()
    }

    fn standing(&self, member: &Member, now: Instant) -> Standing {
        let is_ejected = member.ejection.is_some_and(|ejection| ejection.is_out());
        let is_tried = member.ejection.is_some_and(|ejection| ejection.is_doubted()) && !is_ejected;
        let warmth_permille = member.warm_since.map_or(WHOLE_PERMILLE, |since| {
            slow_start::warmth_permille(now.saturating_duration_since(since), self.slow_start)
        });
        Standing { weight: member.weight, state: member.state(), is_ejected, is_tried, warmth_permille }
    }

    /// When a member that gets warm gets more of its share.
    pub(crate) fn next_step_of(&self, member: &Member, now: Instant) -> Option<Instant> {
        let since = member.warm_since?;
        let age = slow_start::next_step_at(now.saturating_duration_since(since), self.slow_start)?;
        since.checked_add(age)
    }
}

#[cfg(test)]
mod ejection_tests;
#[cfg(test)]
mod found_tests;
#[cfg(test)]
mod succession_tests;
#[cfg(test)]
mod tests;
