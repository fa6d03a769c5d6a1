//! `tls` of an upstream: whom to believe, by which name, and what is shown to servers that ask.

use weir_tls::server::MinVersion;
use weir_tls::target::Name;

use crate::complaint::Complaint;
use crate::node::shortened;
use crate::source::At;

use super::describe::Presence::{Default as Unless, Optional};
use super::kind::Placed;
use super::scalar::{Parsed, Words};
use super::table::{Field, Kept, Table};
use super::tls::{FILE_PATH, MIN_VERSION};

/// `verify`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum VerifyWord {
    /// `full`
    #[default]
    Full,
    /// `none`
    None,
}

/// `tls` of an upstream.
#[derive(Debug, Clone, Default)]
pub(crate) struct UpstreamTlsFile {
    /// `ca`
    pub(crate) ca: Option<At<String>>,
    /// `verify`
    pub(crate) verify: At<VerifyWord>,
    /// `server_name`
    pub(crate) server_name: Option<Name>,
    /// `certificate`
    pub(crate) certificate: Option<At<String>>,
    /// `key`
    pub(crate) key: Option<At<String>>,
    /// `min_version`
    pub(crate) min_version: MinVersion,
}

const VERIFY: Words<VerifyWord> = Words {
    label: "way to verify servers",
    words: &[("full", VerifyWord::Full), ("none", VerifyWord::None)],
    later: &[],
};

const SERVER_NAME: Parsed<Name> =
    Parsed { label: "name of a server", pattern: "^[A-Za-z0-9._:-]{1,253}$", parse: name };

fn name(text: &str) -> Result<Name, Complaint> {
    Name::parse(text).ok_or_else(|| {
        Complaint::new(format!("`{}` is not the name of a server", shortened(text)))
            .hint("write a name or an address as it stands in the certificate, without a port")
    })
}

/// `tls` of an upstream
pub(crate) static UPSTREAM_TLS: Table<UpstreamTlsFile> = Table {
    name: "upstream tls",
    doc: "How servers with `https://` are reached. Without it they are verified by the authorities of the system. Servers \
          with and without `https://` may stand in one upstream.",
    fields: &[
        Field {
            name: "ca",
            presence: Optional,
            value: &Kept(Placed(FILE_PATH), |tls: &mut UpstreamTlsFile, path| tls.ca = Some(path)),
            doc: "A file (PEM) with the authorities that are believed instead of those of the system. The certificate of the \
                  server itself may stand there too, also a self-signed one.",
        },
        Field {
            name: "verify",
            presence: Unless("full"),
            value: &Kept(Placed(VERIFY), |tls: &mut UpstreamTlsFile, word| tls.verify = word),
            doc: "`full`: the certificate is valid now, is for the server's name or address, and leads to an authority that \
                  is believed. `none`: whoever answers is believed, also somebody in between; warned of at every start.",
        },
        Field {
            name: "server_name",
            presence: Optional,
            value: &Kept(SERVER_NAME, |tls: &mut UpstreamTlsFile, name| tls.server_name = Some(name)),
            doc: "The name that is asked for (SNI) and checked, where it is not the one in the address. An address is \
                  checked, and never sent as a name.",
        },
        Field {
            name: "certificate",
            presence: Optional,
            value: &Kept(Placed(FILE_PATH), |tls: &mut UpstreamTlsFile, path| tls.certificate = Some(path)),
            doc: "A file (PEM) with the certificate that is shown to servers that ask for one, and those that signed it.",
        },
        Field {
            name: "key",
            presence: Optional,
            value: &Kept(Placed(FILE_PATH), |tls: &mut UpstreamTlsFile, path| tls.key = Some(path)),
            doc: "The file (PEM) of its key, not encrypted. The file of the certificate when not written.",
        },
        Field {
            name: "min_version",
            presence: Unless("1.2"),
            value: &Kept(MIN_VERSION, |tls: &mut UpstreamTlsFile, version| tls.min_version = version),
            doc: "The oldest version of TLS that is spoken: 1.2 or 1.3.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};
