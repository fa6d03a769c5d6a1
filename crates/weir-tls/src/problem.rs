//! What is wrong with a file of certificates or keys, and what to do about it.
//!
//! A [`Reason`] says it of one file; a [`Problem`] names the file and its part in a listener's configuration, so that whoever
//! knows where that part was written can point at it. Neither ever holds a piece of a key.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::date;

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It can't be read; the system's word.
    Unreadable(String),
    /// It is a directory, a pipe or a device.
    NotAFile,
    /// It has more bytes than any such file has.
    TooLarge,
    /// It holds no certificate.
    NoCertificate(Found),
    /// It holds no private key.
    NoKey(Found),
    /// It holds no revocation list.
    NoRevocationList(Found),
    /// It is PEM, but damaged.
    Damaged(&'static str),
    /// The key is encrypted.
    EncryptedKey,
    /// It holds so many private keys.
    SeveralKeys(usize),
    /// The key is of a kind that is not supported, or too short.
    UnsupportedKey,
    /// The certificate at this position (from 1) can't be decoded.
    NotACertificate(usize),
    /// rustls does not take the certificate.
    Refused(String),
    /// The key is not that of the first certificate, but perhaps of the one at this position.
    OtherKey(Option<usize>),
    /// The certificate at this position has expired.
    Expired {
        /// Its position, from 1.
        position: usize,
        /// Valid until then.
        not_after: SystemTime,
        /// How long ago that was.
        ago: Duration,
    },
    /// The certificate at this position is not valid yet.
    NotYetValid {
        /// Its position, from 1.
        position: usize,
        /// Valid from then.
        not_before: SystemTime,
    },
    /// The certificate at this position did not sign the one before it.
    WrongOrder {
        /// Its position, from 1.
        position: usize,
        /// Who signed the one before it.
        wanted: String,
        /// Who it is.
        found: String,
    },
    /// The only certificate was signed by somebody whom nobody here knows.
    NoChain {
        /// Who signed it.
        issuer: String,
    },
    /// The last of several certificates was signed by somebody whom nobody here knows.
    UnknownIssuer {
        /// Who signed it.
        issuer: String,
    },
    /// A certificate has the name of the issuer, and not its key.
    WrongSignature,
    /// The certificate has no names of hosts.
    NoNames,
    /// The certificate says what it may be used for, and a server is not among it.
    NotForServers,
    /// It expires soon.
    ExpiresSoon {
        /// Valid until then.
        not_after: SystemTime,
        /// How long that is from now.
        left: Duration,
    },
    /// The certificates are of no use to check those of clients with.
    UnusableAuthorities(String),
    /// The self-signed certificate can't be kept; the system's word.
    NotKept(String),
}

/// What a file holds instead of what was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing at all.
    Nothing,
    /// A certificate.
    Certificate,
    /// A private key.
    Key,
    /// A public key.
    PublicKey,
    /// A request for a certificate.
    Request,
    /// A certificate in a form of OpenSSL's own.
    Trusted,
    /// Something that looks like DER or PKCS#12.
    Der,
    /// Something else.
    Other,
}

impl Found {
    fn text(self) -> &'static str {
        match self {
            Self::Nothing => ": it is empty",
            Self::Certificate => ", but a certificate",
            Self::Key => ", but a private key",
            Self::PublicKey => ", but a public key",
            Self::Request => ", but a request for a certificate",
            Self::Trusted => ", but a `TRUSTED CERTIFICATE`",
            Self::Der => ": it is no PEM, but looks like DER or PKCS#12",
            Self::Other => ": it is no PEM",
        }
    }
}

impl Reason {
    /// Whether nothing can be served so. Otherwise it is a warning.
    pub fn is_error(&self) -> bool {
        !matches!(self, Self::ExpiresSoon { .. } | Self::UnknownIssuer { .. })
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoCertificate(found) => match found {
                Found::Key => "are `certificate` and `key` exchanged?".to_owned(),
                Found::Request => "name what the authority made of the request".to_owned(),
                Found::Trusted => "write it anew with `openssl x509 -in FILE -out FILE.pem`".to_owned(),
                Found::Der => der_hint("x509"),
                _ => return None,
            },
            Self::NoKey(found) => match found {
                Found::Certificate => "name the file of the key with `key`".to_owned(),
                Found::PublicKey => "the private key was made together with it".to_owned(),
                Found::Der => der_hint("pkey"),
                _ => return None,
            },
            Self::EncryptedKey => {
                "take the passphrase off with `openssl pkey -in FILE -out NEW`, and let nobody else read that file"
                    .to_owned()
            }
            Self::UnsupportedKey => "keys are ECDSA (P-256, P-384, P-521), Ed25519, or RSA of 2048 to 8192 bits".to_owned(),
            Self::OtherKey(Some(_)) | Self::WrongOrder { .. } => {
                "the certificate of the server comes first, then the one that signed it, and so on".to_owned()
            }
            Self::OtherKey(None) => "name the key that the certificate was requested with".to_owned(),
            Self::Expired { position: 1, .. } => "renew it".to_owned(),
            Self::Expired { .. } => {
                "get the present certificates of the authority; a renewed one of the server comes with them".to_owned()
            }
            Self::NotYetValid { .. } => "is the clock of this machine right?".to_owned(),
            Self::NoChain { .. } => {
                "append the certificates of the authority to the file (authorities call the result the full chain), or \
                 name that of an authority of your own with `issuer`"
                    .to_owned()
            }
            Self::UnknownIssuer { .. } => {
                "if the authority is your own, name its certificate with `issuer`; else append what is missing to the file"
                    .to_owned()
            }
            Self::WrongSignature => "take the certificates of the authority that signed this one".to_owned(),
            Self::NoNames => {
                "get one with subject alternative names; clients do not look at the common name any more".to_owned()
            }
            Self::NotForServers => "get one for servers (extended key usage `serverAuth`)".to_owned(),
            Self::ExpiresSoon { .. } => "was it not renewed?".to_owned(),
            Self::NotKept(_) => "name a directory that can be written with `state`".to_owned(),
            _ => return None,
        })
    }
}

fn der_hint(command: &str) -> String {
    format!(
        "write it as PEM: `openssl {command} -inform der -in FILE -out FILE.pem` or `openssl pkcs12 -in FILE -nodes`"
    )
}

/// What stands before a sentence about one certificate of a file.
fn which(position: usize) -> String {
    match position {
        1 => String::new(),
        position => format!("certificate {position} in it "),
    }
}

impl fmt::Display for Reason {
    /// Goes on behind the name of the file: "has expired …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "can't be read: {error}"),
            Self::NotAFile => f.write_str("is not a file"),
            Self::TooLarge => f.write_str("is larger than 1 MiB"),
            Self::NoCertificate(found) => write!(f, "holds no certificate{}", found.text()),
            Self::NoKey(found) => write!(f, "holds no private key{}", found.text()),
            Self::NoRevocationList(found) => write!(f, "holds no revocation list{}", found.text()),
            Self::Damaged(damage) => write!(f, "is damaged: {damage}"),
            Self::EncryptedKey => f.write_str("holds an encrypted key"),
            Self::SeveralKeys(count) => write!(f, "holds {count} private keys"),
            Self::UnsupportedKey => f.write_str("holds a key of a kind that is not supported"),
            Self::NotACertificate(position) => {
                write!(f, "is damaged: certificate {position} in it can't be decoded")
            }
            Self::Refused(error) => write!(f, "can't be used: {error}"),
            Self::OtherKey(None) => f.write_str("is not the key of the certificate"),
            Self::OtherKey(Some(position)) => {
                write!(f, "is the key of certificate {position} in the file, not of the first")
            }
            Self::Expired { position, not_after, ago } => write!(
                f,
                "{}has expired: it was valid until {}, {} ago",
                which(*position),
                date::moment(*not_after),
                date::span(*ago)
            ),
            Self::NotYetValid { position, not_before } => {
                write!(f, "{}is not valid before {}", which(*position), date::moment(*not_before))
            }
            Self::WrongOrder { position, wanted, found } => write!(
                f,
                "has its certificates in a wrong order: the one before number {position} was signed by `{wanted}`, and \
                 number {position} is `{found}`"
            ),
            Self::NoChain { issuer } => {
                write!(f, "lacks its chain: it was signed by `{issuer}`, whom clients do not know")
            }
            Self::UnknownIssuer { issuer } => {
                write!(f, "ends its chain with a signature of `{issuer}`, who is not known here")
            }
            Self::WrongSignature => f.write_str(
                "has a chain that does not hold: a certificate bears the name of the issuer, and not its key",
            ),
            Self::NoNames => f.write_str("names no host"),
            Self::NotForServers => f.write_str("is not for servers"),
            Self::ExpiresSoon { not_after, left } => {
                write!(f, "expires in {}, at {}", date::span(*left), date::moment(*not_after))
            }
            Self::UnusableAuthorities(error) => write!(f, "can't be used to check clients: {error}"),
            Self::NotKept(error) => write!(f, "can't be written: {error}"),
        }
    }
}

/// Which part of a listener's configuration a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The certificate at this index.
    Certificate(usize),
    /// The key of the certificate at this index.
    Key(usize),
    /// The issuer of the certificate at this index.
    Issuer(usize),
    /// The self-signed certificate.
    SelfSigned,
    /// The authorities of clients.
    ClientAuthorities,
    /// The revocation lists of clients.
    RevocationLists,
}

/// What is wrong with one file of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which part of the configuration it is.
    pub part: Part,
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub reason: Reason,
}

impl fmt::Display for Problem {
    /// `` `a.pem` has expired … ``
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.file.display(), self.reason)
    }
}

impl std::error::Error for Problem {}
