//! What `weir check` says of `tls` of an upstream and of the files that it names.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};

use crate::load;
use crate::model::Model;

/// A directory with `ca.pem`, its `ca.key`, and the key of somebody else, `other.key`; gone at the end of the test.
struct Files(PathBuf);

impl Files {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("weir-config-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        let files = Self(directory);
        files.write("ca.pem", &cert.pem());
        files.write("ca.key", &signing_key.serialize_pem());
        files.write("both.pem", &format!("{}{}", cert.pem(), signing_key.serialize_pem()));
        files.write("other.key", &KeyPair::generate().unwrap().serialize_pem());
        files.write("empty.pem", "");
        files
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).unwrap();
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The model, and all problems as `column severity message | hint`. Columns count in the whole line of the upstream.
fn outcome(upstream: &str) -> (Option<Model>, Vec<String>) {
    outcome_at(1_795_262_400, upstream)
}

/// The same at this moment, in seconds since 1970.
fn outcome_at(seconds: u64, upstream: &str) -> (Option<Model>, Vec<String>) {
    let files = Files::new();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let text = format!("services: [{{host: a, upstream: u}}]\nupstreams:\n  u: {{{upstream}}}\n");
    let (model, report) = match load::parse_at(now, "t", text.as_bytes(), &|_| None, &files.0) {
        Ok(loaded) => (Some(loaded.model), loaded.warnings),
        Err(report) => (None, report),
    };
    let directory = format!("{}/", files.0.display());
    let shown = report.problems().iter().map(|problem| {
        let column = report.source().position(problem.span.unwrap_or_default().start).column;
        let hint = problem.hint.as_deref().unwrap_or_default();
        format!("{column} {} {} | {hint}", problem.severity.name(), problem.message).replace(&directory, "")
    });
    (model, shown.collect())
}

/// `tls` of an upstream with one server; its value begins in column 41.
fn check(tls: &str, expected: &[&str]) {
    check_upstream(&format!("servers: ['https://a.test'], tls: {{{tls}}}"), expected);
}

fn check_upstream(upstream: &str, expected: &[&str]) {
    let (model, problems) = outcome(upstream);
    assert_eq!(problems.len(), expected.len(), "{upstream}: {problems:#?}");
    for (problem, part) in problems.iter().zip(expected) {
        let fits = part.split(" … ").all(|part| problem.contains(part));
        assert!(fits, "{upstream}: {problem:?} has not {part:?}");
    }
    assert_eq!(model.is_some(), problems.iter().all(|problem| problem.contains(" warning ")), "{upstream}");
}

#[test]
fn what_is_written_right_is_taken() {
    check("ca: ca.pem", &[]);
    check("ca: ca.pem, verify: full, server_name: b.test, min_version: 1.3", &[]);
    check("ca: ca.pem, server_name: 10.0.0.1, min_version: '1.2'", &[]);
    check("ca: ca.pem, certificate: ca.pem, key: ca.key", &[]);
    check("ca: ca.pem, certificate: both.pem", &[]);
    check_upstream(
        "servers: ['https://a.test', 'http://b.test', 'c.test:80', 'unix:x'], tls: {ca: ca.pem}",
        &[],
    );
    let (model, _) = outcome("servers: ['https://a.test', 'http://b.test'], tls: {ca: ca.pem}");
    let upstream = &model.unwrap().upstreams[0];
    assert!(upstream.servers[0].target.is_some() && upstream.servers[1].target.is_none());
    assert!(upstream.tls.is_some());
    assert!(outcome("servers: ['a.test:80']").0.unwrap().upstreams[0].tls.is_none());
}

#[test]
fn verify_none_is_warned_of() {
    check("verify: none", &["50 warning whoever answers is believed … | name their authority"]);
    check("verify: none, server_name: b.test", &["warning whoever answers"]);
    check(
        "verify: none, ca: ca.pem",
        &["60 error `ca` stands beside `verify: none` … | take `verify: none` away"],
    );
    check("verify: no", &["50 error `no` is no way to verify servers | write `full` or `none`"]);
    check("verify: false", &["50 error `false` is no way to verify servers | write `full` or `none`"]);
}

#[test]
fn tls_without_a_server_that_speaks_it_is_an_error() {
    check_upstream(
        "servers: ['http://a.test', 'b.test:443'], tls: {ca: ca.pem}",
        &["54 error `tls` is about servers with `https://`, and there is none | write `https://…` for those"],
    );
    // Perhaps it was the one that could not be read.
    check_upstream("servers: ['https://', 'b.test:443'], tls: {ca: ca.pem}", &["is not a server"]);
    check_upstream(
        "servers: [{address: 'https://a.test', tls: {}}]",
        &["error unknown key `tls` | `tls` is a key of `listener`, `upstream` or `jwks`, not of `server`"],
    );
}

#[test]
fn files_are_read_and_what_is_wrong_with_them_is_told_where_they_are_named() {
    check("ca: missing.pem", &["46 error `missing.pem` can't be read: No such file"]);
    check("ca: ca.key", &["46 error `ca.key` holds no certificate, but a private key"]);
    check("ca: empty.pem", &["46 error `empty.pem` holds no certificate: it is empty"]);
    check("ca: .", &["46 error … is not a file"]);
    check("ca: ca.pem, certificate: missing.pem, key: ca.key", &["67 error `missing.pem` can't be read"]);
    check(
        "ca: ca.pem, certificate: missing.pem, key: gone.key",
        &["67 error `missing.pem` can't be read", "85 error `gone.key` can't be read"],
    );
    check("ca: ca.pem, certificate: ca.pem, key: other.key", &["80 error `other.key` … "]);
    check("ca: ca.pem, certificate: ca.pem", &["67 error `ca.pem` holds no private key, but a certificate"]);
    check("ca: ca.pem, key: ca.key", &["59 error `key` stands without its `certificate`"]);
    // All of it at once.
    check("ca: missing.pem, key: ca.key", &["46 error", "64 error"]);
}

#[test]
fn names_and_versions_are_checked() {
    check("ca: ca.pem, server_name: 'a b'", &["67 error `a b` is not the name of a server"]);
    check("ca: ca.pem, server_name: 'a.test:443'", &["67 error … without a port"]);
    check("ca: ca.pem, server_name: '*.a.test'", &["67 error"]);
    check("ca: ca.pem, min_version: 1.1", &["67 error `1.1` is no version of TLS | … `1.2`"]);
    check("cert: ca.pem", &["42 error unknown key `cert`"]);
}

/// Servers would refuse it. What the authorities of servers say of their time is asked at each handshake.
#[test]
fn a_certificate_of_ours_that_has_expired_is_an_error() {
    /// 4096-01-01, until when the certificates of these tests are valid.
    const END: u64 = 67_090_118_400;
    const DAY: u64 = 86400;
    let check = |seconds, expected: &[&str]| {
        let upstream = "servers: ['https://a.test'], tls: {ca: ca.pem, certificate: both.pem}";
        let (_, problems) = outcome_at(seconds, upstream);
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
        assert!(problems.iter().zip(expected).all(|(problem, part)| problem.contains(part)), "{problems:#?}");
    };
    check(END - 20 * DAY, &[]);
    check(END - 2 * DAY, &["67 warning `both.pem` expires in"]);
    check(END + 2 * DAY, &["67 error `both.pem` has expired: it was valid until 4096-01-01"]);
    check(0, &["67 error `both.pem` is not valid before 1975"]);
}

#[test]
fn a_key_is_never_shown() {
    let (model, problems) =
        outcome("servers: ['https://a.test'], tls: {ca: both.pem, certificate: both.pem}");
    assert!(problems.is_empty(), "{problems:?}");
    let shown = format!("{:?}", model.unwrap());
    assert!(!shown.contains("PRIVATE"), "{shown}");
    let (_, problems) =
        outcome("servers: ['https://a.test'], tls: {ca: ca.pem, certificate: ca.pem, key: other.key}");
    assert!(!problems[0].contains("PRIVATE") && problems[0].len() < 300, "{problems:?}");
}
