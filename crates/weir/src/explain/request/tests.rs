//! Tests of reading a written request.

use weir_config::model::Limits;

use super::{Request, Unreadable, Written};

fn read(method: &str, url: &str, fields: &[&str]) -> Result<Request, Unreadable> {
    let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
    Written { method, url, fields: &fields }.read(&Limits::default())
}

/// Host, path, query and notes.
fn check(url: &str, fields: &[&str], expected: (Option<&str>, &str, Option<&str>), note: &str) {
    let request = read("GET", url, fields).unwrap_or_else(|error| panic!("{url} {fields:?}: {error:?}"));
    let got = (request.host.as_deref(), request.path.as_str(), request.query.as_deref());
    assert_eq!(got, expected, "{url} {fields:?}");
    let notes = request.notes.join("\n");
    assert!(
        if note.is_empty() { notes.is_empty() } else { notes.contains(note) },
        "{url} {fields:?}: {notes}"
    );
}

fn check_refused(method: &str, url: &str, fields: &[&str], status: u16, reason: &str) {
    match read(method, url, fields) {
        Err(Unreadable::Refused { status: got, reason: said }) if got == status && said.contains(reason) => {}
        other => panic!("{method} {url} {fields:?}: {other:?}"),
    }
}

fn check_usage(method: &str, url: &str, fields: &[&str], part: &str) {
    match read(method, url, fields) {
        Err(Unreadable::Usage(text)) if text.contains(part) => {}
        other => panic!("{method} {url} {fields:?}: {other:?}"),
    }
}

#[test]
fn a_request_is_read_as_the_proxy_reads_it() {
    check("http://a.example/x", &[], (Some("a.example"), "/x", None), "");
    check("http://A.Example.:80", &[], (Some("a.example"), "/", None), "");
    check("https://a.example/x?y=%2e", &[], (Some("a.example"), "/x", Some("y=%2e")), "");
    check("/x?", &["Host: a.example:8080"], (Some("a.example"), "/x", Some("")), "");
    check("/x", &[], (None, "/x", None), "only HTTP/1.0");
    check("http://a.example/%61//b/../c;d", &[], (Some("a.example"), "/a//c;d", None), "sent as `/a//c;d`");
    check("http://a.example/ü", &[], (Some("a.example"), "/%C3%BC", None), "sent as `/%C3%BC`");
    check("http://a.example/x#part", &[], (Some("a.example"), "/x", None), "`#part`");
}

#[test]
fn a_host_field_counts_before_the_url_as_with_curl() {
    check("http://127.0.0.1:8080/x", &["Host: a.example"], (Some("a.example"), "/x", None), "");
}

#[test]
fn what_the_proxy_refuses_is_refused() {
    check_refused("GET", "http://a/../x", &[], 400, "above the root");
    check_refused("GET", "http://a/%00", &[], 400, "%00");
    check_refused("GET", "http://a/%zz", &[], 400, "%");
    check_refused("GET", "http://a/a b", &[], 400, "space");
    check_refused("GET", "http://a/a\\b", &[], 400, "backslash");
    check_refused("GET", "http://u@a/", &[], 400, "user");
    check_refused("GET", "http://a..b/", &[], 400, "");
    check_refused("GET", "ftp://a/", &[], 400, "scheme");
    check_refused("GET", "/", &["Host: a", "host: a"], 400, "more than one Host");
    check_refused("GET", "/", &["Host: a b"], 400, "Host");
    check_refused("GET", "/", &["Host:"], 400, "empty");
    check_refused("GET", "http://a/", &["Connection: close, Host"], 400, "`host`");
    check_refused("GET", "http://a/", &["Connection: a b"], 400, "no token");
    check_refused("TRACE", "http://a/", &[], 405, "TRACE");
    check_refused("CONNECT", "http://a/", &[], 405, "CONNECT");
    check_refused("GET", &format!("/{}", "x".repeat(20_000)), &[], 414, "bytes");
}

#[test]
fn what_is_no_request_is_wrong_usage() {
    check_usage("GET", "a.example/x", &[], "hint: write `http://a.example/x`");
    check_usage("GET", "", &[], "neither");
    check_usage("G T", "/", &[], "no method");
    check_usage("", "/", &[], "no method");
    check_usage("GET", "/", &["Host"], "no colon");
    check_usage("GET", "/", &["Ho st: a"], "no name");
    check_usage("GET", "/", &[": a"], "no name");
    check_usage("GET", "/", &["A: b\r\nC: d"], "control character");
}

#[test]
fn methods_in_lower_case_are_others() {
    let notes = |method| read(method, "http://a/", &[]).map(|request| request.notes.len());
    assert_eq!(notes("get"), Ok(1));
    assert_eq!(notes("GET"), Ok(0));
    assert_eq!(notes("purge"), Ok(0), "nobody knows how that one is meant");
}

#[test]
fn fields_that_are_not_believed_count_for_no_route() {
    let written =
        ["X-Version: 2", "X-Forwarded-Proto: https", "Connection: close", "X-Backend-Server: a", "Host: b"];
    let Ok(request) = read("GET", "/", &written) else { panic!("a request") };
    let fields: Vec<_> = request.fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    assert_eq!(fields, ["X-Version: 2", "X-Forwarded-Proto: http", "Host: b", "X-Forwarded-Host: b"]);
    assert_eq!(request.notes.len(), 3, "{:?}", request.notes);
    let Ok(request) = read("GET", "https://b/", &[]) else { panic!("a request") };
    assert!(request.fields.contains(&("X-Forwarded-Proto".to_owned(), "https".to_owned())));
}

/// Connection takes fields away before a route is looked for; explaining as if they were there names another route.
#[test]
fn fields_that_connection_names_count_for_no_route() {
    let written = ["X-Version: 2", "connection: close, x-version", "X-Other: 3"];
    let Ok(request) = read("GET", "/", &[&written[..], &["Host: b"]].concat()) else { panic!("a request") };
    let names: Vec<_> = request.fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["X-Other", "X-Forwarded-Proto", "Host", "X-Forwarded-Host"]);
    let notes = request.notes.join("\n");
    assert!(notes.contains("Connection names `X-Version`"), "{notes}");
}
