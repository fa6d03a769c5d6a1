//! The report: figures, ratios, goals, and where they were measured, for people and for machines.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::figures::{self, Summary};
use super::goal::{Bound, Figure};
use super::offer::Agreed;
use super::peer::Peer;
use super::sample::{Sample, time};
use super::scenario::Scenario;

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
    for summary in figures::summaries(scenario, samples) {
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
    figures::judged(scenario, samples).iter().for_each(|judged| println!("{}", judged.text()));
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
    let takes = |peer: &Peer| {
        let ours = matches!(peer, Peer::Weir | Peer::Relay | Peer::Store);
        scenario.takes(*peer) && !ours && peer.program() == *peer
    };
    Peer::ALL.into_iter().filter(takes).collect()
}

fn ratio_text(samples: &[Sample], summary: &Summary, other: Peer) -> String {
    of(samples, summary, other).map_or("–".into(), |ratio| format!("{ratio:.2}"))
}

/// CPU time as a part of that of another program in its better configuration.
fn of(samples: &[Sample], summary: &Summary, program: Peer) -> Option<f64> {
    let other = figures::better(samples, summary.line, Figure::Cpu, program)?;
    figures::ratio(samples, summary.line, Figure::Cpu, summary.peer, other)
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
                "p99_us": sample.load.p99_us, "resident_bytes": sample.resident, "held_kib": sample.held,
                "in_commit": sample.load.in_commit, "troubles": sample.load.troubles,
            })
        })
        .collect();
    let medians: Vec<Value> = figures::summaries(scenario, samples)
        .iter()
        .map(|summary| {
            json!({
                "line": summary.line, "peer": summary.peer.name(), "cpu_us": summary.cpu_us,
                "per_second": summary.per_second, "p50_us": summary.median_us, "p99_us": summary.p99_us,
                "resident_mib": summary.resident_mib, "held_kib": summary.held,
                "asked": summary.asked, "in_commit": summary.in_commit,
                "of_nginx": of(samples, summary, Peer::Nginx),
                "of_haproxy": of(samples, summary, Peer::Haproxy),
                "of_balance": of(samples, summary, Peer::Balance),
                "of_sqlite": of(samples, summary, Peer::Sqlite),
            })
        })
        .collect();
    let peers: Vec<Value> = entries
        .iter()
        .map(|entry| json!({"peer": entry.peer.name(), "version": entry.peer.version(), "about": entry.text()}))
        .collect();
    let goals: Vec<Value> = figures::judged(scenario, samples)
        .iter()
        .map(|judged| {
            let goal = judged.goal;
            json!({
                "line": judged.line, "figure": format!("{:?}", goal.figure).to_lowercase(), "ours": goal.ours.name(),
                "peer": judged.peer.map(Peer::name), "value": judged.value, "wall": goal.wall.map(Bound::value),
                "target": goal.target.map(Bound::value), "met": goal.wall.map(|wall| wall.holds(judged.value)),
                "text": judged.text(),
            })
        })
        .collect();
    json!({
        "scenario": scenario.name, "unit": scenario.unit, "valid": figures::is_valid(samples), "machine": machine(),
        "peers": peers, "medians": medians, "goals": goals, "rounds": rounds,
    })
}

/// How many threads wanted a core, on the average of the last minute.
pub(crate) fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// Where and when: processor, kernel, how busy the machine was, date.
pub(crate) fn machine() -> Vec<String> {
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
