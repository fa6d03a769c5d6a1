//! What a request brings along when a server is chosen for it: its key, and the server that its client was with.

use std::net::IpAddr;
use std::sync::Arc;

use weir_core::balance::{KeyOf, Turn, key};
use weir_http::cookie;
use weir_http::field::KnownName as K;
use weir_http::head::Head;
use weir_upstream::group::Group;
use weir_upstream::select;
use weir_upstream::upstream::Upstream;

use crate::exchange::Exchange;
use crate::runtime::clock::seconds_of_day;

/// What the request of `x` brings along; notes the server that its client was with, if it can be asked.
pub(super) fn turn(x: &mut Exchange, upstream: &Upstream, group: &Group) -> Turn {
    let pin = upstream.sticky.as_ref().and_then(|sticky| {
        // Most clients that have no cookie of ours have none at all.
        let cookies = x.request.has(K::Cookie).then(|| x.request.get_all(K::Cookie))?;
        sticky.read(cookies, seconds_of_day())
    });
    let key = key_of(&x.request, x.path(), x.facts.client, upstream);
    let turn = select::turn(upstream, group, key, pin);
    x.pinned = turn.pinned.map(|index| Arc::clone(&group.servers[index]));
    turn
}

/// The hash of a request's key, where the upstream asks for one and the request has it.
pub(super) fn key_of(request: &Head, path: &[u8], client: IpAddr, upstream: &Upstream) -> Option<u64> {
    if !upstream.balance.strategy.needs().key {
        return None;
    }
    match &upstream.balance.key {
        KeyOf::Address => Some(key_of_address(client)),
        KeyOf::Path => Some(key([path])),
        KeyOf::Header(name) => {
            let mut values = request.get_all(&**name).peekable();
            values.peek()?;
            Some(key(values))
        }
        KeyOf::Cookie(name) => {
            cookie::values(request.get_all(K::Cookie), name.as_bytes()).next().map(|value| key([value]))
        }
    }
}

/// A client with IPv6 has a network of its own, within which its address changes often (RFC 8981).
fn key_of_address(client: IpAddr) -> u64 {
    match client.to_canonical() {
        IpAddr::V4(address) => key([&address.octets()[..]]),
        IpAddr::V6(address) => key([&address.octets()[..8]]),
    }
}
