//! Times that wrap around, ticks that are not felt, and what a key is told.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn pace(count: u32, per: u64, burst: u32) -> Pace {
    Pace::new(Rate { count, per: SECOND * u32::try_from(per).unwrap_or(u32::MAX) }, burst)
}

#[test]
fn ticks_are_fine_and_times_last_long() {
    for (count, per, burst) in [
        (1, 86_400, 1),
        (1, 3600, 1_000_000),
        (10, 60, 10),
        (100, 1, 50),
        (16_384, 1, 100),
        (1_000_000, 1, 1_000_000),
    ] {
        let pace = pace(count, per, burst);
        let interval = SECOND.as_nanos() * u128::from(per) / u128::from(count);
        let tick = pace.duration(1).as_nanos();
        let fine = if count > 16_384 { interval >> 4 } else { 8_000.max(interval / 1_000_000) };
        assert!(tick <= fine + 1, "{count}/{per}: a tick of {tick} ns");
        assert!(pace.burst_ticks() + 2 * pace.skew < 1 << (TIME_BITS - 2), "{count}/{per}");
        let days = pace.duration(TIME_MASK).as_secs() / 86_400;
        assert!(days >= 12, "{count}/{per} comes around after {days} days");
    }
}

#[test]
fn the_clock_of_a_rule_neither_gains_nor_loses() {
    for (count, per) in [(1, 3600), (7, 60), (3, 1), (999_983, 1)] {
        let pace = pace(count, per, 1);
        for seconds in [1, 60, 3600, 86_400 * 365 * 10] {
            let ticks = u128::from(pace.ticks(SECOND * seconds));
            let exact = u128::from(seconds) * u128::from(count) * u128::from(pace.cost) / u128::from(per);
            // Never ahead of the exact one: a rate is never exceeded. Behind by less than 10⁻⁹.
            assert!(
                ticks <= exact && exact - ticks <= 1 + exact / 1_000_000_000,
                "{count}/{per} after {seconds} s"
            );
        }
    }
}

#[test]
fn only_times_near_now_mean_anything() {
    let pace = pace(100, 1, 50);
    let burst = pace.burst_ticks();
    for now in [0, 1, TIME_MASK / 2, TIME_MASK - 1, TIME_MASK] {
        let now = Ticks(now);
        for ahead in [0, 1, burst - 1, burst] {
            assert_eq!(pace.ahead(pace.word(1, ahead, now), now), ahead);
        }
        let past = |back: u64| 1 << TIME_BITS | now.0.wrapping_sub(back) & TIME_MASK;
        for back in [1, pace.skew, pace.skew + 1, TIME_MASK / 2] {
            assert_eq!(pace.ahead(past(back), now), 0, "{back} ticks ago");
        }
        assert!(pace.lead(past(1), now) > pace.lead(past(2), now), "of two that have passed, one is later");
        assert_eq!(pace.lead(past(pace.skew + 1), now), 0, "long over");
        let farthest = 2 * burst + pace.skew;
        assert_eq!(pace.ahead(pace.word(1, farthest, now), now), farthest);
        assert_eq!(pace.lead(pace.word(1, farthest + 1, now), now), 0, "nobody is so far ahead");
        assert_eq!(pace.lead(now.0, now), 0, "nobody has used it");
    }
}

#[test]
fn several_together_are_never_less_than_they_are_from_whenever_it_is_told() {
    let pace = pace(100, 1, 3);
    let cost = pace.cost;
    // How far ahead each is, in requests: as many as that have been used together.
    for (each, used) in [(vec![0], 0), (vec![1], 1), (vec![1, 1], 2), (vec![1, 2], 3), (vec![1, 1, 1], 3)] {
        for since in (0..10).map(|count| count * cost / 2) {
            let together = pace.together(each.iter().map(|count| count * cost + since));
            assert!(together >= used * cost + since, "{each:?}, {since} ticks later");
            assert!(together <= 2 * pace.burst_ticks() + since, "{each:?}, {since} ticks later");
        }
        assert_eq!(pace.together(each.iter().map(|count| count * cost)), used * cost, "{each:?}");
    }
}

#[test]
fn seconds_are_rounded_up_and_ticks_are_not_felt() {
    for (milliseconds, seconds) in [(0, 0), (1, 0), (2, 1), (999, 1), (1001, 1), (1002, 2), (6000, 6)] {
        assert_eq!(whole_seconds(Duration::from_millis(milliseconds)), seconds, "{milliseconds} ms");
    }
}

#[test]
fn what_is_told_of_a_key_is_what_holds() {
    let pace = pace(10, 1, 5);
    let mut ahead = 0;
    for left in (0..5).rev() {
        assert_eq!(pace.wait(ahead), Duration::ZERO);
        let Some(next) = pace.after_one_more(ahead) else { panic!("{left} are left") };
        ahead = next;
        let reset = Duration::from_millis(100 * (5 - u64::from(left)));
        assert_eq!(pace.standing(ahead), Standing { limit: 5, remaining: left, reset });
    }
    assert_eq!(pace.after_one_more(ahead), None);
    let wait = pace.wait(ahead);
    let tick = pace.duration(1);
    assert!(wait >= Duration::from_millis(100) && wait <= Duration::from_millis(100) + 2 * tick, "{wait:?}");
}
