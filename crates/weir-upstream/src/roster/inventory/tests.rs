//! Inventories that change while operators change members too.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use tokio::time::Instant;
use weir_core::health::{State, Word};
use weir_core::server::{ServerAddress, Transport};
use weir_http::target::Scheme;

use super::*;
use crate::io::deadline::now;
use crate::member::{InFlight, Server};

const DRAIN: Duration = Duration::from_secs(60);

fn member(name: &str, origin: Origin) -> Member {
    let transport = Transport::Name(name.into(), 80);
    let address = ServerAddress { written: name.into(), scheme: Scheme::Http, transport, base: "".into() };
    Member::new(Arc::new(Server::new(address)), 1, origin, State::Healthy)
}

fn moment() -> Moment {
    Moment { instant: now(), since_epoch: Duration::from_secs(7) }
}

/// `f` is of the configuration, the others are of its inventory.
fn roster(inventory: &[&str]) -> Roster {
    let listed = inventory.iter().map(|name| member(name, Origin::Inventory));
    Roster::new(std::iter::once(member("f", Origin::File)).chain(listed).collect(), 10)
}

/// The inventory has these now. What follows: who joins and who leaves.
fn follow(roster: &mut Roster, inventory: &[&str]) -> (usize, usize) {
    let wanted = inventory.iter().map(|name| member(name, Origin::Inventory)).collect();
    let Followed { joined, left } = roster.follow_inventory(wanted, DRAIN, moment());
    (joined, left)
}

fn members(roster: &Roster) -> Vec<(&str, Origin)> {
    roster.members().iter().map(|member| (member.server.name(), member.origin)).collect()
}

fn written(roster: &Roster) -> Vec<&str> {
    roster.written().iter().map(|written| &*written.server).collect()
}

#[tokio::test(start_paused = true)]
async fn servers_join_and_leave_with_the_inventory_and_those_of_the_file_stay() {
    let mut roster = roster(&["a", "b"]);
    let in_flight = InFlight::begin(&roster.member("a").unwrap().server);
    assert_eq!(follow(&mut roster, &["b", "c"]), (1, 1));
    let expected = [("f", Origin::File), ("b", Origin::Inventory), ("c", Origin::Inventory)];
    assert_eq!(members(&roster), expected);
    assert_eq!(written(&roster), ["f", "b", "c"]);
    assert_eq!(roster.leaving().len(), 1, "its request goes on");
    assert!(roster.let_go(now()).is_empty());
    drop(in_flight);
    assert_eq!(roster.let_go(now()).len(), 1);
    assert_eq!(follow(&mut roster, &["b", "c"]), (0, 0), "the same again changes nothing");
    assert_eq!(follow(&mut roster, &["c", "b"]), (0, 0), "nor does another order");
}

#[tokio::test(start_paused = true)]
async fn one_that_leaves_comes_back_with_its_line() {
    let mut roster = roster(&["a", "b"]);
    let server = Arc::clone(&roster.member("a").unwrap().server);
    let _in_flight = InFlight::begin(&server);
    assert_eq!(follow(&mut roster, &["b"]), (0, 1));
    assert_eq!(follow(&mut roster, &["a", "b"]), (1, 0));
    let back = roster.member("a").unwrap();
    assert!(Arc::ptr_eq(&back.server, &server) && back.leaves_at.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_did_survives_an_edit() {
    let mut roster = roster(&["a", "b", "c", "d"]);
    roster.say("a", Word::Disable, moment()).unwrap();
    roster.say("b", Word::Drain, moment()).unwrap();
    roster.weigh("c", 7).unwrap();
    roster.leave("d").unwrap();
    assert_eq!(follow(&mut roster, &["a", "b", "c", "d", "e"]), (1, 0));
    assert_eq!(roster.member("a").unwrap().word, Word::Disable);
    assert_eq!(roster.member("b").unwrap().word, Word::Drain);
    assert_eq!(roster.member("c").unwrap().weight, 7);
    assert!(roster.member("d").is_none(), "it was sent away, and its line has not changed");
    // Its line goes and comes again.
    assert_eq!(follow(&mut roster, &["a", "b", "c", "e"]), (0, 0));
    assert_eq!(follow(&mut roster, &["a", "b", "c", "d", "e"]), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_somebody_added_becomes_one_of_the_inventory() {
    let mut roster = roster(&["a"]);
    roster.join(Member { weight: 5, ..member("b", Origin::Added) }, moment());
    let until: Option<Instant> = Some(now() + DRAIN);
    roster.join(Member { lease_until: until, ..member("c", Origin::Lease) }, moment());
    assert_eq!(follow(&mut roster, &["a", "b", "c"]), (0, 0));
    assert_eq!(roster.member("b").unwrap().weight, 5, "the weight was an operator's");
    assert!(roster.members()[1..].iter().all(|member| member.origin == Origin::Inventory));
    assert!(roster.let_go(now() + DRAIN).is_empty(), "the line holds longer than the lease");
    // A lease does not take it away from the file.
    roster.join(Member { lease_until: until, ..member("c", Origin::Lease) }, moment());
    assert!(roster.let_go(now() + DRAIN).is_empty());
    assert_eq!(follow(&mut roster, &["a"]), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn one_of_the_configuration_does_not_leave_with_a_line() {
    let mut roster = roster(&["a"]);
    assert_eq!(follow(&mut roster, &["a", "f"]), (0, 0));
    assert_eq!(follow(&mut roster, &["a"]), (0, 0));
    assert_eq!(members(&roster)[0], ("f", Origin::File));
}
