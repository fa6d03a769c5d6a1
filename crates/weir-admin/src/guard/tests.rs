//! Hosts and origins, spelled in every way that somebody might try.
#![allow(clippy::unwrap_used)]

use hyper::Request;

use super::*;

fn head(target: &str, version: Version, fields: &[(&str, &[u8])]) -> Parts {
    let mut request = Request::builder().uri(target).version(version);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

#[track_caller]
fn check(fields: &[(&str, &[u8])], expected: Result<(), Refusal>) {
    let guard = Guard::new(&["Admin.Example.".into()]);
    assert_eq!(guard.check(&head("/", Version::HTTP_11, fields)), expected, "{fields:?}");
}

fn foreign(host: &str) -> Result<(), Refusal> {
    Err(Refusal::ForeignHost(host.to_owned()))
}

#[test]
fn hosts_that_no_stranger_can_claim() {
    for host in [
        "127.0.0.1",
        "127.0.0.1:9180",
        "10.1.2.3:80",
        "[::1]",
        "[::1]:9180",
        "[fe80::1]:1",
        "localhost",
        "LOCALHOST:9180",
        "localhost.",
        "localhost.:9180",
        "admin.example",
        "ADMIN.example:443",
    ] {
        check(&[("host", host.as_bytes())], Ok(()));
    }
}

#[test]
fn hosts_that_a_stranger_can_claim() {
    for host in [
        "evil.example",
        "evil.example:9180",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil-localhost",
        "admin.example.evil",
        "xadmin.example",
        "127.1",
        "2130706433",
        "0x7f.1",
        "127.0.0.01",
        "localhost..",
    ] {
        let name = host.split(':').next().unwrap();
        check(&[("host", host.as_bytes())], foreign(name.strip_suffix('.').unwrap_or(name)));
    }
}

#[test]
fn hosts_that_are_none() {
    for host in [
        &b""[..],
        b":80",
        b".",
        b"a b",
        b"localhost:",
        b"localhost:x",
        b"localhost:+1",
        b"localhost:65536",
        b"localhost:1:2",
        b"user@localhost",
        b"localhost@evil.example",
        b"[::1",
        b"::1",
        b"[::1]x",
        b"[127.0.0.1]",
        b"[::1%25lo]",
        b"[::g]",
        b"localhost/",
        b"local\xffhost",
        b"localhost, localhost",
    ] {
        check(&[("host", host)], Err(Refusal::BadHost));
    }
    check(&[], Err(Refusal::BadHost));
    check(&[("host", b"localhost"), ("host", b"localhost")], Err(Refusal::BadHost));
    check(&[("host", b"localhost"), ("host", b"evil.example")], Err(Refusal::BadHost));
}

#[test]
fn an_absolute_target_is_checked_beside_the_host() {
    let guard = Guard::default();
    let check = |target, host: &'static [u8]| guard.check(&head(target, Version::HTTP_11, &[("host", host)]));
    assert_eq!(check("http://127.0.0.1:9180/", b"127.0.0.1:9180"), Ok(()));
    assert_eq!(check("http://evil.example/", b"127.0.0.1"), foreign("evil.example"));
    assert_eq!(check("http://127.0.0.1/", b"evil.example"), foreign("evil.example"));
    assert_eq!(check("http://user@127.0.0.1/", b"127.0.0.1"), Err(Refusal::BadHost));
}

#[test]
fn only_http_1_0_may_leave_the_host_out() {
    let guard = Guard::default();
    assert_eq!(guard.check(&head("/", Version::HTTP_10, &[])), Ok(()));
    assert_eq!(
        guard.check(&head("/", Version::HTTP_10, &[("host", b"evil.example")])),
        foreign("evil.example")
    );
    assert_eq!(guard.check(&head("http://evil.example/", Version::HTTP_10, &[])), foreign("evil.example"));
}

#[test]
fn origins() {
    for (host, origin) in [
        ("localhost:9180", "http://localhost:9180"),
        ("LOCALHOST:9180", "http://localhost:9180"),
        ("127.0.0.1", "http://127.0.0.1"),
        ("127.0.0.1:80", "http://127.0.0.1"),
        ("admin.example", "https://admin.example"),
        ("admin.example:443", "https://admin.example"),
        ("[::1]:9180", "http://[::1]:9180"),
    ] {
        check(&[("host", host.as_bytes()), ("origin", origin.as_bytes())], Ok(()));
    }
    for (host, origin) in [
        ("localhost:9180", "http://evil.example"),
        ("localhost:9180", "http://localhost"),
        ("localhost:9180", "http://localhost:9181"),
        ("localhost:9180", "http://127.0.0.1:9180"),
        ("localhost:9180", "null"),
        ("localhost:9180", ""),
        ("localhost:9180", "localhost:9180"),
        ("localhost:9180", "http://localhost:9180/"),
        ("localhost:9180", "http://localhost:9180@evil.example"),
        ("localhost:9180", "http://localhost:9180 http://evil.example"),
        ("localhost:9180", "file://localhost:9180"),
        ("127.0.0.1:443", "http://127.0.0.1"),
        ("localhost:9180", "http://localhost:9180.evil.example"),
    ] {
        let fields: &[(&str, &[u8])] = &[("host", host.as_bytes()), ("origin", origin.as_bytes())];
        check(fields, Err(Refusal::ForeignOrigin));
    }
    let ours: &[u8] = b"http://localhost";
    check(&[("host", b"localhost"), ("origin", ours), ("origin", ours)], Err(Refusal::ForeignOrigin));
    // The Host is judged first: a rebound page has a matching Origin.
    check(&[("host", b"evil.example"), ("origin", b"http://evil.example")], foreign("evil.example"));
}
