//! The figures of all rounds: medians, ratios, and what they are worth.

use super::goal::{Figure, Goal};
use super::peer::Peer;
use super::sample::{Sample, mib};
use super::scenario::Scenario;

/// The medians of one peer's rounds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Summary {
    pub(crate) peer: Peer,
    pub(crate) line: &'static str,
    pub(crate) cpu_us: f64,
    pub(crate) lowest_us: f64,
    pub(crate) highest_us: f64,
    pub(crate) per_second: f64,
    pub(crate) median_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) resident_mib: f64,
    pub(crate) held: Option<f64>,
    pub(crate) asked: Option<f64>,
    pub(crate) in_commit: Option<f64>,
}

/// A goal, and what came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judged {
    /// The name of the line.
    pub(crate) line: &'static str,
    /// What is wished.
    pub(crate) goal: Goal,
    /// Beside whom: of the configurations of a program the better one.
    pub(crate) peer: Option<Peer>,
    /// The ratio, or the figure itself.
    pub(crate) value: f64,
}

impl Judged {
    /// A sentence for people.
    pub(crate) fn text(&self) -> String {
        let Self { line, goal, peer, value } = self;
        let peer = peer.map_or(String::new(), |peer| format!(" ÷ {}", peer.name()));
        format!(
            "{line}: {}{}{peer}: {value:.2}, {}",
            goal.figure.name(),
            goal.ours.name(),
            goal.judge(*value)
        )
    }
}

/// All goals that were measured.
pub(crate) fn judged(scenario: &Scenario, samples: &[Sample]) -> Vec<Judged> {
    let of_line =
        scenario.lines.iter().flat_map(|line| line.goals.iter().map(move |goal| (line.name, *goal)));
    let judged = |(line, goal): (&'static str, Goal)| {
        let Goal { figure, ours, .. } = goal;
        let peer = match goal.peer {
            Some(program) => Some(better(samples, line, figure, program)?),
            None => None,
        };
        let value = match peer {
            Some(peer) => ratio(samples, line, figure, ours, peer)?,
            None => middle(samples, line, figure, ours)?,
        };
        Some(Judged { line, goal, peer, value })
    };
    of_line.filter_map(judged).collect()
}

/// The configuration of a program with which it needs less, of those that were measured.
pub(crate) fn better(samples: &[Sample], line: &str, figure: Figure, program: Peer) -> Option<Peer> {
    let took_part = |peer: &Peer| samples.iter().any(|sample| sample.peer == *peer && sample.line == line);
    let all = Peer::ALL.into_iter().filter(|peer| peer.program() == program && took_part(peer));
    all.reduce(|best, other| match ratio(samples, line, figure, other, best) {
        Some(ratio) if ratio < 1.0 => other,
        _ => best,
    })
}

/// The median of a figure over all rounds.
pub(crate) fn middle(samples: &[Sample], line: &str, figure: Figure, peer: Peer) -> Option<f64> {
    let of_both = samples.iter().filter(|sample| sample.peer == peer && sample.line == line);
    let mut values: Vec<f64> = of_both.filter_map(|sample| sample.figure(figure)).collect();
    values.sort_by(f64::total_cmp);
    median(&values)
}

/// Whether every round can be counted on.
pub(crate) fn is_valid(samples: &[Sample]) -> bool {
    samples.iter().all(|sample| sample.load.troubles.is_empty())
}

/// A row for each line and each peer that has a part in it.
pub(crate) fn summaries(scenario: &Scenario, samples: &[Sample]) -> Vec<Summary> {
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
pub(crate) fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 { *upper } else { f64::midpoint(sorted[middle - 1], *upper) })
}

/// A figure of `peer` in a line, as a part of the same of `other`: the median of the rounds' own ratios. Within a round both ran
/// within seconds, so what slows the machine down for a while slows both.
pub(crate) fn ratio(samples: &[Sample], line: &str, figure: Figure, peer: Peer, other: Peer) -> Option<f64> {
    let of = |wanted: Peer| samples.iter().filter(move |sample| sample.peer == wanted && sample.line == line);
    let pairs =
        of(peer).flat_map(|one| of(other).filter(|two| two.round == one.round).map(move |two| (one, two)));
    let mut ratios: Vec<f64> =
        pairs.filter_map(|(one, two)| Some(one.figure(figure)? / two.figure(figure)?)).collect();
    ratios.sort_by(f64::total_cmp);
    median(&ratios)
}
