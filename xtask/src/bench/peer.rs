//! Who is measured, and how each is started.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use clap::ValueEnum;

use super::answer;
use super::child::Running;
use super::hosts;
use super::store;
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
    /// nginx, as fast as its documentation knows how.
    Nginx,
    /// nginx, as whoever writes the shortest file gets it.
    NginxDefault,
    /// HAProxy, as fast as its documentation knows how.
    Haproxy,
    /// HAProxy, as whoever writes the shortest file gets it.
    HaproxyDefault,
    /// This project with `balance` in front of the same servers: what a plain request costs.
    Balance,
    /// The queue for writes of this project, without a proxy.
    Store,
    /// SQLite alone, with the same rows and as many writes in a transaction as the queue.
    Sqlite,
}

impl Peer {
    /// All of them, in the order of the table.
    pub(crate) const ALL: [Self; 9] = [
        Self::Relay,
        Self::Weir,
        Self::Nginx,
        Self::NginxDefault,
        Self::Haproxy,
        Self::HaproxyDefault,
        Self::Balance,
        Self::Store,
        Self::Sqlite,
    ];

    /// Its name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Weir => "weir",
            Self::Nginx => "nginx",
            Self::NginxDefault => "nginx-default",
            Self::Haproxy => "haproxy",
            Self::HaproxyDefault => "haproxy-default",
            Self::Balance => "balance",
            Self::Store => "store",
            Self::Sqlite => "sqlite",
        }
    }

    /// The program that it is, in its best configuration: what others are compared with.
    pub(crate) fn program(self) -> Self {
        match self {
            Self::NginxDefault => Self::Nginx,
            Self::HaproxyDefault => Self::Haproxy,
            _ => self,
        }
    }

    /// Its version, as it says itself.
    pub(crate) fn version(self) -> String {
        match self {
            Self::Relay => "bytes copied, nothing parsed".to_owned(),
            Self::Weir | Self::Balance => first_line(Command::new(release("weir")).arg("--version")),
            Self::Store => "the queue, without a proxy".to_owned(),
            Self::Sqlite => first_line(&mut Command::new(store::program())),
            Self::Nginx | Self::NginxDefault => first_line(Command::new(daemon("nginx")).arg("-v")),
            Self::Haproxy | Self::HaproxyDefault => first_line(Command::new(daemon("haproxy")).arg("-v")),
        }
    }

    /// The package of this project that it is, if it is one.
    pub(crate) fn package(self) -> Option<&'static str> {
        match self {
            Self::Relay => Some("xtask"),
            Self::Weir | Self::Balance => Some("weir"),
            Self::Store | Self::Sqlite => Some(store::PACKAGE),
            Self::Nginx | Self::NginxDefault | Self::Haproxy | Self::HaproxyDefault => None,
        }
    }

    /// Whether it is a proxy, and not a program that is only told what to do.
    pub(crate) fn listens(self) -> bool {
        !matches!(self, Self::Store | Self::Sqlite)
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
        let hosts = if words.contains(&"hosts") { hosts::services() } else { String::new() };
        let blanks = [&servers.entries()[..], &[("@LISTEN@", &*listen), ("@HOSTS@", &*hosts)]].concat();
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
            Self::Store | Self::Sqlite => command = store::command(self.name(), directory),
            Self::Nginx => command = nginx(directory, &written("nginx.conf")?),
            Self::NginxDefault => command = nginx(directory, &written("nginx-default.conf")?),
            Self::Haproxy => command = haproxy(&written("haproxy.cfg")?),
            Self::HaproxyDefault => command = haproxy(&written("haproxy-default.cfg")?),
        }
        Ok(command)
    }

    /// Starts it on these cores and waits until it listens. `words` choose the lines of its configuration. One that does not listen
    /// has no address, and all cores.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn start(
        self,
        cores: &[usize],
        directory: &Path,
        servers: &[SocketAddr],
        words: &[&str],
    ) -> Result<(Running, Option<SocketAddr>)> {
        let listen = answer::free_address()?;
        let mut command = self.command(directory, listen, servers, words)?;
        if !self.listens() {
            return Ok((Running::start(&mut command)?, None));
        }
        let mut running = Running::start_on_all(cores, command.stdout(Stdio::null()))?;
        answer::wait_until_ready(self.name(), listen, &mut running)?;
        Ok((running, Some(listen)))
    }
}

/// Builds a package of this project.
///
/// # Errors
/// When that fails.
pub(crate) fn build(package: &str) -> Result<()> {
    eprintln!("building {package} (release)");
    // Only where a program is an example: what tests and examples need of others would change the programs beside them.
    let programs = if package == store::PACKAGE { "--examples" } else { "--bins" };
    let status = workspace::cargo()
        .args(["build", "--quiet", "--release", programs, "--package", package])
        .status()?;
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

fn haproxy(configuration: &Path) -> Command {
    let mut command = Command::new(daemon("haproxy"));
    command.args(["-db", "-q", "-f"]).arg(configuration);
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
