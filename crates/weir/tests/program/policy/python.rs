//! Programs in Python, written after the description of the protocol, with the real proxy between them.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use std::io::{BufRead, BufReader};

use super::super::process::Running;
use super::super::scratch::Scratch;

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn python(program: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/policy").join(program));
    command
}

#[test]
fn programs_in_python_understand_the_proxy() {
    let version = Command::new("python3").arg("--version").stdout(Stdio::null()).status();
    assert!(
        version.is_ok_and(|status| status.success()),
        "there is no `python3`\n\nhint: `cargo xtask test` installs it, or says how"
    );
    let (_proxy, address) = Running::proxy(&["policy", "proxy", "0"]);
    let port = address.port().to_string();
    let servers = [("1", "json"), ("2", "pickle"), ("3", "json"), ("4", "pickle")].map(|(number, form)| {
        let mut server = python("server.py");
        let started = server.args([number, "111", &port, form]).stderr(Stdio::piped()).spawn();
        let mut server = Server(started.unwrap());
        let mut line = String::new();
        BufReader::new(server.0.stderr.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "registered\n");
        server
    });
    let scratch = Scratch::new("policy-python");
    let never = scratch.path("never");
    let output = python("client.py").args([&port, &never]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(text(&output.stdout), "all is well\n");
    assert!(!Path::new(&never).exists(), "a pickle has done something");
    drop(servers);
}
