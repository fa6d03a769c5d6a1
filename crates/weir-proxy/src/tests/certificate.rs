//! One certificate for all tests, the listener that serves with it, and clients that believe it.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rcgen::{CertificateParams, KeyPair};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use weir_config::model::ListenTls;
use weir_tls::server::MinVersion;
use weir_tls::source::{CertificateFiles, Certificates, ServerSource};

use crate::runtime::certificates::ListenerTls;
use crate::runtime::clock::time_of_day;

/// The host of every request, and the name on the certificate.
pub(super) const HOST: &str = "a";

struct Made {
    listener: Arc<ListenerTls>,
    certificate: CertificateDer<'static>,
}

fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![HOST.to_owned()]).unwrap().self_signed(&key).unwrap();
        let file: PathBuf = std::env::temp_dir().join(format!("weir-rig-{}.pem", std::process::id()));
        std::fs::write(&file, certificate.pem() + &key.serialize_pem()).unwrap();
        let files = CertificateFiles { certificate: file.clone(), key: file.clone(), issuer: None };
        let source = ServerSource {
            certificates: Certificates::Files(vec![files]),
            min_version: MinVersion::default(),
            clients: None,
        };
        let written = ListenTls { source, subject_header: None };
        let listener = ListenerTls::start("127.0.0.1:0".to_owned(), &written, time_of_day()).unwrap();
        // It has been read, and is not watched here.
        std::fs::remove_file(&file).unwrap();
        Made { listener: Arc::new(listener), certificate: certificate.der().clone() }
    })
}

/// The listener.
pub(super) fn listener() -> Arc<ListenerTls> {
    Arc::clone(&made().listener)
}

/// A client that keeps no sessions. It sends little: one classic key share.
pub(super) fn client() -> ClientConfig {
    client_with(CryptoProvider { kx_groups: vec![kx_group::X25519], ..default_provider() })
}

/// The same with this cryptography.
pub(super) fn client_with(provider: CryptoProvider) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(made().certificate.clone()).unwrap();
    believing(roots, provider)
}

/// A client that does not know who signed the certificate.
pub(super) fn stranger() -> ClientConfig {
    let key = KeyPair::generate().unwrap();
    let other = CertificateParams::new(vec!["other".to_owned()]).unwrap().self_signed(&key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(other.der().clone()).unwrap();
    believing(roots, default_provider())
}

fn believing(roots: RootCertStore, provider: CryptoProvider) -> ClientConfig {
    let config =
        ClientConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions();
    let mut config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
    config.resumption = Resumption::disabled();
    config
}
