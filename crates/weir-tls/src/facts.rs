//! What a certificate says of itself, as far as somebody is told it.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;

use crate::names::Names;
use crate::subject;

/// A certificate's SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a certificate as DER.
    pub fn of(der: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    /// As `openssl x509 -fingerprint -sha256` writes it: `AB:CD:…`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ":" };
            write!(f, "{separator}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The kind of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA with so many bits.
    Rsa(usize),
    /// ECDSA over a curve of so many bits.
    Ecdsa(usize),
    /// Ed25519.
    Ed25519,
    /// Something that rustls does not sign with.
    Other,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "RSA {bits}"),
            Self::Ecdsa(bits) => write!(f, "ECDSA P-{bits}"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other => f.write_str("unknown"),
        }
    }
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Who it is for, for people.
    pub subject: String,
    /// Who signed it, for people.
    pub issuer: String,
    /// The names that it speaks for.
    pub names: Names,
    /// Valid from this moment.
    pub not_before: SystemTime,
    /// Valid until this moment, included.
    pub not_after: SystemTime,
    /// Its SHA-256.
    pub fingerprint: Fingerprint,
    /// The kind of its key.
    pub key: KeyKind,
}

impl Facts {
    /// Reads a certificate as DER; `None` when it is none.
    pub fn of(der: &[u8]) -> Option<Self> {
        let (rest, certificate) = parse_x509_certificate(der).ok()?;
        rest.is_empty().then(|| Self {
            subject: subject::shown(certificate.subject()),
            issuer: subject::shown(certificate.issuer()),
            names: names(&certificate),
            not_before: time(certificate.validity().not_before),
            not_after: time(certificate.validity().not_after),
            fingerprint: Fingerprint::of(der),
            key: key(&certificate),
        })
    }
}

/// Whether all of these certificates (DER) are valid at this moment; what is no certificate is not.
pub fn are_in_time<'c>(chain: impl IntoIterator<Item = &'c [u8]>, now: SystemTime) -> bool {
    chain.into_iter().all(|der| {
        parse_x509_certificate(der).is_ok_and(|(_, certificate)| {
            let validity = certificate.validity();
            (time(validity.not_before)..=time(validity.not_after)).contains(&now)
        })
    })
}

fn names(certificate: &X509Certificate<'_>) -> Names {
    let Ok(Some(alternatives)) = certificate.subject_alternative_name() else { return Names::default() };
    let all = &alternatives.value.general_names;
    let names = all.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(*name),
        _ => None,
    });
    let addresses = all.iter().filter_map(|name| match name {
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    });
    Names::new(names, addresses)
}

/// An address in network order (RFC 5280 §4.2.1.6).
fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(bytes.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

fn key(certificate: &X509Certificate<'_>) -> KeyKind {
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => KeyKind::Rsa(key.key_size()),
        // Half of the point without its first byte, which says how it is written; P-521 has no whole number of bytes.
        Ok(PublicKey::EC(point)) => match point.data().len() {
            133 => KeyKind::Ecdsa(521),
            length => KeyKind::Ecdsa(length.saturating_sub(1) / 2 * 8),
        },
        _ if certificate.public_key().algorithm.algorithm.to_id_string() == "1.3.101.112" => KeyKind::Ed25519,
        _ => KeyKind::Other,
    }
}

/// Moments that the system can't hold become the nearest one it surely can.
fn time(time: ASN1Time) -> SystemTime {
    let seconds = time.timestamp();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let moment = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    moment.unwrap_or(SystemTime::UNIX_EPOCH)
}
