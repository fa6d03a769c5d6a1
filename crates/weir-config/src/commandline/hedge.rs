//! What `weir hedge` runs: a second server is asked when the first one is slow.

use std::time::Duration;

use weir_core::balance::Strategy;
use weir_core::dispatch::{After, HedgeRule};

use super::{Repeats, model, parse_servers};
use crate::complaint::Complaint;
use crate::file::dispatch::keys;
use crate::model::{Dispatch, Dispatches, ListenAddress, Model};
use crate::node::shortened;
use crate::quantity;

/// The bounds of what may be waited for; those of the key `at_most`.
const WAIT_MIN: Duration = Duration::from_millis(1);
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// The model of a hedge over `servers`.
///
/// # Errors
/// One complaint for each server that can't be read or stands twice, and one when there are fewer than two.
pub fn hedge(listen: ListenAddress, rule: HedgeRule, servers: &[String]) -> Result<Model, Vec<Complaint>> {
    let servers = parse_servers(servers, Repeats::Refused)?;
    if servers.len() < 2 {
        let complaint = Complaint::new("there is no second server that could be asked");
        return Err(vec![complaint.hint("write another server, or take `weir balance`")]);
    }
    model(listen, Strategy::RoundRobin, Dispatches::all(Dispatch::Hedge(rule)), servers)
}

/// When the second server is asked: `p95` or a duration from `1ms` to `1h`.
///
/// # Errors
/// When the text is neither.
pub fn after(text: &str) -> Result<After, Complaint> {
    keys::after(text)
}

/// The latest moment at which it is asked: a duration from `1ms` to `1h`.
///
/// # Errors
/// When the text is none, or out of bounds.
pub fn at_most(text: &str) -> Result<Duration, Complaint> {
    let time = quantity::duration(text)?;
    match (WAIT_MIN..=WAIT_MAX).contains(&time) {
        true => Ok(time),
        false => Err(Complaint::new(format!("`{}` is not from `1ms` to `1h`", shortened(text)))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::address;

    fn check(servers: &[&str], expected: Result<usize, &str>) {
        let rule =
            HedgeRule { after: After::Percentile, at_most: Duration::from_secs(1), budget_share: 0.05 };
        let servers: Vec<String> = servers.iter().map(|&server| server.to_owned()).collect();
        match (hedge(address::listen(":0").unwrap(), rule, &servers), expected) {
            (Ok(model), Ok(number)) => assert_eq!(model.upstreams[0].servers.len(), number),
            (Err(complaints), Err(part)) => {
                assert!(complaints[0].to_string().contains(part), "{complaints:?}");
            }
            (got, _) => panic!("{servers:?}: {got:?}"),
        }
    }

    #[test]
    fn a_hedge_needs_two_servers() {
        check(&["a:1", "b:1"], Ok(2));
        check(&["a:1"], Err("weir balance"));
        check(&["a:1", "a:1"], Err("stands twice"));
        check(&[], Err("no server"));
    }

    #[test]
    fn moments_are_those_of_the_configuration() {
        assert_eq!(after("p95"), Ok(After::Percentile));
        assert_eq!(after("50ms"), Ok(After::Fixed(Duration::from_millis(50))));
        assert!(after("p99").is_err());
        assert_eq!(at_most("2s"), Ok(Duration::from_secs(2)));
        for text in ["0s", "2h", "5", ""] {
            assert!(at_most(text).is_err(), "{text}");
        }
    }
}
