//! The figures of all rounds: medians, ratios, and where they were measured.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::goal::{Figure, Goal};
use super::load::Load;
use super::offer::Agreed;
use super::peer::Peer;
use super::scenario::Scenario;

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
    /// Memory of all of its processes at the end, in bytes.
    pub(crate) resident: u64,
    /// By how much that is more than before, in KiB for each connection, if connections are what is measured.
    pub(crate) held: Option<f64>,
    /// Requests that the servers got for each of a client's, if somebody counted.
    pub(crate) asked: Option<f64>,
    /// What the load generator saw.
    pub(crate) load: Load,
}

impl Sample {
    fn figure(&self, figure: Figure) -> Option<f64> {
        match figure {
            Figure::Cpu => Some(self.cpu_us),
            Figure::Core => Some(self.core_share),
            Figure::Held => self.held,
            Figure::P99 => Some(self.load.p99_us),
            Figure::Asked => self.asked,
            Figure::PerSecond => Some(self.load.per_second),
        }
    }

    /// What is printed while the measurement goes on.
    pub(crate) fn text(&self, scenario: &Scenario) -> String {
        let Self { peer, line, round, cpu_us, core_share, asked, load, .. } = self;
        let held = self.held.map_or(String::new(), |held| format!("  {held:.2} KiB for each connection"));
        let asked = asked.map_or(String::new(), |asked| format!("  {asked:.3} at {}", scenario.counted()));
        let in_commit = load.in_commit.map_or(String::new(), |count| format!("  {count:.1} in a commit"));
        let troubles = if load.troubles.is_empty() {
            String::new()
        } else {
            format!("  INVALID: {}", load.troubles.join("; "))
        };
        let unit = scenario.unit;
        format!(
            "round {round}  {:<8} {line}  {cpu_us:6.2} µs/{unit}  {:>8.0} answers/s  {:3.0} % of its core  p99 {}  {:.1} MiB{held}{asked}{in_commit}{troubles}",
            peer.name(),
            load.per_second,
            core_share * 100.0,
            time(load.p99_us),
            mib(self.resident),
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
    resident_mib: f64,
    held: Option<f64>,
    asked: Option<f64>,
    in_commit: Option<f64>,
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
    let in_groups = samples.iter().any(|sample| sample.load.in_commit.is_some());
    let holds = samples.iter().any(|sample| sample.held.is_some());
    let held = if holds { " KiB/connection |" } else { "" };
    let asked = if counted { format!(" at {} |", scenario.counted()) } else { String::new() };
    let in_commit = if in_groups { " in a commit |" } else { "" };
    println!(
        "| | peer | CPU µs/{unit} | lowest – highest |{heads} answers/s | p50 | p99 | memory |{held}{asked}{in_commit}"
    );
    let columns = others.len() + [holds, counted, in_groups].map(usize::from).iter().sum::<usize>();
    println!("|---|---|---|---|---|---|---|---|{}", "---|".repeat(columns));
    for summary in summaries(scenario, samples) {
        let ratios: String =
            others.iter().map(|other| format!(" {} |", ratio_text(samples, &summary, *other))).collect();
        let held = if holds { cell(summary.held, 2) } else { String::new() };
        let asked = if counted { cell(summary.asked, 3) } else { String::new() };
        let in_commit = if in_groups { cell(summary.in_commit, 1) } else { String::new() };
        println!(
            "| {} | {} | {:.2} | {:.2} – {:.2} |{ratios} {:.0} | {} | {} | {:.1} MiB |{held}{asked}{in_commit}",
            summary.line,
            summary.peer.name(),
            summary.cpu_us,
            summary.lowest_us,
            summary.highest_us,
            summary.per_second,
            time(summary.median_us),
            time(summary.p99_us),
            summary.resident_mib,
        );
    }
    println!();
    goals(scenario, samples).iter().for_each(|goal| println!("{goal}"));
    for entry in entries {
        println!("{}: {}", entry.peer.name(), entry.text());
    }
    println!("{}", machine().join("; "));
}

fn cell(value: Option<f64>, digits: usize) -> String {
    value.map_or(" – |".to_owned(), |value| format!(" {value:.digits$} |"))
}

/// Who is compared with, in the order of the table.
fn others(scenario: &Scenario) -> Vec<Peer> {
    let takes =
        |peer: &Peer| scenario.takes(*peer) && !matches!(peer, Peer::Weir | Peer::Relay | Peer::Store);
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
        let Goal { figure, ours, peer, .. } = *goal;
        let (what, name) = (figure.name(), ours.name());
        let Some(peer) = peer else {
            let mut values: Vec<f64> = samples
                .iter()
                .filter(|sample| sample.peer == ours && sample.line == line)
                .filter_map(|sample| sample.figure(figure))
                .collect();
            values.sort_by(f64::total_cmp);
            let value = median(&values)?;
            return Some(format!("{line}: {what}{name}: {value:.2}, {}", goal.judge(value)));
        };
        let ratio = ratio(samples, line, figure, ours, peer)?;
        Some(format!("{line}: {what}{name} ÷ {}: {ratio:.2}, {}", peer.name(), goal.judge(ratio)))
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
                "p99_us": sample.load.p99_us, "resident_bytes": sample.resident, "held_kib": sample.held, "in_commit": sample.load.in_commit, "troubles": sample.load.troubles,
            })
        })
        .collect();
    let medians: Vec<Value> = summaries(scenario, samples)
        .iter()
        .map(|summary| {
            json!({
                "line": summary.line, "peer": summary.peer.name(), "cpu_us": summary.cpu_us,
                "per_second": summary.per_second, "p50_us": summary.median_us, "p99_us": summary.p99_us,
                "resident_mib": summary.resident_mib, "held_kib": summary.held,
                "asked": summary.asked, "in_commit": summary.in_commit,
                "of_nginx": ratio(samples, summary.line, Figure::Cpu, summary.peer, Peer::Nginx),
                "of_haproxy": ratio(samples, summary.line, Figure::Cpu, summary.peer, Peer::Haproxy),
                "of_balance": ratio(samples, summary.line, Figure::Cpu, summary.peer, Peer::Balance),
                "of_sqlite": ratio(samples, summary.line, Figure::Cpu, summary.peer, Peer::Sqlite),
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
        // Either all rounds of a line were counted or none.
        let counted = |value| median(&of(value)).filter(|median| !median.is_nan());
        Some(Summary {
            peer,
            line,
            cpu_us: median(&cpu)?,
            lowest_us: *cpu.first()?,
            highest_us: *cpu.last()?,
            per_second: median(&of(|sample| sample.load.per_second))?,
            median_us: median(&of(|sample| sample.load.median_us))?,
            p99_us: median(&of(|sample| sample.load.p99_us))?,
            resident_mib: median(&of(|sample| mib(sample.resident)))?,
            held: counted(|sample| sample.held.unwrap_or(f64::NAN)),
            asked: counted(|sample| sample.asked.unwrap_or(f64::NAN)),
            in_commit: counted(|sample| sample.load.in_commit.unwrap_or(f64::NAN)),
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

#[expect(clippy::cast_precision_loss, reason = "memory of this machine is far below 2^52")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
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
mod tests;
