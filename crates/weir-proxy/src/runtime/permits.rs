//! What may be in progress at once in the whole process.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use weir_config::model::Limits;
use weir_upstream::io::descriptors::Descriptors;

/// Permits that all workers share. Each is asked for once per connection.
#[derive(Debug, Clone)]
pub struct Permits {
    /// For client connections; those without a limit have one that nobody reaches, so that it may become another one while
    /// they are open.
    connections: Arc<Number>,
    /// For TLS handshakes.
    handshakes: Arc<Number>,
    /// Which file descriptors client connections may have.
    pub descriptors: Descriptors,
}

/// A number of permits that may change while some are held.
#[derive(Debug)]
struct Number {
    permits: Semaphore,
    /// How many there are, held ones included.
    max: Mutex<usize>,
    /// How many of those that are held go when they come back.
    owed: AtomicUsize,
}

/// A permit, for as long as it lives.
#[derive(Debug)]
#[must_use = "dropping it gives it back"]
pub struct Permit(Arc<Number>);

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

impl Number {
    fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { permits: Semaphore::new(max), max: Mutex::new(max), owed: AtomicUsize::new(0) })
    }

    /// A permit, when it is our turn. Cancel safe.
    async fn take(self: &Arc<Self>) -> Permit {
        if let Ok(taken) = self.permits.acquire().await {
            taken.forget();
        }
        // It is never closed, so this gives back what was taken.
        Permit(Arc::clone(self))
    }

    /// Makes them so many. Where there are fewer than before, those that are held beyond that go when they come back.
    fn resize(&self, max: usize) {
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

impl Permits {
    /// As many as the limits say.
    pub fn new(limits: &Limits, descriptors: Descriptors) -> Self {
        let (connections, handshakes) = numbers(limits);
        Self { connections: Number::new(connections), handshakes: Number::new(handshakes), descriptors }
    }

    /// From now on as many as these limits say.
    pub(super) fn resize(&self, limits: &Limits) {
        let (connections, handshakes) = numbers(limits);
        self.connections.resize(connections);
        self.handshakes.resize(handshakes);
    }

    /// A permit for a client connection, when it is its turn. Cancel safe.
    pub(crate) async fn connection(&self) -> Permit {
        self.connections.take().await
    }

    /// Whether whoever asks for one now has to wait.
    pub(crate) fn connections_are_out(&self) -> bool {
        self.connections.permits.available_permits() == 0
    }

    /// The same of handshakes.
    pub(crate) fn handshakes_are_out(&self) -> bool {
        self.handshakes.permits.available_permits() == 0
    }

    /// The same for a TLS handshake.
    pub(crate) async fn handshake(&self) -> Permit {
        self.handshakes.take().await
    }
}

fn numbers(limits: &Limits) -> (usize, usize) {
    let most = Semaphore::MAX_PERMITS;
    (limits.connections.map_or(most, |max| max.min(most)), limits.handshakes.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_number_that_changes_counts_those_who_are_there() {
        let number = Number::new(3);
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
