//! The authorities by whose word a server is believed, and where we have them from.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::problem::Reason;
use crate::{read, roots};

/// Authorities.
#[derive(Clone)]
pub struct Authorities {
    store: Arc<RootCertStore>,
    /// The certificates of a file as they are: a server that shows one of them is known without an issuer.
    written: Arc<[CertificateDer<'static>]>,
    origin: Origin,
}

/// Where authorities come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin {
    /// What the system trusts.
    System,
    /// This file.
    File(PathBuf),
}

impl fmt::Display for Origin {
    /// Goes on behind "which is none of".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("the authorities of this system"),
            Self::File(path) => write!(f, "those in `{}`", path.display()),
        }
    }
}

impl fmt::Debug for Authorities {
    /// Hundreds of certificates tell nobody anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} authorities, {:?}", self.store.len(), self.origin)
    }
}

impl Hash for Authorities {
    /// By who they are, wherever they stand.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { store, written, origin } = self;
        origin.hash(state);
        for authority in &store.roots {
            (authority.subject.as_ref(), authority.subject_public_key_info.as_ref()).hash(state);
            authority.name_constraints.as_ref().map(AsRef::as_ref).hash(state);
        }
        written.iter().for_each(|certificate| certificate.as_ref().hash(state));
    }
}

impl Authorities {
    /// Those of the system; `None` where it has none. Reads some hundred certificates, so it is done once, and only where
    /// somebody needs them.
    pub fn of_system() -> Option<Self> {
        let store = roots::system();
        (!store.is_empty()).then(|| Self {
            store: Arc::new(store),
            written: Arc::new([]),
            origin: Origin::System,
        })
    }

    /// Those of a file.
    ///
    /// # Errors
    /// It can't be read, holds none, or holds something that can't be one.
    pub fn of_file(path: &Path) -> Result<Self, Reason> {
        Ok(Self {
            store: Arc::new(roots::of_file(path)?),
            written: read::certificates(path)?.into(),
            origin: Origin::File(path.into()),
        })
    }

    /// As rustls has them.
    pub(crate) fn store(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.store)
    }

    /// Whether a file holds this very certificate.
    pub(crate) fn holds(&self, certificate: &CertificateDer<'_>) -> bool {
        self.written.iter().any(|written| written == certificate)
    }

    /// The certificates of a file, in its order; none for the system's.
    pub fn written(&self) -> &[CertificateDer<'static>] {
        &self.written
    }

    /// Where they come from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}
