//! Who answered how many requests and how fast, as a table.

use std::time::Duration;

use super::burst::Outcome;
use crate::output::Paint;

/// Width of a full bar.
const BAR_COLUMNS: usize = 15;

/// The counts of a burst.
#[derive(Debug)]
pub(crate) struct Tally {
    servers: Vec<Line>,
    all: Line,
    failures: usize,
    first_failure: Option<String>,
}

/// One server's part, or the whole.
#[derive(Debug)]
struct Line {
    name: String,
    /// How long each answer took, the shortest first.
    took: Vec<Duration>,
}

impl Tally {
    /// Counts the answers of each of these servers; one that is none of them gets a line too.
    pub(crate) fn new(servers: &[String], outcome: Outcome) -> Self {
        let mut lines: Vec<Line> =
            servers.iter().map(|name| Line { name: name.clone(), took: Vec::new() }).collect();
        let mut all = Line { name: "all".to_owned(), took: Vec::new() };
        for (server, took) in outcome.answers {
            all.took.push(took);
            match lines.iter_mut().find(|line| line.name == server) {
                Some(line) => line.took.push(took),
                None => lines.push(Line { name: server, took: vec![took] }),
            }
        }
        for line in lines.iter_mut().chain([&mut all]) {
            line.took.sort_unstable();
        }
        let first_failure = outcome.failures.first().cloned();
        Self { servers: lines, all, failures: outcome.failures.len(), first_failure }
    }

    /// Why the burst was no success: a request failed, or the counts of two servers differ by more than one.
    pub(crate) fn complaint(&self) -> Option<String> {
        if let Some(first) = &self.first_failure {
            return Some(format!("{} requests failed, the first with: {first}", self.failures));
        }
        let counts = || self.servers.iter().map(|line| line.took.len());
        let (least, most) = (counts().min().unwrap_or(0), counts().max().unwrap_or(0));
        (most - least > 1).then(|| format!("the split is not even: one server got {least}, another {most}"))
    }

    /// The table; ends with a line end.
    pub(crate) fn render(&self, color: bool) -> String {
        let width = self.servers.iter().map(|line| line.name.len()).max().unwrap_or(0).max("server".len());
        let head =
            format!("  {:<width$}  {:>8}  {:>7}  {:>9}  {:>9}", "server", "requests", "share", "p50", "p99");
        let mut table = format!("{}\n", Paint::Strong.on(color, head));
        let most = self.servers.iter().map(|line| line.took.len()).max().unwrap_or(0);
        for line in &self.servers {
            let bar = "▇".repeat(line.took.len() * BAR_COLUMNS / most.max(1));
            table += &format!("{}  {}\n", self.columns(line, width), Paint::Good.on(color, bar));
        }
        table += &format!("{}\n", self.columns(&self.all, width));
        if self.failures > 0 {
            let count = Paint::Bad.on(color, format_args!("{:>8}", self.failures));
            table += &format!("  {:<width$}  {count}\n", "failed");
        }
        table
    }

    fn columns(&self, line: &Line, width: usize) -> String {
        let share = match self.all.took.len() {
            0 => 0.0,
            all => 100.0 * line.took.len() as f64 / all as f64,
        };
        let milliseconds = |quantile| match line.quantile(quantile) {
            Some(took) => format!("{:.2} ms", took.as_secs_f64() * 1000.0),
            None => "-".to_owned(),
        };
        format!(
            "  {:<width$}  {:>8}  {:>7}  {:>9}  {:>9}",
            line.name,
            line.took.len(),
            format!("{share:.1} %"),
            milliseconds(50),
            milliseconds(99)
        )
    }
}

impl Line {
    /// The time within which so many of a hundred answers came: the nearest rank, no interpolation.
    fn quantile(&self, percent: usize) -> Option<Duration> {
        let rank = (self.took.len() * percent).div_ceil(100);
        self.took.get(rank.checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(answers: &[(&str, u64)], failures: &[&str]) -> Tally {
        let outcome = Outcome {
            answers: answers
                .iter()
                .map(|(name, ms)| ((*name).to_owned(), Duration::from_millis(*ms)))
                .collect(),
            failures: failures.iter().map(|failure| (*failure).to_owned()).collect(),
        };
        Tally::new(&["a:1".to_owned(), "b:2".to_owned()], outcome)
    }

    fn check(answers: &[(&str, u64)], failures: &[&str], complaint: Option<&str>) {
        let said = tally(answers, failures).complaint();
        match (said, complaint) {
            (None, None) => {}
            (Some(said), Some(part)) if said.contains(part) => {}
            (said, _) => panic!("{answers:?} {failures:?}: {said:?}"),
        }
    }

    #[test]
    fn an_uneven_split_is_told() {
        check(&[], &[], None);
        check(&[("a:1", 1)], &[], None);
        check(&[("a:1", 1), ("b:2", 1), ("a:1", 1)], &[], None);
        check(&[("a:1", 1), ("a:1", 1)], &[], Some("one server got 0, another 2"));
        check(
            &[("a:1", 1), ("b:2", 1)],
            &["no answer", "other"],
            Some("2 requests failed, the first with: no answer"),
        );
        // A server that nobody knows has taken what was for the others.
        check(&[("a:1", 1), ("c:3", 1), ("c:3", 1), ("b:2", 1), ("c:3", 1)], &[], Some("not even"));
    }

    #[test]
    fn quantiles_are_times_that_were_measured() {
        let took =
            |count: u64| Line { name: String::new(), took: (1..=count).map(Duration::from_millis).collect() };
        for (count, percent, expected) in [
            (0, 50, None),
            (1, 50, Some(1)),
            (1, 99, Some(1)),
            (2, 50, Some(1)),
            (100, 99, Some(99)),
            (101, 99, Some(100)),
        ] {
            assert_eq!(
                took(count).quantile(percent),
                expected.map(Duration::from_millis),
                "{count} {percent}"
            );
        }
    }

    #[test]
    fn the_table_is_aligned() {
        let table = tally(&[("a:1", 1), ("b:2", 10), ("a:1", 3), ("b:2", 100)], &["x"]).render(false);
        let expected = "  \
  server  requests    share        p50        p99
  a:1            2   50.0 %    1.00 ms    3.00 ms  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇
  b:2            2   50.0 %   10.00 ms  100.00 ms  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇
  all            4  100.0 %    3.00 ms  100.00 ms
  failed         1
";
        assert_eq!(table, expected);
    }
}
