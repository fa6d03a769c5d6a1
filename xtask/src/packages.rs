//! Debian packages that a task needs and this machine may lack.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// A program and the package that brings it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    /// Looked for in the path.
    pub program: &'static str,
    /// Installed when it is not there.
    pub package: &'static str,
}

/// Makes sure that all programs are there, installing what is missing and saying so.
///
/// # Errors
/// When something is missing and this is no Debian or we are not root; the message says what to install by hand.
pub(crate) fn ensure(needs: &[Need]) -> Result<()> {
    let missing: Vec<&str> =
        needs.iter().filter(|need| !is_there(need.program)).map(|need| need.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !nix::unistd::geteuid().is_root() || !workspace::is_installed("apt-get") {
        bail!("missing on this machine: {list}\n\nhint: as root, `apt-get install {list}`");
    }
    eprintln!("installing Debian packages: {list}");
    apt(&["update", "--quiet=2"])?;
    let mut arguments = vec!["install", "--yes", "--quiet=2", "--no-install-recommends"];
    arguments.extend(&missing);
    apt(&arguments)?;
    eprintln!("installed: {list}");
    Ok(())
}

/// Daemons lie in sbin, which is not in everybody's path.
fn is_there(program: &str) -> bool {
    workspace::is_installed(program) || std::path::Path::new("/usr/sbin").join(program).is_file()
}

fn apt(arguments: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // A package must not start its daemon: the tasks start their own, with their own configuration.
        .env("RUNLEVEL", "1")
        .stdout(std::io::stderr())
        .status()
        .context("cannot start apt-get")?;
    if !status.success() {
        bail!("`apt-get {}` failed: {status}", arguments.join(" "));
    }
    Ok(())
}
