//! A number of permits that may become another one while some are held: a configuration that comes into force says how many there are,
//! and nobody is cut because there are fewer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

/// A number of permits that may change while some are held.
#[derive(Debug)]
pub struct PermitCount {
    permits: Semaphore,
    /// How many there are, held ones included.
    max: Mutex<usize>,
    /// How many of those that are held go when they come back.
    owed: AtomicUsize,
}

/// A permit, for as long as it lives.
#[derive(Debug)]
#[must_use = "dropping it gives it back"]
pub struct Permit(Arc<PermitCount>);

impl Drop for Permit {
    fn drop(&mut self) {
        let pay = |owed: usize| owed.checked_sub(1);
        let owed = &self.0.owed;
        // Mostly nothing is owed, and looking is cheaper than writing.
        if owed.load(Ordering::Relaxed) == 0
            || owed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay).is_err()
        {
            self.0.permits.add_permits(1);
        }
    }
}

impl PermitCount {
    /// The most that there may be; more mean as many as this.
    pub const MAX: usize = Semaphore::MAX_PERMITS;

    /// So many.
    pub fn new(max: usize) -> Arc<Self> {
        let max = max.min(Self::MAX);
        Arc::new(Self { permits: Semaphore::new(max), max: Mutex::new(max), owed: AtomicUsize::new(0) })
    }

    /// A permit, when it is our turn. Cancel safe.
    pub async fn take(self: &Arc<Self>) -> Permit {
        if let Ok(taken) = self.permits.acquire().await {
            taken.forget();
        }
        // It is never closed, so this gives back what was taken.
        Permit(Arc::clone(self))
    }

    /// Whether whoever asks for one now has to wait.
    pub fn are_out(&self) -> bool {
        self.permits.available_permits() == 0
    }

    /// Makes them so many. Where there are fewer than before, those that are held beyond that go when they come back.
    pub fn resize(&self, max: usize) {
        let max = max.min(Self::MAX);
        let mut known = self.max.lock().unwrap_or_else(PoisonError::into_inner);
        match known.checked_sub(max) {
            Some(fewer) => {
                let gone = self.permits.forget_permits(fewer);
                self.owed.fetch_add(fewer - gone, Ordering::Relaxed);
            }
            None => {
                let mut more = max - *known;
                let pay = |owed: usize| Some(owed.saturating_sub(more));
                let owed = self.owed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay).unwrap_or(0);
                more -= owed.min(more);
                self.permits.add_permits(more);
            }
        }
        *known = max;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_number_that_changes_counts_those_who_are_there() {
        let number = PermitCount::new(3);
        let mut held = vec![number.take().await, number.take().await, number.take().await];
        number.resize(1);
        held.pop();
        assert_eq!(number.permits.available_permits(), 0, "two are there still");
        held.pop();
        assert_eq!(number.permits.available_permits(), 0);
        number.resize(2);
        assert_eq!(number.permits.available_permits(), 1);
        number.resize(1);
        held.pop();
        assert_eq!(number.permits.available_permits(), 1);
        // Twice less, then more than is owed.
        held.push(number.take().await);
        number.resize(0);
        number.resize(4);
        assert_eq!(number.permits.available_permits(), 3);
        drop(held);
        assert_eq!(number.permits.available_permits(), 4);
    }
}
