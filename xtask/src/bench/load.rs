//! One run of the load generator `wrk`, and what it says.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::child::Running;

/// What one run saw.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Load {
    /// Requests answered.
    pub(crate) requests: u64,
    /// Requests answered per second.
    pub(crate) per_second: f64,
    /// Half of the answers came within this many microseconds.
    pub(crate) median_us: f64,
    /// 99 of 100 answers came within this many microseconds.
    pub(crate) p99_us: f64,
    /// What makes the run worthless; empty for a good one.
    pub(crate) troubles: Vec<String>,
}

/// Runs `wrk` on one core against one address.
///
/// # Errors
/// When it cannot be started or says something unknown.
pub(crate) fn run(core: usize, address: &str, connections: u32, seconds: u32) -> Result<Load> {
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", "1", "--latency", "--timeout", "10s"]);
    wrk.args(["--connections", &connections.to_string(), "--duration", &format!("{seconds}s")]);
    wrk.arg(format!("http://{address}/")).stdout(Stdio::piped());
    let text = Running::start_on(core, &mut wrk)?.output()?;
    parse(&text).with_context(|| format!("`wrk` said something unknown:\n{text}"))
}

fn parse(text: &str) -> Option<Load> {
    let mut requests = None;
    let mut per_second = None;
    let mut median_us = None;
    let mut p99_us = None;
    let mut troubles = Vec::new();
    for line in text.lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [count, "requests", "in", ..] => requests = count.parse().ok(),
            ["Requests/sec:", rate] => per_second = rate.parse().ok(),
            ["50%", time] => median_us = microseconds(time),
            ["99%", time] => p99_us = microseconds(time),
            ["Socket", "errors:", ..] | ["Non-2xx", ..] => troubles.push(line.to_owned()),
            _ => {}
        }
    }
    if requests == Some(0) {
        troubles.push("no request was answered".to_owned());
    }
    Some(Load {
        requests: requests?,
        per_second: per_second?,
        median_us: median_us?,
        p99_us: p99_us?,
        troubles,
    })
}

/// `1.25ms`, `310.00us`, `2.00s`, `1.50m`.
fn microseconds(time: &str) -> Option<f64> {
    let unit = time.find(|c: char| c.is_ascii_alphabetic())?;
    let value: f64 = time[..unit].parse().ok()?;
    match &time[unit..] {
        "us" => Some(value),
        "ms" => Some(value * 1e3),
        "s" => Some(value * 1e6),
        "m" => Some(value * 6e7),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Load, parse};

    const GOOD: &str = "Running 4s test @ http://127.0.0.1:8080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.03ms  310.00us  12.01ms   91.11%
    Req/Sec    62.10k     2.31k   66.00k    75.00%
  Latency Distribution
     50%  998.00us
     75%    1.10ms
     90%    1.31ms
     99%    2.25ms
  247210 requests in 4.00s, 63.42MB read
";

    #[test]
    fn a_good_run_is_read() {
        let expected = Load {
            requests: 247_210,
            per_second: 61_779.4,
            median_us: 998.0,
            p99_us: 2250.0,
            troubles: Vec::new(),
        };
        assert_eq!(parse(&format!("{GOOD}Requests/sec:  61779.40\nTransfer/sec: 15.85MB\n")), Some(expected));
    }

    #[test]
    fn errors_make_a_run_worthless() {
        let bad = format!(
            "{GOOD}  Socket errors: connect 0, read 3, write 0, timeout 0\n  Non-2xx or 3xx responses: 12\nRequests/sec: 1.0\n"
        );
        assert_eq!(parse(&bad).map(|load| load.troubles.len()), Some(2));
        let none = "50% 0.00us\n99% 0.00us\n0 requests in 4.00s, 0.00B read\nRequests/sec: 0.00\n";
        assert_eq!(parse(none).map(|load| load.troubles.len()), Some(1));
    }

    #[test]
    fn what_is_unknown_is_not_guessed() {
        assert_eq!(parse(""), None);
        assert_eq!(parse(GOOD), None, "the rate is missing");
    }
}
