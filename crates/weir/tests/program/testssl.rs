//! What a scanner for weaknesses of TLS finds at a listener as it comes.

use std::process::{Command, Stdio};

use serde_json::Value;
use weir_testkit::server::Server;

use super::process::Running;
use super::scratch::Scratch;

/// What is bound to be found where nobody has signed the certificate: clients can't know whose it is, and there is nobody
/// who could revoke it.
const OF_A_SELF_SIGNED_CERTIFICATE: [&str; 2] = ["cert_chain_of_trust", "cert_revocation"];

/// Severities at which somebody should do something, and those with which the scanner says that it could not look.
const BAD: [&str; 5] = ["MEDIUM", "HIGH", "CRITICAL", "WARN", "FATAL"];

#[test]
#[ignore = "takes a minute: `cargo xtask test --full`"]
fn testssl_finds_nothing_but_that_the_certificate_is_self_signed() {
    // The scanner looks at the answer too: what the server can't know, `https_only` adds.
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n\r\nok",
    );
    let scratch = Scratch::new("testssl");
    let file = scratch.file(
        "weir.yaml",
        format!(
            "listen: [{{address: '127.0.0.1:0', tls: {{self_signed: true}}}}]\nadmin: off\naccess_log: off\n\
             services: [{{host: '*', https_only: true, upstream: ['{server}']}}]\n"
        ),
    );
    let (_proxy, address) = Running::proxy(&["run", "-c", &file]);
    let found = scratch.path("found.json");
    let output = Command::new("testssl")
        .args(["--warnings", "batch", "--color", "0", "--jsonfile", &found, &address.to_string()])
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| {
            panic!("`testssl` can't be run: {error}\n\nhint: `cargo xtask test --full` installs it")
        });
    let told = String::from_utf8_lossy(&output.stdout);
    let found = std::fs::read(found).unwrap_or_else(|error| panic!("{error}\n{told}"));
    let found: Vec<Value> = serde_json::from_slice(&found).unwrap();
    let of = |key: &str, value: &str| found.iter().filter(|one| one[key] == value).collect::<Vec<_>>();
    // It has found the port, and looked at everything.
    assert!(of("severity", "OK").len() > 30, "{told}");
    for (id, expected) in [
        ("TLS1_2", "offered"),
        ("TLS1_3", "offered with final"),
        ("TLS1", "not offered"),
        ("TLS1_1", "not offered"),
    ] {
        assert_eq!(of("id", id)[0]["finding"], expected, "{told}");
    }
    assert_eq!(of("id", "HSTS_time")[0]["severity"], "OK", "{told}");
    for severity in BAD {
        for one in of("severity", severity) {
            let id = one["id"].as_str().unwrap();
            assert!(OF_A_SELF_SIGNED_CERTIFICATE.contains(&id), "{one}\n{told}");
        }
    }
}
