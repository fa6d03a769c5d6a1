//! When a wave is over: much was there, little is there, and has been for a while.
//!
//! A worker gives the memory of a wave back then. Not at once, because connections that have just become idle keep what the next request
//! needs, and because waves often come back; and not every while, because what is given back must be asked for again.

/// Looks for which little must have been there.
const LOOKS: u32 = 3;

/// What is too little to be a wave.
const WAVE_MIN: u64 = 64;

/// Watches one number, from one regular look to the next.
#[derive(Debug, Default)]
pub struct Ebb {
    /// The most that has been there since the last wave was over.
    most: u64,
    /// Looks since there was last more than half of that.
    low: u32,
}

impl Ebb {
    /// So much is there now. Says whether a wave is over.
    pub fn look(&mut self, there: u64) -> bool {
        self.most = self.most.max(there);
        if self.most < WAVE_MIN || there > self.most / 2 {
            self.low = 0;
            return false;
        }
        self.low += 1;
        if self.low < LOOKS {
            return false;
        }
        *self = Self { most: there, low: 0 };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Ebb;

    /// At which looks a wave is over.
    fn check(numbers: &[u64], expected: &[usize]) {
        let mut ebb = Ebb::default();
        let over: Vec<usize> =
            numbers.iter().enumerate().filter(|(_, there)| ebb.look(**there)).map(|(look, _)| look).collect();
        assert_eq!(over, expected, "{numbers:?}");
    }

    #[test]
    fn a_wave_is_over_when_it_has_stayed_away() {
        check(&[0, 100, 0, 0, 0, 0, 0, 0, 0, 0], &[4]);
        check(&[100, 50, 50, 50, 50, 50], &[3]);
    }

    #[test]
    fn what_stays_is_no_wave_nor_what_is_small() {
        check(&[100; 20], &[]);
        check(&[100, 51, 51, 51, 51, 51, 51], &[]);
        check(&[63, 0, 0, 0, 0, 0, 0], &[]);
        check(&[0; 10], &[]);
    }

    #[test]
    fn one_that_comes_back_in_time_goes_on() {
        check(&[1000, 0, 0, 900, 0, 0, 900, 10, 10, 10], &[9]);
    }

    #[test]
    fn a_long_ebb_is_looked_at_in_halves() {
        check(&[4000, 2000, 2000, 2000, 1000, 1000, 1000, 1000, 0, 0, 0], &[3, 6, 10]);
        check(&[u64::MAX, 0, 0, 0, 0], &[3]);
    }
}
