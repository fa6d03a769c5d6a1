//! A hundred reloads while requests and WebSockets go on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use weir_testkit::client::{connect, get};
use weir_testkit::proxy;
use weir_testkit::wait::until;

use super::{Chat, echoing};

/// Tells the clients of a test that it has ended, however it ends.
struct Over<'t>(&'t AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Whatever changes from one to the next: a route, the servers of an upstream, the workers, a limit, the timeouts.
fn config(round: usize, servers: [&str; 3]) -> String {
    let [a, b, chat] = servers;
    let web = if round.is_multiple_of(2) { format!("'{a}', '{b}'") } else { format!("'{b}'") };
    format!(
        "workers: {}
drain: {{idle: 60s}}
limits: {{fields: {}}}
timeouts: {{idle: {}s}}
services:
  - host: '*'
    routes:
      - {{path: /chat, upstream: chat}}
      - {{path: /other{}, respond: {{body: other}}}}
      - {{path: /, upstream: web, backend_server: {}}}
upstreams:
  chat: {{servers: ['{chat}']}}
  web: {{servers: [{web}], balance: least_requests, retry: {{attempts: {}}}}}
",
        1 + round % 3,
        50 + round % 7,
        30 + round % 5,
        round % 4,
        round.is_multiple_of(3),
        1 + round % 2,
    )
}

#[test]
fn a_hundred_reloads_under_load_fail_no_request_and_cut_no_websocket() {
    let (a, b, chat) = (echoing("a"), echoing("b"), echoing("chat"));
    let names = [a.to_string(), b.to_string(), chat.to_string()];
    let servers = [&*names[0], &names[1], &names[2]];
    let proxy = proxy::start(&config(0, servers));
    let mut chats: Vec<Chat> = (0..8).map(|_| Chat::open(proxy.address())).collect();
    let (is_over, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let _over = Over(&is_over);
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = connect(&proxy);
                while !is_over.load(Ordering::Relaxed) {
                    let answer = client.send(get("/")).answer().expect(200);
                    assert!(["a", "b"].contains(&&*answer.text()), "{answer}");
                    answered.fetch_add(1, Ordering::Relaxed);
                    // It was with a worker that goes.
                    if answer.says_close() {
                        client = connect(&proxy);
                    }
                }
            });
        }
        for round in 1..=100 {
            let before = answered.load(Ordering::Relaxed);
            proxy.publish(&config(round, servers));
            // Requests have begun and ended under each of them.
            until(|| answered.load(Ordering::Relaxed) >= before + 20);
            chats.iter_mut().for_each(Chat::lives);
        }
    });
    let status = proxy.status();
    assert_eq!(status.answers_by_class[3..], [0, 0], "nobody was refused");
    assert!(answered.into_inner() >= 2000);
}
