//! Checks that are over within the call that begins them, beside some that are not; and who is asked along with whom.
#![allow(clippy::unwrap_used)]

use std::net::Ipv4Addr;

use tokio::task::{spawn_local, yield_now};

use super::*;

const MILLISECOND: Duration = Duration::from_millis(1);

/// A check each second whose times are known.
fn each_second() -> HealthCheck {
    HealthCheck { interval: SECOND, unhealthy_interval: SECOND, unhealthy_after: 1, ..check_of(Probe::Tcp) }
}

/// Lets checks be made for so long, whatever they find.
async fn pass(checker: &mut Checker, time: Duration) -> Vec<Found> {
    let mut all = Vec::new();
    let _ = tokio::time::timeout(time, async {
        loop {
            all.extend(checker.found().await);
        }
    })
    .await;
    all
}

/// How many checks of each have ended, however they did.
fn checked(servers: &[Arc<Server>]) -> Vec<u64> {
    servers.iter().map(|server| server.checks.by_outcome().iter().sum()).collect()
}

/// Somebody who listens and has room for no connection more, with those that are in the way.
fn full() -> (Socket, SocketAddr, Vec<Socket>) {
    let (listener, address) = deaf();
    listener.listen(0).unwrap();
    let mut in_the_way = Vec::new();
    loop {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        // It says that it is under way.
        let _ = socket.connect(&address.into());
        let is_made = socket.peer_addr().is_ok();
        in_the_way.push(socket);
        if !is_made {
            return (listener, address, in_the_way);
        }
        assert!(in_the_way.len() < 10, "there is always room");
    }
}

/// Listens at all addresses of this machine, and accepts for as long as it can.
async fn everywhere() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    spawn_local(async move { while listener.accept().await.is_ok() {} });
    port
}

fn thousand(port: u16) -> Vec<Arc<Server>> {
    let address = |number: u16| {
        let [high, low] = number.to_be_bytes();
        SocketAddr::from((Ipv4Addr::new(127, 2, high, low), port))
    };
    (1..=1000).map(|number| server(address(number))).collect()
}

#[test]
fn who_is_due_a_little_later_is_asked_along() {
    local(async {
        let (sockets, addresses): (Vec<_>, Vec<_>) = [deaf(), deaf(), deaf()].into_iter().unzip();
        sockets.iter().for_each(|socket| socket.listen(128).unwrap());
        let servers: Vec<_> = addresses.into_iter().map(server).collect();
        let mut checker = checker(each_second());
        // From 0 ms, 15 ms and 40 ms on.
        for (count, time) in [(1, 15), (2, 25), (3, 950)] {
            checker.follow(&servers[..count]);
            pass(&mut checker, time * MILLISECOND).await;
        }
        assert_eq!(checked(&servers), [1, 1, 1]);
        pass(&mut checker, 15 * MILLISECOND).await;
        assert_eq!(checked(&servers), [2, 2, 1], "at 1005 ms; the second one was due at 1015 ms");
        pass(&mut checker, 40 * MILLISECOND).await;
        assert_eq!(checked(&servers), [2, 2, 2]);
        pass(&mut checker, 10 * SECOND).await;
        assert_eq!(checked(&servers), [12, 12, 12], "nobody is asked more often for it");
    });
}

#[test]
fn a_thousand_servers_are_checked_each_in_its_second_and_who_leaves_is_left_alone() {
    local(async {
        let servers = thousand(everywhere().await);
        let mut checker = checker(HealthCheck { jitter: 0.1, ..each_second() });
        assert_eq!(checker.follow(&servers).len(), 1000);
        let found = pass(&mut checker, 3 * SECOND).await;
        assert!(found.len() == 1000 && found.iter().all(|found| found.has_passed), "{} turns", found.len());
        let first = checked(&servers);
        assert!(first.iter().all(|count| (3..=5).contains(count)), "{first:?}");
        // Half of them go, in the middle of their second.
        assert!(checker.follow(&servers[..500]).is_empty());
        let gone = checked(&servers[500..]);
        assert!(pass(&mut checker, 2 * SECOND).await.is_empty());
        assert_eq!(checked(&servers[500..]), gone);
        let second = checked(&servers[..500]);
        let more: Vec<_> = second.iter().zip(&first).map(|(after, before)| after - before).collect();
        assert!(more.iter().all(|count| (2..=3).contains(count)), "{more:?}");
    });
}

/// So many that are due at once would keep everything else waiting that the thread has to do.
#[test]
fn others_have_their_turn_between_many_checks_that_are_over_at_once() {
    local(async {
        let sockets: Vec<_> = (0..5 * IN_A_ROW_MAX).map(|_| deaf()).collect();
        let servers: Vec<_> = sockets.iter().map(|(_, address)| server(*address)).collect();
        let mut checker = checker(HealthCheck { unhealthy_after: 1000, ..each_second() });
        checker.follow(&servers);
        // All of them are due by now.
        tokio::time::advance(SECOND / 2).await;
        let most = Rc::new(std::cell::Cell::new(0));
        let watching = {
            let (servers, most) = (servers.clone(), Rc::clone(&most));
            spawn_local(async move {
                let mut before = 0;
                loop {
                    let now = checked(&servers).iter().sum::<u64>();
                    most.set(most.get().max(now - before));
                    before = now;
                    yield_now().await;
                }
            })
        };
        let mut checking = std::pin::pin!(checker.found());
        while checked(&servers).contains(&0) {
            let is_pending = poll_fn(|cx| Poll::Ready(checking.as_mut().poll(cx).is_pending())).await;
            assert!(is_pending, "nobody is UNREACHABLE after a check");
            yield_now().await;
        }
        watching.abort();
        // Under load some kernels let a thread of theirs do the rest of some, which are no part of the row.
        assert!(most.get() <= 2 * IN_A_ROW_MAX as u64, "{} in a row", most.get());
        assert!(checked(&servers).iter().all(|count| *count == 1));
    });
}

/// A host that lets what is sent to it fall, as a firewall does: it takes its whole time, and nobody else waits for it.
#[test]
fn who_does_not_answer_is_late_and_holds_up_nobody_and_may_come_back() {
    local(async {
        let (silent, address, _in_the_way) = full();
        let (socket, other) = deaf();
        socket.listen(128).unwrap();
        let servers = [server(address), server(other)];
        let mut checker = checker(HealthCheck { timeout: 9 * SECOND / 2, ..each_second() });
        checker.follow(&servers);
        assert_eq!(only(checker.found().await).0, State::Healthy, "the other one, at once");
        let (took, found) = timed(checker.found()).await;
        let reason = "a check failed: no connection within 4.5s".to_owned();
        assert_eq!((only(found), took.as_millis()), ((State::Unreachable, reason), 4500));
        assert_eq!((servers[0].checks.by_outcome(), checked(&servers)[1]), ([0, 0, 1, 0], 5));
        // It has room again.
        silent.listen(128).unwrap();
        // The check that was begun while it had none ends first.
        let found = pass(&mut checker, 6 * SECOND).await;
        assert_eq!(only(found), (State::Healthy, "a check passed".to_owned()));
    });
}

/// It has left while nobody knew yet whether it listens: nobody hears of it, and nothing of it is left open.
#[test]
fn who_leaves_while_it_does_not_answer_is_heard_of_no_more() {
    local(async {
        let (_silent, address, _in_the_way) = full();
        let server = server(address);
        let mut checker = checker(each_second());
        checker.follow(&[Arc::clone(&server)]);
        nothing_for(&mut checker, SECOND / 2).await;
        assert_eq!(checker.running.len(), 1);
        checker.follow(&[]);
        nothing_for(&mut checker, 5 * SECOND).await;
        assert_eq!((checker.running.len(), checked(&[server])), (0, vec![0]));
    });
}

#[test]
fn who_refuses_is_out_at_once_and_back_when_it_listens_again() {
    local(async {
        let (socket, address) = deaf();
        let server = server(address);
        let mut checker = checker(each_second());
        checker.follow(&[Arc::clone(&server)]);
        let (took, found) = timed(checker.found()).await;
        let refused = "a check failed: connection refused".to_owned();
        assert_eq!((took, only(found)), (Duration::ZERO, (State::Unreachable, refused)));
        nothing_for(&mut checker, 5 * SECOND / 2).await;
        socket.listen(128).unwrap();
        let (took, found) = timed(checker.found()).await;
        assert_eq!((took, only(found).0), (SECOND / 2, State::Healthy));
        assert_eq!(server.checks.by_outcome(), [1, 3, 0, 0]);
        drop(socket);
        let (took, found) = timed(checker.found()).await;
        assert_eq!((took, only(found).0), (SECOND, State::Unreachable));
    });
}
