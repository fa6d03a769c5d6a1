//! Addresses as people write them: where we listen, where servers are, which peers are trusted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use weir_core::route::{HostPattern, PathPattern};
use weir_core::server::{ServerAddress, Transport};
use weir_http::target::Scheme;

use crate::complaint::Complaint;
use crate::model::ListenAddress;
use crate::node::shortened;

/// The longest path of a Unix socket on Linux: `sun_path` has 108 bytes, the last is zero.
const UNIX_PATH_BYTES_MAX: usize = 107;

/// An address to listen on: `127.0.0.1:8080`, `[::1]:8080`, `:8080` (all addresses, IPv6 and IPv4) or `unix:PATH`.
/// Port 0 lets the system choose.
///
/// # Errors
/// When the text is none of these; names are not resolved.
pub fn listen(text: &str) -> Result<ListenAddress, Complaint> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix_path(path).map(ListenAddress::Unix);
    }
    socket(text).map(ListenAddress::Tcp)
}

/// An address and a port: `127.0.0.1:8080`, `[::1]:8080`, `:8080` (all addresses).
///
/// # Errors
/// When the text is none of these.
pub fn socket(text: &str) -> Result<SocketAddr, Complaint> {
    if let Some(port) = text.strip_prefix(':')
        && let Ok(port) = port_number(port)
    {
        return Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
    }
    text.parse::<SocketAddr>().map_err(|_| {
        let complaint = Complaint::new(format!("`{}` is not an address to listen on", shortened(text)));
        complaint.hint(socket_hint(text))
    })
}

fn socket_hint(text: &str) -> String {
    if port_number(text).is_ok() {
        return format!("write `127.0.0.1:{text}` for this machine only, or `:{text}` for all addresses");
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return format!("write a port, and IPv6 in brackets: `[{text}]:8080`");
    }
    if text.parse::<Ipv4Addr>().is_ok() {
        return format!("write a port: `{text}:8080`");
    }
    let (_, rest) = text.split_once("://").unwrap_or(("", text));
    match rest.trim_end_matches('/').rsplit_once(':') {
        Some(("*", port)) if port_number(port).is_ok() => format!("write `:{port}` for all addresses"),
        Some(("localhost", port)) if port_number(port).is_ok() => format!("write `127.0.0.1:{port}`"),
        Some((host, port)) if text.contains("://") && port_number(port).is_ok() => {
            format!("write it without the scheme: `{}:{port}`", shortened(host))
        }
        Some(_) | None => "write `127.0.0.1:8080`, `[::1]:8080`, `:8080` or `unix:PATH`".to_owned(),
    }
}

/// A server: `host:port`, `http://host[:port][/base]`, `https://host[:port][/base]` or `unix:PATH`.
///
/// # Errors
/// When the text is none of these.
pub fn server(text: &str) -> Result<ServerAddress, Complaint> {
    if let Some(path) = text.strip_prefix("unix:") {
        let transport = Transport::Unix(unix_path(path)?);
        return Ok(ServerAddress { written: text.into(), scheme: Scheme::Http, transport, base: "".into() });
    }
    let (scheme, rest) = match text.split_once("://") {
        Some(("http", rest)) => (Some(Scheme::Http), rest),
        Some(("https", rest)) => (Some(Scheme::Https), rest),
        Some((other, _)) => {
            return Err(Complaint::new(format!("a server has no scheme `{}`", shortened(other)))
                .hint("write `host:port`, `http://host`, `https://host` or `unix:PATH`"));
        }
        None => (None, text),
    };
    let (authority, base) = match rest.find(['/', '?', '#']) {
        Some(start) => rest.split_at(start),
        None => (rest, ""),
    };
    if scheme.is_none() && !base.is_empty() {
        return Err(Complaint::new(format!("`{}` is not a server", shortened(text)))
            .hint(format!("with a base path write `http://{}`", shortened(text))));
    }
    let transport = authority_transport(authority, scheme)?;
    let scheme = scheme.unwrap_or(Scheme::Http);
    Ok(ServerAddress { written: text.into(), scheme, transport, base: base_path(base)?.into() })
}

/// `host:port`; with a scheme the port need not be written.
fn authority_transport(authority: &str, scheme: Option<Scheme>) -> Result<Transport, Complaint> {
    let not = || Complaint::new(format!("`{}` is not a server", shortened(authority)));
    if authority.contains('@') {
        return Err(not().hint("a server's address has no user and no password"));
    }
    let (host, port) = match authority.rfind(':') {
        // The last colon of a bracketed address is part of it.
        Some(colon) if !authority[colon..].contains(']') => {
            let port = port_number(&authority[colon + 1..]);
            let port = port.map_err(|()| not().hint("write a port from 1 to 65535 after the `:`"))?;
            (&authority[..colon], port)
        }
        _ => match scheme {
            Some(scheme) => (authority, scheme.default_port()),
            None if port_number(authority).is_ok() => {
                return Err(not().hint(format!("write the host too: `127.0.0.1:{authority}`")));
            }
            None => return Err(not().hint(format!("write a port: `{}:80`", shortened(authority)))),
        },
    };
    if port == 0 {
        return Err(not().hint("write a port from 1 to 65535"));
    }
    if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        let bracketed = host.starts_with('[') && host.ends_with(']');
        return match address.is_ipv6() == bracketed {
            true => Ok(Transport::Ip(address, port)),
            false if address.is_ipv6() => {
                Err(not().hint(format!("write IPv6 in brackets: `[{host}]:{port}`")))
            }
            false => Err(not().hint(format!("write IPv4 without brackets: `{address}:{port}`"))),
        };
    }
    match HostPattern::parse(host) {
        Ok(HostPattern::Exact(name)) if !name.starts_with('[') => Ok(Transport::Name(name, port)),
        Ok(_) => Err(not().hint("a server is one host, not a pattern")),
        Err(error) => {
            let complaint = Complaint::new(format!("`{}` is not a server: {error}", shortened(authority)));
            Err(complaint.hint("write `host:port`, `http://host`, `https://host` or `unix:PATH`"))
        }
    }
}

/// A base path without its trailing slash.
fn base_path(base: &str) -> Result<&str, Complaint> {
    if base.contains(['?', '#']) {
        return Err(Complaint::new("a server's address has no query")
            .hint("end it with the base path; the query of the request is passed on"));
    }
    if base.is_empty() {
        return Ok(base);
    }
    PathPattern::prefix(base).map_err(|error| {
        let complaint = Complaint::new(format!("the base path of a server: {error}"));
        Complaint { hint: error.hint(), ..complaint }
    })?;
    Ok(base.trim_end_matches('/'))
}

fn unix_path(path: &str) -> Result<PathBuf, Complaint> {
    if path.is_empty() || path.contains('\0') {
        return Err(Complaint::new("`unix:` needs the path of a socket").hint("write `unix:/run/app.sock`"));
    }
    if path.len() > UNIX_PATH_BYTES_MAX {
        return Err(Complaint::new(format!("the path of a socket has at most {UNIX_PATH_BYTES_MAX} bytes")));
    }
    Ok(PathBuf::from(path))
}

/// Digits only: `str::parse` would take `+80`.
fn port_number(text: &str) -> Result<u16, ()> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(());
    }
    text.parse().map_err(|_| ())
}

/// An address or a network: `10.0.0.0/8`, `192.0.2.7`, `2001:db8::/32`.
///
/// # Errors
/// When the text is neither, or when bits behind the prefix are set: `10.0.0.1/8` may mean one address or the network.
pub(crate) fn network(text: &str) -> Result<IpNet, Complaint> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address));
    }
    match text.parse::<IpNet>() {
        Ok(network) if network.trunc() == network => Ok(network),
        Ok(network) => {
            Err(Complaint::new(format!("`{}` has bits behind its prefix", shortened(text))).hint(format!(
                "write `{}` for the network or `{}` for the one address",
                network.trunc(),
                network.addr()
            )))
        }
        Err(_) => Err(Complaint::new(format!("`{}` is not an address or a network", shortened(text)))
            .hint("write `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`")),
    }
}

#[cfg(test)]
mod tests;
