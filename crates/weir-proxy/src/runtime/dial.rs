//! How a worker opens connections to servers: over the network, and in tests of this crate to servers in memory.
//!
//! A paused clock does not wait for sockets: it would turn to the next deadline while the system still carries the bytes. So
//! tests of what happens between several servers need servers without sockets, and this is the only place where a
//! connection to one is opened for an exchange, for a copy of one or for a write that waited. Outside of tests it is nothing but a call.

#[cfg(test)]
use std::cell::OnceCell;
#[cfg(test)]
use std::rc::Rc;
use std::sync::Arc;

use weir_http::head::Head;
use weir_upstream::connect::{ConnectError, connect};
use weir_upstream::io::stream::Stream;
use weir_upstream::member::Server;
use weir_upstream::pool::Pools;
use weir_upstream::send::{Answer, SendBody, SendError, SendLimits, send_by};

/// Opens connections.
#[derive(Debug, Default)]
pub(crate) struct Dial {
    #[cfg(test)]
    staged: OnceCell<Rc<dyn Staged>>,
}

/// Servers in memory.
#[cfg(test)]
pub(crate) trait Staged: std::fmt::Debug {
    /// Connects to one of them.
    fn connect(&self, server: &Server) -> std::pin::Pin<Box<dyn Future<Output = std::io::Result<Stream>>>>;
}

impl Dial {
    /// Opens a connection over which a request can be sent. See [`connect`].
    #[cfg(not(test))]
    pub(crate) fn connect<'s>(
        &self,
        server: &'s Server,
    ) -> impl Future<Output = Result<Stream, ConnectError>> + use<'s> {
        connect(server)
    }

    #[cfg(test)]
    pub(crate) fn connect<'s>(
        &self,
        server: &'s Server,
    ) -> impl Future<Output = Result<Stream, ConnectError>> + use<'s> {
        let staged = self.staged.get().map(|staged| staged.connect(server));
        async move {
            match staged {
                Some(connecting) => connecting.await.map_err(ConnectError::Network),
                None => connect(server).await,
            }
        }
    }

    /// Sends a request without a client, over such a connection or one of `pools`. See [`send_by`].
    pub(crate) async fn send(
        &self,
        server: &Arc<Server>,
        request: &Head,
        body: SendBody,
        limits: &SendLimits<'_>,
        pools: &Pools,
    ) -> Result<Answer, SendError> {
        send_by(
            async |server: &Server| self.connect(server).await,
            server,
            request,
            body,
            limits,
            Some(pools),
        )
        .await
    }

    /// From now on these are the servers.
    #[cfg(test)]
    pub(crate) fn stage(&self, servers: Rc<dyn Staged>) {
        let staged = self.staged.set(servers);
        assert!(staged.is_ok(), "servers are put on the stage once");
    }
}
