//! What checks have to do with the members of an upstream: who is checked, and where it is noted.

use std::sync::Arc;

use weir_core::health::{EjectionChange, State};

use crate::member::Server;
use crate::roster::Moment;
use crate::upstream::Upstream;

use super::checker::{Checker, Found};

/// The checks of an upstream's members.
#[derive(Debug)]
pub struct Watch(Checker);

impl Watch {
    /// Where the upstream wants checks.
    pub fn of(upstream: &Upstream) -> Option<Self> {
        upstream.health.as_ref().map(|check| Self(Checker::new(Arc::clone(check))))
    }

    /// Checks those who are members now. One that somebody has disabled is left alone, and begins anew when it comes back;
    /// one that drains is checked on, because it may come back at any time; one that is ejected is asked at once, and more often.
    pub fn follow(&mut self, upstream: &Upstream) {
        let is_disabled = |state: State| state == State::Disabled;
        let (followed, doubted, left_alone) = upstream.look(|roster| {
            let (mut followed, mut doubted) = (Vec::<Arc<Server>>::new(), Vec::<Arc<Server>>::new());
            let mut left_alone: Vec<Box<str>> = Vec::new();
            for member in roster.members() {
                if !is_disabled(member.state()) {
                    followed.push(Arc::clone(&member.server));
                    doubted.extend(member.is_ejected().then(|| Arc::clone(&member.server)));
                } else if member.checked != State::NotInitiated {
                    left_alone.push(member.server.name().into());
                }
            }
            (followed, doubted, left_alone)
        });
        self.0.follow(&followed);
        self.0.doubt(&doubted);
        if left_alone.is_empty() {
            return;
        }
        let moment = Moment::now();
        upstream.tend(|roster| {
            for name in left_alone {
                // It may have left meanwhile, or have been taken back: then it stays what it is.
                if roster.member(&name).is_some_and(|member| is_disabled(member.state())) {
                    let _ = roster.unchecked(&name, moment);
                }
            }
        });
    }

    /// See [`Checker::found`].
    pub async fn found(&mut self) -> Vec<Found> {
        self.0.found().await
    }
}

/// Notes what checks have found out, publishes what follows, and tells people of each change of state. Says what has become of
/// servers that were ejected.
pub fn note(upstream: &Upstream, found: Vec<Found>) -> Vec<(Box<str>, EjectionChange)> {
    let Some(healthy_after) = upstream.health.as_ref().map(|check| check.healthy_after) else {
        return Vec::new();
    };
    let moment = Moment::now();
    let (mut told, mut changes) = (Vec::new(), Vec::new());
    upstream.tend(|roster| {
        for Found { server, begun, has_passed, turn } in found {
            let name = server.name();
            // Another server may have the name by now.
            if roster.member(name).is_none_or(|member| !Arc::ptr_eq(&member.server, &server)) {
                continue;
            }
            if let Some(turn) = turn
                && roster.checked(name, turn.to, &turn.reason, moment) == Ok(true)
            {
                told.push((Arc::clone(&server), turn));
            }
            let heard = (begun, has_passed);
            changes
                .extend(roster.hear(name, heard, healthy_after, moment).map(|change| (name.into(), change)));
        }
    });
    for (server, turn) in told {
        let (upstream, server, reason) = (&*upstream.name, server.name(), &*turn.reason);
        match turn.to {
            State::Healthy => tracing::info!(upstream, server, reason, "a server is HEALTHY"),
            _ => tracing::warn!(upstream, server, reason, "a server is UNREACHABLE"),
        }
    }
    changes
}
