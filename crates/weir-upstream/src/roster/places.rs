//! Who is at an address, however that is written, and what the configuration says of it.

use weir_core::health::State;
use weir_core::server::ServerAddress;

use super::written::Written;
use super::{Member, Origin, Roster};

/// Whether two addresses are one place.
pub(super) fn is_same_place(one: &ServerAddress, other: &ServerAddress) -> bool {
    (one.scheme, &one.transport, &one.base) == (other.scheme, &other.transport, &other.base)
}

impl Roster {
    /// The servers that the configuration and its inventory name, with the weights that it gives them.
    pub fn written(&self) -> &[Written] {
        &self.written
    }

    /// What the configuration says of the server of this name.
    pub fn written_as(&self, name: &str) -> Option<&Written> {
        self.written.iter().find(|written| *written.server == *name)
    }

    /// The member at the place of this address, however that is written.
    pub fn member_at(&self, address: &ServerAddress) -> Option<&Member> {
        self.members.iter().find(|member| is_same_place(&member.server.address, address))
    }

    /// The same place as the upstream writes it: of a member, of one that leaves, or of one that the configuration names and
    /// that has left. So a server has one name, whoever asks for it.
    pub fn address_at(&self, address: &ServerAddress) -> Option<&ServerAddress> {
        let there = self.members.iter().chain(&self.leaving).map(|member| &member.server.address);
        let mut known = there.chain(self.written.iter().map(|written| &written.address));
        known.find(|known| is_same_place(known, address))
    }

    /// Whether anybody is left for requests that are balanced: a member with a weight, and whom nobody has taken out. What
    /// checks and requests say of members does not count: they may be asked when nobody else is left.
    pub fn has_someone_to_ask(&self) -> bool {
        let is_willing = |member: &Member| !matches!(member.state(), State::Draining | State::Disabled);
        self.members.iter().any(|member| member.weight > 0 && is_willing(member))
    }

    /// A newcomer, as it is when the configuration names it: then it is what it was before it left, and has no lease.
    pub(super) fn as_written(&self, member: Member) -> Member {
        let Some(written) = self.written_as(member.server.name()) else { return member };
        let is_primary = member.is_primary || written.is_primary;
        match member.origin {
            Origin::File | Origin::Inventory | Origin::Added | Origin::Lease => {
                Member { is_primary, origin: written.origin, lease_until: None, ..member }
            }
            Origin::Name => Member { is_primary, ..member },
        }
    }
}
