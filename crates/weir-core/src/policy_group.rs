//! What is usual for a policy group: an upstream whose servers register themselves.
//!
//! The configuration may say otherwise of a group, under its name; both sides of that wall find here what is meant by it.

use std::time::Duration;

use crate::health::{HealthCheck, Probe};

/// What stands before the number of a policy in the name of its upstream.
const PREFIX: &str = "policy:";

/// Below which percentage of a group's weight health is ignored: never. Who does not listen is not asked, and when nobody
/// listens that is the answer.
pub const PANIC_PERCENT: u32 = 0;

/// What an upstream with the servers of this policy is called.
pub fn name(policy: i64) -> String {
    format!("{PREFIX}{policy}")
}

/// Whether an upstream of this name is meant to be a policy group.
pub fn is_name(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The policy whose servers an upstream of this name has, written in the only way that there is.
pub fn number(upstream: &str) -> Option<i64> {
    let number = upstream.strip_prefix(PREFIX)?.parse().ok()?;
    (name(number) == upstream).then_some(number)
}

/// How its servers are checked: connected to once in a second. One refusal is enough, because a server that has ended refuses, and
/// one that is there again is found a second later.
pub fn check() -> HealthCheck {
    HealthCheck {
        interval: Duration::from_secs(1),
        unhealthy_interval: Duration::from_secs(1),
        unhealthy_after: 1,
        ..HealthCheck::new(Probe::Tcp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_one_name() {
        for policy in [0, 111, -7, i64::MAX, i64::MIN] {
            assert_eq!(number(&name(policy)), Some(policy));
        }
        for other in
            ["policy:", "policy:x", "policy:+1", "policy:01", "policy: 1", "Policy:1", "1", "policy:-0"]
        {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
