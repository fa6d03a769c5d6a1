//! Who may come in: every kind of proof, through the whole proxy.

mod api_key;
mod basic;
mod issuer;
mod jwks;
mod jwt;

use std::path::PathBuf;

use serde_json::Value;
use weir_testkit::message::Message;
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, unix_path};

/// Starts a proxy that asks for `authenticate` before it sends everything to this server.
fn guarding(server: &Server, authenticate: &str) -> Running {
    guarding_with(server, authenticate, "")
}

/// The same with more at the top of the configuration.
fn guarding_with(server: &Server, authenticate: &str, top: &str) -> Running {
    proxy::start(&configuration(server, authenticate, top))
}

fn configuration(server: &Server, authenticate: &str, top: &str) -> String {
    format!(
        "{top}
services:
  - host: \"*\"
    upstream: web
    authenticate: {authenticate}
upstreams:
  web: {{servers: [\"{server}\"], retry: {{attempts: 1}}}}
"
    )
}

/// A GET with these fields, each with its line end.
fn get_with(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n")
}

/// Checks an answer that refuses: what every one has in common.
#[track_caller]
fn expect_refused(answer: Message, challenges: &[&str]) -> Message {
    let answer = answer.expect(401);
    assert_eq!(answer.all("www-authenticate"), challenges, "{answer}");
    assert_eq!(answer.field("content-type"), Some("application/json"), "{answer}");
    let proxy_status = answer.field("proxy-status").unwrap_or_default();
    assert!(proxy_status.starts_with("weir; error=http_request_denied"), "{answer}");
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["status", "error", "detail", "request_id"], "nothing internal: {answer}");
    assert_eq!((&body["status"], &body["error"]), (&401.into(), &"Unauthorized".into()), "{answer}");
    answer
}

/// How often clients were refused for this reason.
fn refusals(proxy: &Running, reason: &str) -> u64 {
    proxy.status().authentication_refusals[reason]
}

/// Requests counted for a name.
fn requests_of(proxy: &Running, proof: &str, name: &str) -> Option<u64> {
    let status = proxy.status();
    let one = status.authenticated.iter().find(|one| one.proof == proof && one.name == name);
    one.map(|one| one.requests_total)
}

/// A file of a test's own.
struct Scratch(PathBuf);

impl Scratch {
    fn empty() -> Self {
        Self(unix_path())
    }

    fn with(content: impl AsRef<[u8]>) -> Self {
        let file = Self::empty();
        std::fs::write(&file.0, content).unwrap();
        file
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap()
    }
}

impl std::fmt::Display for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.display().fmt(f)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = std::fs::remove_file(&self.0);
    }
}
