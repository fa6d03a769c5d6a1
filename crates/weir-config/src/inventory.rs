//! An inventory: a file with one server per line, as `weir duplicate` is given one.
//!
//! A line is `host:port`; a host alone means port 80. Blank lines and what stands behind a `#` are passed over. Whatever else
//! a server may be in a configuration is taken too. All problems are told at once, with their places.
//!
//! It is read when the configuration is, and again by the proxy while it runs.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

use weir_core::server::{ServerAddress, Transport};

use crate::address;
use crate::complaint::Complaint;
use crate::node::shortened;
use crate::problem::{Problem, Problems};
use crate::report::Report;
use crate::source::{Source, Span};

/// Bytes of an inventory. Some ten thousand servers.
const FILE_BYTES_MAX: usize = 1 << 20;

/// The port of a server that is written without one.
const USUAL_PORT: u16 = 80;

/// Reads the file of an inventory that is looked at again and again; a byte more than it may have, so that [`parse`] can tell
/// that there was more.
///
/// # Errors
/// It can't be read, or it is none that can be read twice: a pipe, say, on which a read could wait for ever.
pub fn read(file: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(file)?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a plain file"));
    }
    let mut bytes = Vec::new();
    File::open(file)?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What stands around an inventory.
#[derive(Debug, Clone, Copy, Default)]
pub struct Surroundings<'s> {
    /// Where relative paths of sockets begin.
    pub base_dir: Option<&'s Path>,
    /// Servers that the upstream has beside it; they may not stand in it too.
    pub beside: &'s [ServerAddress],
}

/// The servers of an inventory: at least one, none twice. `name` is shown in problems.
///
/// # Errors
/// A report with every problem.
pub fn parse(name: &str, bytes: &[u8], around: &Surroundings<'_>) -> Result<Vec<ServerAddress>, Report> {
    let text = match std::str::from_utf8(bytes) {
        _ if bytes.len() > FILE_BYTES_MAX => {
            let problem =
                Problem::general(format!("the inventory has more than {} MiB", FILE_BYTES_MAX >> 20));
            return Err(Report::single(Source::new(name, String::new()), problem));
        }
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let start = error.valid_up_to();
            let problem = Problem::error(Span { start, end: start + 1 }, "the inventory is not UTF-8")
                .hint("save the file as UTF-8; the first byte that is not stands here");
            // Bytes before the bad one are the same after this, so its place is right.
            let text = String::from_utf8_lossy(bytes).into_owned();
            return Err(Report::single(Source::new(name, text), problem));
        }
    };
    let mut problems = Problems::default();
    let servers = servers(text, around, &mut problems);
    if servers.is_empty() && !problems.has_errors() {
        problems.push(
            Problem::general("the inventory has no server")
                .hint("write one on each line, as `127.0.0.1:9001`"),
        );
    }
    match problems.has_errors() {
        true => Err(Report::new(Source::new(name, text.to_owned()), problems)),
        false => Ok(servers),
    }
}

fn servers(text: &str, around: &Surroundings<'_>, problems: &mut Problems) -> Vec<ServerAddress> {
    let mut servers = Vec::new();
    let place = |server: &ServerAddress| (server.transport.clone(), server.base.clone());
    let beside: HashSet<_> = around.beside.iter().map(place).collect();
    let mut seen = HashMap::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let written = before_comment(line).trim_end();
        let start = offset + (written.len() - written.trim_start().len());
        let span = Span { start, end: offset + written.len() };
        offset += line.len();
        let written = written.trim_start();
        if written.is_empty() {
            continue;
        }
        match server(written) {
            Err(complaint) => problems.push(Problem::complaint(span, complaint)),
            Ok(mut server) => {
                if let (Transport::Unix(path), Some(base_dir)) = (&server.transport, around.base_dir) {
                    server.transport = Transport::Unix(base_dir.join(path));
                }
                let place = place(&server);
                if beside.contains(&place) {
                    let message = format!("the server `{}` stands in `servers` too", shortened(written));
                    problems.push(Problem::error(span, message).hint("take it away in one of the two"));
                } else if let Some(first) = seen.insert(place, span) {
                    problems.push(
                        Problem::error(span, format!("the server `{}` stands twice", shortened(written)))
                            .beside(first, "first written here")
                            .hint("take one of them away: each server gets each write once"),
                    );
                }
                servers.push(server);
            }
        }
    }
    servers
}

/// A `#` begins a comment at the begin of a line and behind a space; elsewhere it belongs to what it stands in.
fn before_comment(line: &str) -> &str {
    let begins = |place: &usize| line[..*place].chars().next_back().is_none_or(char::is_whitespace);
    let comment = line.match_indices('#').map(|(place, _)| place).find(begins);
    comment.map_or(line, |place| &line[..place])
}

fn server(written: &str) -> Result<ServerAddress, Complaint> {
    if written.contains(char::is_whitespace) {
        return Err(Complaint::new(format!("`{}` is more than one word", shortened(written)))
            .hint("write one server on each line; a comment begins with `#`"));
    }
    if let Ok(address) = written.parse::<Ipv6Addr>() {
        return Err(Complaint::new(format!("`{}` is not a server", shortened(written)))
            .hint(format!("write IPv6 in brackets: `[{address}]:{USUAL_PORT}`")));
    }
    let server = match has_port(written) {
        true => address::server(written),
        false => address::server(&format!("{written}:{USUAL_PORT}")),
    }?;
    // People know it by the name that they wrote.
    Ok(ServerAddress { written: written.into(), ..server })
}

/// Whether nothing has to be added: there is a port, or something whose port is known otherwise, or the host is missing.
fn has_port(written: &str) -> bool {
    let is_port = written.bytes().all(|byte| byte.is_ascii_digit());
    let is_bracketed = written
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|inside| inside.parse::<IpAddr>().is_ok());
    is_port || written.contains('/') || (written.contains(':') && !is_bracketed)
}

#[cfg(test)]
mod tests;
