//! A client's connection from its acceptance to its end: what comes before the first request, then the requests.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use weir_upstream::io::stream::Stream;
use weir_upstream::permit::Permit;

use super::client::Client;
use super::door::Terms;
use super::peer::Peer;
use super::registry::Registration;
use super::sight::Sight;
use super::threshold::Threshold;
use super::tls;
use super::{h1, proxy_header};
use crate::runtime::certificates::ListenerTls;
use crate::runtime::worker::Worker;

/// A connection that was accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// Its bytes.
    pub stream: Stream,
    /// Who is at the other end.
    pub peer: Peer,
    /// Whether a header of the PROXY protocol comes first.
    pub proxy_header: bool,
    /// Its share of `limits.connections`, for as long as it lasts.
    pub permit: Option<Permit>,
    /// TLS; `None` is plain HTTP.
    pub tls: Option<Arc<ListenerTls>>,
    /// Where it came in.
    pub threshold: Rc<Threshold>,
}

impl Accepted {
    /// One that came in here, where this is spoken now.
    pub(crate) fn new(
        stream: Stream,
        peer: Peer,
        terms: &Terms,
        threshold: &Rc<Threshold>,
        permit: Option<Permit>,
    ) -> Self {
        let proxy_header = terms.proxy_protocol.as_ref().is_some_and(|known| known.contains(peer.ip()));
        Self { stream, peer, proxy_header, permit, tls: terms.tls.clone(), threshold: Rc::clone(threshold) }
    }
}

/// Serves a connection to its end.
///
/// What comes before the first request has memory of its own, which is given back then: what is left is what an idle connection holds.
pub(crate) fn serve(worker: Rc<Worker>, mut accepted: Accepted) -> impl Future<Output = ()> {
    let sight = Sight::new(accepted.peer, Rc::clone(&accepted.threshold));
    let registration = Registration::new(&worker.registry, Rc::clone(&sight));
    let permit = accepted.permit.take();
    let opening = Box::pin(open(Rc::clone(&worker), accepted, sight));
    async move {
        // Behind the connection, which is closed before somebody else may come.
        let (_permit, registration) = (permit, registration);
        let mut conversation = pin!(async {
            if let Some(client) = opening.await {
                h1::requests(&worker, &client).await;
            }
        });
        poll_fn(|cx| {
            worker.wakes.set(worker.wakes.get() + 1);
            if registration.poll_cut(cx).is_ready() {
                return Poll::Ready(());
            }
            conversation.as_mut().poll(cx)
        })
        .await;
    }
}

/// What comes before the first request; `None` when none will come.
async fn open(worker: Rc<Worker>, accepted: Accepted, sight: Rc<Sight>) -> Option<Rc<Client>> {
    let Accepted { stream, peer, proxy_header, tls, .. } = accepted;
    if proxy_header {
        // Boxed, like the handshake, because most connections have neither.
        sight.is_of(Box::pin(proxy_header::read(&worker, &stream, peer)).await?);
    }
    let client = match tls {
        None => Client::new(stream, &sight, None),
        Some(tls) => Box::pin(tls::accept(&worker, &tls, stream, &sight)).await?,
    };
    Some(Rc::new(client))
}
