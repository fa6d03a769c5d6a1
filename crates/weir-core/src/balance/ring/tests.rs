//! Rings: shares by weight, and how many keys move when servers come and go.

use super::*;
use crate::balance::key::key as hash;

const KEYS: u64 = 5_000;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("10.0.0.{number}:8080")).collect()
}

fn ring(names: &[String], weights: &[u32]) -> Ring {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Ring::new(&names, weights, 125)
}

fn owner<'n>(ring: &Ring, names: &'n [String], number: u64) -> Option<&'n str> {
    let key = hash([format!("user-{number}").as_bytes()]);
    ring.owners(key).next().map(|index| names[index].as_str())
}

/// The share of keys whose owner is another one.
fn moved(before: (&[String], &[u32]), after: (&[String], &[u32])) -> f64 {
    let (old, new) = (ring(before.0, before.1), ring(after.0, after.1));
    let moved =
        (0..KEYS).filter(|number| owner(&old, before.0, *number) != owner(&new, after.0, *number)).count();
    moved as f64 / KEYS as f64
}

#[test]
fn shares_are_by_weight() {
    let check = |weights: &[u32]| {
        let names = names(weights.len());
        let ring = ring(&names, weights);
        let mut counts = vec![0u64; weights.len()];
        for number in 0..KEYS {
            let first = ring.owners(hash([format!("user-{number}").as_bytes()])).next();
            counts[first.expect("somebody has a point")] += 1;
        }
        let total: u32 = weights.iter().sum();
        for (count, weight) in counts.iter().zip(weights) {
            let exact = KEYS as f64 * f64::from(*weight) / f64::from(total);
            assert!((*count as f64 - exact).abs() <= exact * 0.25, "{weights:?}: {counts:?}");
            assert!(*weight > 0 || *count == 0);
        }
    };
    check(&[1]);
    check(&[1, 1, 1]);
    check(&[1; 10]);
    check(&[5, 1, 2]);
    check(&[3, 0, 3]);
    check(&[300, 100]);
}

/// A server that joins gets its share, and one that leaves gives its share away; nobody else's keys move.
#[test]
fn joining_and_leaving_move_the_expected_share() {
    for count in [2usize, 5, 20] {
        let all = names(count + 1);
        let (few, many) = (&all[..count], &all[..]);
        let expected = 1.0 / (count as f64 + 1.0);
        let share = moved((few, &vec![1; count]), (many, &vec![1; count + 1]));
        assert!(share <= expected * 1.3, "{count}: {share}");
        let (old, new) = (ring(few, &vec![1; count]), ring(many, &vec![1; count + 1]));
        for number in 0..KEYS {
            let (before, after) = (owner(&old, few, number), owner(&new, many, number));
            assert!(before == after || after == Some(&all[count]), "a key moved between others");
        }
        // Leaving is the same, from wherever in the list.
        let rest = &all[1..];
        let share = moved((many, &vec![1; count + 1]), (rest, &vec![1; count]));
        assert!(share <= expected * 1.3, "{count}: {share}");
    }
}

#[test]
fn a_change_of_weight_moves_keys_of_that_server_only() {
    let names = names(4);
    let (old, new) = (ring(&names, &[1, 1, 1, 1]), ring(&names, &[1, 2, 1, 1]));
    for number in 0..KEYS {
        let (before, after) = (owner(&old, &names, number), owner(&new, &names, number));
        assert!(before == after || after == Some(&names[1]));
    }
    assert!(moved((&names, &[1, 1, 1, 1]), (&names, &[1, 2, 1, 1])) <= (2.0 / 5.0 - 1.0 / 4.0) * 1.5);
    // Its place in the list is nobody's business.
    let mut turned = names.clone();
    turned.reverse();
    assert!(moved((&names, &[1; 4]), (&turned, &[1; 4])) == 0.0);
}

#[test]
fn large_rings_are_bounded_and_everybody_is_on_them() {
    for (count, weight) in [(3, 1000), (1000, 1), (1000, 1000), (40_000, 2)] {
        let names = names(count);
        let ring = ring(&names, &vec![weight; count]);
        assert!(
            ring.len() as u64 <= RING_POINTS_MAX.max(count as u64),
            "{count} of {weight}: {}",
            ring.len()
        );
        let mut seen = vec![false; count];
        ring.owners(0).for_each(|index| seen[index] = true);
        assert!(seen.into_iter().all(|seen| seen));
    }
}

#[test]
fn an_empty_ring_has_no_owner() {
    assert_eq!(Ring::new(&[], &[], 125).owners(7).next(), None);
    assert!(ring(&names(2), &[0, 0]).is_empty());
}

#[test]
fn the_way_around_begins_at_the_key_and_visits_every_point() {
    let names = names(3);
    let ring = ring(&names, &[1, 1, 1]);
    for key in [0, 1, u64::MAX / 2, u64::MAX] {
        assert_eq!(ring.owners(key).count(), ring.len());
    }
    let last = ring.points[ring.len() - 1].0;
    assert_eq!(
        ring.owners(last).next(),
        Some(ring.points[ring.len() - 1].1 as usize),
        "a point owns its place"
    );
    assert_eq!(
        ring.owners(last + 1).next(),
        Some(ring.points[0].1 as usize),
        "behind the last comes the first"
    );
}
