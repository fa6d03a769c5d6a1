//! Who may ask: the defence against web pages that reach for the loopback interface.
//!
//! A page from anywhere can make a browser on this machine send requests here. With its own name resolved to 127.0.0.1 (DNS
//! rebinding) it could even read the answers, because for the browser that is the page's own origin. Two checks end that:
//! the Host must be something that no stranger's DNS can claim (an address, `localhost`, a name that the operator listed),
//! and an Origin must be the very host that is asked. Programs without a browser are not touched by either.

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::Version;
use hyper::header::{HOST, HeaderValue, ORIGIN};
use hyper::http::request::Parts;

/// The hosts under which the admin listener may be asked, beside addresses and `localhost`.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    names: Vec<String>,
    /// Whether every host is ours.
    open: bool,
}

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No Host, more than one, or one that is none.
    BadHost,
    /// A Host that is not ours.
    ForeignHost(String),
    /// A page of another origin asks.
    ForeignOrigin,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadHost => f.write_str("the request needs exactly one valid Host field"),
            Self::ForeignHost(host) => write!(
                f,
                "`{host}` is not a host of the admin listener; ask it by its address, such as 127.0.0.1, or as localhost"
            ),
            Self::ForeignOrigin => f.write_str("pages of another origin may not ask the admin listener"),
        }
    }
}

/// A host as compared: in lower case, without a trailing dot, with its port as written.
#[derive(Debug, PartialEq)]
struct Authority {
    host: String,
    port: Option<u16>,
    is_address: bool,
}

impl Guard {
    /// A guard that also lets the named hosts in. Names have no port; their case does not matter.
    pub(crate) fn new(names: &[Box<str>]) -> Self {
        Self { names: names.iter().map(|name| canonical(name)).collect(), open: false }
    }

    /// A guard that knows no foreign host, for what may be read by whoever reaches it. Pages of other origins stay out.
    pub(crate) fn open() -> Self {
        Self { names: Vec::new(), open: true }
    }

    /// Whether the request may be answered.
    ///
    /// # Errors
    ///
    /// Why not.
    pub(crate) fn check(&self, head: &Parts) -> Result<(), Refusal> {
        let Some(host) = self.checked_host(head)? else { return Ok(()) };
        let mut origins = head.headers.get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else { return Ok(()) };
        let same = parse_origin(origin).is_some_and(|(origin, default_port)| {
            origin.host == host.host
                && origin.port.unwrap_or(default_port) == host.port.unwrap_or(default_port)
        });
        if same && origins.next().is_none() { Ok(()) } else { Err(Refusal::ForeignOrigin) }
    }

    /// The host that is asked, when it is ours; `None` for an HTTP/1.0 request without one, which no browser sends.
    fn checked_host(&self, head: &Parts) -> Result<Option<Authority>, Refusal> {
        let mut hosts = head.headers.get_all(HOST).iter();
        let written = match (hosts.next(), hosts.next()) {
            (Some(host), None) => Some(self.admitted(host.to_str().map_err(|_| Refusal::BadHost)?)?),
            (None, _) if head.version == Version::HTTP_10 => None,
            // RFC 9112 §3.2: a request without Host, or with more than one, gets a 400.
            _ => return Err(Refusal::BadHost),
        };
        // The authority of an absolute target counts before Host (RFC 9112 §3.2.2); here both have to be ours.
        match head.uri.authority() {
            Some(authority) => self.admitted(authority.as_str()).map(Some),
            None => Ok(written),
        }
    }

    fn admitted(&self, text: &str) -> Result<Authority, Refusal> {
        let authority = parse_authority(text).ok_or(Refusal::BadHost)?;
        let ours = self.open
            || authority.is_address
            || authority.host == "localhost"
            || self.names.contains(&authority.host);
        if ours { Ok(authority) } else { Err(Refusal::ForeignHost(authority.host)) }
    }
}

fn canonical(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// `host`, `host:port`, `[IPv6]` or `[IPv6]:port` (RFC 9110 §4.2). Anything else, userinfo too, is none.
fn parse_authority(text: &str) -> Option<Authority> {
    let (host, port, bracketed) = if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) }, true)
    } else {
        let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
        (host, port, false)
    };
    let port = match port {
        None => None,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
        Some(_) => return None,
    };
    let host = canonical(host);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.' || b == b'_';
    if !bracketed && (host.is_empty() || !host.bytes().all(plain)) {
        return None;
    }
    let is_address = bracketed || host.parse::<Ipv4Addr>().is_ok();
    Some(Authority { host, port, is_address })
}

/// An origin that names a host (RFC 6454 §6.1) with the default port of its scheme; `null` and foreign schemes are none.
fn parse_origin(value: &HeaderValue) -> Option<(Authority, u16)> {
    let text = value.to_str().ok()?;
    let (authority, default_port) = text
        .strip_prefix("http://")
        .map(|rest| (rest, 80))
        .or(text.strip_prefix("https://").map(|rest| (rest, 443)))?;
    Some((parse_authority(authority)?, default_port))
}
