//! Members that are taken out because requests to them fail, and come back.

use tokio::time::Instant;
use weir_core::health::{Change, Ejection, EjectionChange, Heard, State, Word};

use super::{Member, Moment, Roster};

impl Roster {
    /// Looks what requests have found out, and what time it is. What has become of whom, in this order.
    pub(crate) fn review(&mut self, moment: Moment) -> Vec<(Box<str>, EjectionChange)> {
        let mut changes = Vec::new();
        for place in 0..self.members.len() {
            while let Some(change) = self.review_one(place, moment) {
                let member = &mut self.members[place];
                member.note(change, moment);
                changes.push((member.server.name().into(), change));
            }
        }
        changes
    }

    /// A check of a member has ended; after `healthy_after` of them that speak for it, it need not wait to be tried.
    pub(crate) fn hear(
        &mut self,
        name: &str,
        (begun, has_passed): (Instant, bool),
        healthy_after: u32,
        moment: Moment,
    ) -> Option<EjectionChange> {
        let member = self.member_mut(name).ok()?;
        let (held, ejection) = (member.server.breaker()?, member.ejection.as_mut()?);
        let is_well = member.checked == State::Healthy;
        let heard = Heard { begun: held.of.time(begun), has_passed, is_well };
        let change = ejection.hear(&held.breaker, heard, healthy_after)?;
        member.note(change, moment);
        Some(change)
    }

    fn review_one(&mut self, place: usize, moment: Moment) -> Option<EjectionChange> {
        let in_service = self.members.iter().filter(|member| member.word == Word::InService);
        let (servers, doubted) = in_service.fold((0, 0), |(servers, doubted), member| {
            (servers + 1, doubted + usize::from(member.ejection.is_some_and(|it| it.is_doubted())))
        });
        let member = &mut self.members[place];
        let (held, ejection) = (member.server.breaker()?, member.ejection.as_mut()?);
        let rule = &held.of.rule;
        let has_room = member.word == Word::InService && rule.has_room(doubted, servers);
        ejection.review(rule, &held.breaker, has_room, held.of.time(moment.instant))
    }
}

impl Member {
    /// When time alone changes where it stands.
    pub(crate) fn review_due(&self) -> Option<Instant> {
        self.server.breaker()?.of.at(self.ejection.as_ref()?.due()?)
    }

    /// Whether it gets nothing because requests to it failed.
    pub fn is_ejected(&self) -> bool {
        self.ejection.is_some_and(|ejection| ejection.is_out())
    }

    /// How many requests it may have at once; `None` for any number.
    pub(super) fn places(&self, ignores_health: bool) -> Option<u32> {
        let is_tried = |ejection: &Ejection| ejection.is_doubted() && !ignores_health;
        let tried = self.server.breaker().filter(|_| self.ejection.as_ref().is_some_and(is_tried));
        let trials = tried.map_or(u32::MAX, |held| held.of.rule.breaker.trials);
        Some(self.server.requests_max()?.min(trials))
    }

    /// Forgets what is held against it.
    pub(super) fn pardon(&mut self, now: Instant) {
        if let (Some(held), Some(ejection)) = (self.server.breaker(), self.ejection.as_mut()) {
            ejection.pardon(&held.breaker, held.of.time(now));
        }
    }

    fn note(&mut self, change: EjectionChange, moment: Moment) {
        let reason = match change {
            EjectionChange::Ejected { trip, time, .. } => {
                if let Some(held) = self.server.breaker() {
                    held.count(trip.why);
                }
                format!("ejected for {time:?}: {trip}")
            }
            EjectionChange::Spared { trip } => {
                format!("not ejected, because no more servers may be out: {trip}")
            }
            EjectionChange::Tried => "some requests try it".to_owned(),
            EjectionChange::Returned => {
                self.warm_since = Some(moment.instant);
                "requests to it succeed again".to_owned()
            }
        };
        let state: State = self.state();
        self.remember(Change { at: moment.since_epoch, from: state, to: state, reason: reason.into() });
    }
}
