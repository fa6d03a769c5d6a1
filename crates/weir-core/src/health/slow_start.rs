//! Giving a server that has just come its share little by little.
//!
//! A server that was started a moment ago has cold caches and no connections, and a full share at once makes it slow or
//! takes it down again. Its share grows with time in steps of a tenth of its weight; the first one it has from the beginning.
//! Steps, because each change of a share makes a new rotation; ten of them are as good as any number for a server that warms
//! up.

use std::time::Duration;

use super::shares::WHOLE_PERMILLE;

/// Steps to the full share.
const STEPS: u32 = 10;

/// The step of a server that came so long ago, from 1 to [`STEPS`], where all steps together take `ramp`.
fn step(age: Duration, ramp: Duration) -> u32 {
    if age >= ramp {
        return STEPS;
    }
    let passed = age.as_nanos() * u128::from(STEPS) / ramp.as_nanos().max(1);
    u32::try_from(passed).unwrap_or(STEPS).clamp(1, STEPS)
}

/// The part of its weight that a server gets which came so long ago, in thousandths.
pub fn warmth_permille(age: Duration, ramp: Duration) -> u32 {
    step(age, ramp) * (WHOLE_PERMILLE / STEPS)
}

/// How old it is when the next step is due; `None` at the last one.
pub fn next_step_at(age: Duration, ramp: Duration) -> Option<Duration> {
    if age >= ramp {
        return None;
    }
    // Rounded up, so that the step has really come by then.
    let nanos = (ramp.as_nanos() * u128::from(step(age, ramp) + 1)).div_ceil(u128::from(STEPS));
    Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(ramp))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAMP: Duration = Duration::from_secs(30);

    #[test]
    fn a_share_grows_from_a_tenth_to_all_of_it() {
        let check =
            |seconds, expected| assert_eq!(step(Duration::from_secs(seconds), RAMP), expected, "{seconds}");
        check(0, 1);
        check(2, 1);
        check(3, 1);
        check(6, 2);
        check(15, 5);
        check(29, 9);
        check(30, 10);
        check(1_000_000, 10);
        assert_eq!(warmth_permille(Duration::ZERO, RAMP), WHOLE_PERMILLE / 10);
        assert_eq!(warmth_permille(RAMP, RAMP), WHOLE_PERMILLE);
    }

    #[test]
    fn without_a_ramp_there_are_no_steps() {
        assert_eq!(step(Duration::ZERO, Duration::ZERO), STEPS);
        assert_eq!(next_step_at(Duration::ZERO, Duration::ZERO), None);
    }

    /// Waking up at each step as it is foretold reaches the end, and each wake-up finds another step, whatever the ramp is.
    #[test]
    fn each_step_comes_when_it_was_foretold() {
        for ramp in
            [RAMP, Duration::from_millis(100), Duration::from_nanos(7), Duration::from_nanos(999_999_937)]
        {
            let (mut age, mut steps) = (Duration::ZERO, vec![step(Duration::ZERO, ramp)]);
            while let Some(next) = next_step_at(age, ramp) {
                assert!(next > age, "{ramp:?}");
                age = next;
                steps.push(step(age, ramp));
            }
            assert_eq!(steps.last(), Some(&STEPS));
            assert!(steps.windows(2).all(|pair| pair[0] < pair[1]), "{ramp:?}: {steps:?}");
            assert!(steps.len() <= STEPS as usize);
        }
    }
}
