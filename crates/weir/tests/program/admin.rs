//! The admin listener of a running program, asked directly, on a connection that is kept: whoever waits for a state asks often.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a state is waited for; far more than a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection on which one request follows the other.
pub(crate) struct Kept {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

impl Kept {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream: BufReader::new(stream), address }
    }

    /// The head of the answer, and its body, which has a length.
    pub(crate) fn ask(&mut self, method: &str, path: &str) -> (String, String) {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.stream.read_line(&mut head).unwrap(), 0, "{method} {path}: {head}");
        }
        let lines = head.to_ascii_lowercase();
        let length = lines.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.trim().parse().unwrap()];
        self.stream.read_exact(&mut body).unwrap();
        (head, String::from_utf8(body).unwrap())
    }

    /// The same for what answers with JSON and does what is asked.
    fn json(&mut self, method: &str, path: &str) -> Value {
        let (head, body) = self.ask(method, path);
        assert!(head.starts_with("HTTP/1.1 20"), "{method} {path}: {head}{body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
    }
}

/// Asks for a path, and demands that it is done.
pub(crate) fn admin(address: SocketAddr, method: &str, path: &str) -> Value {
    Kept::open(address).json(method, path)
}

/// An upstream, as soon as this is so.
#[expect(clippy::disallowed_methods, reason = "a test gives up at last")]
pub(crate) fn upstream_when(address: SocketAddr, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    let mut connection = Kept::open(address);
    loop {
        let upstream = connection.json("GET", &format!("/api/v1/upstreams/{name}"));
        if is_so(&upstream) {
            return upstream;
        }
        assert!(begun.elapsed() < PATIENCE, "it does not come to that: {upstream:#}");
        std::thread::yield_now();
    }
}

/// The names of its servers, with those that leave.
pub(crate) fn servers(upstream: &Value) -> Vec<String> {
    let servers = upstream["servers"].as_array().unwrap();
    servers.iter().map(|server| server["address"].as_str().unwrap().to_owned()).collect()
}
