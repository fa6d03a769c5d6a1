//! Which host a request is for (`semantics.md` §1.1), and which service takes it.

use weir_testkit::client::{ask, connect};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;

/// Services that say their name: one host, a wildcard and, with `rest`, everything else.
fn services(rest: bool) -> Running {
    let any = "  - {host: \"*\", respond: {body: any}}\n";
    proxy::start(&format!(
        "services:
  - {{host: a.test, respond: {{body: a}}}}
  - {{host: \"*.b.test\", respond: {{body: b}}}}
  - {{host: \"[::1]\", respond: {{body: six}}}}
{}",
        if rest { any } else { "" }
    ))
}

fn check(proxy: &Running, request: &str, expected: Result<&str, u16>) {
    let answer = ask(proxy, format!("{request}\r\n"));
    match expected {
        Ok(body) => assert_eq!((answer.status(), &*answer.text()), (200, body), "{request:?}"),
        Err(status) => assert_eq!(answer.status(), status, "{request:?}: {answer}"),
    }
}

#[test]
fn semantics_1_1_http_1_1_needs_exactly_one_host() {
    let proxy = services(true);
    check(&proxy, "GET / HTTP/1.1\r\n", Err(400));
    check(&proxy, "GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n", Err(400));
    check(&proxy, "GET / HTTP/1.1\r\nHost: a.test\r\nX: y\r\nhOST: x.b.test\r\n", Err(400));
    check(&proxy, "GET / HTTP/1.0\r\nHost: a.test\r\nHost: a.test\r\n", Err(400));
    check(&proxy, "GET http://a.test/ HTTP/1.1\r\n", Err(400));
    check(&proxy, "GET / HTTP/1.1\r\nHost: a.test\r\n", Ok("a"));
}

#[test]
fn semantics_1_1_http_1_0_without_host_takes_only_the_rest() {
    check(&services(true), "GET / HTTP/1.0\r\n", Ok("any"));
    check(&services(false), "GET / HTTP/1.0\r\n", Err(404));
    check(&services(true), "GET / HTTP/1.0\r\nHost: a.test\r\n", Ok("a"));
}

#[test]
fn hosts_are_compared_without_case_port_and_trailing_dot() {
    let proxy = services(false);
    for host in ["a.test", "A.TeSt", "a.test:80", "a.test:8443", "a.test.", "a.test.:80"] {
        check(&proxy, &format!("GET / HTTP/1.1\r\nHost: {host}\r\n"), Ok("a"));
    }
    for host in ["x.b.test", "x.y.B.test:1"] {
        check(&proxy, &format!("GET / HTTP/1.1\r\nHost: {host}\r\n"), Ok("b"));
    }
    check(&proxy, "GET / HTTP/1.1\r\nHost: [::1]:80\r\n", Ok("six"));
    check(&proxy, "GET / HTTP/1.1\r\nHost: [0:0::1]\r\n", Ok("six"));
    for host in ["b.test", "c.test", "aa.test", "a.test.b", "1.2.3.4"] {
        check(&proxy, &format!("GET / HTTP/1.1\r\nHost: {host}\r\n"), Err(404));
    }
}

#[test]
fn semantics_1_1_an_absolute_target_counts_and_the_host_must_agree() {
    let proxy = services(true);
    check(&proxy, "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n", Ok("a"));
    check(&proxy, "GET http://a.test HTTP/1.1\r\nHost: a.test\r\n", Ok("a"));
    check(&proxy, "GET HTTP://A.test:80/ HTTP/1.1\r\nHost: a.test.\r\n", Ok("a"));
    check(&proxy, "GET https://a.test/ HTTP/1.1\r\nHost: a.test:443\r\n", Ok("a"));
    check(&proxy, "GET http://a.test/ HTTP/1.0\r\n", Ok("a"));
    check(&proxy, "GET http://a.test/ HTTP/1.1\r\nHost: x.b.test\r\n", Err(400));
    check(&proxy, "GET http://a.test:81/ HTTP/1.1\r\nHost: a.test\r\n", Err(400));
    check(&proxy, "GET https://a.test/ HTTP/1.1\r\nHost: a.test:80\r\n", Err(400));
    check(&proxy, "GET ftp://a.test/ HTTP/1.1\r\nHost: a.test\r\n", Err(400));
    check(&proxy, "GET a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n", Err(400));
}

#[test]
fn semantics_1_1_bad_authorities_are_400() {
    let proxy = services(true);
    for host in [
        "user@a.test",
        "user:pw@a.test",
        "a..test",
        ".a.test",
        "a.test..",
        "a.test:x",
        "a.test:",
        "a.test:65536",
        "a.test:-1",
        "a.test:80:80",
        "a test",
        "a.test/",
        "a.test?",
        "a\\test",
        "[::1",
        "::1",
        "[x]",
        "a,test",
        "a.test, b.test",
        "a%00.test",
        "\"a.test\"",
    ] {
        check(&proxy, &format!("GET / HTTP/1.1\r\nHost: {host}\r\n"), Err(400));
    }
    for target in [
        "http://user@a.test/",
        "http://a..test/",
        "http://a.test:x/",
        "http:///",
        "http://:80/",
        "http:a.test",
    ] {
        check(&proxy, &format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n"), Err(400));
    }
}

#[test]
fn servers_get_the_origin_form_and_the_host_of_an_absolute_target() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    for (request, start, host) in [
        ("GET http://A.test/x?y HTTP/1.1\r\nHost: a.test\r\n", "GET /x?y HTTP/1.1", "a.test"),
        ("GET http://a.test?y HTTP/1.1\r\nHost: a.test\r\n", "GET /?y HTTP/1.1", "a.test"),
        // RFC 9112 §3.2.2: the Host is made of the target.
        ("GET http://b.test:81/ HTTP/1.0\r\n", "GET / HTTP/1.1", "b.test:81"),
        ("GET / HTTP/1.1\r\nHost: B.test:8080\r\n", "GET / HTTP/1.1", "B.test:8080"),
    ] {
        ask(&proxy, format!("{request}\r\n")).expect(200);
        let got = server.last_request();
        assert_eq!((&*got.start, got.field("host")), (start, Some(host)), "{request:?}");
    }
}

#[test]
fn http_1_0_without_host_gives_the_server_its_own() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    ask(&proxy, "GET / HTTP/1.0\r\n\r\n").expect(200);
    assert_eq!(server.last_request().field("host"), Some(&*server.to_string()));
    assert!(!server.last_request().has("x-forwarded-host"));
}

#[test]
fn a_host_without_service_is_404_and_the_connection_goes_on() {
    let proxy = services(false);
    let mut client = connect(&proxy);
    let answer = client.send("GET / HTTP/1.1\r\nHost: none.test\r\n\r\n").answer().expect(404);
    assert!(answer.text().contains("no service for host none.test"), "{answer}");
    assert!(answer.field("proxy-status").unwrap().contains("error=destination_not_found"), "{answer}");
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").answer().expect(200);
}
