//! A client's connection from its acceptance to its end: what comes before the first request, then the requests.

use std::future::poll_fn;
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
pub(crate) async fn serve(worker: Rc<Worker>, accepted: Accepted) {
    let sight = Sight::new(accepted.peer, Rc::clone(&accepted.threshold));
    let registration = Registration::new(&worker.registry, Rc::clone(&sight));
    let mut conversation = Box::pin(converse(Rc::clone(&worker), accepted, sight));
    poll_fn(|cx| {
        worker.wakes.set(worker.wakes.get() + 1);
        if registration.poll_cut(cx).is_ready() {
            return Poll::Ready(());
        }
        conversation.as_mut().poll(cx)
    })
    .await;
}

async fn converse(worker: Rc<Worker>, accepted: Accepted, sight: Rc<Sight>) {
    let Accepted { stream, peer, proxy_header, permit: _permit, tls, .. } = accepted;
    if proxy_header {
        // In memory of its own, which is given back when it is read.
        match Box::pin(proxy_header::read(&worker, &stream, peer)).await {
            Some(client) => sight.is_of(client),
            None => return,
        }
    }
    let client = match tls {
        None => Client::new(stream, &sight, None),
        // In memory of its own, which is given back when the handshake is over.
        Some(tls) => match Box::pin(tls::accept(&worker, &tls, stream, &sight)).await {
            Some(client) => client,
            None => return,
        },
    };
    h1::requests(worker, Rc::new(client)).await;
}
