//! Schedules: exact over a cycle, smooth inside it, bounded.

use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, prop_assume, proptest};

use super::*;

fn check(weights: &[u32], expected: &str) {
    let schedule = Schedule::new(weights);
    let letters: String = (0..schedule.len())
        .filter_map(|turn| schedule.at(turn))
        .map(|index| char::from(b'A' + u8::try_from(index).unwrap_or(25)))
        .collect();
    assert_eq!(letters, expected, "{weights:?}");
}

#[test]
fn the_order_is_that_of_nginx() {
    check(&[5, 1, 1], "AABACAA");
    check(&[1, 1, 1], "ABC");
    check(&[3, 1], "AABA");
    check(&[4, 2], "ABA");
    check(&[2, 3], "BABAB");
    check(&[1], "A");
    check(&[700], "A");
}

#[test]
fn nobody_without_weight_has_a_turn() {
    check(&[], "");
    check(&[0], "");
    check(&[0, 0], "");
    check(&[0, 3, 0, 3], "BD");
    check(&[2, 0, 1], "ACA");
    assert_eq!(Schedule::new(&[0, 0]).at(7), None);
    assert_eq!(Schedule::new(&[0, 0]).members(), 2);
}

fn counts(schedule: &Schedule, members: usize) -> Vec<u64> {
    let mut counts = vec![0; members];
    for index in (0..schedule.len()).filter_map(|turn| schedule.at(turn)) {
        counts[index] += 1;
    }
    counts
}

#[test]
fn silly_weights_are_scaled_within_one_turn() {
    for weights in [
        vec![u32::MAX, 1],
        vec![u32::MAX, u32::MAX - 1],
        vec![10_000, 9_999, 1],
        vec![4095, 2],
        (1..=200).collect(),
        [vec![1_000_000], vec![1; 300]].concat(),
    ] {
        let schedule = Schedule::new(&weights);
        let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        assert!(schedule.len() <= SCHEDULE_SLOTS_MAX + weights.len(), "{}", schedule.len());
        for (weight, count) in weights.iter().zip(counts(&schedule, weights.len())) {
            let exact = u128::from(*weight) * SCHEDULE_SLOTS_MAX as u128;
            let off = (u128::from(count) * u128::from(total)).abs_diff(exact);
            assert!(off < u128::from(total), "weight {weight} has {count} turns");
            assert!(count > 0, "weight {weight} has a turn");
        }
    }
}

#[test]
fn many_equal_servers_each_have_one_turn() {
    let schedule = Schedule::new(&[3; 10_000]);
    assert_eq!(schedule.len(), 10_000);
    assert_eq!((schedule.at(0), schedule.at(9_999), schedule.at(10_000)), (Some(0), Some(9_999), Some(0)));
}

proptest! {
    /// Over a cycle each server has exactly its weight in turns, from whatever turn one counts; and at no moment is one
    /// more than a turn per other server ahead of or behind its exact share.
    #[test]
    fn a_cycle_is_exact_and_smooth(weights in prop::collection::vec(0u32..60, 1..20), start in any::<usize>()) {
        let schedule = Schedule::new(&weights);
        let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let cycle = schedule.len();
        prop_assume!(total > 0);
        prop_assert_eq!(total % cycle as u64, 0);
        let divisor = total / cycle as u64;
        let exact: Vec<u64> = weights.iter().map(|weight| u64::from(*weight) / divisor).collect();
        let start = start / 2 / cycle * cycle;
        let mut counts = vec![0u64; weights.len()];
        for turn in 0..cycle {
            counts[schedule.at(start + turn).unwrap_or(usize::MAX)] += 1;
            for (count, exact) in counts.iter().zip(&exact) {
                let due = exact * (turn as u64 + 1);
                let off = (count * cycle as u64).abs_diff(due);
                prop_assert!(off <= cycle as u64 * weights.len() as u64);
                prop_assert!(*exact > 0 || *count == 0);
            }
        }
        prop_assert_eq!(counts, exact);
    }

    /// Two servers of which one has the larger weight: the smaller one's turns lie as far apart as they can.
    #[test]
    fn turns_of_the_lighter_one_are_spread(heavy in 2u32..200) {
        let schedule = Schedule::new(&[heavy, 1]);
        let lone: Vec<usize> = (0..schedule.len() * 2).filter(|turn| schedule.at(*turn) == Some(1)).collect();
        prop_assert_eq!(lone.len(), 2);
        prop_assert_eq!(lone[1] - lone[0], heavy as usize + 1);
    }
}
