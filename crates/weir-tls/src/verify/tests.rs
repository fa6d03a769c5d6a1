//! What is said of each mistake that a server's certificate can have.
#![allow(clippy::unwrap_used)]

use std::io;
use std::time::Duration;

use rcgen::{CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, KeyUsagePurpose, date_time_ymd};
use rustls::pki_types::pem::PemObject;

use super::*;
use crate::authorities::Authorities;
use crate::handshake::{Circumstances, Fault, explain};
use crate::made::{Issued, Scratch, Signer, authority, named, with};

/// 2026-11-21 12:00 UTC
const NOW: u64 = 1_795_262_400;

/// What is said of this chain when a server with this name shows it and these authorities are believed; nothing when it is
/// believed.
fn said(chain: &[CertificateDer<'_>], name: &str, trusted: &[&CertificateDer<'_>]) -> Option<String> {
    let file = Scratch::certificates(trusted);
    let authorities = Authorities::of_file(&file.0).unwrap();
    let origin = authorities.origin().clone();
    let verifier = Verifier::new(authorities).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW));
    let asked = match name.parse::<std::net::IpAddr>() {
        Ok(address) => address.into(),
        Err(_) => ServerName::try_from(name).unwrap(),
    };
    let error = verifier.verify_server_cert(&chain[0], &chain[1..], &asked, &[], now).err()?;
    let around = Circumstances { authorities: Some(&origin), asked: false, has_certificate: false, name };
    let error = explain(&io::Error::new(io::ErrorKind::InvalidData, error), around);
    assert_eq!(error.fault, Fault::Certificate, "{error}");
    let hint = error.hint.unwrap_or_default();
    Some(format!("{} // {hint}", error.reason).replace(&file.0.display().to_string(), "ca.pem"))
}

fn check(issued: &Issued, name: &str, trusted: &[&CertificateDer<'_>], expected: &str) {
    let said = said(&issued.chain, name, trusted);
    match said {
        None => assert_eq!(expected, "", "it was believed"),
        Some(said) => {
            assert!(!expected.is_empty() && said.contains(expected), "{said}\nexpected: {expected}");
        }
    }
}

fn dated(params: CertificateParams, from: (i32, u8, u8), to: (i32, u8, u8)) -> CertificateParams {
    let day = |(year, month, day)| date_time_ymd(year, month, day);
    with(params, |params| (params.not_before, params.not_after) = (day(from), day(to)))
}

#[test]
fn a_chain_to_a_root_is_believed_for_its_names_and_addresses() {
    let root = Signer::root(authority("Root"));
    let middle = root.below(authority("Middle"));
    let leaf =
        middle.issue(&named("ignored.test", &["a.test", "*.b.test", "127.0.0.1", "::1"])).with(&[&middle]);
    for name in ["a.test", "A.test", "x.b.test", "127.0.0.1", "::1"] {
        check(&leaf, name, &[&root.certificate], "");
    }
    // The authority in the file need not be a root.
    check(&leaf, "a.test", &[&middle.certificate], "");
}

#[test]
fn a_wrong_name_is_told_with_those_that_would_be_right() {
    let root = Signer::root(authority("Root"));
    let trusted = [&root.certificate];
    let one = root.issue(&named("b.test", &["a.test"]));
    check(
        &one,
        "b.test",
        &trusted,
        "its certificate is not for `b.test` but for `a.test` // if it is the right server: `tls: {server_name: a.test}`",
    );
    check(&one, "a.test.evil.test", &trusted, "not for `a.test.evil.test` but for `a.test`");
    check(&one, "127.0.0.1", &trusted, "not for `127.0.0.1` but for `a.test`");
    let wild = root.issue(&named("x", &["*.a.test", "*.b.test", "10.0.0.1"]));
    check(
        &wild,
        "a.test",
        &trusted,
        "but for `*.a.test`, `*.b.test` and `10.0.0.1` // if it is the right server: `tls: {server_name: 10.0.0.1}`",
    );
    check(&wild, "x.y.a.test", &trusted, "not for `x.y.a.test`");
    let many: Vec<String> = (0..100).map(|number| format!("n{number}.test")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    check(&root.issue(&named("x", &many)), "a.test", &trusted, "`n5.test` and 94 more");
    let none = root.issue(&named("a.test", &[]));
    check(
        &none,
        "a.test",
        &trusted,
        "its certificate is not for `a.test`, nor for any name // names stand in its subjectAltName",
    );
}

#[test]
fn expired_and_not_yet_valid_are_told_with_the_day() {
    let root = Signer::root(authority("Root"));
    let trusted = [&root.certificate];
    let expired = root.issue(&dated(named("x", &["a.test"]), (2025, 1, 1), (2026, 10, 1)));
    check(&expired, "a.test", &trusted, "its certificate has expired on 2026-10-01 00:00 UTC // renew it");
    let early = root.issue(&dated(named("x", &["a.test"]), (2027, 2, 3), (2028, 1, 1)));
    check(&early, "a.test", &trusted, "is not valid before 2027-02-03 00:00 UTC // is the clock");
    let middle = root.below(dated(authority("Middle"), (2025, 1, 1), (2026, 9, 9)));
    let leaf = middle.issue(&named("x", &["a.test"])).with(&[&middle]);
    check(
        &leaf,
        "a.test",
        &trusted,
        "the certificate of `CN=Middle` in its chain has expired on 2026-09-09 00:00 UTC",
    );
}

#[test]
fn an_unknown_issuer_is_named_and_what_is_missing_is_told() {
    let (root, other) = (Signer::root(authority("Root")), Signer::root(authority("Other")));
    let trusted = [&root.certificate];
    let leaf = other.issue(&named("x", &["a.test"]));
    check(
        &leaf,
        "a.test",
        &trusted,
        "it sends no certificate of `CN=Other`, the issuer of its own, which is none of those in `ca.pem` // let the server send its whole chain",
    );
    let with_root = other.issue(&named("x", &["a.test"])).with(&[&other]);
    check(
        &with_root,
        "a.test",
        &trusted,
        "its certificate is issued by `CN=Other`, which is none of those in `ca.pem` // if it is an authority of your own",
    );
    let middle = root.below(authority("Middle"));
    let alone = middle.issue(&named("x", &["a.test"]));
    check(&alone, "a.test", &trusted, "it sends no certificate of `CN=Middle`");
    let top = middle.below(authority("Lowest"));
    let gap = top.issue(&named("x", &["a.test"])).with(&[&top]);
    check(&gap, "a.test", &trusted, "its certificate is issued by `CN=Middle`");
    // Something else in the place of what is missing does not help.
    let wrong = middle.issue(&named("x", &["a.test"])).with(&[&other]);
    check(&wrong, "a.test", &trusted, "it sends no certificate of `CN=Middle`");
}

#[test]
fn an_authority_with_the_right_name_and_another_key_is_not_believed() {
    let (root, namesake) = (Signer::root(authority("Root")), Signer::root(authority("Root")));
    let leaf = root.issue(&named("x", &["a.test"]));
    check(&leaf, "a.test", &[&namesake.certificate], "not signed by the authority that it names");
}

#[test]
fn a_self_signed_certificate_is_believed_only_when_it_is_written_down_itself() {
    let root = Signer::root(authority("Root"));
    for params in
        [named("x", &["a.test"]), with(named("x", &["a.test"]), |params| params.is_ca = authority("").is_ca)]
    {
        let own = Issued::self_signed(&params);
        let other = Issued::self_signed(&params);
        check(&own, "a.test", &[&root.certificate], "its certificate is self-signed // to believe this one");
        check(&own, "a.test", &[&own.chain[0]], "");
        check(&own, "b.test", &[&own.chain[0]], "not for `b.test` but for `a.test`");
        // Same names, another key.
        assert!(said(&own.chain, "a.test", &[&other.chain[0]]).is_some());
    }
    let expired = Issued::self_signed(&dated(named("x", &["a.test"]), (2025, 1, 1), (2026, 10, 1)));
    check(&expired, "a.test", &[&expired.chain[0]], "has expired on 2026-10-01");
    let early = Issued::self_signed(&dated(named("x", &["a.test"]), (2027, 1, 1), (2028, 10, 1)));
    check(&early, "a.test", &[&early.chain[0]], "not valid before 2027-01-01");
}

#[test]
fn certificates_for_something_else_are_refused() {
    let root = Signer::root(authority("Root"));
    let trusted = [&root.certificate];
    let client = with(named("x", &["a.test"]), |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    check(&root.issue(&client), "a.test", &trusted, "is not for servers, by its extended key usage");
    let below = with(named("x", &["a.test"]), |params| {
        params.is_ca = authority("").is_ca;
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    });
    check(&root.issue(&below), "a.test", &trusted, "its certificate is that of an authority");
    let mut unknown = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
    unknown.set_criticality(true);
    let critical = with(named("x", &["a.test"]), |params| params.custom_extensions = vec![unknown]);
    check(&root.issue(&critical), "a.test", &trusted, "its certificate can't be used");
}

#[test]
fn a_certificate_of_version_1_is_called_that() {
    let old = b"-----BEGIN CERTIFICATE-----
MIIBIjCByQIUWLDWLOav9qqwpe94xHVSaAB2u5swCgYIKoZIzj0EAwIwEzERMA8G
A1UEAwwIb2xkLnRlc3QwIBcNMjYxMTIxMTcwNzUzWhgPMjA4MTA4MjQxNzA3NTNa
MBMxETAPBgNVBAMMCG9sZC50ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
ZC7m0mtcMQqH7gHoJuYkpDHZYMcsPw7LaUnFnrvwjcP8QOBdTfYud4cUUTb227CT
U+GtD82AY9o7bw8FlJlvZTAKBggqhkjOPQQDAgNIADBFAiANjikKzzweum14gk1j
vYewmskuZIFs6v47CWA3T7golwIhAImsk/Mda/T3DowLmKqbTMjch/Obd4MVsFiw
QMRSKlRw
-----END CERTIFICATE-----
";
    let old = CertificateDer::from_pem_slice(old).unwrap();
    let root = Signer::root(authority("Root"));
    let said = said(&[old], "old.test", &[&root.certificate]).unwrap();
    assert!(said.contains("X.509 version 1"), "{said}");
}

#[test]
fn what_is_no_certificate_is_refused_without_a_panic() {
    let root = Signer::root(authority("Root"));
    let leaf = root.issue(&named("x", &["a.test"]));
    for length in 0..leaf.chain[0].len() {
        let cut = CertificateDer::from(leaf.chain[0][..length].to_vec());
        assert!(said(&[cut], "a.test", &[&root.certificate]).is_some(), "{length} bytes");
    }
    let garbage = CertificateDer::from(vec![0x30, 0x80, 0xff]);
    let mut with_garbage = leaf.chain.clone();
    with_garbage.push(garbage);
    assert_eq!(said(&with_garbage, "a.test", &[&root.certificate]), None, "what nobody needs does no harm");
}

/// The names of a certificate are chosen by whoever made it, and stand in a log afterwards.
#[test]
fn foreign_names_are_short_and_clean() {
    let root = Signer::root(authority("Root"));
    let evil = Signer::root(authority(&format!("a\n[ERROR] b\u{1b}[31m{}", "x".repeat(1000))));
    let said = said(&evil.issue(&named("x", &["a.test"])).chain, "a.test", &[&root.certificate]).unwrap();
    assert!(said.len() < 600 && !said.contains(char::is_control), "{said}");
}
