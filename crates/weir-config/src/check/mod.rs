//! What was written becomes the model: names are looked up, defaults filled in, contradictions found.
//!
//! A value that is missing is only complained about when nothing around it was wrong already; otherwise one typing error
//! would be told twice, the second time misleadingly.

mod actions;
mod admin;
mod admit;
mod authenticate;
mod balance;
pub(crate) mod dispatch;
mod inventory;
mod listen;
pub(crate) mod log;
mod mirror;
mod own_fields;
mod policy;
mod queues;
mod rate_memory;
mod routes;
pub(crate) mod secrets;
mod services;
mod tls;
pub(crate) mod upstream_tls;
mod upstreams;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::file::limit::LimitsFile;
use crate::file::top::File;
use crate::model::{Limits, Model};
use crate::problem::{Problem, Problems};
use crate::report::Report;
use crate::source::{At, Span};

use services::Services;
use upstream_tls::Trust;
use upstreams::Upstreams;

/// Where the admin listener is when nothing is written (semantics.md §4.5).
pub(crate) const DEFAULT_ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9180);

/// Where relative paths begin, where state lies by default, and what time it is.
pub(crate) struct Surroundings<'s> {
    /// The configuration's directory.
    pub(crate) base_dir: &'s Path,
    /// `$STATE_DIRECTORY`
    pub(crate) state_directory: Option<String>,
    /// This moment, for certificates that expire.
    pub(crate) now: SystemTime,
}

/// Makes the model; `None` when there are errors. `reports` gets what is wrong with other files, of which a problem tells.
pub(crate) fn model(
    file: File,
    around: &Surroundings<'_>,
    problems: &mut Problems,
    reports: &mut Vec<Report>,
) -> Option<Model> {
    log::check_believed(&file, problems);
    let limits = limits(&file.limits, problems);
    let (listen, policy_listen) = listen::open(file.listen, file.admin.as_ref(), around.base_dir, problems);
    let admin = admin::admin(file.admin.map(|admin| admin.value), DEFAULT_ADMIN, around.base_dir, problems);
    let trust = Trust::new(around.base_dir, around.now);
    let mut upstreams = Upstreams::new(around.base_dir, file.timeouts, trust, problems);
    for (name, upstream) in file.upstreams {
        upstreams.declare(name, upstream, problems);
    }
    let has_http = policy_listen.is_empty() || !listen.is_empty();
    if file.services.is_empty() && has_http && !problems.has_error_in(file.span) {
        problems.push(
            Problem::error(file.span, "the configuration has no services")
                .hint("begin with `services: [{host: \"*\", upstream: [\"127.0.0.1:9001\"]}]`"),
        );
    }
    let mut services = Services::new(around.base_dir, file.backend_server, file.server_timing);
    for service in file.services {
        services.add(service, &mut upstreams, problems);
    }
    upstreams.warn(!policy_listen.is_empty(), problems);
    reports.append(&mut upstreams.take_reports());
    if let Some(span) = services.https_only()
        && file.trusted_proxies.is_empty()
        && !listen.iter().any(|listen| listen.tls.is_some())
    {
        problems.push(https_nowhere(span));
    }
    services.rate_memory().warn(limits.client_entries, problems);
    let (services, own_fields) = services.into_list();
    let state = state(file.state, around.base_dir, around.state_directory.as_deref());
    let listen = tls::secure(listen, &services, &state, around.base_dir, around.now, problems);
    let subject_headers = listen.iter().filter_map(|listen| listen.tls.as_ref()?.subject_header.as_deref());
    own_fields.check(subject_headers, problems);
    let access_log = log::access_log(file.access_log, &services, around.base_dir, problems);
    if problems.has_errors() {
        return None;
    }
    Some(Model {
        listen,
        policy_listen,
        workers: file.workers,
        admin,
        metrics: None,
        written: None,
        state,
        access_log,
        log: file.log,
        request_ids: file.request_id.ids,
        trace: file.trace.trace,
        trusted_proxies: file.trusted_proxies,
        resolver: file.resolver,
        forwarded: file.forwarded,
        limits,
        timeouts: file.timeouts,
        replay: file.replay,
        drain: file.drain,
        watch: file.watch,
        services,
        upstreams: upstreams.into_list(),
    })
}

fn https_nowhere(span: Span) -> Problem {
    Problem::warning(
        span,
        "nobody can come over https: no listener has `tls`, and no proxy is trusted to say so",
    )
    .hint("give a listener `tls`, or name the proxy that speaks TLS in `trusted_proxies`")
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

/// semantics.md §4.1
pub(crate) fn state(written: Option<PathBuf>, base_dir: &Path, state_directory: Option<&str>) -> PathBuf {
    if let Some(path) = written {
        return base_dir.join(path);
    }
    // systemd lists several directories with colons between them; the first is ours.
    let first = state_directory.and_then(|list| list.split(':').next());
    match first.filter(|directory| !directory.is_empty()) {
        Some(directory) => PathBuf::from(directory),
        None => base_dir.join(".weir"),
    }
}

#[cfg(test)]
mod tests;
