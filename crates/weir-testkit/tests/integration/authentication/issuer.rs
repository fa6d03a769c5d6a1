//! An issuer of tokens: it makes keys on the spot, signs with another implementation than ours, and publishes its keys.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use rustls::ServerConfig;
use serde_json::{Value, json};
use weir_testkit::server::{Connection, Server, sized};

/// A secret for HS256.
pub(super) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A key with its name.
pub(super) struct TokenKey {
    id: String,
    private: EncodingKey,
    public: Vec<u8>,
    pem: String,
}

fn url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl TokenKey {
    pub(super) fn new(id: &str) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let pem = STANDARD.encode(public.as_ref());
        Self {
            id: id.to_owned(),
            private: EncodingKey::from_ed_der(private.as_ref()),
            public: pair.public_key().as_ref().to_vec(),
            pem: format!("-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\n"),
        }
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// A token with these claims.
    pub(super) fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": "EdDSA", "kid": self.id});
        signed(&header, claims, Algorithm::EdDSA, &self.private)
    }

    fn jwk(&self) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": url(&self.public)})
    }
}

/// A token, signed with the secret.
pub(super) fn sign_with_secret(claims: &Value) -> String {
    signed(&json!({"alg": "HS256"}), claims, Algorithm::HS256, &EncodingKey::from_secret(SECRET.as_bytes()))
}

/// A token with this header and these claims.
pub(super) fn signed(header: &Value, claims: &Value, algorithm: Algorithm, key: &EncodingKey) -> String {
    let message = format!("{}.{}", url(header.to_string()), url(claims.to_string()));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// Claims that are good for five minutes, with these in their place.
pub(super) fn claims(changes: &Value) -> Value {
    let mut claims =
        json!({"iss": "https://issuer.test", "aud": "api", "sub": "alice", "exp": since_1970() + 300});
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

#[expect(
    clippy::disallowed_methods,
    reason = "tokens have times of day, and the proxy looks at its own clock"
)]
pub(super) fn since_1970() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// What publishes keys: a server with an answer that a test changes.
pub(super) struct Publisher {
    pub(super) server: Server,
    answer: Arc<Mutex<String>>,
}

impl Publisher {
    /// Answers 500 until it is told what to publish.
    pub(super) fn new() -> Self {
        Self::started(Server::start)
    }

    /// The same over TLS.
    pub(super) fn tls(config: ServerConfig) -> Self {
        Self::started(|serve| Server::tls(config, serve))
    }

    fn started(start: impl FnOnce(Box<dyn Fn(Connection) + Send + Sync>) -> Server) -> Self {
        let answer = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&answer);
        let server = start(Box::new(move |mut connection| {
            while connection.request().is_some() {
                let answer = shared.lock().unwrap().clone();
                if connection.try_send(answer).is_err() {
                    return;
                }
            }
        }));
        let publisher = Self { server, answer };
        publisher.fail();
        publisher
    }

    pub(super) fn publish(&self, keys: &[&TokenKey]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
        self.say(&sized(&json!({ "keys": keys }).to_string()));
    }

    pub(super) fn fail(&self) {
        self.say("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
    }

    pub(super) fn say(&self, answer: &str) {
        answer.clone_into(&mut self.answer.lock().unwrap());
    }
}
