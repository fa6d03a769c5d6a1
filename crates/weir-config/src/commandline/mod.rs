//! Models without a file: what `weir balance` and its kin run, and how the words of their command lines are read.
//!
//! Each verb without a file has its rules here and its arguments in the program. Everything that is not written has the default
//! that it has in a file, but answers carry `X-Backend-Server`.

pub mod duplicate;
pub mod go_duration;
pub mod go_flag;
pub mod hedge;
pub mod policy;
pub mod race;

use std::path::{Path, PathBuf};

use weir_core::balance::Strategy;
use weir_core::health::{EjectionRule, PANIC_PERCENT};
use weir_core::retry::RetryPolicy;
use weir_core::route::{HostPattern, PathPattern, RouteRule};
use weir_tls::target::ClientTls;

use crate::address;
use crate::check::DEFAULT_ADMIN;
use crate::check::log::DEFAULT_ACCESS_LOG;
use crate::check::upstream_tls::by_system;
use crate::complaint::Complaint;
use crate::file::balance::STRATEGY;
use crate::model::{
    Action, Admin, Admit, Dispatches, Drain, FieldEdits, Forward, HostPolicy, Limits, Listen, ListenAddress,
    Model, OperationalLog, PathEdit, Replay, RequestIds, Route, Server, Service, Timeouts, Trace, Upstream,
    UpstreamId,
};

/// The name of the one upstream and the one route of a model without a file.
const NAME: &str = "servers";

/// A model that balances every request over `servers`, each as in a file: `host:port`, `http://host[:port][/base]`,
/// `https://host[:port][/base]` or `unix:PATH`.
///
/// # Errors
/// One complaint for each server that cannot be read, and for each that stands twice; one when there is none.
pub fn balance(
    listen: ListenAddress,
    strategy: Strategy,
    servers: &[String],
) -> Result<Model, Vec<Complaint>> {
    let servers = parse_servers(servers, Repeats::Refused)?;
    let mut model = model(listen, strategy, Dispatches::default(), servers)?;
    model.upstreams.iter_mut().for_each(|upstream| upstream.eject = Some(EjectionRule::default()));
    Ok(model)
}

/// The one upstream and the one route of these servers.
fn model(
    listen: ListenAddress,
    strategy: Strategy,
    dispatch: Dispatches,
    mut servers: Vec<Server>,
) -> Result<Model, Vec<Complaint>> {
    let tls = by_system(&mut servers).map_err(|complaint| vec![complaint])?;
    let upstream = upstream(servers, strategy, tls);
    let forward = Forward {
        upstream: UpstreamId(0),
        dispatch: Box::new(dispatch),
        mirrors: Vec::new(),
        compare: None,
        path: PathEdit::Keep,
        request_fields: FieldEdits::default(),
        host: HostPolicy::Keep,
        upgrade: Forward::usual_upgrade(),
        unreachable_status: None,
    };
    let route = Route {
        name: NAME.to_owned(),
        rule: RouteRule {
            path: PathPattern::Prefix("/".into()),
            methods: Vec::new(),
            fields: Vec::new(),
            query: Vec::new(),
        },
        action: Action::Forward(forward),
        answer_fields: FieldEdits::default(),
        https_only: None,
        admit: Admit::default(),
        backend_server: true,
        server_timing: false,
        authenticate: None,
    };
    Ok(Model {
        listen: vec![Listen { address: listen, tls: None, proxy_protocol: None }],
        services: vec![Service { name: "*".to_owned(), hosts: vec![HostPattern::Any], routes: vec![route] }],
        upstreams: vec![upstream],
        ..empty()
    })
}

/// A model that does nothing yet.
fn empty() -> Model {
    Model {
        listen: Vec::new(),
        policy_listen: Vec::new(),
        workers: None,
        admin: Admin::Default(DEFAULT_ADMIN),
        metrics: None,
        written: None,
        state: state(),
        access_log: DEFAULT_ACCESS_LOG,
        log: OperationalLog::default(),
        request_ids: RequestIds::default(),
        trace: Trace::default(),
        trusted_proxies: Vec::new(),
        resolver: Vec::new(),
        forwarded: false,
        watch: false,
        limits: Limits::default(),
        timeouts: Timeouts::default(),
        replay: Replay::default(),
        drain: Drain::default(),
        services: Vec::new(),
        upstreams: Vec::new(),
    }
}

/// The one upstream.
fn upstream(servers: Vec<Server>, strategy: Strategy, tls: Option<ClientTls>) -> Upstream {
    Upstream {
        name: NAME.to_owned(),
        in_place: None,
        servers,
        inventory: None,
        balance: strategy.into(),
        health: None,
        panic_percent: PANIC_PERCENT,
        // The originals of the other modes ask every server, whatever became of the requests before.
        eject: None,
        limits: None,
        slow_start: None,
        retry: RetryPolicy::default(),
        timeouts: Timeouts::default(),
        tls,
    }
}

/// A strategy by its name in the configuration.
///
/// # Errors
/// When there is no such strategy; the hint says which there are.
pub fn strategy(name: &str) -> Result<Strategy, Complaint> {
    STRATEGY.parse(name)
}

/// What a server is that stands a second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeats {
    /// A mistake.
    Refused,
    /// Another server at the same place, with a name of its own: `http://a#2`. Counters, metrics and logs know servers by
    /// their names, so no two may have the same.
    Numbered,
}

fn parse_servers(written: &[String], repeats: Repeats) -> Result<Vec<Server>, Vec<Complaint>> {
    let mut servers: Vec<Server> = Vec::with_capacity(written.len());
    let mut complaints = Vec::new();
    for text in written {
        let mut address = match address::server(text) {
            Ok(address) => address,
            Err(complaint) => {
                complaints.push(complaint);
                continue;
            }
        };
        let same = |other: &&Server| {
            other.address.transport == address.transport && other.address.base == address.base
        };
        match (servers.iter().filter(same).count(), repeats) {
            (0, _) => {}
            (_, Repeats::Refused) => {
                complaints.push(Complaint::new(format!("the server `{}` stands twice", address.written)));
            }
            (before, Repeats::Numbered) => {
                address.written = format!("{}#{}", address.written, before + 1).into();
            }
        }
        servers.push(Server::at(address));
    }
    if written.is_empty() {
        complaints.push(Complaint::new("there is no server").hint("write at least one: `127.0.0.1:9001`"));
    }
    if complaints.is_empty() { Ok(servers) } else { Err(complaints) }
}

/// As for a file in the current directory (semantics.md §4.1).
fn state() -> PathBuf {
    crate::check::state(None, Path::new(""), std::env::var("STATE_DIRECTORY").ok().as_deref())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use weir_core::balance::Strategy;

    use super::{balance, strategy};
    use crate::address;

    fn check(servers: &[&str], expected: Result<usize, &[&str]>) {
        let servers: Vec<String> = servers.iter().map(|&server| server.to_owned()).collect();
        let outcome = balance(address::listen(":8080").unwrap(), Strategy::Random, &servers);
        match (outcome, expected) {
            (Ok(model), Ok(number)) => assert_eq!(model.upstreams[0].servers.len(), number),
            (Err(complaints), Err(parts)) => {
                assert_eq!(complaints.len(), parts.len(), "{complaints:?}");
                for (complaint, part) in complaints.iter().zip(parts) {
                    assert!(complaint.to_string().contains(part), "{complaint}");
                }
            }
            (got, _) => panic!("{servers:?}: {got:?}"),
        }
    }

    #[test]
    fn servers_become_one_upstream() {
        check(&["127.0.0.1:9001"], Ok(1));
        check(&["127.0.0.1:9001", "app:80", "unix:/run/a"], Ok(3));
        check(&[], Err(&["no server"]));
        check(
            &["9001", "127.0.0.1:9001", "127.0.0.1:9001", "ftp://x"],
            Err(&["127.0.0.1:9001", "twice", "no scheme"]),
        );
    }

    #[test]
    fn strategies_have_names() {
        assert_eq!(strategy("p2c"), Ok(Strategy::P2c));
        assert!(strategy("roundrobin").unwrap_err().to_string().contains("did you mean `round_robin`?"));
    }
}
