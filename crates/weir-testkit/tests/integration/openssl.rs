//! Servers whose TLS is OpenSSL's: another hand wrote it, and its mistakes are not ours.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use weir_testkit::certificate::{Authority, Certificate, Files};
use weir_testkit::client::fetch;
use weir_testkit::proxy::{self, Running};

/// A running `openssl s_server` that tells in its answers what it knows of the connection.
struct OpenSsl {
    child: Child,
    address: String,
}

impl OpenSsl {
    fn start(files: &Files, certificate: &Certificate, more: &[&str]) -> Self {
        let chain = files.write("server.pem", &certificate.chain);
        let key = files.write("server.key", &certificate.key);
        let fixed = [
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-www",
            "-cert",
            &chain,
            "-cert_chain",
            &chain,
            "-key",
            &key,
        ];
        let mut child = Command::new("openssl")
            .args(fixed)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("`openssl` can't be run: {error}\n\nhint: `cargo xtask test` installs it")
            });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| line.unwrap().strip_prefix("ACCEPT ").map(str::to_owned));
        Self { child, address: address.expect("it says where it listens") }
    }

    fn proxy(&self, tls: &str) -> Running {
        proxy::start(&format!(
            "services: [{{host: \"*\", upstream: u}}]
upstreams: {{u: {{servers: [\"https://{}\"], tls: {{{tls}}}, retry: {{attempts: 1}}}}}}\n",
            self.address
        ))
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn both_versions_are_spoken_and_sessions_resumed() {
    let (root, files) = (Authority::new("Root"), Files::new());
    let ca = files.write("ca.pem", &root.pem);
    for (option, version) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
        let server = OpenSsl::start(&files, &root.below("Middle").issue(&["127.0.0.1"]), &[option]);
        let proxy = server.proxy(&format!("ca: {ca}"));
        for kind in ["New", "Reused", "Reused"] {
            let text = fetch(&proxy, "/").expect(200).text();
            assert!(text.contains(&format!("{kind}, {version}, Cipher is")), "{kind} {version}: {text}");
        }
    }
}

#[test]
fn a_certificate_is_shown_when_it_is_asked_for_and_missed_in_words() {
    let (root, clients, files) = (Authority::new("Root"), Authority::new("Clients"), Files::new());
    let ca = files.write("ca.pem", &root.pem);
    let believed = files.write("clients.pem", &clients.pem);
    let ours = clients.issue(&["weir.test"]);
    let both = files.write("weir.pem", format!("{}{}", ours.chain, ours.key));
    for version in ["-tls1_3", "-tls1_2"] {
        let demanding = ["-Verify", "2", "-verify_return_error", "-CAfile", &believed, version];
        let server = OpenSsl::start(&files, &root.issue(&["127.0.0.1"]), &demanding);
        let proxy = server.proxy(&format!("ca: {ca}, certificate: {both}"));
        fetch(&proxy, "/").expect(200);
        let answer = fetch(&server.proxy(&format!("ca: {ca}")), "/").expect(502);
        let status = answer.field("proxy-status").unwrap();
        assert!(status.contains("error=tls_alert_received;"), "{version}: {status}");
    }
}

/// What `openssl req -x509` makes is the certificate of an authority, and people put it on servers all the same.
#[test]
fn the_certificate_that_openssl_makes_for_a_trial_is_believed_when_it_is_written_down() {
    let files = Files::new();
    let (certificate, key) = (files.write("own.pem", ""), files.write("own.key", ""));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=trial", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-out", &certificate, "-keyout", &key])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let [pem, key] = [&certificate, &key].map(|file| std::fs::read_to_string(file).unwrap());
    let server = OpenSsl::start(&files, &Certificate { chain: pem.clone(), pem, key }, &[]);
    fetch(&server.proxy(&format!("ca: {certificate}")), "/").expect(200);
    let other = files.write("ca.pem", &Authority::new("Root").pem);
    let answer = fetch(&server.proxy(&format!("ca: {other}")), "/").expect(502);
    assert!(answer.field("proxy-status").unwrap().contains("error=tls_certificate_error;"), "{answer}");
}
