//! Which addresses may ask: lists of networks, and the rule made of two of them.
//!
//! Lists of networks grow long (countries, clouds, blocked scanners), and every request of a route is held against them.
//! So the networks are melted into disjoint ranges when the configuration is read, and an address is looked up by binary
//! search: ten thousand networks cost fourteen comparisons, one costs one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// A set of addresses. An IPv4 address written as IPv6 (`::ffff:192.0.2.1`, as sockets for both show it) is the IPv4
/// address, on either side.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct NetworkSet {
    v4: Ranges,
    v6: Ranges,
}

/// First and last address of each range: sorted, disjoint, and no two that touch.
type Ranges = Box<[(u128, u128)]>;

impl NetworkSet {
    /// The addresses of all these networks.
    pub fn new(networks: &[IpNet]) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in networks {
            let (first, last) = (network.network(), network.broadcast());
            match (first.to_canonical(), last.to_canonical()) {
                (IpAddr::V4(first), IpAddr::V4(last)) => v4.push((number(first), number(last))),
                // `::/0` means every IPv6 address: only a network inside of ::ffff:0:0/96 speaks of IPv4.
                _ => {
                    if let (IpAddr::V6(first), IpAddr::V6(last)) = (first, last) {
                        v6.push((first.to_bits(), last.to_bits()));
                    }
                }
            }
        }
        Self { v4: merged(v4), v6: merged(v6) }
    }

    /// Whether an address is in the set.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => holding(&self.v4, number(address)).is_some(),
            IpAddr::V6(address) => holding(&self.v6, address.to_bits()).is_some(),
        }
    }

    /// Whether every address of this set is in the other one.
    pub fn is_within(&self, other: &Self) -> bool {
        let covered = |ours: &Ranges, theirs: &Ranges| {
            // Ranges that touch are melted, so one range of ours lies in one of theirs or is not covered.
            ours.iter().all(|(first, last)| holding(theirs, *first).is_some_and(|end| *last <= end))
        };
        covered(&self.v4, &other.v4) && covered(&self.v6, &other.v6)
    }
}

/// Which addresses may ask.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct AddressRules {
    /// If it is there, nobody else may.
    pub allow: Option<NetworkSet>,
    /// These may not, also if they are allowed.
    pub deny: NetworkSet,
}

impl AddressRules {
    /// Whether this client may ask: `deny` wins, and with an `allow` what is not in it is refused.
    pub fn admits(&self, client: IpAddr) -> bool {
        !self.deny.contains(client) && self.allow.as_ref().is_none_or(|allow| allow.contains(client))
    }
}

fn number(address: Ipv4Addr) -> u128 {
    u128::from(address.to_bits())
}

/// The last address of the range that holds this one.
fn holding(ranges: &Ranges, address: u128) -> Option<u128> {
    let behind = ranges.partition_point(|(first, _)| *first <= address);
    let (_, last) = *ranges.get(behind.checked_sub(1)?)?;
    (address <= last).then_some(last)
}

fn merged(mut ranges: Vec<(u128, u128)>) -> Ranges {
    ranges.sort_unstable();
    let mut merged: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match merged.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = (*end).max(last),
            _ => merged.push((first, last)),
        }
    }
    merged.into_boxed_slice()
}

/// The part of an address that stands for one client. A household or a server has a whole /64 of IPv6 and may use another
/// address for each request; IPv4 addresses are dear enough to be counted one by one.
pub fn client_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests;
