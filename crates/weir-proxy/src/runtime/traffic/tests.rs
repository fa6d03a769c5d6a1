//! Counters that workers write and a registry keeps.
#![allow(clippy::unwrap_used)]

use super::*;

fn over(mode: Option<Mode>, method: Method, status: u16) -> Over {
    let duration = Sample::of(Duration::from_millis(3));
    Over { mode, method, status, duration, head: None }
}

fn get(status: u16) -> Over {
    over(Some(Mode::Balance), Method::Get, status)
}

/// Counts one request of a route of a snapshot with so many routes in one service.
fn count(local: &LocalTraffic, registry: &TrafficRegistry, routes: usize, route: usize) {
    let name = format!("r{route}");
    let is_among_others = AtomicBool::new(false);
    let place = Place { number: route, routes, is_among_others: &is_among_others };
    local.tally(place, registry, || ("s", &name)).note(&get(200));
}

fn told(registry: &TrafficRegistry) -> Vec<(String, u64)> {
    registry.status().into_iter().map(|route| (route.route.clone(), route.requests_total())).collect()
}

#[test]
fn requests_are_told_apart_by_mode_method_and_status() {
    let (registry, local) = (TrafficRegistry::default(), LocalTraffic::default());
    let is_among_others = AtomicBool::new(false);
    let place = Place { number: 0, routes: 1, is_among_others: &is_among_others };
    let tally = local.tally(place, &registry, || ("shop", "/"));
    tally.note(&get(200));
    tally.note(&Over { head: Some(Duration::from_millis(700)), ..get(200) });
    tally.note(&over(Some(Mode::Race), Method::Post, 503));
    tally.note(&over(None, Method::Put, 0));
    let status = registry.status();
    let route = &status[0];
    assert_eq!((route.service.as_str(), route.route.as_str(), status.len()), ("shop", "/", 1));
    let count = |mode, method, status, count| RequestCount { mode, method, status, count };
    assert_eq!(
        route.requests,
        [
            count("none", "idempotent", "none", 1),
            count("balance", "safe", "2xx", 2),
            count("race", "other", "5xx", 1),
        ]
    );
    assert_eq!(route.total.counts.iter().sum::<u64>(), 4);
    assert_eq!(route.head.as_ref().unwrap().counts.iter().sum::<u64>(), 1, "one server has answered");
    assert!(route.connect.is_none(), "nothing was connected to");
    tally.note_connect(Duration::from_millis(1));
    assert_eq!(registry.status()[0].connect.as_ref().unwrap().counts[1], 1);
}

#[test]
fn routes_without_requests_do_not_appear_and_cost_nothing() {
    let (registry, local) = (TrafficRegistry::default(), LocalTraffic::default());
    count(&local, &registry, 100_000, 77_777);
    assert_eq!(told(&registry), [("r77777".to_owned(), 1)]);
    // One that has begun and not ended is not told yet.
    let is_among_others = AtomicBool::new(false);
    let place = Place { number: 1, routes: 100_000, is_among_others: &is_among_others };
    local.tally(place, &registry, || ("s", "r1"));
    assert_eq!(told(&registry).len(), 1);
}

#[test]
fn counters_outlive_their_worker_and_its_snapshot() {
    let registry = TrafficRegistry::default();
    for round in 1..=5 {
        let (one, other) = (LocalTraffic::default(), LocalTraffic::default());
        count(&one, &registry, 1, 0);
        count(&other, &registry, 1, 0);
        assert_eq!(told(&registry), [("r0".to_owned(), 2 * round)]);
    }
    let known = registry.known();
    assert_eq!(known.routes[&("s".into(), "r0".into())].len(), 2, "as many as were written at once");
}

#[test]
fn no_two_workers_write_the_same_counters() {
    let registry = TrafficRegistry::default();
    let held: Vec<_> = (0..8).map(|_| registry.claim("s", "r").unwrap()).collect();
    for (place, one) in held.iter().enumerate() {
        assert!(held[place + 1..].iter().all(|other| !Arc::ptr_eq(one, other)));
    }
    let freed = Arc::as_ptr(&held[3]);
    drop(held);
    let again: Vec<_> = (0..8).map(|_| registry.claim("s", "r").unwrap()).collect();
    assert!(again.iter().any(|tally| Arc::as_ptr(tally) == freed), "what nobody writes is written on");
}

#[test]
fn beyond_the_bound_routes_are_counted_together() {
    let (registry, local) = (TrafficRegistry::default(), LocalTraffic::default());
    let routes = ROUTES_MAX + 1000;
    for route in 0..routes {
        count(&local, &registry, routes, route);
        count(&local, &registry, routes, route);
    }
    let told = told(&registry);
    assert_eq!(told.len(), ROUTES_MAX + 1);
    assert_eq!(told.last().unwrap(), &(OTHERS.to_owned(), 2000));
    assert_eq!(told.iter().map(|(_, count)| count).sum::<u64>(), 2 * routes as u64);
    assert_eq!(registry.known().others.len(), 1, "a worker needs one tally for all of them");
}

/// Who is refused once is not refused again with every request: that would be a lock each time.
#[test]
fn a_route_without_a_place_is_remembered_for_all_workers() {
    let (registry, local, other) =
        (TrafficRegistry::default(), LocalTraffic::default(), LocalTraffic::default());
    (0..ROUTES_MAX).for_each(|route| count(&local, &registry, ROUTES_MAX + 1, route));
    let is_among_others = AtomicBool::new(false);
    let place = Place { number: ROUTES_MAX, routes: ROUTES_MAX + 1, is_among_others: &is_among_others };
    for worker in [&local, &local, &other] {
        worker.tally(place, &registry, || ("s", "late")).note(&get(200));
    }
    assert!(is_among_others.load(Ordering::Relaxed));
    assert_eq!(registry.known().refused, 1);
    assert_eq!(told(&registry).last().unwrap(), &(OTHERS.to_owned(), 3));
}

/// A site whose routes have other names with every reload would have used up all places for good.
#[test]
fn routes_that_are_gone_leave_their_places_and_nothing_that_was_counted_is_lost() {
    let registry = TrafficRegistry::default();
    let routes = 2 * ROUTES_MAX;
    let before = LocalTraffic::default();
    (0..ROUTES_MAX).for_each(|route| count(&before, &registry, routes, route));
    drop(before);
    let after = LocalTraffic::default();
    // One of them is still there.
    count(&after, &registry, routes, 7);
    (ROUTES_MAX..ROUTES_MAX + 10).for_each(|route| count(&after, &registry, routes, route));
    let told = told(&registry);
    assert_eq!(told.len(), 1 + 10 + 1, "{told:?}");
    let of = |name: &str| told.iter().find(|(route, _)| route == name).unwrap().1;
    assert_eq!((of("r7"), of(&format!("r{ROUTES_MAX}"))), (2, 1));
    assert_eq!(of(OTHERS), ROUTES_MAX as u64 - 1);
}

#[test]
fn workers_count_while_others_read() {
    let registry = TrafficRegistry::default();
    const EACH: u64 = 20_000;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let local = LocalTraffic::default();
                (0..EACH).for_each(|turn| count(&local, &registry, 16, (turn % 16) as usize));
            });
        }
        let mut last = 0;
        while last < 4 * EACH {
            let now: u64 = told(&registry).iter().map(|(_, count)| count).sum();
            assert!(now >= last, "it only grows: {now} after {last}");
            last = now;
        }
    });
}
