//! Files that are replaced, broken, removed and put back while they are watched. The clock is an argument, and a look is a
//! call, so nothing waits here.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use weir_tls::facts::Fingerprint;
use weir_tls::self_signed::SelfSigned;
use weir_tls::server::MinVersion;
use weir_tls::source::CertificateFiles;

use super::*;

/// 2033-05-18
fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000)
}

fn days(count: u32) -> Duration {
    date::DAY * count
}

/// A directory that is gone at the end of a test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("weir-watch-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file, each time longer than the last: tests are faster than the clock that files are stamped with.
    fn write(&self, name: &str, content: impl AsRef<str>) {
        static WRITTEN: AtomicUsize = AtomicUsize::new(1);
        let padding = "\n".repeat(100 * WRITTEN.fetch_add(1, Ordering::Relaxed));
        fs::write(self.file(name), content.as_ref().to_owned() + &padding).unwrap();
    }

    /// A new pair `a.pem` and `a.key`, valid for so many days.
    fn write_pair(&self, valid: u32) {
        let (certificate, key) = pair(valid);
        self.write("a.pem", certificate);
        self.write("a.key", key);
    }

    fn source(&self) -> ServerSource {
        let files =
            CertificateFiles { certificate: self.file("a.pem"), key: self.file("a.key"), issuer: None };
        ServerSource {
            certificates: Certificates::Files(vec![files]),
            min_version: MinVersion::default(),
            clients: None,
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn pair(valid: u32) -> (String, String) {
    let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    params.not_before = (start() - days(365)).into();
    params.not_after = (start() + days(valid)).into();
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn watched(source: ServerSource) -> Watched {
    let written = ListenTls { source, subject_header: None };
    let tls = ListenerTls::start("127.0.0.1:8443".to_owned(), &written, start()).unwrap();
    Watched::new(Arc::new(tls), start())
}

fn served(watched: &Watched) -> Fingerprint {
    watched.tls.current().choices()[0].certificate.fingerprint
}

/// Looks until something is done about what has changed; how often.
fn look_until_done(watched: &mut Watched) -> (usize, Look) {
    for count in 1..5 {
        match watched.look(start()) {
            Look::Changing => {}
            done => return (count, done),
        }
    }
    panic!("the files do not settle");
}

#[test]
fn a_new_pair_is_served_once_it_has_settled() {
    let directory = Directory::new();
    directory.write_pair(365);
    let mut watched = watched(directory.source());
    let first = served(&watched);
    assert_eq!(watched.look(start()), Look::Same);
    let held = watched.tls.current().choices()[0].config.clone();

    directory.write_pair(365);
    assert_eq!(watched.look(start()), Look::Changing);
    assert_eq!(served(&watched), first);
    assert_eq!(watched.look(start()), Look::Published);
    assert_ne!(served(&watched), first);
    assert_eq!(watched.look(start()), Look::Same);
    // A handshake that began before goes on with what it has.
    assert!(Arc::strong_count(&held) == 1);
}

/// A certificate and its key are two files, and somebody writes one after the other.
#[test]
fn half_a_change_is_waited_for() {
    let directory = Directory::new();
    directory.write_pair(365);
    let mut watched = watched(directory.source());
    let first = served(&watched);
    let (certificate, key) = pair(365);
    directory.write("a.pem", certificate);
    assert_eq!(watched.look(start()), Look::Changing);
    directory.write("a.key", key);
    assert_eq!(watched.look(start()), Look::Changing);
    assert_eq!(watched.look(start()), Look::Published);
    assert_ne!(served(&watched), first);
}

#[test]
fn a_bad_set_is_told_once_and_the_old_one_served_on() {
    let directory = Directory::new();
    directory.write_pair(365);
    let mut watched = watched(directory.source());
    let first = served(&watched);
    let bad: [(&str, &dyn Fn()); 5] = [
        ("lacks its chain", &|| {
            let authority = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new([]).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.distinguished_name.push(DnType::CommonName, "an authority");
            let issuer = Issuer::new(params, authority);
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
            directory.write("a.pem", params.signed_by(&key, &issuer).unwrap().pem());
            directory.write("a.key", key.serialize_pem());
        }),
        ("is not the key", &|| directory.write("a.key", pair(365).1)),
        ("can't be read", &|| fs::remove_file(directory.file("a.key")).unwrap()),
        ("holds no private key: it is empty", &|| directory.write("a.key", "")),
        ("has expired", &|| {
            let (certificate, key) = pair(0);
            directory.write("a.pem", certificate);
            directory.write("a.key", key);
        }),
    ];
    let now = start() + Duration::from_secs(1);
    for (said, change) in bad {
        change();
        assert_eq!(watched.look(now), Look::Changing, "{said}");
        let Look::Kept(problems) = watched.look(now) else { panic!("{said}: it was taken") };
        let shown: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert!(shown.iter().any(|shown| shown.contains(said)), "{said}: {shown:?}");
        for _ in 0..3 {
            assert_eq!(watched.look(now), Look::Same, "{said}: told again");
        }
        assert_eq!(served(&watched), first);
    }
    directory.write_pair(365);
    assert_eq!(look_until_done(&mut watched), (2, Look::Published));
    assert_ne!(served(&watched), first);
}

/// Next month's certificate is often installed before its time. It was refused, and then never read again, because the files
/// did not change any more: the old one expired before the eyes of the new.
#[test]
fn a_certificate_whose_time_has_not_come_is_served_when_it_has() {
    let directory = Directory::new();
    directory.write_pair(40);
    let mut watched = watched(directory.source());
    let first = served(&watched);
    let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    params.not_before = (start() + days(30)).into();
    params.not_after = (start() + days(90)).into();
    let key = KeyPair::generate().unwrap();
    directory.write("a.pem", params.self_signed(&key).unwrap().pem());
    directory.write("a.key", key.serialize_pem());
    let (_, Look::Kept(problems)) = look_until_done(&mut watched) else { panic!("it was taken") };
    assert!(matches!(problems[0].reason, Reason::NotYetValid { .. }), "{problems:?}");
    let just_before = start() + days(30) - Duration::from_secs(1);
    for now in [start() + RETRY_PAUSE, start() + days(29), just_before] {
        assert_eq!(watched.look(now), Look::Same, "told again");
        assert_eq!(served(&watched), first);
    }
    // A second later and not a minute.
    assert_eq!(watched.look(start() + days(30)), Look::Published);
    assert_ne!(served(&watched), first);
}

/// What could not be read for want of a descriptor, or for a fault of the disk, was not read again either: the files stay as
/// they are. Here the outcome of such a reading is put in place.
#[test]
fn what_could_not_be_read_is_read_again_a_minute_later() {
    let directory = Directory::new();
    directory.write_pair(365);
    let mut watched = watched(directory.source());
    let first = served(&watched);
    directory.write_pair(365);
    assert_eq!(watched.look(start()), Look::Changing);
    watched.stamps.use_seen();
    let problem = Problem {
        part: weir_tls::problem::Part::Key(0),
        file: directory.file("a.key"),
        reason: Reason::Unreadable("too many open files".to_owned()),
    };
    watched.failed = Some(Failed { at: start(), problems: vec![problem] });
    assert_eq!(watched.look(start() + RETRY_PAUSE - Duration::from_secs(1)), Look::Same);
    assert_eq!(served(&watched), first);
    assert_eq!(watched.look(start() + RETRY_PAUSE), Look::Published);
    assert_ne!(served(&watched), first);
}

#[test]
fn what_is_wrong_for_another_reason_than_before_is_told() {
    let directory = Directory::new();
    directory.write_pair(365);
    let mut watched = watched(directory.source());
    let (certificate, key) = pair(1);
    directory.write("a.pem", certificate);
    directory.write("a.key", pair(1).1);
    let (_, Look::Kept(problems)) = look_until_done(&mut watched) else { panic!("it was taken") };
    assert!(problems.iter().any(|problem| matches!(problem.reason, Reason::OtherKey(_))), "{problems:?}");
    assert_eq!(watched.look(start() + RETRY_PAUSE), Look::Same);
    // Nothing was written, but meanwhile the certificate has expired as well.
    let Look::Kept(problems) = watched.look(start() + days(2)) else { panic!("nothing was said") };
    assert!(matches!(&problems[..], [Problem { reason: Reason::Expired { .. }, .. }]), "{problems:?}");
    assert_eq!(watched.look(start() + days(3)), Look::Same, "it is only longer ago");
    // What is written is looked at whenever that is.
    directory.write("a.key", key);
    assert_eq!(look_until_done(&mut watched), (2, Look::Published));
}

/// As containers are given their secrets: a link to a directory, exchanged as a whole. Both have the same size, and may have
/// the same times.
#[test]
fn a_link_that_points_elsewhere_is_a_change() {
    let directory = Directory::new();
    for name in ["one", "two"] {
        fs::create_dir(directory.file(name)).unwrap();
        let (certificate, key) = pair(365);
        fs::write(directory.file(name).join("a.pem"), certificate).unwrap();
        fs::write(directory.file(name).join("a.key"), key).unwrap();
    }
    let link = |to: &str| {
        let _ = fs::remove_file(directory.file("data"));
        std::os::unix::fs::symlink(to, directory.file("data")).unwrap();
    };
    link("one");
    for name in ["a.pem", "a.key"] {
        std::os::unix::fs::symlink(Path::new("data").join(name), directory.file(name)).unwrap();
    }
    let mut watched = watched(directory.source());
    let first = served(&watched);
    link("two");
    assert_eq!(look_until_done(&mut watched), (2, Look::Published));
    assert_ne!(served(&watched), first);
    link("one");
    assert_eq!(look_until_done(&mut watched), (2, Look::Published));
    assert_eq!(served(&watched), first);
}

#[test]
fn files_that_never_rest_are_not_read() {
    let directory = Directory::new();
    directory.write_pair(365);
    let mut watched = watched(directory.source());
    for length in 1..10 {
        fs::write(directory.file("a.key"), "x".repeat(length)).unwrap();
        assert_eq!(watched.look(start()), Look::Changing);
    }
}

/// A look ended where files had changed. Somebody who wrote to one every second kept the first keys of session tickets in use
/// for ever, and an expiry from being told.
#[test]
fn files_that_never_rest_keep_no_old_keys_and_no_secret() {
    let directory = Directory::new();
    directory.write_pair(20);
    let mut watched = watched(directory.source());
    let tickets = || watched_tickets(&watched);
    let old = tickets().encrypt(b"session").unwrap();
    assert_eq!(tickets().decrypt(&old).unwrap(), b"session");
    for day in 1..=20 {
        directory.write("a.key", "x");
        assert_eq!(watched.look(start() + days(day)), Look::Changing);
    }
    assert_eq!(watched_tickets(&watched).decrypt(&old), None);
    assert_eq!(watched.warned.get(&directory.file("a.pem")), Some(&(start() + days(20))));
}

fn watched_tickets(watched: &Watched) -> Arc<dyn rustls::server::ProducesTickets> {
    Arc::clone(&watched.tls.current().choices()[0].config.ticketer)
}

#[test]
fn an_expiry_is_told_at_most_once_a_day() {
    let directory = Directory::new();
    directory.write_pair(20);
    let mut watched = watched(directory.source());
    let mut told = Vec::new();
    let hour = Duration::from_secs(3600);
    for hours in 0..24 * 22 {
        for (file, text) in watched.expiring(start() + hour * hours) {
            assert_eq!(file, directory.file("a.pem"));
            told.push((hours, text));
        }
    }
    // Six days after the start fourteen are left; from the next hour on it is said.
    let expected: Vec<u32> = (0..16).map(|day| 6 * 24 + 1 + day * 24).collect();
    assert_eq!(told.iter().map(|(hours, _)| *hours).collect::<Vec<_>>(), expected);
    assert!(told[0].1.starts_with("expires in 13 days, at 2033-06-07"), "{told:?}");
    assert!(told[15].1.starts_with("has expired"), "{told:?}");
}

#[test]
fn what_was_said_at_the_start_is_not_said_again_at_once() {
    let directory = Directory::new();
    directory.write_pair(5);
    let mut watched = watched(directory.source());
    assert_eq!(watched.expiring(start()), []);
    assert_eq!(watched.expiring(start() + days(1)).len(), 1);
}

fn own(directory: &Directory) -> (SelfSigned, ServerSource) {
    let own = SelfSigned { directory: directory.file("certificates"), names: vec!["localhost".to_owned()] };
    let source = ServerSource { certificates: Certificates::SelfSigned(own.clone()), ..directory.source() };
    (own, source)
}

#[test]
fn a_self_signed_certificate_is_renewed_while_running() {
    let directory = Directory::new();
    let mut watched = watched(own(&directory).1);
    let first = served(&watched);
    assert_eq!(watched.look(start() + days(335)), Look::Same);
    assert_eq!(watched.look(start() + days(336)), Look::Published);
    assert_ne!(served(&watched), first);
    assert_eq!(watched.look(start() + days(336)), Look::Same, "its own files are no change");
}

#[test]
fn a_renewal_that_fails_is_tried_again_a_minute_later() {
    let directory = Directory::new();
    let (own, source) = own(&directory);
    let mut watched = watched(source);
    let first = served(&watched);
    let now = start() + days(336);
    // A directory where the new certificate would go; also for whoever may write anywhere.
    fs::remove_file(own.certificate_file()).unwrap();
    fs::create_dir(own.certificate_file()).unwrap();
    fs::write(own.certificate_file().join("x"), "").unwrap();
    assert_eq!(watched.look(now), Look::Changing);
    assert!(matches!(watched.look(now), Look::Kept(_)));
    // What was half written is no change, so there is peace.
    let mut looks = 0;
    while watched.look(now) != Look::Same {
        looks += 1;
        assert!(looks < 8, "it is tried again and again");
    }
    fs::remove_dir_all(own.certificate_file()).unwrap();
    let later = now + RETRY_PAUSE;
    let mut looks = 0;
    while watched.look(later) != Look::Published {
        looks += 1;
        assert!(looks < 8, "it is never tried again");
    }
    assert_ne!(served(&watched), first);
}

#[test]
fn what_can_be_told_of_certificates_is_told() {
    let directory = Directory::new();
    directory.write_pair(20);
    let watched = watched(directory.source());
    let status = watched.tls.status();
    assert_eq!(status.len(), 1);
    assert_eq!(status[0].listener, "127.0.0.1:8443");
    assert_eq!(status[0].file, directory.file("a.pem").display().to_string());
    assert_eq!(status[0].names, ["a.test"]);
    assert_eq!(status[0].key, "ECDSA P-256");
    assert_eq!(status[0].expires_seconds, 2_000_000_000 + 20 * 86_400);
    assert_eq!(status[0].begins_seconds, 2_000_000_000 - 365 * 86_400);
}

#[test]
fn a_start_with_wrong_files_says_what_is_wrong() {
    let directory = Directory::new();
    directory.write_pair(0);
    let written = ListenTls { source: directory.source(), subject_header: None };
    let error = ListenerTls::start("[::1]:1".to_owned(), &written, start() + days(1)).unwrap_err();
    let shown = error.to_string().replace(&format!("{}/", directory.0.display()), "");
    assert_eq!(
        shown,
        "`[::1]:1` can't serve TLS\n`a.pem` has expired: it was valid until 2033-05-18 03:33 UTC, 24 hours ago\n\n\
         hint: renew it"
    );
}
