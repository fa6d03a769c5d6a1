//! A proxy that runs in the test's own process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::{Builder, Runtime};
use weir_config::model::Model;
use weir_core::dispatch::CatchUp;
use weir_core::ports::failures::RecentFailure;
use weir_core::ports::members::SharedMemberControl;
use weir_core::ports::reload::ConfigurationChange;
use weir_core::ports::{ComparisonReport, Status};
use weir_core::queue::QueueLimits;
use weir_proxy::Proxy;
use weir_proxy::runtime::inbox::{Inspection, Query};
use weir_proxy::runtime::queues::OpenQueue;
use weir_proxy::runtime::reload::AdoptError;
use weir_proxy::runtime::sockets::BoundAddress;
use weir_store::{OpenError, Queue};

use crate::server::Server;

/// What a configuration of a test says at the top unless it says something else.
const DEFAULTS: [(&str, &str); 4] =
    [("listen", "127.0.0.1:0"), ("admin", "off"), ("access_log", "off"), ("workers", "1")];

/// A running proxy; it is stopped when this is dropped.
#[derive(Debug)]
pub struct Running {
    /// Changed by a reload, while others hold on to the rest.
    proxy: Mutex<Option<Proxy>>,
    runtime: Runtime,
    /// Those at the start.
    addresses: Vec<BoundAddress>,
}

/// Starts a proxy with this configuration, in YAML. It listens on 127.0.0.1 with a port of the system's choice, has one
/// worker, no admin listener and no access log unless the text says so.
///
/// # Panics
/// When the configuration is wrong or the proxy can't be started.
pub fn start(yaml: &str) -> Running {
    start_with(yaml, Queue::open)
}

/// The same with a disk on which a durable queue may have so many pages of 4 KiB.
///
/// # Panics
/// See [`start`].
pub fn start_with_small_disk(yaml: &str, pages_max: u32) -> Running {
    start_with(yaml, move |directory, name, limits| Queue::open_bounded(directory, name, limits, pages_max))
}

fn start_with(
    yaml: &str,
    open: impl Fn(&Path, &str, QueueLimits) -> Result<Queue, OpenError> + Send + Sync + 'static,
) -> Running {
    let model = model(yaml);
    let queues = queues(model.state.join("queue"), open);
    let runtime = Builder::new_current_thread().enable_all().build().expect("a small runtime can be made");
    let proxy = Proxy::start(&model, queues).unwrap_or_else(|error| panic!("the proxy can't start: {error}"));
    let addresses = proxy.addresses().cloned().collect();
    Running { proxy: Mutex::new(Some(proxy)), runtime, addresses }
}

/// Queues as the program has them.
fn queues(
    directory: PathBuf,
    open: impl Fn(&Path, &str, QueueLimits) -> Result<Queue, OpenError> + Send + Sync + 'static,
) -> Arc<OpenQueue> {
    Arc::new(move |name, catch_up, limits| match catch_up {
        CatchUp::Durable => match open(&directory, name, limits) {
            Ok(queue) => Ok(Arc::new(queue)),
            Err(error) => Err(error.to_string()),
        },
        CatchUp::Memory | CatchUp::Off => Ok(Arc::new(Queue::in_memory(name, limits))),
    })
}

/// The model of a test's configuration.
fn model(yaml: &str) -> Model {
    let mut text = String::new();
    for (key, value) in DEFAULTS {
        if !yaml.lines().any(|line| line.starts_with(&format!("{key}:"))) {
            text.push_str(&format!("{key}: \"{value}\"\n").replace("\"1\"", "1").replace("\"off\"", "off"));
        }
    }
    text.push_str(yaml);
    let directory = std::env::temp_dir();
    match weir_config::parse("test.yaml", text.as_bytes(), &|_| None, &directory) {
        Ok(loaded) => loaded.model,
        Err(report) => panic!("the configuration of the test is wrong:\n{report}"),
    }
}

/// Starts a proxy that sends everything to this server.
pub fn to(server: &Server) -> Running {
    with(server, "")
}

/// Starts a proxy that sends everything to this server, with more at the top of its configuration. A request is never
/// repeated.
pub fn with(server: &Server, top: &str) -> Running {
    start(&format!(
        "{top}
services:
  - {{host: \"*\", upstream: web}}
upstreams:
  web: {{servers: [\"{server}\"], retry: {{attempts: 1}}}}
"
    ))
}

impl Running {
    /// The first address that was listened on at the start.
    ///
    /// # Panics
    /// Never: a configuration has an address.
    pub fn bound(&self) -> &BoundAddress {
        self.addresses.first().expect("a configuration has an address")
    }

    /// The first address, which is TCP.
    ///
    /// # Panics
    /// When it is not.
    pub fn address(&self) -> SocketAddr {
        match self.bound() {
            BoundAddress::Tcp(address) => *address,
            BoundAddress::Unix(path) => panic!("{} is no TCP address", path.display()),
        }
    }

    /// Idle connections to servers, over all workers.
    pub fn idle_upstream(&self) -> usize {
        let counted = self.with(|proxy| self.runtime.block_on(proxy.inspect(Query::IdleUpstream)));
        counted.into_iter().map(|one| if let Inspection::IdleUpstream(count) = one { count } else { 0 }).sum()
    }

    /// Client connections, over all workers.
    pub fn connections(&self) -> usize {
        self.connections_by_worker().into_iter().sum()
    }

    /// Client connections of each worker.
    pub fn connections_by_worker(&self) -> Vec<usize> {
        let listed = self.with(|proxy| self.runtime.block_on(proxy.inspect(Query::Connections)));
        let count = |one| if let Inspection::Connections(all) = one { all.len() } else { 0 };
        listed.into_iter().map(count).collect()
    }

    /// The worker that serves the connection of this client, from 0.
    ///
    /// # Panics
    /// When none does.
    pub fn worker_of(&self, client: SocketAddr) -> usize {
        let listed = self.with(|proxy| self.runtime.block_on(proxy.inspect(Query::Connections)));
        let serves = |one: &Inspection| match one {
            Inspection::Connections(all) => all.iter().any(|(_, peer)| *peer == client.to_string()),
            Inspection::IdleUpstream(_) | Inspection::Page(..) => false,
        };
        listed.iter().position(serves).unwrap_or_else(|| panic!("no worker serves {client}"))
    }

    /// Every address that was listened on at the start, in the order of the configuration.
    pub fn addresses(&self) -> Vec<&BoundAddress> {
        self.addresses.iter().collect()
    }

    /// Every address that is listened on now, in the order of the configuration.
    pub fn addresses_now(&self) -> Vec<BoundAddress> {
        self.with(|proxy| proxy.addresses().cloned().collect())
    }

    /// Closes the client connections whose peer this picks.
    pub fn cut(&self, picks: impl Fn(&str) -> bool) {
        let listed = self.with(|proxy| self.runtime.block_on(proxy.inspect(Query::Connections)));
        for (worker, connections) in listed.into_iter().enumerate() {
            let Inspection::Connections(connections) = connections else { continue };
            for (id, _) in connections.into_iter().filter(|(_, peer)| picks(peer)) {
                self.with(|proxy| self.runtime.block_on(proxy.cut(worker, id)));
            }
        }
    }

    /// Requests that begin from now on go where this configuration says, as far as it can change while running.
    ///
    /// # Panics
    /// When the configuration is wrong or can't be put in use.
    pub fn publish(&self, yaml: &str) {
        self.try_publish(yaml)
            .unwrap_or_else(|error| panic!("the configuration can't be put in use: {error}"));
    }

    /// Like [`publish`](Self::publish), for a configuration that may be refused.
    ///
    /// # Errors
    /// It can't be put in use.
    ///
    /// # Panics
    /// When the configuration is wrong.
    pub fn try_publish(&self, yaml: &str) -> Result<Vec<ConfigurationChange>, AdoptError> {
        self.with(|proxy| {
            let prepared = proxy.standing().prepare(&model(yaml))?;
            Ok(self.runtime.block_on(proxy.adopt(prepared)).changes)
        })
    }

    /// What the process says of itself.
    pub fn status(&self) -> Status {
        self.with(|proxy| proxy.status_source()).status()
    }

    /// Requests that failed lately.
    pub fn failures(&self) -> Vec<RecentFailure> {
        self.with(|proxy| proxy.status_source()).failures()
    }

    /// What comparing answers has found.
    pub fn comparisons(&self) -> Vec<ComparisonReport> {
        self.with(|proxy| proxy.status_source()).comparisons()
    }

    /// Whoever changes the members of upstreams.
    pub fn members(&self) -> SharedMemberControl {
        self.with(|proxy| proxy.member_control())
    }

    /// Begins to drain.
    pub fn begin_drain(&self) {
        self.with(|proxy| self.runtime.block_on(proxy.begin_drain()));
    }

    /// Waits until all has ended and says how many connections were cut.
    ///
    /// # Panics
    /// When it was drained before.
    pub fn drained(&mut self) -> usize {
        let proxy = self.proxy.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut proxy = proxy.take().expect("a proxy is drained once");
        let cut = self.runtime.block_on(proxy.drained());
        proxy.finish();
        cut
    }

    fn with<T>(&self, look: impl FnOnce(&mut Proxy) -> T) -> T {
        let mut proxy = self.proxy.lock().unwrap_or_else(PoisonError::into_inner);
        look(proxy.as_mut().expect("the proxy has not been drained"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(proxy) = self.proxy.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            self.runtime.block_on(proxy.stop());
        }
    }
}
