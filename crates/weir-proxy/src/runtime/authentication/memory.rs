//! What a worker knows of proofs that it saw a moment ago.
//!
//! A client sends its credential with every request; holding a password against its hash each time would cost it tens
//! of milliseconds for each. What is remembered is a mark, which nobody can turn back into the proof and nobody outside
//! of this worker can make. It is a mark of all that the outcome follows from, the stored hash included: when that changes
//! with a new configuration, what was remembered is never found again.

use std::cell::{OnceCell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use tokio::time::Instant;
use weir_auth::jwt::claims::Verified;
use weir_auth::mark::{Mark, Marker};

use super::passwords::Outcome;
use super::remembered::Remembered;

/// How long a password that held is taken without looking again. Not for ever, so that it is not in memory, not even as a
/// mark, long after its client has left.
const PASSWORD_HELD_TIME: Duration = Duration::from_secs(60);

/// How long a password that did not hold is refused without looking again: a client that sends the same wrong one over and
/// over costs little. It can't become right before the stored hash changes, which makes another mark.
const PASSWORD_FAILED_TIME: Duration = Duration::from_secs(5);

/// Passwords that held, in each generation.
const PASSWORDS_HELD_MAX: usize = 512;

/// Passwords that did not hold or are being looked at, in each generation; apart from those that held, so that a flood of
/// wrong ones pushes no good one out.
const PASSWORDS_FAILED_MAX: usize = 128;

/// Tokens, in each generation. A token has at most 8 KiB and what it says less, so this is a few megabytes at worst.
const TOKENS_MAX: usize = 512;

/// The memory of one worker. Takes nothing before the first proof that is worth remembering.
#[derive(Debug, Default)]
pub struct ProofMemory {
    inner: OnceCell<Option<Box<Inner>>>,
}

#[derive(Debug)]
struct Inner {
    marker: Marker,
    held: RefCell<Remembered<Instant>>,
    failed: RefCell<Remembered<Unproved>>,
    tokens: RefCell<Remembered<Rc<Verified>>>,
}

#[derive(Debug)]
enum Unproved {
    /// It did not hold, and is not looked at again until then.
    Until(Instant),
    /// Somebody waits for the outcome; when all have left, nobody does.
    Pending(Weak<Outcome>),
}

/// What is known of a password.
#[derive(Debug)]
pub enum Known {
    /// It held, or did not, a moment ago.
    Outcome(bool),
    /// Others wait for the same.
    Pending(Rc<Outcome>),
    /// Nothing.
    Nothing,
}

impl ProofMemory {
    fn inner(&self) -> Option<&Inner> {
        // Without random numbers nothing is remembered, and all is worked out each time.
        self.inner
            .get_or_init(|| {
                let marker = Marker::new().ok()?;
                Some(Box::new(Inner {
                    marker,
                    held: RefCell::new(Remembered::new(PASSWORDS_HELD_MAX)),
                    failed: RefCell::new(Remembered::new(PASSWORDS_FAILED_MAX)),
                    tokens: RefCell::new(Remembered::new(TOKENS_MAX)),
                }))
            })
            .as_deref()
    }

    /// The mark of these parts.
    pub fn mark(&self, parts: &[&[u8]]) -> Option<Mark> {
        self.inner().map(|inner| inner.marker.mark(parts))
    }

    /// What is known of the password with this mark.
    pub fn password(&self, mark: &Mark, now: Instant) -> Known {
        let Some(inner) = self.inner() else { return Known::Nothing };
        if let Some(until) = inner.held.borrow_mut().get(mark)
            && now < *until
        {
            return Known::Outcome(true);
        }
        match inner.failed.borrow_mut().get(mark) {
            Some(Unproved::Until(until)) if now < *until => Known::Outcome(false),
            Some(Unproved::Pending(outcome)) => outcome.upgrade().map_or(Known::Nothing, Known::Pending),
            Some(Unproved::Until(_)) | None => Known::Nothing,
        }
    }

    /// Notes that the password with this mark is being looked at.
    pub fn password_pending(&self, mark: Mark, outcome: &Rc<Outcome>) {
        if let Some(inner) = self.inner() {
            inner.failed.borrow_mut().insert(mark, Unproved::Pending(Rc::downgrade(outcome)));
        }
    }

    /// Notes whether the password with this mark held.
    pub fn password_looked_at(&self, mark: Mark, holds: bool, now: Instant) {
        let Some(inner) = self.inner() else { return };
        if holds {
            inner.failed.borrow_mut().remove(&mark);
            inner.held.borrow_mut().insert(mark, now + PASSWORD_HELD_TIME);
        } else {
            inner.held.borrow_mut().remove(&mark);
            inner.failed.borrow_mut().insert(mark, Unproved::Until(now + PASSWORD_FAILED_TIME));
        }
    }
}

impl ProofMemory {
    /// What the token with this mark says, if it is good at `now`, which is the time since 1970.
    pub fn token(&self, mark: &Mark, now: Duration) -> Option<Rc<Verified>> {
        let mut tokens = self.inner()?.tokens.borrow_mut();
        tokens.get(mark).filter(|claims| now < claims.until).map(Rc::clone)
    }

    /// Notes what the token with this mark says.
    pub fn token_held(&self, mark: Mark, claims: &Rc<Verified>) {
        if let Some(inner) = self.inner() {
            inner.tokens.borrow_mut().insert(mark, Rc::clone(claims));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::sync::watch;
    use weir_upstream::io::deadline::now;

    use super::*;

    fn check(memory: &ProofMemory, mark: &Mark, at: Instant, expected: &str) {
        let known = match memory.password(mark, at) {
            Known::Outcome(true) => "held",
            Known::Outcome(false) => "failed",
            Known::Pending(_) => "pending",
            Known::Nothing => "nothing",
        };
        assert_eq!(known, expected);
    }

    #[test]
    fn outcomes_are_remembered_for_their_time() {
        let memory = ProofMemory::default();
        let now = now();
        let [good, bad] = [b"a", b"b"].map(|part| memory.mark(&[part]).unwrap());
        check(&memory, &good, now, "nothing");
        memory.password_looked_at(good, true, now);
        memory.password_looked_at(bad, false, now);
        check(&memory, &good, now + PASSWORD_HELD_TIME - Duration::from_millis(1), "held");
        check(&memory, &good, now + PASSWORD_HELD_TIME, "nothing");
        check(&memory, &bad, now + PASSWORD_FAILED_TIME - Duration::from_millis(1), "failed");
        check(&memory, &bad, now + PASSWORD_FAILED_TIME, "nothing");
    }

    #[test]
    fn a_token_is_good_until_its_end() {
        let memory = ProofMemory::default();
        let mark = memory.mark(&[b"a.b.c"]).unwrap();
        let until = Duration::from_secs(100);
        let claims = Rc::new(Verified { subject: "alice".into(), fields: Vec::new(), until });
        memory.token_held(mark, &claims);
        assert_eq!(memory.token(&mark, until - Duration::from_nanos(1)), Some(claims));
        assert_eq!(memory.token(&mark, until), None);
        assert_eq!(memory.token(&memory.mark(&[b"a.b.d"]).unwrap(), Duration::ZERO), None);
    }

    #[test]
    fn a_flood_of_wrong_passwords_pushes_no_good_one_out() {
        let memory = ProofMemory::default();
        let now = now();
        let good = memory.mark(&[b"good"]).unwrap();
        memory.password_looked_at(good, true, now);
        for number in 0..10_000u32 {
            memory.password_looked_at(memory.mark(&[&number.to_le_bytes()]).unwrap(), false, now);
        }
        check(&memory, &good, now, "held");
    }

    #[test]
    fn nobody_waits_for_what_nobody_works_out() {
        let memory = ProofMemory::default();
        let now = now();
        let mark = memory.mark(&[b"a"]).unwrap();
        let (_sender, receiver) = watch::channel(None);
        let outcome = Rc::new(receiver);
        memory.password_pending(mark, &outcome);
        check(&memory, &mark, now, "pending");
        drop(outcome);
        check(&memory, &mark, now, "nothing");
    }
}
