//! Who is measured, and how each is started.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use clap::ValueEnum;

use super::answer;
use super::child::Running;
use super::template::{self, Blanks};
use crate::workspace;

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP.
    Plain,
    /// HTTP over TLS 1.3.
    Tls,
}

impl Protocol {
    /// The word before those lines of the configurations that are for this one.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "tls",
        }
    }
}

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
    /// This project with `balance` in front of the same servers: what a plain request costs.
    Balance,
}

impl Peer {
    /// All of them, in the order of the table.
    pub(crate) const ALL: [Self; 5] = [Self::Relay, Self::Weir, Self::Nginx, Self::Haproxy, Self::Balance];

    /// Its name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Weir => "weir",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Balance => "balance",
        }
    }

    /// Its version, as it says itself.
    pub(crate) fn version(self) -> String {
        match self {
            Self::Relay => "bytes copied, nothing parsed".to_owned(),
            Self::Weir | Self::Balance => first_line(Command::new(release("weir")).arg("--version")),
            Self::Nginx => first_line(Command::new(daemon("nginx")).arg("-v")),
            Self::Haproxy => first_line(Command::new(daemon("haproxy")).arg("-v")),
        }
    }

    /// The package of this project that it is, if it is one.
    pub(crate) fn package(self) -> Option<&'static str> {
        match self {
            Self::Relay => Some("xtask"),
            Self::Weir | Self::Balance => Some("weir"),
            Self::Nginx | Self::Haproxy => None,
        }
    }

    /// The command that starts it, its configuration written into `directory`.
    ///
    /// # Errors
    /// When the configuration cannot be written.
    fn command(
        self,
        directory: &Path,
        listen: SocketAddr,
        servers: &[SocketAddr],
        words: &[&str],
    ) -> Result<Command> {
        let (listen, servers) = (listen.to_string(), Blanks::of(servers));
        let blanks = [&servers.entries()[..], &[("@LISTEN@", &*listen)]].concat();
        let written = |template| template::write(template, directory, words, &blanks);
        let mut command;
        match self {
            Self::Relay => {
                command = Command::new(release("xtask"));
                command.args(["relay", &listen]).args(servers.entries().first().map(|(_, address)| address));
            }
            Self::Weir => {
                command = Command::new(release("weir"));
                command.args(["run", "-c"]).arg(written("weir.yaml")?);
            }
            Self::Balance => {
                // It runs beside the other one, which shall not see its own file change.
                let file = directory.join("balance.yaml");
                let file = template::write_to(file, "weir.yaml", directory, words, &blanks)?;
                command = Command::new(release("weir"));
                command.args(["run", "-c"]).arg(file);
            }
            Self::Nginx => command = nginx(directory, &written("nginx.conf")?),
            Self::Haproxy => {
                command = Command::new(daemon("haproxy"));
                command.args(["-db", "-q", "-f"]).arg(written("haproxy.cfg")?);
            }
        }
        Ok(command)
    }

    /// Starts it on one core and waits until it listens. `words` choose the lines of its configuration.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn start(
        self,
        core: usize,
        directory: &Path,
        servers: &[SocketAddr],
        words: &[&str],
    ) -> Result<(Running, SocketAddr)> {
        let listen = answer::free_address()?;
        let mut command = self.command(directory, listen, servers, words)?;
        let mut running = Running::start_on(core, command.stdout(Stdio::null()))?;
        answer::wait_until_ready(self.name(), listen, &mut running)?;
        Ok((running, listen))
    }
}

/// Builds a package of this project.
///
/// # Errors
/// When that fails.
pub(crate) fn build(package: &str) -> Result<()> {
    eprintln!("building {package} (release)");
    let status = workspace::cargo().args(["build", "--quiet", "--release", "--package", package]).status()?;
    if !status.success() {
        bail!("`cargo build --release --package {package}` failed");
    }
    Ok(())
}

/// The command that starts nginx with this configuration.
pub(crate) fn nginx(directory: &Path, configuration: &Path) -> Command {
    let mut command = Command::new(daemon("nginx"));
    // Before it has read its configuration nginx writes to a log file of the system, unless told otherwise.
    command.arg("-p").arg(directory).args(["-e", "stderr", "-c"]).arg(configuration);
    command
}

/// A program of this project.
pub(crate) fn release(program: &str) -> PathBuf {
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
