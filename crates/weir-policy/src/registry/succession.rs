//! From one process to the one that follows: who has registered stays so, and nobody is lost between the two.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use weir_core::health::State;
use weir_upstream::roster::{Moment, Origin};

use super::{Book, Entry, Manner, Registry};
use crate::registered::Registered;

impl Registry {
    /// Everybody who has registered and is a member.
    pub(crate) fn all(&self) -> Vec<Registered> {
        let book = self.book.load();
        let all = book.iter().filter_map(|(name, entry)| {
            let Entry { policy, id, manner: Manner { form, keep } } = *entry;
            let is_reached = self.groups.of(policy)?.look(|roster| {
                let member = roster.member(name)?;
                Some(member.checked != State::Unreachable)
            })?;
            // It was made of one.
            let address: SocketAddr = name.parse().ok()?;
            Some(Registered { policy, id, address, form, keep, is_reached })
        });
        let mut all: Vec<_> = all.collect();
        all.sort_unstable_by_key(|it| (it.policy, it.id, it.address));
        all
    }

    /// The same, and nobody registers any more: what is not among these has not been registered.
    pub(crate) fn close(&self) -> Vec<Registered> {
        let mut changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        changing.is_closed = true;
        self.all()
    }

    /// Whoever wants to registers again.
    pub(crate) fn reopen(&self) {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner).is_closed = false;
    }

    /// Lets those be registered, and of those who were registered until now nobody else. Rules of who may register have been asked
    /// where they registered.
    pub(crate) fn restore(&self, registered: &[Registered]) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut book = Book::new();
        for known in registered {
            let Registered { policy, id, address, form, keep, is_reached } = *known;
            let name = address.to_string();
            let Some(group) = self.groups.obtain(policy, usize::MAX) else { continue };
            if !self.is_member(policy, &name) {
                if let Err(reason) = self.join(&group, &name, address) {
                    tracing::warn!(policy, id, server = name, %reason, "a server is not registered any more");
                    continue;
                }
                if !is_reached {
                    // It is asked nothing until a check has found it.
                    let reason = "it could not be reached before";
                    let moment = Moment::now();
                    let _ = group.change(|roster| roster.checked(&name, State::Unreachable, reason, moment));
                }
            }
            book.insert(name.into(), Entry { policy, id, manner: Manner { form, keep } });
        }
        let before = self.book.swap(Arc::new(book));
        let now = self.book.load();
        for (name, entry) in before.iter() {
            let stays = now.get(name).is_some_and(|now| now.policy == entry.policy);
            if let Some(group) = self.groups.of(entry.policy).filter(|_| !stays) {
                group.change(|roster| {
                    if roster.member(name).is_some_and(|member| member.origin == Origin::Lease) {
                        let _ = roster.leave(name);
                    }
                });
            }
        }
    }
}
