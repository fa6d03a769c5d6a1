//! A server that goes under one name and comes under another, at the same place, stays: only its weight may be another one.

use crate::model::Model;

use super::change::{Change, Wish};
use super::list::is_same;

/// What each change comes to beside the others; nothing for a server that goes and comes again.
pub(super) fn paired(before: &Model, changes: &[Change]) -> Vec<Option<Change>> {
    let partner = |change: &Change, is_wanted: fn(Wish) -> bool| {
        changes.iter().any(|other| {
            is_wanted(other.wish)
                && other.upstream == change.upstream
                && is_same(&other.server, &change.server)
        })
    };
    let one = |change: &Change| match change.wish {
        Wish::Remove if partner(change, |wish| matches!(wish, Wish::Add { .. })) => None,
        Wish::Add { weight } if partner(change, |wish| wish == Wish::Remove) => {
            let wish = match weight_of(before, change) {
                Some(from) => Wish::Weigh { from, to: weight },
                None => change.wish,
            };
            Some(Change { wish, ..change.clone() })
        }
        _ => Some(change.clone()),
    };
    changes.iter().map(one).collect()
}

/// What the file itself gives a server.
fn weight_of(before: &Model, change: &Change) -> Option<u32> {
    let upstream = before.upstreams.iter().find(|upstream| upstream.name == change.upstream)?;
    let mut own = upstream.servers.iter().filter(|server| !server.from_inventory);
    own.find(|server| is_same(&server.address.written, &change.server)).map(|server| server.weight)
}
