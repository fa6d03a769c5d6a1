//! Mode `majority`: all servers are asked, and the client gets what more than half of them say (`semantics.md` §3.6).

use weir_testkit::client::{ask, connect, fetch, get};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, sized};

fn majority(servers: &[&Server], keys: &str, top: &str) -> Running {
    let written: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    proxy::start(&format!(
        "{top}
services: [{{host: \"*\", upstream: [{}], backend_server: true, dispatch: {{mode: majority{keys}}}}}]
",
        written.join(", ")
    ))
}

#[test]
fn the_answer_of_most_is_given() {
    let (right, liar, also_right) =
        (Server::saying("right"), Server::saying("wrong"), Server::saying("right"));
    let proxy = majority(&[&liar, &right, &also_right], "", "");
    let mut client = connect(&proxy);
    for _ in 0..20 {
        let answer = client.send(get("/")).answer().expect(200);
        assert_eq!(answer.text(), "right");
        assert_ne!(answer.field("X-Backend-Server"), Some(&*liar.to_string()));
    }
}

#[test]
fn a_status_alone_is_no_agreement() {
    let servers = [Server::saying("a"), Server::saying("b"), Server::saying("c")];
    let proxy = majority(&[&servers[0], &servers[1], &servers[2]], "", "");
    let answer = fetch(&proxy, "/").expect(502);
    assert!(answer.text().contains("do not agree"), "{answer}");
    let proxy = majority(&[&servers[0], &servers[1], &servers[2]], ", otherwise: 409", "");
    fetch(&proxy, "/").expect(409);
}

#[test]
fn two_of_three_need_not_wait_for_the_third() {
    let servers = [Server::saying("yes"), Server::silent(), Server::saying("yes")];
    let proxy = majority(&[&servers[0], &servers[1], &servers[2]], "", "");
    for _ in 0..5 {
        assert_eq!(fetch(&proxy, "/").expect(200).text(), "yes");
    }
}

#[test]
fn one_of_two_is_not_most() {
    let alive = Server::saying("yes");
    let dead = Server::refusing();
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", upstream: [\"{dead}\", \"{alive}\"], dispatch: majority}}]\n"
    ));
    fetch(&proxy, "/").expect(502);
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", upstream: [\"{dead}\", \"{alive}\"], dispatch: {{mode: majority, otherwise: best}}}}]\n"
    ));
    assert_eq!(fetch(&proxy, "/").expect(200).text(), "yes");
}

#[test]
fn an_answer_that_breaks_off_has_no_voice() {
    let whole = [Server::saying("abcdef"), Server::saying("abcdef")];
    let broken = Server::closing("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
    let proxy = majority(&[&broken, &whole[0], &whole[1]], "", "");
    for _ in 0..10 {
        assert_eq!(fetch(&proxy, "/").expect(200).text(), "abcdef");
    }
    let proxy = majority(&[&broken, &whole[0]], "", "");
    fetch(&proxy, "/").expect(502);
}

#[test]
fn large_answers_are_compared_to_their_last_byte() {
    let text = "x".repeat(700_000);
    let mut other = text.clone();
    other.replace_range(699_999.., "y");
    let servers = [Server::saying(&text), Server::saying(&other), Server::saying(&text)];
    let proxy = majority(&[&servers[0], &servers[1], &servers[2]], "", "");
    let mut client = connect(&proxy);
    for _ in 0..3 {
        assert_eq!(client.send(get("/")).answer().expect(200).text().len(), text.len());
    }
    assert!(client.send(get("/")).answer().text().ends_with('x'));
    // Where not so much may be kept, nobody can be compared.
    let proxy = majority(&[&servers[0], &servers[1], &servers[2]], "", "replay: {memory: 64KiB, disk: off}");
    fetch(&proxy, "/").expect(502);
}

#[test]
fn the_same_bytes_in_other_pieces_are_the_same_answer() {
    let chunked = Server::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n5\r\nbcdef\r\n0\r\n\r\n",
    );
    let sized = Server::answering(sized("abcdef"));
    let proxy = majority(&[&chunked, &sized], "", "");
    for _ in 0..5 {
        assert_eq!(fetch(&proxy, "/").expect(200).text(), "abcdef");
    }
}

#[test]
fn a_body_reaches_every_server() {
    let servers = [Server::saying("a"), Server::saying("a"), Server::saying("a")];
    let proxy = majority(&[&servers[0], &servers[1], &servers[2]], "", "");
    ask(&proxy, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello").expect(200);
    // The third one may have been cancelled before it had its copy.
    let seen = servers.iter().flat_map(Server::requests);
    assert!(seen.clone().count() >= 2);
    assert!(seen.into_iter().all(|request| request.text() == "hello"));
}

/// A server may begin its answer before it has all of the request, and go on when it has.
#[test]
fn answers_that_begin_early_are_compared_too() {
    let echo = || {
        Server::start(|mut connection| {
            connection.request_head();
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            let body = connection.read_exact(1 << 20);
            connection.send(format!("{:x}\r\n", body.len()));
            connection.send(&body);
            connection.send("\r\n0\r\n\r\n");
            connection.until_end();
        })
    };
    // Of two, both are needed.
    let servers = [echo(), echo()];
    let proxy = majority(&[&servers[0], &servers[1]], "", "");
    let body = "x".repeat(1 << 20);
    let post = format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    assert_eq!(ask(&proxy, post).expect(200).text(), body);
}

#[test]
fn connections_are_kept_after_answers_were_compared() {
    let servers = [Server::saying("a"), Server::saying("a"), Server::saying("a")];
    let proxy = majority(&[&servers[0], &servers[1], &servers[2]], "", "workers: 1");
    let mut client = connect(&proxy);
    for _ in 0..20 {
        client.send(get("/")).answer().expect(200);
    }
    // Sixty when none was. Of those whose answer was not needed, some are given up on a machine that is busy.
    assert!(servers.iter().map(Server::connections).sum::<usize>() < 60);
}

#[test]
fn a_head_request_is_compared_too() {
    let servers = [
        Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
    ];
    let proxy = majority(&[&servers[0], &servers[1]], "", "");
    let mut client = connect(&proxy);
    client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n").answer_to_head().expect(200);
    client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n").answer_to_head().expect(200);
}
