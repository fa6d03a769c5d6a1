//! Lists of every kind, and whom they name.

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
    assert!(trusts("::ffff:10.0.0.0/104", "10.1.2.3") && trusts("::ffff:10.0.0.0/104", "::ffff:10.1.2.3"));
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
