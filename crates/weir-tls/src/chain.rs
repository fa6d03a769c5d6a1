//! Whether a chain of certificates can convince a client: pure, with the moment as an argument.
//!
//! A server may serve whatever it likes; here it is held to what clients will ask, so that a mistake is told to the operator
//! by its name before it is told to users by a browser.

use std::time::{Duration, SystemTime};

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};
use x509_parser::certificate::X509Certificate;
use x509_parser::parse_x509_certificate;

use crate::date::DAY;
use crate::facts::Facts;
use crate::problem::Reason;
use crate::provider::provider;
use crate::subject;

/// An expiry is worth a warning from this long before it. Authorities that renew by themselves do so 30 days before, so that at
/// this point it has not worked for two weeks, and there are two more to repair it.
const SOON: Duration = DAY.saturating_mul(14);

/// Certificates that live for a few days only are renewed late in their lives; for them it is this part of it.
const SOON_PART: u32 = 5;

/// What is wrong with a chain whose first certificate a server serves with. `issuers` are authorities that the user names
/// beside those of the system, which are only asked for when needed.
pub fn check(
    chain: &[CertificateDer<'_>],
    issuers: &[CertificateDer<'_>],
    system: impl FnOnce() -> RootCertStore,
    now: SystemTime,
) -> Vec<Reason> {
    let mut parsed = Vec::new();
    for (index, der) in chain.iter().enumerate() {
        match parse_x509_certificate(der) {
            Ok(([], certificate)) => parsed.push(certificate),
            _ => return vec![Reason::NotACertificate(index + 1)],
        }
    }
    let Some(first) = parsed.first() else { return Vec::new() };
    let mut found = leaf(first);
    let mut all_valid = true;
    for (index, der) in chain.iter().enumerate() {
        let Some(reason) = Facts::of(der).and_then(|facts| validity(&facts, index + 1, now)) else {
            continue;
        };
        all_valid &= !reason.is_error();
        found.push(reason);
    }
    match order(&parsed) {
        Some(reason) => found.push(reason),
        // Beyond the time of one of them the question can't be answered.
        None if all_valid => found.extend(completeness(chain, &parsed, issuers, system, now)),
        None => {}
    }
    found
}

/// What is to be said of a certificate's time at this moment.
pub fn validity(facts: &Facts, position: usize, now: SystemTime) -> Option<Reason> {
    let Facts { not_before, not_after, .. } = *facts;
    if now < not_before {
        return Some(Reason::NotYetValid { position, not_before });
    }
    match not_after.duration_since(now) {
        Err(past) => Some(Reason::Expired { position, not_after, ago: past.duration() }),
        Ok(left) => {
            let lifetime = not_after.duration_since(not_before).unwrap_or_default();
            let soon = left < SOON.min(lifetime / SOON_PART);
            // Those behind the first are the authority's business, and are renewed with it.
            (soon && position == 1).then_some(Reason::ExpiresSoon { not_after, left })
        }
    }
}

/// What clients ask of the certificate of a server itself.
fn leaf(certificate: &X509Certificate<'_>) -> Vec<Reason> {
    let mut found = Vec::new();
    let names = certificate.subject_alternative_name().ok().flatten();
    if names.is_none_or(|names| names.value.general_names.is_empty()) {
        found.push(Reason::NoNames);
    }
    if let Ok(Some(usage)) = certificate.extended_key_usage()
        && !(usage.value.server_auth || usage.value.any)
    {
        found.push(Reason::NotForServers);
    }
    found
}

/// Each one signs the one before it (RFC 5246 §7.4.2, RFC 8446 §4.4.2), by name.
fn order(chain: &[X509Certificate<'_>]) -> Option<Reason> {
    let (index, pair) = chain
        .windows(2)
        .enumerate()
        .find(|(_, pair)| pair[0].issuer().as_raw() != pair[1].subject().as_raw())?;
    Some(Reason::WrongOrder {
        position: index + 2,
        wanted: subject::shown(pair[0].issuer()),
        found: subject::shown(pair[1].subject()),
    })
}

/// Whether the chain leads to somebody whom clients may know, and holds on its way.
fn completeness(
    chain: &[CertificateDer<'_>],
    parsed: &[X509Certificate<'_>],
    issuers: &[CertificateDer<'_>],
    system: impl FnOnce() -> RootCertStore,
    now: SystemTime,
) -> Option<Reason> {
    let (last, last_der) = (parsed.last()?, chain.last()?);
    let is_own_issuer = last.issuer().as_raw() == last.subject().as_raw();
    if is_own_issuer && parsed.len() == 1 {
        return None;
    }
    let mut roots = RootCertStore::empty();
    if is_own_issuer {
        roots.add_parsable_certificates([last_der.clone().into_owned()]);
    } else {
        roots = system();
        let known_to_nobody = roots.is_empty() && issuers.is_empty();
        roots.add_parsable_certificates(issuers.iter().map(|issuer| issuer.clone().into_owned()));
        if known_to_nobody && parsed.len() > 1 {
            // A system without authorities can't say whom clients know.
            return None;
        }
    }
    let leaf = ParsedCertificate::try_from(chain.first()?).ok()?;
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let outcome = verify_server_cert_signed_by_trust_anchor(
        &leaf,
        &roots,
        chain.get(1..).unwrap_or_default(),
        UnixTime::since_unix_epoch(seconds),
        provider().signature_verification_algorithms.all,
    );
    let issuer = || subject::shown(last.issuer());
    match outcome {
        Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) if is_own_issuer => None,
        Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) if parsed.len() == 1 => {
            Some(Reason::NoChain { issuer: issuer() })
        }
        Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            Some(Reason::UnknownIssuer { issuer: issuer() })
        }
        Err(Error::InvalidCertificate(CertificateError::BadSignature)) => Some(Reason::WrongSignature),
        // What else one client may dislike, another does not.
        Ok(()) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests;
