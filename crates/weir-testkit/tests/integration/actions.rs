//! What routes do: where requests go, and what is changed on the way.

use weir_testkit::client::{ask, connect, fetch};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, sized};

fn routes(lines: &str) -> Running {
    proxy::start(&format!("services:\n  - host: \"*\"\n    routes:\n{lines}"))
}

#[test]
fn the_most_specific_route_takes_the_request() {
    let say = |rule: &str, name: &str| format!("      - {{{rule}, respond: {{body: {name}}}}}\n");
    let proxy = routes(
        &[
            say("path: /", "root"),
            say("path: /api", "api"),
            say("path: /api/v1/", "v1"),
            say("path: \"exact:/api/v1/health\"", "health"),
            say("path: \"regex:^/u/[0-9]+$\"", "user"),
            say("path: /api, methods: [POST]", "post"),
            say("path: /api, headers: {X-Beta: \"yes\"}", "beta"),
            say("path: /api, query: {debug: true}", "debug"),
        ]
        .concat(),
    );
    for (request, expected) in [
        ("GET /", "root"),
        ("GET /apix", "root"),
        ("GET /api", "api"),
        ("GET /api/x", "api"),
        ("GET /api/v1/x", "v1"),
        ("GET /api/v1/health", "health"),
        ("GET /api/v1/health/", "v1"),
        ("GET /u/7", "user"),
        ("GET /u/x", "root"),
        ("POST /api/x", "post"),
        ("GET /api?debug=1", "debug"),
        ("GET /api?xdebug=1", "api"),
    ] {
        let answer = ask(&proxy, format!("{request} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        assert_eq!(answer.text(), expected, "{request}");
    }
    let answer = ask(&proxy, "GET /api HTTP/1.1\r\nHost: a.test\r\nx-beta: yes\r\n\r\n");
    assert_eq!(answer.text(), "beta");
}

#[test]
fn no_route_is_404_and_another_method_405_with_allow() {
    let proxy = routes("      - {path: /a, methods: [GET, PUT], respond: {body: a}}\n");
    fetch(&proxy, "/b").expect(404);
    let mut client = connect(&proxy);
    let answer = client.send("DELETE /a HTTP/1.1\r\nHost: a.test\r\n\r\n").answer().expect(405);
    let allow = answer.field("allow").unwrap();
    assert!(allow.contains("GET") && allow.contains("PUT"), "{answer}");
    client.send("HEAD /a HTTP/1.1\r\nHost: a.test\r\n\r\n").answer_to_head().expect(200);
}

#[test]
fn paths_are_stripped_and_rewritten() {
    let server = Server::saying("ok");
    let proxy = routes(&format!(
        "      - {{path: /strip/, strip: /strip, upstream: [\"{server}\"]}}
      - {{path: /old, rewrite: {{prefix: /new/er}}, upstream: [\"{server}\"]}}
      - {{path: /root, rewrite: {{prefix: /}}, upstream: [\"{server}\"]}}
      - {{path: /u, rewrite: {{regex: '^/u/([^/]+)/?(.*)$', to: '/user/$1/$2'}}, upstream: [\"{server}\"]}}
"
    ));
    for (sent, got) in [
        ("/strip/a?b", "/a?b"),
        ("/strip", "/"),
        ("/strip/", "/"),
        ("/strip//a", "//a"),
        ("/x/../strip/%61", "/a"),
        ("/old", "/new/er"),
        ("/old/x", "/new/er/x"),
        ("/old?q", "/new/er?q"),
        ("/root/x", "/x"),
        ("/root", "/"),
        ("/u/7/x?y=$1", "/user/7/x?y=$1"),
        ("/u/a%2Fb", "/user/a%2Fb/"),
    ] {
        fetch(&proxy, sent).expect(200);
        assert_eq!(server.last_request().target(), got, "{sent}");
    }
}

#[test]
fn fields_are_removed_set_and_added_in_this_order() {
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nServer: x/1\r\nX-Set: old\r\nX-Set: older\r\nX-Add: 1\r\n\r\n",
    );
    let edits = "{remove: [X-Gone, Server], set: {X-Set: new}, add: {X-Add: [\"2\", \"3\"]}}";
    let proxy = routes(&format!(
        "      - {{path: /, upstream: [\"{server}\"], request_headers: {edits}, answer_headers: {edits}}}\n"
    ));
    let answer = ask(
        &proxy,
        "GET / HTTP/1.1\r\nHost: a.test\r\nx-gone: 1\r\nX-Set: old\r\nX-Add: 1\r\nX-Gone: 2\r\nServer: x\r\n\r\n",
    );
    let got = server.only_request();
    for message in [&got, &answer] {
        assert!(!message.has("x-gone") && !message.has("server"), "{message}");
        assert_eq!(message.field("x-set"), Some("new"));
        assert_eq!(message.all("x-add"), ["1", "2", "3"]);
    }
}

#[test]
fn answer_fields_hold_for_answers_of_ours_too() {
    let refusing = Server::refusing();
    let proxy = routes(&format!(
        "      - {{path: /, upstream: [\"{refusing}\"], answer_headers: {{set: {{X-Site: mine}}, remove: Via}}}}
      - {{path: /r, respond: {{body: x}}, answer_headers: {{set: {{X-Site: mine}}}}}}
"
    ));
    assert_eq!(fetch(&proxy, "/").expect(502).field("x-site"), Some("mine"));
    assert_eq!(fetch(&proxy, "/r").expect(200).field("x-site"), Some("mine"));
}

#[test]
fn redirects_put_the_request_into_their_location() {
    let proxy = routes(
        "      - {path: /, redirect: {status: 308, to: \"https://$host$path$query\"}}
      - {path: /plain, redirect: /else}
",
    );
    let mut client = connect(&proxy);
    let answer = client.send("GET /a/../b%61?x=1&y HTTP/1.1\r\nHost: A.test:80\r\n\r\n").answer().expect(308);
    assert_eq!(answer.field("location"), Some("https://a.test/ba?x=1&y"));
    let answer = client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").answer().expect(308);
    assert_eq!(answer.field("location"), Some("https://a.test/"));
    let answer = client.send("GET /plain HTTP/1.1\r\nHost: a.test\r\n\r\n").answer().expect(302);
    assert_eq!(answer.field("location"), Some("/else"));
}

#[test]
fn a_redirect_adds_no_line_of_its_own() {
    let proxy = routes("      - {path: /, redirect: \"https://b.test$path$query\"}\n");
    let answer = fetch(&proxy, "/%0d%0aSet-Cookie:%20x?%0d%0aA:b").expect(302);
    assert_eq!(answer.field("location"), Some("https://b.test/%0D%0ASet-Cookie:%20x?%0d%0aA:b"));
    assert!(!answer.has("set-cookie"));
}

#[test]
fn fixed_answers_pass_over_small_bodies_and_keep_the_connection() {
    let proxy =
        routes("      - {path: /, respond: {status: 201, body: \"{}\", content_type: application/json}}\n");
    let mut client = connect(&proxy);
    for body in ["", "hello"] {
        let length = body.len();
        client.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {length}\r\n\r\n{body}"));
        let answer = client.answer().expect(201);
        assert_eq!((answer.text().as_str(), answer.field("content-type")), ("{}", Some("application/json")));
        assert!(!answer.says_close(), "{answer}");
    }
    client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.answer_to_head().expect(201).field("content-length"), Some("2"));
}

#[test]
fn fixed_answers_without_a_body() {
    let proxy =
        routes("      - {path: /, respond: {status: 204}}\n      - {path: /n, respond: {status: 304}}\n");
    let mut client = connect(&proxy);
    for target in ["/", "/n", "/"] {
        let answer = client.send(format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n\r\n")).answer();
        assert!(!answer.has("content-length") && !answer.has("content-type"), "{answer}");
    }
    assert!(client.is_silent());
}

#[test]
fn services_go_to_their_own_upstreams() {
    let (one, two) = (Server::saying("one"), Server::saying("two"));
    let proxy = proxy::start(&format!(
        "services:
  - {{host: one.test, upstream: [\"{one}\"]}}
  - {{host: two.test, upstream: [\"{two}\"]}}
"
    ));
    let mut client = connect(&proxy);
    for name in ["one", "two", "one"] {
        let answer = client.send(format!("GET / HTTP/1.1\r\nHost: {name}.test\r\n\r\n")).answer();
        assert_eq!(answer.text(), name);
    }
}

#[test]
fn what_the_server_gets_as_host() {
    let server = Server::start(|mut connection| {
        while let Some(request) = connection.request() {
            connection.send(sized(request.field("host").unwrap()));
        }
    });
    let proxy = routes(&format!(
        "      - {{path: /keep, upstream: [\"{server}\"]}}
      - {{path: /server, upstream: [\"{server}\"], host: server}}
      - {{path: /name, upstream: [\"{server}\"], host: other.test}}
"
    ));
    assert_eq!(fetch(&proxy, "/keep").text(), "a.test");
    assert_eq!(fetch(&proxy, "/server").text(), server.to_string());
    assert_eq!(fetch(&proxy, "/name").text(), "other.test");
}
