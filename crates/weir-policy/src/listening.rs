//! One listener: its sockets, which belong to the process, and the threads that serve it.
//!
//! There is one, unless somebody else has opened several at the same address: the system spreads connections over all of them.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use socket2::{Domain, Socket, Type};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Semaphore, mpsc, watch};
use weir_config::model::PolicyListen;
use weir_upstream::io::backlog::BACKLOG;
use weir_upstream::io::deadline::{now, pause, since_epoch};
use weir_upstream::io::descriptors::Descriptors;
use weir_upstream::io::neighbours::has_neighbour;
use weir_upstream::permit::PermitCount;

use crate::accept;
use crate::connections::{AllConnections, Connections};
use crate::registry::Registry;
use crate::worker::{Order, Phase, Shared, Terms, Worker};

/// How often it is looked who can't be reached for too long.
const FORGET_INTERVAL: Duration = Duration::from_secs(1);

/// What all listeners of a process share.
#[derive(Debug, Clone)]
pub(crate) struct House {
    /// Who has registered.
    pub(crate) registry: Arc<Registry>,
    /// Who is connected.
    pub(crate) connections: Arc<AllConnections>,
}

/// See the module. Dropped, it ends at once.
#[derive(Debug)]
pub(crate) struct Listening {
    /// Where the configuration wants it; with port 0 the system has chosen another one.
    pub(crate) written: SocketAddr,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What the configuration says of it, as a number.
    pub(crate) mark: u64,
    shared: Arc<Shared>,
    /// Each thread has them once more. None when nobody is accepted any more.
    sockets: Vec<TcpListener>,
    order: watch::Sender<Order>,
    threads: Vec<JoinHandle<()>>,
    ended: mpsc::Receiver<usize>,
}

/// What this says of a listener, as a number that is good in this process.
pub(crate) fn mark(listen: &PolicyListen) -> u64 {
    static KEY: OnceLock<RandomState> = OnceLock::new();
    KEY.get_or_init(RandomState::new).hash_one(listen)
}

/// Opens a socket that listens. With `is_ours` a listener of this process may have the port under another address, and go.
///
/// # Errors
/// The address can't be had, also when another program has it (`semantics.md` §4.7).
pub(crate) fn open(address: SocketAddr, is_ours: bool) -> io::Result<TcpListener> {
    if is_ours {
        // Opening it alone would fail because of the one that is ours.
        if has_neighbour(address) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
    } else if address.port() != 0 {
        // Fails where any other socket listens; the one below would quietly join it.
        socket(address, false)?.listen(1)?;
    }
    let socket = socket(address, true)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    // So that a listener can move from one address of the machine to all of them while both are open.
    socket.set_reuse_port(shared)?;
    if address.ip().is_unspecified() && address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

impl Listening {
    /// Lets so many threads be ready to accept from sockets that listen at one address. They begin when they are told to.
    ///
    /// # Errors
    /// The system's; and there is no socket.
    pub(crate) fn start(
        listen: &PolicyListen,
        sockets: Vec<TcpListener>,
        threads: usize,
        house: &House,
    ) -> io::Result<Self> {
        sockets.iter().try_for_each(|socket| socket.set_nonblocking(true))?;
        let address = sockets.first().ok_or(io::ErrorKind::NotFound)?.local_addr()?;
        let shared = Arc::new(Shared {
            terms: ArcSwap::from_pointee(Terms::new(listen.clone(), None)),
            registry: Arc::clone(&house.registry),
            descriptors: Descriptors::of_process(),
            places: PermitCount::new(listen.limits.connections),
            registering: Semaphore::new(1),
            since: now(),
        });
        let (order, heard) = watch::channel(Phase::Wait.into());
        let (ending, ended) = mpsc::channel(threads.max(1));
        let begun = (0..threads).map(|number| {
            let connections = house.connections.of_thread(address, house.registry.groups());
            let sockets = sockets.iter().map(TcpListener::try_clone).collect::<io::Result<_>>()?;
            let post = (sockets, connections);
            begin(number, Arc::clone(&shared), post, heard.clone(), ending.clone())
        });
        let threads = begun.collect::<Result<_, _>>()?;
        let (written, mark) = (listen.address, mark(listen));
        Ok(Self { written, address, mark, shared, sockets, order, threads, ended })
    }

    /// This is what the configuration says of it from now on.
    pub(crate) fn exchange(&mut self, listen: PolicyListen) {
        self.mark = mark(&listen);
        self.shared.places.resize(listen.limits.connections);
        let terms = Terms::new(listen, Some(&self.shared.terms.load()));
        self.shared.terms.store(Arc::new(terms));
    }

    /// Lets it begin to accept.
    pub(crate) fn begin(&self) {
        self.order.send_replace(Phase::Run.into());
    }

    /// Lets nothing new begin.
    pub(crate) fn leave(&mut self, order: Order) {
        // Before anybody is told: each thread has its own until it has accepted what waits, and with the last one the system
        // stops queueing.
        self.sockets.clear();
        self.order.send_if_modified(|known| {
            let is_later = order.phase > known.phase;
            if is_later {
                *known = order;
            }
            is_later
        });
    }

    /// Its sockets once more, for another process.
    ///
    /// # Errors
    /// The system has no file descriptor left.
    pub(crate) fn duplicates(&self) -> io::Result<Vec<OwnedFd>> {
        self.sockets.iter().map(|socket| socket.as_fd().try_clone_to_owned()).collect()
    }

    /// Whether its threads have ended.
    pub(crate) fn is_over(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Waits until its threads have ended. Says how many connections were cut since it was asked last. Cancel safe, but for that number.
    pub(crate) async fn ended(&mut self) -> usize {
        let mut cut = 0;
        // Each thread says so once.
        while let Some(count) = self.ended.recv().await {
            cut += count;
        }
        cut
    }

    /// Ends it at once. Says how many connections were cut.
    pub(crate) async fn stop(mut self) -> usize {
        self.leave(Phase::Stop.into());
        let cut = self.ended().await;
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
        cut
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.leave(Phase::Stop.into());
    }
}

/// Begins a thread, and waits until it can serve.
fn begin(
    number: usize,
    shared: Arc<Shared>,
    (sockets, connections): (Vec<TcpListener>, Arc<Connections>),
    order: watch::Receiver<Order>,
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
                tokio::task::spawn_local(forget_unreachable(Arc::clone(&shared)));
            }
            accept::run(Rc::new(Worker::new(shared, connections, order)), sockets).await
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
async fn forget_unreachable(shared: Arc<Shared>) {
    loop {
        pause(FORGET_INTERVAL).await;
        let after = shared.terms.load().listen.timeouts.forget;
        shared.registry.forget_unreachable(since_epoch().saturating_sub(after));
    }
}
