//! Who is plugged into whom: the one place that knows the data plane and the admin listener.
//!
//! The data plane has its own threads. The admin listener runs on the thread that calls this, the control thread, so that
//! it answers whatever the workers do; it reads them through a port of `weir-core` and knows nothing of them.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use weir_admin::{Admission, Door, Socket, Sources};
use weir_config::model::{Admin, ListenAddress, Model};
use weir_core::dispatch::CatchUp;
use weir_core::ports::drain::DrainControl;
use weir_core::ports::upgrade::SharedUpgradeControl;
use weir_policy::PolicyListenError;
use weir_proxy::runtime::inherited::Inherited;
use weir_proxy::runtime::queues::OpenQueue;
use weir_proxy::runtime::sockets::BoundAddress;
use weir_proxy::{Proxy, StartError};
use weir_store::{OpenError, Queue};

use crate::admin_socket;
use crate::client_connections::ClientConnections;
use crate::failure::Failure;
use crate::logging;
use crate::policy_listeners::PolicyListeners;
use crate::reload_requests::{self, Requests};
use crate::upgrade::Legacy;

/// A running Weir.
#[derive(Debug)]
pub(crate) struct Weir {
    /// The data plane.
    pub(crate) proxy: Proxy,
    /// The admin listener, where there is one.
    pub(crate) admin: Option<AdminListener>,
    /// The listener of metrics alone, where there is one.
    pub(crate) metrics: Option<AdminListener>,
    /// The listeners for policy groups. They accept nobody before they are told to begin.
    pub(crate) policy: PolicyListeners,
    /// Those who want the configuration to be read again.
    pub(crate) reloads: Requests,
    /// Whether somebody has asked over the admin listener that it drains.
    pub(crate) drain: Arc<DrainRequest>,
    sources: Sources,
}

/// A socket that listens for operators, before anybody serves there.
#[derive(Debug)]
pub(crate) struct AdminBound {
    socket: Socket,
    address: BoundAddress,
    written: String,
    duplicate: OwnedFd,
    is_foreign: bool,
}

/// Why there is no running Weir.
#[derive(Debug)]
pub(crate) enum CannotStart {
    /// The admin listener's written address can't be had.
    Admin {
        /// The address.
        address: BoundAddress,
        /// The system's word.
        source: io::Error,
    },
    /// The address for metrics can't be had.
    Metrics {
        /// The address.
        address: SocketAddr,
        /// The system's word.
        source: io::Error,
    },
    /// The data plane can't start.
    Proxy(StartError),
    /// A listener for policy groups can't be had.
    Policy(PolicyListenError),
}

impl CannotStart {
    /// Whether an address to accept clients on has been taken by another program.
    pub(crate) fn address_is_taken(&self) -> bool {
        matches!(self, Self::Proxy(StartError::Listen(error)) if error.source.kind() == io::ErrorKind::AddrInUse)
    }
}

impl fmt::Display for CannotStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proxy(error) => error.fmt(f),
            Self::Policy(error) => write!(f, "{error}\n\nhint: choose another port"),
            Self::Admin { address, source } => {
                let reason = reason(source);
                write!(
                    f,
                    "`{address}`, for the admin listener, {reason}\n\nhint: choose another address, or `admin: off`"
                )
            }
            Self::Metrics { address, source } => {
                let reason = reason(source);
                write!(f, "`{address}`, for metrics, {reason}\n\nhint: choose another port with `-m PORT`")
            }
        }
    }
}

impl From<CannotStart> for Failure {
    fn from(error: CannotStart) -> Self {
        Self::Running(error.to_string())
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "is in use by another program".to_owned(),
        _ => format!("can't be listened on: {error}"),
    }
}

/// The running admin listener.
#[derive(Debug)]
pub(crate) struct AdminListener {
    /// Where it listens.
    pub(crate) address: BoundAddress,
    /// The address as it is in the configuration.
    pub(crate) written: String,
    /// The socket once more, for a process that follows.
    pub(crate) socket: OwnedFd,
    /// Whether somebody who is no Weir has it too, and the file of a Unix socket is theirs.
    pub(crate) is_foreign: bool,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    door: Arc<Door>,
}

impl Weir {
    /// Starts everything that a model asks for. Must be called in a tokio runtime with time and network.
    ///
    /// # Errors
    /// An address is taken, or something else is not to be had; nothing is left running then.
    pub(crate) async fn start(model: &Model) -> Result<Self, CannotStart> {
        let weir = Self::start_after(model, Legacy::default(), false, None).await?;
        weir.policy.plane.begin();
        Ok(weir)
    }

    /// The same with what a process before this one has handed over, but that the listeners for policy groups accept nobody yet: that one
    /// knows who has registered, until this one is in charge. With `has_file` there is a file that can be read again, and
    /// `upgrade` is who replaces this one.
    ///
    /// # Errors
    /// See [`start`](Self::start).
    pub(crate) async fn start_after(
        model: &Model,
        mut legacy: Legacy,
        has_file: bool,
        upgrade: Option<SharedUpgradeControl>,
    ) -> Result<Self, CannotStart> {
        logging::follow(&model.log);
        // First, so that a written address that is taken is found before a client is accepted.
        let admin = bind_admin(&model.admin, &mut legacy.admin)?;
        let metrics = match model.metrics {
            Some(address) => {
                let bound = bind(address, &mut legacy.metrics);
                Some(bound.map_err(|source| CannotStart::Metrics { address, source })?)
            }
            None => None,
        };
        let Legacy { policy, clients, registered, is_activated, .. } = &mut legacy;
        // What a service manager has opened is for whoever listens there.
        let inherited = |address| match policy.take_all_tcp(address) {
            none if none.is_empty() && *is_activated => clients.take_all_tcp(address),
            sockets => sockets,
        };
        let policy = PolicyListeners::open(model, inherited, registered).map_err(CannotStart::Policy)?;
        let queues = queues(model, std::mem::take(&mut legacy.queues));
        let (groups, messages) = (policy.plane.groups(), policy.plane.connection_source());
        let proxy =
            Proxy::start_with(model, queues, &mut legacy.clients, groups).map_err(CannotStart::Proxy)?;
        legacy.tell_left();
        let (asker, reloads) = reload_requests::requests(has_file);
        let drain = Arc::new(DrainRequest::default());
        let sources = Sources {
            status: proxy.status_source(),
            site: Some(proxy.site_source()),
            connections: Some(Arc::new(ClientConnections::new(
                [proxy.connection_source(), messages],
                reload_requests::since_epoch(),
            ))),
            queues: Some(proxy.queue_source()),
            members: Some(proxy.member_control()),
            log: logging::control(),
            configuration: Some(proxy.configuration_source()),
            reload: Some(Arc::new(asker)),
            upgrade,
            drain: Some(Arc::<DrainRequest>::clone(&drain)),
        };
        let admin = admin.map(|bound| serve_admin(bound, admission(&model.admin), &sources));
        let metrics = metrics.map(|bound| {
            AdminListener::start(bound, Arc::default(), |socket, stopped, _| {
                tokio::spawn(weir_admin::serve_metrics(socket, proxy.status_source(), stopped.wait()))
            })
        });
        Ok(Self { proxy, admin, metrics, policy, reloads, drain, sources })
    }

    /// Lets the admin listener be at another address, or nowhere. Answers in progress at the old one are finished.
    pub(crate) fn exchange_admin(&mut self, bound: Option<AdminBound>, admin: &Admin) {
        let new = bound.map(|bound| serve_admin(bound, admission(admin), &self.sources));
        if let Some(admin) = &new {
            tracing::info!(address = %admin.address, "admin listening");
        }
        if let Some(old) = std::mem::replace(&mut self.admin, new) {
            // Whoever has asked for this is answered there; so that is not waited for here.
            tokio::spawn(old.stop());
        }
    }
}

fn serve_admin(bound: AdminBound, admission: Admission, sources: &Sources) -> AdminListener {
    let sources = sources.clone();
    AdminListener::start(bound, Arc::new(Door::new(admission)), |socket, stopped, door| {
        tokio::spawn(weir_admin::serve(socket, sources, door, stopped.wait()))
    })
}

/// Who may ask an admin listener like this.
fn admission(admin: &Admin) -> Admission {
    match admin {
        Admin::Off | Admin::Default(_) => Admission::default(),
        Admin::At(written) => Admission { token: written.token.clone(), hosts: written.hosts.clone() },
    }
}

/// Ready when nobody wants the listener any more.
struct Stopped(oneshot::Receiver<()>);

impl Stopped {
    async fn wait(self) {
        // Also when the sender is gone.
        let _ = self.0.await;
    }
}

/// Where writes wait for servers: in memory, or in a file under `state`. Those in `shared` may be a process's that ends.
fn queues(model: &Model, shared: HashSet<String>) -> Arc<OpenQueue> {
    let directory = model.state.join("queue");
    let open = move |name: &str, limits| match shared.contains(name) {
        true => Queue::open_shared(&directory, name, limits),
        false => Queue::open(&directory, name, limits),
    };
    Arc::new(move |name, catch_up, limits| match catch_up {
        CatchUp::Durable => match open(name, limits) {
            Ok(queue) => Ok(Arc::new(queue)),
            Err(error) => Err(with_hint(&error)),
        },
        CatchUp::Memory | CatchUp::Off => Ok(Arc::new(Queue::in_memory(name, limits))),
    })
}

/// What is wrong, and what to do about it.
fn with_hint(error: &OpenError) -> String {
    match error.hint() {
        Some(hint) => format!("{error}\n\nhint: {hint}"),
        None => error.to_string(),
    }
}

impl AdminListener {
    fn start(
        bound: AdminBound,
        door: Arc<Door>,
        serve: impl FnOnce(Socket, Stopped, Arc<Door>) -> JoinHandle<()>,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        let AdminBound { socket, address, written, duplicate, is_foreign } = bound;
        let serving = serve(socket, Stopped(stopped), Arc::clone(&door));
        Self { address, written, socket: duplicate, is_foreign, stop, serving, door }
    }

    /// Who may ask from now on is whom this says, at the address that it has.
    pub(crate) fn admit(&self, admin: &Admin) {
        self.door.exchange(admission(admin));
        if let (BoundAddress::Unix(path), Admin::At(written)) = (&self.address, admin)
            && let Err(error) = admin_socket::set_mode(path, written.mode)
        {
            tracing::warn!(path = %path.display(), %error, "the mode of the admin listener's socket can't be set");
        }
    }

    /// Nobody comes in any more from now on, and the address is free for another one. Answers in progress are finished, for at most a
    /// second, while what this returns is waited for.
    pub(crate) fn stop(self) -> impl Future<Output = ()> + Send + 'static {
        if let BoundAddress::Unix(path) = &self.address
            && !self.is_foreign
        {
            // Not when the last answer is over: by then the file may be that of a listener which came after this one. Somebody may have
            // removed it already.
            let _ = std::fs::remove_file(path);
        }
        self.leave()
    }

    /// The same where another process has the socket: the file of a Unix socket stays where it is.
    pub(crate) fn leave(self) -> impl Future<Output = ()> + Send + 'static {
        let Self { socket, stop, serving, .. } = self;
        // It listens for as long as anybody has it.
        drop(socket);
        // It may have ended already.
        let _ = stop.send(());
        async {
            let _ = serving.await;
        }
    }
}

/// Somebody's wish that the process drains; it is noticed where signals are.
#[derive(Debug, Default)]
pub(crate) struct DrainRequest(Notify);

impl DrainControl for DrainRequest {
    fn drain(&self) {
        self.0.notify_one();
    }
}

impl DrainRequest {
    /// Waits until somebody wants it. Cancel safe.
    pub(crate) async fn made(&self) {
        self.0.notified().await;
    }
}

/// The default address may be taken, a written one may not (`semantics.md` §4.5). Needs a tokio runtime with network.
pub(crate) fn bind_admin(
    admin: &Admin,
    inherited: &mut Inherited,
) -> Result<Option<AdminBound>, CannotStart> {
    let written = match admin {
        Admin::Off => return Ok(None),
        Admin::Default(address) => {
            return match bind(*address, inherited) {
                Ok(bound) => Ok(Some(bound)),
                Err(error) => {
                    tracing::warn!(%address, %error, "there is no admin listener: its default address can't be had");
                    Ok(None)
                }
            };
        }
        Admin::At(written) => written,
    };
    let (bound, address) = match &written.address {
        ListenAddress::Tcp(address) => (bind(*address, inherited), BoundAddress::Tcp(*address)),
        ListenAddress::Unix(path) => {
            (bind_unix(path, written.mode, inherited), BoundAddress::Unix(path.clone()))
        }
    };
    bound.map(Some).map_err(|source| CannotStart::Admin { address, source })
}

fn bind(address: SocketAddr, inherited: &mut Inherited) -> io::Result<AdminBound> {
    let written = address.to_string();
    let listener = match inherited.take_tcp(address) {
        Some(listener) => listener,
        None => std::net::TcpListener::bind(address)?,
    };
    listener.set_nonblocking(true)?;
    let (address, duplicate) = (listener.local_addr()?, listener.as_fd().try_clone_to_owned()?);
    let socket = TcpListener::from_std(listener)?.into();
    Ok(AdminBound { socket, address: BoundAddress::Tcp(address), written, duplicate, is_foreign: false })
}

fn bind_unix(path: &Path, mode: u32, inherited: &mut Inherited) -> io::Result<AdminBound> {
    let (listener, is_foreign) = match inherited.take_unix(path) {
        Some((listener, is_foreign)) => {
            admin_socket::restrict(path, mode)?;
            (UnixListener::from_std(listener)?, is_foreign)
        }
        None => (admin_socket::bind(path, mode)?, false),
    };
    let (address, duplicate) = (BoundAddress::Unix(path.to_owned()), listener.as_fd().try_clone_to_owned()?);
    let written = address.to_string();
    Ok(AdminBound { socket: Socket::Unix(listener), address, written, duplicate, is_foreign })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::Ipv4Addr;

    use weir_config::model::AdminListen;

    use super::*;

    fn here(port: u16) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }

    fn at(address: SocketAddr) -> Admin {
        Admin::At(Box::new(AdminListen::open(ListenAddress::Tcp(address))))
    }

    fn model(listen: SocketAddr, admin: Admin) -> Model {
        let listen = weir_config::model::ListenAddress::Tcp(listen);
        let servers = ["127.0.0.1:1".to_owned()];
        let mut model = weir_config::balance(listen, Default::default(), &servers).unwrap();
        model.admin = admin;
        model
    }

    // semantics.md §4.5
    #[tokio::test]
    async fn an_admin_address_that_is_taken_matters_only_when_it_was_written() {
        let taken = std::net::TcpListener::bind(here(0)).unwrap();
        let address = taken.local_addr().unwrap();
        let weir = Weir::start(&model(here(0), Admin::Default(address))).await.unwrap();
        assert!(weir.admin.is_none());
        weir.proxy.stop().await;
        let error = Weir::start(&model(here(0), at(address))).await.unwrap_err();
        assert!(!error.address_is_taken(), "the listener of clients has nothing to do with it");
        let Failure::Running(text) = Failure::from(error) else { panic!("running") };
        assert!(text.contains(&address.to_string()) && text.contains("in use"), "{text}");
    }

    #[tokio::test]
    async fn a_failed_start_leaves_the_admin_address_free() {
        let taken = std::net::TcpListener::bind(here(0)).unwrap();
        let free = std::net::TcpListener::bind(here(0)).unwrap().local_addr().unwrap();
        let error = Weir::start(&model(taken.local_addr().unwrap(), at(free))).await.unwrap_err();
        assert!(error.address_is_taken());
        let weir = Weir::start(&model(here(0), at(free))).await.unwrap();
        let admin = weir.admin.unwrap();
        assert_eq!(admin.address, BoundAddress::Tcp(free));
        admin.stop().await;
        weir.proxy.stop().await;
    }
}
