//! Members that are found by a name, and what an operator said of them.

#![allow(clippy::unwrap_used)]

use weir_core::server::{ServerAddress, Transport};
use weir_http::target::Scheme;

use super::said::{SAID_KEPT, SAID_MAX};
use super::*;
use crate::member::InFlight;

const NAME: &str = "app.test:80";
const DRAIN: Duration = Duration::from_secs(60);
const WEIGHT: u32 = 3;

fn member(name: &str) -> Member {
    let transport = Transport::Name(name.into(), 80);
    let address = ServerAddress { written: name.into(), scheme: Scheme::Http, transport, base: "".into() };
    let server = Arc::new(Server::new(address));
    let found_as = Some(NAME.into());
    Member { found_as, ..Member::new(server, WEIGHT, Origin::Name, State::Healthy) }
}

fn roster() -> Roster {
    Roster::new(Vec::new(), 10)
}

fn moment() -> Moment {
    Moment { instant: now(), since_epoch: Duration::from_secs(7) }
}

/// The name has these addresses now; who has lost it and has nothing to do goes.
fn find(roster: &mut Roster, names: &[&str]) -> (usize, usize) {
    let wanted = names.iter().map(|name| member(name)).collect();
    let outcome = roster.found(NAME, wanted, DRAIN, moment());
    roster.let_go(now());
    outcome
}

fn names(members: &[Member]) -> Vec<&str> {
    members.iter().map(|member| member.server.name()).collect()
}

#[tokio::test(start_paused = true)]
async fn addresses_join_and_those_that_are_lost_leave() {
    let mut roster = roster();
    assert_eq!(find(&mut roster, &["a", "b"]), (2, 0));
    assert_eq!(find(&mut roster, &["a", "b"]), (0, 0));
    assert_eq!(find(&mut roster, &["b", "c"]), (1, 1));
    assert_eq!(names(roster.members()), ["b", "c"]);
    assert!(roster.leaving().is_empty());
}

/// Another name, and the file, have servers of their own.
#[tokio::test(start_paused = true)]
async fn a_name_takes_none_away_but_its_own() {
    let mut roster = roster();
    let own = Member { found_as: None, origin: Origin::Added, ..member("own") };
    let others = Member { found_as: Some("other.test:80".into()), ..member("others") };
    roster.join(own, moment());
    roster.join(others, moment());
    find(&mut roster, &["a"]);
    assert_eq!(find(&mut roster, &["b", "own"]), (1, 1));
    assert_eq!(find(&mut roster, &["b"]), (0, 0), "one that an operator added stays");
    assert_eq!(names(roster.members()), ["own", "others", "b"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_lost_ends_its_requests_and_then_goes() {
    let mut roster = roster();
    find(&mut roster, &["a", "b"]);
    let asked = Arc::clone(&roster.member("a").unwrap().server);
    let request = InFlight::enter(&asked, false).unwrap();
    assert_eq!(find(&mut roster, &["b"]), (0, 1));
    assert_eq!(names(roster.leaving()), ["a"]);
    assert_eq!(roster.leaving()[0].state(), State::Draining);
    assert!(!asked.has_left());
    // Found again meanwhile, it is the server that it was, with its connections.
    assert_eq!(find(&mut roster, &["a", "b"]), (1, 0));
    assert!(Arc::ptr_eq(&roster.member("a").unwrap().server, &asked));
    assert_eq!(roster.member("a").unwrap().state(), State::Healthy);
    find(&mut roster, &["b"]);
    drop(request);
    roster.let_go(now());
    assert!(roster.leaving().is_empty() && asked.has_left());
    // At the deadline nobody waits any more.
    find(&mut roster, &["b", "c"]);
    let _endless = InFlight::enter(&roster.member("c").unwrap().server, false).unwrap();
    find(&mut roster, &["b"]);
    tokio::time::advance(DRAIN).await;
    assert_eq!(roster.let_go(now()).len(), 1);
}

/// A server that was disabled got requests again because its name did not have it for one answer.
#[tokio::test(start_paused = true)]
async fn what_an_operator_said_holds_while_the_name_flickers() {
    for word in [Word::Disable, Word::Drain] {
        for is_busy in [false, true] {
            let mut roster = roster();
            find(&mut roster, &["a", "b"]);
            roster.say("a", word, moment()).unwrap();
            roster.weigh("b", 7).unwrap();
            let state = roster.member("a").unwrap().state();
            let said = |roster: &Roster| {
                let (a, b) = (roster.member("a").unwrap(), roster.member("b").unwrap());
                assert_eq!((a.word, a.state(), a.weight, b.weight), (word, state, WEIGHT, 7), "{is_busy}");
            };
            // The same answer again changes nothing of it.
            find(&mut roster, &["a", "b"]);
            said(&roster);
            let servers: Vec<_> = roster.servers();
            let requests =
                is_busy.then(|| servers.iter().map(|it| InFlight::enter(it, false)).collect::<Vec<_>>());
            find(&mut roster, &["c"]);
            assert_eq!(names(roster.members()), ["c"]);
            assert_eq!(roster.leaving().len(), if is_busy { 2 } else { 0 });
            tokio::time::advance(SAID_KEPT - Duration::from_secs(1)).await;
            find(&mut roster, &["a", "b", "c"]);
            said(&roster);
            drop(requests);
            // It is remembered anew, from now on.
            find(&mut roster, &["c"]);
            tokio::time::advance(SAID_KEPT - Duration::from_secs(1)).await;
            find(&mut roster, &["a", "b"]);
            said(&roster);
            assert_eq!(roster.said.len(), 0, "it is said again and need not be remembered");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_word_is_for_its_server_and_its_time() {
    let mut roster = roster();
    find(&mut roster, &["a", "b"]);
    roster.say("a", Word::Disable, moment()).unwrap();
    roster.say("b", Word::Disable, moment()).unwrap();
    roster.say("b", Word::InService, moment()).unwrap();
    find(&mut roster, &["c"]);
    find(&mut roster, &["b", "c", "d"]);
    let states = roster.members().iter().map(Member::state);
    assert!(states.eq([State::Healthy; 3]), "of these nobody says anything now");
    tokio::time::advance(SAID_KEPT).await;
    find(&mut roster, &["a", "c"]);
    assert_eq!(roster.member("a").unwrap().state(), State::Healthy, "it may be another machine by now");
}

#[tokio::test(start_paused = true)]
async fn only_so_many_words_are_remembered() {
    let mut roster = roster();
    for number in 0..=SAID_MAX {
        let name = number.to_string();
        find(&mut roster, &[&name]);
        roster.say(&name, Word::Disable, moment()).unwrap();
    }
    find(&mut roster, &["last"]);
    assert_eq!(roster.said.len(), SAID_MAX);
    find(&mut roster, &["0", "1"]);
    let state = |name| roster.member(name).unwrap().state();
    assert_eq!((state("0"), state("1")), (State::Healthy, State::Disabled), "the oldest is forgotten first");
}
