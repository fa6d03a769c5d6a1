//! Steps that run one after the other, each with its name and time, and a summary at the end.
//!
//! A step that fails does not stop the others: one run shows everything there is to repair.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It did what it should.
    Passed,
    /// It found something, or could not run.
    Failed(String),
    /// It was not run; the reason says why.
    Skipped(String),
}

/// The steps run so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<(String, Outcome, Duration)>,
    quiet: bool,
}

impl Steps {
    /// No step run yet. With `quiet`, progress goes to stderr so that stdout stays machine-readable.
    pub(crate) fn new(quiet: bool) -> Self {
        Self { done: Vec::new(), quiet }
    }

    fn say(&self, line: &str) {
        if self.quiet {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
    }

    /// Runs one step and notes how it ended.
    #[expect(
        clippy::disallowed_methods,
        reason = "a task times its own steps; there is no clock module to ask"
    )]
    pub(crate) fn run(&mut self, name: &str, step: impl FnOnce() -> Outcome) {
        self.say(&format!("── {name}"));
        let start = Instant::now();
        let outcome = step();
        let time = start.elapsed();
        let words = match &outcome {
            Outcome::Passed => "ok".to_owned(),
            Outcome::Failed(why) => format!("FAILED: {why}"),
            Outcome::Skipped(why) => format!("skipped: {why}"),
        };
        self.say(&format!("── {name}: {words} ({:.1} s)", time.as_secs_f64()));
        self.done.push((name.to_owned(), outcome, time));
    }

    /// True when no step failed.
    pub(crate) fn passed(&self) -> bool {
        !self.done.iter().any(|(_, outcome, _)| matches!(outcome, Outcome::Failed(_)))
    }

    /// Prints the table of all steps and one closing line.
    pub(crate) fn summarise(&self, task: &str) {
        self.say("");
        for (name, outcome, time) in &self.done {
            let (mark, why) = match outcome {
                Outcome::Passed => ("ok", String::new()),
                Outcome::Failed(why) => ("FAILED", format!("  {why}")),
                Outcome::Skipped(why) => ("skipped", format!("  {why}")),
            };
            self.say(&format!("{name:<14} {mark:<8} {:>7.1} s{why}", time.as_secs_f64()));
        }
        let failed = self.done.iter().filter(|(_, outcome, _)| matches!(outcome, Outcome::Failed(_))).count();
        let total: Duration = self.done.iter().map(|(_, _, time)| *time).sum();
        let verdict = if failed == 0 { "passed".to_owned() } else { format!("{failed} step(s) failed") };
        self.say(&format!("{task}: {verdict}, {} steps in {:.0} s", self.done.len(), total.as_secs_f64()));
    }

    /// The same as a JSON value.
    pub(crate) fn json(&self) -> Value {
        let steps: Vec<Value> = self
            .done
            .iter()
            .map(|(name, outcome, time)| {
                let (word, why) = match outcome {
                    Outcome::Passed => ("passed", None),
                    Outcome::Failed(why) => ("failed", Some(why)),
                    Outcome::Skipped(why) => ("skipped", Some(why)),
                };
                json!({"step": name, "outcome": word, "why": why, "seconds": time.as_secs_f64()})
            })
            .collect();
        json!({"passed": self.passed(), "steps": steps})
    }
}

/// Runs a program to its end, its output going where ours goes.
pub(crate) fn command(command: &mut Command) -> Outcome {
    match command.status() {
        Ok(status) if status.success() => Outcome::Passed,
        Ok(status) => Outcome::Failed(status.to_string()),
        Err(error) => {
            Outcome::Failed(format!("cannot start `{}`: {error}", command.get_program().to_string_lossy()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Steps};

    #[test]
    fn one_failure_fails_the_whole_and_stops_nothing() {
        let mut steps = Steps::new(true);
        steps.run("first", || Outcome::Failed("broken".into()));
        steps.run("second", || Outcome::Passed);
        assert!(!steps.passed());
        assert_eq!(steps.json()["steps"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn a_skipped_step_is_no_failure() {
        let mut steps = Steps::new(true);
        steps.run("only", || Outcome::Skipped("not here".into()));
        assert!(steps.passed());
    }
}
