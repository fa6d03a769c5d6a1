//! What listeners serve with TLS. The files are read and checked here, by the same steps as at the start, so that `weir check`
//! says what a start would say; nothing is made.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::SystemTime;

use weir_core::route::HostPattern;
use weir_tls::client::ClientCertificates;
use weir_tls::problem::Part;
use weir_tls::self_signed::SelfSigned;
use weir_tls::source::{CertificateFiles, Certificates, ServerSource};

use crate::file::tls::{CertificateFile, ClientFile, TlsFile};
use crate::model::{Listen, ListenAddress, ListenTls, Service};
use crate::problem::{Problem, Problems};
use crate::source::{At, Span};

use super::listen::Opened;

/// Names in a self-signed certificate. A certificate is sent in one message, and clients refuse long ones.
const SELF_SIGNED_NAMES_MAX: usize = 500;

/// Keys of `tls` that name certificates from files.
const FROM_FILES: [&str; 4] = ["certificate", "key", "issuer", "certificates"];

/// Adds to each listener what it serves with TLS at `now`. Self-signed certificates are kept below `state`.
pub(super) fn secure(
    listen: Vec<Opened>,
    services: &[Service],
    state: &Path,
    base_dir: &Path,
    now: SystemTime,
    problems: &mut Problems,
) -> Vec<Listen> {
    let addresses = listen.iter().filter_map(|opened| match opened.address {
        ListenAddress::Tcp(address) if !address.ip().is_unspecified() => Some(address.ip().to_canonical()),
        ListenAddress::Tcp(_) | ListenAddress::Unix(_) => None,
    });
    let self_signed =
        SelfSigned { directory: state.join("certificates"), names: self_signed_names(services, addresses) };
    let each = |opened: Opened| {
        let tls = opened.tls.and_then(|tls| {
            let Tls { source, places, subject_header } = read(tls, &self_signed, base_dir, problems)?;
            places.look(&source, now, problems);
            Some(ListenTls { source, subject_header })
        });
        Listen { address: opened.address, tls, proxy_protocol: opened.proxy_protocol }
    };
    listen.into_iter().map(each).collect()
}

/// The hosts of all services and the ways to reach this machine. One certificate for all listeners, so that there is one to
/// trust.
fn self_signed_names(services: &[Service], addresses: impl Iterator<Item = IpAddr>) -> Vec<String> {
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let mut names = vec!["localhost".to_owned()];
    names.extend(loopback.into_iter().chain(addresses).map(|address| address.to_string()));
    names.extend(services.iter().flat_map(|service| &service.hosts).filter_map(|host| match host {
        HostPattern::Exact(name) => Some(name.trim_matches(['[', ']']).to_owned()),
        // Of the labels that the service takes, a certificate covers one.
        HostPattern::Wildcard(name) => Some(format!("*.{name}")),
        HostPattern::Any => None,
    }));
    let mut known = HashSet::new();
    names.retain(|name| known.insert(name.clone()));
    names
}

/// What was written, and where.
struct Tls {
    source: ServerSource,
    places: Places,
    subject_header: Option<Box<str>>,
}

/// Where the parts of a listener's TLS were written.
struct Places {
    /// Of the whole.
    span: Span,
    certificates: Vec<[Option<Span>; 3]>,
    self_signed: Option<Span>,
    authorities: Option<Span>,
    revocation_lists: Option<Span>,
}

fn read(
    written: At<TlsFile>,
    self_signed: &SelfSigned,
    base_dir: &Path,
    problems: &mut Problems,
) -> Option<Tls> {
    let At { value: file, span } = written;
    // Something in it was misread; what is missing may only be missing because of that.
    if problems.has_error_in(span) {
        return None;
    }
    let mut places = Places {
        span,
        certificates: Vec::new(),
        self_signed: file.self_signed.as_ref().filter(|on| on.value).map(|on| on.span),
        authorities: None,
        revocation_lists: None,
    };
    let certificates = match places.self_signed {
        Some(place) => own_making(&file, place, self_signed, problems)?,
        None => {
            let list = from_files(file.certificates, file.own, &file.keys, span, problems)?;
            let span_of = |file: &Option<At<String>>| file.as_ref().map(|file| file.span);
            places.certificates = list
                .iter()
                .map(|file| [span_of(&file.certificate), span_of(&file.key), span_of(&file.issuer)])
                .collect();
            Certificates::Files(list.into_iter().filter_map(|file| files(file, base_dir)).collect())
        }
    };
    let mut subject_header = None;
    let clients = file.client.and_then(|client| {
        let ClientFile { mode, authorities, revocation_lists, subject_header: header } = client;
        subject_header = header;
        places.authorities = authorities.as_ref().map(|file| file.span);
        places.revocation_lists = revocation_lists.as_ref().map(|file| file.span);
        Some(ClientCertificates {
            mode,
            authorities: base_dir.join(authorities?.value),
            revocation_lists: revocation_lists.map(|file| base_dir.join(file.value)),
        })
    });
    let source = ServerSource { certificates, min_version: file.min_version, clients };
    Some(Tls { source, places, subject_header })
}

/// `self_signed: true`
fn own_making(
    file: &TlsFile,
    place: Span,
    self_signed: &SelfSigned,
    problems: &mut Problems,
) -> Option<Certificates> {
    if let Some((key, beside)) = file.keys.iter().find(|(key, _)| FROM_FILES.contains(key)) {
        problems.push(
            Problem::error(*beside, format!("`{key}` stands beside `self_signed: true`"))
                .beside(place, "written here")
                .hint("take one of them away: a listener serves certificates from files, or one of Weir's own making"),
        );
        return None;
    }
    let mut source = self_signed.clone();
    if source.names.len() > SELF_SIGNED_NAMES_MAX {
        source.names.truncate(SELF_SIGNED_NAMES_MAX);
        let message = format!("a self-signed certificate names no more than {SELF_SIGNED_NAMES_MAX} hosts");
        problems.push(
            Problem::warning(place, message)
                .hint("clients refuse longer certificates; the first hosts are named"),
        );
    }
    Some(Certificates::SelfSigned(source))
}

/// The certificates under `certificates`, or the one right in `tls`; at least one.
fn from_files(
    list: Option<Vec<At<CertificateFile>>>,
    own: CertificateFile,
    keys: &[(&'static str, Span)],
    span: Span,
    problems: &mut Problems,
) -> Option<Vec<CertificateFile>> {
    let beside = keys.iter().find(|(key, _)| FROM_FILES[..3].contains(key));
    match (list, beside) {
        (None, None) => {
            problems.push(
                Problem::error(span, "`tls` names no certificate")
                    .hint("write `certificate: FILE` and `key: FILE`, or `self_signed: true` for a trial"),
            );
            None
        }
        (None, Some((key, place))) if own.certificate.is_none() => {
            problems.push(
                Problem::error(*place, format!("`{key}` stands here without `certificate`"))
                    .hint("write `certificate: FILE`"),
            );
            None
        }
        (None, Some(_)) => Some(vec![own]),
        (Some(_), Some((key, place))) => {
            problems.push(
                Problem::error(*place, format!("`{key}` stands beside `certificates`"))
                    .hint("move it into the list"),
            );
            None
        }
        (Some(list), None) => {
            let list: Vec<_> = list.into_iter().map(|file| file.value).collect();
            each_once(&list, problems);
            Some(list)
        }
    }
}

/// The second of two equal ones would never be served.
fn each_once(list: &[CertificateFile], problems: &mut Problems) {
    let written: Vec<_> = list.iter().filter_map(|file| file.certificate.as_ref()).collect();
    for (index, file) in written.iter().enumerate() {
        if let Some(first) = written[..index].iter().find(|other| other.value == file.value) {
            problems.push(
                Problem::error(file.span, "this certificate stands twice here")
                    .beside(first.span, "first written here"),
            );
        }
    }
}

fn files(file: CertificateFile, base_dir: &Path) -> Option<CertificateFiles> {
    let certificate = base_dir.join(file.certificate?.value);
    Some(CertificateFiles {
        key: file.key.map_or_else(|| certificate.clone(), |key| base_dir.join(key.value)),
        certificate,
        issuer: file.issuer.map(|issuer| base_dir.join(issuer.value)),
    })
}

impl Places {
    /// Reads the files and notes what is wrong with them, each at its place.
    fn look(&self, source: &ServerSource, now: SystemTime, problems: &mut Problems) {
        let (_, wrong) = source.look(now);
        for wrong in wrong {
            let place = self.of(wrong.part);
            let problem = if wrong.reason.is_error() {
                Problem::error(place, wrong.to_string())
            } else {
                Problem::warning(place, wrong.to_string())
            };
            problems.push(match wrong.reason.hint() {
                Some(hint) => problem.hint(hint),
                None => problem,
            });
        }
    }

    fn of(&self, part: Part) -> Span {
        let certificate = |index: usize, which: usize| {
            let spans = self.certificates.get(index)?;
            // A key that is not written is in the file of the certificate.
            spans.get(which).copied().flatten().or(spans[0])
        };
        let place = match part {
            Part::Certificate(index) => certificate(index, 0),
            Part::Key(index) => certificate(index, 1),
            Part::Issuer(index) => certificate(index, 2),
            Part::SelfSigned => self.self_signed,
            Part::ClientAuthorities => self.authorities,
            Part::RevocationLists => self.revocation_lists,
        };
        place.unwrap_or(self.span)
    }
}

#[cfg(test)]
mod tests;
