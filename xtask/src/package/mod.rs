//! The Debian package: made by cargo-deb from `[package.metadata.deb]` of the program, and then looked into.
//!
//! What cargo-deb needs lies in a directory of its own, laid out like one for targets, so that a binary of any build can be packed
//! without touching what that build left behind: the program, and what the program itself makes (manual pages, completions).

mod contents;
mod third_party;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::packages::{self, Need};
use crate::workspace;

/// What makes the package; the version that this was tried with.
const CARGO_DEB: (&str, &str) = ("cargo-deb", "3.8.0");

/// What looks into it, and what finds out which libraries the program needs.
const TOOLS: [Need; 2] =
    [Need { program: "dpkg-deb", package: "dpkg" }, Need { program: "dpkg-shlibdeps", package: "dpkg-dev" }];

/// How to make it.
#[derive(Args)]
pub(crate) struct Options {
    /// Pack this program instead of building a release: to see the package without the minutes that a build takes.
    #[arg(long, value_name = "PROGRAM")]
    no_build: Option<PathBuf>,
    /// Who stands behind it, `Name <mail>`, instead of what the manifest says.
    #[arg(long, value_name = "NAME")]
    maintainer: Option<String>,
}

/// Makes it, checks it, and says where it is. False when something is not as it should be.
pub(crate) fn run(options: &Options) -> Result<bool> {
    packages::ensure(&TOOLS)?;
    ensure_cargo_deb()?;
    let program = match &options.no_build {
        Some(program) => program.clone(),
        None => build()?,
    };
    let stage = workspace::target_directory().join("package");
    lay_out(&program, &stage.join("release"))?;
    let package = pack(&stage, options)?;
    let found = contents::check(&package, &stage.join("unpacked"))?;
    for line in &found {
        eprintln!("error: {line}");
    }
    println!("{}", package.display());
    Ok(found.is_empty())
}

fn ensure_cargo_deb() -> Result<()> {
    let (name, version) = CARGO_DEB;
    if workspace::is_installed(name) {
        return Ok(());
    }
    eprintln!("installing {name} {version}");
    let mut cargo = workspace::cargo();
    done(cargo.args(["install", "--quiet", "--locked", name, "--version", version]))
}

fn build() -> Result<PathBuf> {
    done(workspace::cargo().args(["build", "--release", "--locked", "--package", "weir"]))?;
    Ok(workspace::target_directory().join("release/weir"))
}

/// Puts the program and what it makes where cargo-deb looks for them.
fn lay_out(program: &Path, release: &Path) -> Result<()> {
    let made = release.join("package");
    // What an older program has made.
    if made.exists() {
        fs::remove_dir_all(&made).with_context(|| format!("can't empty `{}`", made.display()))?;
    }
    fs::create_dir_all(&made).with_context(|| format!("can't make `{}`", made.display()))?;
    let copy = release.join("weir");
    fs::copy(program, &copy).with_context(|| format!("can't copy `{}`", program.display()))?;
    let pages = made.join("man");
    done(Command::new(&copy).arg("man").arg(&pages))?;
    // cargo-deb compresses pages, but none that lie below a directory for targets.
    done(Command::new("gzip").args(["-9", "--no-name", "--recursive"]).arg(&pages))?;
    for (shell, file) in [("bash", "weir.bash"), ("zsh", "_weir"), ("fish", "weir.fish")] {
        let output =
            Command::new(&copy).args(["completions", shell]).output().context("can't run the program")?;
        if !output.status.success() {
            bail!("`weir completions {shell}` failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        fs::write(made.join(file), output.stdout)?;
    }
    fs::write(made.join("third-party.txt"), third_party::list()?)?;
    Ok(())
}

/// The finished file.
fn pack(stage: &Path, options: &Options) -> Result<PathBuf> {
    let directory = stage.join("debian");
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    let mut deb = workspace::cargo();
    deb.args(["deb", "--no-build", "--locked", "--strip", "--package", "weir", "--output"]).arg(&directory);
    if let Some(maintainer) = &options.maintainer {
        deb.args(["--maintainer", maintainer]);
    }
    if options.no_build.is_some() {
        deb.arg("--fast");
    }
    done(deb.env("CARGO_TARGET_DIR", stage))?;
    let mut files = fs::read_dir(&directory)?.filter_map(|entry| Some(entry.ok()?.path()));
    files.find(|path| path.extension().is_some_and(|it| it == "deb")).context("cargo-deb made no package")
}

/// Runs a program to its end; its output goes where ours goes.
fn done(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("can't start {:?}", command.get_program()))?;
    if !status.success() {
        bail!("{:?} failed: {status}", command.get_program());
    }
    Ok(())
}
