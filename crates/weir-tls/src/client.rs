//! Certificates of clients: whose are taken, and whether they are required.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use crate::problem::{Part, Problem, Reason};
use crate::provider::provider;
use crate::read;

/// Whether a client must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum ClientMode {
    /// Who shows none is not served.
    #[default]
    Require,
    /// Who shows none is served all the same; a bad one is refused.
    Request,
}

/// The certificates of clients that are taken.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientCertificates {
    /// Whether there must be one.
    pub mode: ClientMode,
    /// The authorities that have signed them.
    pub authorities: PathBuf,
    /// What the authorities have revoked.
    pub revocation_lists: Option<PathBuf>,
}

impl ClientCertificates {
    /// The files that this is made of.
    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.authorities].into_iter().chain(&self.revocation_lists)
    }

    /// What rustls checks clients with, and what it was made of: a session of a client that was checked with something else
    /// is not resumed.
    pub(crate) fn load(&self) -> Result<(Arc<dyn ClientCertVerifier>, Checked), Vec<Problem>> {
        let problem = |part, file: &PathBuf, reason| Problem { part, file: file.clone(), reason };
        let authorities = read::certificates(&self.authorities)
            .map_err(|reason| problem(Part::ClientAuthorities, &self.authorities, reason));
        let lists = self.revocation_lists.as_ref().map_or(Ok(Vec::new()), |file| {
            read::revocation_lists(file).map_err(|reason| problem(Part::RevocationLists, file, reason))
        });
        let (authorities, lists) = match (authorities, lists) {
            (Ok(authorities), Ok(lists)) => (authorities, lists),
            (authorities, lists) => {
                return Err([authorities.err(), lists.err()].into_iter().flatten().collect());
            }
        };
        let checked = Checked { mode: self.mode, authorities, lists };
        let verifier = checked.verifier().map_err(|(part, reason)| {
            let file = match (part, &self.revocation_lists) {
                (Part::RevocationLists, Some(file)) => file,
                _ => &self.authorities,
            };
            vec![problem(part, file, reason)]
        })?;
        Ok((verifier, checked))
    }
}

/// What clients are checked with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    mode: ClientMode,
    authorities: Vec<CertificateDer<'static>>,
    lists: Vec<CertificateRevocationListDer<'static>>,
}

impl Checked {
    fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, (Part, Reason)> {
        let mut roots = RootCertStore::empty();
        for (index, certificate) in self.authorities.iter().enumerate() {
            roots
                .add(certificate.clone())
                .map_err(|_| (Part::ClientAuthorities, Reason::NotACertificate(index + 1)))?;
        }
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        if !self.lists.is_empty() {
            // The lists of a file are those of the authorities that sign clients; who signs those is not asked for lists.
            builder = builder.with_crls(self.lists.iter().cloned()).only_check_end_entity_revocation();
        }
        if self.mode == ClientMode::Request {
            builder = builder.allow_unauthenticated();
        }
        let part = if self.lists.is_empty() { Part::ClientAuthorities } else { Part::RevocationLists };
        builder.build().map_err(|error| (part, Reason::UnusableAuthorities(error.to_string())))
    }
}
