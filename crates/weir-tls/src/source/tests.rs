//! Files on a disk, right and wrong, become something to serve with or a list of everything that is wrong.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::client::ClientMode;
use crate::made::{Issued, Signer, authority, named, pem};

/// 2033-05-18
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000)
}

/// A directory that is gone at the end of a test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("weir-tls-source-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// `NAME.pem` and `NAME.key`
    fn pair(&self, name: &str, issued: &Issued) -> CertificateFiles {
        CertificateFiles {
            certificate: self.write(&format!("{name}.pem"), issued.chain_pem()),
            key: self.write(&format!("{name}.key"), issued.key_pem()),
            issuer: None,
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn issued(name: &str) -> Issued {
    Issued::self_signed(&named(name, &[&format!("{name}.test")]))
}

fn source(files: &[CertificateFiles]) -> ServerSource {
    ServerSource {
        certificates: Certificates::Files(files.to_vec()),
        min_version: MinVersion::default(),
        clients: None,
    }
}

/// What is wrong, as `part: message` without the directory.
fn wrong(source: &ServerSource, directory: &Directory) -> Vec<String> {
    let (tls, looked) = source.look(now());
    assert_eq!(tls.is_none(), looked.iter().any(|problem| problem.reason.is_error()), "{looked:?}");
    if let Err(loaded) = source.load(None, now()) {
        assert_eq!(loaded, looked, "a start says what a check says");
    }
    let directory = format!("{}/", directory.0.display());
    looked.iter().map(|problem| format!("{:?}: {problem}", problem.part).replace(&directory, "")).collect()
}

fn check(files: &[CertificateFiles], directory: &Directory, expected: &[&str]) {
    assert_eq!(wrong(&source(files), directory), expected);
}

#[test]
fn files_become_something_to_serve_with() {
    let directory = Directory::new();
    let a = directory.pair("a", &issued("a"));
    let both = issued("b");
    let b = directory.write("b.pem", both.chain_pem() + &both.key_pem());
    let b = CertificateFiles { certificate: b.clone(), key: b, issuer: None };
    let loaded = source(&[a.clone(), b.clone()]).load(None, now()).unwrap();
    assert!(loaded.warnings.is_empty() && !loaded.is_new);
    let files: Vec<_> = loaded.tls.choices().iter().map(|choice| &choice.file).collect();
    assert_eq!(files, [&a.certificate, &b.certificate]);
    assert_eq!(loaded.tls.choose_name(Some("b.test")).certificate.subject, "CN=b");
    let mut all = vec![a.certificate.clone(), a.key.clone(), b.certificate.clone()];
    all.sort_unstable();
    assert_eq!(source(&[a, b]).files(), all);
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let directory = Directory::new();
    let good = directory.pair("good", &issued("good"));
    let other = directory.pair("other", &issued("other"));
    let crossed = CertificateFiles { key: other.key.clone(), ..good.clone() };
    let swapped =
        CertificateFiles { certificate: good.key.clone(), key: good.certificate.clone(), issuer: None };
    let missing = CertificateFiles {
        certificate: directory.0.join("missing.pem"),
        key: directory.0.clone(),
        issuer: Some(directory.write("empty", "")),
    };
    check(
        &[good, crossed, swapped, missing],
        &directory,
        &[
            "Key(1): `other.key` is not the key of the certificate",
            "Certificate(2): `good.key` holds no certificate, but a private key",
            "Key(2): `good.pem` holds no private key, but a certificate",
            "Certificate(3): `missing.pem` can't be read: No such file or directory (os error 2)",
            &format!("Key(3): `{}` is not a file", directory.0.display()),
            "Issuer(3): `empty` holds no certificate: it is empty",
        ],
    );
}

#[test]
fn a_key_of_another_certificate_of_the_chain_is_told_with_its_place() {
    let directory = Directory::new();
    let root = Signer::root(authority("Root"));
    let leaf = root.issue(&named("leaf", &["leaf.test"]));
    let chain = Issued { chain: leaf.chain.clone(), key: leaf.key.clone_key() }.with(&[&root]);
    let reversed = Issued { chain: chain.chain.iter().rev().cloned().collect(), key: leaf.key.clone_key() };
    let files = directory.pair("reversed", &reversed);
    let shown = wrong(&source(&[files]), &directory);
    let key = "Key(0): `reversed.key` is the key of certificate 2 in the file, not of the first";
    assert!(shown.contains(&key.to_owned()), "{shown:#?}");
    assert!(shown.iter().any(|line| line.contains("in a wrong order")), "{shown:#?}");
}

#[test]
fn an_issuer_of_ones_own_is_named() {
    let directory = Directory::new();
    let root = Signer::root(authority("Root"));
    let files = directory.pair("a", &root.issue(&named("a", &["a.test"])));
    let lacking =
        "Certificate(0): `a.pem` lacks its chain: it was signed by `CN=Root`, whom clients do not know";
    check(std::slice::from_ref(&files), &directory, &[lacking]);
    let issuer = Some(directory.write("root.pem", pem("CERTIFICATE", &root.certificate)));
    check(&[CertificateFiles { issuer, ..files }], &directory, &[]);
}

#[test]
fn keys_that_nobody_signs_with_are_refused() {
    let directory = Directory::new();
    let files = directory.pair("a", &issued("a"));
    directory.write("a.key", pem("PRIVATE KEY", b"no key at all"));
    check(&[files], &directory, &["Key(0): `a.key` holds a key of a kind that is not supported"]);
}

#[test]
fn neither_a_pipe_nor_a_device_is_waited_for() {
    let directory = Directory::new();
    let files = directory.pair("a", &issued("a"));
    let device = CertificateFiles { certificate: "/dev/zero".into(), ..files.clone() };
    check(&[device], &directory, &["Certificate(0): `/dev/zero` is not a file"]);
    let large = directory.write("large", vec![b'x'; (1 << 20) + 1]);
    let large = CertificateFiles { certificate: large, ..files };
    check(&[large], &directory, &["Certificate(0): `large` is larger than 1 MiB"]);
}

#[test]
fn authorities_of_clients_are_read_with_the_rest() {
    let directory = Directory::new();
    let files = directory.pair("a", &issued("a"));
    let root = Signer::root(authority("Root"));
    let clients = |authorities: &str, lists: Option<&str>| ServerSource {
        clients: Some(ClientCertificates {
            mode: ClientMode::Require,
            authorities: directory.0.join(authorities),
            revocation_lists: lists.map(|file| directory.0.join(file)),
        }),
        ..source(std::slice::from_ref(&files))
    };
    directory.write("root.pem", pem("CERTIFICATE", &root.certificate));
    directory.write("odd.pem", pem("CERTIFICATE", b"abc"));
    assert_eq!(wrong(&clients("root.pem", None), &directory), [""; 0]);
    assert_eq!(
        wrong(&clients("a.key", Some("root.pem")), &directory),
        [
            "ClientAuthorities: `a.key` holds no certificate, but a private key",
            "RevocationLists: `root.pem` holds no revocation list, but a certificate"
        ]
    );
    assert_eq!(
        wrong(&clients("odd.pem", None), &directory),
        ["ClientAuthorities: `odd.pem` is damaged: certificate 1 in it can't be decoded"]
    );
    directory.write("odd.crl", pem("X509 CRL", b"abc"));
    let shown = wrong(&clients("root.pem", Some("odd.crl")), &directory);
    assert!(
        shown.len() == 1 && shown[0].starts_with("RevocationLists: `odd.crl` can't be used"),
        "{shown:?}"
    );
    assert_eq!(clients("root.pem", Some("x.crl")).files().len(), 4);
}

#[test]
fn looking_makes_nothing_and_loading_makes_a_certificate() {
    let directory = Directory::new();
    let own =
        SelfSigned { directory: directory.0.join("state/certificates"), names: vec!["localhost".to_owned()] };
    let source = ServerSource { certificates: Certificates::SelfSigned(own.clone()), ..source(&[]) };
    let (tls, problems) = source.look(now());
    assert!(tls.is_none() && problems.is_empty());
    assert!(!directory.0.join("state").exists());
    let loaded = source.load(None, now()).unwrap();
    assert!(loaded.is_new && loaded.warnings.is_empty());
    let fingerprint = |tls: &ServerTls| tls.choices()[0].certificate.fingerprint;
    let (again, problems) = source.look(now());
    assert!(problems.is_empty());
    assert_eq!(fingerprint(&again.unwrap()), fingerprint(&loaded.tls));
    assert_eq!(source.files(), [own.key_file(), own.certificate_file()]);
}

#[test]
fn a_self_signed_certificate_that_cannot_be_kept_is_told() {
    let directory = Directory::new();
    let file = directory.write("state", "in the way");
    let own = SelfSigned { directory: file.join("certificates"), names: vec!["localhost".to_owned()] };
    let source = ServerSource { certificates: Certificates::SelfSigned(own), ..source(&[]) };
    let problems = source.load(None, now()).unwrap_err();
    let shown = problems[0].to_string();
    assert!(problems.len() == 1 && shown.contains("self_signed.pem` can't be written: "), "{shown}");
    assert!(problems[0].reason.hint().unwrap().contains("`state`"));
}

#[test]
fn messages_read_as_all_others_do() {
    let reasons = [
        Reason::NotAFile,
        Reason::EncryptedKey,
        Reason::UnsupportedKey,
        Reason::SeveralKeys(2),
        Reason::NoNames,
        Reason::NotForServers,
        Reason::WrongSignature,
        Reason::NoChain { issuer: "CN=a".to_owned() },
        Reason::OtherKey(None),
        Reason::OtherKey(Some(2)),
    ];
    for reason in reasons {
        let problem = Problem { part: Part::SelfSigned, file: Path::new("a.pem").into(), reason };
        for text in [problem.to_string(), problem.reason.hint().unwrap_or_default()] {
            assert!(!text.ends_with('.') && !text.starts_with(char::is_uppercase), "{text}");
        }
    }
}
