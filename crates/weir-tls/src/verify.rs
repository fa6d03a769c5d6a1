//! Whether a server's certificate is believed, and if not, exactly why.
//!
//! rustls decides; this keeps what it forgets on the way. "Unknown issuer" means four different things to the person who
//! has to do something about it, and which of them it is shows only in the certificates, which nobody else ever sees.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use x509_parser::certificate::X509Certificate;
use x509_parser::parse_x509_certificate;
use x509_parser::x509::{X509Name, X509Version};

use crate::authorities::Authorities;
use crate::facts::Facts;
use crate::provider::provider;
use crate::subject;

/// Characters of a foreign name that a message repeats.
const NAME_CHARACTERS_MAX: usize = 100;

/// What rustls has no word for. Travels inside its error and is found again with [`distrust`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Distrust {
    /// The certificate has signed itself.
    SelfSigned,
    /// The server did not send the certificate of the issuer, and no root has its name.
    IssuerMissing {
        /// The issuer.
        issuer: String,
    },
    /// The chain ends at an issuer that is no root.
    IssuerUnknown {
        /// The issuer.
        issuer: String,
    },
    /// Not the server's certificate but one above it has expired.
    IssuerExpired {
        /// Whose.
        subject: String,
        /// When, in seconds since 1970.
        not_after: u64,
    },
    /// It is the certificate of an authority, and not one that was written down as this server's.
    Authority,
    /// It is an X.509 certificate of version 1, which says nothing of what it is for.
    Version1,
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SelfSigned => f.write_str("its certificate is self-signed"),
            Self::IssuerMissing { issuer } => {
                write!(f, "it sends no certificate of `{issuer}`, the issuer of its own")
            }
            Self::IssuerUnknown { issuer } => write!(f, "its certificate is issued by `{issuer}`"),
            Self::IssuerExpired { subject, .. } => {
                write!(f, "the certificate of `{subject}` in its chain has expired")
            }
            Self::Authority => {
                f.write_str("its certificate is that of an authority, which is not for servers")
            }
            Self::Version1 => f.write_str("its certificate is one of X.509 version 1, without names"),
        }
    }
}

impl std::error::Error for Distrust {}

/// What we have said of a certificate, if rustls had no word for it.
pub(crate) fn distrust(error: &CertificateError) -> Option<&Distrust> {
    match error {
        CertificateError::Other(OtherError(inner)) => inner.downcast_ref(),
        _ => None,
    }
}

impl From<Distrust> for Error {
    fn from(distrust: Distrust) -> Self {
        CertificateError::Other(OtherError(Arc::new(distrust))).into()
    }
}

/// `verify: full`: the chain leads to a root, all of it is valid now, and the certificate is for the server's name.
#[derive(Debug)]
pub(crate) struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    authorities: Authorities,
}

impl Verifier {
    /// A verifier that believes these authorities.
    pub(crate) fn new(authorities: Authorities) -> Result<Self, rustls::client::VerifierBuilderError> {
        let inner = WebPkiServerVerifier::builder_with_provider(authorities.store(), provider()).build()?;
        Ok(Self { inner, authorities })
    }

    /// A certificate that stands in the file itself needs no issuer: whoever wrote it there knows this server. It may
    /// then be that of an authority too, as `openssl req -x509` makes them.
    fn verify_written(
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let (_, parsed) = parse_x509_certificate(certificate).map_err(|_| CertificateError::BadEncoding)?;
        let seconds = |moment: i64| {
            UnixTime::since_unix_epoch(std::time::Duration::from_secs(u64::try_from(moment).unwrap_or(0)))
        };
        let not_before = seconds(parsed.validity().not_before.timestamp());
        let not_after = seconds(parsed.validity().not_after.timestamp());
        if now < not_before {
            return Err(CertificateError::NotValidYetContext { time: now, not_before }.into());
        }
        if now > not_after {
            return Err(CertificateError::ExpiredContext { time: now, not_after }.into());
        }
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)
            .map_err(|error| closer(error, certificate, &[]))?;
        Ok(ServerCertVerified::assertion())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.authorities.holds(end_entity) {
            return Self::verify_written(end_entity, server_name, now);
        }
        self.inner
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .map_err(|error| closer(error, end_entity, intermediates))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// `verify: none`: whoever answers is believed. Checking a signature by a key that nobody knows would prove nothing.
#[derive(Debug)]
pub(crate) struct Unverified;

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// The same error, or one that says more.
fn closer(error: Error, end_entity: &[u8], intermediates: &[CertificateDer<'_>]) -> Error {
    let Error::InvalidCertificate(what) = &error else { return error };
    let Ok((_, leaf)) = parse_x509_certificate(end_entity) else { return error };
    let chain: Vec<X509Certificate<'_>> = intermediates
        .iter()
        .filter_map(|certificate| parse_x509_certificate(certificate).ok())
        .map(|(_, certificate)| certificate)
        .collect();
    let distrust = match what {
        CertificateError::UnknownIssuer => unknown_issuer(&leaf, &chain),
        CertificateError::ExpiredContext { not_after, .. } => {
            match expired_issuer(&leaf, &chain, *not_after) {
                Some(distrust) => distrust,
                None => return error,
            }
        }
        // The names as rustls tells them are those of its types.
        CertificateError::NotValidForNameContext { expected, .. } => {
            let presented = Facts::of(end_entity).map_or(Vec::new(), |facts| facts.names.shown().to_vec());
            let expected = expected.clone();
            return CertificateError::NotValidForNameContext { expected, presented }.into();
        }
        CertificateError::Other(_) if leaf.version() == X509Version::V1 => Distrust::Version1,
        CertificateError::Other(_) if leaf.is_ca() && is_self_signed(&leaf) => Distrust::SelfSigned,
        CertificateError::Other(_) if leaf.is_ca() => Distrust::Authority,
        _ => return error,
    };
    distrust.into()
}

fn unknown_issuer(leaf: &X509Certificate<'_>, chain: &[X509Certificate<'_>]) -> Distrust {
    if is_self_signed(leaf) {
        return Distrust::SelfSigned;
    }
    let mut top = leaf;
    // A chain that goes round has no more steps than certificates.
    for _ in chain {
        match chain.iter().find(|above| above.subject() == top.issuer() && !is_self_signed(top)) {
            Some(above) => top = above,
            None => break,
        }
    }
    let issuer = shown(top.issuer());
    if std::ptr::eq(top, leaf) {
        Distrust::IssuerMissing { issuer }
    } else {
        Distrust::IssuerUnknown { issuer }
    }
}

/// Whether it is one above the server's own that has expired then.
fn expired_issuer(
    leaf: &X509Certificate<'_>,
    chain: &[X509Certificate<'_>],
    not_after: UnixTime,
) -> Option<Distrust> {
    let not_after = not_after.as_secs();
    let ends_then = |certificate: &X509Certificate<'_>| {
        u64::try_from(certificate.validity().not_after.timestamp()) == Ok(not_after)
    };
    if ends_then(leaf) {
        return None;
    }
    let expired = chain.iter().find(|certificate| ends_then(certificate))?;
    Some(Distrust::IssuerExpired { subject: shown(expired.subject()), not_after })
}

fn is_self_signed(certificate: &X509Certificate<'_>) -> bool {
    certificate.subject() == certificate.issuer()
}

/// A name for people: whoever made the certificate chose it, so it is short before it stands in a log.
fn shown(name: &X509Name<'_>) -> String {
    subject::shown(name).chars().take(NAME_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests;
