//! A certificate of our own making, so that HTTPS works before anybody has been asked for a certificate.
//!
//! Nobody but its maker knows it, so clients must be told to trust it, or not to look (`curl -k`). It is kept, and used again at
//! the next start, so that what was told to trust it goes on doing so. It is a certificate of a server and no authority: who
//! trusts it trusts this key for these names and nothing else.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};

use crate::certified::{self, Certified};
use crate::date::DAY;
use crate::facts::Facts;
use crate::problem::Reason;
use crate::{pem, read};

/// How long it is valid. Browsers refuse certificates of more than 398 days; a shorter time would only mean that those who
/// trust it must be told to trust another one more often.
const LIFETIME: Duration = DAY.saturating_mul(365);

/// It is made anew when less than this is left, at start or while running, so that it never expires.
const RENEWED_BEFORE: Duration = DAY.saturating_mul(30);

/// It is valid a day before it was made, for clients whose clock is behind.
const BACKDATED: Duration = DAY;

/// Names that are taken over from the certificate before. Of hosts that came and went something has to go at some time.
const NAMES_OF_OTHERS_MAX: usize = 100;

/// Only its owner reads the directory; who has the key is the server.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Where a certificate of our own making is kept, and the names that it must speak for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SelfSigned {
    /// The directory; made when it is not there.
    pub directory: PathBuf,
    /// Names of hosts and addresses, wildcards among them.
    pub names: Vec<String>,
}

/// The certificate, and whether it was made just now.
#[derive(Debug)]
pub struct Obtained {
    /// The certificate with its key.
    pub certified: Certified,
    /// It was made just now.
    pub is_new: bool,
}

impl SelfSigned {
    /// The file of the certificate.
    pub fn certificate_file(&self) -> PathBuf {
        self.directory.join("self_signed.pem")
    }

    /// The file of its key.
    pub fn key_file(&self) -> PathBuf {
        self.directory.join("self_signed.key")
    }

    /// The one that is kept, if it fits: it speaks for all the names, has its key, and is valid for a while yet. Changes
    /// nothing.
    pub fn kept(&self, now: SystemTime) -> Option<Certified> {
        self.there().filter(|certified| self.fits(&certified.facts, now))
    }

    /// The one that lies there, with its key, whether it fits or not.
    fn there(&self) -> Option<Certified> {
        let chain = read::certificates(&self.certificate_file()).ok()?;
        let key = read::key(&self.key_file()).ok()?;
        certified::of(chain, key).ok()
    }

    /// Our names, and behind them the others of the one that lies there, as long as they are not too many.
    fn names_with(&self, there: Option<&Certified>) -> Vec<String> {
        let kept = there.into_iter().flat_map(|certified| certified.facts.names.shown());
        let others = kept.filter(|name| !self.names.contains(name)).take(NAMES_OF_OTHERS_MAX);
        self.names.iter().chain(others).cloned().collect()
    }

    /// Whether a certificate speaks for all the names, and is valid for a while yet.
    pub fn fits(&self, facts: &Facts, now: SystemTime) -> bool {
        now >= facts.not_before
            && facts.not_after.duration_since(now).is_ok_and(|left| left >= RENEWED_BEFORE)
            && self.names.iter().all(|name| facts.names.shown().contains(name))
    }

    /// The one that is kept, or a new one in its place, which speaks for the names of that one too: they may be those of
    /// another Weir with the same directory, and two that take each other's names away would do so for ever.
    ///
    /// # Errors
    /// It can't be written; then it would be another one at each start.
    pub fn obtain(&self, now: SystemTime) -> Result<Obtained, Reason> {
        let there = self.there();
        let names = self.names_with(there.as_ref());
        if let Some(certified) = there.filter(|certified| self.fits(&certified.facts, now)) {
            return Ok(Obtained { certified, is_new: false });
        }
        // A name that somebody else has put there may be none that we can write.
        let made = make(&names, now).or_else(|_| make(&self.names, now));
        let (certificate, key) = made.map_err(|error| Reason::Refused(error.to_string()))?;
        self.keep(&certificate, &key).map_err(|error| Reason::NotKept(error.to_string()))?;
        let certified = certified::of(pem::certificates(certificate.as_bytes())?, pem::key(key.as_bytes())?)?;
        Ok(Obtained { certified, is_new: true })
    }

    /// Both are written before either takes its place, so that a full disk changes nothing. What is left of a process that
    /// dies between the two is a certificate with another key, which is made anew.
    fn keep(&self, certificate: &str, key: &str) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(&self.directory)?;
        let key = Beside::write(self.key_file(), key)?;
        let certificate = Beside::write(self.certificate_file(), certificate)?;
        key.take_place()?;
        certificate.take_place()?;
        File::open(&self.directory)?.sync_all()
    }
}

/// A file that has been written beside the one whose place it is to take, and is gone unless it does.
struct Beside {
    path: PathBuf,
    place: PathBuf,
}

impl Beside {
    fn write(place: PathBuf, content: &str) -> io::Result<Self> {
        let beside = Self { path: place.with_added_extension(format!("{}.new", std::process::id())), place };
        // One that is left is of a process that died and had this number.
        let _ = fs::remove_file(&beside.path);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&beside.path)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        Ok(beside)
    }

    fn take_place(self) -> io::Result<()> {
        fs::rename(&self.path, &self.place)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // It is gone when it has taken its place.
        let _ = fs::remove_file(&self.path);
    }
}

/// A new certificate and its key, as PEM.
fn make(names: &[String], now: SystemTime) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Weir, self-signed");
    params.not_before = now.checked_sub(BACKDATED).unwrap_or(now).into();
    params.not_after = (now + LIFETIME).into();
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

#[cfg(test)]
mod tests;
