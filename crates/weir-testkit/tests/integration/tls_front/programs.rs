//! Clients that people use, over TLS: curl, Python's `ssl` with `http.client`, httpx, Node's `https` and `fetch` (undici), and
//! openssl, each with the TLS that it brings along.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};

use weir_core::handshake::HandshakeOutcome;
use weir_testkit::certificate::Authority;
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;

use super::{Front, listen};
use crate::programs::{output, run, server};

/// A proxy that these clients ask by its address, and where they find its authority.
fn by_address(server: &Server, more: &str) -> (Front, Running, String) {
    let front = Front::new();
    let certificate = front.certificate("a.pem", &["127.0.0.1", "a.test"]);
    let proxy = proxy::with(server, &listen(&format!("{certificate}, {more}")));
    let ca = front.files.write("ca.pem", &front.root.pem);
    (front, proxy, ca)
}

fn handshakes(proxy: &Running, outcome: HandshakeOutcome) -> u64 {
    proxy.connections();
    proxy.status().tls_handshakes[outcome as usize]
}

/// The exit code of curl with these arguments.
fn curl_fails(arguments: &[&str], proxy: &Running) -> Option<i32> {
    output("curl", arguments, proxy).status.code()
}

#[test]
fn curl_works() {
    let server = server();
    let (front, proxy, ca) = by_address(&server, "");
    for version in [&["--tls-max", "1.2"][..], &["--tls-max", "1.3"], &["--http1.1"], &["--tlsv1.3"]] {
        let known = ["-sS", "--fail", "--cacert", &ca, "https://ADDRESS/a", "https://ADDRESS/chunked"];
        assert_eq!(run("curl", &[version, &known].concat(), &proxy), "GET /a 0GET /chunked 0", "{version:?}");
    }
    assert_eq!(handshakes(&proxy, HandshakeOutcome::Full), 4, "both requests on one connection");
    let upload = front.files.write("upload", vec![b'x'; 3_000_000]);
    // Above the size from which curl waits for a 100.
    let data = format!("@{upload}");
    let sized = ["-sS", "--cacert", &ca, "--data-binary", &data, "https://ADDRESS/up"];
    assert_eq!(run("curl", &sized, &proxy), "POST /up 3000000");
    let chunked =
        ["-sS", "--cacert", &ca, "-H", "Transfer-Encoding: chunked", "-T", &upload, "https://ADDRESS/up"];
    assert_eq!(run("curl", &chunked, &proxy), "PUT /up 3000000");
    let old = ["-sS", "--cacert", &ca, "--http1.0", "https://ADDRESS/chunked"];
    assert_eq!(run("curl", &old, &proxy), "GET /chunked 0");
    // A name is asked for, and none is trusted that is not on the certificate.
    let port = proxy.address().port();
    let to = format!("a.test:{port}:127.0.0.1");
    let named = format!("https://a.test:{port}/named");
    assert_eq!(run("curl", &["-sS", "--cacert", &ca, "--resolve", &to, &named], &proxy), "GET /named 0");
    let to = format!("b.test:{port}:127.0.0.1");
    let unnamed = format!("https://b.test:{port}/");
    assert_eq!(curl_fails(&["-sS", "--cacert", &ca, "--resolve", &to, &unnamed], &proxy), Some(60));
    assert_eq!(curl_fails(&["-sS", "https://ADDRESS/"], &proxy), Some(60));
    assert_eq!(run("curl", &["-sS", "-k", "https://ADDRESS/k"], &proxy), "GET /k 0");
}

#[test]
fn curl_is_told_why_it_is_refused() {
    let server = server();
    let clients = Authority::new("Clients");
    let front = Front::new();
    let clients_pem = front.files.write("clients.pem", &clients.pem);
    let (_front, proxy, ca) =
        by_address(&server, &format!("min_version: '1.3', client: {{ca: {clients_pem}}}"));
    let plain = run("curl", &["-sS", "-w", " %{http_code}", "http://ADDRESS/"], &proxy);
    assert!(plain.contains("this port speaks TLS") && plain.ends_with(" 400"), "{plain}");
    let said = |arguments: &[&str]| {
        let output = output("curl", arguments, &proxy);
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let old = said(&["-sS", "-k", "--tls-max", "1.2", "https://ADDRESS/"]);
    assert!(old.contains("protocol version"), "{old}");
    let nobody = said(&["-sS", "-k", "https://ADDRESS/"]);
    assert!(nobody.contains("certificate required"), "{nobody}");
    let own = clients.issue(&["x.test"]);
    let own = front.files.write("own.pem", format!("{}{}", own.chain, own.key));
    let shown = ["-sS", "--cacert", &ca, "--cert", &own, "https://ADDRESS/x"];
    assert_eq!(run("curl", &shown, &proxy), "GET /x 0");
}

const PYTHON: &str = r#"
import http.client, socket, ssl, sys
address, ca = sys.argv[1:]
host, port = address.rsplit(":", 1)
for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["http/1.1"])
    session = None
    for round in range(3):
        raw = context.wrap_socket(socket.create_connection((host, int(port)), timeout=10), server_hostname=host, session=session)
        assert raw.session_reused == (session is not None), (version, round)
        assert raw.selected_alpn_protocol() == "http/1.1"
        raw.sendall(b"GET /raw HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        # Without the goodbye at its end this raises.
        text = b""
        while piece := raw.recv(4096):
            text += piece
        assert text.endswith(b"GET /raw 0"), text
        session = raw.session
        raw.unwrap().close()
    connection = http.client.HTTPSConnection(host, int(port), timeout=10, context=context)
    def ask(method, target, body=None, expected=None, **more):
        connection.request(method, target, body, **more)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, (answer.status, text)
        assert expected is None or text == expected, (text, expected)
        return answer
    ask("GET", "/a", expected=b"GET /a 0")
    first = connection.sock
    assert first.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]
    ask("GET", "/chunked", expected=b"GET /chunked 0")
    assert ask("HEAD", "/h", expected=b"").getheader("Content-Length") == "1000"
    ask("POST", "/p", b"x" * 1_000_000, b"POST /p 1000000")
    ask("PUT", "/i", iter([b"a" * 10, b"b" * 100_000]), b"PUT /i 100010", encode_chunked=True)
    assert connection.sock is first, "the connection was not kept"
    connection.close()
# A client that says goodbye gets one, also when it has asked for nothing.
silent = context.wrap_socket(socket.create_connection((host, int(port)), timeout=10), server_hostname=host)
silent.unwrap().close()
print("done")
"#;

#[test]
fn python_ssl_and_http_client_work() {
    let server = server();
    let (_front, proxy, ca) = by_address(&server, "");
    assert_eq!(run("python3", &["-c", PYTHON, "ADDRESS", &ca], &proxy).trim(), "done");
}

const HTTPX: &str = r#"
import asyncio, ssl, sys, httpx
address, ca = sys.argv[1:]
base = f"https://{address}"
verify = ssl.create_default_context(cafile=ca)
with httpx.Client(base_url=base, verify=verify) as client:
    for n in range(5):
        assert client.get(f"/{n}").text == f"GET /{n} 0"
    assert client.post("/p", content=b"x" * 2_000_000).text == "POST /p 2000000"
    assert client.put("/g", content=(b"y" * 1000 for _ in range(100))).text == "PUT /g 100000"
    with client.stream("GET", "/chunked") as answer:
        assert b"".join(answer.iter_bytes()) == b"GET /chunked 0"
async def many():
    async with httpx.AsyncClient(base_url=base, verify=verify) as client:
        answers = await asyncio.gather(*(client.get(f"/{n}") for n in range(50)))
        assert [answer.text for answer in answers] == [f"GET /{n} 0" for n in range(50)]
asyncio.run(many())
try:
    httpx.get(base)
    raise SystemExit("a certificate of nobody known was believed")
except httpx.ConnectError as error:
    assert "certificate verify failed" in str(error), error
print("done")
"#;

#[test]
fn httpx_works() {
    let server = server();
    let (_front, proxy, ca) = by_address(&server, "");
    // The package of the system is for the Python of the system.
    let python = ["python3", "/usr/bin/python3"].into_iter().find(|python| {
        let has = Command::new(python).args(["-c", "import httpx"]).stderr(Stdio::null()).status();
        has.is_ok_and(|status| status.success())
    });
    let python = python.expect("no Python has httpx\n\nhint: `cargo xtask test` installs what tests run");
    assert_eq!(run(python, &["-c", HTTPX, "ADDRESS", &ca], &proxy).trim(), "done");
}

const NODE: &str = r#"
const https = require("https");
const assert = require("assert");
const [address] = process.argv.slice(1);
const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
function ask(method, path, body, more = {}) {
  return new Promise((done, failed) => {
    const request = https.request(`https://${address}${path}`, { method, agent, ...more }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () => done({ text: Buffer.concat(parts).toString(), reused: request.reusedSocket, answer }));
    });
    request.on("error", failed);
    if (body) for (const part of body) request.write(part);
    request.end();
  });
}
(async () => {
  assert.equal((await ask("GET", "/a")).text, "GET /a 0");
  const second = await ask("GET", "/chunked");
  assert.equal(second.text, "GET /chunked 0");
  assert.ok(second.reused, "the connection was not kept");
  assert.equal((await ask("HEAD", "/h")).answer.headers["content-length"], "1000");
  assert.equal((await ask("POST", "/p", ["a".repeat(1e6), "b".repeat(1e6)])).text, "POST /p 2000000");
  agent.destroy();
  // An agent keeps sessions too.
  const resuming = new https.Agent({ maxVersion: "TLSv1.2" });
  assert.equal((await ask("GET", "/r", null, { agent: resuming })).text, "GET /r 0");
  const resumed = await ask("GET", "/r", null, { agent: resuming });
  assert.ok(resumed.answer.socket.isSessionReused(), "the session was not resumed");
  const many = Array.from({ length: 20 }, (_, n) => fetch(`https://${address}/${n}`).then((it) => it.text()));
  assert.deepEqual(await Promise.all(many), Array.from({ length: 20 }, (_, n) => `GET /${n} 0`));
  const up = await fetch(`https://${address}/u`, { method: "PUT", body: "x".repeat(3e6) });
  assert.equal(await up.text(), "PUT /u 3000000");
  const stream = new ReadableStream({
    start(control) {
      for (let n = 0; n < 10; n++) control.enqueue(new TextEncoder().encode("y".repeat(1e5)));
      control.close();
    },
  });
  const streamed = await fetch(`https://${address}/s`, { method: "POST", body: stream, duplex: "half" });
  assert.equal(await streamed.text(), "POST /s 1000000");
  console.log("done");
  process.exit(0);
})().catch((error) => { console.error(error); process.exit(1); });
"#;

#[test]
fn node_https_and_fetch_work() {
    let server = server();
    let (_front, proxy, ca) = by_address(&server, "");
    let output = Command::new("node")
        .args(["-e", NODE, &proxy.address().to_string()])
        // Read once, when it starts.
        .env("NODE_EXTRA_CA_CERTS", &ca)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| {
            panic!("`node` can't be run: {error}\n\nhint: `cargo xtask test` installs what tests run")
        });
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert_eq!(out.trim(), "done");
}

/// What `openssl s_client` with these arguments says of the connection, on which it sends this.
fn s_client(proxy: &Running, input: &str, arguments: &[&str]) -> Output {
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &proxy.address().to_string()])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("`openssl` can't be run: {error}\n\nhint: `cargo xtask test` installs what tests run")
        });
    // A client that was refused reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

const LAST: &str = "GET /o HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

#[test]
fn openssl_works() {
    let server = server();
    let (front, proxy, ca) = by_address(&server, "");
    for version in ["-tls1_2", "-tls1_3"] {
        let known = [version, "-CAfile", &ca, "-servername", "a.test", "-alpn", "h2,http/1.1", "-ign_eof"];
        let strict = ["-verify_hostname", "a.test", "-verify_return_error"];
        let session = front.files.write("session.pem", "");
        let output = s_client(&proxy, LAST, &[&known[..], &strict, &["-sess_out", &session]].concat());
        let text = said(&output);
        assert!(output.status.success(), "{text}");
        for part in ["GET /o 0", "Verification: OK", "ALPN protocol: http/1.1", "New, TLSv1."] {
            assert!(text.contains(part), "no {part}: {text}");
        }
        let output = s_client(&proxy, LAST, &[&known[..], &["-sess_in", &session]].concat());
        let text = said(&output);
        assert!(text.contains("Reused, TLSv1.") && text.contains("GET /o 0"), "{text}");
    }
}

/// A client of openssl that goes on with a session and stays; gone at the end of the test.
struct Staying(Child);

impl Staying {
    /// Connects, and waits for the line about the session.
    fn connect(proxy: &Running, version: &str, session: &str) -> (Self, String) {
        let address = proxy.address().to_string();
        let mut child = Command::new("openssl")
            .args(["s_client", "-connect", &address, version, "-servername", "a.test", "-sess_in", session])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.map_while(Result::ok).find(|line| line.contains(", TLSv1."));
        (Self(child), line.unwrap_or_default())
    }
}

impl Drop for Staying {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The session that one worker gave is resumed by either.
#[test]
fn openssl_resumes_on_every_worker() {
    let server = server();
    let front = Front::new();
    let proxy = proxy::with(&server, &format!("{}workers: 2", front.listen("")));
    for version in ["-tls1_2", "-tls1_3"] {
        let session = front.files.write("session.pem", "");
        let first = [version, "-servername", "a.test", "-sess_out", &session, "-ign_eof"];
        let text = said(&s_client(&proxy, LAST, &first));
        assert!(text.contains("New, TLSv1.") && text.contains("GET /o 0"), "{text}");
        let mut staying = Vec::new();
        // Which worker gets a connection is the system's choice; both have one sooner or later.
        while proxy.connections_by_worker().contains(&0) {
            let (one, line) = Staying::connect(&proxy, version, &session);
            assert!(line.starts_with("Reused, TLSv1."), "{version}: {line:?} at {}", staying.len());
            staying.push(one);
            assert!(staying.len() < 64, "all of them came to one worker");
        }
        drop(staying);
        while proxy.connections() > 0 {}
    }
}

#[test]
fn openssl_is_refused_with_a_reason() {
    let server = server();
    let (_front, proxy, _) = by_address(&server, "");
    for (arguments, reason) in [
        (&["-alpn", "h2"][..], "no application protocol"),
        (&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "protocol version"),
        (&["-tls1", "-cipher", "ALL:@SECLEVEL=0"], "protocol version"),
        (&["-tls1_2", "-cipher", "AES128-SHA"], "handshake failure"),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"], "handshake failure"),
        (&["-groups", "secp521r1"], "handshake failure"),
    ] {
        let output = s_client(&proxy, "", arguments);
        let text = said(&output);
        assert!(!output.status.success() && text.contains(reason), "{arguments:?}: {text}");
    }
}

/// Only newer versions of openssl know the key exchange against quantum computers.
#[test]
fn openssl_agrees_on_a_post_quantum_key_where_it_knows_how() {
    const GROUP: &str = "X25519MLKEM768";
    let server = server();
    let (_front, proxy, ca) = by_address(&server, "");
    let output = s_client(&proxy, LAST, &["-groups", GROUP, "-CAfile", &ca, "-ign_eof"]);
    let text = said(&output);
    if text.contains("group") && !output.status.success() {
        assert!(!text.contains("CONNECTED"), "{text}");
        return;
    }
    assert!(text.contains(GROUP) && text.contains("GET /o 0"), "{text}");
}
