//! Everything that continuous integration holds against a change before it runs the tests.

use anyhow::Result;
use clap::Args;

use crate::step::{Outcome, Steps, command};
use crate::{dependencies, tidy, workspace};

/// What to check.
#[derive(Args)]
pub(crate) struct Options {
    /// Also ask the database of known vulnerabilities; needs `cargo deny` and network.
    #[arg(long)]
    advisories: bool,
    /// Print the outcome as JSON on stdout; progress goes to stderr.
    #[arg(long)]
    json: bool,
}

/// Runs all steps, also after one failed. False when one did.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let mut steps = Steps::new(options.json);
    // The quick ones first: they find most.
    steps.run("format", || command(workspace::cargo().args(["fmt", "--all", "--check"])));
    steps.run("tidy", tidy);
    steps.run("dependencies", dependencies);
    steps.run("lints", || {
        let arguments =
            ["clippy", "--quiet", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"];
        command(workspace::cargo().args(arguments))
    });
    steps.run("documentation", || {
        let arguments = ["doc", "--quiet", "--locked", "--workspace", "--no-deps"];
        command(workspace::cargo().args(arguments).env("RUSTDOCFLAGS", "-D warnings"))
    });
    steps.run("cargo deny", || cargo_deny(options.advisories));
    steps.summarise("check");
    if options.json {
        println!("{}", steps.json());
    }
    Ok(steps.passed())
}

fn tidy() -> Outcome {
    match tidy::run() {
        Ok(true) => Outcome::Passed,
        Ok(false) => Outcome::Failed("see the findings above".into()),
        Err(error) => Outcome::Failed(format!("{error:#}")),
    }
}

fn dependencies() -> Outcome {
    match dependencies::check() {
        Ok(found) if found.is_empty() => Outcome::Passed,
        Ok(found) => {
            found.iter().for_each(|line| eprintln!("{line}"));
            Outcome::Failed(format!("{} finding(s)", found.len()))
        }
        Err(error) => Outcome::Failed(format!("{error:#}")),
    }
}

fn cargo_deny(advisories: bool) -> Outcome {
    if !workspace::is_installed("cargo-deny") {
        let why = "not installed; `dependencies` has checked licences, bans and sources";
        return match advisories {
            true => Outcome::Failed("advisories need it: `cargo install --locked cargo-deny`".into()),
            false => Outcome::Skipped(why.into()),
        };
    }
    let deny = |manifest: &str| {
        let mut deny = workspace::cargo();
        deny.args(["deny", "--manifest-path", manifest, "--config", "deny.toml", "--workspace"]);
        deny.args(["check", "licenses", "bans", "sources"]);
        if advisories {
            deny.arg("advisories");
        }
        command(&mut deny)
    };
    match deny("Cargo.toml") {
        Outcome::Passed => deny("fuzz/Cargo.toml"),
        other => other,
    }
}
