//! Which server gets a request, and how servers are reached (`semantics.md` §1.9, §2.1).

use std::collections::HashMap;

use weir_testkit::client::{ask, connect, fetch, get};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, sized, unix_path};
use weir_testkit::socket::Socket;
use weir_testkit::wait::until;

fn named(names: &[&str]) -> Vec<Server> {
    names.iter().map(|name| Server::saying(name)).collect()
}

fn over(servers: &[String], more: &str) -> Running {
    proxy::start(&format!(
        "{more}
services: [{{host: \"*\", upstream: web}}]
upstreams: {{web: {{servers: [{}], retry: {{attempts: 1}}}}}}
",
        servers.join(", ")
    ))
}

fn written(servers: &[Server]) -> Vec<String> {
    servers.iter().map(|server| format!("\"{server}\"")).collect()
}

fn counts(answers: impl IntoIterator<Item = String>) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for answer in answers {
        *counts.entry(answer).or_default() += 1;
    }
    counts
}

#[test]
fn round_robin_is_exact() {
    let servers = named(&["a", "b", "c"]);
    let proxy = over(&written(&servers), "");
    let mut client = connect(&proxy);
    let order: String = (0..9).map(|_| client.send(get("/")).answer().text()).collect();
    assert_eq!(order, "abcabcabc");
}

#[test]
fn round_robin_is_exact_over_all_workers() {
    let servers = named(&["a", "b", "c"]);
    let proxy = over(&written(&servers), "workers: 4");
    let mut clients: Vec<Socket> = (0..16).map(|_| connect(&proxy)).collect();
    let mut answers = Vec::new();
    for _ in 0..6 {
        for client in &mut clients {
            client.send(get("/"));
        }
        answers.extend(clients.iter_mut().map(|client| client.answer().expect(200).text()));
    }
    let expected = ["a", "b", "c"].map(|name| (name.to_owned(), 32));
    assert_eq!(counts(answers), expected.into());
}

#[test]
fn weights_are_exact_and_smooth() {
    let servers = named(&["a", "b"]);
    let weighted = vec![format!("{{address: \"{}\", weight: 3}}", servers[0]), format!("\"{}\"", servers[1])];
    let proxy = over(&weighted, "");
    let mut client = connect(&proxy);
    let order: String = (0..8).map(|_| client.send(get("/")).answer().text()).collect();
    assert_eq!(counts(order.chars().map(String::from)), [("a".to_owned(), 6), ("b".to_owned(), 2)].into());
    assert!(!order.contains("bb") && !order.contains("aaaa"), "{order}");
}

#[test]
fn every_strategy_uses_every_server() {
    for strategy in [
        "round_robin",
        "random",
        "least_requests",
        "p2c",
        "peak_ewma",
        "load",
        "{mode: hash, on: {header: X-Absent}}",
    ] {
        let servers = named(&["a", "b", "c"]);
        let proxy = proxy::start(&format!(
            "services: [{{host: \"*\", upstream: web}}]
upstreams: {{web: {{servers: [{}], balance: {strategy}}}}}
",
            written(&servers).join(", ")
        ));
        let mut client = connect(&proxy);
        let answers = counts((0..90).map(|_| client.send(get("/")).answer().expect(200).text()));
        assert_eq!(answers.len(), 3, "{strategy}: {answers:?}");
    }
}

#[test]
fn least_requests_goes_where_less_is_in_flight() {
    let (release, released) = std::sync::mpsc::sync_channel::<()>(1);
    let released = std::sync::Mutex::new(released);
    let slow = Server::start(move |mut connection| {
        while connection.request().is_some() {
            released.lock().unwrap().recv().unwrap();
            connection.send(sized("slow"));
        }
    });
    let fast = Server::saying("fast");
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", upstream: web}}]
upstreams: {{web: {{servers: [\"{slow}\", \"{fast}\"], balance: least_requests}}}}
"
    ));
    let mut waiting = connect(&proxy);
    let mut client = connect(&proxy);
    // Requests one after the other until one of them is held by the slow server; from then on all go to the other.
    for number in 1.. {
        waiting.send(get("/"));
        until(|| slow.requests().len() + fast.requests().len() >= number);
        if !slow.requests().is_empty() {
            break;
        }
        waiting.answer().expect(200);
    }
    for _ in 0..10 {
        assert_eq!(client.send(get("/")).answer().text(), "fast");
    }
    release.send(()).unwrap();
    assert_eq!(waiting.answer().text(), "slow");
}

#[test]
fn semantics_2_1_a_server_that_refuses_is_passed_over() {
    let servers = named(&["a", "b"]);
    let mut all = written(&servers);
    all.insert(1, format!("\"{}\"", Server::refusing()));
    let proxy = over(&all, "");
    let mut client = connect(&proxy);
    for number in 0..12 {
        // Also what may not be repeated: nothing of it was sent.
        let method = if number % 2 == 0 { "GET" } else { "POST" };
        client.send(format!("{method} / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi"));
        client.answer().expect(200);
    }
    let got: usize = servers.iter().map(|server| server.requests().len()).sum();
    assert_eq!(got, 12);
    assert!(servers.iter().flat_map(Server::requests).all(|request| request.body == b"hi"));
}

#[test]
fn all_servers_refusing_is_502_with_nothing_internal() {
    let refusing = [Server::refusing(), Server::refusing()];
    let proxy = over(&refusing.map(|server| format!("\"{server}\"")), "");
    let mut client = connect(&proxy);
    for _ in 0..2 {
        let answer = client.send(get("/")).answer().expect(502);
        assert!(answer.field("proxy-status").unwrap().contains("error=connection_refused"), "{answer}");
        let shown = answer.to_string();
        assert!(
            !shown.contains("127.0.0.1") && refusing.iter().all(|it| !shown.contains(&it.port().to_string()))
        );
    }
}

#[test]
fn the_connect_deadline_ends_with_the_connecting() {
    // The first server refuses, a kept connection to the second is taken, and its answer takes longer than connecting may.
    let slow = Server::start(|mut connection| {
        while let Some(request) = connection.request() {
            if request.target() == "/slow" {
                // Nothing will come here; what ends is the patience.
                assert!((0..8).all(|_| connection.is_silent()));
            }
            connection.send(sized("ok"));
        }
    });
    let proxy =
        over(&[format!("\"{}\"", Server::refusing()), format!("\"{slow}\"")], "timeouts: {connect: 200ms}");
    let mut client = connect(&proxy);
    client.send(get("/")).answer().expect(200);
    client.send(get("/")).answer().expect(200);
    client.send(get("/slow")).answer().expect(200);
    client.send(get("/slow")).answer().expect(200);
}

#[test]
fn semantics_1_9_a_base_path_is_joined() {
    let server = Server::saying("ok");
    for base in ["/base", "/base/"] {
        let proxy = over(&[format!("\"http://{server}{base}\"")], "");
        for (sent, got) in [("/", "/base/"), ("/x?y", "/base/x?y"), ("/a/../b", "/base/b")] {
            fetch(&proxy, sent).expect(200);
            assert_eq!(server.last_request().target(), got);
        }
        // Nothing leads above the base.
        fetch(&proxy, "/..").expect(400);
        fetch(&proxy, "/%2e%2e/x").expect(400);
        let absolute = ask(&proxy, "GET http://a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n");
        absolute.expect(200);
        assert_eq!(server.last_request().target(), "/base/x");
    }
}

#[test]
fn semantics_1_9_unix_sockets_on_both_sides() {
    let server = Server::unix(|mut connection| {
        while let Some(request) = connection.request() {
            connection.send(sized(&request.text()));
        }
    });
    let path = unix_path();
    let proxy = over(&[format!("\"{server}\"")], &format!("listen: \"unix:{}\"\nworkers: 2", path.display()));
    let mut client = connect(&proxy);
    for _ in 0..3 {
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello");
        assert_eq!(client.answer().expect(200).text(), "hello");
    }
    assert_eq!(server.connections(), 1);
    // A process of this machine counts as loopback.
    assert_eq!(server.last_request().field("x-forwarded-for"), Some("127.0.0.1"));
    drop(proxy);
    assert!(!path.exists(), "the socket's file goes with the proxy");
}

#[test]
fn names_are_resolved() {
    let server = Server::saying("ok");
    let port = server.to_string().rsplit(':').next().unwrap().to_owned();
    let proxy = over(&[format!("\"localhost:{port}\"")], "");
    fetch(&proxy, "/").expect(200);
}

#[test]
fn host_server_names_the_server_that_is_asked() {
    let servers = named(&["a", "b"]);
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", routes: [{{path: /, upstream: web, host: server}}]}}]
upstreams: {{web: {{servers: [{}, \"{}\"]}}}}
",
        written(&servers).join(", "),
        Server::refusing()
    ));
    let mut client = connect(&proxy);
    for _ in 0..6 {
        client.send(get("/")).answer().expect(200);
    }
    for server in &servers {
        assert!(server.requests().iter().all(|request| request.field("host") == Some(&*server.to_string())));
    }
}
