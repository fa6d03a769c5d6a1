//! One question to servers that are scripted byte by byte: right, wrong, slow, broken, gone.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::{spawn_local, yield_now};
use weir_core::server::ServerAddress;
use weir_http::target::Scheme;

use super::*;

/// What a scripted server does when it has said everything.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Close,
    Reset,
    Hang,
}

fn local<T>(test: impl Future<Output = T>) -> T {
    let runtime =
        Builder::new_current_thread().enable_all().start_paused(true).build_local(LocalOptions::default());
    runtime.unwrap().block_on(test)
}

fn server(transport: Transport, scheme: Scheme, base: &str) -> Server {
    Server::new(ServerAddress { written: "a".into(), scheme, transport, base: base.into() })
}

fn at(listener: &TcpListener) -> Transport {
    let address = listener.local_addr().unwrap();
    Transport::Ip(address.ip(), address.port())
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// A port that is taken, and at which nobody listens.
fn deaf() -> (socket2::Socket, Transport) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, Transport::Ip(address.ip(), address.port()))
}

async fn head_of(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => read.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(read).unwrap()
}

async fn say(mut stream: TcpStream, pieces: Vec<Vec<u8>>, end: End) -> String {
    let head = head_of(&mut stream).await;
    for piece in pieces {
        // Whoever has heard enough closes.
        if stream.write_all(&piece).await.is_err() {
            break;
        }
        yield_now().await;
    }
    match end {
        End::Close => {}
        End::Reset => SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap(),
        End::Hang => std::future::pending().await,
    }
    head
}

/// From the beginning to the end.
async fn ask(prober: &Prober) -> Result<(), Failure> {
    match prober.begin() {
        Begun::Over(outcome) => outcome,
        Begun::UnderWay(under_way) => under_way.end().await,
    }
}

fn check_of(probe: HttpProbe) -> HealthCheck {
    HealthCheck { timeout: Duration::from_millis(500), ..HealthCheck::new(Probe::Http(Box::new(probe))) }
}

fn probe() -> HttpProbe {
    HttpProbe::new("/healthz")
}

fn with_body(text: &str) -> HttpProbe {
    HttpProbe { body: Some(text.into()), ..probe() }
}

/// What comes of a probe when the server says these pieces.
fn outcome(probe: HttpProbe, pieces: Vec<Vec<u8>>, end: End) -> Result<(), Failure> {
    local(async {
        let listener = listener().await;
        let prober = Prober::new(&check_of(probe), &server(at(&listener), Scheme::Http, ""));
        spawn_local(async move { say(listener.accept().await.unwrap().0, pieces, end).await });
        ask(&prober).await
    })
}

fn pieces(said: &[&str]) -> Vec<Vec<u8>> {
    said.iter().map(|piece| piece.as_bytes().to_vec()).collect()
}

fn check(probe: HttpProbe, said: &[&str]) {
    assert_eq!(outcome(probe, pieces(said), End::Close), Ok(()), "{said:?}");
}

fn check_failure(probe: HttpProbe, said: &[&str], end: End, outcome: CheckOutcome, reason: &str) {
    let failure = self::outcome(probe, pieces(said), end).expect_err("it was taken for healthy");
    assert_eq!((failure.outcome, &*failure.reason), (outcome, reason), "{said:?}");
}

#[test]
fn a_good_answer_is_good_however_it_comes() {
    check(probe(), &["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]);
    check(probe(), &["HTTP/1.0 204 No Content\r\n\r\n"]);
    check(probe(), &["HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n"]);
    check(probe(), &["H", "TTP/1.1 200 OK\r\nConte", "nt-Length: 2\r", "\n\r\n", "o", "k"]);
    check(probe(), &["HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]);
    check(with_body("ok"), &["HTTP/1.1 200 OK\r\n\r\nthat is o", "k, and ends with the connection"]);
    check(
        with_body("ok"),
        &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n"],
    );
    check(
        HttpProbe { expect: StatusSet::EMPTY.with_code(503), ..probe() },
        &["HTTP/1.1 503 On Purpose\r\nContent-Length: 0\r\n\r\n"],
    );
    check(HttpProbe { method: "HEAD".into(), ..probe() }, &["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"]);
}

#[test]
fn wrong_answers_say_what_was_expected() {
    use CheckOutcome::Answer;
    let wrong = |said: &[&str], reason| check_failure(probe(), said, End::Close, Answer, reason);
    wrong(&["HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"], "status 503, expected 2xx, 3xx");
    wrong(&["HTTP/1.1 404 No\r\n\r\n"], "status 404, expected 2xx, 3xx");
    wrong(&[""], "the connection ended before the answer");
    wrong(&["HTTP/1.1 200 OK\r\nContent-"], "the connection ended in the head of the answer");
    wrong(
        &["SSH-2.0-OpenSSH_9.2p1\r\n\r\n"],
        "the answer is no HTTP: the version is neither HTTP/1.0 nor HTTP/1.1",
    );
    let said = &["HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"];
    check_failure(with_body("ok"), said, End::Close, Answer, "the body lacks `ok`");
    // A server that has no more than a head is not well, whatever its head says.
    let half = outcome(probe(), pieces(&["HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfi"]), End::Close);
    assert!(half.unwrap_err().reason.starts_with("the answer broke off"));
    let ambiguous = &["HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"];
    let failure = outcome(probe(), pieces(ambiguous), End::Close).unwrap_err();
    assert!(failure.reason.starts_with("the answer can't be understood"), "{failure:?}");
    let flood = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(40);
    let failure = outcome(probe(), pieces(&[&flood]), End::Close).unwrap_err();
    assert!(failure.reason.contains("interim answers"), "{failure:?}");
}

#[test]
fn an_answer_that_takes_too_long_is_a_failure_wherever_it_stops() {
    let late = |said: &[&str]| {
        let reason = "no whole answer within 500ms";
        check_failure(probe(), said, End::Hang, CheckOutcome::Timeout, reason);
    };
    late(&[]);
    late(&["HTTP/1.1 200"]);
    late(&["HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfi"]);
    late(&["HTTP/1.1 200 OK\r\n\r\nwithout an end"]);
    late(&["HTTP/1.1 100 Continue\r\n\r\n"]);
}

#[test]
fn a_reset_is_a_failure() {
    let failure = outcome(probe(), pieces(&["HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"]), End::Reset);
    let failure = failure.unwrap_err();
    assert_eq!(failure.outcome, CheckOutcome::Answer);
    assert!(failure.reason.contains("reset"), "{failure:?}");
}

/// A status page of several megabytes is read as far as anybody could want, and is no failure.
#[test]
fn of_a_huge_body_the_beginning_counts() {
    let size = 4 * HttpProbe::BODY_BYTES_MAX;
    let huge = |text: &str, at: usize| {
        let mut body = vec![b'x'; size];
        body[at..at + text.len()].copy_from_slice(text.as_bytes());
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
        vec![head.into_bytes(), body]
    };
    assert_eq!(outcome(probe(), huge("", 0), End::Close), Ok(()));
    assert_eq!(outcome(with_body("ok"), huge("ok", HttpProbe::BODY_BYTES_MAX - 2), End::Close), Ok(()));
    let failure =
        outcome(with_body("ok"), huge("ok", HttpProbe::BODY_BYTES_MAX - 1), End::Close).unwrap_err();
    assert_eq!(&*failure.reason, "the body lacks `ok` within its first 64 KiB");
}

#[test]
fn what_is_asked_is_what_was_written() {
    let asked = |probe: HttpProbe, base: &str| {
        local(async {
            let listener = listener().await;
            let server = server(at(&listener), Scheme::Http, base);
            let prober = Prober::new(&check_of(probe), &server);
            let good = pieces(&["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]);
            let serving = async { say(listener.accept().await.unwrap().0, good, End::Close).await };
            let (outcome, head) = tokio::join!(ask(&prober), serving);
            assert_eq!(outcome, Ok(()));
            // Its checks are none of its requests.
            assert_eq!(server.counters.requests.load(std::sync::atomic::Ordering::Relaxed), 0);
            head
        })
    };
    let head = asked(probe(), "/base");
    assert!(head.starts_with("GET /base/healthz HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("Host: 127.0.0.1:") && head.contains("Connection: close\r\n"), "{head}");
    let other =
        HttpProbe { method: "OPTIONS".into(), host: Some("api.test".into()), ..HttpProbe::new("/z?a=1") };
    let head = asked(other, "");
    assert!(head.starts_with("OPTIONS /z?a=1 HTTP/1.1\r\n") && head.contains("Host: api.test\r\n"), "{head}");
}

#[test]
fn who_can_not_be_connected_to_is_refused() {
    let reason_of = |check: HealthCheck, server: Server| {
        let failure = local(ask(&Prober::new(&check, &server))).unwrap_err();
        assert_eq!(failure.outcome, CheckOutcome::Refused);
        failure.reason.into_string()
    };
    let (_socket, free) = deaf();
    let (http, tcp) = (|| check_of(probe()), || HealthCheck::new(Probe::Tcp));
    assert_eq!(reason_of(http(), server(free.clone(), Scheme::Http, "")), "connection refused");
    assert_eq!(reason_of(tcp(), server(free.clone(), Scheme::Http, "")), "connection refused");
    let absent = || server(Transport::Unix(PathBuf::from("/nonexistent/weir")), Scheme::Http, "");
    assert_eq!(reason_of(tcp(), absent()), "no such file or directory");
    assert_eq!(reason_of(http(), absent()), "no such file or directory");
    // Nothing that was meant for TLS goes without it.
    assert!(reason_of(http(), server(free, Scheme::Https, "")).contains("TLS"));
}

/// Backlogs that are full are how a server looks that does not accept any more.
#[test]
fn who_does_not_accept_in_time_is_late() {
    local(async {
        let directory = std::env::temp_dir().join(format!("weir-probe-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("full");
        let _ = std::fs::remove_file(&path);
        let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        socket.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
        socket.listen(0).unwrap();
        let _in_the_way = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let server = server(Transport::Unix(path), Scheme::Http, "");
        let failure = ask(&Prober::new(&HealthCheck::new(Probe::Tcp), &server)).await.unwrap_err();
        // Some systems say at once that there is no room.
        let said = (failure.outcome, &*failure.reason);
        let late = (CheckOutcome::Timeout, "no connection within 1s");
        assert!(said == late || failure.reason.contains("unavailable"), "{said:?}");
        std::fs::remove_dir_all(directory).unwrap();
    });
}

#[test]
fn a_tcp_check_ends_with_a_fin_and_without_a_byte() {
    local(async {
        let listener = listener().await;
        let server = server(at(&listener), Scheme::Http, "");
        assert_eq!(ask(&Prober::new(&HealthCheck::new(Probe::Tcp), &server)).await, Ok(()));
        let mut accepted = listener.accept().await.unwrap().0;
        let mut read = Vec::new();
        assert_eq!(
            accepted.read_to_end(&mut read).await.unwrap(),
            0,
            "a reset is an error, and a byte is a byte"
        );
    });
}

#[test]
fn a_tcp_check_of_a_unix_socket() {
    local(async {
        let directory = std::env::temp_dir().join(format!("weir-probe-unix-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("s");
        let _ = std::fs::remove_file(&path);
        let _listener = UnixListener::bind(&path).unwrap();
        let server = server(Transport::Unix(path), Scheme::Http, "");
        assert_eq!(ask(&Prober::new(&HealthCheck::new(Probe::Tcp), &server)).await, Ok(()));
        std::fs::remove_dir_all(directory).unwrap();
    });
}
