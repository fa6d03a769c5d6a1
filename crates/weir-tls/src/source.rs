//! What a listener's TLS is made of as it was written, and how it becomes something to serve with.
//!
//! The same steps run when a configuration is checked, at the start, and each time that files change, so that they say the
//! same each time. All problems of all files are found in one run.

use std::path::PathBuf;
use std::time::SystemTime;

use crate::certified::{self, Certified};
use crate::client::ClientCertificates;
use crate::problem::{Part, Problem, Reason};
use crate::self_signed::{Obtained, SelfSigned};
use crate::server::{MinVersion, Parts, ServerTls};
use crate::{chain, read, roots};

/// One certificate with its key, as files.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CertificateFiles {
    /// The chain: the certificate of the server, then the one that signed it, and so on.
    pub certificate: PathBuf,
    /// The key; may be the same file.
    pub key: PathBuf,
    /// The certificate of an authority that only clients of one's own know.
    pub issuer: Option<PathBuf>,
}

/// Where certificates come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Certificates {
    /// From files; at least one, the first is the default.
    Files(Vec<CertificateFiles>),
    /// One of our own making.
    SelfSigned(SelfSigned),
}

/// What a listener's TLS is made of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerSource {
    /// Its certificates.
    pub certificates: Certificates,
    /// The oldest version that is spoken.
    pub min_version: MinVersion,
    /// Certificates of clients; `None` asks for none.
    pub clients: Option<ClientCertificates>,
}

/// Something to serve with.
#[derive(Debug)]
pub struct Loaded {
    /// What is served.
    pub tls: ServerTls,
    /// What somebody should look at.
    pub warnings: Vec<Problem>,
    /// A self-signed certificate was made just now.
    pub is_new: bool,
}

impl ServerSource {
    /// Reads and checks everything, and makes a self-signed certificate where one is wanted. Sessions of `previous` go on
    /// where that is safe.
    ///
    /// # Errors
    /// Everything that is wrong, warnings included.
    pub fn load(&self, previous: Option<&ServerTls>, now: SystemTime) -> Result<Loaded, Vec<Problem>> {
        let mut is_new = false;
        let mut self_signed = |source: &SelfSigned| {
            let Obtained { certified, is_new: made } = source.obtain(now)?;
            is_new = made;
            Ok(Some(certified))
        };
        let (parts, problems) = self.parts(&mut self_signed, now);
        let Some(parts) = parts else { return Err(problems) };
        match ServerTls::new(parts, previous, now) {
            Ok(tls) => Ok(Loaded { tls, warnings: problems, is_new }),
            Err(error) => Err(vec![self.refused(error.to_string())]),
        }
    }

    /// What would be served, and everything that is wrong; makes nothing. Without errors and without anything to serve there
    /// is a self-signed certificate to be made.
    pub fn look(&self, now: SystemTime) -> (Option<ServerTls>, Vec<Problem>) {
        let (parts, mut problems) = self.parts(&mut |source: &SelfSigned| Ok(source.kept(now)), now);
        let Some(parts) = parts.filter(|parts| !parts.certificates.is_empty()) else {
            return (None, problems);
        };
        match ServerTls::new(parts, None, now) {
            Ok(tls) => (Some(tls), problems),
            Err(error) => {
                problems.push(self.refused(error.to_string()));
                (None, problems)
            }
        }
    }

    /// All files that it is made of.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = match &self.certificates {
            Certificates::Files(list) => list
                .iter()
                .flat_map(|files| [&files.certificate, &files.key].into_iter().chain(&files.issuer))
                .cloned()
                .collect(),
            Certificates::SelfSigned(source) => vec![source.certificate_file(), source.key_file()],
        };
        files.extend(self.clients.iter().flat_map(ClientCertificates::files).cloned());
        files.sort_unstable();
        files.dedup();
        files
    }

    /// The parts, unless one of them is wrong.
    fn parts(
        &self,
        self_signed: &mut dyn FnMut(&SelfSigned) -> Result<Option<Certified>, Reason>,
        now: SystemTime,
    ) -> (Option<Parts>, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut certificates = Vec::new();
        match &self.certificates {
            Certificates::Files(list) => {
                for (index, files) in list.iter().enumerate() {
                    let certified = files.read(index, now, &mut problems);
                    certificates.extend(certified.map(|certified| (files.certificate.clone(), certified)));
                }
            }
            Certificates::SelfSigned(source) => match self_signed(source) {
                Ok(certified) => {
                    certificates.extend(certified.map(|certified| (source.certificate_file(), certified)));
                }
                Err(reason) => {
                    problems.push(Problem {
                        part: Part::SelfSigned,
                        file: source.certificate_file(),
                        reason,
                    });
                }
            },
        }
        let clients = self.clients.as_ref().map(ClientCertificates::load);
        let clients = clients.transpose().unwrap_or_else(|wrong| {
            problems.extend(wrong);
            None
        });
        let fine = !problems.iter().any(|problem| problem.reason.is_error());
        (fine.then_some(Parts { certificates, min_version: self.min_version, clients }), problems)
    }

    /// rustls refuses what has passed all checks.
    fn refused(&self, error: String) -> Problem {
        let (part, file) = match &self.certificates {
            Certificates::Files(list) => (
                Part::Certificate(0),
                list.first().map(|files| files.certificate.clone()).unwrap_or_default(),
            ),
            Certificates::SelfSigned(source) => (Part::SelfSigned, source.certificate_file()),
        };
        Problem { part, file, reason: Reason::Refused(error) }
    }
}

impl CertificateFiles {
    /// The chain with its key, unless one of them can't be read; what is wrong with either is noted.
    fn read(&self, index: usize, now: SystemTime, problems: &mut Vec<Problem>) -> Option<Certified> {
        let mut note =
            |part, file: &PathBuf, reason| problems.push(Problem { part, file: file.clone(), reason });
        let chain = read::certificates(&self.certificate)
            .map_err(|reason| note(Part::Certificate(index), &self.certificate, reason));
        let key = read::key(&self.key).map_err(|reason| note(Part::Key(index), &self.key, reason));
        let issuers = self.issuer.as_ref().map_or(Ok(Vec::new()), |file| {
            read::certificates(file).map_err(|reason| note(Part::Issuer(index), file, reason))
        });
        let chain = chain.ok()?;
        // Without its issuer, which could not be read, a chain can't be told complete.
        if let Ok(issuers) = &issuers {
            for reason in chain::check(&chain, issuers, roots::system, now) {
                note(Part::Certificate(index), &self.certificate, reason);
            }
        }
        match certified::of(chain, key.ok()?) {
            Ok(certified) => Some(certified),
            Err(reason @ (Reason::NotACertificate(_) | Reason::Refused(_))) => {
                note(Part::Certificate(index), &self.certificate, reason);
                None
            }
            Err(reason) => {
                note(Part::Key(index), &self.key, reason);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
