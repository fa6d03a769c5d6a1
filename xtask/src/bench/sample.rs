//! What one peer did in one round.

use super::goal::Figure;
use super::load::Load;
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
    /// One of its figures, if it has it.
    pub(crate) fn figure(&self, figure: Figure) -> Option<f64> {
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

/// As people read memory.
#[expect(clippy::cast_precision_loss, reason = "memory of this machine is far below 2^52")]
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

/// As people read times.
pub(crate) fn time(microseconds: f64) -> String {
    if microseconds < 1000.0 {
        format!("{microseconds:.0} µs")
    } else {
        format!("{:.2} ms", microseconds / 1000.0)
    }
}
