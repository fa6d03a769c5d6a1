//! What each server of an upstream may get of its requests now.
//!
//! A server has its weight when it is healthy, less while it starts slowly, and nothing when it is unreachable, ejected or
//! taken out by somebody. When too little is left, those who are left would break down under the load of all, and it is more
//! likely that the checks are wrong than that nearly everybody is: then what was found out about health is ignored
//! (*panic*). What people said is never ignored.

use super::state::State;

/// Below this percentage of the weight panic begins, unless the configuration says otherwise. So low that a pool of five
/// goes on with its last server, and above zero, so that a pool of which nothing is left is asked all the same: a request
/// that may fail is worth more than one that does.
pub const PANIC_PERCENT: u32 = 10;

/// A thousandth is the finest step in which a server may start slowly.
pub const WHOLE_PERMILLE: u32 = 1000;

/// A server, as far as its share depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Its configured share.
    pub weight: u32,
    /// Its state.
    pub state: State,
    /// Whether it is ejected because requests to it failed.
    pub is_ejected: bool,
    /// Whether it was, and some requests try it: it has its share, of which only a few requests get through, so it is no server
    /// that is left.
    pub is_tried: bool,
    /// How much of its weight it gets, in thousandths, because it started a moment ago; at most [`WHOLE_PERMILLE`].
    pub warmth_permille: u32,
}

/// What servers may get.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shares {
    /// One for each server; 0 is nothing. Only their proportions mean something.
    pub of: Vec<u32>,
    /// Whether health is ignored, because too few are left.
    pub panic: bool,
}

/// The shares of these servers. `panic_percent` is of the weight of all whom nobody has taken out.
pub fn shares(standings: &[Standing], panic_percent: u32) -> Shares {
    let any_healthy = standings.iter().any(|it| it.state == State::Healthy && it.weight > 0);
    let is_willing = |it: &Standing| match it.state {
        State::NotInitiated | State::Healthy | State::Unreachable => true,
        State::Draining | State::Disabled => false,
    };
    let gets_some = |it: &Standing| match it.state {
        State::Healthy => !it.is_ejected,
        // `semantics.md` §4.4
        State::NotInitiated => !any_healthy && !it.is_ejected,
        State::Unreachable | State::Draining | State::Disabled => false,
    };
    let is_available = |it: &Standing| gets_some(it) && !it.is_tried;
    let weight_of = |included: &dyn Fn(&Standing) -> bool| -> u64 {
        standings.iter().filter(|it| included(it)).map(|it| u64::from(it.weight)).sum()
    };
    // Those who wait for their first check are not missing while somebody else is there.
    let counts = |it: &Standing| is_willing(it) && (it.state != State::NotInitiated || is_available(it));
    let (left, all) = (weight_of(&is_available), weight_of(&counts));
    let panic = left * 100 < all * u64::from(panic_percent);
    if panic {
        let of = standings.iter().map(|it| if is_willing(it) { it.weight } else { 0 });
        return Shares { of: of.collect(), panic };
    }
    let cold = |it: &Standing| gets_some(it) && it.warmth_permille < WHOLE_PERMILLE;
    let scale = if standings.iter().any(cold) { WHOLE_PERMILLE } else { 1 };
    let share = |it: &Standing| match (gets_some(it), scale) {
        (false, _) => 0,
        (true, 1) => it.weight,
        // One that begins gets something, or it would never get warm.
        (true, _) if it.weight > 0 => it.weight.saturating_mul(it.warmth_permille.min(scale)).max(1),
        (true, _) => 0,
    };
    Shares { of: standings.iter().map(share).collect(), panic }
}

#[cfg(test)]
mod tests {
    use super::*;
    use State::{Disabled, Draining, Healthy, NotInitiated, Unreachable};

    const USUAL: Standing = Standing {
        weight: 1,
        state: Healthy,
        is_ejected: false,
        is_tried: false,
        warmth_permille: WHOLE_PERMILLE,
    };

    fn of(states: &[State]) -> Shares {
        let standings: Vec<_> = states.iter().map(|state| Standing { state: *state, ..USUAL }).collect();
        shares(&standings, PANIC_PERCENT)
    }

    fn check(states: &[State], expected: &[u32], panic: bool) {
        assert_eq!(of(states), Shares { of: expected.to_vec(), panic }, "{states:?}");
    }

    #[test]
    fn who_gets_something_by_state() {
        check(&[Healthy, Healthy, Unreachable], &[1, 1, 0], false);
        check(&[Healthy, Draining, Disabled], &[1, 0, 0], false);
        check(&[Healthy, NotInitiated, NotInitiated], &[1, 0, 0], false);
        check(&[NotInitiated, NotInitiated, Unreachable], &[1, 1, 0], false);
        check(&[], &[], false);
    }

    #[test]
    fn the_last_of_five_goes_on_alone() {
        check(&[Unreachable, Unreachable, Unreachable, Unreachable, Healthy], &[0, 0, 0, 0, 1], false);
    }

    #[test]
    fn when_nobody_is_left_everybody_is_asked_but_those_whom_people_took_out() {
        check(&[Unreachable, Unreachable, Disabled, Draining], &[1, 1, 0, 0], true);
        check(&[Disabled, Draining], &[0, 0], false);
    }

    #[test]
    fn panic_begins_below_its_threshold_and_not_at_it() {
        let standings: Vec<_> = (0..10)
            .map(|number| Standing { state: if number < 5 { Healthy } else { Unreachable }, ..USUAL })
            .collect();
        assert!(!shares(&standings, 50).panic);
        assert!(shares(&standings, 51).panic);
        assert!(!shares(&[Standing { state: Unreachable, ..USUAL }], 0).panic);
    }

    #[test]
    fn a_server_that_is_ejected_gets_nothing_until_panic() {
        let ejected = Standing { is_ejected: true, ..USUAL };
        assert_eq!(shares(&[USUAL, ejected], 10).of, [1, 0]);
        assert_eq!(shares(&[ejected, ejected], 10), Shares { of: vec![1, 1], panic: true });
    }

    /// All servers were ejected and are tried at the same time: a few requests for each are not all that there are.
    #[test]
    fn a_server_that_is_tried_has_its_share_and_is_none_that_is_left() {
        let tried = Standing { is_tried: true, ..USUAL };
        assert_eq!(shares(&[USUAL, tried], 10), Shares { of: vec![1, 1], panic: false });
        assert_eq!(shares(&[tried, tried], 10), Shares { of: vec![1, 1], panic: true });
        let unreachable = Standing { state: Unreachable, ..tried };
        assert_eq!(shares(&[USUAL, unreachable], 10).of, [1, 0]);
    }

    #[test]
    fn a_cold_server_gets_a_part_of_its_weight_and_never_nothing() {
        let cold = |warmth_permille| Standing { warmth_permille, ..USUAL };
        assert_eq!(shares(&[USUAL, cold(250)], 10).of, [1000, 250]);
        assert_eq!(shares(&[USUAL, cold(0)], 10).of, [1000, 1]);
        let heavy = Standing { weight: u32::MAX, ..cold(500) };
        assert_eq!(shares(&[heavy, cold(1)], 10).of, [u32::MAX, 1]);
        assert_eq!(shares(&[Standing { weight: 0, ..USUAL }, cold(1)], 10).of, [0, 1]);
    }

    #[test]
    fn those_not_yet_checked_are_not_missing_while_others_are_there() {
        let mut states = vec![NotInitiated; 99];
        states.push(Healthy);
        let found = of(&states);
        assert!(!found.panic && found.of.iter().sum::<u32>() == 1);
    }
}
