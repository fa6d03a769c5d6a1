//! Clients that people use: curl, Python's `http.client`, and Node's `http` and `fetch` (undici).

use std::process::{Command, Output, Stdio};

use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, sized};

/// A server that answers with method, target and the length of the body it got.
pub(crate) fn server() -> Server {
    Server::start(|mut connection| {
        while let Some(request) = connection.request() {
            let method = request.start.split(' ').next().unwrap();
            let body = format!("{method} {} {}", request.target(), request.body.len());
            if method == "HEAD" {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
            } else if request.target().starts_with("/chunked") {
                let size = body.len();
                connection.send(format!(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n{body}\r\n0\r\n\r\n"
                ));
            } else {
                connection.send(sized(&body));
            }
        }
    })
}

/// Runs a program with the proxy's address where its arguments say `ADDRESS`, and gives what it wrote.
pub(crate) fn run(program: &str, arguments: &[&str], proxy: &Running) -> String {
    let output = output(program, arguments, proxy);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} failed with {}\n{out}\n{err}", output.status);
    out.into_owned()
}

/// The same for a program that may fail.
pub(crate) fn output(program: &str, arguments: &[&str], proxy: &Running) -> Output {
    let address = proxy.address().to_string();
    let arguments = arguments.iter().map(|argument| argument.replace("ADDRESS", &address));
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| {
        panic!("`{program}` can't be run: {error}\n\nhint: `cargo xtask test` installs what tests run")
    })
}

#[test]
fn curl_works() {
    let server = server();
    let proxy = proxy::to(&server);
    let out = run(
        "curl",
        &["-sS", "--fail", "http://ADDRESS/a", "http://ADDRESS/chunked", "http://ADDRESS/c"],
        &proxy,
    );
    assert_eq!(out, "GET /a 0GET /chunked 0GET /c 0");
    assert_eq!(proxy.idle_upstream(), 1, "three requests on one connection");
    let upload = std::env::temp_dir().join(format!("weir-test-upload-{}", std::process::id()));
    // Above the size from which curl waits for a 100.
    std::fs::write(&upload, vec![b'x'; 3_000_000]).unwrap();
    let data = format!("@{}", upload.display());
    let out = run("curl", &["-sS", "--data-binary", &data, "http://ADDRESS/up"], &proxy);
    assert_eq!(out, "POST /up 3000000");
    let chunked =
        ["-sS", "-H", "Transfer-Encoding: chunked", "-T", upload.to_str().unwrap(), "http://ADDRESS/up"];
    assert_eq!(run("curl", &chunked, &proxy), "PUT /up 3000000");
    std::fs::remove_file(&upload).unwrap();
    assert_eq!(run("curl", &["-sS", "--http1.0", "http://ADDRESS/chunked"], &proxy), "GET /chunked 0");
    assert!(run("curl", &["-sS", "-I", "http://ADDRESS/"], &proxy).contains("Content-Length: 1000"));
    let spelled = run("curl", &["-sS", "--path-as-is", "http://ADDRESS/x/../%61dmin"], &proxy);
    assert_eq!(spelled, "GET /admin 0");
}

#[test]
fn curl_waits_for_100() {
    let server = Server::start(|mut connection| {
        let head = connection.request_head();
        assert!(head.has("expect"), "{head}");
        connection.send("HTTP/1.1 100 Continue\r\n\r\n");
        assert_eq!(connection.read_exact(5), b"hello");
        connection.send(sized("ok"));
        connection.until_end();
    });
    let proxy = proxy::to(&server);
    let arguments = [
        "-sS",
        "--expect100-timeout",
        "60",
        "-H",
        "Expect: 100-continue",
        "--data-binary",
        "hello",
        "http://ADDRESS/",
    ];
    assert_eq!(run("curl", &arguments, &proxy), "ok");
    drop(proxy);
}

const PYTHON: &str = r#"
import http.client, socket, sys
host, port = sys.argv[1].rsplit(":", 1)
connection = http.client.HTTPConnection(host, int(port), timeout=10)
def ask(method, target, body=None, expected=None, **more):
    connection.request(method, target, body, **more)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == 200, (answer.status, text)
    assert expected is None or text == expected, (text, expected)
    return answer
ask("GET", "/a", expected=b"GET /a 0")
first = connection.sock
ask("GET", "/chunked", expected=b"GET /chunked 0")
assert ask("HEAD", "/h", expected=b"").getheader("Content-Length") == "1000"
ask("POST", "/p", b"x" * 1_000_000, b"POST /p 1000000")
ask("PUT", "/i", iter([b"a" * 10, b"b" * 100_000]), b"PUT /i 100010", encode_chunked=True)
ask("DELETE", "/d", expected=b"DELETE /d 0")
assert connection.sock is first, "the connection was not kept"
connection.close()
# Pipelining, which http.client does not do by itself.
raw = socket.create_connection((host, int(port)), timeout=10)
raw.sendall(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(10)))
class Fake:
    def __init__(self, file): self.file = file
    def makefile(self, mode): return self.file
file = raw.makefile("rb")
file.close = lambda: None
for n in range(10):
    answer = http.client.HTTPResponse(Fake(file))
    answer.begin()
    text = answer.read()
    assert text == b"GET /%d 0" % n, text
print("done")
"#;

#[test]
fn python_http_client_works() {
    let server = server();
    let proxy = proxy::to(&server);
    assert_eq!(run("python3", &["-c", PYTHON, "ADDRESS"], &proxy).trim(), "done");
}

const NODE: &str = r#"
const http = require("http");
const assert = require("assert");
const address = process.argv[1];
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
function ask(method, path, body, headers = {}) {
  return new Promise((done, failed) => {
    const request = http.request(`http://${address}${path}`, { method, agent, headers }, (answer) => {
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
  if (typeof fetch === "function") {
    const many = Array.from({ length: 20 }, (_, n) => fetch(`http://${address}/${n}`).then((it) => it.text()));
    assert.deepEqual(await Promise.all(many), Array.from({ length: 20 }, (_, n) => `GET /${n} 0`));
    const up = await fetch(`http://${address}/u`, { method: "PUT", body: "x".repeat(3e6) });
    assert.equal(await up.text(), "PUT /u 3000000");
    const stream = new ReadableStream({
      start(control) {
        for (let n = 0; n < 10; n++) control.enqueue(new TextEncoder().encode("y".repeat(1e5)));
        control.close();
      },
    });
    const streamed = await fetch(`http://${address}/s`, { method: "POST", body: stream, duplex: "half" });
    assert.equal(await streamed.text(), "POST /s 1000000");
  }
  console.log("done");
  process.exit(0);
})().catch((error) => { console.error(error); process.exit(1); });
"#;

#[test]
fn node_http_and_fetch_work() {
    let server = server();
    let proxy = proxy::to(&server);
    assert_eq!(run("node", &["-e", NODE, "ADDRESS"], &proxy).trim(), "done");
}
