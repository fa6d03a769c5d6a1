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
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::{prop, prop_assert_eq, prop_oneof, proptest};

    use super::*;

    fn nets() -> Vec<IpNet> {
        ["10.0.0.0/8", "192.168.1.1/32", "fd00::/8", "::1/128"].map(|net| net.parse().unwrap()).to_vec()
    }

    fn check(peer: &str, values: &[&str], expected: &str) {
        let values = values.iter().map(|value| value.as_bytes());
        assert_eq!(client(peer.parse().unwrap(), &nets(), values), expected.parse::<IpAddr>().unwrap());
    }

    /// `semantics.md` §1.8: from an untrusted peer the field says nothing.
    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_says() {
        check("203.0.113.9", &[], "203.0.113.9");
        check("203.0.113.9", &["10.0.0.1"], "203.0.113.9");
        check("203.0.113.9", &["1.2.3.4, 10.0.0.1"], "203.0.113.9");
        check("2001:db8::9", &["1.2.3.4"], "2001:db8::9");
    }

    /// `semantics.md` §1.8: the right-most untrusted entry.
    #[test]
    fn the_right_most_untrusted_entry_is_the_client() {
        check("10.0.0.1", &["1.2.3.4"], "1.2.3.4");
        check("10.0.0.1", &["6.6.6.6, 1.2.3.4"], "1.2.3.4");
        check("10.0.0.1", &["6.6.6.6, 1.2.3.4, 10.0.0.2, 192.168.1.1"], "1.2.3.4");
        check("10.0.0.1", &["6.6.6.6", "1.2.3.4", "10.0.0.2"], "1.2.3.4");
        check("10.0.0.1", &["1.2.3.4,10.0.0.3", "10.0.0.2"], "1.2.3.4");
        check("::1", &["10.0.0.9, 1.2.3.4, fd00::7"], "1.2.3.4");
    }

    #[test]
    fn without_an_untrusted_entry_the_farthest_trusted_one_is_the_client() {
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &[""], "10.0.0.1");
        check("10.0.0.1", &[" , ,,\t"], "10.0.0.1");
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
        check("10.0.0.1", &["1.2.3.4, ,, 10.0.0.2,"], "1.2.3.4");
    }

    #[test]
    fn entries_come_with_ports_and_brackets() {
        check("10.0.0.1", &["1.2.3.4:5678"], "1.2.3.4");
        check("10.0.0.1", &["2001:db8::1"], "2001:db8::1");
        check("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1");
        check("10.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1");
        check("10.0.0.1", &["1.2.3.4, [fd00::1]:443, 10.0.0.2:80"], "1.2.3.4");
    }

    #[test]
    fn what_is_no_address_ends_the_way() {
        for garbage in [
            "unknown",
            "_hidden",
            "localhost",
            "1.2.3",
            "1.2.3.4.5",
            "01.2.3.4",
            "1.2.3.4:",
            "1.2.3.4:x",
            "1.2.3.4:99999",
            "[2001:db8::1",
            "2001:db8::1]",
            "[1.2.3.4]",
            "[::1]x",
            "fe80::1%eth0",
            "[fe80::1%3]:80",
            "\"1.2.3.4\"",
            "for=1.2.3.4",
            "1.2.3.4 5.6.7.8",
            "-",
            "é",
        ] {
            check("10.0.0.1", &[garbage], "10.0.0.1");
            check("10.0.0.1", &[&format!("6.6.6.6, {garbage}, 10.0.0.2")], "10.0.0.2");
            check("10.0.0.1", &[&format!("{garbage}, 1.2.3.4, 10.0.0.2")], "1.2.3.4");
        }
        let not_text: &[&[u8]] = &[b"6.6.6.6, \xff\xfe"];
        let peer: IpAddr = "10.0.0.1".parse().unwrap();
        assert_eq!(client(peer, &nets(), not_text.iter().copied()), peer);
        check("10.0.0.1", &[&"1".repeat(100_000)], "10.0.0.1");
    }

    #[test]
    fn mapped_addresses_are_those_of_version_4() {
        check("::ffff:10.0.0.1", &["1.2.3.4"], "1.2.3.4");
        check("::ffff:203.0.113.9", &["1.2.3.4"], "203.0.113.9");
        check("10.0.0.1", &["::ffff:1.2.3.4, ::ffff:10.0.0.2"], "1.2.3.4");
        check("10.0.0.1", &["[::ffff:1.2.3.4]:80"], "1.2.3.4");
        let trusts = |net: &str, address: &str| is_trusted(address.parse().unwrap(), &[net.parse().unwrap()]);
        assert!(
            trusts("::ffff:10.0.0.0/104", "10.1.2.3") && trusts("::ffff:10.0.0.0/104", "::ffff:10.1.2.3")
        );
        assert!(!trusts("::ffff:10.0.0.0/104", "11.1.2.3") && !trusts("::/0", "10.1.2.3"));
        assert!(trusts("::/0", "2001:db8::1") && trusts("0.0.0.0/0", "::ffff:1.2.3.4"));
        assert!(!trusts("0.0.0.0/0", "2001:db8::1"));
    }

    #[test]
    fn a_hostile_list_is_read_only_so_far() {
        let trusted = vec!["10.0.0.5"; HOPS_MAX - 1].join(",");
        check("10.0.0.1", &[&format!("1.2.3.4,{trusted}")], "1.2.3.4");
        check("10.0.0.1", &[&format!("1.2.3.4,10.0.0.6,{trusted}")], "10.0.0.6");
        check("10.0.0.1", &[&format!("1.2.3.4,10.0.0.7,10.0.0.6,{trusted}")], "10.0.0.6");
        check("10.0.0.1", &[&"10.0.0.5,".repeat(50_000)], "10.0.0.5");
    }

    proptest! {
        /// However the list is cut into fields, the client is the same, and nothing left of it matters.
        #[test]
        fn what_stands_left_of_the_client_changes_nothing(
            lies in prop::collection::vec(prop_oneof!["[0-9]\\.6\\.6\\.6", "10\\.0\\.0\\.[1-9]", "unknown"], 0..8),
            proxies in prop::collection::vec("10\\.0\\.0\\.[1-9]", 0..8),
            cut in 0usize..16,
        ) {
            let mut entries = lies;
            entries.push("1.2.3.4".to_owned());
            entries.extend(proxies);
            let (left, right) = entries.split_at(cut.min(entries.len()));
            let values = [left.join(", "), right.join(",")];
            let found = client("10.0.0.1".parse().unwrap(), &nets(), values.iter().map(String::as_bytes));
            prop_assert_eq!(found, "1.2.3.4".parse::<IpAddr>().unwrap());
        }
    }
}
