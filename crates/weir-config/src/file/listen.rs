//! An entry of `listen`, and `access_log`.

use std::path::PathBuf;

use ipnet::IpNet;

use crate::address;
use crate::model::{AccessLog, AccessLogFormat, ListenAddress, LogTarget};
use crate::node::{Node, NodeKind};
use crate::source::At;

use super::decoder::Decoder;
use super::describe::Presence::{Default as Unless, Optional, Required};
use super::describe::Shape;
use super::kind::{Either, Kind, Mapped, OneOrList, Placed};
use super::network::NETWORK;
use super::policy::{POLICY_KEYS, PROTOCOL, PolicyFile, Protocol};
use super::scalar::{Parsed, Text, Words};
use super::table::{Field, Kept, Mapping, Part, Table};
use super::tls::{LISTEN_TLS, TlsFile};

/// An address to listen on.
pub(crate) const LISTEN_ADDRESS: Parsed<ListenAddress> = Parsed {
    label: "address to listen on",
    pattern: r"^(unix:.+|:[0-9]{1,5}|[0-9.]+:[0-9]{1,5}|\[[0-9a-fA-F:.%]+\]:[0-9]{1,5})$",
    parse: address::listen,
};

/// An entry of `listen`.
#[derive(Debug, Default)]
pub(crate) struct ListenFile {
    /// `address`
    pub(crate) address: Option<At<ListenAddress>>,
    /// `tls`
    pub(crate) tls: Option<At<TlsFile>>,
    /// `proxy_protocol`
    pub(crate) proxy_protocol: Vec<IpNet>,
    /// `protocol`
    pub(crate) protocol: Option<At<Protocol>>,
    /// What it has with another protocol than HTTP.
    pub(crate) policy: PolicyFile,
}

/// An entry of `listen`: an address, or a mapping with one.
pub(crate) type ListenKind = Either<Mapped<Placed<Parsed<ListenAddress>>, ListenFile>, Mapping<ListenFile>>;

/// See [`ListenKind`].
pub(crate) const LISTEN_ENTRY: ListenKind = Either(
    Mapped(Placed(LISTEN_ADDRESS), |address| ListenFile { address: Some(address), ..ListenFile::default() }),
    Mapping(&LISTEN),
);

/// An entry of `listen` as a mapping
pub(crate) static LISTEN: Table<ListenFile> = Table {
    name: "listener",
    doc: "An entry of `listen` as a mapping.",
    fields: &[
        Field {
            name: "address",
            presence: Required,
            value: &Kept(Placed(LISTEN_ADDRESS), |listen: &mut ListenFile, address| {
                listen.address = Some(address);
            }),
            doc: "`127.0.0.1:8080`, `[::1]:8080`, `:8080` (all addresses, IPv6 and IPv4) or `unix:PATH`. Port 0 lets the \
                  system choose.",
        },
        Field {
            name: "tls",
            presence: Optional,
            value: &Kept(Placed(Mapping(&LISTEN_TLS)), |listen: &mut ListenFile, tls| listen.tls = Some(tls)),
            doc: "HTTPS: certificates, versions, certificates of clients.",
        },
        Field {
            name: "proxy_protocol",
            presence: Optional,
            value: &Kept(OneOrList(NETWORK, "addresses or networks"), |listen: &mut ListenFile, networks| {
                listen.proxy_protocol = networks;
            }),
            doc: "Addresses and networks of proxies whose connections begin with a header of the PROXY protocol, version 1 \
                  or 2, before TLS; one that sends none is closed. From others the header is not understood.",
        },
        Field {
            name: "protocol",
            presence: Unless("http"),
            value: &Kept(Placed(PROTOCOL), |listen: &mut ListenFile, protocol| {
                listen.protocol = Some(protocol);
            }),
            doc: "`http`, or `policy`: messages of policy groups, JSON or pickles over TCP, and servers that register for them.",
        },
    ],
    within: Some(&Part {
        table: &POLICY_KEYS,
        of: |listen: &mut ListenFile| &mut listen.policy,
        except: &[],
    }),
    later: &[],
    note: None,
};

const FORMAT: Words<AccessLogFormat> = Words {
    label: "access log format",
    words: &[
        ("common", AccessLogFormat::Common),
        ("combined", AccessLogFormat::Combined),
        ("json", AccessLogFormat::Json),
    ],
    later: &[],
};

#[derive(Debug, Default)]
pub(crate) struct AccessLogFile {
    format: AccessLogFormat,
    file: Option<PathBuf>,
}

/// `access_log` as a mapping
pub(crate) static ACCESS_LOG: Table<AccessLogFile> = Table {
    name: "access log",
    doc: "`access_log` as a mapping.",
    fields: &[
        Field {
            name: "format",
            presence: Unless("common"),
            value: &Kept(FORMAT, |log: &mut AccessLogFile, format| log.format = format),
            doc: "`common` (NCSA), `combined` (with Referer and User-Agent), both with our fields behind it, or `json`.",
        },
        Field {
            name: "file",
            presence: Optional,
            value: &Kept(Text, |log: &mut AccessLogFile, file| log.file = Some(file.into())),
            doc: "A file that lines are appended to; relative to the configuration's directory. Standard error without it.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

/// `off`, a format, or a mapping.
pub(crate) struct AccessLogKind;

impl Kind for AccessLogKind {
    type Value = AccessLog;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<AccessLog> {
        let on = |format, target| AccessLog::On { format, target };
        if let NodeKind::Mapping(_) = node.kind {
            let log = Mapping(&ACCESS_LOG).decode(node, decoder)?;
            return Some(on(log.format, log.file.map_or(LogTarget::Stderr, LogTarget::File)));
        }
        let scalar = decoder.scalar("`off`, a format or a mapping", node)?;
        if scalar.text == "off" {
            return Some(AccessLog::Off);
        }
        FORMAT.decode(node, decoder).map(|format| on(format, LogTarget::Stderr))
    }

    fn shape(&self) -> Shape {
        Shape::Either(vec![Shape::Words(vec!["off"]), FORMAT.shape(), Shape::Mapping(&ACCESS_LOG)])
    }
}
