//! Paths (`semantics.md` §1.2): what is matched is what is sent.

use std::cell::{Cell, RefCell};

use proptest::prelude::{Strategy, any, prop};
use proptest::test_runner::{Config, TestRunner};
use weir_testkit::client::{ask, connect};
use weir_testkit::proxy;
use weir_testkit::server::{Server, sized};

fn request(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n\r\n")
}

#[test]
fn semantics_1_2_the_server_gets_the_normal_path() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    for (sent, got) in [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/%61dmin/%7e%2D", "/admin/~-"),
        ("/%c3%a4%3f", "/%C3%A4%3F"),
        ("/a/./b/../c", "/a/c"),
        ("/a/%2e/b/%2E%2e/c", "/a/c"),
        ("/a/..", "/"),
        ("/a/b/.", "/a/b/"),
        ("/a/...", "/a/..."),
        ("//a//b", "//a//b"),
        ("/a//../b", "/a/b"),
        ("/a%2fb/..%2Fc", "/a%2Fb/..%2Fc"),
        ("/a%5cb;x/;y", "/a%5Cb;x/;y"),
        ("/..;/a", "/..;/a"),
        ("/a/../b?c=/../%61", "/b?c=/../%61"),
        ("/?", "/?"),
        ("/?a?b", "/?a?b"),
        ("/a%25b", "/a%25b"),
        ("/%2561", "/%2561"),
        ("http://a.test/x/../y", "/y"),
    ] {
        ask(&proxy, request(sent)).expect(200);
        assert_eq!(server.last_request().target(), got, "{sent}");
    }
}

#[test]
fn semantics_1_2_what_has_no_normal_path_is_400() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    for target in [
        "/..",
        "/a/../..",
        "/%2e%2e",
        "/a/%2e%2E/../b",
        "/%00",
        "/a%00b",
        "/a\\b",
        "/\\..\\",
        "/a\x01",
        "/a\x7f",
        "/%",
        "/%4",
        "/%zz",
        "/%u0041",
        "/a#b",
        "a",
        "../a",
        "",
    ] {
        let answer = ask(&proxy, request(target));
        assert_eq!(answer.status(), 400, "{target:?}");
        assert!(answer.says_close(), "{target:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn rules_see_the_path_that_is_sent() {
    let server = Server::saying("server");
    let proxy = proxy::start(&format!(
        "services:
  - host: \"*\"
    routes:
      - {{path: /, upstream: [\"{server}\"]}}
      - {{path: /admin, respond: {{status: 403}}}}
"
    ));
    for target in [
        "/admin",
        "/admin/",
        "/admin/x",
        "/%61dmin",
        "/%61%64%6d%69%6e/",
        "/x/../admin",
        "/x/%2e%2e/admin/y",
        "/./admin",
        "/%2e/admin",
        "/admin/.",
        "/admin/x/..",
        "/admin/x/../y",
        "/admin?x",
        "http://a.test/admin",
    ] {
        ask(&proxy, request(target)).expect(403);
    }
    assert_eq!(server.connections(), 0);
    // These are other paths, for the proxy and for the server, which gets exactly them.
    for target in
        ["/adminx", "/Admin", "/admin%2Fx", "/admin;x", "//admin", "/x/admin", "/admin%5Cx", "/admin%20"]
    {
        ask(&proxy, request(target)).expect(200);
        assert_eq!(server.last_request().target(), target);
    }
}

/// Pieces of which spellings are made that come near `/admin/x` from all sides.
fn spelling() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "/", "//", "admin", "ADMIN", "x", "a", "dmin", ".", "..", "%2e", "%2E", "%2f", "%2F", "%5c", "\\",
        "%61", "%41", "%64min", ";", ";y", "%3b", "%25", "%252e", "%2", "%", "%00", "%c0%af", "?", "#",
        "%3f", "%23", "*", "@", ":", "ä", "/admin", "/admin/x", "/public", "/..", "/.", "/%2e%2e", "/..;",
        "/.;", "\t", "+", "%20", "%0d%0a", "&", "|",
    ]);
    (any::<bool>(), prop::collection::vec(pieces, 0..9)).prop_map(|(absolute, pieces)| {
        format!("{}/{}", if absolute { "http://a.test" } else { "" }, pieces.concat())
    })
}

/// The route by the path that the server received, decided as simply as possible.
fn route_of(path: &str) -> &'static str {
    let within = |prefix: &str| path == prefix || path.starts_with(&format!("{prefix}/"));
    if within("/admin/x") {
        "admin-x"
    } else if within("/admin") {
        "admin"
    } else if within("/public") {
        "public"
    } else {
        "rest"
    }
}

#[test]
fn semantics_1_2_no_spelling_reaches_another_route_than_the_one_it_is_sent_as() {
    let server = Server::start(|mut connection| {
        while let Some(request) = connection.request() {
            connection.send(sized(&format!("{} {}", request.field("x-route").unwrap(), request.target())));
        }
    });
    let route = |path: &str, name: &str| {
        format!("      - {{path: {path}, upstream: web, request_headers: {{set: {{X-Route: {name}}}}}}}\n")
    };
    let proxy = proxy::start(&format!(
        "upstreams: {{web: [\"{server}\"]}}\nservices:\n  - host: \"*\"\n    routes:\n{}{}{}{}",
        route("/", "rest"),
        route("/admin", "admin"),
        route("/admin/x", "admin-x"),
        route("/public", "public")
    ));
    let client = RefCell::new(connect(&proxy));
    let passed = Cell::new(0);
    let mut runner = TestRunner::new(Config { cases: 1500, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&spelling(), |target| {
        let answer = client.borrow_mut().send(request(&target)).answer();
        if answer.status() != 200 {
            assert_eq!(answer.status(), 400, "{target:?}: {answer}");
            client.replace(connect(&proxy));
            return Ok(());
        }
        passed.set(passed.get() + 1);
        let text = answer.text();
        let (by_proxy, sent) = text.split_once(' ').unwrap();
        let path = sent.split('?').next().unwrap();
        assert_eq!(by_proxy, route_of(path), "{target:?} was sent as {sent:?}");
        // What is sent is in its normal form: sending it again changes nothing, and no server has anything left to resolve.
        assert!(
            !path.split('/').any(|segment| matches!(segment, "." | "..")),
            "{target:?} was sent as {sent:?}"
        );
        assert!(!path.contains(['\\', '#', ' ']) && path.is_ascii(), "{target:?} was sent as {sent:?}");
        let again = client.borrow_mut().send(request(sent)).answer().expect(200).text();
        assert_eq!(again, text, "{target:?}");
        Ok(())
    });
    outcome.unwrap();
    assert!(passed.get() > 300, "only {passed:?} spellings were sent on");
}
