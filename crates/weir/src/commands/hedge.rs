//! `weir hedge`: a second server is asked when the first one is slow, without a file.

use std::time::Duration;

use clap::Args;
use weir_config::model::ListenAddress;
use weir_config::{address, commandline, quantity};
use weir_core::dispatch::{After, HedgeRule};

use crate::failure::Failure;
use crate::lifetime::{self, Extras};

/// What `weir hedge` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
A second server is asked only for GET, HEAD and OPTIONS, and for requests with
an Idempotency-Key; everything else goes to one. Answers carry X-Backend-Server.

Example:
  weir hedge --after 50ms 127.0.0.1:9001 127.0.0.1:9002")]
pub(crate) struct Arguments {
    /// Two or more: `host:port`, `http[s]://host[:port][/base]`, `unix:PATH`
    #[arg(value_name = "SERVER", required = true)]
    servers: Vec<String>,

    /// Where clients are accepted
    #[arg(short, long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address::listen)]
    listen: ListenAddress,

    /// `p95` of the answers, or a duration
    #[arg(long, value_name = "WHEN", default_value = "p95", value_parser = commandline::hedge::after)]
    after: After,

    /// The latest, and while nothing is measured
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = commandline::hedge::at_most)]
    at_most: Duration,

    /// Second requests per request
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = quantity::share)]
    budget: f64,
}

/// Runs until a signal.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { servers, listen, after, at_most, budget } = arguments;
    let rule = HedgeRule { after, at_most, budget_share: budget };
    let introduction = introduction(&rule, servers.len());
    let model = commandline::hedge::hedge(listen, rule, &servers).map_err(Failure::usage)?;
    let extras = Extras { introduction: Some(introduction), ..Extras::default() };
    lifetime::on_control_thread(lifetime::run_with(&model, extras))
}

/// What becomes of which method.
fn introduction(rule: &HedgeRule, servers: usize) -> String {
    let when = match rule.after {
        After::Percentile => {
            format!("does not answer as soon as 95 % do, at the latest after {:?}", rule.at_most)
        }
        After::Fixed(time) => format!("does not answer within {:?}", time.min(rule.at_most)),
    };
    format!(
        "every request goes to one of {servers} servers; when it {when}, GET, HEAD, OPTIONS and requests with \
         Idempotency-Key go to a second one too, for at most {}% of the requests",
        rule.budget_share * 100.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_at_the_start_says_when() {
        let rule = |after| HedgeRule { after, at_most: Duration::from_millis(200), budget_share: 0.05 };
        let line = introduction(&rule(After::Percentile), 2);
        assert!(line.contains("one of 2 servers") && line.contains("95 %"), "{line}");
        assert!(
            line.contains("at the latest after 200ms") && line.ends_with("at most 5% of the requests"),
            "{line}"
        );
        let line = introduction(&rule(After::Fixed(Duration::from_millis(50))), 2);
        assert!(line.contains("within 50ms"), "{line}");
    }
}
