//! `tls` of listeners: what is written, and what is wrong with the files that it names.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use weir_tls::client::ClientMode;
use weir_tls::server::MinVersion;

use super::*;
use crate::load::{self, Loaded};
use crate::report::Report;

/// 2033-05-18
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000)
}

/// A directory with certificates, gone at the end of a test.
struct Directory(PathBuf);

impl Directory {
    /// With `a.pem`, `a.key`, `b.pem`, `b.key`, `old.pem`, `old.key` (expired), `soon.pem`, `soon.key` (expires in ten days),
    /// `lone.pem`, `lone.key` (without its chain) and `ca.pem`.
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("weir-config-tls-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        let directory = Self(path);
        let days = |days: u64| Duration::from_secs(days * 86_400);
        directory.self_signed("a", now() + days(1000));
        directory.self_signed("b", now() + days(1000));
        directory.self_signed("old", now() - days(12));
        directory.self_signed("soon", now() + days(10));
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Our CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        directory.write("ca.pem", &params.self_signed(&key).unwrap().pem());
        let (ca, key) = (Issuer::new(params, key), KeyPair::generate().unwrap());
        let lone =
            CertificateParams::new(vec!["lone.test".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
        directory.write("lone.pem", &lone.pem());
        directory.write("lone.key", &key.serialize_pem());
        directory
    }

    fn self_signed(&self, name: &str, not_after: SystemTime) {
        let mut params = CertificateParams::new(vec![format!("{name}.test")]).unwrap();
        params.not_after = not_after.into();
        let key = KeyPair::generate().unwrap();
        self.write(&format!("{name}.pem"), &params.self_signed(&key).unwrap().pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.0.join(name), content).unwrap();
    }

    fn parse(&self, text: &str) -> Result<Loaded, Report> {
        load::parse_at(now(), "weir.yaml", text.as_bytes(), &|_| None, &self.0)
    }

    /// Without the name of this directory, which differs each time.
    fn shortened(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.display()), "")
    }

    /// A file with one listener that has this `tls`.
    fn listener(&self, tls: &str) -> Result<Loaded, Report> {
        self.parse(&format!("listen: {{address: :8443, tls: {tls}}}\nservices: [{{host: a, respond: {{}}}}]"))
    }

    /// Parts of the problems as `place severity: message | hint`, in order.
    fn check(&self, tls: &str, expected: &[&str]) {
        let report = self.listener(tls).map_or_else(|report| report, |loaded| loaded.warnings);
        let shown: Vec<String> = report
            .problems()
            .iter()
            .map(|problem| {
                let span = problem.span.unwrap();
                let place = &report.source().text()[span.start..span.end];
                let (severity, hint) = (problem.severity.name(), problem.hint.as_deref().unwrap_or_default());
                self.shortened(&format!("{place} {severity}: {} | {hint}", problem.message))
            })
            .collect();
        assert_eq!(shown.len(), expected.len(), "{tls}: {shown:#?}");
        for (problem, part) in shown.iter().zip(expected) {
            let fits = part.split(" … ").all(|part| problem.contains(part));
            assert!(fits, "{tls}: {problem:?} has not {part:?}");
        }
    }

    fn model(&self, tls: &str) -> ListenTls {
        let loaded = self.listener(tls).unwrap_or_else(|report| panic!("{tls}: {report}"));
        loaded.model.listen[0].tls.clone().unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn certificates_are_written_in_two_ways() {
    let directory = Directory::new();
    let file = |name: &str| directory.0.join(name);
    let files = |name: &str| CertificateFiles {
        certificate: file(&format!("{name}.pem")),
        key: file(&format!("{name}.key")),
        issuer: None,
    };
    let short = directory.model("{certificate: a.pem, key: a.key}");
    assert_eq!(short.source.certificates, Certificates::Files(vec![files("a")]));
    assert_eq!((short.source.min_version, &short.source.clients), (MinVersion::Tls12, &None));
    let long = directory
        .model("{certificates: [{certificate: b.pem, key: b.key}, {certificate: a.pem, key: a.key}]}");
    assert_eq!(long.source.certificates, Certificates::Files(vec![files("b"), files("a")]));
    let issuer = directory.model("{certificate: lone.pem, key: lone.key, issuer: ca.pem, min_version: 1.3}");
    let lone = CertificateFiles { issuer: Some(file("ca.pem")), ..files("lone") };
    assert_eq!(issuer.source.certificates, Certificates::Files(vec![lone]));
    assert_eq!(issuer.source.min_version, MinVersion::Tls13);
    directory.write(
        "both.pem",
        &(fs::read_to_string(file("a.pem")).unwrap() + &fs::read_to_string(file("a.key")).unwrap()),
    );
    let both = CertificateFiles { certificate: file("both.pem"), key: file("both.pem"), issuer: None };
    assert_eq!(
        directory.model("{certificate: both.pem}").source.certificates,
        Certificates::Files(vec![both])
    );
}

#[test]
fn certificates_of_clients_are_written_beside_them() {
    let directory = Directory::new();
    let tls = |client: &str| format!("{{certificate: a.pem, key: a.key, client: {client}}}");
    let model = directory.model(&tls("{ca: ca.pem}"));
    let clients = model.source.clients.unwrap();
    assert_eq!((clients.mode, clients.authorities), (ClientMode::Require, directory.0.join("ca.pem")));
    assert_eq!((clients.revocation_lists, model.subject_header), (None, None));
    let model = directory.model(&tls("{ca: ca.pem, mode: request, subject_header: X-Subject}"));
    assert_eq!(model.source.clients.unwrap().mode, ClientMode::Request);
    assert_eq!(model.subject_header.as_deref(), Some("X-Subject"));
    directory.check(&tls("{mode: require}"), &["`client certificates` needs `ca`"]);
    directory.check(&tls("{ca: none.pem}"), &["none.pem error: `none.pem` can't be read: No such file"]);
    directory.check(&tls("{ca: a.key}"), &["a.key error: `a.key` holds no certificate, but a private key"]);
    directory.check(&tls("{ca: ca.pem, crl: a.pem}"), &["a.pem error: `a.pem` holds no revocation list"]);
    directory
        .check(&tls("{ca: ca.pem, subject_header: Via}"), &["`Via` means something else … X-Client-Subject"]);
    directory.check(&tls("{ca: ca.pem, subject_header: Host}"), &["`Host` is not changed like other fields"]);
    directory.check(&tls("{ca: ca.pem, subject_header: 'a b'}"), &["error"]);
    directory
        .check(&tls("{ca: ca.pem, mode: optional}"), &["`optional` is no mode … `require` or `request`"]);
}

#[test]
fn contradictions_are_told_at_their_place() {
    let directory = Directory::new();
    directory.check(
        "{}",
        &["{} error: `tls` names no certificate | write `certificate: FILE` and … `self_signed: true`"],
    );
    directory.check("{self_signed: false}", &["`tls` names no certificate"]);
    directory.check("{min_version: 1.3}", &["`tls` names no certificate"]);
    directory.check("{key: a.key}", &["key error: `key` stands here without `certificate`"]);
    directory.check(
        "{certificate: a.pem, key: a.key, self_signed: true}",
        &["certificate error: `certificate` stands beside `self_signed: true`"],
    );
    directory.check(
        "{self_signed: true, certificates: [{certificate: a.pem, key: a.key}]}",
        &["`certificates` stands beside"],
    );
    directory.check(
        "{certificates: [{certificate: a.pem, key: a.key}], key: b.key}",
        &["key error: `key` stands beside `certificates` | move it into"],
    );
    directory.check(
        "{certificates: [{certificate: a.pem, key: a.key}, {certificate: a.pem, key: a.key}]}",
        &["a.pem error: this certificate stands twice here"],
    );
    // What was misread is not missing as well, and no file is asked about.
    directory.check("{certificat: none.pem, key: a.key}", &["did you mean `certificate`?"]);
    directory.check("{certificate: none.pem, key: a.key, min_version: 1.1}", &["`1.1` is no version of TLS"]);
    directory.check("{certificate: '-----BEGIN CERTIFICATE-----'}", &["content of a file, not its name"]);
    directory.check("on", &["expected a mapping (`listener tls`), found"]);
}

#[test]
fn what_is_wrong_with_files_is_told_at_their_place() {
    let directory = Directory::new();
    directory.check(
        "{certificate: a.pem, key: b.key}",
        &["b.key error: `b.key` is not the key of the certificate"],
    );
    directory.check(
        "{certificate: a.key, key: a.pem}",
        &[
            "a.key error: `a.key` holds no certificate … exchanged?",
            "a.pem error: `a.pem` holds no private key",
        ],
    );
    // Without `key` it is the file of the certificate that lacks one.
    directory.check(
        "{certificate: a.pem}",
        &["a.pem error: `a.pem` holds no private key, but a certificate | name the file of the key with `key`"],
    );
    directory.check(
        "{certificate: old.pem, key: old.key}",
        &["old.pem error: `old.pem` has expired: it was valid until 2033-05-06 03:33 UTC, 12 days ago | renew it"],
    );
    directory.check(
        "{certificate: soon.pem, key: soon.key}",
        &["soon.pem warning: `soon.pem` expires in 10 days"],
    );
    directory.check(
        "{certificate: lone.pem, key: lone.key}",
        &["lone.pem error: `lone.pem` lacks its chain: it was signed by `CN=Our CA`, … `issuer`"],
    );
    directory.check(
        "{certificate: lone.pem, key: lone.key, issuer: a.key}",
        &["a.key error: `a.key` holds no certificate"],
    );
    directory.check(
        "{certificates: [{certificate: a.pem, key: a.key}, {certificate: none.pem, key: gone.key}]}",
        &["none.pem error: `none.pem` can't be read", "gone.key error: `gone.key` can't be read"],
    );
}

/// What a person sees who has made several mistakes.
#[test]
fn all_mistakes_are_shown_with_their_places() {
    let directory = Directory::new();
    let text = "\
listen:
  - :8080
  - address: :8443
    tls:
      certificates:
        - {certificate: a.pem, key: b.key}
        - certificate: old.pem
          key: old.key
      client: {ca: missing.pem}
services:
  - {host: a, respond: {}}
";
    let report = directory.parse(text).unwrap_err().to_string();
    let expected = "\
error: `b.key` is not the key of the certificate
 --> weir.yaml:6:37
  |
6 |         - {certificate: a.pem, key: b.key}
  |                                     ^^^^^

hint: name the key that the certificate was requested with

error: `old.pem` has expired: it was valid until 2033-05-06 03:33 UTC, 12 days ago
 --> weir.yaml:7:24
  |
7 |         - certificate: old.pem
  |                        ^^^^^^^

hint: renew it

error: `missing.pem` can't be read: No such file or directory (os error 2)
 --> weir.yaml:9:20
  |
9 |       client: {ca: missing.pem}
  |                    ^^^^^^^^^^^
";
    assert_eq!(directory.shortened(&report), expected);
}

#[test]
fn a_self_signed_certificate_names_what_clients_may_ask_for() {
    let directory = Directory::new();
    let text = "\
listen: [{address: '[::]:1', tls: {self_signed: true}}, {address: 192.0.2.7:2, tls: {self_signed: true}}, 127.0.0.1:3]
state: var
services:
- {host: [B.example.com, '*.example.com', '[2001:db8::1]', 127.0.0.1], respond: {}}
- {host: '*', respond: {}}
";
    let model = directory.parse(text).unwrap().model;
    let names = "localhost 127.0.0.1 ::1 192.0.2.7 b.example.com *.example.com 2001:db8::1";
    let expected = Certificates::SelfSigned(SelfSigned {
        directory: directory.0.join("var/certificates"),
        names: names.split(' ').map(str::to_owned).collect(),
    });
    for listen in &model.listen[..2] {
        assert_eq!(listen.tls.as_ref().unwrap().source.certificates, expected);
    }
    assert_eq!(model.listen[2].tls, None);
    assert!(!directory.0.join("var").exists(), "looking makes nothing");
}

#[test]
fn a_self_signed_certificate_does_not_grow_without_end() {
    let directory = Directory::new();
    let hosts: Vec<String> = (0..600).map(|number| format!("h{number}.test")).collect();
    let text = format!(
        "listen: {{address: :1, tls: {{self_signed: true}}}}\nservices: [{{host: [{}], respond: {{}}}}]",
        hosts.join(", ")
    );
    let loaded = directory.parse(&text).unwrap();
    assert!(loaded.warnings.to_string().contains("no more than 500 hosts"), "{}", loaded.warnings);
    let tls = loaded.model.listen[0].tls.as_ref().unwrap();
    let Certificates::SelfSigned(own) = &tls.source.certificates else { panic!("self-signed was asked for") };
    assert_eq!(own.names.len(), 500);
    own.obtain(now()).unwrap();
}
