//! All tests of the workspace in one build, closed by one plain line that counts them.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::{Context, Result};
use clap::Args;

use crate::packages::{self, Need};
use crate::workspace;

/// Real clients that some tests drive through the proxy, a server whose TLS is another one, a terminal, who
/// collects metrics, and who says whether a unit file is one, with what that starts.
const CLIENTS: [Need; 10] = [
    Need { program: "curl", package: "curl" },
    Need { program: "python3", package: "python3" },
    Need { program: "httpx", package: "python3-httpx" },
    Need { program: "node", package: "nodejs" },
    Need { program: "openssl", package: "openssl" },
    Need { program: "tmux", package: "tmux" },
    Need { program: "chromedriver", package: "chromium-driver" },
    Need { program: "prometheus", package: "prometheus" },
    Need { program: "systemd-analyze", package: "systemd" },
    Need { program: "kill", package: "procps" },
];

/// What the tests that take longer run besides.
const SCANNERS: [Need; 1] = [Need { program: "testssl", package: "testssl.sh" }];

/// Where the random numbers of properties begin, so that a run that fails fails again. The environment may say another one.
const SEED: (&str, &str) = ("PROPTEST_RNG_SEED", "9112");

/// Which tests.
#[derive(Args)]
pub(crate) struct Options {
    /// Also what takes longer: the ignored tests, with WEIR_FULL=1 in their environment.
    #[arg(long)]
    full: bool,
    /// Only tests whose name contains this.
    filter: Option<String>,
}

/// How many tests ended how.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
    ignored: u64,
}

/// Runs them. False when one failed or something did not build.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let scanners: &[Need] = if options.full { &SCANNERS } else { &[] };
    if let Err(error) = packages::ensure(&[&CLIENTS[..], scanners].concat()) {
        // Those tests say themselves what they miss; the others need nothing from outside.
        eprintln!("warning: {error:#}");
    }
    let mut command = workspace::cargo();
    // `cargo test` and not nextest, although that is quicker on many cores: it is there wherever cargo is, it runs the
    // examples in the documentation too, and one way of running tests is one way of counting them.
    command.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
    command.args(&options.filter).arg("--");
    if std::env::var_os(SEED.0).is_none() {
        command.env(SEED.0, SEED.1);
    }
    if options.full {
        command.arg("--include-ignored").env("WEIR_FULL", "1");
    }
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let mut count = Count::default();
    let mut failures = Vec::new();
    for line in BufReader::new(child.stdout.take().context("no output")?).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        println!("{line}");
        count.add(&line);
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            failures.push(name.to_owned());
        }
    }
    let status = child.wait()?;
    for name in &failures {
        println!("failed: {name}");
    }
    println!("{}", count.closing_line(status.success(), options.full));
    Ok(status.success())
}

impl Count {
    /// Adds one binary's own closing line: `test result: ok. 12 passed; 0 failed; 1 ignored; …`.
    fn add(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
            return;
        };
        for part in counts.1.split("; ") {
            let Some((number, word)) = part.split_once(' ') else { continue };
            let number: u64 = number.parse().unwrap_or(0);
            match word {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    fn closing_line(self, succeeded: bool, full: bool) -> String {
        let Self { passed, failed, ignored } = self;
        let left = if ignored > 0 && !full { ", `--full` runs those too" } else { "" };
        let verdict = match (succeeded, failed) {
            (true, _) => "passed",
            (false, 0) => "FAILED: something did not build or ended early",
            (false, _) => "FAILED",
        };
        format!("tests: {passed} passed, {failed} failed, {ignored} ignored{left}; {verdict}")
    }
}

#[cfg(test)]
mod tests {
    use super::Count;

    #[test]
    fn the_lines_of_all_binaries_are_added() {
        let mut count = Count::default();
        count.add("running 3 tests");
        count.add(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s",
        );
        count.add("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s");
        assert_eq!(count, Count { passed: 15, failed: 2, ignored: 1 });
    }

    #[test]
    fn no_failed_test_and_no_success_is_said() {
        assert!(Count::default().closing_line(false, false).contains("did not build"));
        assert!(Count::default().closing_line(true, false).ends_with("; passed"));
    }
}
