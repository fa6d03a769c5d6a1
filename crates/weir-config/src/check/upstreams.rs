//! Upstreams get their numbers; references to them are looked up.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use weir_core::health::{EjectionRule, PANIC_PERCENT};
use weir_core::policy_group;
use weir_core::server::Transport;
use weir_tls::target::ClientTls;

use crate::address;
use crate::file::dispatch::DispatchesFile;
use crate::file::upstream::{UpstreamFile, UpstreamRef};
use crate::model::{Server, Timeouts, Upstream, UpstreamId};
use crate::node::shortened;
use crate::problem::{Problem, Problems};
use crate::report::Report;
use crate::source::{At, Span};
use crate::suggest::{alternatives, nearest};

use super::balance::balance;
use super::dispatch::Group;
use super::inventory;
use super::queues::Queues;
use super::upstream_tls::{self, Trust};

/// Upstream names that a hint lists; more would hide the message.
const LISTED_MAX: usize = 8;

/// The upstreams so far.
pub(super) struct Upstreams {
    base_dir: PathBuf,
    timeouts: Timeouts,
    trust: Trust,
    list: Vec<Upstream>,
    names: HashMap<String, Declared>,
    /// Names that were made up for upstreams in place.
    made_names: HashSet<String>,
    /// Whether every name in the file is known; a list that could not be read would make good names unknown.
    complete: bool,
    queues: Queues,
    /// What is wrong with inventories.
    reports: Vec<Report>,
}

struct Declared {
    id: UpstreamId,
    span: Span,
    used: bool,
}

impl Upstreams {
    /// Begins with none.
    pub(super) fn new(base_dir: &Path, timeouts: Timeouts, trust: Trust, problems: &Problems) -> Self {
        Self {
            base_dir: base_dir.to_owned(),
            timeouts,
            trust,
            list: Vec::new(),
            names: HashMap::new(),
            made_names: HashSet::new(),
            complete: !problems.has_errors(),
            queues: Queues::default(),
            reports: Vec::new(),
        }
    }

    /// By whom servers are verified, for others than upstreams too.
    pub(super) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Takes an entry of `upstreams`.
    pub(super) fn declare(&mut self, name: At<String>, file: UpstreamFile, problems: &mut Problems) {
        if let Some(first) = self.names.get(&name.value) {
            problems.push(
                Problem::error(name.span, format!("two upstreams are named `{}`", shortened(&name.value)))
                    .beside(first.span, "the first one"),
            );
            return;
        }
        let id = self.add(name.value.clone(), None, file, problems);
        self.names.insert(name.value, Declared { id, span: name.span, used: false });
    }

    /// What a route's `upstream` means. `inline_name` names an upstream in place.
    pub(super) fn resolve(
        &mut self,
        reference: At<UpstreamRef>,
        inline_name: String,
        problems: &mut Problems,
    ) -> Option<UpstreamId> {
        let name = match reference.value {
            UpstreamRef::Inline(file) => {
                let name = self.unlike_others(inline_name);
                return Some(self.add(name, Some(reference.span), *file, problems));
            }
            UpstreamRef::Name(name) => name,
        };
        if let Some(declared) = self.names.get_mut(&name) {
            declared.used = true;
            return Some(declared.id);
        }
        if policy_group::number(&name).is_some() {
            // There is a group for every policy, also where nothing is said of it.
            let id = self.add(name.clone(), None, UpstreamFile::default(), problems);
            self.names.insert(name, Declared { id, span: reference.span, used: true });
            return Some(id);
        }
        let problem = Problem::error(reference.span, format!("there is no upstream `{}`", shortened(&name)));
        if !problems.wants_hints() {
            problems.push(problem);
            return None;
        }
        let near = nearest(&name, self.names.keys().map(String::as_str));
        if let Some(near) = near {
            problems.push(problem.hint(format!("did you mean `{near}`?")));
        } else if name.contains([':', '/']) && address::server(&name).is_ok() {
            problems.push(problem.hint(format!("for a server in place write a list: `[\"{name}\"]`")));
        } else if self.complete {
            let mut names: Vec<&str> = self.names.keys().map(String::as_str).collect();
            names.sort_unstable();
            problems.push(match names.len() {
                0 => problem.hint("declare it under `upstreams`, or write a list of servers"),
                1..=LISTED_MAX => problem.hint(format!("the upstreams are {}", alternatives(names))),
                _ => problem,
            });
        } else {
            problems.push(problem);
        }
        None
    }

    /// What a dispatch mode must know of an upstream.
    pub(super) fn group(&self, upstream: UpstreamId) -> Group {
        let found = self.are_found(upstream);
        Group { servers: (!found).then_some(self.list[upstream.0].servers.len()) }
    }

    /// Whether nobody knows its servers before it runs.
    fn are_found(&self, upstream: UpstreamId) -> bool {
        let upstream = &self.list[upstream.0];
        upstream.is_policy_group() || upstream.servers.iter().any(|server| server.resolve)
    }

    /// What a route says of the queue of its upstream.
    pub(super) fn queue(&mut self, upstream: UpstreamId, written: &DispatchesFile, problems: &mut Problems) {
        let name = self.list[upstream.0].name.as_str();
        // One in place has a name with a space.
        let name = Some(name).filter(|name| !name.contains(' '));
        let found_by_name = self.are_found(upstream);
        self.queues.add(upstream, name, found_by_name, written, problems);
    }

    /// The name, or one like it that no other upstream in place has: by its name an upstream has its queue and its metrics. Names of
    /// services and routes that are made up may be the same as written ones.
    fn unlike_others(&mut self, name: String) -> String {
        let numbered = (2..).map(|number| format!("{name} ({number})"));
        // Those of policy groups are for servers that register.
        let is_free = |name: &String| !self.made_names.contains(name) && policy_group::number(name).is_none();
        let free = std::iter::once(name.clone()).chain(numbered).find(is_free);
        let free = free.unwrap_or(name);
        self.made_names.insert(free.clone());
        free
    }

    fn add(
        &mut self,
        name: String,
        in_place: Option<Span>,
        mut file: UpstreamFile,
        problems: &mut Problems,
    ) -> UpstreamId {
        let id = UpstreamId(self.list.len());
        let is_group = in_place.is_none() && policy_group::number(&name).is_some();
        check_servers(&file, is_group, &name, problems);
        let place = file.inventory.as_ref().map(|file| file.span);
        let panic_percent = panic_percent(&file, is_group, problems);
        let inventory = file.inventory.take().and_then(|written| {
            let read = inventory::read(written, &file.servers, &self.base_dir, problems)
                .map_err(|report| self.reports.extend(report));
            let (inventory, servers) = read.ok()?;
            file.servers.extend(servers);
            Some(inventory)
        });
        let tls = self.trust.client_tls(file.tls, &file.servers, place, problems);
        self.list.push(Upstream {
            name,
            in_place,
            servers: self.servers(file.servers, tls.as_ref(), problems),
            inventory,
            balance: file
                .balance
                .map(|written| balance(&written, &self.base_dir, problems))
                .unwrap_or_default(),
            health: file.health.map(|written| written.check).or_else(|| is_group.then(policy_group::check)),
            panic_percent,
            eject: file.eject.unwrap_or_else(|| Some(EjectionRule::default())),
            limits: file.limits,
            slow_start: file.slow_start,
            retry: file.retry.map(|retry| retry.value).unwrap_or_default(),
            timeouts: file.timeouts.over(&self.timeouts),
            tls,
        });
        id
    }

    /// A server is its address in its upstream: the same one twice would have two counters and two healths.
    fn servers(
        &self,
        written: Vec<At<Server>>,
        tls: Option<&ClientTls>,
        problems: &mut Problems,
    ) -> Vec<Server> {
        if let Some(first) = written.first()
            && written.iter().all(|server| server.value.weight == 0)
        {
            problems.push(
                Problem::error(first.span, "no server of the upstream gets anything: all have the weight 0")
                    .hint("give at least one of them a weight of 1"),
            );
        }
        let mut seen = HashMap::new();
        let mut primary = None;
        let mut servers = Vec::with_capacity(written.len());
        for At { value: mut server, span } in written {
            // Those of an inventory were found when it was read.
            if let Transport::Unix(path) = &server.address.transport
                && !server.from_inventory
            {
                server.address.transport = Transport::Unix(self.base_dir.join(path));
            }
            server.target = upstream_tls::target(tls, &server, span, problems);
            let place = (server.address.transport.clone(), server.address.base.clone());
            if let Some(first) = seen.insert(place, span) {
                let message = format!("the server `{}` stands twice here", server.address.written);
                problems.push(
                    Problem::error(span, message)
                        .beside(first, "first written here")
                        .hint("to send it more, write `{address: …, weight: 2}`"),
                );
            }
            if server.resolve && !matches!(server.address.transport, Transport::Name(..)) {
                problems.push(
                    Problem::error(
                        span,
                        "`resolve` is for a server with a name, and this one has an address",
                    )
                    .hint("take `resolve` away"),
                );
            }
            if server.resolve && server.primary {
                problems.push(
                    Problem::error(span, "a primary server is one, and a name may have several addresses")
                        .hint("mark a server that is written with its address"),
                );
            }
            if server.primary
                && let Some(first) = primary.replace(span)
            {
                problems.push(
                    Problem::error(span, "an upstream has one primary server").beside(first, "the other one"),
                );
            }
            servers.push(server);
        }
        servers
    }

    /// Warns of what nobody uses.
    pub(super) fn warn(&self, has_policy_listener: bool, problems: &mut Problems) {
        let mut groups: Vec<_> = self.names.iter().filter(|(name, _)| policy_group::is_name(name)).collect();
        groups.sort_unstable_by_key(|(_, declared)| declared.span);
        for (name, declared) in groups.into_iter().filter(|_| !has_policy_listener) {
            problems.push(
                Problem::error(declared.span, format!("nobody can register for `{name}`"))
                    .hint("let servers register: `listen: [{address: 127.0.0.1:10000, protocol: policy}]`"),
            );
        }
        // With errors a use may have been lost.
        if !problems.has_errors() {
            let mut unused: Vec<(&String, &Declared)> =
                self.names.iter().filter(|(_, declared)| !declared.used).collect();
            // Messages are brought to those, whether a route uses them or not.
            unused.retain(|(name, _)| !has_policy_listener || !policy_group::is_name(name));
            unused.sort_unstable_by_key(|(_, declared)| declared.span);
            for (name, declared) in unused {
                problems.push(
                    Problem::warning(declared.span, format!("no route uses the upstream `{name}`"))
                        .hint("take it away, or write it in a route"),
                );
            }
        }
    }

    /// What is wrong with the inventories that the configuration names, which it has been told of.
    pub(super) fn take_reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }

    /// The upstreams by number.
    pub(super) fn into_list(self) -> Vec<Upstream> {
        self.list
    }
}

/// Servers stand in the file, unless they register themselves.
fn check_servers(file: &UpstreamFile, is_group: bool, name: &str, problems: &mut Problems) {
    let written =
        file.servers.first().map(|server| server.span).or(file.inventory.as_ref().map(|it| it.span));
    if let Some(span) = written.filter(|_| is_group) {
        problems.push(
            Problem::error(span, format!("servers of `{name}` register themselves, and none are written"))
                .hint("take them away, or give the upstream another name"),
        );
    }
    if let Some(span) = file.without_servers.filter(|_| !is_group) {
        problems.push(
            Problem::error(span, "`upstream` needs `servers`")
                .hint("or name a file with one server on each line: `inventory: FILE`"),
        );
    }
}

/// `panic`, wherever it is written.
fn panic_percent(file: &UpstreamFile, is_group: bool, problems: &mut Problems) -> u32 {
    let in_health = file.health.as_ref().and_then(|health| health.panic.as_ref());
    if let (Some(own), Some(other)) = (&file.panic, in_health) {
        problems.push(
            Problem::error(other.span, "`panic` is written twice")
                .beside(own.span, "it is written here")
                .hint("take one of them away"),
        );
    }
    let Some(written) = file.panic.as_ref().or(in_health) else {
        return if is_group { policy_group::PANIC_PERCENT } else { PANIC_PERCENT };
    };
    if file.health.is_none() && matches!(file.eject, Some(None)) {
        problems.push(
            Problem::warning(
                written.span,
                "`panic` means nothing where servers are neither checked nor ejected",
            )
            .hint("take it away, or `eject: off`"),
        );
    }
    written.value
}

#[cfg(test)]
mod tests;
