//! Repeats of requests with bodies, what they are paid from, and what is told of them (`semantics.md` §2.2 and §2.5).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use weir_testkit::client::{ask, connect, fetch, get};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Connection, Server, sized, unix_path};
use weir_testkit::wait::until;

const MIB: usize = 1 << 20;

/// Servers in this order, with a retry policy, and more at the top.
fn over(servers: &[&dyn std::fmt::Display], retry: &str, top: &str) -> Running {
    let written: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    proxy::start(&format!(
        "{top}
services: [{{host: \"*\", upstream: web}}]
upstreams: {{web: {{servers: [{}], retry: {retry}}}}}
",
        written.join(", ")
    ))
}

/// Takes whole requests and resets their connections.
fn resetting() -> Server {
    Server::start(|mut connection| {
        connection.request();
        connection.reset();
    })
}

/// Takes heads of requests and so many bytes behind them, and resets their connections.
fn resetting_after(bytes: usize) -> Server {
    Server::start(move |mut connection| {
        connection.request_head();
        connection.read_exact(bytes);
        connection.reset();
    })
}

/// Bytes that repeat after a length that is no power of two, so that a lost or doubled piece shows.
fn content(bytes: usize) -> Vec<u8> {
    (0..65_521_u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8)
        .cycle()
        .take(bytes)
        .collect()
}

fn with_body(start: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("{start}\r\nHost: a.test\r\nContent-Length: {}\r\n{fields}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn chunked(start: &str, body: &[u8], trailers: &str) -> Vec<u8> {
    let mut request = format!("{start}\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
    for piece in body.chunks(10_007) {
        request.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        request.extend_from_slice(piece);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
    request
}

const PUT: &str = "PUT /x HTTP/1.1";

#[test]
fn semantics_2_2_a_body_survives_a_reset() {
    for (bytes, read) in [(0, 0), (1, 0), (1, 1), (4_096, 100), (250_000, 70_000)] {
        let body = content(bytes);
        for request in [
            with_body(PUT, "", &body),
            with_body("POST / HTTP/1.1", "Idempotency-Key: 7\r\n", &body),
            chunked("DELETE / HTTP/1.1", &body, ""),
        ] {
            let is_chunked = request.windows(7).any(|found| found == b"chunked");
            let first = if is_chunked { resetting() } else { resetting_after(read) };
            let second = Server::saying("ok");
            let proxy = over(&[&first, &second], "{}", "");
            let mut client = connect(&proxy);
            client.send(&request).answer().expect(200);
            assert!(second.only_request().body == body, "{bytes} bytes");
            assert_eq!(first.requests().len(), 1);
            // The client's connection goes on behind the body.
            client.send(get("/next")).answer().expect(200);
            assert_eq!(proxy.status().upstreams[0].retries[0], 1 + u64::from(first.requests().len() == 2));
        }
    }
}

#[test]
fn trailers_are_repeated_and_what_came_behind_is_the_next_request() {
    let (first, second) = (resetting(), Server::saying("ok"));
    let proxy = over(&[&first, &second], "{}", "");
    let mut client = connect(&proxy);
    let mut both = chunked(PUT, &content(30_000), "X-Sum: 5\r\n");
    both.extend_from_slice(get("/behind").as_bytes());
    client.send(both);
    client.answer().expect(200);
    client.answer().expect(200);
    let got = second.requests();
    assert_eq!((got[0].body.len(), got[1].target()), (30_000, "/behind"));
}

/// `semantics.md` §2.5: 256 KiB in memory unless the word `replay` is there, and no disk without it.
#[test]
fn semantics_2_5_over_the_limit_a_request_goes_on_without_replay() {
    for request in [with_body(PUT, "", &content(MIB)), chunked(PUT, &content(MIB), "")] {
        // Nothing fails: all of it arrives.
        let server = Server::saying("ok");
        let proxy = over(&[&server], "{}", "");
        let mut client = connect(&proxy);
        client.send(&request).answer().expect(200);
        assert!(server.only_request().body == content(MIB));
        client.send(get("/next")).answer().expect(200);
        assert!(proxy.status().replay_impossible.contains(&("memory", 1)));
        // It fails: that is no repeat.
        let (first, second) = (resetting(), Server::saying("ok"));
        let proxy = over(&[&first, &second], "{}", "");
        let answer = connect(&proxy).send(&request).try_answer();
        assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status() == 502));
        assert_eq!(second.requests().len(), 0);
        // The same with the word.
        let (first, second) = (resetting(), Server::saying("ok"));
        let state = unix_path();
        let proxy =
            over(&[&first, &second], "{}", &format!("replay: {{memory: 16KiB}}\nstate: {}", state.display()));
        connect(&proxy).send(&request).answer().expect(200);
        assert!(second.only_request().body == content(MIB));
        drop(proxy);
        let _ = std::fs::remove_dir_all(&state);
    }
}

/// A server may answer before it has read the body; what comes later of it goes to the next one.
#[test]
fn an_answer_before_the_body_has_ended_is_repeated_too() {
    let early = Server::start(|mut connection| {
        connection.request_head();
        connection.send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
        connection.until_end();
    });
    let late = Server::saying("ok");
    let proxy = over(&[&early, &late], "{on: [503]}", "");
    let body = content(40_000);
    let request = with_body(PUT, "", &body);
    let mut client = connect(&proxy);
    client.send(&request[..request.len() - 20_000]);
    early.wait_ended(1);
    client.send(&request[request.len() - 20_000..]).answer().expect(200);
    assert!(late.only_request().body == body);
}

#[test]
fn semantics_2_2_an_answer_that_has_begun_is_not_repeated() {
    let breaking = Server::start(|mut connection| {
        connection.request();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        connection.send("x".repeat(50_000));
        connection.reset();
    });
    let other = Server::saying("ok");
    let proxy = over(&[&breaking, &other], "{attempts: 5, on: [reset, timeout, 500, 502]}", "");
    let answer = connect(&proxy).send(with_body(PUT, "", b"hi")).try_answer();
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status() == 502));
    assert_eq!(other.requests().len(), 0);
}

#[test]
fn semantics_2_2_a_post_without_a_key_is_sent_once() {
    let (first, second) = (resetting(), Server::saying("ok"));
    let proxy = over(&[&first, &second], "{attempts: 5, on: [reset, 503]}", "");
    ask(&proxy, with_body("POST / HTTP/1.1", "", b"hi")).expect(502);
    assert_eq!((first.requests().len(), second.requests().len()), (1, 0));
}

/// `semantics.md` §1.5: whoever keeps the body asks for it.
#[test]
fn semantics_1_5_a_client_that_waits_to_be_asked_is_asked_by_us_where_the_body_is_kept() {
    let (first, second) = (resetting(), Server::saying("ok"));
    let proxy = over(&[&first, &second], "{}", "");
    let mut client = connect(&proxy);
    client.send("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    client.answer().expect(100);
    client.send("hi").answer().expect(200);
    for server in [&first, &second] {
        let request = server.only_request();
        assert!(!request.has("Expect") && request.text() == "hi", "{request}");
    }
    // What is not kept is asked for by the server.
    let server = Server::start(|mut connection| {
        assert_eq!(connection.request_head().field("Expect"), Some("100-continue"));
        connection.send("HTTP/1.1 417 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    let proxy = over(&[&server], "{}", "");
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    client.answer().expect(417);
}

/// Nobody is asked for a body that no server can get.
#[test]
fn a_client_is_not_asked_for_a_body_that_nobody_takes() {
    let proxy = over(&[&Server::refusing(), &Server::refusing()], "{}", "");
    let mut client = connect(&proxy);
    client.send("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    client.answer().expect(502);
}

#[test]
fn a_client_of_http_1_0_has_its_body_repeated() {
    let (first, second) = (resetting(), Server::saying("ok"));
    let proxy = over(&[&first, &second], "{}", "");
    ask(&proxy, with_body("PUT / HTTP/1.0", "", b"hello")).expect(200);
    assert_eq!(second.only_request().text(), "hello");
}

#[test]
fn semantics_2_1_nobody_is_asked_twice_while_another_is_left() {
    let servers: Vec<Server> = (0..4).map(|_| resetting()).collect();
    let all: Vec<&dyn std::fmt::Display> =
        servers.iter().map(|server| server as &dyn std::fmt::Display).collect();
    let proxy = over(&all, "{attempts: 4, backoff: off}", "");
    fetch(&proxy, "/").expect(502);
    assert!(servers.iter().all(|server| server.requests().len() == 1));
    let status = fetch(&proxy, "/").field("Proxy-Status").unwrap().to_owned();
    assert!(status.contains("after 4 attempts"), "{status}");
}

/// The other server is asked at once, whatever the first one asks for; one that is alone is not waited for too long.
#[test]
fn retry_after_is_the_word_of_one_server() {
    let busy = || Server::answering("HTTP/1.1 503 Busy\r\nRetry-After: 60\r\nContent-Length: 4\r\n\r\nbusy");
    let (first, second) = (busy(), Server::saying("ok"));
    let proxy = over(&[&first, &second], "{on: [503]}", "");
    fetch(&proxy, "/").expect(200);
    let alone = busy();
    let proxy = over(&[&alone], "{attempts: 5, on: [503]}", "");
    let answer = fetch(&proxy, "/").expect(503);
    assert_eq!((answer.text().as_str(), answer.field("Retry-After")), ("busy", Some("60")));
    assert_eq!(alone.requests().len(), 1);
}

/// `semantics.md` §1.7: a reset ends the wait; nobody would hear of the repeat.
#[test]
fn a_client_that_leaves_ends_the_wait() {
    let server = Server::answering("HTTP/1.1 503 Busy\r\nRetry-After: 100\r\nContent-Length: 0\r\n\r\n");
    let proxy = over(&[&server], "{attempts: 5, on: [503], backoff: {retry_after: 100s}}", "");
    let mut client = connect(&proxy);
    client.send(with_body(PUT, "", b"hi"));
    server.wait_requests(1);
    until(|| proxy.idle_upstream() == 0 && proxy.status().upstreams[0].retries[2] > 0);
    client.reset();
    until(|| proxy.status().requests_in_flight == 0);
    assert_eq!(server.requests().len(), 1, "whoever waits to the end sends it again");
}

/// One in five, over two workers, however the clients share them; what can't be paid is passed on and told.
#[test]
fn the_budget_is_exact_over_all_workers() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let server = Server::start(move |mut connection: Connection| {
        while connection.request().is_some() {
            counted.fetch_add(1, Ordering::Relaxed);
            connection.send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let retry = "{attempts: 2, on: [reset, 503], backoff: off, budget: {share: 20%, least: 0}}";
    let proxy = over(&[&server], retry, "workers: 2");
    std::thread::scope(|scope| {
        for mut client in (0..4).map(|_| connect(&proxy)) {
            scope.spawn(move || {
                for _ in 0..25 {
                    client.send(get("/")).answer().expect(503);
                }
            });
        }
    });
    // What was not paid is counted when its answer was passed on.
    until(|| proxy.status().requests_in_flight == 0);
    assert_eq!(asked.load(Ordering::Relaxed), 100 + 20);
    let web = &proxy.status().upstreams[0];
    assert_eq!((web.retries, web.retries_unpaid), ([0, 0, 20], 80));
}

#[test]
fn a_failure_says_that_the_budget_is_used_up() {
    let server = resetting();
    let proxy = over(&[&server], "{attempts: 3, budget: {share: 100%, least: 0}}", "");
    let status = |answer: &weir_testkit::message::Message| answer.field("Proxy-Status").unwrap().to_owned();
    let first = status(&fetch(&proxy, "/").expect(502));
    assert!(first.ends_with(", after 2 attempts, the retry budget is used up\""), "{first}");
    let post = status(&ask(&proxy, with_body("POST / HTTP/1.1", "", b"x")).expect(502));
    assert!(!post.contains("budget") && !post.contains("attempts"), "{post}");
}

/// A reload that leaves the budget as it is goes on with it.
#[test]
fn a_reload_gives_no_new_budget() {
    let server = resetting();
    let text = |path: &str, least: u32| {
        format!(
            "services: [{{host: \"*\", routes: [{{path: {path}, upstream: web}}]}}]
upstreams: {{web: {{servers: [\"{server}\"], retry: {{budget: {{share: 0%, least: {least}}}}}}}}}
"
        )
    };
    let proxy = proxy::start(&text("/", 1));
    let tries = |count: u64| {
        (0..count).for_each(|_| {
            fetch(&proxy, "/a").expect(502);
        });
        proxy.status().upstreams[0].retries[0]
    };
    let before = tries(15);
    assert!((10..15).contains(&before), "{before}");
    proxy.publish(&text("/a", 1));
    let after = tries(5);
    assert!(after < before + 5, "{after}");
    proxy.publish(&text("/a", 2));
    assert_eq!(tries(5), 5, "another rule is another budget");
}

#[test]
fn a_hedge_pays_for_its_repeats_too() {
    let server = resetting();
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", upstream: web, dispatch: {{mode: hedge, after: 10s}}}}]
upstreams: {{web: {{servers: [\"{server}\"], retry: {{attempts: 3, budget: {{share: 50%, least: 0}}}}}}}}
"
    ));
    for _ in 0..4 {
        ask(&proxy, with_body(PUT, "", b"hi")).expect(502);
    }
    let web = &proxy.status().upstreams[0];
    assert_eq!((web.retries, web.retries_unpaid), ([2, 0, 0], 4));
    assert_eq!(server.requests().len(), 4 + 2);
}

#[test]
fn the_log_tells_what_was_tried() {
    let server = Server::start(|mut connection| {
        let request = connection.expect_request();
        match connection.number {
            0 => connection.reset(),
            1 => drop(connection.send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")),
            // It closes; were that not said, the next request would find the connection idle or gone, as luck has it.
            _ => {
                let answer = sized(&request.text()).replacen("\r\n", "\r\nConnection: close\r\n", 1);
                connection.send(answer);
            }
        }
    });
    let refusing = Server::refusing();
    let lines = |format: &str| {
        let file = unix_path();
        let top = format!("access_log: {{format: {format}, file: \"{}\"}}", file.display());
        let retry = "{attempts: 4, on: [reset, 503], backoff: {first: 1ms}}";
        let mut proxy = over(&[&refusing, &server], retry, &top);
        ask(&proxy, with_body(PUT, "", b"hello")).expect(200);
        ask(&proxy, with_body(PUT, "", b"again")).expect(200);
        proxy.begin_drain();
        proxy.drained();
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let line: Value = serde_json::from_str(&lines("json")[0]).unwrap();
    assert_eq!((&line["attempts"], &line["status"], &line["reason"]), (&3.into(), &200.into(), &Value::Null));
    let tries = line["tries"].as_array().unwrap();
    let told: Vec<_> =
        tries.iter().map(|one| (one["outcome"].as_str().unwrap(), one["status"].as_u64())).collect();
    let expected = [("refused", None), ("reset", None), ("answered", Some(503)), ("answered", Some(200))];
    assert_eq!(told, expected, "{line}");
    assert!(tries.iter().all(|one| one["seconds"].as_f64().is_some_and(|seconds| seconds < 30.0)));
    assert_eq!(tries[3]["server"], server.to_string());
    let common = lines("common");
    assert!(common.iter().all(|line| line.contains(" attempts=1 ") && !line.contains("tries")), "{common:?}");
}

/// The mirror gets the body that the repeat has sent, whole, and once.
#[test]
fn a_repeat_and_a_mirror_share_the_body() {
    let (first, second, mirror) = (resetting(), Server::saying("ok"), Server::saying("mirror"));
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", upstream: web, mirror: [{{upstream: next}}]}}]
upstreams:
  web: {{servers: [\"{first}\", \"{second}\"]}}
  next: {{servers: [\"{mirror}\"]}}
"
    ));
    let body = content(100_000);
    let mut client = connect(&proxy);
    client.send(with_body(PUT, "", &body)).answer().expect(200);
    mirror.wait_requests(1);
    assert!(second.only_request().body == body && mirror.only_request().body == body);
    client.send(get("/")).answer().expect(200);
}
