//! What was written becomes the model: names are looked up, defaults filled in, contradictions found.
//!
//! A value that is missing is only complained about when nothing around it was wrong already; otherwise one typing error
//! would be told twice, the second time misleadingly.

mod actions;
mod admit;
mod routes;
mod services;
mod upstreams;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::file::limit::LimitsFile;
use crate::file::top::File;
use crate::model::{AccessLog, Admin, Limits, Listen, ListenAddress, LogTarget, Model};
use crate::problem::{Problem, Problems};
use crate::source::At;

use services::Services;
use upstreams::Upstreams;

/// Where clients are accepted when nothing is written: this machine only.
pub(crate) const DEFAULT_LISTEN: SocketAddr = loopback(8080);

/// Where the admin listener is when nothing is written (semantics.md §4.5).
pub(crate) const DEFAULT_ADMIN: SocketAddr = loopback(9180);

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::V4(std::net::SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

/// Where relative paths begin and where state lies by default.
pub(crate) struct Surroundings<'s> {
    /// The configuration's directory.
    pub(crate) base_dir: &'s Path,
    /// `$STATE_DIRECTORY`
    pub(crate) state_directory: Option<String>,
}

/// Makes the model; `None` when there are errors.
pub(crate) fn model(file: File, around: &Surroundings<'_>, problems: &mut Problems) -> Option<Model> {
    let limits = limits(&file.limits, problems);
    let listen = listen(&file, around.base_dir, problems);
    let mut upstreams = Upstreams::new(around.base_dir, file.timeouts, problems);
    for (name, upstream) in file.upstreams {
        upstreams.declare(name, upstream, problems);
    }
    if file.services.is_empty() && !problems.has_error_in(file.span) {
        problems.push(
            Problem::error(file.span, "the configuration has no services")
                .hint("begin with `services: [{host: \"*\", upstream: [\"127.0.0.1:9001\"]}]`"),
        );
    }
    let mut services = Services::new(file.backend_server);
    for service in file.services {
        services.add(service, &mut upstreams, problems);
    }
    upstreams.warn(problems);
    if problems.has_errors() {
        return None;
    }
    Some(Model {
        listen,
        workers: file.workers,
        admin: file.admin.map_or(Admin::Default(DEFAULT_ADMIN), |admin| admin.value),
        state: state(file.state, around),
        access_log: access_log(file.access_log, around.base_dir),
        trusted_proxies: file.trusted_proxies,
        forwarded: file.forwarded,
        limits,
        timeouts: file.timeouts,
        drain: file.drain,
        services: services.into_list(),
        upstreams: upstreams.into_list(),
    })
}

/// Limits with `target` put below `head`.
fn limits(file: &LimitsFile, problems: &mut Problems) -> Limits {
    let head = file.limits.head_bytes;
    let target_bytes = match &file.target {
        // The default follows a smaller head; only what was written can contradict it.
        None => file.limits.target_bytes.min(head),
        Some(At { value, span }) => match usize::try_from(*value) {
            Ok(target) if target <= head => target,
            Ok(_) | Err(_) => {
                problems.push(
                    Problem::error(*span, "`target` is larger than `head`, of which it is a part")
                        .hint("write a smaller `target` or a larger `head`"),
                );
                head
            }
        },
    };
    Limits { target_bytes, ..file.limits }
}

fn listen(file: &File, base_dir: &Path, problems: &mut Problems) -> Vec<Listen> {
    let mut list = Vec::new();
    for (index, At { value: address, span }) in file.listen.iter().enumerate() {
        // Port 0 is another port each time.
        let any_port = matches!(address, ListenAddress::Tcp(address) if address.port() == 0);
        let first = file.listen[..index].iter().find(|other| other.value == *address && !any_port);
        if let Some(first) = first {
            problems.push(
                Problem::error(*span, "this address stands twice in `listen`")
                    .beside(first.span, "first written here"),
            );
        }
        list.push(Listen {
            address: match address {
                ListenAddress::Tcp(address) => ListenAddress::Tcp(*address),
                ListenAddress::Unix(path) => ListenAddress::Unix(base_dir.join(path)),
            },
        });
    }
    if let Some(At { value: Admin::At(admin), span }) = &file.admin
        && admin.port() != 0
        && let Some(first) = file.listen.iter().find(|other| other.value == ListenAddress::Tcp(*admin))
    {
        problems.push(
            Problem::error(*span, "`admin` and `listen` cannot share an address")
                .beside(first.span, "clients are accepted here"),
        );
    }
    if list.is_empty() {
        list.push(Listen { address: ListenAddress::Tcp(DEFAULT_LISTEN) });
    }
    list
}

/// semantics.md §4.1
pub(crate) fn state(written: Option<PathBuf>, around: &Surroundings<'_>) -> PathBuf {
    if let Some(path) = written {
        return around.base_dir.join(path);
    }
    // systemd lists several directories with colons between them; the first is ours.
    let first = around.state_directory.as_deref().and_then(|list| list.split(':').next());
    match first.filter(|directory| !directory.is_empty()) {
        Some(directory) => PathBuf::from(directory),
        None => around.base_dir.join(".weir"),
    }
}

fn access_log(written: Option<AccessLog>, base_dir: &Path) -> AccessLog {
    match written {
        None => AccessLog::On { format: crate::model::AccessLogFormat::Common, target: LogTarget::Stderr },
        Some(AccessLog::On { format, target: LogTarget::File(path) }) => {
            AccessLog::On { format, target: LogTarget::File(base_dir.join(path)) }
        }
        Some(other) => other,
    }
}

#[cfg(test)]
mod tests;
