//! The figures of all rounds: medians, ratios, and where they were measured.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::load::Load;
use super::offer::Agreed;
use super::peer::Peer;
use super::scenario::{Figure, Goal, Scenario};

/// One peer in one round, doing what one line is about.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// Who.
    pub(crate) peer: Peer,
    /// The name of the line.
    pub(crate) line: &'static str,
    /// The round, counted from one.
    pub(crate) round: u32,
    /// CPU time for one, user and system, in microseconds.
    pub(crate) cpu_us: f64,
    /// How much of one core it used.
    pub(crate) core_share: f64,
    /// Requests that the servers got for each of a client's, if somebody counted.
    pub(crate) asked: Option<f64>,
    /// What the load generator saw.
    pub(crate) load: Load,
}

impl Sample {
    fn figure(&self, figure: Figure) -> Option<f64> {
        match figure {
            Figure::Cpu => Some(self.cpu_us),
            Figure::P99 => Some(self.load.p99_us),
            Figure::Asked => self.asked,
        }
    }

    /// What is printed while the measurement goes on.
    pub(crate) fn text(&self, scenario: &Scenario) -> String {
        let Self { peer, line, round, cpu_us, core_share, asked, load } = self;
        let asked = asked.map_or(String::new(), |asked| format!("  {asked:.3} at the servers"));
        let troubles = if load.troubles.is_empty() {
            String::new()
        } else {
            format!("  INVALID: {}", load.troubles.join("; "))
        };
        let unit = scenario.unit;
        format!(
            "round {round}  {:<8} {line}  {cpu_us:6.2} µs/{unit}  {:>8.0} answers/s  {:3.0} % of its core  p99 {}{asked}{troubles}",
            peer.name(),
            load.per_second,
            core_share * 100.0,
            time(load.p99_us),
        )
    }
}

/// A peer that took part.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Who.
    pub(crate) peer: Peer,
    /// What came of a handshake with what the load generators offer, and of one with everything.
    pub(crate) agreed: Option<[Agreed; 2]>,
}

impl Entry {
    fn text(&self) -> String {
        let version = self.peer.version();
        match &self.agreed {
            None => version,
            Some([measured, everything]) => {
                format!("{version}; {measured} (offered everything, it takes {everything})")
            }
        }
    }
}

/// The medians of one peer's rounds.
#[derive(Debug, Clone, PartialEq)]
struct Summary {
    peer: Peer,
    line: &'static str,
    cpu_us: f64,
    lowest_us: f64,
    highest_us: f64,
    per_second: f64,
    median_us: f64,
    p99_us: f64,
    asked: Option<f64>,
}

/// Prints the table and the lines below it.
pub(crate) fn print(scenario: &Scenario, samples: &[Sample], entries: &[Entry]) {
    let unit = scenario.unit;
    println!();
    println!("{}: {}", scenario.name, scenario.about);
    println!();
    let others = others(scenario);
    let heads: String = others.iter().map(|other| format!(" ÷ {} |", other.name())).collect();
    let counted = samples.iter().any(|sample| sample.asked.is_some());
    let (asked, dashes) = if counted { (" at the servers |", "---|") } else { ("", "") };
    println!("| | peer | CPU µs/{unit} | lowest – highest |{heads} answers/s | p50 | p99 |{asked}");
    println!("|---|---|---|---|{}---|---|---|{dashes}", "---|".repeat(others.len()));
    for summary in summaries(scenario, samples) {
        let ratios: String =
            others.iter().map(|other| format!(" {} |", ratio_text(samples, &summary, *other))).collect();
        let asked = summary.asked.map_or(String::new(), |asked| format!(" {asked:.3} |"));
        println!(
            "| {} | {} | {:.2} | {:.2} – {:.2} |{ratios} {:.0} | {} | {} |{asked}",
            summary.line,
            summary.peer.name(),
            summary.cpu_us,
            summary.lowest_us,
            summary.highest_us,
            summary.per_second,
            time(summary.median_us),
            time(summary.p99_us),
        );
    }
    println!();
    goals(scenario, samples).iter().for_each(|goal| println!("{goal}"));
    for entry in entries {
        println!("{}: {}", entry.peer.name(), entry.text());
    }
    println!("{}", machine().join("; "));
}

/// Who is compared with, in the order of the table.
fn others(scenario: &Scenario) -> Vec<Peer> {
    let takes = |peer: &Peer| scenario.takes(*peer) && !matches!(peer, Peer::Weir | Peer::Relay);
    Peer::ALL.into_iter().filter(takes).collect()
}

fn ratio_text(samples: &[Sample], summary: &Summary, other: Peer) -> String {
    let ratio = ratio(samples, summary.line, Figure::Cpu, summary.peer, other);
    ratio.map_or("–".into(), |ratio| format!("{ratio:.2}"))
}

/// A sentence for each goal that was measured.
fn goals(scenario: &Scenario, samples: &[Sample]) -> Vec<String> {
    let of_line = scenario.lines.iter().flat_map(|line| line.goals.iter().map(move |goal| (line.name, goal)));
    let sentence = |(line, goal): (&'static str, &Goal)| {
        let Goal { figure, peer, at_most } = *goal;
        let ratio = ratio(samples, line, figure, Peer::Weir, peer)?;
        let verdict = if ratio <= at_most { "met" } else { "MISSED" };
        let (figure, peer) = (figure.name(), peer.name());
        Some(format!("{line}: {figure}weir ÷ {peer}: {ratio:.2}, goal at most {at_most:.2}: {verdict}"))
    };
    of_line.filter_map(sentence).collect()
}

/// All samples and the medians as JSON.
pub(crate) fn json(scenario: &Scenario, samples: &[Sample], entries: &[Entry]) -> Value {
    let rounds: Vec<Value> = samples
        .iter()
        .map(|sample| {
            json!({
                "line": sample.line, "peer": sample.peer.name(), "round": sample.round, "cpu_us": sample.cpu_us,
                "core_share": sample.core_share, "asked": sample.asked, "count": sample.load.done,
                "per_second": sample.load.per_second, "p50_us": sample.load.median_us,
                "p99_us": sample.load.p99_us, "troubles": sample.load.troubles,
            })
        })
        .collect();
    let medians: Vec<Value> = summaries(scenario, samples)
        .iter()
        .map(|summary| {
            json!({
                "line": summary.line, "peer": summary.peer.name(), "cpu_us": summary.cpu_us,
                "per_second": summary.per_second, "p50_us": summary.median_us, "p99_us": summary.p99_us,
                "asked": summary.asked,
                "of_nginx": ratio(samples, summary.line, Figure::Cpu, summary.peer, Peer::Nginx),
                "of_haproxy": ratio(samples, summary.line, Figure::Cpu, summary.peer, Peer::Haproxy),
                "of_balance": ratio(samples, summary.line, Figure::Cpu, summary.peer, Peer::Balance),
            })
        })
        .collect();
    let peers: Vec<Value> = entries
        .iter()
        .map(|entry| json!({"peer": entry.peer.name(), "version": entry.peer.version(), "about": entry.text()}))
        .collect();
    json!({
        "scenario": scenario.name, "unit": scenario.unit, "valid": is_valid(samples), "machine": machine(),
        "peers": peers, "medians": medians, "goals": goals(scenario, samples), "rounds": rounds,
    })
}

/// Whether every round can be counted on.
pub(crate) fn is_valid(samples: &[Sample]) -> bool {
    samples.iter().all(|sample| sample.load.troubles.is_empty())
}

fn summaries(scenario: &Scenario, samples: &[Sample]) -> Vec<Summary> {
    let summary = |line: &'static str, peer: Peer| {
        let of = |value: fn(&Sample) -> f64| -> Vec<f64> {
            let of_both = samples.iter().filter(|sample| sample.peer == peer && sample.line == line);
            let mut values: Vec<f64> = of_both.map(value).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let cpu = of(|sample| sample.cpu_us);
        // Either all rounds were counted or none.
        let asked = of(|sample| sample.asked.unwrap_or(f64::NAN));
        Some(Summary {
            peer,
            line,
            cpu_us: median(&cpu)?,
            lowest_us: *cpu.first()?,
            highest_us: *cpu.last()?,
            per_second: median(&of(|sample| sample.load.per_second))?,
            median_us: median(&of(|sample| sample.load.median_us))?,
            p99_us: median(&of(|sample| sample.load.p99_us))?,
            asked: median(&asked).filter(|asked| !asked.is_nan()),
        })
    };
    let rows = scenario.lines.iter().flat_map(|line| Peer::ALL.map(|peer| (line.name, peer)));
    rows.filter_map(|(line, peer)| summary(line, peer)).collect()
}

/// The middle one of sorted values, or the mean of the two in the middle.
fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 { *upper } else { f64::midpoint(sorted[middle - 1], *upper) })
}

/// A figure of `peer` in a line, as a part of the same of `other`: the median of the rounds' own ratios. Within a round both ran
/// within seconds, so what slows the machine down for a while slows both.
fn ratio(samples: &[Sample], line: &str, figure: Figure, peer: Peer, other: Peer) -> Option<f64> {
    let of = |wanted: Peer| samples.iter().filter(move |sample| sample.peer == wanted && sample.line == line);
    let pairs =
        of(peer).flat_map(|one| of(other).filter(|two| two.round == one.round).map(move |two| (one, two)));
    let mut ratios: Vec<f64> =
        pairs.filter_map(|(one, two)| Some(one.figure(figure)? / two.figure(figure)?)).collect();
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
    #![allow(clippy::expect_used)]

    use super::{Load, Peer, Sample, Scenario, goals, is_valid, json, median};

    fn scenario() -> &'static Scenario {
        Scenario::named("tls-handshakes").expect("it is in the table")
    }

    fn sample(line: &'static str, peer: Peer, round: u32, cpu_us: f64) -> Sample {
        let load = Load { done: 1, per_second: 1.0, median_us: 1.0, p99_us: 1.0, troubles: Vec::new() };
        Sample { peer, line, round, cpu_us, core_share: 1.0, asked: None, load }
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[1.0, 2.0, 9.0]), Some(2.0));
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), Some(3.0));
    }

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        let full = |peer, round, cpu_us| sample("full", peer, round, cpu_us);
        let samples = [
            full(Peer::Weir, 1, 9.0),
            full(Peer::Nginx, 1, 12.0),
            full(Peer::Weir, 2, 9.0),
            full(Peer::Nginx, 2, 12.0),
            // A machine that was busy for a while was busy for both.
            full(Peer::Weir, 3, 90.0),
            full(Peer::Nginx, 3, 120.0),
            full(Peer::Weir, 4, 100.0),
            full(Peer::Nginx, 4, 12.0),
            full(Peer::Weir, 5, 9.0),
            full(Peer::Nginx, 5, 12.0),
        ];
        let report = json(scenario(), &samples, &[]);
        assert_eq!(report["medians"][0]["of_nginx"], 0.75);
        assert_eq!(report["medians"][0]["of_haproxy"], serde_json::Value::Null);
    }

    #[test]
    fn lines_are_not_mixed() {
        let samples = [
            sample("full", Peer::Weir, 1, 75.0),
            sample("full", Peer::Nginx, 1, 100.0),
            sample("resumed", Peer::Weir, 1, 45.0),
            sample("resumed", Peer::Nginx, 1, 50.0),
            sample("full, X25519MLKEM768", Peer::Weir, 1, 90.0),
        ];
        assert_eq!(
            goals(scenario(), &samples),
            [
                "full: weir ÷ nginx: 0.75, goal at most 0.80: met",
                "resumed: weir ÷ nginx: 0.90, goal at most 0.80: MISSED",
            ]
        );
        let report = json(scenario(), &samples, &[]);
        let rows: Vec<_> = (0..5).map(|row| report["medians"][row]["cpu_us"].as_f64()).collect();
        assert_eq!(rows, [75.0, 100.0, 45.0, 50.0, 90.0].map(Some));
        assert!(goals(scenario(), &samples[..1]).is_empty(), "nobody to compare with");
    }

    #[test]
    fn every_figure_has_its_own_goal() {
        let hedge = Scenario::named("hedge").expect("it is in the table");
        let seen = |peer, p99_us, asked| {
            let mut sample = sample("GET", peer, 1, 9.0);
            (sample.load.p99_us, sample.asked) = (p99_us, Some(asked));
            sample
        };
        let samples = [seen(Peer::Weir, 12.0, 1.07), seen(Peer::Balance, 200.0, 1.0)];
        assert_eq!(
            goals(hedge, &samples),
            [
                "GET: p99, weir ÷ balance: 0.06, goal at most 0.20: met",
                "GET: requests at the servers, weir ÷ balance: 1.07, goal at most 1.06: MISSED",
            ]
        );
        let report = json(hedge, &samples, &[]);
        assert_eq!(report["medians"][0]["asked"], 1.07);
        assert_eq!(report["medians"][0]["of_balance"], 1.0);
    }

    #[test]
    fn one_bad_round_makes_the_whole_invalid() {
        let good = sample("full", Peer::Weir, 1, 9.0);
        let mut bad = sample("full", Peer::Weir, 2, 9.0);
        bad.load.troubles.push("Socket errors".to_owned());
        assert!(is_valid(std::slice::from_ref(&good)));
        assert!(!is_valid(&[good, bad.clone()]));
        assert!(bad.text(scenario()).contains("INVALID"));
    }
}
