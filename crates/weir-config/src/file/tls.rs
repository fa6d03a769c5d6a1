//! `tls` of a listener: its certificates, what it speaks, and whom it asks for a certificate.

use weir_tls::client::ClientMode;
use weir_tls::server::MinVersion;

use crate::complaint::Complaint;
use crate::source::{At, Span};

use super::describe::Presence::{Default as Unless, Optional, Required};
use super::edit::EDITABLE_NAME;
use super::kind::{List, Placed};
use super::scalar::{Boolean, Parsed, Words};
use super::table::{Field, Kept, Mapping, Table};

/// A file; relative to the configuration's directory.
pub(crate) const FILE_PATH: Parsed<String> = Parsed { label: "file", pattern: "", parse: file_path };

fn file_path(text: &str) -> Result<String, Complaint> {
    // What people paste here by mistake is the certificate itself.
    if text.contains("-----BEGIN") {
        return Err(Complaint::new("this is the content of a file, not its name")
            .hint("write it into a file and name that here"));
    }
    Ok(text.to_owned())
}

/// Fields that say who the client is already, or are Weir's own.
pub(crate) const TAKEN: [&str; 10] = [
    "forwarded",
    "proxy",
    "via",
    "x-backend-server",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
    "authorization",
];

const SUBJECT_HEADER: Parsed<Box<str>> =
    Parsed { label: "name of a field", pattern: EDITABLE_NAME.pattern, parse: subject_header };

fn subject_header(text: &str) -> Result<Box<str>, Complaint> {
    let name = (EDITABLE_NAME.parse)(text)?;
    if TAKEN.iter().any(|taken| name.eq_ignore_ascii_case(taken)) {
        return Err(Complaint::new(format!("`{name}` means something else already"))
            .hint("take a name of your own, such as `X-Client-Subject`"));
    }
    Ok(name)
}

/// `tls` of a listener.
#[derive(Debug, Default)]
pub(crate) struct TlsFile {
    /// `certificates`
    pub(crate) certificates: Option<Vec<At<CertificateFile>>>,
    /// `certificate`, `key` and `issuer` right here.
    pub(crate) own: CertificateFile,
    /// `self_signed`
    pub(crate) self_signed: Option<At<bool>>,
    /// `min_version`
    pub(crate) min_version: MinVersion,
    /// `client`
    pub(crate) client: Option<ClientFile>,
    /// Keys with their places.
    pub(crate) keys: Vec<(&'static str, Span)>,
}

/// An entry of `certificates`.
#[derive(Debug, Default)]
pub(crate) struct CertificateFile {
    /// `certificate`
    pub(crate) certificate: Option<At<String>>,
    /// `key`
    pub(crate) key: Option<At<String>>,
    /// `issuer`
    pub(crate) issuer: Option<At<String>>,
}

/// `client`
#[derive(Debug, Default)]
pub(crate) struct ClientFile {
    /// `mode`
    pub(crate) mode: ClientMode,
    /// `ca`
    pub(crate) authorities: Option<At<String>>,
    /// `crl`
    pub(crate) revocation_lists: Option<At<String>>,
    /// `subject_header`
    pub(crate) subject_header: Option<Box<str>>,
}

const CERTIFICATE_DOC: &str = "A file (PEM): the certificate of the server, then the one that signed it, and so on; the \
                               last, which clients have themselves, may be left out.";
const KEY_DOC: &str =
    "The file (PEM) of its key, not encrypted. The file of the certificate when not written.";
const ISSUER_DOC: &str = "The certificate (PEM) of an authority of your own that signed it and that only your clients know. \
                          It is not sent; without it an unknown issuer is an error.";

/// An entry of `certificates`
pub(crate) static CERTIFICATE: Table<CertificateFile> = Table {
    name: "certificate",
    doc: "An entry of `certificates`.",
    fields: &[
        Field {
            name: "certificate",
            presence: Required,
            value: &Kept(Placed(FILE_PATH), |file: &mut CertificateFile, path| file.certificate = Some(path)),
            doc: CERTIFICATE_DOC,
        },
        Field {
            name: "key",
            presence: Optional,
            value: &Kept(Placed(FILE_PATH), |file: &mut CertificateFile, path| file.key = Some(path)),
            doc: KEY_DOC,
        },
        Field {
            name: "issuer",
            presence: Optional,
            value: &Kept(Placed(FILE_PATH), |file: &mut CertificateFile, path| file.issuer = Some(path)),
            doc: ISSUER_DOC,
        },
    ],
    within: None,
    later: &[],
    note: None,
};

const MODE: Words<ClientMode> = Words {
    label: "mode of client certificates",
    words: &[("require", ClientMode::Require), ("request", ClientMode::Request)],
    later: &[],
};

/// `client` of `tls`
pub(crate) static CLIENT: Table<ClientFile> = Table {
    name: "client certificates",
    doc: "Certificates of clients (mutual TLS).",
    fields: &[
        Field {
            name: "ca",
            presence: Required,
            value: &Kept(Placed(FILE_PATH), |client: &mut ClientFile, path| client.authorities = Some(path)),
            doc: "A file (PEM) with the authorities whose clients are taken. Those of the system count for nothing here.",
        },
        Field {
            name: "mode",
            presence: Unless("require"),
            value: &Kept(MODE, |client: &mut ClientFile, mode| client.mode = mode),
            doc: "`require`: a client without a certificate is refused in the handshake. `request`: it is served all the \
                  same. A certificate that does not pass is refused with either.",
        },
        Field {
            name: "crl",
            presence: Optional,
            value: &Kept(Placed(FILE_PATH), |client: &mut ClientFile, path| {
                client.revocation_lists = Some(path);
            }),
            doc: "A file (PEM) with the revocation lists of these authorities. With it, a client whose authority has no \
                  list in it is refused.",
        },
        Field {
            name: "subject_header",
            presence: Optional,
            value: &Kept(SUBJECT_HEADER, |client: &mut ClientFile, name| client.subject_header = Some(name)),
            doc: "The field in which the subject of the client's certificate is passed on (`CN=alice,O=Example`, RFC 4514). \
                  Whatever clients send in a field of this name is removed, on every listener.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

/// The oldest version of TLS that is spoken.
pub(crate) const MIN_VERSION: Words<MinVersion> = Words {
    label: "version of TLS",
    words: &[("1.2", MinVersion::Tls12), ("1.3", MinVersion::Tls13)],
    later: &[],
};

/// `tls` of a listener
pub(crate) static LISTEN_TLS: Table<TlsFile> = Table {
    name: "listener tls",
    doc: "HTTPS on a listener. Files that change are read again within seconds, without a restart.",
    fields: &[
        Field {
            name: "certificate",
            presence: Optional,
            value: &Kept(Placed(FILE_PATH), |tls: &mut TlsFile, path| tls.own.certificate = Some(path)),
            doc: CERTIFICATE_DOC,
        },
        Field {
            name: "key",
            presence: Optional,
            value: &Kept(Placed(FILE_PATH), |tls: &mut TlsFile, path| tls.own.key = Some(path)),
            doc: KEY_DOC,
        },
        Field {
            name: "issuer",
            presence: Optional,
            value: &Kept(Placed(FILE_PATH), |tls: &mut TlsFile, path| tls.own.issuer = Some(path)),
            doc: ISSUER_DOC,
        },
        Field {
            name: "certificates",
            presence: Optional,
            value: &Kept(
                List {
                    of: Placed(Mapping(&CERTIFICATE)),
                    label: "a list of certificates",
                    hint: Some("begin each certificate with `- `"),
                    max: None,
                },
                |tls: &mut TlsFile, list| tls.certificates = Some(list),
            ),
            doc: "Several certificates instead of one. A client gets the one for the name that it asks for: the very name \
                  before a wildcard, ECDSA before RSA where the client knows both, and the first of the list when none \
                  has the name.",
        },
        Field {
            name: "self_signed",
            presence: Unless("false"),
            value: &Kept(Placed(Boolean), |tls: &mut TlsFile, on| tls.self_signed = Some(on)),
            doc: "A certificate of Weir's own making, for a trial: for the hosts of all services, `localhost`, `127.0.0.1`, \
                  `::1` and the addresses listened on. It is kept under `state`, and made anew in the last 30 of its 365 \
                  days, or when it lacks a name.",
        },
        Field {
            name: "min_version",
            presence: Unless("1.2"),
            value: &Kept(MIN_VERSION, |tls: &mut TlsFile, version| tls.min_version = version),
            doc: "The oldest version of TLS that is spoken: 1.2 or 1.3.",
        },
        Field {
            name: "client",
            presence: Optional,
            value: &Kept(Mapping(&CLIENT), |tls: &mut TlsFile, client| tls.client = Some(client)),
            doc: "Asks clients for certificates.",
        },
    ],
    within: None,
    later: &[],
    note: Some(|tls, key, span| tls.keys.push((key, span))),
};
