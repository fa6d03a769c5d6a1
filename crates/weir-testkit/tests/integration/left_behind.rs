//! What an exchange leaves behind, however it ends: counts that are right, and nothing of it for the next one.

use std::time::Duration;

use weir_testkit::client::{connect, fetch, get};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, unix_path};
use weir_testkit::socket::End;
use weir_testkit::wait::until;

/// Requests in flight, as the process says and as its servers do.
fn in_flight(proxy: &Running) -> (u64, u64) {
    let status = proxy.status();
    let servers = status.upstreams.iter().flat_map(|upstream| &upstream.servers);
    (status.requests_in_flight, servers.map(|server| server.requests_in_flight).sum())
}

/// Waits until nothing is in flight. An answer is here before its exchange has been counted.
#[track_caller]
fn expect_none_in_flight(proxy: &Running) {
    wait_until(proxy, || in_flight(proxy) == (0, 0));
}

/// Asks again and again, each time after the proxy's worker has had its turn.
#[track_caller]
fn wait_until(proxy: &Running, mut holds: impl FnMut() -> bool) {
    until(|| {
        proxy.connections();
        holds()
    });
}

fn silent() -> Server {
    Server::start(|mut connection| {
        connection.expect_request();
        connection.until_end();
    })
}

#[test]
fn requests_in_flight_are_counted_down_however_they_end() {
    let server = silent();
    let proxy = proxy::with(&server, "timeouts: {answer_head: 20ms}");
    fetch(&proxy, "/").expect(504);
    expect_none_in_flight(&proxy);

    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send(get("/"));
    server.wait_requests(2);
    assert_eq!(in_flight(&proxy), (1, 1));
    proxy.cut(|_| true);
    client.expect_end();
    expect_none_in_flight(&proxy);

    let mut client = connect(&proxy);
    client.send(get("/"));
    server.wait_requests(3);
    client.reset();
    server.wait_ended(3);
    // Another request goes the whole way behind the one that was cancelled.
    connect(&proxy).send("GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n").answer().expect(400);
    expect_none_in_flight(&proxy);
}

#[test]
fn a_server_that_is_connected_to_counts_as_asked() {
    let unresponsive = Server::unresponsive();
    let server = Server::saying("ok");
    let proxy = proxy::start(&format!(
        "timeouts: {{connect: 20s}}
services:
  - {{host: \"*\", upstream: {{servers: [\"{unresponsive}\", \"{server}\"], balance: least_requests}}}}
"
    ));
    // Of servers with equally much to do any may be chosen, so one of many requests waits for a connection.
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let mut client = connect(&proxy);
            client.send(get("/"));
            client
        })
        .collect();
    wait_until(&proxy, || {
        let (requests, at_servers) = in_flight(&proxy);
        requests >= 1 && requests == at_servers && server.requests().len() as u64 + requests == 20
    });
    drop(clients);
}

#[test]
fn every_server_gets_its_own_host_where_the_client_sent_none() {
    let broken = Server::start(|mut connection| {
        connection.expect_request();
    });
    let server = Server::saying("ok");
    let proxy =
        proxy::start(&format!("services: [{{host: \"*\", upstream: [\"{broken}\", \"{server}\"]}}]\n"));
    for _ in 0..4 {
        connect(&proxy).send("GET / HTTP/1.0\r\n\r\n").answer().expect(200);
    }
    for (name, requests) in [(broken.to_string(), broken.requests()), (server.to_string(), server.requests())]
    {
        assert!(!requests.is_empty());
        for request in requests {
            assert_eq!(request.field("host"), Some(&*name), "{request}");
        }
    }
}

#[test]
fn semantics_1_7_a_client_that_stops_sending_gets_the_whole_early_answer() {
    // The server has to begin its answer within it, also where many others want the processor.
    const BODY_WAIT: Duration = Duration::from_secs(2);
    let server = Server::start(|mut connection| {
        connection.request_head();
        connection.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 6\r\n\r\nno");
        // By then the client has been silent for longer than its body may be.
        for _ in 0..70 {
            assert!(connection.is_silent(), "30 ms each time");
        }
        connection.send(" way");
        connection.until_end();
    });
    let proxy = proxy::with(&server, &format!("timeouts: {{request_body: {}ms}}", BODY_WAIT.as_millis()));
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000\r\n\r\n");
    let answer = client.answer().expect(413);
    assert_eq!(answer.text(), "no way");
    assert!(answer.says_close(), "{answer}");
    assert_eq!(client.expect_end(), End::Fin);
    server.wait_ended(1);
    assert_eq!(proxy.idle_upstream(), 0);
}

#[test]
fn words_into_the_void_behind_the_end_of_a_tunnel_are_no_failure() {
    let server = Server::start(|mut connection| {
        connection.expect_request();
        connection
            .send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nbye");
    });
    let file = unix_path();
    let proxy = proxy::with(&server, &format!("access_log: {{format: json, file: \"{}\"}}", file.display()));
    let mut client = connect(&proxy);
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    client.answer_head().expect(101);
    assert_eq!(client.read_to_end(), (b"bye".to_vec(), End::Fin));
    server.wait_ended(1);
    // The server has closed the connection; as WebSockets do, the client says its last word all the same.
    wait_until(&proxy, || {
        // The proxy may have closed it by now.
        let _ = client.try_send("bye");
        proxy.connections() == 0
    });
    drop(proxy);
    let line = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(line.contains("\"status\":101") && line.contains("\"reason\":null"), "{line}");
}

#[test]
fn a_reset_behind_a_body_that_came_late_cancels_the_request() {
    let server = silent();
    let unresponsive = Server::unresponsive();
    // While the first server is connected to, the body comes and waits.
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", upstream: {{servers: [\"{unresponsive}\", \"{server}\"]}}}}]\n"
    ));
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\n");
    wait_until(&proxy, || in_flight(&proxy).1 == 1);
    client.send("hi");
    server.wait_requests(1);
    client.reset();
    server.wait_ended(1);
}
