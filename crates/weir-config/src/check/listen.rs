//! Listeners: no address twice, and none that the admin listener has.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use weir_core::address::NetworkSet;

use crate::file::admin::AdminFile;
use crate::file::listen::ListenFile;
use crate::file::tls::TlsFile;
use crate::model::{ListenAddress, PolicyListen};
use crate::problem::{Problem, Problems};
use crate::source::At;

use super::policy;

/// Where clients are accepted when nothing is written: this machine only.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// A listener whose TLS has not been looked at.
pub(super) struct Opened {
    /// Its address.
    pub(super) address: ListenAddress,
    /// Its `tls`.
    pub(super) tls: Option<At<TlsFile>>,
    /// Peers whose connections begin with a header of the PROXY protocol.
    pub(super) proxy_protocol: Option<NetworkSet>,
}

/// The listeners of each protocol, in the order of the file; at least one.
pub(super) fn open(
    written: Vec<ListenFile>,
    admin: Option<&At<Option<AdminFile>>>,
    base_dir: &Path,
    problems: &mut Problems,
) -> (Vec<Opened>, Vec<PolicyListen>) {
    let (mut list, mut policy) = (Vec::new(), Vec::new());
    let mut places: Vec<At<ListenAddress>> = Vec::new();
    for mut file in written {
        // That there is no address was said already.
        let Some(address) = file.address.take() else { continue };
        let speaks_policy = policy::listen(&mut file, &address, base_dir, problems);
        let At { value: address, span } = address;
        // Port 0 is another port each time.
        let any_port = matches!(&address, ListenAddress::Tcp(address) if address.port() == 0);
        if let Some(first) = places.iter().find(|other| other.value == address && !any_port) {
            problems.push(
                Problem::error(span, "this address stands twice in `listen`")
                    .beside(first.span, "first written here"),
            );
        }
        places.push(At { value: address.clone(), span });
        if let Some(listen) = speaks_policy {
            policy.push(listen);
            continue;
        }
        let address = match address {
            ListenAddress::Tcp(address) => ListenAddress::Tcp(address),
            ListenAddress::Unix(path) => ListenAddress::Unix(base_dir.join(path)),
        };
        let proxies = file.proxy_protocol;
        let proxy_protocol = (!proxies.is_empty()).then(|| NetworkSet::new(&proxies));
        list.push(Opened { address, tls: file.tls, proxy_protocol });
    }
    if let Some(At { value: admin, span }) = admin.and_then(|admin| admin.value.as_ref()?.address.as_ref())
        && !matches!(admin, ListenAddress::Tcp(admin) if admin.port() == 0)
        && let Some(first) = places.iter().find(|other| other.value == *admin)
    {
        problems.push(
            Problem::error(*span, "`admin` and `listen` cannot share an address")
                .beside(first.span, "clients are accepted here"),
        );
    }
    if list.is_empty() && policy.is_empty() {
        list.push(Opened { address: ListenAddress::Tcp(DEFAULT_LISTEN), tls: None, proxy_protocol: None });
    }
    (list, policy)
}
