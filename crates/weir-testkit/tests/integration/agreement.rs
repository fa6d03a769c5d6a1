//! What the servers of a `duplicate` say of one write, and whether they agree.

use weir_testkit::client::{ask, connect};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, sized};
use weir_testkit::wait::until_some;

const POST: &str = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx";

fn duplicate(servers: [&Server; 2], keys: &str) -> Running {
    let [first, second] = servers;
    proxy::start(&format!(
        "services: [{{host: \"*\", upstream: web, dispatch: {{GET: balance, \"*\": {{mode: duplicate, {keys}}}}}}}]
upstreams: {{web: {{servers: [\"{first}\", \"{second}\"]}}}}
"
    ))
}

/// Acknowledgements, and disagreements by kind, when both servers are done with the first write.
fn counted(proxy: &Running, servers: [&Server; 2]) -> (u64, [u64; 2]) {
    for server in servers {
        server.wait_requests(1);
    }
    let status = until_some(|| {
        let status = proxy.status();
        let servers = &status.upstreams[0].servers;
        servers.iter().all(|server| server.requests_in_flight == 0).then_some(status)
    });
    let web = &status.dispatch.duplicating[0];
    assert_eq!(web.upstream, "web");
    (web.acknowledgements_total, web.disagreements)
}

fn answer(status: u16, text: &str) -> String {
    format!("HTTP/1.1 {status} As\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}

/// What is counted of a write that is answered so, with and without a queue.
#[track_caller]
fn check(answers: [&str; 2], acknowledge: &str, expected: (u64, [u64; 2])) {
    for catch_up in ["memory", "\"off\""] {
        let servers = answers.map(Server::answering);
        let servers = [&servers[0], &servers[1]];
        let proxy = duplicate(servers, &format!("acknowledge: {acknowledge}, catch_up: {catch_up}"));
        assert!(ask(&proxy, POST).status() < 400);
        assert_eq!(counted(&proxy, servers), expected, "catch_up: {catch_up}");
    }
}

#[test]
fn servers_that_say_the_same_agree() {
    let chunked = "HTTP/1.1 201 Made\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\nX-Not: body\r\n\r\n";
    check([&sized("abc"), &sized("abc")], "all", (2, [0, 0]));
    check([&sized("abc"), chunked], "all", (2, [0, 0]));
    check(["HTTP/1.1 204 Gone\r\n\r\n", &sized("")], "all", (2, [0, 0]));
}

#[test]
fn bodies_of_one_class_are_compared() {
    check([&sized("a"), &sized("b")], "all", (2, [0, 1]));
    check([&sized("a"), &sized("")], "all", (2, [0, 1]));
    check([&answer(303, "a"), &answer(301, "b")], "all", (2, [0, 1]));
    let large = "x".repeat(64 * 1024 - 1);
    check([&sized(&format!("{large}a")), &sized(&format!("{large}b"))], "all", (2, [0, 1]));
}

#[test]
fn classes_are_compared_without_bodies() {
    check([&sized("a"), &answer(303, "b")], "all", (2, [1, 0]));
    check([&sized("a"), &answer(503, "b")], "first", (1, [1, 0]));
    check([&sized("a"), &answer(409, "b")], "first", (1, [1, 0]));
}

#[test]
fn what_is_not_read_to_its_end_is_not_known_to_differ() {
    let large = "x".repeat(1 << 20);
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n",
        large.len()
    );
    for larger in [&sized(&format!("{large}a")), &chunked] {
        check([&sized(&format!("{large}b")), larger], "all", (2, [0, 0]));
        check([&sized("b"), larger], "primary", (2, [0, 0]));
        check([larger, &sized("b")], "primary", (2, [0, 0]));
    }
}

#[test]
fn an_answer_that_breaks_off_is_not_known_to_differ() {
    let whole = Server::saying("whole");
    let cut = Server::closing("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwho");
    for servers in [[&whole, &cut], [&cut, &whole]] {
        let proxy = duplicate(servers, "acknowledge: primary");
        let mut client = connect(&proxy);
        client.send(POST);
        // One of them is passed on, broken or not; what counts is what is said of it.
        let _ = client.try_answer();
        assert_eq!(counted(&proxy, servers), (2, [0, 0]));
    }
}

#[test]
fn who_answers_after_the_client_has_its_answer_is_heard_too() {
    for catch_up in ["memory", "\"off\""] {
        let (late, release) = Server::held(sized("late"));
        let early = Server::saying("early");
        let proxy = duplicate([&late, &early], &format!("acknowledge: first, catch_up: {catch_up}"));
        assert_eq!(ask(&proxy, POST).expect(200).text(), "early");
        late.wait_requests(1);
        let web = &proxy.status().dispatch.duplicating[0];
        assert_eq!((web.acknowledgements_total, web.disagreements), (1, [0, 0]));
        release.send(()).unwrap();
        assert_eq!(counted(&proxy, [&late, &early]), (2, [0, 1]), "{catch_up}");
    }
}
