//! Small numbers for things that come and go, by which tables of workers are indexed.
//!
//! A number is given out again when the thing that had it is gone. So tables grow with what there is at once, and not with
//! what there ever was: servers may join and leave a million times.

use std::sync::{Mutex, PoisonError};

/// Numbers of one kind of things.
#[derive(Debug)]
pub struct Slots(Mutex<Numbers>);

#[derive(Debug)]
struct Numbers {
    free: Vec<usize>,
    next: usize,
}

impl Slots {
    /// None is given out yet.
    pub const fn new() -> Self {
        Self(Mutex::new(Numbers { free: Vec::new(), next: 0 }))
    }

    /// A number that nobody has. Takes a lock; not for a request's way.
    pub fn take(&'static self) -> Slot {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = numbers.free.pop().unwrap_or_else(|| {
            numbers.next += 1;
            numbers.next - 1
        });
        Slot { index, of: self }
    }
}

impl Default for Slots {
    fn default() -> Self {
        Self::new()
    }
}

/// A number that is its holder's as long as this lives.
#[derive(Debug)]
pub struct Slot {
    index: usize,
    of: &'static Slots,
}

impl Slot {
    /// The number.
    pub fn index(&self) -> usize {
        self.index
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.of.0.lock().unwrap_or_else(PoisonError::into_inner).free.push(self.index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_given_out_again_when_nobody_has_it() {
        static NUMBERS: Slots = Slots::new();
        let (first, second) = (NUMBERS.take(), NUMBERS.take());
        assert_eq!((first.index(), second.index()), (0, 1));
        drop(first);
        assert_eq!(NUMBERS.take().index(), 0);
        let third = (NUMBERS.take(), NUMBERS.take());
        assert_eq!((third.0.index(), third.1.index()), (0, 2));
    }
}
