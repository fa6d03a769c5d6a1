//! `weir cert`: what it says of certificates, and that it is what `weir run` then serves.

use nix::sys::signal::Signal;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SignatureAlgorithm};
use serde_json::Value;

use super::process::{Running, finished};
use super::scratch::Scratch;

/// `NAME.pem` and `NAME.key`, valid from 1975 to 4096.
fn pair(scratch: &Scratch, name: &str, names: &[&str], kind: &'static SignatureAlgorithm) {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let key = KeyPair::generate_for(kind).unwrap();
    let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    scratch.file(&format!("{name}.pem"), certificate.pem());
    scratch.file(&format!("{name}.key"), key.serialize_pem());
}

const LISTENERS: &str = "\
listen:
  - 127.0.0.1:8080
  - address: 127.0.0.1:8443
    tls:
      certificates:
        - {certificate: ed.pem, key: ed.key}
        - {certificate: ec.pem, key: ec.key}
      client: {ca: ed.pem}
services: [{host: '*', respond: {}}]
";

fn scratch() -> (Scratch, String) {
    let scratch = Scratch::new("cert");
    pair(&scratch, "ed", &["www.example.com", "example.com", "192.0.2.7"], &PKCS_ED25519);
    pair(&scratch, "ec", &["www.example.com", "*.example.org"], &PKCS_ECDSA_P256_SHA256);
    let file = scratch.file("weir.yaml", LISTENERS);
    (scratch, file)
}

/// The output without what differs each time: the directory, the time that is left, and the fingerprints.
fn told(scratch: &Scratch, arguments: &[&str]) -> String {
    let (stdout, stderr) = finished(arguments, 0);
    assert_eq!(stderr, "");
    let mut lines = Vec::new();
    for line in stdout.replace(&scratch.path(""), "").lines() {
        lines.push(match line.trim_start().split_once("  ") {
            Some(("sha256", fingerprint)) => {
                assert_eq!(fingerprint.len(), 95, "{fingerprint}");
                "    sha256  …".to_owned()
            }
            Some(("until", _)) => {
                assert!(
                    line.contains("until   4096-01-01 00:00 UTC, ") && line.ends_with(" days left"),
                    "{line}"
                );
                "    until   …".to_owned()
            }
            _ => line.to_owned(),
        });
    }
    lines.join("\n")
}

#[test]
fn what_each_listener_serves_is_shown() {
    let (scratch, file) = scratch();
    assert_eq!(
        told(&scratch, &["cert", "-c", &file]),
        "\
127.0.0.1:8080  plain HTTP

127.0.0.1:8443  TLS 1.2 and 1.3, clients must show a certificate

  ed.pem
    names   www.example.com, example.com, 192.0.2.7
    issuer  itself
    from    1975-01-01 00:00 UTC
    until   …
    key     Ed25519
    sha256  …
    for     example.com, every name that has no certificate
            www.example.com, for clients that don't know the kind of key of `ec.pem`

  ec.pem
    names   www.example.com, *.example.org
    issuer  itself
    from    1975-01-01 00:00 UTC
    until   …
    key     ECDSA P-256
    sha256  …
    for     www.example.com, *.example.org"
    );
}

/// The end of what is said of a host.
fn check(host: &str, file: &str, end: &str) {
    let (scratch, config) = scratch();
    let shown = told(&scratch, &["cert", "-c", &config, host]);
    assert!(shown.contains(&format!("\n  {file}\n")) && shown.ends_with(end), "{host}: {shown}");
}

#[test]
fn a_host_is_told_its_certificate() {
    check("example.com", "ed.pem", "…\n\n  example.com gets this one");
    check(
        "WWW.example.com.",
        "ec.pem",
        "\n  www.example.com gets this one\n  clients that don't know this kind of key get `ed.pem` (Ed25519)",
    );
    check("a.example.org", "ec.pem", "\n  a.example.org gets this one");
    let refused = "gets this one\n  clients refuse it: a.b.example.org is none of its names";
    check("a.b.example.org", "ed.pem", refused);
    check(
        "192.0.2.7",
        "ed.pem",
        "  192.0.2.7 is an address, for which no name is asked: it gets the default",
    );
    let (_, stderr) = finished(&["cert", "*.example.org"], 2);
    assert!(stderr.contains("write it without a star"), "{stderr}");
}

#[test]
fn programs_get_the_same_as_json() {
    let (_scratch, file) = scratch();
    let json = |host: &[&str]| -> Value {
        let (stdout, stderr) = finished(&[&["cert", "--json", "-c", &file], host].concat(), 0);
        assert_eq!(stderr, "");
        serde_json::from_str(&stdout).unwrap()
    };
    let all = json(&[]);
    assert_eq!(all["listeners"][0]["tls"], Value::Null);
    let tls = &all["listeners"][1]["tls"];
    assert_eq!((&tls["min_version"], &tls["client"]), (&"1.2".into(), &"require".into()));
    let first = &tls["certificates"][0];
    assert_eq!((&first["default"], &first["key"]), (&true.into(), &"Ed25519".into()));
    assert_eq!(
        (&first["from"], &first["until"]),
        (&"1975-01-01T00:00:00Z".into(), &"4096-01-01T00:00:00Z".into())
    );
    assert!(first["seconds_left"].as_i64().unwrap() > 0);
    assert_eq!(tls["certificates"][1]["first_for"], serde_json::json!(["www.example.com", "*.example.org"]));
    let one = json(&["www.example.com"]);
    let chosen = &one["listeners"][1]["tls"]["certificate"];
    assert_eq!((&one["host"], &chosen["covers"]), (&"www.example.com".into(), &true.into()));
    assert_eq!(chosen["otherwise"].as_array().unwrap().len(), 1);
    assert_eq!(json(&["other.test"])["listeners"][1]["tls"]["certificate"]["covers"], false);
}

#[test]
fn what_is_wrong_with_files_is_told_as_by_check() {
    let (scratch, file) = scratch();
    pair(&scratch, "ec", &["www.example.com"], &PKCS_ED25519);
    scratch.file("ec.key", "");
    let (stdout, stderr) = finished(&["cert", "-c", &file], 3);
    assert_eq!(stdout, "");
    assert_eq!(stderr, finished(&["check", "-c", &file], 3).1);
    assert!(stderr.contains("ec.key` holds no private key: it is empty"), "{stderr}");
    finished(&["run", "-c", &file], 3);
}

#[test]
fn a_self_signed_certificate_is_made_by_the_start_and_shown_from_then_on() {
    let scratch = Scratch::new("cert-own");
    let config = "listen: {address: '127.0.0.1:0', tls: {self_signed: true}}\nadmin: off\n\
                  services: [{host: app.test, respond: {}}]\n";
    let file = scratch.file("weir.yaml", config);
    let certificate = || -> Value {
        let (stdout, _) = finished(&["cert", "--json", "-c", &file], 0);
        serde_json::from_str::<Value>(&stdout).unwrap()["listeners"][0]["tls"]["certificates"][0].clone()
    };
    assert_eq!(certificate(), Value::Null);
    let (stdout, _) = finished(&["cert", "-c", &file], 0);
    assert!(
        stdout.contains("made at the next start")
            && stdout.contains("names   localhost, 127.0.0.1, ::1, app.test")
    );
    let start = || {
        let (proxy, _) = Running::proxy(&["run", "-c", &file]);
        proxy.signal(Signal::SIGTERM);
        let (code, log) = proxy.end();
        assert_eq!(code, Some(0));
        let line = log.iter().find(|line| line.contains("a self-signed certificate is served"));
        line.unwrap_or_else(|| panic!("{log:?}")).to_owned()
    };
    let line = start();
    let made = certificate();
    let fingerprint = made["sha256"].as_str().unwrap();
    assert!(line.contains("is_new=true") && line.contains(fingerprint), "{line}");
    assert!(line.contains(".weir/certificates/self_signed.pem"), "{line}");
    assert_eq!(made["names"], serde_json::json!(["localhost", "app.test", "127.0.0.1", "::1"]));
    let line = start();
    assert!(line.contains("is_new=false") && line.contains(fingerprint), "{line}");
    assert_eq!(certificate()["sha256"], fingerprint);
}
