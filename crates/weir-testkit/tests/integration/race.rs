//! Mode `race`: all servers are asked, the first usable answer wins (`semantics.md` §2.4, §3.4).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};

use weir_core::dispatch::Mode;
use weir_testkit::client::{ask, connect, fetch, get};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, sized};
use weir_testkit::wait::until_some;

fn race(servers: &[&Server], keys: &str, top: &str) -> Running {
    let written: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    proxy::start(&format!(
        "{top}
services: [{{host: \"*\", upstream: [{}], backend_server: true, dispatch: {{mode: race{keys}}}}}]
",
        written.join(", ")
    ))
}

fn failing(status: u16) -> Server {
    Server::answering(format!("HTTP/1.1 {status} No\r\nContent-Length: 2\r\nX-Only: loser\r\n\r\nno"))
}

#[test]
fn the_first_usable_answer_wins_and_nothing_of_the_others_is_in_it() {
    let (slow, _never) = Server::held(sized("slow"));
    let (bad, good) = (failing(500), Server::saying("good"));
    let proxy = race(&[&slow, &bad, &good], "", "");
    for _ in 0..20 {
        let answer = fetch(&proxy, "/").expect(200);
        assert_eq!(answer.text(), "good");
        assert_eq!(answer.field("X-Backend-Server"), Some(&*good.to_string()));
        assert!(!answer.has("X-Only"), "a field of a loser has leaked");
    }
}

#[test]
fn every_server_gets_the_whole_request() {
    let servers = [Server::saying("a"), Server::saying("b"), Server::saying("c")];
    let proxy = race(&[&servers[0], &servers[1], &servers[2]], "", "");
    let body = "x".repeat(100_000);
    let request = format!(
        "POST /p?q HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\nX-Mine: 1\r\n\r\n{body}",
        body.len()
    );
    let answer = ask(&proxy, request).expect(200);
    assert!(["a", "b", "c"].contains(&&*answer.text()));
    // The others may have been cancelled in the middle; whoever has it all has all of it.
    assert!(servers.iter().any(|server| !server.requests().is_empty()));
    for seen in servers.iter().flat_map(Server::requests) {
        assert_eq!((seen.target(), seen.field("X-Mine")), ("/p?q", Some("1")));
        assert_eq!(seen.text(), body);
    }
}

#[test]
fn a_chunked_body_reaches_all_of_them_with_its_trailers() {
    let (first, first_go) = Server::held(sized("a"));
    let (second, second_go) = Server::held(sized("b"));
    let proxy = race(&[&first, &second], "", "");
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n");
    client.send("3\r\nabc\r\n");
    client.send("3\r\ndef\r\n0\r\nX-Sum: 7\r\n\r\n");
    for server in [&first, &second] {
        server.wait_requests(1);
        assert_eq!(server.only_request().text(), "abcdef");
    }
    first_go.send(()).expect("the server waits");
    assert_eq!(client.answer().expect(200).text(), "a");
    drop(second_go);
}

#[test]
fn the_first_byte_of_the_winner_does_not_wait_for_its_last() {
    let (go_on, wait) = sync_channel::<()>(1);
    let wait = Mutex::new(wait);
    let streaming = Server::start(move |mut connection| {
        while connection.request().is_some() {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
            let _ = wait.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv();
            connection.send("def");
        }
    });
    let (slow, _never) = Server::held(sized("slow"));
    let proxy = race(&[&slow, &streaming], "", "");
    let mut client = connect(&proxy);
    client.send(get("/"));
    client.answer_head().expect(200);
    assert_eq!(client.read_exact(3), b"abc");
    go_on.send(()).expect("the server waits");
    assert_eq!(client.read_exact(3), b"def");
}

#[test]
fn what_is_usable_can_be_said() {
    let (missing, found) = (failing(404), Server::saying("found"));
    for _ in 0..10 {
        let proxy = race(&[&missing, &found], ", usable: 2xx", "");
        assert_eq!(fetch(&proxy, "/").expect(200).text(), "found");
    }
    let busy = failing(503);
    let proxy = race(&[&busy], ", usable: [2xx, 500-503]", "");
    fetch(&proxy, "/").expect(503);
}

#[test]
fn where_nothing_is_usable_the_best_is_given_or_a_fixed_status() {
    let (worse, better) = (failing(500), failing(404));
    let proxy = race(&[&worse, &better], ", usable: 2xx", "");
    assert_eq!(fetch(&proxy, "/").expect(404).text(), "no");
    let proxy = race(&[&worse, &better], ", usable: 2xx, best: [5xx, 4xx]", "");
    fetch(&proxy, "/").expect(500);
    let proxy = race(&[&worse, &better], ", usable: 2xx, otherwise: 599", "");
    let answer = fetch(&proxy, "/").expect(599);
    assert!(answer.field("Proxy-Status").is_some_and(|status| status.contains("destination_unavailable")));
}

/// The best answer so far was held back for a moment when a usable one might still come; when its connection broke meanwhile, that
/// was seen only when it was passed on, and the client got half an answer although another one had come.
#[test]
fn an_answer_that_breaks_while_it_is_held_back_is_not_the_best_any_more() {
    let half = [
        "Content-Length: 100000\r\n\r\nhalf",
        "Content-Length: 100000\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "Transfer-Encoding: chunked\r\n\r\n8\r\nhalf",
        "Transfer-Encoding: chunked\r\n\r\n",
    ];
    for (rest, resets) in half.iter().flat_map(|rest| [(rest, false), (rest, true)]) {
        let answer = format!("HTTP/1.1 404 No\r\n{rest}");
        let broken = Server::start(move |mut connection| {
            connection.expect_request();
            connection.send(&answer);
            if resets {
                connection.reset();
            }
        });
        let (worse, release) = Server::held("HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\nworse");
        let proxy = race(&[&broken, &worse], ", usable: 2xx", "");
        let mut client = connect(&proxy);
        client.send(get("/"));
        broken.wait_ended(1);
        worse.wait_requests(1);
        release.send(()).expect("the server waits");
        assert_eq!(client.answer().expect(500).text(), "worse", "{rest:?} {resets}");
    }
}

/// A connection that ends behind a whole answer breaks nothing.
#[test]
fn an_answer_whose_connection_ends_behind_it_is_held_back_in_peace() {
    let large = "x".repeat(100_000);
    for rest in [
        "Content-Length: 6\r\n\r\nbetter".to_owned(),
        "Transfer-Encoding: chunked\r\n\r\n3\r\nbet\r\n3\r\nter\r\n0\r\nX-Mine: 1\r\n\r\n".to_owned(),
        "Connection: close\r\n\r\nbetter".to_owned(),
        "Connection: close\r\n\r\n".to_owned(),
        format!("Content-Length: 100000\r\n\r\n{large}"),
    ] {
        let better = Server::closing(format!("HTTP/1.1 404 No\r\n{rest}"));
        let (worse, release) = Server::held("HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\nworse");
        let proxy = race(&[&better, &worse], ", usable: 2xx", "");
        let mut client = connect(&proxy);
        client.send(get("/"));
        better.wait_ended(1);
        worse.wait_requests(1);
        release.send(()).expect("the server waits");
        client.answer().expect(404);
    }
}

#[test]
fn servers_that_can_not_be_reached_are_passed_over() {
    let good = Server::saying("good");
    let dead = Server::refusing();
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", upstream: [\"{dead}\", \"{good}\"], dispatch: race}}]\n"
    ));
    for _ in 0..5 {
        assert_eq!(fetch(&proxy, "/").expect(200).text(), "good");
    }
    let proxy =
        proxy::start(&format!("services: [{{host: \"*\", upstream: [\"{dead}\"], dispatch: race}}]\n"));
    fetch(&proxy, "/").expect(502);
}

/// All servers that are passed over share the time for connecting.
#[test]
fn semantics_2_1_servers_that_do_not_answer_share_the_connect_deadline() {
    let silent: Vec<String> = (0..3).map(|_| format!("\"{}\"", Server::unresponsive())).collect();
    let proxy = proxy::start(&format!(
        "timeouts: {{connect: 300ms}}
services: [{{host: \"*\", upstream: [{}], dispatch: {{mode: race, width: 1}}}}]
",
        silent.join(", ")
    ));
    let begun = weir_upstream::io::deadline::now();
    fetch(&proxy, "/").expect(504);
    let waited = begun.elapsed();
    assert!(waited < std::time::Duration::from_millis(850), "{waited:?} for three servers");
}

#[test]
fn with_a_width_others_are_asked_when_one_fails() {
    let servers = [failing(500), failing(502), Server::saying("third")];
    let all: Vec<&Server> = servers.iter().collect();
    let proxy = race(&all, ", width: 1", "workers: 1");
    for _ in 0..6 {
        assert_eq!(fetch(&proxy, "/").expect(200).text(), "third");
    }
    let asked: usize = servers.iter().map(|server| server.requests().len()).sum();
    assert!((6..=18).contains(&asked), "{asked}");
    assert_eq!(servers[2].requests().len(), 6);
}

#[test]
fn semantics_2_4_a_loser_that_answers_at_once_keeps_its_connection() {
    let servers = [Server::saying("a"), Server::saying("b")];
    let proxy = race(&[&servers[0], &servers[1]], "", "workers: 1");
    let mut client = connect(&proxy);
    for _ in 0..30 {
        client.send(get("/")).answer().expect(200);
    }
    // The winner's are kept in any case; that losers' are too shows in the sum.
    let connections: usize = servers.iter().map(Server::connections).sum();
    assert!(connections < 45, "{connections} connections for 60 copies");
}

#[test]
fn semantics_2_4_a_loser_that_is_slow_is_cut() {
    let slow = Server::silent();
    let fast = Server::saying("fast");
    let proxy = race(&[&slow, &fast], "", "");
    fetch(&proxy, "/").expect(200);
    slow.wait_requests(1);
    let mut client = connect(&proxy);
    for _ in 0..3 {
        client.send(get("/")).answer().expect(200);
    }
    assert_eq!(fast.requests().len(), 4);
    slow.wait_ended(1);
}

#[test]
fn a_body_larger_than_replay_is_refused_before_the_first_copy() {
    let server = Server::saying("a");
    let proxy = race(&[&server], "", "replay: {memory: 16KiB, disk: off}");
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n").answer().expect(413);
    assert_eq!(server.connections(), 0);
    let small = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc";
    ask(&proxy, small).expect(200);
    let counted = |proxy: &Running| proxy.status().replay_impossible;
    assert!(counted(&proxy).contains(&("memory", 1)), "{:?}", counted(&proxy));
    // Once, also where a mirror wants the body as well, and says what there is for it.
    let mirrored = proxy::start(&format!(
        "replay: {{memory: 16KiB, disk: 1MiB}}
services:
  - host: \"*\"
    routes:
      - {{path: /, upstream: [\"{server}\"], dispatch: race, mirror: [{{upstream: [\"{server}\"]}}]}}
"
    ));
    let mut client = connect(&mirrored);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9000000\r\n\r\n").answer().expect(413);
    let total: u64 = counted(&mirrored).iter().map(|(_, count)| count).sum();
    assert_eq!(total, 1);
    assert!(counted(&mirrored).contains(&("disk", 1)), "{:?}", counted(&mirrored));
}

#[test]
fn a_body_that_turns_out_larger_than_replay_ends_all_copies() {
    let server = Server::start(|mut connection| {
        connection.until_end();
    });
    let proxy = race(&[&server], "", "replay: {memory: 16KiB, disk: off}");
    let body = "x".repeat(40_000);
    let chunked = format!(
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    ask(&proxy, chunked).expect(413);
    server.wait_ended(1);
}

#[test]
fn semantics_1_5_the_client_is_asked_for_its_body_by_us() {
    let server = Server::saying("a");
    let proxy = race(&[&server], "", "");
    let mut client = connect(&proxy);
    client.send("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    client.answer_head().expect(100);
    client.send("abc");
    client.answer().expect(200);
    let seen = server.only_request();
    assert!(!seen.has("Expect"), "the expectation is met already");
    assert_eq!(seen.text(), "abc");
}

#[test]
fn a_connection_goes_on_after_a_race() {
    let servers = [Server::saying("a"), failing(500)];
    let proxy = race(&[&servers[0], &servers[1]], "", "workers: 1");
    let mut client = connect(&proxy);
    for _ in 0..5 {
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc").answer().expect(200);
        client.send(get("/")).answer().expect(200);
    }
    // And so do requests that come without waiting for answers.
    client.send(format!("{}{}", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nab", get("/b")));
    client.answer().expect(200);
    client.answer().expect(200);
}

#[test]
fn semantics_3_an_upgrade_goes_to_one_server() {
    let servers = [
        Server::answering("HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n"),
        Server::answering("HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n"),
    ];
    let proxy = race(&[&servers[0], &servers[1]], "", "");
    let upgrade = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    ask(&proxy, upgrade).expect(400);
    assert_eq!(servers.iter().map(|server| server.requests().len()).sum::<usize>(), 1);
}

#[test]
fn methods_may_have_modes_of_their_own() {
    let servers = [Server::saying("a"), Server::saying("b")];
    let proxy = proxy::start(&format!(
        "workers: 1\nservices: [{{host: \"*\", upstream: [\"{}\", \"{}\"], dispatch: {{GET: race}}}}]\n",
        servers[0], servers[1]
    ));
    let mut client = connect(&proxy);
    for _ in 0..4 {
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n").answer().expect(200);
    }
    assert_eq!(servers.iter().map(|server| server.requests().len()).sum::<usize>(), 4, "one each");
    client.send(get("/")).answer().expect(200);
    servers[0].wait_requests(3);
    servers[1].wait_requests(3);
}

/// `semantics.md` §3: HEAD follows GET, unless it has a mode of its own.
#[test]
fn semantics_3_head_races_where_get_does() {
    let taken = |methods: &str| {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        let servers = [Server::answering(head), Server::answering(head)];
        let proxy = proxy::start(&format!(
            "services: [{{host: \"*\", upstream: [\"{}\", \"{}\"], dispatch: {methods}}}]\n",
            servers[0], servers[1]
        ));
        let mut client = connect(&proxy);
        client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n").answer_to_head().expect(200);
        let done = proxy.status().dispatch;
        (done.requests_by_mode[Mode::Race as usize], done.requests_by_mode[Mode::Balance as usize])
    };
    assert_eq!(taken("{GET: race}"), (1, 0));
    assert_eq!(taken("{GET: race, HEAD: balance}"), (0, 1));
    assert_eq!(taken("{GET: race, \"*\": balance}"), (1, 0));
    assert_eq!(taken("{POST: race}"), (0, 1));
    assert_eq!(taken("{HEAD: race}"), (1, 0));
}

/// Whether the connection of a loser is kept whose answer has a body of this length and has begun.
fn is_given_back(bytes: usize, chunked: bool) -> bool {
    let body = "x".repeat(bytes);
    let answer = match chunked {
        true => {
            format!("HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n{bytes:x}\r\n{body}\r\n0\r\n\r\n")
        }
        false => format!("HTTP/1.1 404 No\r\nContent-Length: {bytes}\r\n\r\n{body}"),
    };
    let (sent, is_sent) = sync_channel(1);
    let ended = Arc::new(AtomicBool::new(false));
    let is_ended = Arc::clone(&ended);
    let loser = Server::start(move |mut connection| {
        while connection.request().is_some() {
            // It may be closed before all of it was taken.
            let _ = connection.try_send(&answer);
            // The other server waits for this; only the first time counts.
            let _ = sent.try_send(());
        }
        is_ended.store(true, Ordering::SeqCst);
    });
    let (winner, release) = Server::held(sized("yes"));
    let proxy = race(&[&loser, &winner], ", usable: 2xx", "workers: 1");
    let mut client = connect(&proxy);
    client.send(get("/"));
    winner.wait_requests(1);
    is_sent.recv().expect("the loser answers first");
    release.send(()).expect("the server waits");
    assert_eq!(client.answer().expect(200).text(), "yes");
    // The connection of the winner is kept in any case.
    until_some(|| match proxy.idle_upstream() {
        2 => Some(true),
        _ => ended.load(Ordering::SeqCst).then_some(false),
    })
}

#[test]
fn semantics_2_4_a_loser_that_sends_too_much_is_closed() {
    const LINGER_BYTES_MAX: usize = 64 * 1024;
    for chunked in [false, true] {
        // 20 ms may be too short for a machine that is busy, but not always.
        assert!((0..50).any(|_| is_given_back(LINGER_BYTES_MAX, chunked)), "64 KiB are read");
        for _ in 0..5 {
            assert!(!is_given_back(LINGER_BYTES_MAX + 1, chunked), "more than 64 KiB were read");
        }
    }
}
