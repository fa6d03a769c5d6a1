//! Sets of addresses against the plain question, and the rule made of two sets.

#![allow(clippy::unwrap_used)]

use std::net::IpAddr;

use ipnet::IpNet;

use super::{AddressRules, NetworkSet, client_network};

fn set(networks: &[&str]) -> NetworkSet {
    let networks: Vec<IpNet> = networks
        .iter()
        .map(|text| text.parse().unwrap_or_else(|_| IpNet::from(text.parse::<IpAddr>().unwrap())))
        .collect();
    NetworkSet::new(&networks)
}

fn check(networks: &[&str], inside: &[&str], outside: &[&str]) {
    let set = set(networks);
    for address in inside {
        assert!(set.contains(address.parse().unwrap()), "{address} is in {networks:?}");
    }
    for address in outside {
        assert!(!set.contains(address.parse().unwrap()), "{address} is not in {networks:?}");
    }
}

#[test]
fn an_address_is_in_a_set_when_a_network_holds_it() {
    check(&[], &[], &["0.0.0.0", "::", "192.0.2.1"]);
    check(&["192.0.2.7"], &["192.0.2.7"], &["192.0.2.6", "192.0.2.8", "::c000:207"]);
    check(&["10.0.0.0/8"], &["10.0.0.0", "10.255.255.255"], &["9.255.255.255", "11.0.0.0"]);
    check(&["0.0.0.0/0"], &["0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"], &["::", "::1", "2001:db8::1"]);
    check(&["::/0"], &["::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"], &["1.2.3.4", "::ffff:1.2.3.4"]);
    check(&["2001:db8::/32"], &["2001:db8::", "2001:db8:ffff::1"], &["2001:db7:ffff::", "2001:db9::"]);
    // Bits behind the prefix make no other network.
    check(&["10.1.2.3/8"], &["10.0.0.0", "10.255.255.255"], &["11.0.0.0"]);
}

// semantics.md §1.8
#[test]
fn an_ipv4_address_written_as_ipv6_is_the_ipv4_address_on_either_side() {
    check(&["10.0.0.0/8"], &["::ffff:10.1.2.3"], &["::ffff:11.0.0.0", "::10.1.2.3"]);
    check(&["::ffff:10.0.0.0/104"], &["10.1.2.3", "::ffff:10.1.2.3"], &["11.0.0.0"]);
    check(&["::ffff:0:0/96"], &["0.0.0.0", "255.255.255.255"], &["::1"]);
    // A wider one means IPv6 addresses.
    check(&["::ffff:0:0/95"], &[], &["10.1.2.3", "::ffff:10.1.2.3"]);
}

#[test]
fn networks_that_overlap_or_touch_are_one_range() {
    let one = set(&["10.0.0.0/8"]);
    assert_eq!(set(&["10.0.0.0/9", "10.128.0.0/9"]), one);
    assert_eq!(set(&["10.128.0.0/9", "10.0.0.0/8", "10.0.0.1", "10.0.0.0/9"]), one);
    assert_eq!(set(&["0.0.0.0/0", "255.255.255.255"]), set(&["0.0.0.0/0"]));
    assert_eq!(set(&["::/0", "ffff::1"]), set(&["::/1", "8000::/1"]));
    check(&["10.0.0.0/9", "11.0.0.0/8"], &["10.127.255.255", "11.0.0.0"], &["10.128.0.0", "10.255.255.255"]);
}

/// Against the plain question, asked of every network.
#[test]
fn a_set_agrees_with_its_networks() {
    let mut seed = 7_u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    };
    for _ in 0..200 {
        // Few distinct addresses, so that networks meet.
        let mut address = || IpAddr::from([10, 0, (next() % 4) as u8, (next() % 256) as u8]);
        let networks: Vec<IpNet> =
            (0..12).map(|count| IpNet::new(address(), 22 + count % 11).unwrap().trunc()).collect();
        let set = NetworkSet::new(&networks);
        for _ in 0..200 {
            let address = address();
            let expected = networks.iter().any(|network| network.contains(&address));
            assert_eq!(set.contains(address), expected, "{address} {networks:?}");
        }
    }
}

#[test]
fn a_set_is_within_another_when_nothing_of_it_is_outside() {
    let check = |ours: &[&str], theirs: &[&str], expected| {
        assert_eq!(set(ours).is_within(&set(theirs)), expected, "{ours:?} in {theirs:?}");
    };
    check(&[], &[], true);
    check(&["10.0.0.0/8"], &[], false);
    check(&["10.0.0.0/8"], &["10.0.0.0/8"], true);
    check(&["10.0.0.0/8"], &["10.0.0.0/9", "10.128.0.0/9"], true);
    check(&["10.0.0.0/8"], &["10.0.0.0/9", "10.128.0.0/10"], false);
    check(&["10.0.0.1", "::1"], &["0.0.0.0/0"], false);
    check(&["10.0.0.1", "::1"], &["0.0.0.0/0", "::/0"], true);
}

#[test]
fn deny_wins_and_allow_leaves_nobody_else() {
    let check = |allow: Option<&[&str]>, deny: &[&str], client: &str, expected| {
        let rules = AddressRules { allow: allow.map(set), deny: set(deny) };
        assert_eq!(rules.admits(client.parse().unwrap()), expected, "{allow:?} {deny:?} {client}");
    };
    check(None, &[], "192.0.2.1", true);
    check(None, &["192.0.2.0/24"], "192.0.2.1", false);
    check(None, &["192.0.2.0/24"], "::ffff:192.0.2.1", false);
    check(None, &["192.0.2.0/24"], "192.0.3.1", true);
    check(Some(&["192.0.2.0/24"]), &[], "192.0.2.1", true);
    check(Some(&["192.0.2.0/24"]), &[], "192.0.3.1", false);
    check(Some(&["192.0.2.0/24"]), &[], "2001:db8::1", false);
    check(Some(&["192.0.2.0/24"]), &["192.0.2.7"], "192.0.2.7", false);
    check(Some(&["192.0.2.7"]), &["192.0.2.0/24"], "192.0.2.7", false);
    check(Some(&["192.0.2.0/24"]), &["192.0.2.7"], "192.0.2.8", true);
}

#[test]
fn a_client_is_an_ipv4_address_or_half_of_an_ipv6_address() {
    let check = |address: &str, expected: &str| {
        assert_eq!(client_network(address.parse().unwrap()), expected.parse::<IpAddr>().unwrap());
    };
    check("192.0.2.1", "192.0.2.1");
    check("::ffff:192.0.2.1", "192.0.2.1");
    check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
    check("2001:db8:1:2::", "2001:db8:1:2::");
    check("::1", "::");
}
