//! Whether the new text says what was wanted, and nothing else than the old one.

use crate::model::{Model, Server, Upstream};
use crate::node::{Node, NodeKind};

use super::change::{Change, Wish};
use super::list::is_same;
use super::place::Step;

/// Whether two trees say the same but for the servers at these places. What the servers are, [`says`] knows.
pub(super) fn is_same_but_for(before: &Node, after: &Node, places: &[Vec<Step>]) -> bool {
    // Below one of the places only the list itself may differ.
    if places.iter().any(Vec::is_empty) {
        return is_same_upstream(before, after);
    }
    let below = |step: &Step| -> Vec<Vec<Step>> {
        let begin = places.iter().filter(|steps| steps.first() == Some(step));
        begin.map(|steps| steps[1..].to_vec()).collect()
    };
    match (&before.kind, &after.kind) {
        (NodeKind::Scalar(before), NodeKind::Scalar(after)) => {
            before.text == after.text && before.plain == after.plain
        }
        (NodeKind::List(before), NodeKind::List(after)) => {
            let each = before.iter().zip(after).enumerate();
            before.len() == after.len()
                && each.into_iter().all(|(place, (before, after))| {
                    is_same_but_for(before, after, &below(&Step::Entry(place)))
                })
        }
        (NodeKind::Mapping(before), NodeKind::Mapping(after)) => {
            before.len() == after.len()
                && before.iter().zip(after).all(|(before, after)| {
                    let places = below(&Step::Key(before.key.clone()));
                    before.key == after.key && is_same_but_for(&before.value, &after.value, &places)
                })
        }
        _ => false,
    }
}

/// Whether two upstreams say the same but for their servers.
fn is_same_upstream(before: &Node, after: &Node) -> bool {
    match (&before.kind, &after.kind) {
        (NodeKind::List(_), NodeKind::List(_)) => true,
        (NodeKind::Mapping(before), NodeKind::Mapping(after)) => {
            before.len() == after.len()
                && before.iter().zip(after).all(|(before, after)| {
                    let is_list = matches!(&*before.key, "servers" | "hosts");
                    before.key == after.key && (is_list || is_same_but_for(&before.value, &after.value, &[]))
                })
        }
        _ => false,
    }
}

/// Whether an upstream has, or has not, what was wanted, also where nothing had to be written for it.
pub(super) fn fulfils(after: &Model, change: &Change) -> bool {
    let Some(upstream) = after.upstreams.iter().find(|upstream| upstream.name == change.upstream) else {
        return false;
    };
    let mut own = upstream.servers.iter().filter(|server| !server.from_inventory && !server.resolve);
    let weight =
        own.find(|server| is_same(&server.address.written, &change.server)).map(|server| server.weight);
    match change.wish {
        Wish::Add { weight: wanted } | Wish::Weigh { to: wanted, .. } => weight == Some(wanted),
        Wish::Remove => weight.is_none(),
    }
}

/// Whether the upstreams have the servers that they had, with these changes.
pub(super) fn says(before: &Model, after: &Model, changes: &[&Change]) -> bool {
    let is_right = |(before, after): (&Upstream, &Upstream)| {
        let mut wanted: Vec<_> =
            before.servers.iter().filter(|server| !server.from_inventory).map(said).collect();
        let own: Vec<&Change> =
            changes.iter().copied().filter(|change| change.upstream == before.name).collect();
        // In the order in which they were made.
        let (leaving, others): (Vec<_>, Vec<_>) =
            own.into_iter().partition(|change| change.wish == Wish::Remove);
        for change in others.into_iter().chain(leaving) {
            let place = wanted.iter().position(|(server, ..)| is_same(server, &change.server));
            match (change.wish, place) {
                (Wish::Add { weight }, _) => wanted.push((&change.server, weight, false, false)),
                (Wish::Remove, Some(place)) => {
                    wanted.remove(place);
                }
                (Wish::Weigh { to, .. }, Some(place)) => wanted[place].1 = to,
                // It is written in another way than it is called, so what has become of it can't be told.
                (Wish::Remove | Wish::Weigh { .. }, None) => return false,
            }
        }
        let now: Vec<_> = after.servers.iter().filter(|server| !server.from_inventory).map(said).collect();
        before.name == after.name && before.retry == after.retry && now == wanted
    };
    before.upstreams.len() == after.upstreams.len()
        && before.upstreams.iter().zip(&after.upstreams).all(is_right)
}

type Said<'s> = (&'s str, u32, bool, bool);

fn said(server: &Server) -> Said<'_> {
    (&server.address.written, server.weight, server.primary, server.resolve)
}
