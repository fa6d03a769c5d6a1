//! Who is plugged into whom: the one place that knows the data plane and the admin listener.
//!
//! The data plane has its own threads. The admin listener runs on the thread that calls this, the control thread, so that
//! it answers whatever the workers do; it reads them through a port of `weir-core` and knows nothing of them.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use weir_config::model::{Admin, Model};
use weir_proxy::{Proxy, StartError};

use crate::failure::Failure;

/// A running Weir.
#[derive(Debug)]
pub(crate) struct Weir {
    /// The data plane.
    pub(crate) proxy: Proxy,
    /// The admin listener, where there is one.
    pub(crate) admin: Option<AdminListener>,
}

/// Why there is no running Weir.
#[derive(Debug)]
pub(crate) enum CannotStart {
    /// The admin listener's written address can't be had.
    Admin {
        /// The address.
        address: SocketAddr,
        /// The system's word.
        source: io::Error,
    },
    /// The data plane can't start.
    Proxy(StartError),
}

impl CannotStart {
    /// Whether an address to accept clients on has been taken by another program.
    pub(crate) fn address_is_taken(&self) -> bool {
        matches!(self, Self::Proxy(StartError::Listen(error)) if error.source.kind() == io::ErrorKind::AddrInUse)
    }
}

impl From<CannotStart> for Failure {
    fn from(error: CannotStart) -> Self {
        Self::Running(match error {
            CannotStart::Proxy(error) => error.to_string(),
            CannotStart::Admin { address, source } => {
                let reason = match source.kind() {
                    io::ErrorKind::AddrInUse => "is in use by another program".to_owned(),
                    _ => format!("can't be listened on: {source}"),
                };
                format!(
                    "`{address}`, for the admin listener, {reason}\n\nhint: choose another address, or `admin: off`"
                )
            }
        })
    }
}

/// The running admin listener.
#[derive(Debug)]
pub(crate) struct AdminListener {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Weir {
    /// Starts everything that a model asks for. Must be called in a tokio runtime with time and network.
    ///
    /// # Errors
    /// An address is taken, or something else is not to be had; nothing is left running then.
    pub(crate) async fn start(model: &Model) -> Result<Self, CannotStart> {
        // First, so that a written address that is taken is found before a client is accepted.
        let admin = bind_admin(model.admin).await?;
        let proxy = Proxy::start(model).map_err(CannotStart::Proxy)?;
        let admin = admin.map(|(listener, address)| {
            let (stop, stopped) = oneshot::channel();
            let shutdown = async {
                // Also when the sender is gone, nobody wants it any more.
                let _ = stopped.await;
            };
            let serving = tokio::spawn(weir_admin::serve(listener, proxy.status_source(), shutdown));
            AdminListener { address, stop, serving }
        });
        Ok(Self { proxy, admin })
    }
}

impl AdminListener {
    /// Finishes the answers in progress, for at most a second.
    pub(crate) async fn stop(self) {
        // It may have ended already.
        let _ = self.stop.send(());
        let _ = self.serving.await;
    }
}

/// The default address may be taken, a written one may not (`semantics.md` §4.5).
async fn bind_admin(admin: Admin) -> Result<Option<(TcpListener, SocketAddr)>, CannotStart> {
    let (address, written) = match admin {
        Admin::Off => return Ok(None),
        Admin::Default(address) => (address, false),
        Admin::At(address) => (address, true),
    };
    match bind(address).await {
        Ok(bound) => Ok(Some(bound)),
        Err(source) if written => Err(CannotStart::Admin { address, source }),
        Err(error) => {
            tracing::warn!(%address, %error, "there is no admin listener: its default address can't be had");
            Ok(None)
        }
    }
}

async fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
