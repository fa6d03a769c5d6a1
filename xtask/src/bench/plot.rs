//! `--plot`: the same ratios as bars, with the walls.
//!
//! Written by hand, because it is rectangles and words. Colours are chosen for light and for dark pages; what a bar says, the number at
//! its end says too. Bars that would be too long are cut, which is shown by a gap before their end.

use std::fmt::Write as _;

use super::figures::{self, Judged};
use super::goal::{Bound, Figure};
use super::peer::Peer;
use super::sample::Sample;
use super::scenario::Scenario;

/// Where the columns begin, in pixels: names, bars, judgements; and where they end.
const BARS: f64 = 150.0;
const WORDS: f64 = 640.0;
const WIDTH: f64 = 980.0;
/// Above it a bar is cut.
const MOST: f64 = 2.0;
/// How long a bar of 1 is.
const UNIT: f64 = (WORDS - BARS - 70.0) / MOST;

/// How much room a number takes.
const LABEL: f64 = 48.0;
const ROW: f64 = 18.0;
const TITLE: f64 = 24.0;
const GAP: f64 = 14.0;
const TOP: f64 = 58.0;

const STYLE: &str = "\
    text { font: 12px system-ui, sans-serif; fill: #1f2328 }\n\
    .title { font-weight: 600 }\n\
    .faint { fill: #59636e }\n\
    .missed { fill: #b35900; font-weight: 600 }\n\
    .page { fill: #ffffff }\n\
    .ours { fill: #1a7f8e }\n\
    .theirs { fill: #a9b4bf }\n\
    .wall { stroke: #b35900; stroke-width: 2 }\n\
    .one { stroke: #d1d9e0; stroke-width: 1 }\n\
    @media (prefers-color-scheme: dark) {\n\
    text { fill: #e6edf3 } .faint { fill: #9198a1 } .missed { fill: #f0a050 } .page { fill: #0d1117 }\n\
    .ours { fill: #37a7b8 } .theirs { fill: #57616c } .wall { stroke: #f0a050 } .one { stroke: #30363d }\n\
    }\n";

/// One figure of one line of a scenario.
#[derive(Debug)]
pub(crate) struct Chart {
    title: String,
    bars: Vec<Bar>,
    /// Where the walls are, in the measure of the bars.
    walls: Vec<f64>,
    words: Vec<(String, bool)>,
}

#[derive(Debug)]
struct Bar {
    peer: Peer,
    /// How long it is beside what is 1.
    length: f64,
    /// What stands at its end.
    label: String,
}

/// The figures of a scenario that have goals.
pub(crate) fn charts(scenario: &Scenario, samples: &[Sample]) -> Vec<Chart> {
    let judged = figures::judged(scenario, samples);
    let mut seen: Vec<(&str, Figure)> = judged.iter().map(|one| (one.line, one.goal.figure)).collect();
    seen.dedup();
    let chart = |(line, figure): (&str, Figure)| {
        let same = |one: &&Judged| (one.line, one.goal.figure) == (line, figure);
        let goals: Vec<&Judged> = judged.iter().filter(same).collect();
        let base = Base::of(goals.first()?)?;
        let mut peers = Peer::ALL;
        peers.sort_by_key(|peer| !is_ours(*peer));
        let bars = peers.into_iter().filter_map(|peer| base.bar(samples, line, figure, peer)).collect();
        let wall = |one: &&Judged| base.place(samples, line, one);
        let (what, said) = (figure.title(), base.text(scenario));
        let said = if figures::is_valid(samples) { said } else { format!("{said}: NOT VALID") };
        Some(Chart {
            title: format!("{} · {line} · {what}{said}", scenario.name),
            bars,
            walls: goals.iter().filter_map(wall).collect(),
            words: goals.iter().map(|one| words(one)).collect(),
        })
    };
    seen.into_iter().filter_map(chart).collect()
}

/// What has the length 1.
enum Base {
    /// The same figure of a peer.
    Peer(Peer),
    /// As much as the wall allows.
    Value(f64),
}

impl Base {
    fn of(first: &Judged) -> Option<Self> {
        match first.peer {
            Some(peer) => Some(Self::Peer(peer)),
            None => first.goal.wall.or(first.goal.target).map(|bound| Self::Value(bound.value())),
        }
    }

    fn text(&self, scenario: &Scenario) -> String {
        match self {
            Self::Peer(peer) => format!(", {} is 1", peer.name()),
            Self::Value(_) => format!(" for each {}", scenario.unit),
        }
    }

    fn bar(&self, samples: &[Sample], line: &str, figure: Figure, peer: Peer) -> Option<Bar> {
        let (length, value) = match self {
            Self::Peer(base) => {
                let ratio = figures::ratio(samples, line, figure, peer, *base)?;
                (ratio, ratio)
            }
            Self::Value(most) => {
                let value = figures::middle(samples, line, figure, peer)?;
                (value / most, value)
            }
        };
        Some(Bar { peer, length, label: format!("{value:.2}") })
    }

    /// Where a wall stands beside the bars.
    fn place(&self, samples: &[Sample], line: &str, one: &Judged) -> Option<f64> {
        let wall = one.goal.wall?.value();
        match (self, one.peer) {
            (Self::Peer(base), Some(peer)) => {
                Some(wall * figures::ratio(samples, line, one.goal.figure, peer, *base)?)
            }
            (Self::Value(most), None) => Some(wall / most),
            _ => None,
        }
    }
}

/// What a goal came to, and whether a wall is missed.
fn words(one: &Judged) -> (String, bool) {
    let beside = one.peer.map_or(String::new(), |peer| format!(" × {}", peer.name()));
    let missed = one.goal.wall.is_some_and(|wall| !wall.holds(one.value));
    let bound = |name: &str, bound: Bound| {
        let (sign, verdict) = match bound {
            Bound::AtMost(_) => ("≤", bound.holds(one.value)),
            Bound::AtLeast(_) => ("≥", bound.holds(one.value)),
        };
        let verdict = match (verdict, name) {
            (true, _) => "met",
            (false, "wall") => "missed",
            (false, _) => "not yet",
        };
        format!("{name} {sign} {:.2}{beside}: {verdict}", bound.value())
    };
    let text = match (one.goal.wall, one.goal.target) {
        (Some(wall), _) => bound("wall", wall),
        (None, Some(target)) => bound("target", target),
        (None, None) => String::new(),
    };
    (text, missed)
}

/// All of them below each other.
pub(crate) fn svg(charts: &[Chart], machine: &str) -> String {
    let rows = |chart: &Chart| chart.bars.len().max(chart.words.len());
    #[expect(clippy::cast_precision_loss, reason = "a handful of rows")]
    let height_of = |chart: &Chart| TITLE + rows(chart) as f64 * ROW + GAP;
    let height = TOP + charts.iter().map(height_of).sum::<f64>() + 10.0;
    let mut svg = String::new();
    let mut put = |line: String| {
        // A string takes what is written into it.
        let _always = writeln!(svg, "{line}");
    };
    put(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\">"
    ));
    put(format!("<title>cargo xtask bench</title>\n<style>\n{STYLE}</style>"));
    put(format!("<rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\"/>"));
    put(text(
        16.0,
        24.0,
        "title",
        "Weir beside others: shorter is better unless a wall says ≥; the strokes are walls",
    ));
    put(text(16.0, 42.0, "faint", machine));
    let mut top = TOP;
    for chart in charts {
        put(text(16.0, top + 15.0, "title", &chart.title));
        let first = top + TITLE;
        #[expect(clippy::cast_precision_loss, reason = "a handful of rows")]
        let row = |number: usize| first + number as f64 * ROW;
        let one = BARS + UNIT;
        let (from, to) = (first - 2.0, row(chart.bars.len()) - 2.0);
        put(format!("<line class=\"one\" x1=\"{one}\" x2=\"{one}\" y1=\"{from}\" y2=\"{to}\"/>"));
        for (number, bar) in chart.bars.iter().enumerate() {
            let walls = if number == 0 { chart.walls.as_slice() } else { &[] };
            bar.draw(row(number), walls).into_iter().for_each(&mut put);
        }
        for wall in chart.walls.iter().filter(|wall| **wall <= MOST) {
            // Only through our own bar: it is ours that shall end before it.
            let (x, from, to) = (BARS + wall * UNIT, first - 3.0, row(1) - 1.0);
            put(format!("<line class=\"wall\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{from}\" y2=\"{to}\"/>"));
        }
        for (number, (words, missed)) in chart.words.iter().enumerate() {
            let class = if *missed { "missed" } else { "faint" };
            put(text(WORDS, row(number) + 11.0, class, words));
        }
        top += height_of(chart);
    }
    put("</svg>".to_owned());
    svg
}

impl Bar {
    /// A label that a wall would cross goes behind it.
    fn draw(&self, top: f64, walls: &[f64]) -> Vec<String> {
        let class = if is_ours(self.peer) { "ours" } else { "theirs" };
        let cut = self.length > MOST;
        let length = self.length.clamp(0.0, MOST) * UNIT;
        let end = BARS + length;
        let mut drawn = vec![
            text(24.0, top + 11.0, if class == "ours" { "" } else { "faint" }, self.peer.name()),
            format!(
                "<rect class=\"{class}\" x=\"{BARS}\" y=\"{top}\" width=\"{length:.1}\" height=\"13\" rx=\"2\"/>"
            ),
        ];
        if cut {
            let gap = end - 14.0;
            drawn
                .push(format!("<rect class=\"page\" x=\"{gap:.1}\" y=\"{top}\" width=\"5\" height=\"13\"/>"));
        }
        let mut walls: Vec<f64> = walls.iter().map(|wall| BARS + wall * UNIT).collect();
        walls.sort_by(f64::total_cmp);
        let label = walls
            .into_iter()
            .fold(end, |label, wall| if wall > label && wall < label + LABEL { wall } else { label });
        drawn.push(text(label + 8.0, top + 11.0, "", &self.label));
        drawn
    }
}

/// Whose bar comes first, and shall end before the wall.
fn is_ours(peer: Peer) -> bool {
    matches!(peer, Peer::Weir | Peer::Store)
}

fn text(x: f64, y: f64, class: &str, words: &str) -> String {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{words}</text>")
}

#[cfg(test)]
mod tests;
