//! What `weir race` is told: the words of the program that had this mode first, as a model.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use weir_core::balance::Strategy;
use weir_core::dispatch::{Otherwise, RaceRule, StatusSet};

use super::{Repeats, model, parse_servers};
use crate::address;
use crate::complaint::Complaint;
use crate::model::{Dispatch, Dispatches, ListenAddress, LogTarget, Model};
use crate::node::shortened;

/// What a client gets when no endpoint gave a usable answer (`semantics.md` §1.10).
const NOTHING_USABLE: u16 = 500;

/// What a race is asked for, as it was written.
#[derive(Debug, Clone, Copy)]
pub struct Race<'w> {
    /// URLs with commas between them. One may stand several times: it is asked as often.
    pub endpoints: &'w str,
    /// Where clients are accepted.
    pub address: &'w str,
    /// Round hundreds with commas between them.
    pub terminal_responses: &'w str,
    /// Whether all endpoints are asked at once, and not one after the other.
    pub parallel: bool,
}

/// The model of a race.
///
/// # Errors
/// Everything that is wrong, one complaint each.
pub fn race(race: Race<'_>) -> Result<Model, Vec<Complaint>> {
    let mut complaints = Vec::new();
    let mut noted = |mut found: Vec<Complaint>| complaints.append(&mut found);
    let listen = listen(race.address).map_err(|complaint| noted(vec![complaint])).ok();
    let usable = terminal_responses(race.terminal_responses).map_err(&mut noted).ok();
    let endpoints: Vec<String> = match race.endpoints.trim() {
        "" => Vec::new(),
        written => written.split(',').map(|endpoint| endpoint.trim().to_owned()).collect(),
    };
    let servers = parse_servers(&endpoints, Repeats::Numbered).map_err(&mut noted).ok();
    let (Some(listen), Some(usable), Some(servers)) = (listen, usable, servers) else {
        return Err(complaints);
    };
    let rule = RaceRule {
        usable,
        width: if race.parallel { None } else { Some(1) },
        stagger: Duration::ZERO,
        otherwise: Otherwise::Status(NOTHING_USABLE),
    };
    model(listen, Strategy::RoundRobin, Dispatches::all(Dispatch::Race(rule)), servers)
}

/// As everywhere, and `localhost:PORT` too, which the other program took.
fn listen(text: &str) -> Result<ListenAddress, Complaint> {
    let local = text.strip_prefix("localhost:").and_then(|port| address::listen(&format!(":{port}")).ok());
    match local {
        Some(ListenAddress::Tcp(address)) => {
            Ok(ListenAddress::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()))))
        }
        Some(ListenAddress::Unix(_)) | None => address::listen(text),
    }
}

/// Classes of statuses as round hundreds: `200,300,400`. `100` is taken and has no effect, because interim answers decide
/// nothing (`semantics.md` §3.4).
///
/// # Errors
/// One complaint for each part that is no class; one when no answer could ever be usable.
pub fn terminal_responses(text: &str) -> Result<StatusSet, Vec<Complaint>> {
    let mut usable = StatusSet::EMPTY;
    let mut complaints = Vec::new();
    for part in text.split(',').map(str::trim) {
        match class(part) {
            Ok(class) => usable = usable.with_class(class),
            Err(complaint) => complaints.push(complaint),
        }
    }
    if complaints.is_empty() && !(200..600).any(|status| usable.contains(status)) {
        complaints.push(
            Complaint::new(format!("with `{}` no answer is ever usable", shortened(text)))
                .hint("1xx are interim answers; name a class of final ones too: `200,300,400`"),
        );
    }
    if complaints.is_empty() { Ok(usable) } else { Err(complaints) }
}

fn class(text: &str) -> Result<u16, Complaint> {
    let not = || Complaint::new(format!("`{}` is no class of statuses", shortened(text)));
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(status @ (100 | 200 | 300 | 400 | 500)) if is_number => Ok(status / 100),
        Ok(status @ 101..600) if is_number => {
            Err(not().hint(format!("a class is written as its round hundred: `{}`", status / 100 * 100)))
        }
        _ => {
            match text.as_bytes() {
                [digit @ b'1'..=b'5', b'x' | b'X', b'x' | b'X'] => Err(not()
                    .hint(format!("a class is written as its round hundred: `{}00`", char::from(*digit)))),
                _ => Err(not().hint("the classes are `100`, `200`, `300`, `400` and `500`")),
            }
        }
    }
}

/// Where lines go: `stdout` (also when nothing is written), `stderr`, or a file that is appended to.
pub fn log_target(text: &str) -> LogTarget {
    match text {
        "" | "stdout" => LogTarget::Stdout,
        "stderr" => LogTarget::Stderr,
        path => LogTarget::File(PathBuf::from(path)),
    }
}

#[cfg(test)]
mod tests;
