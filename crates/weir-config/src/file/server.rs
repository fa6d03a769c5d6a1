//! A server of an upstream.

use weir_core::server::ServerAddress;

use crate::address;
use crate::model::Server;
use crate::source::{At, Span};

use super::decoder::Decoder;
use super::describe::Presence::{Default as Unless, Required};
use super::kind::{Either, Mapped, Placed, Refined};
use super::scalar::{Boolean, Integer, Parsed};
use super::table::{Field, Kept, Mapping, Table};

/// Largest weight. The rotation of weighted servers is laid out in advance, so weights cost memory.
const WEIGHT_MAX: u64 = 1000;

/// The address of a server.
const SERVER_ADDRESS: Parsed<ServerAddress> = Parsed {
    label: "server",
    pattern: r"^(unix:.+|https?://.+|[A-Za-z0-9_.-]+:[0-9]{1,5}|\[[0-9a-fA-F:.]+\]:[0-9]{1,5})$",
    parse: address::server,
};

#[derive(Debug, Default)]
pub(crate) struct ServerFile {
    address: Option<At<ServerAddress>>,
    weight: Option<u64>,
    primary: bool,
    resolve: bool,
}

/// A server as a mapping
pub(crate) static SERVER: Table<ServerFile> = Table {
    name: "server",
    doc: "An entry of `servers` as a mapping. An address alone is short for `{address: ADDRESS}`.",
    fields: &[
        Field {
            name: "address",
            presence: Required,
            value: &Kept(Placed(SERVER_ADDRESS), |server: &mut ServerFile, address| {
                server.address = Some(address);
            }),
            doc: "`host:port`, `http://host[:port][/base]`, `https://host[:port][/base]` or `unix:PATH`. A name is resolved \
                  when a connection is opened, unless `resolve` says otherwise; a base path is put before every path.",
        },
        Field {
            name: "weight",
            presence: Unless("1"),
            value: &Kept(
                Integer { label: "the weight of a server", min: 0, max: WEIGHT_MAX },
                |server: &mut ServerFile, weight| server.weight = Some(weight),
            ),
            doc: "Its share beside the other servers, from 0 to 1000. With 0 it gets nothing that is balanced; writes that every server \
                  gets, it gets too.",
        },
        Field {
            name: "primary",
            presence: Unless("false"),
            value: &Kept(Boolean, |server: &mut ServerFile, primary| server.primary = primary),
            doc: "Whether it is the one whose acknowledgement `acknowledge: primary` waits for; without any it is the first one.",
        },
        Field {
            name: "resolve",
            presence: Unless("false"),
            value: &Kept(Boolean, |server: &mut ServerFile, resolve| server.resolve = resolve),
            doc: "Whether each address of its name is a server of its own, for as long as the name has it. The name is asked for \
                  again when the answer is too old; while nobody knows it, those that were found stay.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

/// See [`SERVER_KIND`].
pub(crate) type ServerKind =
    Either<Mapped<Placed<Parsed<ServerAddress>>, At<Server>>, Refined<Mapping<ServerFile>, At<Server>>>;

/// An entry of `servers`.
pub(crate) const SERVER_KIND: ServerKind = Either(
    Mapped(Placed(SERVER_ADDRESS), |address| At { value: Server::at(address.value), span: address.span }),
    Refined(Mapping(&SERVER), server),
);

fn server(file: ServerFile, _: Span, _: &mut Decoder<'_>) -> Option<At<Server>> {
    let weight = u32::try_from(file.weight.unwrap_or(1)).ok()?;
    file.address.map(|address| At {
        value: Server { weight, primary: file.primary, resolve: file.resolve, ..Server::at(address.value) },
        span: address.span,
    })
}
