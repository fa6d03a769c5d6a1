//! Files of every shape that programs leave behind.
#![allow(clippy::unwrap_used)]

use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256};

use super::*;
use crate::made::{self, Issued, named};
use crate::provider::provider;

fn issued() -> Issued {
    Issued::self_signed(&named("x", &["a.test"]))
}

fn check_certificates(text: impl AsRef<[u8]>, expected: Result<usize, Reason>) {
    assert_eq!(certificates(text.as_ref()).map(|list| list.len()), expected);
}

fn check_key(text: impl AsRef<[u8]>, expected: Result<(), Reason>) {
    assert_eq!(key(text.as_ref()).map(|_| ()), expected);
}

#[test]
fn certificates_are_found_among_other_things() {
    let issued = issued();
    let (chain, key) = (issued.chain_pem(), issued.key_pem());
    check_certificates(&chain, Ok(1));
    check_certificates(chain.replace('\n', "\r\n"), Ok(1));
    check_certificates(format!("subject=CN = x\n\n{chain}some words\n{chain}"), Ok(2));
    check_certificates(format!("{key}{chain}"), Ok(1));
    check_certificates(
        format!("{chain}-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----"),
        Ok(1),
    );
}

#[test]
fn what_is_no_certificate_is_named() {
    let issued = issued();
    let no = |found| Err(Reason::NoCertificate(found));
    check_certificates("", no(Found::Nothing));
    check_certificates(" \n\n", no(Found::Nothing));
    check_certificates("hello", no(Found::Other));
    check_certificates(issued.key_pem(), no(Found::Key));
    check_certificates(made::pem("PUBLIC KEY", b"abc"), no(Found::PublicKey));
    check_certificates(made::pem("CERTIFICATE REQUEST", b"abc"), no(Found::Request));
    check_certificates(made::pem("NEW CERTIFICATE REQUEST", b"abc"), no(Found::Request));
    check_certificates(made::pem("TRUSTED CERTIFICATE", b"abc"), no(Found::Trusted));
    check_certificates(&issued.chain[0], no(Found::Der));
    check_certificates("\u{feff}", no(Found::Other));
}

#[test]
fn damage_is_named_and_no_piece_of_it_is_shown() {
    let chain = issued().chain_pem();
    let half = &chain[..chain.len() / 2];
    let cut = Reason::Damaged("a `-----BEGIN …` has no `-----END …`");
    check_certificates(half, Err(cut.clone()));
    check_certificates(
        chain.replace("MII", "M!I"),
        Err(Reason::Damaged("what stands between `-----BEGIN …` and `-----END …` is not base64")),
    );
    check_certificates(
        chain.replacen("CERTIFICATE-----", "CERTIFICATE----", 1),
        Err(Reason::Damaged("a line that begins with `-----BEGIN` does not end with `-----`")),
    );
    let key = issued().key_pem();
    let error = super::key(&key.as_bytes()[..key.len() / 2]).unwrap_err();
    assert_eq!(error, cut);
    let secret = key.lines().nth(1).unwrap();
    assert!(!format!("{error:?} {error}").contains(&secret[..8]));
}

#[test]
fn keys_of_all_kinds_are_read() {
    for kind in [&rcgen::PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519, &PKCS_RSA_SHA256] {
        let pair = KeyPair::generate_for(kind).unwrap();
        let der = key(pair.serialize_pem().as_bytes()).unwrap();
        provider().key_provider.load_private_key(der).unwrap_or_else(|error| panic!("{kind:?}: {error}"));
    }
    // What `openssl ecparam -genkey` writes: parameters before a SEC1 key.
    check_key(
        format!("{}{}", made::pem("EC PARAMETERS", b"abc"), made::pem("EC PRIVATE KEY", b"abc")),
        Ok(()),
    );
    check_key(made::pem("RSA PRIVATE KEY", b"abc"), Ok(()));
    check_key(format!("{}{}", issued().chain_pem(), issued().key_pem()), Ok(()));
}

#[test]
fn what_is_not_one_plain_key_is_named() {
    let key = issued().key_pem();
    let no = |found| Err(Reason::NoKey(found));
    check_key("", no(Found::Nothing));
    check_key(issued().chain_pem(), no(Found::Certificate));
    check_key(made::pem("PUBLIC KEY", b"abc"), no(Found::PublicKey));
    check_key(issued().key.secret_der(), no(Found::Der));
    check_key(format!("{key}{key}"), Err(Reason::SeveralKeys(2)));
    check_key(made::pem("ENCRYPTED PRIVATE KEY", b"abc"), Err(Reason::EncryptedKey));
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n\
               -----END RSA PRIVATE KEY-----\n";
    check_key(old, Err(Reason::EncryptedKey));
    check_key(old.replace('\n', "\r\n"), Err(Reason::EncryptedKey));
}

#[test]
fn no_bytes_make_it_panic() {
    let text = format!("{}{}", issued().chain_pem(), issued().key_pem());
    for end in 0..text.len() {
        let _ = certificates(&text.as_bytes()[..end]);
        let _ = key(&text.as_bytes()[end..]);
    }
}
