//! What the user wrote, decoded: every value has its type, nothing is looked up yet.
//!
//! `table` and `kind` are the machinery; the other files each hold the table of one part of the file. A new key is one
//! line in a table: the decoder, the schema and the reference follow.

pub(crate) mod access_log;
pub(crate) mod action;
pub(crate) mod admin;
pub(crate) mod admit;
pub(crate) mod authenticate;
pub(crate) mod balance;
pub(crate) mod compare;
pub(crate) mod concurrency;
pub(crate) mod decoder;
pub(crate) mod describe;
pub(crate) mod dispatch;
pub(crate) mod edit;
pub(crate) mod eject;
pub(crate) mod health;
pub(crate) mod host_services;
pub(crate) mod https_only;
mod kind;
pub(crate) mod limit;
pub(crate) mod listen;
mod log;
pub(crate) mod mirror;
pub(crate) mod named;
pub(crate) mod network;
pub(crate) mod policy;
pub(crate) mod rate;
pub(crate) mod replay;
pub(crate) mod retry;
pub(crate) mod route;
pub(crate) mod rule;
pub(crate) mod scalar;
pub(crate) mod secret;
pub(crate) mod server;
pub(crate) mod service;
pub(crate) mod table;
pub(crate) mod tls;
pub(crate) mod top;
pub(crate) mod upgrade;
pub(crate) mod upstream;
pub(crate) mod upstream_limits;
pub(crate) mod upstream_tls;

use crate::node::Node;
use crate::problem::Problems;

use decoder::Decoder;
use describe::Describe;
use kind::Kind;
use table::Mapping;
use top::File;

/// The root tables: our own shape, and that of "host services" (`proxy: …`).
pub(crate) const ROOTS: [&dyn Describe; 2] = [&top::FILE, &host_services::FILE];

/// The table of the root: that of "host services" where it has their key.
pub(crate) fn table(root: &Node) -> &'static dyn Describe {
    if root.value_of("proxy").is_some() { ROOTS[1] } else { ROOTS[0] }
}

/// Decodes the file; notes everything that is wrong with it. `None` when its root is not even a mapping.
pub(crate) fn decode(root: &Node, problems: &mut Problems) -> Option<File> {
    if root.value_of("proxy").is_some() {
        let mut decoder = Decoder::new(&host_services::FILE, problems);
        let file = Mapping(&host_services::FILE).decode(root, &mut decoder)?;
        return Some(host_services::converted(file, root.span, decoder.problems));
    }
    let mut decoder = Decoder::new(&top::FILE, problems);
    Mapping(&top::FILE).decode(root, &mut decoder).map(|file| File { span: root.span, ..file })
}

#[cfg(test)]
mod tests;
