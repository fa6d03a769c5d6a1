//! Who the client is, when trusted proxies stand before us.
//!
//! Every proxy appends the address it was called from, so X-Forwarded-For reads like a path: what stands left was written
//! by whoever stands further away, and anybody can begin the list with a lie. The right-most entry is as true as our peer,
//! the one before it as true as the right-most, and so on. Hence the list is read from the right while the entries are
//! trusted proxies, and the first that is not is the client (`semantics.md` §1.8). Taking the left-most entry, as many
//! programs do, would let any client choose its address.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

/// How many entries are read at most, from the right. No chain of trusted proxies is as long; a hostile list of thousands
/// of trusted addresses costs no more than this.
pub const HOPS_MAX: usize = 32;

/// The longest entry that can be an address: an IPv6 address with an embedded IPv4 one, brackets and a port.
const ENTRY_BYTES_MAX: usize = "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535".len();

/// The client: the right-most entry that is no trusted proxy, or the peer if it is none itself.
///
/// `values` are the field's values in the order of the message, each a comma list. An entry that is no address (`unknown`,
/// an obfuscated name) says that nobody knows who was before; then the last trusted address is the best answer. If
/// every entry is trusted, the left-most one is the client: it stands inside. Allocates nothing.
pub fn client<'a>(peer: IpAddr, trusted: &[IpNet], values: impl Iterator<Item = &'a [u8]>) -> IpAddr {
    let mut client = peer.to_canonical();
    if !is_trusted(client, trusted) {
        return client;
    }
    let mut last_entries: [&[u8]; HOPS_MAX] = [&[]; HOPS_MAX];
    let mut count = 0;
    // Empty elements of a list count for nothing (RFC 9110 §5.6.1.2).
    let entries = values.flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    for entry in entries.filter(|entry| !entry.is_empty()) {
        last_entries[count % HOPS_MAX] = entry;
        count += 1;
    }
    for back in 1..=count.min(HOPS_MAX) {
        match address(last_entries[(count - back) % HOPS_MAX]) {
            Some(entry) if is_trusted(entry, trusted) => client = entry,
            Some(entry) => return entry,
            None => return client,
        }
    }
    client
}

/// Whether an address lies in one of the networks. An IPv4 address written as IPv6 (`::ffff:10.0.0.1`, as sockets for both
/// show it) is the IPv4 address, on either side.
pub fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|net| match (address, net) {
        // Only a network inside of ::ffff:0:0/96 speaks of IPv4; `::/0` means every IPv6 address.
        (IpAddr::V4(v4), IpNet::V6(mapped)) => {
            mapped.prefix_len() >= 96 && mapped.contains(&v4.to_ipv6_mapped())
        }
        _ => net.contains(&address),
    })
}

/// The address of an entry: alone, in brackets, or with a port.
fn address(entry: &[u8]) -> Option<IpAddr> {
    if entry.len() > ENTRY_BYTES_MAX {
        return None;
    }
    let text = std::str::from_utf8(entry).ok()?;
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let with_port = || text.parse::<SocketAddr>().ok().filter(has_no_scope).map(|socket| socket.ip());
    text.parse::<IpAddr>().ok().or_else(bracketed).or_else(with_port).map(|address| address.to_canonical())
}

/// A scope (`%3`) means something only on the machine that wrote it.
fn has_no_scope(socket: &SocketAddr) -> bool {
    !matches!(socket, SocketAddr::V6(v6) if v6.scope_id() != 0)
}

#[cfg(test)]
mod tests;
