//! What checks have to do with the members of an upstream: who is checked, and where it is noted.

use std::sync::Arc;

use weir_core::health::State;

use crate::member::Server;
use crate::roster::Moment;
use crate::upstream::Upstream;

use super::checker::{Checker, Turns};

/// The checks of an upstream's members.
#[derive(Debug)]
pub struct Watch(Checker);

impl Watch {
    /// Where the upstream wants checks.
    pub fn of(upstream: &Upstream) -> Option<Self> {
        upstream.health.as_ref().map(|check| Self(Checker::new(Arc::clone(check))))
    }

    /// Checks those who are members now. One that somebody has disabled is left alone, and begins anew when it comes back;
    /// one that drains is checked on, because it may come back at any time.
    pub fn follow(&mut self, upstream: &Upstream) {
        let is_disabled = |state: State| state == State::Disabled;
        let (followed, left_alone) = upstream.look(|roster| {
            let mut followed: Vec<Arc<Server>> = Vec::new();
            let mut left_alone: Vec<Box<str>> = Vec::new();
            for member in roster.members() {
                if !is_disabled(member.state()) {
                    followed.push(Arc::clone(&member.server));
                } else if member.checked != State::NotInitiated {
                    left_alone.push(member.server.name().into());
                }
            }
            (followed, left_alone)
        });
        self.0.follow(&followed);
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

    /// See [`Checker::turns`].
    pub async fn turns(&mut self) -> Turns {
        self.0.turns().await
    }
}

/// Notes what checks have found out, publishes what follows, and tells people of it, once for each change.
pub fn note(upstream: &Upstream, turns: Turns) {
    let moment = Moment::now();
    let told = upstream.tend(|roster| {
        let noted = turns.into_iter().filter(|(server, turn)| {
            let name = server.name();
            // Another server may have the name by now.
            let is_it = roster.member(name).is_some_and(|member| Arc::ptr_eq(&member.server, server));
            is_it && roster.checked(name, turn.to, &turn.reason, moment) == Ok(true)
        });
        noted.collect::<Turns>()
    });
    for (server, turn) in told {
        let (upstream, server, reason) = (&*upstream.name, server.name(), &*turn.reason);
        match turn.to {
            State::Healthy => tracing::info!(upstream, server, reason, "a server is HEALTHY"),
            _ => tracing::warn!(upstream, server, reason, "a server is UNREACHABLE"),
        }
    }
}
