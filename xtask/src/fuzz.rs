//! The fuzz targets, on the stable compiler.
//!
//! `cargo fuzz` wants a nightly compiler for its sanitizers. Weir forbids unsafe code, so what fuzzing finds here are panics,
//! broken invariants and hangs, and for those coverage is enough: the flags that libFuzzer needs are stable.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::packages::{self, Need};
use crate::step::{Outcome, Steps, command};
use crate::workspace;

/// Counters on every edge, and the operands of comparisons, which is how the fuzzer finds magic words.
const FLAGS: &str = "--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Longer input finds nothing that shorter input does not, and slows every run.
const INPUT_BYTES_MAX: u32 = 4096;
/// One input that takes longer is a finding.
const INPUT_SECONDS_MAX: u32 = 5;
/// A parser of 4 KiB that needs more memory is a finding.
const MEMORY_MIB_MAX: u32 = 1024;

/// What to fuzz.
#[derive(Args)]
pub(crate) struct Options {
    /// Seconds for each target.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Run one input (an artifact of an earlier run) and nothing else.
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// Afterwards, add to the committed corpus the inputs that reach code it does not reach yet.
    #[arg(long)]
    merge: bool,
    /// Targets; all of them when none is named.
    targets: Vec<String>,
}

/// Runs them one after the other. False when one found something.
pub(crate) fn run(options: &Options) -> Result<bool> {
    packages::ensure(&[Need { program: "c++", package: "g++" }])?;
    let home = workspace::root().join("fuzz");
    let known = known_targets(&home)?;
    if let Some(unknown) = options.targets.iter().find(|target| !known.contains(target)) {
        bail!("there is no target `{unknown}`\n\nhint: the targets are {}", known.join(", "));
    }
    if options.replay.is_some() && options.targets.len() != 1 {
        bail!("`--replay` needs the one target that the file is for");
    }
    let targets = if options.targets.is_empty() { &known } else { &options.targets };
    let programs = build(&home, targets)?;
    let mut steps = Steps::new(false);
    for target in targets {
        steps.run(target, || run_target(&home, &programs, target, options));
    }
    steps.summarise("fuzz");
    Ok(steps.passed())
}

/// The names of the files in `fuzz_targets`.
fn known_targets(home: &Path) -> Result<Vec<String>> {
    let directory = home.join("fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&directory).with_context(|| format!("cannot read `{}`", directory.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "rs") {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// Builds the targets; the directory of the programs. A target triple is named, so that the flags do not
/// reach build scripts, which could not be linked with them.
fn build(home: &Path, targets: &[String]) -> Result<PathBuf> {
    let host = host()?;
    let directory = workspace::target_directory().join("fuzz");
    let mut cargo = workspace::cargo();
    cargo.current_dir(home).args(["build", "--release", "--quiet", "--target", &host]);
    for target in targets {
        cargo.args(["--bin", target]);
    }
    cargo.env("CARGO_TARGET_DIR", &directory).env("RUSTFLAGS", FLAGS);
    eprintln!("building {} fuzz target(s)", targets.len());
    if !cargo.status().context("cannot start cargo")?.success() {
        bail!("the fuzz targets do not build");
    }
    Ok(directory.join(host).join("release"))
}

fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot start rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("`rustc -vV` names no host")
}

fn run_target(home: &Path, programs: &Path, target: &str, options: &Options) -> Outcome {
    let artifacts = home.join("artifacts").join(target);
    let corpus = home.join("corpus").join(target);
    // New inputs go here and not into the committed corpus, which is small on purpose.
    let found = workspace::target_directory().join("fuzz").join("corpus").join(target);
    for directory in [&artifacts, &found, &corpus] {
        if let Err(error) = fs::create_dir_all(directory) {
            return Outcome::Failed(format!("cannot make `{}`: {error}", directory.display()));
        }
    }
    let mut program = Command::new(programs.join(target));
    program.arg(format!("-artifact_prefix={}/", artifacts.display()));
    program.arg(format!("-timeout={INPUT_SECONDS_MAX}")).arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"));
    if let Some(file) = &options.replay {
        return command(program.arg(file));
    }
    program.arg(format!("-max_total_time={}", options.seconds)).arg(format!("-max_len={INPUT_BYTES_MAX}"));
    // The value profile sees that a comparison came closer, which coverage alone does not.
    program.args(["-use_value_profile=1", "-print_final_stats=1", "-verbosity=1"]);
    let dictionary = home.join("dictionaries").join(format!("{target}.dict"));
    if dictionary.is_file() {
        program.arg(format!("-dict={}", dictionary.display()));
    }
    let log = artifacts.join("log");
    let outcome = match fs::File::create(&log) {
        Ok(file) => command(program.arg(&found).arg(&corpus).stderr(file)),
        Err(error) => return Outcome::Failed(format!("cannot write `{}`: {error}", log.display())),
    };
    let log = fs::read(&log).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    if outcome != Outcome::Passed {
        print_last(&log, 40);
        let artifacts = artifacts.strip_prefix(workspace::root()).unwrap_or(&artifacts).display();
        let hint = format!("see {artifacts}; again with `cargo xtask fuzz --replay FILE {target}`");
        return Outcome::Failed(hint);
    }
    println!(
        "{} inputs, {} of them new, {} edges",
        statistic(&log, "number_of_executed_units"),
        statistic(&log, "new_units_added"),
        edges(&log)
    );
    if options.merge {
        let mut merge = Command::new(programs.join(target));
        return command(merge.arg("-merge=1").arg(&corpus).arg(&found));
    }
    outcome
}

/// One of the final figures that libFuzzer prints.
fn statistic(log: &str, name: &str) -> u64 {
    log.lines()
        .find_map(|line| {
            line.strip_prefix("stat::")?.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok()
        })
        .unwrap_or(0)
}

/// How many edges of the program the inputs have reached, as the last line of progress says.
fn edges(log: &str) -> u64 {
    let after = log.lines().rev().find_map(|line| line.strip_prefix('#')?.split_once(" cov: "));
    after.and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn print_last(log: &str, lines: usize) {
    let all: Vec<&str> = log.lines().collect();
    for line in &all[all.len().saturating_sub(lines)..] {
        eprintln!("{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::{edges, statistic};

    #[test]
    fn the_final_figures_are_read() {
        let log = "INFO: seed corpus\nstat::number_of_executed_units: 834313\nstat::new_units_added:          816\n";
        assert_eq!(statistic(log, "number_of_executed_units"), 834_313);
        assert_eq!(statistic(log, "new_units_added"), 816);
        assert_eq!(statistic(log, "number"), 0);
    }

    #[test]
    fn the_last_line_of_progress_tells_the_coverage() {
        let log = "#2\tINITED cov: 31 ft: 32 corp: 1/1b\n#524288\tpulse  cov: 477 ft: 6245 corp: 26/4Kb\n#600000\tDONE   cov: 478 ft: 6301\nDone 600000 runs\nstat::peak_rss_mb: 32\n";
        assert_eq!(edges(log), 478);
        assert_eq!(edges("INFO: nothing\n"), 0);
    }
}
