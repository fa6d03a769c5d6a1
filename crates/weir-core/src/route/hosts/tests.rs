//! Which service a host has, and what finding it costs.

#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::collections::hash_map::DefaultHasher;

use super::*;

thread_local! {
    static LOOKUPS: Cell<usize> = const { Cell::new(0) };
}

/// Counts how often something is hashed: once per lookup.
#[derive(Debug, Default, Clone)]
struct Counting;

impl BuildHasher for Counting {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        LOOKUPS.set(LOOKUPS.get() + 1);
        DefaultHasher::new()
    }
}

fn index(services: &[&[&str]]) -> HostIndex<Counting> {
    let services: Vec<Vec<HostPattern>> = services
        .iter()
        .map(|hosts| hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect())
        .collect();
    HostIndex::new(services.iter().map(Vec::as_slice))
}

/// The services that take a host, best first.
fn check(index: &HostIndex<Counting>, host: Option<&str>, expected: &[usize]) {
    let found: Vec<usize> = index.matches(host.map(str::as_bytes)).map(|place| place.service).collect();
    assert_eq!(found, expected, "{host:?}");
}

#[test]
fn the_closest_pattern_is_first() {
    let index =
        index(&[&["*"], &["*.com", "*.example.com"], &["api.example.com"], &["*.api.example.com"], &["com"]]);
    check(&index, Some("api.example.com"), &[2, 1, 1, 0]);
    check(&index, Some("v1.api.example.com"), &[3, 1, 1, 0]);
    check(&index, Some("a.b.c.api.example.com"), &[3, 1, 1, 0]);
    check(&index, Some("example.com"), &[1, 0]);
    check(&index, Some("com"), &[4, 0]);
    check(&index, Some("xexample.com"), &[1, 0]);
    check(&index, Some("example.org"), &[0]);
    check(&index, Some(""), &[0]);
    check(&index, None, &[0]);
}

#[test]
fn a_wildcard_asks_for_a_label() {
    let index = index(&[&["*.example.com"]]);
    check(&index, Some("a.example.com"), &[0]);
    check(&index, Some("a.b.example.com"), &[0]);
    for host in ["example.com", ".example.com", "xexample.com", "a.example.com.", "example.com.a", "com", "."]
    {
        check(&index, Some(host), &[]);
    }
    check(&index, None, &[]);
}

#[test]
fn the_first_of_two_equal_hosts_has_it() {
    let index = index(&[&["a", "*.b", "*"], &["a", "*.b", "*"]]);
    check(&index, Some("a"), &[0, 0]);
    check(&index, Some("x.b"), &[0, 0]);
}

fn lookups(index: &HostIndex<Counting>, host: &str) -> usize {
    LOOKUPS.set(0);
    let _ = index.matches(Some(host.as_bytes())).next();
    LOOKUPS.get()
}

#[test]
fn ten_thousand_hosts_cost_no_more_lookups_than_one() {
    let names: Vec<String> = (0..10_000)
        .flat_map(|n| [format!("host-{n:04}.example.com"), format!("*.w-{n:04}.example.com")])
        .collect();
    let many: Vec<&str> = names.iter().map(String::as_str).collect();
    let (one, many) = (index(&[&many[..2]]), index(&[&many]));
    for host in [
        "host-0000.example.com",
        "x.w-0000.example.com",
        "a.b.c.w-0000.example.com",
        "unknown.example.org",
        "x",
    ] {
        assert_eq!(lookups(&many, host), lookups(&one, host), "{host}");
    }
    assert_eq!(lookups(&many, "host-9999.example.com"), 1);
    assert_eq!(lookups(&many, "x.w-9999.example.com"), 2, "the name, and what follows its first label");
}

#[test]
fn a_host_of_thousands_of_labels_is_not_looked_up_label_by_label() {
    let index = index(&[&["a.b", "*.example.com"]]);
    let hostile = "a.".repeat(4_000) + "org";
    assert!(lookups(&index, &hostile) <= 1 + "example.com".len() / 2);
}
