//! Listeners for policy groups: what they may have, and where their secrets are.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use weir_core::address::NetworkSet;

use crate::file::listen::ListenFile;
use crate::file::policy::{PolicyFile, Protocol, RegisterFile};
use crate::file::secret::SecretSource;
use crate::model::{ListenAddress, PolicyListen, Register};
use crate::problem::{Problem, Problems};
use crate::source::At;

use super::secrets;

/// The listener of this entry, if it is one for policy groups.
pub(super) fn listen(
    file: &mut ListenFile,
    address: &At<ListenAddress>,
    base_dir: &Path,
    problems: &mut Problems,
) -> Option<PolicyListen> {
    if file.protocol.as_ref().is_none_or(|protocol| protocol.value == Protocol::Http) {
        for (key, span) in &file.policy.keys {
            problems.push(
                Problem::error(*span, format!("`{key}` is for a listener of policy groups"))
                    .hint("write `protocol: policy` beside it, or take it away"),
            );
        }
        return None;
    }
    let mut refuse = |is_there: bool, what: &str| {
        if is_there {
            problems.push(
                Problem::error(address.span, format!("a listener with `protocol: policy` has no `{what}`"))
                    .hint("take it away"),
            );
        }
    };
    refuse(file.tls.is_some(), "tls");
    refuse(!file.proxy_protocol.is_empty(), "proxy_protocol");
    let PolicyFile { payload_max, register, limits, timeouts, .. } = std::mem::take(&mut file.policy);
    let ListenAddress::Tcp(socket) = &address.value else {
        problems.push(
            Problem::error(address.span, "servers are known by their addresses, which a Unix socket has not")
                .hint("write an address with a port: `127.0.0.1:10000`"),
        );
        return Some(PolicyListen::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
    };
    let usual = PolicyListen::at(*socket);
    Some(PolicyListen {
        payload_characters_max: payload_max
            .and_then(|max| usize::try_from(max).ok())
            .unwrap_or(usual.payload_characters_max),
        register: self::register(register, base_dir, problems),
        limits,
        timeouts,
        ..usual
    })
}

fn register(file: RegisterFile, base_dir: &Path, problems: &mut Problems) -> Register {
    let RegisterFile { allow, elsewhere, token } = file;
    let usual = Register::default();
    let token = token.and_then(|At { value, span }| {
        let secret = match value {
            SecretSource::Value(secret) => secret,
            SecretSource::File(path) => match secrets::read_one(base_dir, &path) {
                Ok(secret) => secret,
                Err(complaint) => {
                    problems.push(Problem::complaint(span, complaint));
                    return None;
                }
            },
            // The kind takes none.
            SecretSource::Sha256(_) => return None,
        };
        match std::str::from_utf8(secret.expose()) {
            Ok("") => problems.push(Problem::error(span, "the token is empty")),
            Ok(_) => {}
            Err(_) => problems.push(
                Problem::error(span, "the token is no text, and servers could not show it in a message")
                    .hint("make one with `openssl rand -hex 32`"),
            ),
        }
        Some(Arc::new(secret))
    });
    Register {
        allow: allow.map_or(usual.allow, |networks| NetworkSet::new(&networks)),
        elsewhere: (!elsewhere.is_empty()).then(|| NetworkSet::new(&elsewhere)),
        token,
    }
}
