//! Every mistake with a chain, told at every moment.
#![allow(clippy::unwrap_used)]

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose};

use super::*;
use crate::made::{Issued, Signer, authority, named, with};

const YEAR: Duration = DAY.saturating_mul(365);

/// 2033-05-18
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000)
}

fn empty() -> RootCertStore {
    RootCertStore::empty()
}

fn host() -> CertificateParams {
    named("x", &["a.test"])
}

/// Valid for this long before and after the moment of these tests.
fn between(params: CertificateParams, before: Duration, after: Duration) -> CertificateParams {
    with(params, |params| {
        params.not_before = (now() - before).into();
        params.not_after = (now() + after).into();
    })
}

/// Parts of the problems as they are shown, in order.
fn check(issued: &Issued, issuers: &[&Signer], expected: &[&str]) {
    check_with(issued, issuers, empty, expected);
}

fn check_with(
    issued: &Issued,
    issuers: &[&Signer],
    system: impl FnOnce() -> RootCertStore,
    expected: &[&str],
) {
    let issuers: Vec<_> = issuers.iter().map(|signer| signer.certificate.clone()).collect();
    let found = super::check(&issued.chain, &issuers, system, now());
    let shown: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), expected.len(), "{shown:#?}");
    for (shown, part) in shown.iter().zip(expected) {
        assert!(shown.contains(part), "{shown:?} has not {part:?}");
    }
}

fn system_of<'s>(signers: &'s [&Signer]) -> impl FnOnce() -> RootCertStore + 's {
    || {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(signers.iter().map(|signer| signer.certificate.clone()));
        store
    }
}

#[test]
fn whole_chains_are_fine() {
    let root = Signer::root(authority("Root"));
    let middle = root.below(authority("Middle"));
    let lower = middle.below(authority("Lower"));
    check(&Issued::self_signed(&host()), &[], &[]);
    check(&root.issue(&host()).with(&[&root]), &[], &[]);
    check(&root.issue(&host()), &[&root], &[]);
    check(&lower.issue(&host()).with(&[&lower, &middle, &root]), &[], &[]);
    check(&lower.issue(&host()).with(&[&lower, &middle]), &[&root], &[]);
    check_with(&lower.issue(&host()).with(&[&lower, &middle]), &[], system_of(&[&root]), &[]);
    check_with(&root.issue(&host()), &[], system_of(&[&root]), &[]);
    // An authority that stands in the middle may be one that the user trusts.
    check(&lower.issue(&host()).with(&[&lower]), &[&middle], &[]);
}

#[test]
fn a_chain_that_ends_too_early_is_told() {
    let root = Signer::root(authority("Root"));
    let middle = root.below(authority("Middle"));
    let other = Signer::root(authority("Other"));
    let alone = ["lacks its chain: it was signed by `CN=Middle`, whom clients do not know"];
    check(&middle.issue(&host()), &[], &alone);
    check_with(&middle.issue(&host()), &[], system_of(&[&root]), &alone);
    check(&middle.issue(&host()), &[&other], &alone);
    // Two may be whole: who knows what authorities this machine has not.
    let unknown = ["ends its chain with a signature of `CN=Root`, who is not known here"];
    check_with(&middle.issue(&host()).with(&[&middle]), &[], system_of(&[&other]), &unknown);
    check(&middle.issue(&host()).with(&[&middle]), &[&other], &unknown);
    // A system without any authorities knows nothing about it.
    check(&middle.issue(&host()).with(&[&middle]), &[], &[]);
}

#[test]
fn only_what_can_be_served_all_the_same_is_a_warning() {
    let issuer = String::new;
    assert!(Reason::NoChain { issuer: issuer() }.is_error());
    assert!(!Reason::UnknownIssuer { issuer: issuer() }.is_error());
    let issued = Issued::self_signed(&between(host(), YEAR, DAY * 2));
    let found = super::check(&issued.chain, &[], empty, now());
    assert_eq!(found.len(), 1);
    assert!(!found[0].is_error() && found[0].hint().is_some(), "{found:?}");
}

#[test]
fn a_wrong_order_is_told() {
    let root = Signer::root(authority("Root"));
    let middle = root.below(authority("Middle"));
    let other = Signer::root(authority("Other"));
    let wrong = |position: usize, wanted: &str, found: &str| {
        format!(
            "one before number {position} was signed by `CN={wanted}`, and number {position} is `CN={found}`"
        )
    };
    check(&middle.issue(&host()).with(&[&root, &middle]), &[], &[&wrong(2, "Middle", "Root")]);
    check(&middle.issue(&host()).with(&[&middle, &middle]), &[], &[&wrong(3, "Root", "Middle")]);
    check(&middle.issue(&host()).with(&[&other]), &[&root], &[&wrong(2, "Middle", "Other")]);
}

#[test]
fn an_issuer_with_the_name_and_another_key_is_told() {
    let root = Signer::root(authority("Root"));
    let namesake = Signer::root(authority("Root"));
    let not = ["bears the name of the issuer, and not its key"];
    check(&root.issue(&host()).with(&[&namesake]), &[], &not);
    check(&root.issue(&host()), &[&namesake], &not);
    check(&root.issue(&host()), &[&namesake, &root], &[]);
}

#[test]
fn times_are_told_for_each_certificate() {
    let expired = between(host(), YEAR, Duration::ZERO);
    let expired = with(expired, |params| params.not_after = (now() - DAY * 12).into());
    let said = "has expired: it was valid until 2033-05-06 03:33 UTC, 12 days ago";
    check(&Issued::self_signed(&expired), &[], &[said]);
    let later = with(between(host(), YEAR, YEAR), |params| params.not_before = (now() + DAY).into());
    check(&Issued::self_signed(&later), &[], &["is not valid before 2033-05-19 03:33 UTC"]);
    let old = with(authority("Old"), |params| params.not_after = (now() - DAY).into());
    let old = Signer::root(old);
    check(&old.issue(&host()).with(&[&old]), &[], &["certificate 2 in it has expired"]);
    // To the second: the last one of its life, and the first one after.
    check(
        &Issued::self_signed(&between(host(), YEAR, Duration::ZERO)),
        &[],
        &["expires in less than an hour"],
    );
    let second = with(host(), |params| params.not_after = (now() - Duration::from_secs(1)).into());
    check(&Issued::self_signed(&second), &[], &["has expired"]);
}

#[test]
fn an_expiry_is_told_two_weeks_before_or_in_the_last_fifth() {
    let soon = |before, after, expected: &[&str]| {
        check(&Issued::self_signed(&between(host(), before, after)), &[], expected);
    };
    let second = Duration::from_secs(1);
    soon(YEAR, DAY * 14, &[]);
    soon(YEAR, DAY * 14 - second, &["expires in 13 days, at 2033-06-01"]);
    // Six days in all.
    soon(DAY * 4, DAY * 2, &[]);
    soon(DAY * 5, DAY, &["expires in 24 hours"]);
    // The authority's own time is its business.
    let root = Signer::root(between(authority("Root"), YEAR, DAY));
    check(&root.issue(&host()).with(&[&root]), &[], &[]);
}

#[test]
fn what_clients_ask_of_a_server_is_asked() {
    check(&Issued::self_signed(&named("a.test", &[])), &[], &["names no host"]);
    check(&Issued::self_signed(&named("", &["127.0.0.1"])), &[], &[]);
    let used_for = |usage: ExtendedKeyUsagePurpose| {
        Issued::self_signed(&with(host(), |params| params.extended_key_usages = vec![usage]))
    };
    check(&used_for(ExtendedKeyUsagePurpose::ServerAuth), &[], &[]);
    check(&used_for(ExtendedKeyUsagePurpose::Any), &[], &[]);
    check(&used_for(ExtendedKeyUsagePurpose::ClientAuth), &[], &["is not for servers"]);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let params = with(named("x", &[]), |params| params.not_after = (now() - DAY).into());
    let root = Signer::root(authority("Root"));
    let other = Signer::root(authority("Other"));
    check(&root.issue(&params).with(&[&other]), &[], &["names no host", "has expired", "in a wrong order"]);
}

#[test]
fn what_is_no_certificate_is_told_with_its_place() {
    let mut issued = Issued::self_signed(&host());
    issued.chain.push(b"no certificate".to_vec().into());
    check(&issued, &[], &["certificate 2 in it can't be decoded"]);
    let mut trailing = issued.chain[0].to_vec();
    trailing.push(0);
    issued.chain = vec![trailing.into()];
    check(&issued, &[], &["certificate 1 in it can't be decoded"]);
}
