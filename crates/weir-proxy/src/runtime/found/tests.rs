//! When a name is asked for, and what becomes of its servers, on a clock that the tests turn.

#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::future::pending;
use std::net::IpAddr;

use weir_core::balance::Strategy;
use weir_core::retry::RetryPolicy;
use weir_core::server::{ServerAddress, Transport};
use weir_http::target::Scheme;
use weir_upstream::io::deadline::now;
use weir_upstream::roster::Roster;
use weir_upstream::upstream::Waits;

use super::*;

const SOON: Duration = Duration::from_secs(1);

fn upstream() -> Arc<Upstream> {
    let waits = Waits { connect: SOON, answer_head: SOON, answer_body: SOON, idle: SOON, reuse_unsafe: SOON };
    let roster = Roster::new(Vec::new(), 10);
    Arc::new(Upstream::new("web", roster, Strategy::RoundRobin, RetryPolicy::default(), waits))
}

fn servers() -> NamedServers {
    let transport = Transport::Name("app.test".into(), 80);
    let address =
        ServerAddress { written: "app.test:80".into(), scheme: Scheme::Http, transport, base: "".into() };
    NamedServers::new(address, None, 1).unwrap()
}

/// What an asked name server does.
#[derive(Clone, Copy)]
enum Says {
    /// Says that these are good for so many seconds.
    Addresses(&'static [&'static str], u64),
    Failure,
    /// Says nothing for so many seconds, and then that it failed.
    Late(u64),
}
use Says::{Addresses, Failure, Late};

/// Keeps a name that is answered so, one after the other, until nothing more is said. At which second it was asked, and who
/// were the servers just then.
async fn kept(script: &[Says]) -> Vec<(u64, Vec<String>)> {
    let (upstream, begun) = (upstream(), now());
    let asked = RefCell::new(Vec::new());
    let ask = async |name: &str| {
        assert_eq!(name, "app.test");
        let servers = upstream.group().servers.iter().map(|server| server.name().to_owned()).collect();
        asked.borrow_mut().push((now().duration_since(begun).as_secs(), servers));
        let number = asked.borrow().len() - 1;
        match script.get(number) {
            None => pending().await,
            Some(Failure) => Err(NotFound::because("no such name")),
            Some(Late(seconds)) => {
                pause(Duration::from_secs(*seconds)).await;
                Err(NotFound::because("timeout"))
            }
            Some(Addresses(addresses, ttl)) => {
                let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
                Ok(Found { addresses, ttl: Duration::from_secs(*ttl) })
            }
        }
    };
    let keeping = keep(Arc::clone(&upstream), servers(), ask);
    let long = Duration::from_secs(24 * 3600);
    assert!(tokio::time::timeout(long, keeping).await.is_err(), "it never ends");
    asked.into_inner()
}

fn at(second: u64, addresses: &[&str]) -> (u64, Vec<String>) {
    (second, addresses.iter().map(|address| format!("{address}:80")).collect())
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_believed_for_as_long_as_it_says() {
    let asked = kept(&[
        Addresses(&["10.0.0.1"], 60),
        Addresses(&["10.0.0.1", "10.0.0.2"], 1),
        Addresses(&["10.0.0.2"], 300),
    ])
    .await;
    let expected =
        [at(0, &[]), at(60, &["10.0.0.1"]), at(61, &["10.0.0.1", "10.0.0.2"]), at(361, &["10.0.0.2"])];
    assert_eq!(asked, expected);
}

/// Whoever was found last stays, however long nobody answers, and is asked for again in growing pauses.
#[tokio::test(start_paused = true)]
async fn failures_take_nobody_away() {
    let mut script = vec![Addresses(&["10.0.0.1"], 5)];
    script.extend([Failure; 6]);
    script.extend([Late(10), Addresses(&["10.0.0.2"], 5), Failure]);
    let asked = kept(&script).await;
    let seconds: Vec<u64> = asked.iter().map(|(second, _)| *second).collect();
    let failed = [5, 6, 8, 12, 20, 36, 66];
    // The last failure came late, and the pause begins then.
    let again = [106, 111, 112];
    assert_eq!(seconds, [&[0][..], &failed, &again].concat());
    assert!(asked[1..9].iter().all(|(_, servers)| *servers == ["10.0.0.1:80"]), "{asked:?}");
    assert!(asked[9..].iter().all(|(_, servers)| *servers == ["10.0.0.2:80"]), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_known_at_first_is_asked_for_until_it_is() {
    let asked = kept(&[Failure, Late(3), Addresses(&["10.0.0.1"], 7)]).await;
    assert_eq!(asked, [at(0, &[]), at(1, &[]), at(6, &[]), at(13, &["10.0.0.1"])]);
}

#[test]
fn pauses_grow_and_have_an_end() {
    let pauses: Vec<u64> = (1..8).map(|failures| pause_after(failures).as_secs()).collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
    assert_eq!(pause_after(u32::MAX), RETRY_MAX);
}
