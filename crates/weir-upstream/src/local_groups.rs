//! The groups that a worker knows.
//!
//! A worker asks for the group of an upstream once for each request. If it counted itself among the holders of what all
//! workers share, each request would write to a word that every core wants; so it holds each group once, and its exchanges
//! share that hold.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use crate::group::Group;
use crate::upstream::Upstream;

/// A worker's hold on a group. Exchanges clone it without touching a counter that workers share.
#[derive(Debug, Clone)]
pub struct LocalGroup(Rc<Held>);

#[derive(Debug)]
struct Held {
    group: Arc<Group>,
    version: u64,
}

impl Deref for LocalGroup {
    type Target = Group;

    fn deref(&self) -> &Group {
        &self.0.group
    }
}

/// The groups that a worker knows, by upstream.
#[derive(Debug, Default)]
pub struct LocalGroups {
    by_slot: RefCell<Vec<Option<LocalGroup>>>,
}

impl LocalGroups {
    /// The group of the upstream now. One atomic read unless it has changed.
    #[inline]
    pub fn of(&self, upstream: &Upstream) -> LocalGroup {
        let version = upstream.version();
        if let Some(Some(known)) = self.by_slot.borrow().get(upstream.slot())
            && known.0.version == version
        {
            return known.clone();
        }
        self.renew(upstream, version)
    }

    // The version was read before the group: it may be the one of the group before, and then this is done once more.
    #[cold]
    fn renew(&self, upstream: &Upstream, version: u64) -> LocalGroup {
        let local = LocalGroup(Rc::new(Held { group: upstream.group(), version }));
        let mut by_slot = self.by_slot.borrow_mut();
        if by_slot.len() <= upstream.slot() {
            by_slot.resize_with(upstream.slot() + 1, || None);
        }
        by_slot[upstream.slot()] = Some(local.clone());
        local
    }

    /// Forgets all of them, so that those of upstreams which are gone are not held.
    pub fn clear(&self) {
        self.by_slot.borrow_mut().clear();
    }
}
