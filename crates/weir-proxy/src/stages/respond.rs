//! Stage *respond*: the head of an answer becomes the head that this client gets.

use std::sync::Arc;

use weir_http::connection;
use weir_http::field::KnownName as K;
use weir_http::framing::Framing;
use weir_http::head::Head;
use weir_http::version::Version;
use weir_upstream::member::Server;
use weir_upstream::upstream::Upstream;

use super::receive::via;
use super::{admit, edit, timing};
use crate::exchange::Exchange;
use crate::inbound::responder::{Delivery, Responder};
use crate::runtime::clock::seconds_of_day;
use crate::runtime::snapshot::Action;
use crate::tries::Tried;

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A server.
    Server,
    /// Weir itself.
    Weir,
}

/// Turns the head of a final answer with this framing into what the client gets, and begins the answer.
///
/// The fields that Connection names have been removed already. `request_read` says whether the client has been read to
/// the end of its request; if not, the connection ends after the answer (`semantics.md` §1.7).
pub(crate) fn begin(
    x: &mut Exchange,
    head: &mut Head,
    framing: Framing,
    source: Source,
    request_read: bool,
    responder: &mut Responder<'_>,
) {
    let delivery = responder.delivery(framing);
    x.close |= !request_read || delivery == Delivery::UntilClose;
    x.close |= x.worker.is_draining() || x.client.sight.threshold.is_closing();
    x.record.status = head.status();
    if source == Source::Server {
        clean(head);
        head.append(K::Via, via(head.version()));
        if let Some(after) = x.record.served {
            responder.served(after);
        }
    }
    frame(head, framing, delivery);
    // RFC 9110 §6.6.1: a recipient with a clock adds a Date where there is none.
    if !head.has(K::Date) {
        head.append(K::Date, &x.worker.date.date(x.begun));
    }
    if !x.origin.request_id.is_empty() && x.snapshot.request_ids.answer {
        head.replace(K::XRequestId, &x.origin.request_id);
    }
    if x.route().is_some_and(|route| route.server_timing) {
        timing::tell(x, head);
    }
    route_fields(x, head);
    if source == Source::Server {
        tell_server(x, head);
    }
    if x.close {
        head.append(K::Connection, b"close");
    } else if x.facts.version == Version::Http10 {
        head.append(K::Connection, b"keep-alive");
    }
    responder.head(head, delivery);
}

/// Fields that say how the body ends, as it is delivered.
fn frame(head: &mut Head, framing: Framing, delivery: Delivery) {
    if delivery == Delivery::Chunked {
        head.append(K::TransferEncoding, b"chunked");
    }
    // RFC 9110 §8.6: no Content-Length in a 204 or 1xx; for HEAD and 304 it says what a GET would have got.
    let status = head.status();
    if status == 204 || (status < 200 && framing == Framing::None) {
        head.remove(K::ContentLength);
    }
}

/// What the route adds to an answer and changes of it.
pub(crate) fn route_fields(x: &Exchange, head: &mut Head) {
    let Some(route) = x.route() else { return };
    admit::tell(x, head);
    admit::tell_security(x, head);
    if route.backend_server
        && let Some(server) = &x.record.server
    {
        head.replace(K::XBackendServer, server.name().as_bytes());
    }
    if let Some(edits) = &route.answer_fields {
        edit::fields(head, edits);
    }
}

/// Gives a client that stays with its server a cookie which says who that is, unless it has one: also one that says another
/// server, as long as that one can be asked. It had no room, or did not answer this request, and has the client's session.
pub(crate) fn tell_server(x: &Exchange, head: &mut Head) {
    let (Some(Action::Forward(forward)), Some(server)) =
        (x.route().map(|route| &route.action), &x.record.server)
    else {
        return;
    };
    let Some(sticky) = &forward.upstream.sticky else { return };
    if x.pinned.as_ref().is_some_and(|own| Arc::ptr_eq(own, server) || is_there(x, &forward.upstream, own)) {
        return;
    }
    // Behind those of the application: the last one of a name counts.
    head.append(
        K::SetCookie,
        sticky.set_cookie(server.name(), seconds_of_day(), x.scheme() == "https").as_bytes(),
    );
}

/// Whether requests may go to the server, and this one found nothing else.
fn is_there(x: &Exchange, upstream: &Upstream, server: &Arc<Server>) -> bool {
    let was_away = |tried: &Tried| Arc::ptr_eq(&tried.server, server) && tried.outcome.is_away();
    if x.record.tries.iter().any(was_away) {
        return false;
    }
    let group = x.worker.groups.of(upstream);
    let place = group.servers.iter().position(|known| Arc::ptr_eq(known, server));
    place.is_some_and(|place| group.takes_requests(place))
}

/// Takes away what a server's answer says to this hop only. What its Connection field names must be gone already.
pub(crate) fn clean(head: &mut Head) {
    head.remove_all(connection::HOP_BY_HOP);
}
