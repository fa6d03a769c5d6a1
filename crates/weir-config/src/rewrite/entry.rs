//! Entries of a list of servers that come, go or get another weight.

use weir_core::server::{ServerAddress, Transport};
use weir_http::target::Scheme;

use crate::address;
use crate::node::NodeKind;
use crate::problem::Problem;

use super::list::{Item, List, Shape, by_hand, end};
use super::words::{Edit, quote, scalar};
use super::{block, flow};

/// Adds a server behind the last one.
pub(super) fn add(list: &List<'_>, server: &str, weight: u32) -> Result<Vec<Edit>, Problem> {
    let Some(last) = list.items.last() else {
        return Err(by_hand(list.text, list.span, "the list of servers is empty"));
    };
    let entry = match list.shape {
        Shape::Servers => {
            let address = scalar(server, quote(list.written(last.address)));
            match weight {
                1 => address,
                _ => format!("{{address: {address}, weight: {weight}}}"),
            }
        }
        Shape::Hosts => host(list, last, server, weight)?,
    };
    if list.is_flow() { flow::add(list, &entry) } else { block::add(list, &entry) }
}

/// An entry of "host services".
fn host(list: &List<'_>, last: &Item<'_>, server: &str, weight: u32) -> Result<String, Problem> {
    let refuse = |message: String| Err(by_hand(list.text, list.span, &message));
    if weight != 1 {
        return refuse(format!("a file of this shape has no word for the weight of `{server}`"));
    }
    let Ok(ServerAddress { scheme: Scheme::Http, transport, base, .. }) = address::server(server) else {
        return refuse(format!("a file of this shape has no word for `{server}`"));
    };
    let (host, port) = match transport {
        Transport::Ip(ip, port) if base.is_empty() => (ip.to_string(), port),
        Transport::Name(name, port) if base.is_empty() => (name.to_string(), port),
        _ => return refuse(format!("a file of this shape has no word for `{server}`")),
    };
    let host = scalar(&host, quote(list.written(last.address)));
    // What is tried again is written at each host, and should be the same for all of a service.
    let retry = match last.node.value_of("retryPolicy") {
        None => String::new(),
        Some(node) => {
            let written = &list.text[node.span.start..end(list.text, node)];
            if !written.starts_with('[') || written.contains(['\n', '#']) {
                return refuse("`retryPolicy` stands on several lines".to_owned());
            }
            format!(", retryPolicy: {written}")
        }
    };
    Ok(format!("{{address: {host}, port: {port}{retry}}}"))
}

/// Takes an entry away.
pub(super) fn remove(list: &List<'_>, item: &Item<'_>) -> Result<Vec<Edit>, Problem> {
    let is_it = |known: &Item<'_>| std::ptr::eq(known.node, item.node);
    let Some(place) = list.items.iter().position(is_it).filter(|_| list.items.len() > 1) else {
        let message = "the last server of a list can't be taken away: an upstream has at least one";
        return Err(by_hand(list.text, list.span, message));
    };
    if list.is_flow() { flow::remove(list, place) } else { block::remove(list, place) }
}

/// Gives an entry another weight.
pub(super) fn weigh(list: &List<'_>, item: &Item<'_>, weight: u32) -> Result<Vec<Edit>, Problem> {
    if list.shape == Shape::Hosts {
        let message = "a file of this shape has no word for a weight";
        return Err(by_hand(list.text, item.node.span, message));
    }
    if let Some((known, _)) = item.weight {
        return Ok(vec![Edit::replace(known.span.start, end(list.text, known), weight.to_string())]);
    }
    let start = item.node.span.start;
    if matches!(item.node.kind, NodeKind::Scalar(_)) {
        // Between brackets less may stand without quotes.
        let written = scalar(item.server.as_deref().unwrap_or_default(), quote(list.written(item.node)));
        return Ok(vec![Edit::replace(
            start,
            end(list.text, item.node),
            format!("{{address: {written}, weight: {weight}}}"),
        )]);
    }
    let address_end = end(list.text, item.address);
    if list.text[start..].starts_with('{') {
        return Ok(vec![Edit::insert(address_end, format!(", weight: {weight}"))]);
    }
    block::weigh(list, item.node, address_end, weight)
}
