//! What each listener serves with TLS, and the task that looks whether its files have changed.
//!
//! A listener's certificates are published: handshakes read what is current, one task writes it. Files are looked at every few
//! seconds rather than watched by the system, because that also works where they lie on another machine, behind links, or in a
//! directory that is exchanged as a whole. A change is used when two looks in a row have seen the same, so that a certificate
//! and its key that are written one after the other are taken together. Connections keep what they began with.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use arc_swap::{ArcSwap, Guard};
use tokio::time::MissedTickBehavior;
use weir_config::model::ListenTls;
use weir_core::ports::CertificateStatus;
use weir_tls::chain;
use weir_tls::date;
use weir_tls::problem::{Problem, Reason};
use weir_tls::server::{Choice, ServerTls};
use weir_tls::source::{Certificates, Loaded, ServerSource};

use super::clock::time_of_day;
use super::settling::{Settling, Sight};

/// How often files are looked at. What is new is served after at most two of these; a look costs a few microseconds per file.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// How often it is said again that a certificate expires soon.
const WARN_INTERVAL: Duration = date::DAY;

/// How long files are left alone that were wrong. They may become right without a change: a certificate whose time has not
/// come, a disk or a table of descriptors that was full. Nothing is said when the reasons stay the same.
const RETRY_PAUSE: Duration = Duration::from_secs(60);

/// Why a listener has nothing to serve with.
#[derive(Debug)]
pub struct CertificateError {
    /// The listener's address.
    pub listener: String,
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` can't serve TLS", self.listener)?;
        for problem in self.problems.iter().filter(|problem| problem.reason.is_error()) {
            write!(f, "\n{problem}")?;
        }
        match self.problems.iter().find_map(|problem| problem.reason.hint()) {
            Some(hint) => write!(f, "\n\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for CertificateError {}

/// TLS of all listeners that are open.
pub type ServedTls = ArcSwap<Vec<Arc<ListenerTls>>>;

/// TLS of a listener: what all workers share of it.
#[derive(Debug)]
pub struct ListenerTls {
    listener: String,
    source: ServerSource,
    /// How the files were when they were first read.
    read: Vec<Stamp>,
    current: ArcSwap<ServerTls>,
    /// The field in which the subject of a client's certificate is passed on.
    pub subject_header: Option<Box<str>>,
}

impl ListenerTls {
    /// Reads what a listener serves, and makes a self-signed certificate where one is wanted.
    ///
    /// # Errors
    /// Files are wrong; they were fine when the configuration was checked.
    pub fn start(listener: String, written: &ListenTls, now: SystemTime) -> Result<Self, CertificateError> {
        // Before the files are read: what changes between that and the first look must be seen by it.
        let mut read: Vec<_> = written.source.files().iter().map(stamp).collect();
        let loaded = match written.source.load(None, now) {
            Ok(loaded) => loaded,
            Err(problems) => return Err(CertificateError { listener, problems }),
        };
        if let Certificates::SelfSigned(_) = written.source.certificates {
            // What was written is our own doing and no change.
            read = written.source.files().iter().map(stamp).collect();
        }
        let tls = Self {
            listener,
            source: written.source.clone(),
            read,
            subject_header: written.subject_header.clone(),
            current: ArcSwap::from_pointee(loaded.tls),
        };
        tls.tell_self_signed(loaded.is_new);
        Ok(tls)
    }

    /// What the files hold now, if that is another thing than what is served.
    ///
    /// # Errors
    /// Files are wrong; what is served is served on.
    pub(super) fn renewal(of: &Arc<Self>, now: SystemTime) -> Result<Option<Renewal>, CertificateError> {
        let error = |problems| CertificateError { listener: of.listener.clone(), problems };
        let loaded = of.source.load(Some(&of.current()), now).map_err(error)?;
        let is_another = !loaded.tls.is_same(&of.current());
        Ok(is_another.then(|| Renewal { of: Arc::clone(of), loaded }))
    }

    /// What is served at this moment. Takes no lock; hold it for a handshake, not longer.
    pub fn current(&self) -> Guard<Arc<ServerTls>> {
        self.current.load()
    }

    /// What can be told of its certificates.
    pub(super) fn status(&self) -> Vec<CertificateStatus> {
        let of = |choice: &Arc<Choice>| CertificateStatus {
            listener: self.listener.clone(),
            file: choice.file.display().to_string(),
            names: choice.certificate.names.shown().to_vec(),
            issuer: choice.certificate.issuer.clone(),
            key: choice.certificate.key.to_string(),
            fingerprint: choice.certificate.fingerprint.to_string(),
            begins_seconds: date::unix_seconds(choice.certificate.not_before),
            expires_seconds: date::unix_seconds(choice.certificate.not_after),
        };
        self.current().choices().iter().map(of).collect()
    }

    /// A certificate that nobody else knows is told with its fingerprint, so that a person can compare it.
    fn tell_self_signed(&self, is_new: bool) {
        if let Certificates::SelfSigned(_) = self.source.certificates {
            for choice in self.current().choices() {
                tracing::info!(
                    listener = %self.listener,
                    file = %choice.file.display(),
                    sha256 = %choice.certificate.fingerprint,
                    is_new,
                    "a self-signed certificate is served"
                );
            }
        }
    }
}

/// Something else to serve at a listener.
#[derive(Debug)]
pub(super) struct Renewal {
    of: Arc<ListenerTls>,
    loaded: Loaded,
}

impl Renewal {
    /// Serves it from now on.
    pub(super) fn serve(self) {
        let Self { of, loaded } = self;
        of.current.store(Arc::new(loaded.tls));
        of.tell_self_signed(loaded.is_new);
    }
}

/// Looks at the files of all listeners, whichever those are, for as long as somebody else holds them.
pub(super) async fn watch(served: Weak<ServedTls>) {
    let mut watched: Vec<Watched> = Vec::new();
    let mut interval = tokio::time::interval(LOOK_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Some(listeners) = served.upgrade().map(|served| served.load_full()) else { return };
        watched.retain(|it| listeners.iter().any(|tls| Arc::ptr_eq(tls, &it.tls)));
        for tls in &*listeners {
            if !watched.iter().any(|it| Arc::ptr_eq(tls, &it.tls)) {
                watched.push(Watched::new(Arc::clone(tls), time_of_day()));
            }
        }
        for listener in &mut watched {
            listener.look(time_of_day());
        }
    }
}

/// How a file was when it was looked at; `None` when it was not there.
type Stamp = Option<(PathBuf, [u64; 2], [i64; 4], u64)>;

fn stamp(file: &PathBuf) -> Stamp {
    // The path behind all links first: a link that points elsewhere is another file, whatever that one looks like.
    let path = fs::canonicalize(file).ok()?;
    let data = fs::metadata(&path).ok()?;
    let times = [data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec()];
    Some((path, [data.dev(), data.ino()], times, data.size()))
}

/// What a look has found.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// Nothing new, or what was wrong is wrong still.
    Same,
    /// Files have changed since the last look, and may not be done yet.
    Changing,
    /// Something new is served.
    Published,
    /// What is new is wrong, for these reasons, of which nothing was said yet; what was served is served on.
    Kept(Vec<Problem>),
}

/// A listener whose files are looked at.
struct Watched {
    tls: Arc<ListenerTls>,
    files: Vec<PathBuf>,
    /// How the files are, and how they were when they were last read.
    stamps: Settling<Vec<Stamp>>,
    /// When it was last said of a certificate that it expires soon.
    warned: HashMap<PathBuf, SystemTime>,
    /// Why what the files hold is not served.
    failed: Option<Failed>,
}

/// Files that were wrong.
struct Failed {
    at: SystemTime,
    problems: Vec<Problem>,
}

impl Failed {
    /// Whether it is time to read them again: after a pause, or as soon as the time of a certificate has come.
    fn is_over(&self, now: SystemTime) -> bool {
        // A clock that was set back says nothing about how long ago that was.
        let is_long_ago =
            now.duration_since(self.at).is_ok_and(|passed| passed >= RETRY_PAUSE) || now < self.at;
        is_long_ago
            || self.problems.iter().any(|problem| {
                matches!(problem.reason, Reason::NotYetValid { not_before, .. } if self.at < not_before && not_before <= now)
            })
    }

    /// Whether this was wrong then too.
    fn knows(&self, problem: &Problem) -> bool {
        let is_same = |reason: &Reason| match (reason, &problem.reason) {
            // They say how long ago that was, and how long it is until then.
            (Reason::Expired { position: one, .. }, Reason::Expired { position: other, .. }) => one == other,
            (Reason::ExpiresSoon { .. }, Reason::ExpiresSoon { .. }) => true,
            (one, other) => one == other,
        };
        self.problems
            .iter()
            .any(|known| known.part == problem.part && known.file == problem.file && is_same(&known.reason))
    }
}

impl Watched {
    /// Begins to watch. What is to be said about the certificates at the start has been said with the configuration.
    fn new(tls: Arc<ListenerTls>, now: SystemTime) -> Self {
        let files = tls.source.files();
        let stamps = Settling::new(tls.read.clone());
        let mut watched = Self { tls, files, stamps, warned: HashMap::new(), failed: None };
        watched.expiring(now);
        watched
    }

    fn look(&mut self, now: SystemTime) -> Look {
        // First, because files that change all the time must not keep old keys in use, nor an expiry secret.
        if let Err(error) = self.tls.current().roll_tickets(now) {
            tracing::warn!(listener = %self.tls.listener, %error, "the keys of session tickets can't be changed");
        }
        for (file, expiry) in self.expiring(now) {
            tracing::warn!(listener = %self.tls.listener, file = %file.display(), "a certificate {expiry}");
        }
        match self.stamps.look(self.files.iter().map(stamp).collect()) {
            Sight::Changing => Look::Changing,
            Sight::Settled => {
                // What is wrong now is wrong with other files, and worth a word.
                self.failed = None;
                self.reload(now)
            }
            Sight::Same => {
                let is_due = match &self.failed {
                    Some(failed) => failed.is_over(now),
                    None => self.renewal_is_due(now),
                };
                if is_due { self.reload(now) } else { Look::Same }
            }
        }
    }

    fn reload(&mut self, now: SystemTime) -> Look {
        // Before the files are read: what changes meanwhile is seen by the next look.
        self.stamps.use_seen();
        let loaded = self.tls.source.load(Some(&self.tls.current()), now);
        if let Certificates::SelfSigned(_) = self.tls.source.certificates {
            // What was written, or half written, is our own doing and no change.
            self.stamps.own(self.files.iter().map(stamp).collect());
        }
        let listener = &self.tls.listener;
        match loaded {
            Ok(Loaded { tls, warnings, is_new }) => {
                for choice in tls.choices() {
                    tracing::info!(
                        %listener,
                        file = %choice.file.display(),
                        sha256 = %choice.certificate.fingerprint,
                        "a certificate was read anew"
                    );
                }
                for problem in warnings {
                    tracing::warn!(%listener, "{problem}");
                }
                self.tls.current.store(Arc::new(tls));
                self.warned.clear();
                self.expiring(now);
                self.failed = None;
                self.tls.tell_self_signed(is_new);
                Look::Published
            }
            Err(problems) => {
                let is_known =
                    |problem: &&Problem| self.failed.as_ref().is_some_and(|failed| failed.knows(problem));
                let new: Vec<_> = problems.iter().filter(|problem| !is_known(problem)).cloned().collect();
                for problem in &new {
                    let hint = problem.reason.hint();
                    tracing::warn!(%listener, hint, "{problem}; what was served before is served on");
                }
                self.failed = Some(Failed { at: now, problems });
                if new.is_empty() { Look::Same } else { Look::Kept(new) }
            }
        }
    }

    fn renewal_is_due(&self, now: SystemTime) -> bool {
        let Certificates::SelfSigned(source) = &self.tls.source.certificates else { return false };
        let current = self.tls.current();
        current.choices().iter().any(|choice| !source.fits(&choice.certificate, now))
    }

    /// Certificates of which it is time to say that they expire soon, or have; notes that it was said.
    fn expiring(&mut self, now: SystemTime) -> Vec<(PathBuf, String)> {
        let mut found = Vec::new();
        for choice in self.tls.current().choices() {
            let Some(reason) = chain::validity(&choice.certificate, 1, now) else { continue };
            let said = self.warned.get(&choice.file);
            let is_new =
                said.is_none_or(|said| now.duration_since(*said).is_ok_and(|passed| passed >= WARN_INTERVAL));
            if is_new {
                self.warned.insert(choice.file.clone(), now);
                found.push((choice.file.clone(), reason.to_string()));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests;
