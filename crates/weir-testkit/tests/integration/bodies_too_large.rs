//! Bodies of which more would have to be kept than may be, where every server must have all of it: 413 (`semantics.md` §2.5).

use std::sync::{Arc, Mutex};

use weir_testkit::client::{ask, connect};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;
use weir_testkit::wait::until;

use crate::state_directory::StateDirectory;

/// What may be kept.
const KEPT_BYTES_MAX: usize = 16 * 1024;

const MODES: [&str; 5] = [
    "majority",
    "duplicate",
    "{mode: duplicate, acknowledge: all}",
    "{mode: duplicate, catch_up: \"off\"}",
    "{mode: duplicate, catch_up: durable}",
];

fn over(mode: &str, servers: &[Taking], state: &StateDirectory) -> Running {
    let written: Vec<String> = servers.iter().map(|one| format!("\"{}\"", one.server)).collect();
    proxy::start(&format!(
        "state: \"{}\"
replay: {{memory: {KEPT_BYTES_MAX}B, disk: off}}
services: [{{host: \"*\", upstream: web, dispatch: {mode}}}]
upstreams: {{web: {{servers: [{}]}}}}
",
        state,
        written.join(", ")
    ))
}

/// A server that takes only whole requests, and says `ok`.
struct Taking {
    server: Server,
    /// The lengths of what it took.
    taken: Arc<Mutex<Vec<usize>>>,
}

impl Taking {
    fn start() -> Self {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&taken);
        let server = Server::start(move |mut connection| {
            while let Ok(request) = connection.try_request() {
                notes.lock().unwrap().push(request.body.len());
                if connection.try_send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                    return;
                }
            }
        });
        Self { server, taken }
    }

    fn taken(&self) -> Vec<usize> {
        self.taken.lock().unwrap().clone()
    }
}

/// Nothing is left of what was refused, and what fits is served.
fn check_goes_on(proxy: &Running, servers: &[Taking], mode: &str) {
    let whole = "x".repeat(KEPT_BYTES_MAX);
    let sized = format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {KEPT_BYTES_MAX}\r\n\r\n{whole}");
    let chunked = format!(
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n{KEPT_BYTES_MAX:x}\r\n{whole}\r\n0\r\n\r\n"
    );
    for request in [sized, chunked] {
        assert_eq!(ask(proxy, request).expect(200).text(), "ok", "{mode}");
    }
    let waits = || proxy.status().queues.first().is_some_and(|queue| queue.backlog_writes > 0);
    until(|| !waits() && proxy.status().requests_in_flight == 0 && proxy.status().replay_bytes == 0);
    assert!(proxy.status().queues.iter().all(|queue| queue.servers.iter().all(|server| server.dead == 0)));
    for server in servers {
        // A copy of a write goes on when its client has an answer.
        until(|| !mode.contains("duplicate") || server.taken().len() >= 2);
        let taken = server.taken();
        assert!(taken.len() <= 2 && taken.iter().all(|bytes| *bytes == KEPT_BYTES_MAX), "{mode}: {taken:?}");
    }
}

#[test]
fn semantics_2_5_a_length_that_is_too_large_is_refused_before_the_first_copy() {
    for mode in MODES {
        let (state, servers) = (StateDirectory::new(), [Taking::start(), Taking::start(), Taking::start()]);
        let proxy = over(mode, &servers, &state);
        for length in [KEPT_BYTES_MAX + 1, 100_000, usize::MAX >> 1] {
            let head = format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {length}\r\n\r\n");
            // The answer does not wait for the body, nor does an invitation come.
            connect(&proxy).send(&head).answer().expect(413);
            let expecting = head.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
            connect(&proxy).send(expecting).answer().expect(413);
        }
        for server in &servers {
            assert_eq!(server.server.connections(), 0, "{mode}");
        }
        check_goes_on(&proxy, &servers, mode);
    }
}

#[test]
fn semantics_2_5_a_body_that_turns_out_too_large_reaches_nobody_whole() {
    for mode in MODES {
        for excess in [1, 100_000] {
            let (state, servers) =
                (StateDirectory::new(), [Taking::start(), Taking::start(), Taking::start()]);
            let proxy = over(mode, &servers, &state);
            let mut client = connect(&proxy);
            client.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
            let body = "x".repeat(KEPT_BYTES_MAX + excess);
            client.send(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())).answer().expect(413);
            check_goes_on(&proxy, &servers, mode);
        }
    }
}
