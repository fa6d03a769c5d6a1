//! What the configuration says of repeats.

use std::time::Duration;

use super::backoff::Backoff;
use super::budget::BudgetRule;
use super::safety::Cause;

/// What is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetryOn {
    /// The server could not be connected to. Passing over it is free and always done; this word only states it.
    ConnectFailure,
    /// The connection broke before the answer's head was whole.
    Reset,
    /// The answer's head did not come in time.
    Timeout,
    /// This status.
    Status(u16),
}

/// The retry policy of an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RetryPolicy {
    /// Attempts in total, the first included; counts those of which a byte may have been sent. At least 1.
    pub attempts: u32,
    /// What is tried again.
    pub on: Vec<RetryOn>,
    /// Time for each try until the answer's head; `None` leaves it to the upstream's `head` timeout.
    pub per_try_timeout: Option<Duration>,
    /// What repeats of all requests are paid from; `None` for as many as `attempts` allows.
    pub budget: Option<BudgetRule>,
    /// How long to wait before a repeat.
    pub backoff: Backoff,
}

impl Default for RetryPolicy {
    /// One repeat on reset, beside passing over (`semantics.md` §4.4).
    fn default() -> Self {
        Self {
            attempts: 2,
            on: vec![RetryOn::ConnectFailure, RetryOn::Reset],
            per_try_timeout: None,
            budget: Some(BudgetRule::default()),
            backoff: Backoff::default(),
        }
    }
}

impl RetryPolicy {
    /// Whether a try that failed this way shall be repeated, as far as the policy is concerned.
    pub fn wants(&self, cause: Cause) -> bool {
        match cause {
            Cause::Reset => self.on.contains(&RetryOn::Reset),
            Cause::Timeout => self.on.contains(&RetryOn::Timeout),
            Cause::Garbage => false,
        }
    }

    /// Whether it may repeat anything of which a byte was sent. Where it does not, nothing has to be kept for that.
    pub fn repeats(&self) -> bool {
        self.attempts > 1 && self.on.iter().any(|on| *on != RetryOn::ConnectFailure)
    }

    /// Whether an answer with this status shall be thrown away and the request repeated, as far as the policy is concerned.
    pub fn wants_status(&self, status: u16) -> bool {
        self.on.contains(&RetryOn::Status(status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_wants_what_it_names() {
        let none = RetryPolicy { attempts: 3, on: vec![], ..RetryPolicy::default() };
        let all =
            RetryPolicy { on: vec![RetryOn::Reset, RetryOn::Timeout, RetryOn::Status(503)], ..none.clone() };
        assert!(all.wants(Cause::Reset) && all.wants(Cause::Timeout) && !all.wants(Cause::Garbage));
        assert!(!none.wants(Cause::Reset) && !none.wants(Cause::Timeout));
        assert!(all.wants_status(503) && !all.wants_status(502) && !none.wants_status(503));
        let usual = RetryPolicy::default();
        assert!(usual.wants(Cause::Reset) && !usual.wants(Cause::Timeout) && usual.attempts == 2);
    }

    #[test]
    fn a_policy_that_repeats_nothing_says_so() {
        let policy =
            |attempts, on: &[RetryOn]| RetryPolicy { attempts, on: on.to_vec(), ..RetryPolicy::default() };
        assert!(RetryPolicy::default().repeats());
        assert!(policy(2, &[RetryOn::Status(503)]).repeats() && policy(9, &[RetryOn::Timeout]).repeats());
        assert!(!policy(1, &[RetryOn::Reset]).repeats());
        assert!(!policy(9, &[]).repeats() && !policy(9, &[RetryOn::ConnectFailure]).repeats());
    }
}
