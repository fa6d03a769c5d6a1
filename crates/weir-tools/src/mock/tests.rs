//! The mock over real sockets: what a client sees, byte by byte where it matters.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{ECHO_BODY_BYTES_MAX, Mock, MockOptions, pattern_byte};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

struct Running {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

async fn start(options: MockOptions) -> Running {
    let mock = Mock::bind(ANY, options).await.unwrap();
    let address = mock.address();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(mock.serve(async {
        let _ = stopped.await;
    }));
    Running { address, stop: Some(stop), task }
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Running {
    /// Sends bytes, reads to the end of the connection, and takes the first head and all that follows apart.
    async fn exchange(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        split(bytes)
    }

    async fn get(&self, path: &str) -> Answer {
        self.exchange(format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes()).await
    }
}

fn split(mut bytes: Vec<u8>) -> Answer {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    let body = bytes.split_off(end);
    let head = String::from_utf8(bytes).unwrap();
    Answer { status: head[9..12].parse().unwrap(), head, body }
}

#[tokio::test]
async fn every_answer_names_its_port() {
    let mock = start(MockOptions::default()).await;
    let port = mock.address.port().to_string();
    for path in
        ["/", "/any/path?x=1", "/echo", "/status/503", "/status/204", "/bytes/3", "/stream/2", "/status/x"]
    {
        let answer = mock.get(path).await;
        assert_eq!(answer.field("x-mock-port"), Some(port.as_str()), "{path}");
        if path != "/bytes/3" && path != "/status/204" {
            assert!(answer.text().contains(&port), "{path}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn many_ports_in_one_process() {
    let mut mocks = Vec::new();
    for _ in 0..8 {
        mocks.push(start(MockOptions::default()).await);
    }
    for mock in &mocks {
        assert_eq!(mock.get("/").await.text(), format!("port {}: GET /\n", mock.address.port()));
    }
}

#[tokio::test]
async fn statuses_without_content_have_none() {
    let mock = start(MockOptions::default()).await;
    for (path, status, empty) in [
        ("/status/404", 404, false),
        ("/status/204", 204, true),
        ("/status/304", 304, true),
        ("/status/599", 599, false),
    ] {
        let answer = mock.get(path).await;
        assert_eq!((answer.status, answer.body.is_empty()), (status, empty), "{path}");
    }
    assert_eq!(mock.get("/status/100").await.status, 400);
}

#[tokio::test]
async fn the_echo_says_what_arrived() {
    let mock = start(MockOptions::default()).await;
    let answer = mock
        .exchange(
            b"POST /echo?a=1&b=%20 HTTP/1.1\r\nHost: a\r\nX-Twice: 1\r\nx-twice: 2\r\nX-Odd: \xff\r\n\
              Connection: close\r\nContent-Length: 5\r\n\r\nhello",
        )
        .await;
    assert_eq!(answer.field("content-type"), Some("application/json"));
    let echo = answer.json();
    assert_eq!(echo["port"], mock.address.port());
    assert_eq!(
        (&echo["method"], &echo["path"], &echo["query"]),
        (&"POST".into(), &"/echo".into(), &"a=1&b=%20".into())
    );
    assert_eq!(echo["headers"]["x-twice"], serde_json::json!(["1", "2"]));
    assert_eq!(echo["headers"]["host"], "a");
    assert_eq!(echo["headers"]["x-odd"], "\u{fffd}");
    assert_eq!((&echo["body"], &echo["body_encoding"]), (&"hello".into(), &"utf-8".into()));
    assert_eq!((&echo["body_bytes"], &echo["body_truncated"]), (&5.into(), &false.into()));
    assert_eq!(echo.get("trailers"), None);
}

#[tokio::test]
async fn the_echo_gives_bytes_that_are_no_text_in_base64_and_trailers() {
    let mock = start(MockOptions::default()).await;
    let echo = mock
        .exchange(
            b"PUT /echo HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
              2\r\n\xff\xfe\r\n1\r\n\xfd\r\n0\r\nX-Sum: 7\r\n\r\n",
        )
        .await
        .json();
    assert_eq!((&echo["body"], &echo["body_encoding"]), (&"//79".into(), &"base64".into()));
    assert_eq!(echo["trailers"]["x-sum"], "7");
    assert_eq!(echo["query"], Value::Null);
}

#[tokio::test]
async fn with_debug_every_path_echoes_and_keeps_its_status() {
    let mock =
        start(MockOptions { debug: true, status: "201".parse().unwrap(), ..MockOptions::default() }).await;
    let answer = mock.get("/some/where").await;
    assert_eq!((answer.status, &answer.json()["path"]), (201, &"/some/where".into()));
    let answer = mock.get("/status/418").await;
    assert_eq!((answer.status, &answer.json()["path"]), (418, &"/status/418".into()));
    assert_eq!(mock.get("/bytes/5").await.body, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn an_upload_over_the_echo_limit_is_read_counted_and_cut() {
    let mock = start(MockOptions::default()).await;
    let length = ECHO_BODY_BYTES_MAX + 100_000;
    let mut request =
        format!("POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n")
            .into_bytes();
    request.resize(request.len() + length, b'x');
    let echo = mock.exchange(&request).await.json();
    assert_eq!(echo["body"].as_str().unwrap().len(), ECHO_BODY_BYTES_MAX);
    assert_eq!(echo["body_bytes"], length);
    assert_eq!(echo["body_truncated"], true);
    assert_eq!(echo["body_limit_bytes"], ECHO_BODY_BYTES_MAX);
}

#[tokio::test]
async fn bytes_have_a_length_and_the_stated_pattern() {
    let mock = start(MockOptions::default()).await;
    for count in [0_u64, 1, 250, 251, 252, 64_256, 64_257, 1_000_003] {
        let answer = mock.get(&format!("/bytes/{count}")).await;
        assert_eq!(answer.field("content-length"), Some(count.to_string().as_str()));
        assert_eq!(answer.body.len() as u64, count);
        assert!((0..).zip(&answer.body).all(|(offset, byte)| *byte == pattern_byte(offset)), "{count}");
    }
}

#[tokio::test]
async fn a_stream_comes_in_chunks_also_when_it_is_empty() {
    let mock = start(MockOptions::default()).await;
    let port = mock.address.port();
    let answer = mock.get("/stream/2").await;
    assert_eq!((answer.field("transfer-encoding"), answer.field("content-length")), (Some("chunked"), None));
    let line = |number| format!("line {number} of 2 from port {port}\n");
    let chunk = |line: &str| format!("{:X}\r\n{line}\r\n", line.len());
    assert_eq!(answer.text(), format!("{}{}0\r\n\r\n", chunk(&line(1)), chunk(&line(2))));
    assert_eq!(mock.get("/stream/0").await.text(), "0\r\n\r\n");
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let mock = start(MockOptions::default()).await;
    let answer = mock.exchange(b"HEAD /bytes/1000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert_eq!((answer.field("content-length"), answer.body.len()), (Some("1000"), 0));
}

#[tokio::test]
async fn a_connection_is_kept_and_pipelined_requests_are_answered_in_order() {
    let mock = start(MockOptions::default()).await;
    let answer = mock
        .exchange(
            b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: a\r\n\r\n\
              GET /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        )
        .await;
    let text = answer.head.clone() + answer.text();
    let order: Vec<_> = ["POST /a", "GET /b", "GET /c"].map(|line| text.find(line).expect(line)).into();
    assert!(order.is_sorted(), "{text}");
}

#[tokio::test]
async fn expect_is_answered_before_the_body() {
    let mock = start(MockOptions::default()).await;
    let mut stream = TcpStream::connect(mock.address).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"ok").await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(split(bytes).status, 200);
}

#[tokio::test]
async fn connect_opens_no_tunnel() {
    let mock = start(MockOptions::default()).await;
    let answer = mock.exchange(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nConnection: close\r\n\r\n").await;
    assert_eq!(answer.status, 405);
    assert!(answer.field("allow").is_some());
}

#[tokio::test]
async fn a_broken_upload_gets_no_answer() {
    let mock = start(MockOptions::default()).await;
    let mut stream = TcpStream::connect(mock.address).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    assert!(!bytes.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&bytes));
    // The port lives on.
    assert_eq!(mock.get("/").await.status, 200);
}

async fn outcomes(seed: u64) -> Vec<u16> {
    let errors = "50%".parse().unwrap();
    let mock = start(MockOptions { errors, seed: Some(seed), ..MockOptions::default() }).await;
    let mut outcomes = Vec::new();
    for _ in 0..64 {
        outcomes.push(mock.get("/").await.status);
    }
    outcomes
}

#[tokio::test]
async fn errors_come_in_their_share_and_a_seed_repeats_them() {
    let first = outcomes(7).await;
    let failed = first.iter().filter(|status| **status == 500).count();
    assert!((16..=48).contains(&failed), "{failed} of 64 failed");
    assert_eq!(failed + first.iter().filter(|status| **status == 200).count(), 64);
    assert_eq!(first, outcomes(7).await);
    assert_ne!(first, outcomes(8).await);
}

#[tokio::test(start_paused = true)]
async fn delays_of_options_and_path_add_up() {
    let mock = start(MockOptions { delay: "2s".parse().unwrap(), ..MockOptions::default() }).await;
    let begin = tokio::time::Instant::now();
    mock.get("/").await;
    assert!((2000..2100).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    let begin = tokio::time::Instant::now();
    mock.get("/delay/3s").await;
    assert!((5000..5100).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_stop_finishes_what_runs_and_closes_the_port() {
    let mut mock = start(MockOptions::default()).await;
    let mut idle = TcpStream::connect(mock.address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut running = TcpStream::connect(mock.address).await.unwrap();
    running
        .write_all(b"POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        .await
        .unwrap();
    // The 100 shows that the request is in progress.
    running.read_exact(&mut [0; 25]).await.unwrap();
    drop(mock.stop.take());
    let mut bytes = Vec::new();
    idle.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(split(bytes).status, 200);
    running.write_all(b"ok").await.unwrap();
    let mut bytes = Vec::new();
    running.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(split(bytes).status, 200);
    mock.task.await.unwrap();
    assert!(TcpStream::connect(mock.address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_stop_cuts_what_does_not_end() {
    let mut mock = start(MockOptions::default()).await;
    let mut stuck = TcpStream::connect(mock.address).await.unwrap();
    stuck
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        .await
        .unwrap();
    stuck.read_exact(&mut [0; 25]).await.unwrap();
    drop(mock.stop.take());
    tokio::time::timeout(Duration::from_secs(5), &mut mock.task).await.unwrap().unwrap();
    assert_eq!(stuck.read(&mut [0; 16]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let mock = start(MockOptions::default()).await;
    let error = Mock::bind(mock.address, MockOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&mock.address.to_string()), "{error}");
}

#[tokio::test]
async fn what_is_no_request_gets_400_and_the_port_lives_on() {
    let mock = start(MockOptions::default()).await;
    for garbage in [
        "\x16\x03\x01\x02\0",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(mock.address).await.unwrap();
        stream.write_all(garbage.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        assert!(!bytes.starts_with(b"HTTP/1.1 2"), "{garbage:?}: {}", String::from_utf8_lossy(&bytes));
        assert_eq!(mock.get("/").await.status, 200);
    }
}

#[tokio::test]
async fn broken_chunks_get_no_answer_of_success() {
    let mock = start(MockOptions::default()).await;
    for chunks in ["zz\r\n", "2\r\nabc\r\n0\r\n\r\n", "fffffffffffffffff\r\n", "-1\r\n"] {
        let mut stream = TcpStream::connect(mock.address).await.unwrap();
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(format!("{head}{chunks}").as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        assert!(!bytes.starts_with(b"HTTP/1.1 2"), "{chunks:?}: {}", String::from_utf8_lossy(&bytes));
    }
}

#[tokio::test]
async fn an_endless_body_waits_for_its_reader_and_ends_with_it() {
    let mock = start(MockOptions::default()).await;
    let mut stream = TcpStream::connect(mock.address).await.unwrap();
    stream
        .write_all(format!("GET /bytes/{} HTTP/1.1\r\nHost: a\r\n\r\n", u64::MAX).as_bytes())
        .await
        .unwrap();
    let mut begin = vec![0; 1 << 20];
    stream.read_exact(&mut begin).await.unwrap();
    assert!(begin.starts_with(b"HTTP/1.1 200"));
    // While that one waits, others are served; when it goes, nothing is left behind that a stop would wait for.
    assert_eq!(mock.get("/").await.status, 200);
    drop(stream);
    drop(mock.stop);
    mock.task.await.unwrap();
}

#[tokio::test]
async fn a_large_upload_is_consumed() {
    let mock = start(MockOptions::default()).await;
    let length = 64 << 20;
    let mut stream = TcpStream::connect(mock.address).await.unwrap();
    let head = format!("PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let block = vec![b'x'; 1 << 20];
    for _ in 0..length >> 20 {
        stream.write_all(&block).await.unwrap();
    }
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(split(bytes).status, 200);
}

#[tokio::test]
async fn all_errors_and_no_errors() {
    let all = start(MockOptions { errors: "100%".parse().unwrap(), ..MockOptions::default() }).await;
    for path in ["/", "/echo", "/status/200", "/bytes/3", "/stream/3", "/nowhere"] {
        let answer = all.get(path).await;
        assert_eq!(answer.status, 500, "{path}");
        assert!(answer.text().starts_with(&format!("port {}: ", all.address.port())), "{path}");
    }
    let none = start(MockOptions { errors: "0%".parse().unwrap(), ..MockOptions::default() }).await;
    for _ in 0..50 {
        assert_eq!(none.get("/").await.status, 200);
    }
}

impl Running {
    async fn control(&self, method: &str, text: &str) -> Answer {
        let head = format!("{method} /_mock HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
        self.exchange(format!("{head}Content-Length: {}\r\n\r\n{text}", text.len()).as_bytes()).await
    }
}

#[tokio::test]
async fn it_changes_while_it_runs_and_comes_back() {
    let mock = start(MockOptions { control: true, ..MockOptions::default() }).await;
    assert_eq!(mock.control("GET", "").await.json()["errors"], "0%");
    let told = mock.control("PUT", r#"{"status": 503}"#).await;
    assert_eq!((told.status, told.json()["status"].as_u64()), (200, Some(503)));
    assert_eq!(mock.get("/").await.status, 503);
    assert_eq!(mock.get("/status/404").await.status, 404, "a path that asks for a status has it");
    // However it fails, it can be mended.
    mock.control("PUT", r#"{"errors": "100%", "delay": "1h"}"#).await;
    let refused = mock.control("PUT", r#"{"delay": "soon"}"#).await;
    assert_eq!((refused.status, refused.text().contains("hint: ")), (400, true));
    assert_eq!(mock.control("GET", "").await.json()["delay"], "3600000ms", "it was refused as a whole");
    mock.control("PUT", r#"{"errors": "100%"}"#).await;
    assert_eq!(mock.get("/").await.status, 500);
    let other = mock.control("POST", "{}").await;
    assert_eq!((other.status, other.field("allow")), (405, Some("GET, PUT, DELETE")));
    assert_eq!(mock.control("DELETE", "").await.status, 200);
    assert_eq!(mock.get("/").await.status, 200);
}

#[tokio::test]
async fn unless_it_was_asked_for_nobody_can_change_it() {
    let mock = start(MockOptions::default()).await;
    let answer = mock.control("PUT", r#"{"status": 503}"#).await;
    assert_eq!(answer.text(), format!("port {}: PUT /_mock\n", mock.address.port()));
    assert_eq!(mock.get("/").await.status, 200);
}
