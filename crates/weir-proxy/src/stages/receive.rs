//! Stage *receive*: what a request says is made certain, and what is meant for this hop only is taken away.
//!
//! After it the head is what servers get, apart from what a route changes: target and host normalised, hop-by-hop fields
//! gone, X-Forwarded-* ours (RFC 9110 §7.6, RFC 9112 §3 and §6, `semantics.md` §1).

use std::io::Write;
use std::net::IpAddr;

use smallvec::SmallVec;
use weir_core::forwarded;
use weir_http::authority::{self, Authority};
use weir_http::connection::{self, ConnectionOptions};
use weir_http::field::{KnownName as K, NameSet};
use weir_http::framing::{self, Direction, Framing};
use weir_http::head::Head;
use weir_http::method::Method;
use weir_http::path;
use weir_http::target::{self, Target};
use weir_http::upgrade::{self, Upgrade};
use weir_http::version::Version;

use super::failure::Failure;
use super::trace;
use crate::exchange::{Exchange, HostText, Origin};
use crate::inbound::client::VIA;
use crate::runtime::snapshot::Snapshot;

/// The longest X-Request-Id of a client that is kept (`semantics.md` §1.8).
const REQUEST_ID_BYTES_MAX: usize = 128;

/// Checks and normalises the request of `x`.
pub(super) fn receive(x: &mut Exchange) -> Result<(), Failure> {
    let snapshot = x.snapshot.clone();
    if snapshot.access_log.is_some() {
        x.origin.target = x.request.target().to_vec();
    }
    request_id(x, &snapshot);
    // Framing first: if it is in doubt, nothing else of the message can be believed.
    x.facts.framing = framing::decide(&mut x.request, Direction::Request).map_err(Failure::RequestFraming)?;
    if let (Framing::Sized(bytes), Some(max)) = (x.facts.framing, snapshot.limits.body_bytes)
        && bytes > max
    {
        return Err(Failure::BodyTooLarge);
    }
    if matches!(x.request.method(), Method::Trace | Method::Connect) {
        return Err(Failure::MethodRefused);
    }
    target(x, &snapshot)?;
    let options = connection_options(&mut x.request)?;
    x.facts.version = x.request.version();
    x.facts.keep_alive = match x.facts.version {
        Version::Http11 => !options.close,
        Version::Http10 => options.keep_alive && !options.close,
    };
    x.close |= !x.facts.keep_alive;
    expectation(x)?;
    x.facts.upgrade = asked_upgrade(x, options);
    forwarding_fields(x, &snapshot);
    if trace::concerns(&x.request, &snapshot.trace) {
        trace::receive(x, &snapshot);
    }
    Ok(())
}

/// Finds host and path, and puts the normal form of the path into the head.
fn target(x: &mut Exchange, snapshot: &Snapshot) -> Result<(), Failure> {
    let request = &mut x.request;
    if request.target().len() > snapshot.limits.target_bytes {
        return Err(Failure::TargetTooLong);
    }
    let host = host(request)?;
    let target = target::parse(request.target()).map_err(Failure::Target)?;
    let host_missing = host.is_none();
    let authority = match (target.authority(), host) {
        (Some(authority), Some(host)) => {
            // RFC 9112 §3.2.2 would ignore the Host; two programs that believe different ones are refused instead.
            if !authority::same_authority(&authority, &host, default_port(&target)) {
                return Err(Failure::HostDiffers);
            }
            Some(authority)
        }
        (authority, host) => authority.or(host),
    };
    if let Some(authority) = &authority {
        remember_host(authority, request.get(K::Host), &mut x.facts.host, &mut x.origin);
        if x.client.secured.as_ref().is_some_and(|secured| !secured.speaks_for(&x.facts.host)) {
            return Err(Failure::Misdirected);
        }
    }
    // RFC 9110 §9.3.7, RFC 9112 §3.2.4: OPTIONS with `*`, or with a URL that ends with its authority, asks the server as a
    // whole. Anything else needs a path.
    x.facts.server_wide = target.is_whole_server() && request.method() == Method::Options;
    if x.facts.server_wide {
        return Ok(());
    }
    let Some((path, query)) = target.path_and_query() else {
        return Err(Failure::Target(target::TargetError::Form));
    };
    x.facts.query = query.is_some();
    if matches!(target, Target::Origin { .. }) && path::is_normal(path) {
        x.facts.path = 0..path.len();
        return Ok(());
    }
    let mut normal = Vec::with_capacity(path.len() + 16);
    path::normalise(path, &mut normal).map_err(Failure::Path)?;
    x.facts.path = 0..normal.len();
    if let Some(query) = query {
        normal.push(b'?');
        normal.extend_from_slice(query);
    }
    request.set_target(&normal);
    if host_missing && !x.origin.authority.is_empty() {
        // RFC 9112 §3.2.2: the target has lost its authority, so the Host says it from here on. Only HTTP/1.0 comes here.
        request.append(K::Host, &x.origin.authority);
    }
    Ok(())
}

/// The Host field; HTTP/1.1 must have exactly one, HTTP/1.0 at most one (`semantics.md` §1.1).
fn host(request: &Head) -> Result<Option<Authority<'_>>, Failure> {
    let mut hosts = request.get_all(K::Host);
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() == Version::Http10 => Ok(None),
        (None, _) => Err(Failure::HostMissing),
        (Some(_), Some(_)) => Err(Failure::HostRepeated),
        (Some(host), None) => authority::parse(host).map(Some).map_err(Failure::HostMalformed),
    }
}

fn default_port(target: &Target<'_>) -> u16 {
    match target {
        Target::Absolute { scheme, .. } => scheme.default_port(),
        Target::Origin { .. } | Target::Authority(_) | Target::Asterisk => 80,
    }
}

/// Keeps the host for routing in its normal form, and the authority as it was written for those who are told of it.
fn remember_host(
    authority: &Authority<'_>,
    written: Option<&[u8]>,
    host: &mut HostText,
    origin: &mut Origin,
) {
    let name = authority.host();
    if authority::is_normal_host(name) {
        *host = SmallVec::from_slice(name);
    } else {
        let mut normal = Vec::with_capacity(name.len());
        authority::normalise_host(name, &mut normal);
        *host = SmallVec::from_vec(normal);
    }
    if let Some(written) = written {
        origin.authority = SmallVec::from_slice(written);
        return;
    }
    origin.authority = SmallVec::from_slice(name);
    if let Some(port) = authority.port() {
        // Writing into memory can't fail.
        let _ = write!(origin.authority, ":{port}");
    }
}

/// Reads Connection and removes the fields that it names (RFC 9110 §7.6.1).
pub(crate) fn connection_options(head: &mut Head) -> Result<ConnectionOptions, Failure> {
    if !head.has(K::Connection) {
        return Ok(ConnectionOptions::default());
    }
    let mut names = false;
    let options =
        connection::read(head.get_all(K::Connection), |_| names = true).map_err(Failure::Connection)?;
    if names {
        remove_named(head);
    }
    Ok(options)
}

/// Takes away what a Connection field names, which has been read already.
#[cold]
fn remove_named(head: &mut Head) {
    let mut named: Vec<Box<[u8]>> = Vec::new();
    // It was read without an error a moment ago.
    let _ = connection::read(head.get_all(K::Connection), |name| named.push(name.into()));
    for name in named {
        head.remove(&*name);
    }
}

fn expectation(x: &mut Exchange) -> Result<(), Failure> {
    if !x.request.has(K::Expect) {
        return Ok(());
    }
    let known = |expectation: &[u8]| expectation.eq_ignore_ascii_case(b"100-continue");
    if !x.request.get_all(K::Expect).all(known) || x.request.get_all(K::Expect).count() > 1 {
        return Err(Failure::Expectation);
    }
    // RFC 9110 §10.1.1: a 100-continue in an HTTP/1.0 request is ignored, and without a body it asks for nothing.
    x.facts.expects_continue = x.facts.version == Version::Http11 && x.facts.framing != Framing::None;
    if !x.facts.expects_continue {
        x.request.remove(K::Expect);
    }
    Ok(())
}

/// The one protocol that the request asks to switch to. Whether it may is the route's to say (`semantics.md` §1.4).
///
/// A body would stand between the head and the bytes of the new protocol, and RFC 9110 §7.8 lets a server switch before
/// it has read it; so a request with one is only a request. RFC 6455 §4.1: WebSocket is asked for with GET.
fn asked_upgrade(x: &Exchange, options: ConnectionOptions) -> Option<Box<[u8]>> {
    if !options.upgrade || x.facts.version != Version::Http11 || !x.facts.body_is_empty() {
        return None;
    }
    match upgrade::read(x.request.get_all(K::Upgrade)) {
        asked if asked.is("websocket") && x.request.method() != Method::Get => None,
        Upgrade::One(protocol) => Some(protocol.into()),
        Upgrade::None | Upgrade::Unclear => None,
    }
}

/// Takes away what was meant for this hop or must not be believed, and adds what we vouch for (`semantics.md` §1.4, §1.8).
fn forwarding_fields(x: &mut Exchange, snapshot: &Snapshot) {
    let peer = x.client.peer().ip();
    let trusted =
        !snapshot.trusted_proxies.is_empty() && forwarded::is_trusted(peer, &snapshot.trusted_proxies);
    let request = &mut *x.request;
    let te_trailers = request.has(K::Te) && connection::te_trailers(request.get_all(K::Te));
    request.remove_all(if trusted { NEVER_PASSED_ON } else { NEVER_PASSED_ON.and(BELIEVED_IF_TRUSTED) });
    if request.speaks_of_a_client() {
        remove_hearsay(request, trusted);
    }
    if !snapshot.own_fields.is_empty() {
        remove_alike(request, &snapshot.own_fields);
    }
    if trusted || x.facts.version == Version::Http10 {
        vouch(x, snapshot, trusted);
    } else {
        x.facts.client = peer;
        x.client.introduce(|introduction| request.append_block(&introduction.forwarded));
    }
    let request = &mut *x.request;
    if let Some(subject) = x.client.secured.as_ref().and_then(|secured| secured.subject.as_ref()) {
        request.append(subject.field.as_bytes(), subject.text.as_bytes());
    }
    if !x.origin.authority.is_empty() && !request.has(K::XForwardedHost) {
        request.append(K::XForwardedHost, &x.origin.authority);
    }
    if snapshot.forwarded {
        append_forwarded(request, peer, x.client.scheme(), &x.origin.authority);
    }
    request.append(K::XRequestId, &x.origin.request_id);
    if te_trailers {
        request.append(K::Te, b"trailers");
        request.append(K::Connection, b"TE");
    }
}

/// Takes away what looks like a proxy's word of its client and is none of the fields that Weir reads (`semantics.md` §5.12). A
/// trusted proxy may say more than we do, but not in a spelling that it has only passed on.
#[cold]
fn remove_hearsay(request: &mut Head, trusted: bool) {
    request
        .remove_where(|name, _| name.speaks_of_a_client() && (!trusted || name.as_bytes().contains(&b'_')));
}

/// Takes away every field that a server could take for one of these. Programs behind CGI-like interfaces can't tell `-` from
/// `_`.
fn remove_alike(request: &mut Head, names: &[Box<str>]) {
    let folded = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    request.remove_where(|field, _| {
        let field = field.as_bytes();
        let is_it =
            |name: &[u8]| field.len() == name.len() && field.iter().map(folded).eq(name.iter().map(folded));
        names.iter().any(|name| is_it(name.as_bytes()))
    });
}

/// What we say of a client: behind a trusted proxy, what it said of it, and the proxy itself.
fn vouch(x: &mut Exchange, snapshot: &Snapshot, trusted: bool) {
    let request = &mut *x.request;
    let mut before: Vec<u8> = Vec::new();
    if trusted {
        let values = request.get_all(K::XForwardedFor);
        x.facts.client = forwarded::client(x.client.peer().ip(), &snapshot.trusted_proxies, values);
        for value in request.get_all(K::XForwardedFor).filter(|value| !value.is_empty()) {
            before.extend_from_slice(value);
            before.extend_from_slice(b", ");
        }
    }
    request.remove(K::XForwardedFor);
    x.client.introduce(|introduction| {
        request.append_parts(K::XForwardedFor, &[&before, introduction.peer_text.as_bytes()]);
    });
    if !request.has(K::XForwardedProto) {
        request.append(K::XForwardedProto, x.client.scheme().as_bytes());
    }
    if !request.has(K::XRealIp) {
        request.append(K::XRealIp, x.facts.client.to_string().as_bytes());
    }
    request.append(K::Via, via(x.facts.version));
}

/// What never goes on from a client. Programs behind CGI-like interfaces read a field `Proxy` as the variable HTTP_PROXY;
/// no honest client sends one.
const NEVER_PASSED_ON: NameSet =
    connection::HOP_BY_HOP.and(NameSet::of(&[K::XRequestId, K::XBackendServer, K::Proxy]));

/// What is believed only from a trusted proxy (`semantics.md` §1.8).
const BELIEVED_IF_TRUSTED: NameSet =
    NameSet::of(&[K::XForwardedFor, K::XForwardedHost, K::XForwardedProto, K::XRealIp, K::Forwarded]);

/// RFC 7239 §4: one element for this hop, behind those of trusted proxies.
fn append_forwarded(request: &mut Head, peer: IpAddr, scheme: &str, authority: &[u8]) {
    let mut element: SmallVec<[u8; 128]> = SmallVec::new();
    for value in request.get_all(K::Forwarded) {
        element.extend_from_slice(value);
        element.extend_from_slice(b", ");
    }
    // §6: an IPv6 address stands in brackets and quotes. Writing into memory can't fail.
    let _ = match peer {
        IpAddr::V4(address) => write!(element, "for={address};proto={scheme}"),
        IpAddr::V6(address) => write!(element, "for=\"[{address}]\";proto={scheme}"),
    };
    if !authority.is_empty() {
        element.extend_from_slice(b";host=\"");
        element.extend_from_slice(authority);
        element.push(b'"');
    }
    request.replace(K::Forwarded, &element);
}

/// RFC 9110 §7.6.3: our name, behind the version in which the message was received.
pub(crate) fn via(version: Version) -> &'static [u8] {
    match version {
        Version::Http10 => b"1.0 weir",
        Version::Http11 => VIA,
    }
}

/// Keeps the client's request id or makes one (`semantics.md` §1.8). One that stands twice is none.
fn request_id(x: &mut Exchange, snapshot: &Snapshot) {
    let visible =
        |id: &&[u8]| (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic);
    if x.request.has(K::XRequestId)
        && trace::is_believed(x, snapshot, snapshot.request_ids.from)
        && let Some(id) = x.request.only(K::XRequestId).filter(visible)
    {
        x.origin.request_id = SmallVec::from_slice(id);
        return;
    }
    x.origin.request_id = SmallVec::from_slice(hexadecimal(fastrand::u128(..)).as_flattened());
}

/// The hexadecimal digits of a number. Eight at a time, each in a byte of one word: a look-up for each costs more.
fn hexadecimal(number: u128) -> [[u8; 8]; 4] {
    const ONES: u64 = u64::MAX / 255;
    std::array::from_fn(|place| {
        let mut digits = u64::from((number >> (96 - 32 * place)) as u32);
        digits = (digits | digits << 16) & 0x0000_ffff_0000_ffff;
        digits = (digits | digits << 8) & 0x00ff_00ff_00ff_00ff;
        digits = (digits | digits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
        // Six more than ten to fifteen carries into the upper half of the byte: those digits are letters.
        let letters = (digits + 6 * ONES) >> 4 & ONES;
        (digits + u64::from(b'0') * ONES + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_a_server_may_take_for_ours_are_removed() {
        let mut head = Head::request(b"GET", b"/");
        for name in
            ["X-User", "x_user", "X-USER", "Roles-Of", "roles_of", "X-Users", "XUser", "X-User-", "Accept"]
        {
            head.append(name, b"a");
        }
        remove_alike(&mut head, &["X-User".into(), "Roles_Of".into()]);
        let left: Vec<_> =
            head.fields().map(|(name, _)| String::from_utf8_lossy(name.as_bytes()).into_owned()).collect();
        assert_eq!(left, ["X-Users", "XUser", "X-User-", "Accept"]);
    }

    #[test]
    fn digits_are_those_of_the_standard_library() {
        for number in
            [0, 1, 0xf, 0x10, u128::MAX, 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210, 9 << 64, 0xa << 96]
        {
            assert_eq!(hexadecimal(number).as_flattened(), format!("{number:032x}").as_bytes());
        }
    }
}
