//! What is different of an upstream's members from what its configuration says.

use weir_core::health::Word;
use weir_core::ports::members::{DifferenceKind, MemberDifference};
use weir_upstream::recruit::NamedServers;
use weir_upstream::roster::{Member, Origin, Roster};

/// What was changed beside the configuration, which lets these servers be found by name.
pub(super) fn differences(roster: &Roster, named: &[NamedServers]) -> Vec<MemberDifference> {
    let weight_of_name = |member: &Member| {
        let name = member.found_as.as_deref()?;
        named.iter().find(|servers| servers.written() == name).map(NamedServers::weight)
    };
    let mut found = Vec::new();
    for member in roster.members() {
        let mut note = |kind| {
            found.push(MemberDifference { server: member.server.name().to_owned(), kind });
        };
        let written = roster.written_as(member.server.name()).map(|written| written.weight);
        match (written.or_else(|| weight_of_name(member)), member.origin) {
            (Some(written), _) if written != member.weight => {
                note(DifferenceKind::Weight { written, now: member.weight });
            }
            (Some(_), _) | (None, Origin::File | Origin::Inventory | Origin::Name) => {}
            (None, Origin::Added | Origin::Lease) => {
                let is_leased = member.origin == Origin::Lease;
                note(DifferenceKind::Added { weight: member.weight, is_leased });
            }
        }
        if member.word != Word::InService {
            note(DifferenceKind::TakenOut(member.word));
        }
    }
    let gone = roster.written().iter().filter(|written| roster.member(&written.server).is_none());
    found.extend(gone.map(|written| MemberDifference {
        server: written.server.to_string(),
        kind: DifferenceKind::Left { weight: written.weight },
    }));
    found
}
