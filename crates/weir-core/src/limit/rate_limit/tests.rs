//! Rates against an exact model: what passes never exceeds `rate × time + burst`, and nothing is refused before that.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Rate, RateLimit, charge_all, refund_all, tightest};

/// A small generator of numbers that a failure can print.
#[derive(Clone)]
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        // SplitMix64 (Steele, Lea, Flood, 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// The hash of a key, as a caller with a good hash would make it.
fn hash(key: u64) -> u64 {
    Draw(key).next()
}

const fn rate(count: u32, seconds: u64) -> Rate {
    Rate { count, per: Duration::from_secs(seconds) }
}

/// The exact leaky bucket of one key, in parts of a request: `per` nanoseconds are `count` requests.
#[derive(Default, Clone)]
struct Exact {
    /// What is in the bucket, in `per`ths.
    level: u128,
    at: Duration,
}

impl Exact {
    fn level(&self, rate: Rate, now: Duration) -> u128 {
        let leaked = (now - self.at).as_nanos() * u128::from(rate.count);
        self.level.saturating_sub(leaked)
    }

    fn pass(&mut self, rate: Rate, now: Duration) {
        self.level = self.level(rate, now) + rate.per.as_nanos();
        self.at = now;
    }

    /// Whether one more would be more than `burst`, by more than one tick.
    fn is_over(&self, rate: Rate, burst: u32, now: Duration) -> bool {
        self.level(rate, now) > u128::from(burst) * rate.per.as_nanos() + tick(rate)
    }

    /// Whether one more would fit, even two ticks ago.
    fn has_room(&self, rate: Rate, burst: u32, now: Duration) -> bool {
        self.level(rate, now) + rate.per.as_nanos() + 2 * tick(rate)
            <= u128::from(burst) * rate.per.as_nanos()
    }
}

/// What leaks in one tick at most, in `per`ths: 8 µs, a millionth of a request, or a sixteenth above 16,384 per second.
fn tick(rate: Rate) -> u128 {
    let per = rate.per.as_nanos();
    let fine = (8_000 * u128::from(rate.count)).max(per / 1_000_000);
    let fast = u128::from(rate.count) * 1_000_000_000 > 16_384 * per;
    if fast { per / 16 } else { fine }
}

/// Looks at every window of what passed of one key; times are in nanoseconds and in any order.
fn check_windows(rate: Rate, burst: u32, mut times: Vec<u64>, context: &dyn Fn() -> String) {
    times.sort_unstable();
    for first in 0..times.len() {
        // A window that long holds many times the burst.
        for last in first..times.len().min(first + 4 * burst as usize + 64) {
            let count = (last - first + 1) as u128;
            let leaked = u128::from(times[last] - times[first]) * u128::from(rate.count);
            let allowed = leaked + u128::from(burst) * rate.per.as_nanos() + tick(rate);
            let (from, to) = (times[first], times[last]);
            assert!(
                count * rate.per.as_nanos() <= allowed,
                "{count} passed from {from} to {to}: {}",
                context()
            );
        }
    }
}

/// One thread, some keys, random times; every answer is held against the exact bucket. With `late_refunds`, some requests
/// are refused by something else a while after they passed here; only the bound is checked then, because what was
/// due in the meantime does not come back.
fn simulate(
    rate: Rate,
    burst: u32,
    keys: u64,
    entries: Option<usize>,
    begun: Duration,
    seed: u64,
    late_refunds: bool,
) {
    let limit = match entries {
        Some(entries) => RateLimit::by_key(rate, burst, entries),
        None => RateLimit::together(rate, burst),
    };
    let mut draw = Draw(seed);
    let mut exact: HashMap<u64, Exact> = HashMap::new();
    let mut passed: HashMap<u64, Vec<u64>> = HashMap::new();
    let mut late = Vec::new();
    let mut now = begun;
    let interval = u64::try_from(rate.per.as_nanos()).unwrap() / u64::from(rate.count);
    for step in 0..1500 {
        now += Duration::from_nanos(match draw.below(8) {
            0..4 => 0,
            4..7 => draw.below(interval / 4 + 2),
            _ => draw.below(interval * 3),
        });
        let key = if entries.is_some() { draw.below(keys) } else { 0 };
        let bucket = exact.entry(key).or_default();
        let context =
            || format!("{rate:?} {burst} keys {keys} in {entries:?} from {begun:?} seed {seed} step {step}");
        match limit.charge(hash(key), now) {
            Ok(charge) if late_refunds && draw.below(3) == 0 => late.push(charge),
            Ok(charge) if draw.below(16) == 0 => limit.refund(charge, || now),
            Ok(charge) => {
                bucket.pass(rate, now);
                passed.entry(key).or_default().push(u64::try_from(now.as_nanos()).unwrap());
                assert!(!bucket.is_over(rate, burst, now), "more than the rate: {}", context());
                assert_eq!(charge.standing.limit, burst);
            }
            Err(refused) => {
                // Only a table that is full refuses early.
                let early = bucket.has_room(rate, burst, now);
                assert!(!early || late_refunds || limit.taken_over() > 0, "refused early: {}", context());
                assert!(refused.retry_after > Duration::ZERO, "{}", context());
                let later = now + refused.retry_after;
                assert!(limit.check(hash(key), later).is_ok(), "not even after the wait: {}", context());
                assert_eq!(refused.standing.remaining, 0, "{}", context());
            }
        }
        if late.len() > 3 {
            let charge = late.swap_remove(usize::try_from(draw.below(4)).unwrap());
            limit.refund(charge, || now);
        }
    }
    let context = || format!("{rate:?} {burst} keys {keys} in {entries:?} from {begun:?} seed {seed}");
    for times in passed.into_values() {
        check_windows(rate, burst, times, &context);
    }
    assert!(entries.is_none_or(|entries| entries < 64) || limit.taken_over() == 0, "room for every key");
}

#[test]
fn what_passes_is_the_rate_and_the_burst_and_no_less() {
    for (index, rate) in [
        rate(1, 3600),
        rate(10, 60),
        rate(1, 1),
        rate(7, 1),
        rate(100, 1),
        rate(30_000, 1),
        rate(1_000_000, 1),
    ]
    .into_iter()
    .enumerate()
    {
        for burst in [1, 2, 10, 1000] {
            let seed = index as u64 * 100 + u64::from(burst);
            for late_refunds in [false, true] {
                simulate(rate, burst, 5, None, Duration::ZERO, seed, late_refunds);
                simulate(rate, burst, 5, Some(1000), Duration::ZERO, seed, late_refunds);
                // One set, and more keys than it holds: early refusals, never one request too many.
                simulate(rate, burst, 9, Some(7), Duration::ZERO, seed, late_refunds);
                simulate(rate, burst, 40, Some(7), Duration::ZERO, seed, late_refunds);
            }
        }
    }
}

#[test]
fn uptimes_of_years_and_times_that_come_around_change_nothing() {
    // A clock of 10⁶ requests per second comes around after 2⁴⁴ / (10⁶ · 16) seconds, others later.
    for (rate, around) in [(rate(1_000_000, 1), 1_099_511.627_776), (rate(100, 1), 85_899_345.92)] {
        for lap in [1.0, 2.0, 7.0] {
            for offset in [-20.0, -0.000_05, 0.0, 0.000_05] {
                let begun = Duration::from_secs_f64(around * lap + offset);
                simulate(rate, 3, 5, Some(1000), begun, 1, false);
                simulate(rate, 3, 40, Some(7), begun, 2, false);
                simulate(rate, 3, 1, None, begun, 3, false);
            }
        }
    }
}

#[test]
fn a_burst_passes_at_once_and_then_one_in_each_interval() {
    for limit in [RateLimit::together(rate(10, 1), 5), RateLimit::by_key(rate(10, 1), 5, 100)] {
        for pause in [0, 1000, 3600 * 24 * 365] {
            let mut now = Duration::from_secs(1 + pause);
            for left in (0..5).rev() {
                let standing = limit.charge(1, now).unwrap().standing;
                assert_eq!((standing.limit, standing.remaining), (5, left));
            }
            let refused = limit.charge(1, now).unwrap_err();
            assert_eq!(refused.retry_after.as_millis(), 100);
            assert_eq!(refused.standing.reset.as_millis(), 500);
            for _ in 0..20 {
                now += Duration::from_millis(99);
                assert!(limit.charge(1, now).is_err());
                now += Duration::from_millis(1) + Duration::from_micros(16);
                assert_eq!(limit.charge(1, now).unwrap().standing.remaining, 0);
            }
        }
    }
}

#[test]
fn one_key_does_not_feel_another() {
    let limit = RateLimit::by_key(rate(1, 60), 2, 10_000);
    let now = Duration::from_secs(5);
    for key in 0..1000 {
        assert!(limit.charge(hash(key), now).is_ok());
        assert!(limit.charge(hash(key), now).is_ok());
        assert!(limit.charge(hash(key), now).is_err());
    }
    assert_eq!(limit.taken_over(), 0);
}

/// Four threads with clocks of their own ask for the same few keys; what passed of each key is sorted by time, and every
/// window is looked at.
fn contend(limit: &RateLimit, rate: Rate, burst: u32, keys: u64, noise: u64) {
    const THREADS: u64 = 4;
    let clock = AtomicU64::new(1);
    let mut passed: HashMap<u64, Vec<u64>> = HashMap::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let clock = &clock;
                scope.spawn(move || {
                    let mut draw = Draw(thread);
                    let mut passed = Vec::new();
                    for _ in 0..10_000 {
                        let now = clock.fetch_add(draw.below(2_000), Ordering::Relaxed);
                        let key = draw.below(keys);
                        if noise > 0 {
                            // Keys that nobody has seen before try to drive out the others.
                            let _ =
                                limit.charge(hash(1_000_000 + draw.below(noise)), Duration::from_nanos(now));
                        }
                        match limit.charge(hash(key), Duration::from_nanos(now)) {
                            Ok(charge) if draw.below(8) == 0 => {
                                limit.refund(charge, || Duration::from_nanos(clock.load(Ordering::Relaxed)));
                            }
                            Ok(_) => passed.push((key, now)),
                            Err(_) => {}
                        }
                    }
                    passed
                })
            })
            .collect();
        for (key, now) in threads.into_iter().flat_map(|thread| thread.join().unwrap()) {
            passed.entry(key).or_default().push(now);
        }
    });
    assert!(!passed.is_empty());
    for (key, times) in passed {
        check_windows(rate, burst, times, &|| format!("{rate:?} {burst} key {key}, new keys {noise}"));
    }
}

#[test]
fn threads_together_get_no_more_than_one_would() {
    let rate = rate(10_000, 1);
    for burst in [1, 3, 50] {
        contend(&RateLimit::together(rate, burst), rate, burst, 1, 0);
        contend(&RateLimit::by_key(rate, burst, 100_000), rate, burst, 3, 0);
        // A table of one set, in which every key drives out another all the time.
        contend(&RateLimit::by_key(rate, burst, 7), rate, burst, 3, 1000);
        contend(&RateLimit::by_key(rate, burst, 7), rate, burst, 9, 0);
    }
}

#[test]
fn a_million_keys_take_no_memory_and_no_key_gets_more() {
    const KEYS: u64 = 1_000_000;
    let rate = rate(10, 60);
    let limit = RateLimit::by_key(rate, 10, 16_384);
    let bytes = RateLimit::bytes_max(16_384);
    assert!(bytes <= 16_384 * 10 && limit.bytes() == 0, "{bytes} bytes");
    let mut exact = Exact::default();
    let mut passed = 0;
    for key in 0..KEYS {
        // A thousand seconds in all.
        let now = Duration::from_millis(key);
        // Strangers may be refused early; that is the price.
        let _ = limit.charge(hash(key), now);
        if limit.charge(hash(u64::MAX), now).is_ok() {
            passed += 1;
            exact.pass(rate, now);
            assert!(!exact.is_over(rate, 10, now), "more than the rate at {now:?}");
        }
    }
    assert_eq!(limit.bytes(), bytes);
    assert!(passed > 0 && passed <= 1000 / 6 + 11, "{passed}");
}

/// A table that is searched, or that grows, would take a thousand times as long; caches that are too small for the keys
/// take a few times as long.
#[test]
#[expect(clippy::disallowed_methods, reason = "this measures how long it takes")]
fn a_million_keys_take_about_as_long_as_one() {
    let rate = rate(10, 60);
    let limit = RateLimit::by_key(rate, 10, 262_144);
    let measure = |key: fn(u64) -> u64| {
        let begun = std::time::Instant::now();
        for count in 0..300_000 {
            let _ = limit.charge(key(count), Duration::from_micros(count));
        }
        begun.elapsed() / 300_000
    };
    let (one, few, new) = (measure(|_| hash(1)), measure(|count| hash(count % 1000)), measure(hash));
    println!(
        "a charge takes {one:?} with one key, {few:?} with a thousand, {new:?} with a new one each time"
    );
    assert!(few < 20 * one && new < 20 * one, "{one:?}, {few:?}, {new:?}");
}

#[test]
fn several_rules_charge_all_or_none() {
    let (narrow, wide) = (RateLimit::by_key(rate(1, 1), 2, 100), RateLimit::together(rate(1, 1), 3));
    let both = || [(&narrow, 7), (&wide, 0)].into_iter();
    let now = Duration::from_secs(10);
    let standing =
        tightest(charge_all(both(), now, || now).unwrap().iter().map(|charge| charge.standing)).unwrap();
    assert_eq!((standing.limit, standing.remaining), (2, 1), "the rule that is nearest to refusing");
    charge_all(both(), now, || now).unwrap();
    for _ in 0..5 {
        assert!(charge_all(both(), now, || now).is_err(), "the narrow one");
    }
    assert_eq!(
        wide.charge(0, now).unwrap().standing.remaining,
        0,
        "none of the refused ones was charged here"
    );
    // The other way round: the wide one refuses, and the narrow one has been charged for a moment at most.
    let later = now + Duration::from_millis(1500);
    wide.charge(0, later).unwrap();
    assert!(charge_all(both(), later, || later).is_err());
    assert_eq!(narrow.charge(7, later).unwrap().standing.remaining, 0);
    assert_eq!(tightest(std::iter::empty()), None);
}

#[test]
fn a_refund_gives_back_what_has_not_passed_and_no_more() {
    for limit in [RateLimit::together(rate(1, 1), 2), RateLimit::by_key(rate(1, 1), 2, 100)] {
        let at = |milliseconds: u64| Duration::from_millis(100_000 + milliseconds);
        let remaining = |now| limit.charge(5, now).map(|charge| charge.standing.remaining);
        let first = charge_all([(&limit, 5)].into_iter(), at(0), || at(0)).unwrap();
        assert_eq!(remaining(at(0)), Ok(0));
        assert!(remaining(at(0)).is_err());
        refund_all([&limit].into_iter(), &first, || at(0));
        assert_eq!(remaining(at(0)), Ok(0), "it was given back whole");
        // Long after, nothing of a charge is left that could be given back.
        let late = limit.charge(5, at(10_000)).unwrap();
        assert_eq!(remaining(at(11_500)), Ok(1));
        limit.refund(late, || at(11_500));
        assert_eq!(remaining(at(11_500)), Ok(0), "the second charge stays");
        assert!(remaining(at(11_500)).is_err());
    }
}

/// A thread that gives back a charge was once stopped on the way, with a time from before, and gave back what another one had
/// been charged meanwhile: one request more than the rate passed. Four threads on a busy machine showed it.
#[test]
fn what_is_given_back_late_is_not_what_another_was_charged() {
    let (before, after) = (Duration::from_secs(100), Duration::from_secs(101));
    for limit in [RateLimit::together(rate(1, 1), 1), RateLimit::by_key(rate(1, 1), 1, 1024)] {
        let charge = limit.charge(5, before).unwrap();
        let looks = Cell::new(0);
        limit.refund(charge, || {
            looks.set(looks.get() + 1);
            if looks.get() > 1 {
                return after;
            }
            // It has looked at the clock, and somebody else comes before it goes on.
            limit.charge(5, after).unwrap();
            before
        });
        assert!(limit.charge(5, after).is_err(), "two at once");
        assert!(limit.charge(5, after + Duration::from_secs(1)).is_ok());
    }
}
