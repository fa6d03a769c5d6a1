//! The listeners as a whole: their sockets, their threads and the way to stop them.
//!
//! Threads of their own, beside those that serve HTTP: a message is short and all alike, and whoever is busy with many of them
//! keeps no request waiting. Each has its own runtime and its own connections, like a worker of the data plane.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Semaphore, mpsc, watch};
use weir_config::model::PolicyListen;
use weir_core::limit::{Rate, RateLimit};
use weir_upstream::io::deadline::{now, pause, since_epoch};
use weir_upstream::io::descriptors::Descriptors;
use weir_upstream::policy_groups::PolicyGroups;

use crate::accept;
use crate::registry::Registry;
use crate::worker::{Phase, Shared, Worker};

/// Connections that wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 4096;

/// How often it is looked who can't be reached for too long.
const FORGET_INTERVAL: Duration = Duration::from_secs(1);

/// Why a listener can't be had.
#[derive(Debug)]
pub struct PolicyListenError {
    /// Where it was to be.
    pub address: SocketAddr,
    /// The system's word.
    pub source: io::Error,
}

impl fmt::Display for PolicyListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, source } = self;
        match source.kind() {
            io::ErrorKind::AddrInUse => {
                write!(f, "`{address}`, for policy groups, is in use by another program")
            }
            _ => write!(f, "`{address}`, for policy groups, can't be listened on: {source}"),
        }
    }
}

impl std::error::Error for PolicyListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Running listeners. Dropping this stops them at once.
#[derive(Debug)]
pub struct PolicyPlane {
    addresses: Vec<SocketAddr>,
    phase: watch::Sender<Phase>,
    threads: Vec<JoinHandle<()>>,
    ended: mpsc::Receiver<usize>,
}

impl PolicyPlane {
    /// Opens these listeners, each served by as many threads. Whoever registers at one is reached over all.
    ///
    /// # Errors
    /// See [`PolicyListenError`]; nothing is left running then.
    pub fn start(
        listen: &[PolicyListen],
        threads: usize,
        groups: Arc<PolicyGroups>,
    ) -> Result<Self, PolicyListenError> {
        let registry = Arc::new(Registry::new(groups));
        let (phase, heard) = watch::channel(Phase::Run);
        let (ending, ended) = mpsc::channel((listen.len() * threads).max(1));
        let mut plane = Self { addresses: Vec::new(), phase, threads: Vec::new(), ended };
        let sockets = listen.iter().map(|listen| {
            let failed = |source| PolicyListenError { address: listen.address, source };
            open(listen.address).and_then(|socket| Ok((socket.local_addr()?, socket))).map_err(failed)
        });
        let sockets: Vec<_> = sockets.collect::<Result<_, _>>()?;
        for (listen, (address, socket)) in listen.iter().zip(sockets) {
            plane.addresses.push(address);
            let shared = Arc::new(Shared {
                listen: listen.clone(),
                registry: Arc::clone(&registry),
                descriptors: Descriptors::of_process(),
                places: Arc::new(Semaphore::new(listen.limits.connections.min(Semaphore::MAX_PERMITS))),
                messages: listen.limits.messages.map(together),
                registrations: listen.limits.registrations.map(together),
                registering: Semaphore::new(1),
                since: now(),
            });
            for number in 0..threads {
                let begun = (|| {
                    let socket = socket.try_clone()?;
                    begin(number, Arc::clone(&shared), socket, heard.clone(), ending.clone())
                })();
                let thread = begun.map_err(|source| PolicyListenError { address: listen.address, source })?;
                plane.threads.push(thread);
            }
        }
        Ok(plane)
    }

    /// Where it listens, in the order of the configuration.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Accepts nothing more from now on; messages that have begun are answered.
    pub fn begin_drain(&self) {
        self.phase.send_replace(Phase::Drain);
    }

    /// Waits until every connection has ended, so long at most. Call after [`begin_drain`](Self::begin_drain). Cancel safe.
    pub async fn drained(&mut self, at_most: Duration) {
        tokio::select! {
            // Each thread says so once.
            () = async { while self.ended.recv().await.is_some() {} } => {}
            () = pause(at_most) => {}
        }
    }

    /// Ends everything at once. Says how many connections were cut.
    pub async fn stop(mut self) -> usize {
        self.phase.send_replace(Phase::Stop);
        let mut cut = 0;
        while let Some(count) = self.ended.recv().await {
            cut += count;
        }
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
        cut
    }
}

impl Drop for PolicyPlane {
    fn drop(&mut self) {
        self.phase.send_replace(Phase::Stop);
    }
}

/// For all threads and connections of a listener together, so many of them at once.
fn together(rate: Rate) -> RateLimit {
    RateLimit::together(rate, rate.count)
}

fn open(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if address.ip().is_unspecified() && address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Begins a thread, and waits until it can serve.
fn begin(
    number: usize,
    shared: Arc<Shared>,
    socket: std::net::TcpListener,
    phase: watch::Receiver<Phase>,
    ending: mpsc::Sender<usize>,
) -> io::Result<JoinHandle<()>> {
    let (begun, has_begun) = sync_channel(1);
    let thread = std::thread::Builder::new().name(format!("weir-policy-{number}")).spawn(move || {
        let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            Err(error) => {
                // Whoever starts the thread waits for this.
                let _ = begun.send(Err(error));
                return;
            }
        };
        let _ = begun.send(Ok(()));
        let cut = runtime.block_on(async {
            if number == 0 {
                let (registry, forget) = (Arc::clone(&shared.registry), shared.listen.timeouts.forget);
                tokio::task::spawn_local(forget_unreachable(registry, forget));
            }
            accept::run(Rc::new(Worker::new(shared, phase)), socket).await
        });
        if let Err(error) = &cut {
            tracing::error!(%error, "a listener for policy groups can't be served");
        }
        // Nobody may be waiting any more.
        let _ = ending.blocking_send(cut.unwrap_or(0));
    })?;
    has_begun.recv().unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))?;
    Ok(thread)
}

/// Lets servers go that can't be reached for so long.
async fn forget_unreachable(registry: Arc<Registry>, after: Duration) {
    loop {
        pause(FORGET_INTERVAL).await;
        registry.forget_unreachable(since_epoch().saturating_sub(after));
    }
}
