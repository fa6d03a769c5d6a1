//! What is different of an upstream's members from what its configuration says.

use weir_core::health::Word;
use weir_core::ports::members::{DifferenceKind, MemberDifference};
use weir_upstream::roster::{Origin, Roster};

/// What was changed beside the configuration.
pub(super) fn differences(roster: &Roster) -> Vec<MemberDifference> {
    let mut found = Vec::new();
    for member in roster.members() {
        let mut note = |kind| {
            found.push(MemberDifference { server: member.server.name().to_owned(), kind });
        };
        let written = roster.written().iter().find(|written| *written.server == *member.server.name());
        match (written, member.origin) {
            (Some(written), _) if written.weight != member.weight => {
                note(DifferenceKind::Weight { written: written.weight, now: member.weight });
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
