//! Inventories: files that name servers of upstreams, looked at while the proxy runs.
//!
//! What a file holds is used when two looks in a row have read the same, and later when its last line has no end: so half a file is
//! not taken while somebody writes it without a rest. Who rests in the middle of it can't be told from who is done; only a file
//! that is moved into place is safe from that. It is compared as it is, not by its times: those have a grain in which two writes may lie. A file that can't be used changes nothing: servers that are
//! there are worth more than an error about them. It is told once for what it holds.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use weir_config::Report;
use weir_config::inventory::{self, Surroundings};
use weir_config::model;
use weir_core::ports::members::InventoryStatus;
use weir_core::server::{ServerAddress, Transport};
use weir_http::target::Scheme;
use weir_upstream::io::deadline::pause;
use weir_upstream::recruit::Unfit;
use weir_upstream::roster::inventory::Followed;
use weir_upstream::roster::{Member, Moment, Origin};
use weir_upstream::upstream::Upstream;

use super::clock::time_of_day;
use super::settling::{Settling, Sight};

/// How often the file is looked at. A change is followed after two of these, when its last line has an end.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Looks more that a content waits whose last line has no end: it may be cut off in the middle of an address.
const CUT_OFF_LOOKS: u32 = 3;

/// How long requests to a server that the file has no more may go on.
const DRAIN: Duration = Duration::from_secs(60);

/// Lines of the log for one content that can't be used.
const TOLD_MAX: usize = 5;

/// What a look has read, or why it could not.
type Content = Result<Arc<[u8]>, Box<str>>;

/// An inventory of an upstream that is in force.
#[derive(Debug)]
pub struct WatchedInventory {
    written: model::Inventory,
    /// Servers that the configuration names itself.
    beside: Vec<ServerAddress>,
    state: Mutex<State>,
    taken: AtomicU64,
    refused: AtomicU64,
}

#[derive(Debug)]
struct State {
    /// What was read last and used, or could not be.
    content: Content,
    /// The servers of the last one that could be used, as they are called.
    servers: Vec<ServerAddress>,
    /// When that was.
    read: Duration,
    /// What is wrong with what is there now.
    problem: Option<String>,
}

/// Something in an inventory that can't be used.
#[derive(Debug, PartialEq, Eq)]
struct Trouble {
    /// The file, and the line and column where there are some.
    place: String,
    problem: String,
    hint: Option<String>,
}

impl WatchedInventory {
    /// The inventory of an upstream, if it has one. The counts go on from the one that was in force before.
    pub(super) fn following(upstream: &model::Upstream, before: Option<&Arc<Self>>) -> Option<Arc<Self>> {
        let written = upstream.inventory.clone()?;
        let (listed, beside): (Vec<_>, Vec<_>) =
            upstream.servers.iter().partition(|server| server.from_inventory);
        let addresses = |servers: Vec<&model::Server>| -> Vec<_> {
            servers.into_iter().map(|server| server.address.clone()).collect()
        };
        let before = before.filter(|before| before.written.file == written.file);
        let count =
            |of: fn(&Self) -> &AtomicU64| before.map_or(0, |before| of(before).load(Ordering::Relaxed));
        let state = State {
            content: Ok(Arc::clone(&written.content)),
            servers: addresses(listed),
            read: since_epoch(),
            problem: None,
        };
        Some(Arc::new(Self {
            beside: addresses(beside),
            state: Mutex::new(state),
            taken: AtomicU64::new(count(|before| &before.taken)),
            refused: AtomicU64::new(count(|before| &before.refused)),
            written,
        }))
    }

    /// What can be told of it.
    pub(super) fn status(&self) -> InventoryStatus {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        InventoryStatus {
            file: self.name(),
            read: state.read,
            problem: state.problem.clone(),
            taken_total: self.taken.load(Ordering::Relaxed),
            refused_total: self.refused.load(Ordering::Relaxed),
        }
    }

    fn name(&self) -> String {
        self.written.file.display().to_string()
    }

    /// Whether this is what was read last.
    pub(super) fn has_read(&self, content: &[u8]) -> bool {
        self.content().is_ok_and(|read| *read == *content)
    }

    fn content(&self) -> Content {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).content.clone()
    }

    /// Uses what was read, or says why not.
    fn take(&self, content: &Content, upstream: &Upstream) -> Result<Followed, Vec<Trouble>> {
        let known = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.content = content.clone();
            state.servers.clone()
        };
        let taken = self.servers(content, &known, upstream).map(|(servers, members)| {
            let followed = upstream.change(|roster| roster.follow_inventory(members, DRAIN, Moment::now()));
            (servers, followed)
        });
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match taken {
            Ok((servers, followed)) => {
                self.taken.fetch_add(1, Ordering::Relaxed);
                state.servers = servers;
                state.read = since_epoch();
                state.problem = None;
                Ok(followed)
            }
            Err(troubles) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                state.problem =
                    troubles.first().map(|trouble| format!("{}: {}", trouble.place, trouble.problem));
                Err(troubles)
            }
        }
    }

    /// The servers of a content, as they are called, and as members.
    fn servers(
        &self,
        content: &Content,
        known: &[ServerAddress],
        upstream: &Upstream,
    ) -> Result<(Vec<ServerAddress>, Vec<Member>), Vec<Trouble>> {
        let name = self.name();
        let bytes = content.as_ref().map_err(|error| {
            let hint = Some("write it again, with one `host:port` on each line".to_owned());
            vec![Trouble { place: name.clone(), problem: format!("it can't be read: {error}"), hint }]
        })?;
        let around = Surroundings { base_dir: Some(&self.written.base_dir), beside: &self.beside };
        let mut servers = inventory::parse(&name, bytes, &around).map_err(|report| troubles(&report))?;
        let names = names(known, upstream);
        for server in &mut servers {
            if let Some(name) = names.get(&place(server)) {
                server.written.clone_from(name);
            }
        }
        let checked = upstream.newcomer();
        let mut unfit = Vec::new();
        let mut members = Vec::new();
        for server in &servers {
            match upstream.recruit.server(server.clone()) {
                Ok(made) => members.push(Member::new(Arc::new(made), 1, Origin::Inventory, checked)),
                Err(why) => unfit.push(trouble(&name, bytes, server, why)),
            }
        }
        if unfit.is_empty() { Ok((servers, members)) } else { Err(unfit) }
    }
}

/// Where a server is, however it is written.
type Place = (Scheme, Transport, Box<str>);

fn place(server: &ServerAddress) -> Place {
    (server.scheme, server.transport.clone(), server.base.clone())
}

/// What servers are called: a server that is written in another way than before is the same one, with the same queue and counters.
fn names(known: &[ServerAddress], upstream: &Upstream) -> HashMap<Place, Box<str>> {
    let mut names: HashMap<_, _> = upstream.look(|roster| {
        let members = roster.members().iter().map(|member| &member.server.address);
        members.map(|address| (place(address), address.written.clone())).collect()
    });
    names.extend(known.iter().map(|known| (place(known), known.written.clone())));
    names
}

fn trouble(name: &str, content: &[u8], server: &ServerAddress, why: Unfit) -> Trouble {
    let hint = match why {
        Unfit::NoTls => "restart Weir: how servers with `https://` are reached is settled at the start",
        Unfit::NoName => "write it with a name or an address that a certificate can be for",
    };
    let content = String::from_utf8_lossy(content);
    let line = content.lines().position(|line| line.split_whitespace().next() == Some(&*server.written));
    Trouble {
        place: line.map_or_else(|| name.to_owned(), |line| format!("{name}:{}", line + 1)),
        problem: format!("`{}` can't be a server: {why}", server.written),
        hint: Some(hint.to_owned()),
    }
}

fn troubles(report: &Report) -> Vec<Trouble> {
    let source = report.source();
    let place = |problem: &weir_config::Problem| match problem.span.map(|span| source.position(span.start)) {
        Some(at) => format!("{}:{}:{}", source.name(), at.line, at.column),
        None => source.name().to_owned(),
    };
    let problems = report.problems().iter();
    let trouble = |problem: &weir_config::Problem| Trouble {
        place: place(problem),
        problem: problem.message.clone(),
        hint: problem.hint.clone(),
    };
    problems.map(trouble).collect()
}

fn since_epoch() -> Duration {
    time_of_day().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Follows an inventory for as long as it is polled.
pub(super) async fn keep(upstream: Arc<Upstream>, inventory: Arc<WatchedInventory>) {
    let mut settling = Settling::new(inventory.content());
    let mut rested = 0;
    loop {
        pause(LOOK_INTERVAL).await;
        match settling.look(look(&inventory.written.file).await) {
            Sight::Settled if rested < looks_more(settling.seen()) => rested += 1,
            Sight::Settled => {
                rested = 0;
                settling.use_seen();
                let taken = inventory.take(settling.seen(), &upstream);
                tell(&upstream, &inventory, taken);
            }
            Sight::Same | Sight::Changing => rested = 0,
        }
    }
}

/// For how many looks more a content must stay as it is when two have seen it.
fn looks_more(content: &Content) -> u32 {
    let is_cut_off = |content: &Arc<[u8]>| content.last().is_some_and(|last| *last != b'\n');
    if content.as_ref().is_ok_and(is_cut_off) { CUT_OFF_LOOKS } else { 0 }
}

/// Reads the file on a thread that may wait for it: it may lie on another machine.
async fn look(file: &Path) -> Content {
    let file = file.to_owned();
    let read = tokio::task::spawn_blocking(move || inventory::read(&file)).await;
    match read {
        Ok(Ok(content)) => Ok(content.into()),
        Ok(Err(error)) => Err(error.to_string().into()),
        Err(error) => Err(error.to_string().into()),
    }
}

fn tell(upstream: &Upstream, inventory: &WatchedInventory, taken: Result<Followed, Vec<Trouble>>) {
    let upstream = &*upstream.name;
    match taken {
        Ok(Followed { joined, left }) => {
            let file = inventory.name();
            tracing::info!(upstream, file, joined, left, "an inventory has changed");
        }
        Err(troubles) => {
            for Trouble { place, problem, hint } in troubles.iter().take(TOLD_MAX) {
                tracing::warn!(
                    upstream,
                    place,
                    problem,
                    hint,
                    "an inventory can't be used; the servers stay as they were"
                );
            }
            if let Some(more) = troubles.len().checked_sub(TOLD_MAX).filter(|more| *more > 0) {
                tracing::warn!(upstream, more, "an inventory has more problems");
            }
        }
    }
}

#[cfg(test)]
mod tests;
