//! Requests without a client, against servers that are scripted byte by byte.
#![allow(clippy::unwrap_used)]

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use weir_core::server::{ServerAddress, Transport};
use weir_http::target::Scheme;

use super::*;
use crate::body::Room;
use crate::io::deadline::pause;
use crate::io::stream::Stream;

const LIMITS: SendLimits<'static> = SendLimits {
    connect: Duration::from_secs(2),
    whole: Duration::from_secs(5),
    head: HeadLimits { bytes_max: 1024, fields_max: 16 },
    body_bytes_max: 100,
    beyond: Beyond::Refused,
    keep: Keep::All,
    idle: Duration::from_secs(4),
    reuse_unsafe: Duration::ZERO,
};

fn server_at(address: SocketAddr, base: &str) -> Arc<Server> {
    let transport = Transport::Ip(address.ip(), address.port());
    Arc::new(Server::new(ServerAddress {
        written: address.to_string().into(),
        scheme: Scheme::Http,
        transport,
        base: base.into(),
    }))
}

/// Nobody listens there: only connections that a test keeps for it work.
fn nowhere() -> Arc<Server> {
    server_at("127.0.0.1:1".parse().unwrap(), "")
}

fn local<T>(test: impl Future<Output = T>) -> T {
    let runtime =
        Builder::new_current_thread().enable_all().start_paused(true).build_local(LocalOptions::default());
    runtime.unwrap().block_on(test)
}

fn keep(pools: &Pools, server: &Arc<Server>) -> DuplexStream {
    let (theirs, ours) = duplex(1 << 16);
    let stream = Rc::new(Stream::test(ours));
    pools.give_back(Connection { stream, server: Arc::clone(server), reused: false }, LIMITS.idle, now());
    theirs
}

async fn head_of(pipe: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(pipe.read_u8().await.unwrap());
    }
    String::from_utf8(read).unwrap()
}

/// Sends a GET on a kept connection whose server says this and ends the connection.
fn outcome(said: &str) -> Result<Answer, SendError> {
    outcome_of(b"GET", said)
}

fn outcome_of(method: &[u8], said: &str) -> Result<Answer, SendError> {
    local(async {
        let (pools, server) = (Pools::default(), nowhere());
        let mut pipe = keep(&pools, &server);
        let serving = async {
            head_of(&mut pipe).await;
            // Whoever has refused the beginning takes no more.
            let _ = pipe.write_all(said.as_bytes()).await;
            drop(pipe);
        };
        let request = Head::request(method, b"/");
        tokio::join!(send(&server, &request, SendBody::Memory(Bytes::new()), &LIMITS, Some(&pools)), serving)
            .0
    })
}

fn check(said: &str, status: u16, body: &str) {
    let answer = outcome(said).unwrap_or_else(|error| panic!("{said:?}: {error}"));
    assert_eq!(answer.head.status(), status, "{said:?}");
    assert_eq!(String::from_utf8(answer.body).unwrap(), body, "{said:?}");
}

fn check_error(said: &str, part: &str) {
    match outcome(said) {
        Ok(answer) => panic!("{said:?} was taken for {} with {:?}", answer.head.status(), answer.body),
        Err(error) => assert!(error.to_string().contains(part), "{said:?}: {error}"),
    }
}

#[test]
fn an_answer_is_read_to_its_end_however_it_ends() {
    check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok");
    check("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404, "");
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n", 200, "ok!");
    check("HTTP/1.1 200 OK\r\n\r\nto the end", 200, "to the end");
    check("HTTP/1.0 204 No Content\r\n\r\n", 204, "");
    check("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, "x");
    let full = "y".repeat(100);
    check(&format!("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{full}"), 200, &full);
    let answer = outcome_of(b"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n").unwrap();
    assert!(answer.body.is_empty());
}

#[test]
fn no_part_of_an_answer_is_given_for_the_whole() {
    check_error("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", "broke off");
    check_error("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", "broke off");
    check_error("HTTP/1.1 200 OK\r\nContent-Le", "in the middle of its head");
    check_error(&format!("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n{}", "y".repeat(101)), "larger than");
    check_error(&format!("HTTP/1.1 200 OK\r\n\r\n{}", "y".repeat(101)), "larger than");
    check_error("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", "more than once");
    check_error("HTTP/1.1 200 OK\r\nConnection: host\r\n\r\n", "names `host`");
    check_error("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "switched");
    check_error(&"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(17), "more than 16 interim");
    check_error(&format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(1024)), "malformed");
    check_error("ftp 220 ready\r\n\r\n", "malformed");
}

#[test]
fn the_request_says_what_this_hop_needs() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = server_at(address, "/base");
        let mut request = Head::request(b"POST", b"/x?y=1");
        request.append(K::Connection, b"keep-alive");
        request.append(K::ContentLength, b"77");
        request.append(K::Accept, b"application/json");
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = head_of(&mut stream).await;
            let mut body = [0; 5];
            stream.read_exact(&mut body).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            assert_eq!(stream.read(&mut body).await.unwrap(), 0, "without a pool the connection ends");
            (head, body)
        };
        let sending = send(&server, &request, SendBody::Memory(Bytes::from_static(b"hello")), &LIMITS, None);
        let (answer, (head, body)) = tokio::join!(sending, serving);
        assert_eq!(answer.unwrap().head.status(), 200);
        assert_eq!(&body, b"hello");
        assert_eq!(
            head,
            format!(
                "POST /base/x?y=1 HTTP/1.1\r\nAccept: application/json\r\nHost: {address}\r\nContent-Length: 5\r\n\
                 Connection: close\r\n\r\n"
            )
        );
        assert_eq!(server.counters.connections.load(Ordering::Relaxed), 1);
        assert_eq!(server.counters.requests.load(Ordering::Relaxed), 1);
        assert_eq!(server.in_flight(), 0);
    });
}

#[test]
fn a_connection_is_kept_only_if_both_messages_are_whole_and_nothing_came_behind() {
    for (said, kept) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 1),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", 0),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 0),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n", 0),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=0\r\n\r\nok", 0),
    ] {
        local(async {
            let (pools, server) = (Pools::default(), nowhere());
            let mut pipe = keep(&pools, &server);
            let serving = async {
                let head = head_of(&mut pipe).await;
                assert!(!head.contains("Connection"), "{head}");
                pipe.write_all(said.as_bytes()).await.unwrap();
            };
            let request = Head::request(b"GET", b"/");
            let sending = send(&server, &request, SendBody::Memory(Bytes::new()), &LIMITS, Some(&pools));
            tokio::join!(sending, serving).0.unwrap();
            assert_eq!(pools.len(), kept, "{said:?}");
        });
    }
}

/// A kept connection that died is replaced by a fresh one; a request that must not be sent twice never takes a kept one.
#[test]
fn semantics_2_2_only_an_idempotent_request_takes_a_kept_connection() {
    for (method, kept) in [(&b"GET"[..], 0), (b"POST", 1)] {
        local(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let (pools, server) = (Pools::default(), server_at(listener.local_addr().unwrap(), ""));
            let mut dead = keep(&pools, &server);
            let serving = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                head_of(&mut stream).await;
                stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfresh").await.unwrap();
            };
            let dying = async {
                if kept == 0 {
                    head_of(&mut dead).await;
                    drop(dead);
                } else {
                    std::mem::forget(dead);
                }
            };
            let request = Head::request(method, b"/");
            let sending = send(&server, &request, SendBody::Memory(Bytes::new()), &LIMITS, Some(&pools));
            let answer = tokio::join!(sending, serving, dying).0.unwrap();
            assert_eq!(answer.body, b"fresh");
            assert_eq!(pools.len(), kept);
        });
    }
}

#[test]
fn a_server_that_is_silent_or_slow_costs_no_more_than_the_time_it_was_given() {
    for said in ["", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nbegun", "HTTP/1.1 103 Early Hints\r\n\r\n"]
    {
        local(async {
            let (pools, server) = (Pools::default(), nowhere());
            let mut pipe = keep(&pools, &server);
            let serving = async {
                head_of(&mut pipe).await;
                pipe.write_all(said.as_bytes()).await.unwrap();
                std::future::pending::<()>().await;
            };
            let begun = now();
            let request = Head::request(b"GET", b"/");
            let outcome = tokio::select! {
                outcome = send(&server, &request, SendBody::Memory(Bytes::new()), &LIMITS, Some(&pools)) => outcome,
                () = serving => unreachable!("it never ends"),
            };
            assert!(matches!(outcome, Err(SendError::Timeout)), "{said:?}: {outcome:?}");
            assert_eq!(now() - begun, LIMITS.whole);
            assert!(pools.is_empty(), "a connection that was left in the middle is closed");
            assert_eq!(server.in_flight(), 0);
        });
    }
}

#[test]
fn a_server_that_is_not_there_is_named_by_the_system() {
    let request = Head::request(b"GET", b"/");
    let outcome = local(send(&nowhere(), &request, SendBody::Memory(Bytes::new()), &LIMITS, None));
    let Err(SendError::Connect(ConnectError::Network(error))) = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

/// The answer of a server that refuses a long body before its end counts (RFC 9112 §9.5).
#[test]
fn an_answer_may_come_before_the_body_has_been_taken() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = server_at(listener.local_addr().unwrap(), "");
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            head_of(&mut stream).await;
            stream.write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            // Nothing of the body is read, and the connection stays.
            stream
        };
        let request = Head::request(b"PUT", b"/");
        let long = Bytes::from(vec![b'x'; 16 << 20]);
        let (answer, _stream) =
            tokio::join!(send(&server, &request, SendBody::Memory(long), &LIMITS, None), serving);
        assert_eq!(answer.unwrap().head.status(), 413);
    });
}

/// A mirror must not get a write twice, so copies of writes took no kept connection at all: each one opened its own. One that
/// carried a request a moment ago is allowed (`semantics.md` §2.2).
#[test]
fn semantics_2_2_what_must_not_be_sent_twice_takes_a_connection_that_was_used_a_moment_ago() {
    for (reuse_unsafe, taken) in [(Duration::from_secs(1), true), (Duration::ZERO, false)] {
        local(async {
            let (pools, server) = (Pools::default(), nowhere());
            let mut pipe = keep(&pools, &server);
            let serving = async {
                let head = head_of(&mut pipe).await;
                pipe.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
                head
            };
            let request = Head::request(b"POST", b"/");
            let limits = SendLimits { reuse_unsafe, ..LIMITS };
            let sending = send(&server, &request, SendBody::Memory(Bytes::new()), &limits, Some(&pools));
            if taken {
                let (answer, head) = tokio::join!(sending, serving);
                assert!(answer.is_ok() && head.starts_with("POST / "));
            } else {
                assert!(matches!(sending.await, Err(SendError::Connect(_))), "nobody listens there");
            }
            assert_eq!(pools.len(), 1);
        });
    }
}

#[test]
fn semantics_2_2_what_must_not_be_sent_twice_is_not_sent_again_when_its_connection_was_dead() {
    for (method, again) in [(&b"POST"[..], false), (b"PUT", true)] {
        local(async {
            let (pools, server) = (Pools::default(), nowhere());
            let mut pipe = keep(&pools, &server);
            let serving = async {
                head_of(&mut pipe).await;
                drop(pipe);
            };
            let request = Head::request(method, b"/");
            let limits = SendLimits { reuse_unsafe: Duration::from_secs(1), ..LIMITS };
            let sending = send(&server, &request, SendBody::Memory(Bytes::new()), &limits, Some(&pools));
            let error = tokio::join!(sending, serving).0.unwrap_err();
            assert_eq!(matches!(error, SendError::Connect(_)), again, "{error}");
        });
    }
}

/// An answer that never ends was no answer, although nobody wanted more of it than its head.
#[test]
fn an_answer_whose_content_nobody_wants_is_there_with_its_head() {
    for said in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        "HTTP/1.1 200 OK\r\n\r\nok",
        &format!("HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n{}", "x".repeat(300)),
    ] {
        local(async {
            let (pools, server) = (Pools::default(), nowhere());
            let mut pipe = keep(&pools, &server);
            let request = Head::request(b"GET", b"/");
            let limits = SendLimits { keep: Keep::Nothing, beyond: Beyond::Cut, ..LIMITS };
            let sending = send(&server, &request, SendBody::Memory(Bytes::new()), &limits, Some(&pools));
            let serving = async {
                head_of(&mut pipe).await;
                pipe.write_all(said.as_bytes()).await.unwrap();
            };
            let (answer, ()) = tokio::join!(sending, serving);
            let answer = answer.unwrap();
            assert_eq!((answer.head.status(), answer.body.len(), answer.cut), (200, 0, true));
            assert_eq!(pools.len(), 0);
        });
    }
}

#[test]
fn content_that_finds_no_room_is_cut_and_gives_back_what_it_took() {
    let room = Room::new(150);
    let ask = async |said: &'static str| {
        let (pools, server) = (Pools::default(), nowhere());
        let mut pipe = keep(&pools, &server);
        let request = Head::request(b"GET", b"/");
        let limits = SendLimits { keep: Keep::Within(&room), beyond: Beyond::Cut, ..LIMITS };
        let sending = send(&server, &request, SendBody::Memory(Bytes::new()), &limits, Some(&pools));
        let serving = async {
            head_of(&mut pipe).await;
            pipe.write_all(said.as_bytes()).await.unwrap();
        };
        tokio::join!(sending, serving).0.unwrap()
    };
    const SAID: &str = concat!(
        "HTTP/1.1 200 OK\r\nContent-Length: 80\r\n\r\n",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    );
    local(async {
        let first = ask(SAID).await;
        assert_eq!((first.body.len(), first.cut, room.used_bytes()), (80, false, 80));
        let second = ask(SAID).await;
        assert_eq!((second.cut, room.used_bytes()), (true, 80 + second.body.capacity()));
        drop(second);
        drop(first);
        assert_eq!(room.used_bytes(), 0);
    });
}

/// A large body took its time to be sent, and that counted as time that the server took.
#[test]
fn the_time_until_an_answer_begins_is_counted_from_the_end_of_the_request() {
    local(async {
        let (pools, server) = (Pools::default(), nowhere());
        let mut pipe = keep(&pools, &server);
        let body = Bytes::from(vec![7; 1 << 17]);
        let request = Head::request(b"PUT", b"/");
        let sending = send(&server, &request, SendBody::Memory(body.clone()), &LIMITS, Some(&pools));
        let serving = async {
            head_of(&mut pipe).await;
            pause(Duration::from_secs(2)).await;
            pipe.read_exact(&mut vec![0; body.len()]).await.unwrap();
            pause(Duration::from_secs(1)).await;
            pipe.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        };
        let answer = tokio::join!(sending, serving).0.unwrap();
        assert_eq!(answer.head_after, Duration::from_secs(1));
    });
}

/// What has no file descriptor can't blame the server: in a process of its own that may open few files.
#[test]
fn want_of_descriptors_is_not_counted_against_the_server() {
    if std::env::var_os("WEIR_TEST_FEW_FILES").is_none() {
        let name = "send::tests::want_of_descriptors_is_not_counted_against_the_server";
        let limited = format!("ulimit -n 32; exec \"$0\" --exact {name} --nocapture");
        let child = std::process::Command::new("sh")
            .args(["-c", &limited])
            .arg(std::env::current_exe().unwrap())
            .env("WEIR_TEST_FEW_FILES", "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    local(async {
        let server = nowhere();
        let taken: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
        let mut request = Head::default();
        request.parse_request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 10).unwrap();
        let sent = send(&server, &request, SendBody::Memory(Bytes::new()), &LIMITS, None).await;
        drop(taken);
        let error = sent.unwrap_err();
        assert!(matches!(&error, SendError::Connect(error) if error.is_exhaustion()), "{error}");
        assert_eq!(server.counters.connect_failures.load(Ordering::Relaxed), 0);
    });
}
