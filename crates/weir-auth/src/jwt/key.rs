//! Keys by which tokens are checked. What a key is fixes how it is used.

use std::fmt;
use std::hash::{Hash, Hasher};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::pem;

/// Bytes of the shortest secret (RFC 7518 §3.2: as long as the hash at least).
pub const SECRET_BYTES_MIN: usize = 32;

/// Bits of the smallest RSA key (RFC 7518 §3.3).
const RSA_BITS_MIN: usize = 2048;

/// Bits of the largest RSA key, with which checking a signature takes a millisecond.
const RSA_BITS_MAX: usize = 8192;

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// HMAC with SHA-256: issuer and verifier have the same secret.
    Hs256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hs256, Self::Rs256, Self::Es256, Self::EdDsa];

    /// The name in `alg` (RFC 7518 §3.1, RFC 8037 §3.1).
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of this name, in exactly this case (RFC 7515 §4.1.1).
    pub fn of(name: &str) -> Option<Self> {
        // RFC 9864 §2.2 gives Ed25519 a name of its own.
        let name = if name == "Ed25519" { "EdDSA" } else { name };
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFault {
    /// No PEM, or one that is broken.
    NoPem,
    /// A private key, which nobody but the issuer should have.
    Private,
    /// A certificate and not the key in it.
    Certificate,
    /// RSA outside of 2048 to 8192 bits.
    RsaSize,
    /// Another curve than P-256 and Ed25519, or a broken key.
    Unsupported,
    /// A secret that is too short.
    ShortSecret,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPem => f.write_str("there is no PEM block in it"),
            Self::Private => f.write_str("this is a private key, which only the issuer should have"),
            Self::Certificate => f.write_str("this is a certificate; what is wanted is the public key alone"),
            Self::RsaSize => f.write_str("an RSA key has 2048 to 8192 bits"),
            Self::Unsupported => f.write_str("this is no key for RS256, ES256 (P-256) or EdDSA (Ed25519)"),
            Self::ShortSecret => {
                write!(f, "a secret for HS256 has at least {SECRET_BYTES_MIN} bytes (RFC 7518 §3.2)")
            }
        }
    }
}

impl std::error::Error for KeyFault {}

/// A key, ready for use.
pub struct Key {
    algorithm: Algorithm,
    kind: Kind,
}

enum Kind {
    Secret(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl fmt::Debug for Key {
    /// What it is for, and nothing of it: a secret may be behind it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Hash for Key {
    /// By what it is: of a secret by what it signs, so that nothing of it is told.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.algorithm.hash(state);
        match &self.kind {
            Kind::Secret(key) => hmac::sign(key, b"weir: which secret").as_ref().hash(state),
            Kind::Public(key) => key.as_ref().hash(state),
        }
    }
}

impl Key {
    /// A secret for HS256.
    ///
    /// # Errors
    /// It is too short.
    pub fn of_secret(secret: &[u8]) -> Result<Self, KeyFault> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(KeyFault::ShortSecret);
        }
        Ok(Self {
            algorithm: Algorithm::Hs256,
            kind: Kind::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret))),
        })
    }

    /// A public key in PEM: `PUBLIC KEY` (RFC 5280) or `RSA PUBLIC KEY` (RFC 8017).
    ///
    /// # Errors
    /// It is something else.
    pub fn of_pem(text: &[u8]) -> Result<Self, KeyFault> {
        let block = pem::first_block(text).ok_or(KeyFault::NoPem)?;
        match block.label.as_str() {
            "PUBLIC KEY" => Self::of_spki(&block.der),
            "RSA PUBLIC KEY" => rsa(&block.der).ok_or(KeyFault::RsaSize),
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => Err(KeyFault::Certificate),
            label if label.ends_with("PRIVATE KEY") => Err(KeyFault::Private),
            _ => Err(KeyFault::Unsupported),
        }
    }

    /// A SubjectPublicKeyInfo. Each kind is tried: each refuses the others by the object identifier in it.
    fn of_spki(der: &[u8]) -> Result<Self, KeyFault> {
        if let Some(key) = rsa(der).or_else(|| es256(der)).or_else(|| ed25519(der)) {
            return Ok(key);
        }
        // rsaEncryption, 1.2.840.113549.1.1.1
        let rsa_identifier = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
        let is_rsa = der.windows(rsa_identifier.len()).any(|window| window == rsa_identifier);
        Err(if is_rsa { KeyFault::RsaSize } else { KeyFault::Unsupported })
    }

    /// A public key as a JWK (RFC 7517, RFC 7518 §6, RFC 8037 §2); `None` for one that is not for checking signatures in one
    /// of our ways. RFC 7517 §5 wants those passed over.
    pub(super) fn of_jwk(jwk: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        // RFC 7517 §4.2, §4.3
        let for_signatures = jwk.get("use").is_none_or(|purpose| purpose == "sig");
        let may_verify = match jwk.get("key_ops") {
            None => true,
            Some(operations) => {
                operations.as_array().is_some_and(|list| list.iter().any(|one| one == "verify"))
            }
        };
        if !for_signatures || !may_verify {
            return None;
        }
        let key = match (text("kty")?, text("crv")) {
            ("RSA", None) => {
                let components = RsaPublicKeyComponents { n: bytes("n")?, e: bytes("e")? };
                rs256(components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()?)?
            }
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes("x")?, bytes("y")?);
                // RFC 7518 §6.2.1.2: as long as the curve wants, leading zeros included.
                (x.len() == 32 && y.len() == 32).then_some(())?;
                es256(&[&[4], x.as_slice(), y.as_slice()].concat())?
            }
            ("OKP", Some("Ed25519")) => ed25519(&bytes("x")?)?,
            // Also `oct`: a secret in a document that everybody can read is none.
            _ => return None,
        };
        // §4.4: what the key says that it is for must be what it is used for.
        let agrees = match jwk.get("alg") {
            None => true,
            Some(name) => name.as_str().and_then(Algorithm::of) == Some(key.algorithm),
        };
        agrees.then_some(key)
    }

    /// What it is for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether this signature of `signed` was made with this key's other half, or its secret.
    pub fn verify(&self, signed: &[u8], signature: &[u8]) -> bool {
        match &self.kind {
            // Compares in constant time.
            Kind::Secret(secret) => hmac::verify(secret, signed, signature).is_ok(),
            Kind::Public(key) => key.verify_sig(signed, signature).is_ok(),
        }
    }
}

fn rsa(der: &[u8]) -> Option<Key> {
    ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).ok().and_then(rs256)
}

/// The size of an RSA key would otherwise be looked at with the first signature only.
fn rs256(key: ParsedPublicKey) -> Option<Key> {
    let der: PublicKeyX509Der<'_> = key.as_der().ok()?;
    let bits = PublicEncryptingKey::from_der(der.as_ref()).ok()?.key_size_bits();
    let fits = (RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits);
    fits.then_some(Key { algorithm: Algorithm::Rs256, kind: Kind::Public(key) })
}

fn es256(bytes: &[u8]) -> Option<Key> {
    let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes).ok()?;
    Some(Key { algorithm: Algorithm::Es256, kind: Kind::Public(key) })
}

fn ed25519(bytes: &[u8]) -> Option<Key> {
    let key = ParsedPublicKey::new(&ED25519, bytes).ok()?;
    Some(Key { algorithm: Algorithm::EdDsa, kind: Kind::Public(key) })
}
