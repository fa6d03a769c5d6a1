//! The figures of all rounds: medians, ratios, and where they were measured.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::load::Load;
use super::peer::Peer;

/// Weir may cost at most this much of another peer.
const GOALS: [(Peer, f64); 2] = [(Peer::Nginx, 0.85), (Peer::Haproxy, 0.75)];

/// One peer in one round.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// Who.
    pub(crate) peer: Peer,
    /// The round, counted from one.
    pub(crate) round: u32,
    /// CPU time per request, user and system, in microseconds.
    pub(crate) cpu_us: f64,
    /// How much of one core it used.
    pub(crate) core_share: f64,
    /// What the load generator saw.
    pub(crate) load: Load,
}

impl Sample {
    /// The line that is printed while the measurement goes on.
    pub(crate) fn line(&self) -> String {
        let Self { peer, round, cpu_us, core_share, load } = self;
        let troubles = if load.troubles.is_empty() {
            String::new()
        } else {
            format!("  INVALID: {}", load.troubles.join("; "))
        };
        format!(
            "round {round}  {:<8} {cpu_us:6.2} µs/request  {:>8.0} requests/s  {:3.0} % of its core  p99 {}{troubles}",
            peer.name(),
            load.per_second,
            core_share * 100.0,
            time(load.p99_us),
        )
    }
}

/// The medians of one peer's rounds.
#[derive(Debug, Clone, PartialEq)]
struct Summary {
    peer: Peer,
    cpu_us: f64,
    lowest_us: f64,
    highest_us: f64,
    per_second: f64,
    median_us: f64,
    p99_us: f64,
}

/// Prints the table and the lines below it.
pub(crate) fn print(samples: &[Sample]) {
    let summaries = summaries(samples);
    println!();
    println!("| peer | CPU µs/request | lowest – highest | ÷ nginx | ÷ haproxy | requests/s | p50 | p99 |");
    println!("|---|---|---|---|---|---|---|---|");
    for summary in &summaries {
        println!(
            "| {} | {:.2} | {:.2} – {:.2} | {} | {} | {:.0} | {} | {} |",
            summary.peer.name(),
            summary.cpu_us,
            summary.lowest_us,
            summary.highest_us,
            ratio(samples, summary.peer, Peer::Nginx).map_or("–".into(), |ratio| format!("{ratio:.2}")),
            ratio(samples, summary.peer, Peer::Haproxy).map_or("–".into(), |ratio| format!("{ratio:.2}")),
            summary.per_second,
            time(summary.median_us),
            time(summary.p99_us),
        );
    }
    println!();
    for (peer, goal) in GOALS {
        if let Some(ratio) = ratio(samples, Peer::Weir, peer) {
            let verdict = if ratio <= goal { "met" } else { "MISSED" };
            println!("weir ÷ {}: {ratio:.2}, goal at most {goal:.2}: {verdict}", peer.name());
        }
    }
    for summary in &summaries {
        println!("{}: {}", summary.peer.name(), summary.peer.version());
    }
    println!("{}", machine().join("; "));
}

/// All samples and the medians as JSON.
pub(crate) fn json(samples: &[Sample]) -> Value {
    let summaries = summaries(samples);
    let rounds: Vec<Value> = samples
        .iter()
        .map(|sample| {
            json!({
                "peer": sample.peer.name(), "round": sample.round, "cpu_us_per_request": sample.cpu_us,
                "core_share": sample.core_share, "requests": sample.load.requests,
                "requests_per_second": sample.load.per_second, "p50_us": sample.load.median_us,
                "p99_us": sample.load.p99_us, "troubles": sample.load.troubles,
            })
        })
        .collect();
    let medians: Vec<Value> = summaries
        .iter()
        .map(|summary| {
            json!({
                "peer": summary.peer.name(), "version": summary.peer.version(),
                "cpu_us_per_request": summary.cpu_us, "requests_per_second": summary.per_second,
                "p50_us": summary.median_us, "p99_us": summary.p99_us,
                "of_nginx": ratio(samples, summary.peer, Peer::Nginx),
                "of_haproxy": ratio(samples, summary.peer, Peer::Haproxy),
            })
        })
        .collect();
    json!({"valid": is_valid(samples), "machine": machine(), "medians": medians, "rounds": rounds})
}

/// Whether every round can be counted on.
pub(crate) fn is_valid(samples: &[Sample]) -> bool {
    samples.iter().all(|sample| sample.load.troubles.is_empty())
}

fn summaries(samples: &[Sample]) -> Vec<Summary> {
    let of = |peer: Peer, value: fn(&Sample) -> f64| -> Vec<f64> {
        let mut values: Vec<f64> = samples.iter().filter(|sample| sample.peer == peer).map(value).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let summary = |peer: Peer| {
        let cpu = of(peer, |sample| sample.cpu_us);
        Some(Summary {
            peer,
            cpu_us: median(&cpu)?,
            lowest_us: *cpu.first()?,
            highest_us: *cpu.last()?,
            per_second: median(&of(peer, |sample| sample.load.per_second))?,
            median_us: median(&of(peer, |sample| sample.load.median_us))?,
            p99_us: median(&of(peer, |sample| sample.load.p99_us))?,
        })
    };
    Peer::ALL.into_iter().filter_map(summary).collect()
}

/// The middle one of sorted values, or the mean of the two in the middle.
fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 { *upper } else { f64::midpoint(sorted[middle - 1], *upper) })
}

/// What `peer` costs, as a part of what `other` costs: the median of the rounds' own ratios. Within a round both ran within
/// seconds, so what slows the machine down for a while slows both.
fn ratio(samples: &[Sample], peer: Peer, other: Peer) -> Option<f64> {
    let of = |wanted: Peer| samples.iter().filter(move |sample| sample.peer == wanted);
    let pairs = of(peer)
        .flat_map(|one| of(other).filter(|two| two.round == one.round).map(|two| one.cpu_us / two.cpu_us));
    let mut ratios: Vec<f64> = pairs.collect();
    ratios.sort_by(f64::total_cmp);
    median(&ratios)
}

fn time(microseconds: f64) -> String {
    if microseconds < 1000.0 {
        format!("{microseconds:.0} µs")
    } else {
        format!("{:.2} ms", microseconds / 1000.0)
    }
}

/// How many threads wanted a core, on the average of the last minute.
pub(crate) fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// Where and when: processor, kernel, how busy the machine was, date.
fn machine() -> Vec<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processor = read("/proc/cpuinfo")
        .lines()
        .find_map(|line| {
            line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned())
        })
        .unwrap_or_else(|| "unknown processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let load = read("/proc/loadavg");
    let date = Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]).output();
    let date =
        date.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    vec![
        format!("{processor}, {cores} cores"),
        format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
        format!("load average {}", load.split(' ').take(3).collect::<Vec<_>>().join(" ")),
        date,
    ]
}

#[cfg(test)]
mod tests {
    use super::{Load, Peer, Sample, is_valid, json, median};

    fn sample(peer: Peer, round: u32, cpu_us: f64) -> Sample {
        let load = Load { requests: 1, per_second: 1.0, median_us: 1.0, p99_us: 1.0, troubles: Vec::new() };
        Sample { peer, round, cpu_us, core_share: 1.0, load }
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[1.0, 2.0, 9.0]), Some(2.0));
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), Some(3.0));
    }

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        let samples = [
            sample(Peer::Weir, 1, 9.0),
            sample(Peer::Nginx, 1, 12.0),
            sample(Peer::Weir, 2, 9.0),
            sample(Peer::Nginx, 2, 12.0),
            // A machine that was busy for a while was busy for both.
            sample(Peer::Weir, 3, 90.0),
            sample(Peer::Nginx, 3, 120.0),
            sample(Peer::Weir, 4, 100.0),
            sample(Peer::Nginx, 4, 12.0),
            sample(Peer::Weir, 5, 9.0),
            sample(Peer::Nginx, 5, 12.0),
        ];
        let report = json(&samples);
        assert_eq!(report["medians"][0]["of_nginx"], 0.75);
        assert_eq!(report["medians"][0]["of_haproxy"], serde_json::Value::Null);
    }

    #[test]
    fn one_bad_round_makes_the_whole_invalid() {
        let mut bad = sample(Peer::Weir, 2, 9.0);
        bad.load.troubles.push("Socket errors".to_owned());
        assert!(is_valid(&[sample(Peer::Weir, 1, 9.0)]));
        assert!(!is_valid(&[sample(Peer::Weir, 1, 9.0), bad.clone()]));
        assert!(bad.line().contains("INVALID"));
    }
}
