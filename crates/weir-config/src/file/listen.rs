//! An entry of `listen`.

use ipnet::IpNet;

use crate::address;
use crate::model::ListenAddress;
use crate::source::At;

use super::describe::Presence::{Default as Unless, Optional, Required};
use super::kind::{Either, Mapped, OneOrList, Placed};
use super::network::NETWORK;
use super::policy::{POLICY_KEYS, PROTOCOL, PolicyFile, Protocol};
use super::scalar::Parsed;
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
