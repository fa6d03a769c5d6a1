//! The cryptography of both sides: aws-lc-rs, and nothing else.
//!
//! Key exchange begins with X25519MLKEM768: what is recorded today must not be readable to a quantum computer of later.
//! Cipher suites are those of rustls, all of them with authenticated encryption and forward secrecy; there is no older one to
//! switch off. AES-128 stands before AES-256, as in the recommendations of Mozilla: nothing breaks it, and it costs a
//! quarter less per byte.

use std::sync::{Arc, OnceLock};

use rustls::CipherSuite;
use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// The suites that come first, in this order; the others follow as rustls has them.
const FIRST: [CipherSuite; 5] = [
    CipherSuite::TLS13_AES_128_GCM_SHA256,
    CipherSuite::TLS13_AES_256_GCM_SHA384,
    CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
];

/// The provider that every configuration of rustls is built with. One for the process.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| {
        let mut provider = aws_lc_rs::default_provider();
        provider.cipher_suites.sort_by_key(|suite| {
            FIRST.iter().position(|first| *first == suite.suite()).unwrap_or(FIRST.len())
        });
        Arc::new(provider)
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rustls::NamedGroup;

    use super::*;

    #[test]
    fn the_first_of_each_kind_is_the_one_we_say() {
        let provider = provider();
        assert_eq!(provider.kx_groups[0].name(), NamedGroup::X25519MLKEM768);
        assert_eq!(provider.cipher_suites[0].suite(), CipherSuite::TLS13_AES_128_GCM_SHA256);
        let place = |suite| provider.cipher_suites.iter().position(|known| known.suite() == suite).unwrap();
        for (shorter, longer) in [
            (CipherSuite::TLS13_AES_128_GCM_SHA256, CipherSuite::TLS13_AES_256_GCM_SHA384),
            (
                CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            ),
            (
                CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            ),
        ] {
            assert!(place(shorter) < place(longer), "{shorter:?}");
        }
    }
}
