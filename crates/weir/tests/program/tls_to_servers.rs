//! What people are told about TLS to servers: at the check, at the start, in the log and by `weir explain`.

use nix::sys::signal::Signal;
use weir_testkit::certificate::{Authority, Certificate, Files};
use weir_testkit::server::Server;

use super::process::{Running, answer, ask, finished};

fn configuration(server: &str, tls: &str) -> String {
    format!(
        "listen: ['127.0.0.1:0']\nadmin: off\naccess_log: off\nservices: [{{host: '*', upstream: web}}]\n\
         upstreams:\n  web: {{servers: ['https://{server}'], tls: {{{tls}}}}}\n"
    )
}

/// A person is told what is wrong, with which server, and what to do; once, not with each request.
#[test]
fn a_server_that_is_not_believed_is_told_once_with_reason_and_hint() {
    let (root, files) = (Authority::new("Root"), Files::new());
    let server = Server::tls_saying(root.below("Middle").issue(&["127.0.0.1"]).without_chain().server(), "x");
    let ca = files.write("ca.pem", &root.pem);
    let file = files.write("weir.yaml", configuration(&server.to_string(), &format!("ca: {ca}")));
    let (mut proxy, address) = Running::proxy(&["run", "-c", &file]);
    for _ in 0..3 {
        let told = answer(ask(address, "a.example", "/"));
        assert!(told.starts_with("HTTP/1.1 502 "), "{told}");
        assert!(told.contains("Proxy-Status: weir; error=tls_certificate_error;"), "{told}");
        assert!(!told.contains("Middle") && !told.contains("127.0.0.1"), "nothing internal goes out: {told}");
    }
    let line = proxy.line("TLS can't be spoken with a server");
    for part in [
        "WARN",
        &format!("server=\"https://{server}\""),
        "it sends no certificate of `CN=Middle`, the issuer of its own, which is none of those in",
        "ca.pem",
        "hint=\"let the server send its whole chain; if it is an authority of your own, write `tls: {ca: FILE}`\"",
    ] {
        assert!(line.contains(part), "{part}\n{line}");
    }
    proxy.signal(Signal::SIGTERM);
    let (code, rest) = proxy.end();
    assert_eq!(code, Some(0));
    assert!(!rest.iter().any(|line| line.contains("TLS")), "{rest:#?}");
}

#[test]
fn verify_none_is_warned_of_at_the_check_and_at_each_start() {
    let (certificate, files) = (Certificate::self_signed(&["elsewhere.test"]), Files::new());
    let server = Server::tls_saying(certificate.server(), "who knows");
    let file = files.write("weir.yaml", configuration(&server.to_string(), "verify: none"));
    let warning = "whoever answers is believed, also somebody between Weir and the servers";
    let (_, stderr) = finished(&["check", "-c", &file], 0);
    assert!(stderr.contains(warning) && stderr.contains(&format!("{file}:6:")), "{stderr}");
    let mut proxy = Running::start(&["run", "-c", &file]);
    proxy.line(warning);
    let address = proxy.address(" listening address=");
    assert!(answer(ask(address, "a.example", "/")).ends_with("\r\n\r\nwho knows"));
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.end().0, Some(0));
    let (stdout, _) = finished(&["explain", "-c", &file, "https://a.example/"], 0);
    assert!(stdout.starts_with("GET https://a.example/\n"), "{stdout}");
    assert!(stdout.contains("\n  tls       whoever answers is believed (`verify: none`)\n"), "{stdout}");
}

#[test]
fn whom_servers_are_verified_by_is_explained() {
    let files = Files::new();
    let ca = files.write("ca.pem", &Authority::new("Root").pem);
    let file = files.write("weir.yaml", configuration("10.0.0.1", &format!("ca: {ca}")));
    let (stdout, _) = finished(&["explain", "-c", &file, "/", "-H", "Host: a"], 0);
    assert!(stdout.contains(&format!("\n  tls       servers are verified by those in `{ca}`\n")), "{stdout}");
    let (stdout, _) = finished(&["explain", "--json", "-c", &file, "/", "-H", "Host: a"], 0);
    let told: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(told["route"]["tls"], serde_json::json!({"verify": "full", "authorities": ca}));
}
