//! The number of workers changes, and nobody notices.

use weir_core::limit_hit::LimitHit;
use weir_testkit::client::{connect, get};
use weir_testkit::proxy;
use weir_testkit::server::Server;
use weir_testkit::wait::{until, until_some};

use super::{Chat, echoing, reload};

#[test]
fn workers_come_and_go_and_nobody_is_cut_or_refused() {
    let server = echoing("ok");
    // Whoever is idle is kept until his next request, however slow this machine is.
    let config = |workers: usize| {
        format!(
            "workers: {workers}\ndrain: {{idle: 60s}}\nservices: [{{host: '*', upstream: ['{server}']}}]\n"
        )
    };
    let proxy = proxy::start(&config(2));
    let mut chats: Vec<Chat> = Vec::new();
    let mut clients = Vec::new();
    let mut total = 0;
    for workers in [1, 3, 5, 2, 4, 1] {
        assert_eq!(reload(&proxy, &config(workers)), ["setting workers changed"]);
        assert_eq!(proxy.status().workers, workers);
        chats.push(Chat::open(proxy.address()));
        chats.iter_mut().for_each(Chat::lives);
        // Every worker accepts.
        until_some(|| {
            let mut client = connect(&proxy);
            client.send(get("/")).answer().expect(200);
            total += 1;
            clients.push(client);
            proxy.connections_by_worker().iter().all(|count| *count > 0).then_some(())
        });
        // An old one may be with a worker that goes: its next answer is its last, and it is no failure.
        clients.retain_mut(|client| {
            let answer = client.send(get("/")).answer().expect(200);
            total += 1;
            !answer.says_close()
        });
    }
    // Also those that workers have answered which have gone.
    until(|| proxy.status().answers_by_class.iter().sum::<u64>() >= total);
    drop((chats, clients));
    until(|| proxy.status().connections_open == 0);
}

#[test]
fn a_worker_goes_while_somebody_waits_there_for_the_limit_of_connections() {
    let server = Server::saying("ok");
    // Whoever is idle is not let go meanwhile: that would make room.
    let config = |workers: usize, limit: usize| {
        format!(
            "workers: {workers}\nlimits: {{connections: {limit}}}\ndrain: {{idle: 600s}}\n\
             services: [{{host: '*', upstream: ['{server}']}}]\n"
        )
    };
    let proxy = proxy::start(&config(2, 1));
    let mut first = connect(&proxy);
    first.send(get("/")).answer().expect(200);
    let mut waiting = Vec::new();
    // Both workers have taken one from their queues, and wait until there is room for him.
    until(|| {
        let mut client = connect(&proxy);
        client.send(get("/"));
        waiting.push(client);
        proxy.status().limits_hit[LimitHit::Connections as usize] == 2
    });
    assert_eq!(reload(&proxy, &config(1, 1)), ["setting workers changed"]);
    // The one with the worker that goes is served beyond the limit.
    until_some(|| waiting.iter_mut().position(|client| !client.is_silent()));
    // A worker that is going is told of the next configuration too, and must hear it.
    reload(&proxy, &config(1, 1000));
    for client in &mut waiting {
        client.answer().expect(200);
    }
}
