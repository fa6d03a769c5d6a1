//! The checked configuration: types that cannot hold nonsense.
//!
//! The data plane is built from this and from nothing else. Nothing here remembers where in a file it stood; what a
//! person must be told about places has been told before a [`Model`] exists.

mod action;
mod admit;
mod authenticate;
mod dispatch;
mod https_only;
mod limit;
mod listen;
mod log;
mod mirror;
mod policy;
mod upstream;
mod written;

use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;
use weir_core::route::{HostPattern, RouteRule};

pub use action::{Action, FieldEdits, Forward, PathEdit, Redirect, Respond};
pub use admit::{Admit, Concurrency, RateKey, RateRule};
pub use authenticate::{ApiKey, Authenticate, Basic, Jwks, Jwt, Proof, TokenKeys};
pub use dispatch::{Dispatch, Dispatches};
pub use https_only::HttpsOnly;
pub use limit::{Drain, Limits, Replay, Timeouts};
pub use listen::{Admin, AdminListen, Listen, ListenAddress, ListenTls};
pub use log::{
    AccessLog, AccessLogFormat, Believed, LineForm, LogTarget, OperationalForm, OperationalLog, PlainLine,
    RequestIds, Share, Trace, TraceRule,
};
pub use mirror::{Compare, Mirror};
pub use policy::{PolicyLimits, PolicyListen, PolicyTimeouts, Register};
pub use upstream::{Balance, HostPolicy, Inventory, Server, Sticky, Upstream, UpstreamId, UpstreamLimits};
pub use written::Written;

/// A whole configuration.
#[derive(Debug, Clone)]
pub struct Model {
    /// Where clients of HTTP are accepted; at least one, unless there is one for policy groups.
    pub listen: Vec<Listen>,
    /// Where messages of policy groups are accepted.
    pub policy_listen: Vec<PolicyListen>,
    /// Worker threads; `None` means one per core.
    pub workers: Option<usize>,
    /// The admin listener.
    pub admin: Admin,
    /// Where metrics are served and nothing else, for whoever reaches the address; `None` for nowhere. With it, messages
    /// are counted by method and status too, under the names that `weir duplicate`'s original has for them.
    pub metrics: Option<SocketAddr>,
    /// What was written with the defaults of what was not, as people may see it, in JSON; `None` where there was no file.
    pub written: Option<Written>,
    /// Where state that outlives a run lies.
    pub state: PathBuf,
    /// The access log.
    pub access_log: AccessLog,
    /// The operational log.
    pub log: OperationalLog,
    /// What becomes of request ids.
    pub request_ids: RequestIds,
    /// What becomes of traces.
    pub trace: Trace,
    /// Peers whose X-Forwarded-* fields are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Who is asked for the addresses of names; whom the system asks when there are none.
    pub resolver: Vec<SocketAddr>,
    /// Whether `Forwarded` (RFC 7239) is sent to servers beside X-Forwarded-*.
    pub forwarded: bool,
    /// Limits.
    pub limits: Limits,
    /// Timeouts.
    pub timeouts: Timeouts,
    /// How much of a request's body is kept for more than one server.
    pub replay: Replay,
    /// How a stop goes.
    pub drain: Drain,
    /// Whether the file is read again when it has changed.
    pub watch: bool,
    /// Services, in the order of the file.
    pub services: Vec<Service>,
    /// Upstreams; [`UpstreamId`] indexes this.
    pub upstreams: Vec<Upstream>,
}

/// The routes of some hosts.
#[derive(Debug, Clone, Hash)]
pub struct Service {
    /// Its name: as written, else its first host.
    pub name: String,
    /// Hosts; at least one. No host belongs to two services.
    pub hosts: Vec<HostPattern>,
    /// Routes, in the order of the file; at least one.
    pub routes: Vec<Route>,
}

/// One route of a service.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its name: as written, else made of what it asks (`/orders/`, `GET exact:/health`).
    pub name: String,
    /// What it asks of a request.
    pub rule: RouteRule,
    /// What it does.
    pub action: Action,
    /// Changes of the answer's fields, whoever made the answer.
    pub answer_fields: FieldEdits,
    /// Whether clients must come over https.
    pub https_only: Option<HttpsOnly>,
    /// Who may ask.
    pub admit: Admit,
    /// Whether answers carry `X-Backend-Server`.
    pub backend_server: bool,
    /// Whether answers carry `Server-Timing`.
    pub server_timing: bool,
    /// What clients prove before their requests go on; routes of one service may share it.
    pub authenticate: Option<Arc<Authenticate>>,
}

impl Hash for Route {
    /// By all but what is asked of clients, which routes share and which may be long.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self {
            name,
            rule,
            action,
            answer_fields,
            https_only,
            admit,
            backend_server,
            server_timing,
            authenticate,
        } = self;
        (name, rule, action, answer_fields, https_only, admit, backend_server, server_timing).hash(state);
        authenticate.is_some().hash(state);
    }
}
