//! Who is measured, and how each is started.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use super::answer;
use super::child::Running;
use crate::workspace;

/// One of the measured programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    /// Bytes copied, nothing parsed: the limit of the design.
    Relay,
    /// This project.
    Weir,
    /// nginx.
    Nginx,
    /// HAProxy.
    Haproxy,
}

impl Peer {
    /// All of them, in the order of the table.
    pub(crate) const ALL: [Self; 4] = [Self::Relay, Self::Weir, Self::Nginx, Self::Haproxy];

    /// Its name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Weir => "weir",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        }
    }

    /// Its version, as it says itself.
    pub(crate) fn version(self) -> String {
        match self {
            Self::Relay => "bytes copied, nothing parsed".to_owned(),
            Self::Weir => first_line(Command::new(release("weir")).arg("--version")),
            Self::Nginx => first_line(Command::new(daemon("nginx")).arg("-v")),
            Self::Haproxy => first_line(Command::new(daemon("haproxy")).arg("-v")),
        }
    }

    /// Builds what has to be built.
    ///
    /// # Errors
    /// When that fails.
    pub(crate) fn build(self) -> Result<()> {
        let package = match self {
            Self::Relay => "xtask",
            Self::Weir => "weir",
            Self::Nginx | Self::Haproxy => return Ok(()),
        };
        eprintln!("building {package} (release)");
        let status =
            workspace::cargo().args(["build", "--quiet", "--release", "--package", package]).status()?;
        if !status.success() {
            bail!("`cargo build --release --package {package}` failed");
        }
        Ok(())
    }

    /// The command that starts it, its configuration written into `directory`.
    ///
    /// # Errors
    /// When the configuration cannot be written.
    fn command(self, directory: &Path, listen: SocketAddr, upstream: SocketAddr) -> Result<Command> {
        let written = |template: &str| configuration(template, directory, listen, &upstream.to_string(), "");
        let mut command;
        match self {
            Self::Relay => {
                command = Command::new(release("xtask"));
                command.args(["relay", &listen.to_string(), &upstream.to_string()]);
            }
            Self::Weir => {
                command = Command::new(release("weir"));
                command.args(["run", "-c"]).arg(written("weir.yaml")?);
            }
            Self::Nginx => command = nginx(directory, &written("nginx.conf")?),
            Self::Haproxy => {
                command = Command::new(daemon("haproxy"));
                command.args(["-db", "-q", "-f"]).arg(written("haproxy.cfg")?);
            }
        }
        Ok(command)
    }

    /// Starts it on one core and waits until it answers as the server does.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn start(
        self,
        core: usize,
        directory: &Path,
        upstream: SocketAddr,
        body: &str,
    ) -> Result<(Running, SocketAddr)> {
        let listen = answer::free_address()?;
        let mut command = self.command(directory, listen, upstream)?;
        let mut running = Running::start_on(core, command.stdout(Stdio::null()))?;
        answer::wait_until_ready(self.name(), listen, &mut running)?;
        answer::check(self.name(), listen, body)?;
        Ok((running, listen))
    }
}

/// Starts the server that stands behind all peers.
///
/// # Errors
/// When it does not start or does not answer.
pub(crate) fn start_server(core: usize, directory: &Path, body: &str) -> Result<(Running, SocketAddr)> {
    let listen = answer::free_address()?;
    let file = configuration("server.conf", directory, listen, "", body)?;
    let mut running = Running::start_on(core, &mut nginx(directory, &file))?;
    answer::wait_until_ready("the server", listen, &mut running)?;
    answer::check("the server", listen, body)?;
    Ok((running, listen))
}

fn nginx(directory: &Path, configuration: &Path) -> Command {
    let mut command = Command::new(daemon("nginx"));
    // Before it has read its configuration nginx writes to a log file of the system, unless told otherwise.
    command.arg("-p").arg(directory).args(["-e", "stderr", "-c"]).arg(configuration);
    command
}

/// Writes a template of `bench/peers` with its blanks filled.
fn configuration(
    template: &str,
    directory: &Path,
    listen: SocketAddr,
    upstream: &str,
    body: &str,
) -> Result<PathBuf> {
    let source = workspace::root().join("bench/peers").join(template);
    let text = fs::read_to_string(&source).with_context(|| format!("cannot read `{}`", source.display()))?;
    let text = text
        .replace("@LISTEN@", &listen.to_string())
        .replace("@UPSTREAM@", upstream)
        .replace("@BODY@", body)
        .replace("@DIRECTORY@", &directory.to_string_lossy());
    let target = directory.join(template);
    fs::write(&target, text).with_context(|| format!("cannot write `{}`", target.display()))?;
    Ok(target)
}

fn release(program: &str) -> PathBuf {
    workspace::target_directory().join("release").join(program)
}

/// Daemons lie in sbin, which is not in everybody's path.
fn daemon(program: &str) -> PathBuf {
    let system = Path::new("/usr/sbin").join(program);
    if system.is_file() { system } else { PathBuf::from(program) }
}

fn first_line(command: &mut Command) -> String {
    let Ok(output) = command.output() else { return "unknown".to_owned() };
    // nginx says its version on stderr.
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or("unknown").trim().to_owned()
}
