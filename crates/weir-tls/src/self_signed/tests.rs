//! A certificate of our own making is kept, used again while it fits, and made anew when it does not.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::facts::Fingerprint;

/// 2033-05-18
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000)
}

/// A directory for each test; its parent is removed at the end.
struct State(SelfSigned);

impl State {
    fn new(names: &[&str]) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let state = std::env::temp_dir().join(format!("weir-tls-state-{}-{number}", std::process::id()));
        let names = names.iter().map(ToString::to_string).collect();
        Self(SelfSigned { directory: state.join("certificates"), names })
    }

    fn obtain(&self, now: SystemTime) -> (bool, Fingerprint) {
        let obtained = self.0.obtain(now).unwrap();
        (obtained.is_new, obtained.certified.facts.fingerprint)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.directory.parent().unwrap());
    }
}

#[test]
fn it_says_what_a_client_asks_of_a_server() {
    let state = State::new(&["localhost", "a.test", "*.b.test", "127.0.0.1", "::1"]);
    let certified = state.0.obtain(now()).unwrap().certified;
    let facts = &certified.facts;
    assert_eq!(facts.names.to_string(), "localhost, a.test, *.b.test, 127.0.0.1, ::1");
    assert_eq!(facts.not_before, now() - DAY);
    assert_eq!(facts.not_after, now() + DAY * 365);
    assert_eq!(facts.key.to_string(), "ECDSA P-256");
    assert_eq!(
        (facts.subject.as_str(), facts.issuer.as_str()),
        ("CN=Weir\\, self-signed", "CN=Weir\\, self-signed")
    );
    let found = crate::chain::check(&certified.key.cert, &[], rustls::RootCertStore::empty, now());
    assert_eq!(found, []);
}

/// Whoever is told to trust it trusts it as rustls does: as its own authority, and for its names alone.
#[test]
fn a_client_that_trusts_it_believes_it_and_no_other_with_its_name() {
    use rustls::client::verify_server_cert_signed_by_trust_anchor as verify;
    use rustls::pki_types::UnixTime;
    use rustls::server::ParsedCertificate;

    let state = State::new(&["localhost"]);
    let der = state.0.obtain(now()).unwrap().certified.key.cert[0].clone();
    let mut trusted = rustls::RootCertStore::empty();
    trusted.add(der.clone()).unwrap();
    let verified = |der| {
        let certificate = ParsedCertificate::try_from(der).unwrap();
        let time = UnixTime::since_unix_epoch(Duration::from_secs(2_000_000_000));
        let algorithms = crate::provider::provider().signature_verification_algorithms.all;
        verify(&certificate, &trusted, &[], time, algorithms)
    };
    verified(&der).unwrap();
    let other = State::new(&["localhost"]);
    verified(&other.0.obtain(now()).unwrap().certified.key.cert[0]).unwrap_err();
}

#[test]
fn only_its_owner_reads_it() {
    let state = State::new(&["localhost"]);
    state.obtain(now());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state.0.directory), 0o700);
    assert_eq!(mode(&state.0.key_file()), 0o600);
    let left: Vec<_> =
        fs::read_dir(&state.0.directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn it_is_used_again_until_its_last_thirty_days() {
    let state = State::new(&["localhost"]);
    let (is_new, first) = state.obtain(now());
    assert!(is_new);
    assert_eq!(state.obtain(now()), (false, first));
    assert_eq!(state.obtain(now() + DAY * 335), (false, first));
    let (is_new, second) = state.obtain(now() + DAY * 336);
    assert!(is_new && second != first);
    // A clock that was ahead: what it made is not valid yet.
    let (is_new, third) = state.obtain(now());
    assert!(is_new && third != second);
}

#[test]
fn it_is_made_anew_for_a_name_that_it_lacks_and_kept_for_one_that_went() {
    let mut state = State::new(&["localhost", "a.test"]);
    let (_, first) = state.obtain(now());
    state.0.names.pop();
    assert_eq!(state.obtain(now()), (false, first));
    state.0.names.push("b.test".to_owned());
    let (is_new, second) = state.obtain(now());
    assert!(is_new && second != first);
}

/// Two Weirs with one `state` and different hosts made the certificate anew in turn, each because it lacked its own names, at
/// every look that the other one had made work for.
#[test]
fn two_with_one_directory_agree_on_a_certificate() {
    let first = State::new(&["localhost", "a.test"]);
    let second = State(SelfSigned {
        directory: first.0.directory.clone(),
        names: vec!["localhost".to_owned(), "b.test".to_owned(), "*.c.test".to_owned(), "::1".to_owned()],
    });
    first.obtain(now());
    let (is_new, both) = second.obtain(now());
    assert!(is_new);
    for _ in 0..3 {
        assert_eq!(first.obtain(now()), (false, both));
        assert_eq!(second.obtain(now()), (false, both));
    }
    let later = now() + DAY * 336;
    let (is_new, next) = first.obtain(later);
    assert!(is_new && next != both);
    assert_eq!(second.obtain(later), (false, next), "a renewal forgets nobody");
}

/// A host that comes and goes leaves its name, up to a number.
#[test]
fn names_of_others_are_bounded() {
    let state = State::new(&["localhost"]);
    let many = SelfSigned {
        directory: state.0.directory.clone(),
        names: (0..NAMES_OF_OTHERS_MAX + 10).map(|number| format!("{number}.test")).collect(),
    };
    many.obtain(now()).unwrap();
    let obtained = state.0.obtain(now()).unwrap();
    assert!(obtained.is_new);
    assert_eq!(obtained.certified.facts.names.shown().len(), 1 + NAMES_OF_OTHERS_MAX);
}

#[test]
fn what_is_broken_is_made_anew() {
    let state = State::new(&["localhost"]);
    let other = State::new(&["localhost"]);
    other.obtain(now());
    let breakages: [&dyn Fn(&SelfSigned); 5] = [
        &|own| fs::remove_file(own.key_file()).unwrap(),
        &|own| fs::remove_file(own.certificate_file()).unwrap(),
        &|own| fs::write(own.certificate_file(), "").unwrap(),
        &|own| fs::write(own.key_file(), "-----BEGIN PRIVATE KEY-----\n").unwrap(),
        // The process died between writing the one and the other.
        &|own| assert!(fs::copy(other.0.key_file(), own.key_file()).is_ok()),
    ];
    let (_, mut last) = state.obtain(now());
    for breakage in breakages {
        breakage(&state.0);
        assert!(state.0.kept(now()).is_none());
        let (is_new, next) = state.obtain(now());
        assert!(is_new && next != last);
        last = next;
    }
}

#[test]
fn what_can_not_be_written_leaves_nothing_behind() {
    let state = State::new(&["localhost"]);
    fs::create_dir_all(state.0.certificate_file().join("x")).unwrap();
    assert!(matches!(state.0.obtain(now()), Err(Reason::NotKept(_))));
    let left: Vec<_> = fs::read_dir(&state.0.directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.iter().all(|path| !path.display().to_string().ends_with(".new")), "{left:?}");
}

#[test]
fn what_a_dead_process_left_behind_is_no_hindrance() {
    let state = State::new(&["localhost"]);
    fs::create_dir_all(&state.0.directory).unwrap();
    let beside = state.0.key_file().with_added_extension(format!("{}.new", std::process::id()));
    fs::write(&beside, "half").unwrap();
    assert!(state.obtain(now()).0);
    assert!(!beside.exists());
}
