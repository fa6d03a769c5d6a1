//! `compare`: answers of another upstream beside those that clients get (`semantics.md` §3.7).

use weir_core::compare::{CompareOutcome, DifferenceKind};
use weir_core::ports::{ComparisonReport, ComparisonStatus};
use weir_testkit::client::{ask, connect, fetch, get};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, sized};
use weir_testkit::wait;

fn comparing(main: &Server, other: impl std::fmt::Display, keys: &str) -> Running {
    proxy::start(&format!(
        "services: [{{host: \"*\", name: shop, upstream: [\"{main}\"], compare: {{upstream: [\"{other}\"]{keys}}}}}]\n"
    ))
}

fn status(proxy: &Running) -> ComparisonStatus {
    proxy.status().comparisons.remove(0)
}

/// Waits until so many requests have been compared, one way or the other.
#[track_caller]
fn until(proxy: &Running, count: u64) -> ComparisonReport {
    wait::until(|| status(proxy).outcomes.iter().sum::<u64>() >= count);
    // What is counted is kept before the worker does anything else.
    proxy.connections();
    let mut reports = proxy.comparisons();
    assert_eq!(reports.len(), 1);
    let report = reports.remove(0);
    assert_eq!(report.status.outcomes.iter().sum::<u64>(), count, "{report:?}");
    report
}

fn outcomes(report: &ComparisonReport) -> Vec<(&'static str, u64)> {
    let all = CompareOutcome::ALL
        .into_iter()
        .map(|outcome| (outcome.name(), report.status.outcomes[outcome as usize]));
    all.filter(|(_, count)| *count > 0).collect()
}

fn kinds(report: &ComparisonReport) -> Vec<(&'static str, u64)> {
    let all =
        DifferenceKind::ALL.into_iter().map(|kind| (kind.name(), report.status.differences[kind as usize]));
    all.filter(|(_, count)| *count > 0).collect()
}

fn answer(status: u16, fields: &str, body: &str) -> Server {
    Server::answering(format!("HTTP/1.1 {status} X\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len()))
}

#[test]
fn the_same_answers_are_the_same_however_they_are_framed() {
    let chunked = Server::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nServer: other\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n",
    );
    let closing = Server::closing("HTTP/1.1 200 OK\r\n\r\nabcde");
    let main = Server::saying("abcde");
    for other in [&chunked, &closing] {
        let proxy = comparing(&main, other, ", headers: ETag");
        assert_eq!(fetch(&proxy, "/").expect(200).text(), "abcde");
        let report = until(&proxy, 1);
        assert_eq!((outcomes(&report), kinds(&report)), (vec![("same", 1)], vec![]), "{report:?}");
        assert!(report.examples.is_empty());
    }
    let proxy = comparing(&chunked, &main, "");
    fetch(&proxy, "/").expect(200);
    assert_eq!(outcomes(&until(&proxy, 1)), [("same", 1)]);
}

#[test]
fn every_kind_of_difference_is_counted_once_and_shown() {
    let main = answer(200, "ETag: \"1\"\r\nSet-Cookie: id=hunter2\r\n", "abc");
    let other = answer(404, "Set-Cookie: id=hunter3\r\n", "abX");
    let proxy = comparing(&main, &other, ", headers: [ETag, Set-Cookie]");
    let mut client = connect(&proxy);
    let request = "GET /a?b=c&token=hunter4 HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic hunter5\r\nCookie: hunter6\r\n\r\n";
    client.send(request).answer().expect(200);
    let report = until(&proxy, 1);
    assert_eq!(outcomes(&report), [("different", 1)]);
    assert_eq!(kinds(&report), [("status", 1), ("field", 1), ("body", 1)]);
    assert_eq!((&*report.status.service, &*report.status.route), ("shop", "/"));
    let example = &report.examples[0];
    assert_eq!(example.request, "GET /a?b=c&token=(not shown)");
    let shown: Vec<(&str, &str, &str)> =
        example.differences.iter().map(|one| (&*one.place, &*one.client, &*one.copy)).collect();
    assert_eq!(
        shown,
        [
            ("", "200", "404"),
            ("ETag", "\"1\"", "nothing"),
            ("Set-Cookie", "(not shown)", "(not shown)"),
            ("byte 2", "3 bytes", "3 bytes"),
        ]
    );
    assert!(!format!("{report:?}").contains("hunter"), "{report:?}");
    assert!(example.at_seconds > 1_600_000_000 && example.client_seconds > 0.0 && example.copy_seconds > 0.0);
    assert_eq!(other.only_request().field("Cookie"), Some("hunter6"), "the copy is the whole request");
}

#[test]
fn json_is_compared_by_path() {
    let main = answer(200, "", r#"{"id":1,"items":[{"n":1.0,"at":5}],"updated_at":"now"}"#);
    let other = answer(200, "", r#"{"updated_at":"then","items":[{"at":6,"n":1}],"id":1}"#);
    let proxy = comparing(&main, &other, ", body: json, ignore: [$.updated_at, \"$.items[*].at\"]");
    fetch(&proxy, "/").expect(200);
    assert_eq!(outcomes(&until(&proxy, 1)), [("same", 1)]);
    let proxy = comparing(&main, &other, ", body: json, ignore: [/updated_at]");
    fetch(&proxy, "/").expect(200);
    let report = until(&proxy, 1);
    assert_eq!(kinds(&report), [("body", 1)]);
    let difference = &report.examples[0].differences[0];
    assert_eq!((&*difference.place, &*difference.client, &*difference.copy), ("$.items[0].at", "5", "6"));
    let html = answer(200, "", "<html>");
    let proxy = comparing(&main, &html, ", body: json");
    fetch(&proxy, "/").expect(200);
    assert_eq!(until(&proxy, 1).examples[0].differences[0].place, "byte 0");
}

#[test]
fn large_bodies_of_json_are_compared_too() {
    let body = |last: u32| format!("[{}{last}]", "1234567,".repeat(20_000));
    let (main, other) = (answer(200, "", &body(1)), answer(200, "", &body(2)));
    let proxy = comparing(&main, &other, ", body: json");
    fetch(&proxy, "/").expect(200);
    assert_eq!(until(&proxy, 1).examples[0].differences[0].place, "$[20000]");
}

#[test]
fn compressed_bodies_are_not_compared_and_that_is_said() {
    let main = answer(200, "Content-Encoding: gzip\r\n", "xyz");
    let other = answer(200, "", "abc");
    let proxy = comparing(&main, &other, ", body: json");
    fetch(&proxy, "/").expect(200);
    assert_eq!(outcomes(&until(&proxy, 1)), [("incomplete", 1)]);
    let missing = answer(404, "", "abc");
    let proxy = comparing(&main, &missing, ", body: json");
    fetch(&proxy, "/").expect(200);
    let report = until(&proxy, 1);
    assert_eq!(kinds(&report), [("status", 1)], "the heads are compared");
    assert_eq!(report.examples[0].uncompared, Some("Content-Encoding differs"));
}

#[test]
fn what_is_too_large_is_not_compared_and_passed_on_unchanged() {
    let (small, large) = (Server::saying("small"), Server::saying(&"x".repeat(3000)));
    for (main, other) in [(&large, &small), (&small, &large)] {
        let proxy = comparing(main, other, ", limit: 2KiB");
        let text = fetch(&proxy, "/").expect(200).text();
        assert!(text == "small" || text.len() == 3000);
        assert_eq!(outcomes(&until(&proxy, 1)), [("incomplete", 1)]);
    }
}

#[test]
fn only_the_methods_that_are_named_are_compared() {
    let (main, other) = (Server::saying("a"), Server::saying("a"));
    let proxy = comparing(&main, &other, "");
    let post = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx";
    ask(&proxy, post).expect(200);
    ask(&proxy, "OPTIONS /a HTTP/1.1\r\nHost: a.test\r\n\r\n").expect(200);
    until(&proxy, 1);
    assert!(other.only_request().start.starts_with("OPTIONS /a "));
    let proxy = comparing(&main, &other, ", methods: [POST]");
    fetch(&proxy, "/").expect(200);
    ask(&proxy, post).expect(200);
    assert_eq!(outcomes(&until(&proxy, 1)), [("same", 1)]);
    assert_eq!(other.last_request().text(), "x");
}

#[test]
fn a_head_request_has_no_body_to_differ_in() {
    let head =
        |length: u32| Server::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"));
    let (main, other) = (head(5), head(7));
    let proxy = comparing(&main, &other, ", headers: [Content-Length]");
    let mut client = connect(&proxy);
    client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n").answer_to_head().expect(200);
    let report = until(&proxy, 1);
    assert_eq!(kinds(&report), [("field", 1)]);
    let difference = &report.examples[0].differences[0];
    assert_eq!((&*difference.client, &*difference.copy), ("5", "7"));
}

#[test]
fn a_copy_without_an_answer_is_counted_and_the_client_does_not_notice() {
    let main = Server::saying("main");
    let garbage = Server::closing("nonsense\r\n\r\n");
    let dead = Server::refusing();
    let proxy = comparing(&main, &garbage, "");
    assert_eq!(fetch(&proxy, "/").expect(200).text(), "main");
    assert_eq!(outcomes(&until(&proxy, 1)), [("failed", 1)]);
    let proxy = comparing(&main, dead, "");
    assert_eq!(fetch(&proxy, "/").expect(200).text(), "main");
    assert_eq!(outcomes(&until(&proxy, 1)), [("failed", 1)]);
    let silent = Server::start(|mut connection| {
        connection.expect_request();
        connection.until_end();
    });
    let proxy = comparing(&main, &silent, ", timeout: 20ms");
    assert_eq!(fetch(&proxy, "/").expect(200).text(), "main");
    assert_eq!(outcomes(&until(&proxy, 1)), [("failed", 1)]);
}

#[test]
fn an_answer_that_breaks_off_is_not_compared() {
    let large = format!("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{}", "x".repeat(90_000));
    let (broken, other) = (Server::closing(large), Server::saying("abc"));
    let proxy = comparing(&broken, &other, "");
    let mut client = connect(&proxy);
    client.send(get("/")).read_to_end();
    assert_eq!(outcomes(&until(&proxy, 1)), [("incomplete", 1)]);
    let cut = Server::closing("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    let proxy = comparing(&cut, &other, "");
    // Its beginning may have left before it broke off, or be taken back for a 502.
    let _ = connect(&proxy).send(get("/")).try_answer();
    let report = until(&proxy, 1);
    if let Some(example) = report.examples.first() {
        let difference = &example.differences[0];
        assert_eq!(
            (&*difference.client, &*difference.copy),
            ("502", "200"),
            "what was taken back is not seen"
        );
    } else {
        assert_eq!(outcomes(&report), [("incomplete", 1)]);
    }
    let proxy = comparing(&other, &cut, "");
    fetch(&proxy, "/").expect(200);
    assert_eq!(outcomes(&until(&proxy, 1)), [("failed", 1)]);
}

#[test]
fn an_answer_of_ours_is_what_the_client_got() {
    let other = Server::saying("fine");
    let dead = Server::refusing();
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", upstream: [\"{dead}\"], compare: {{upstream: [\"{other}\"], body: off}}}}]\n"
    ));
    fetch(&proxy, "/").expect(502);
    let report = until(&proxy, 1);
    let difference = &report.examples[0].differences[0];
    assert_eq!((&*difference.client, &*difference.copy), ("502", "200"));
}

#[test]
fn no_more_examples_are_kept_than_asked_for() {
    let (main, other) = (Server::saying("a"), Server::saying("b"));
    for (keep, expected) in [(0, vec![]), (2, vec!["GET /4", "GET /3"])] {
        let proxy = comparing(&main, &other, &format!(", keep: {keep}"));
        for number in 0..5 {
            fetch(&proxy, &format!("/{number}")).expect(200);
            until(&proxy, number + 1);
        }
        let report = until(&proxy, 5);
        let requests: Vec<&str> = report.examples.iter().map(|example| &*example.request).collect();
        assert_eq!(requests, expected);
        assert_eq!(kinds(&report), [("body", 5)]);
    }
}

#[test]
fn it_works_beside_modes_that_ask_several_servers_and_beside_a_mirror() {
    for mode in ["race", "hedge", "majority"] {
        let (main, other, mirror) = (Server::saying("a"), Server::saying("b"), Server::saying("c"));
        let proxy = proxy::start(&format!(
            "services: [{{host: \"*\", upstream: [\"{main}\"], dispatch: {mode}, mirror: {{upstream: [\"{mirror}\"]}}, \
             compare: {{upstream: [\"{other}\"]}}}}]\n"
        ));
        assert_eq!(fetch(&proxy, "/").expect(200).text(), "a");
        assert_eq!(kinds(&until(&proxy, 1)), [("body", 1)], "{mode}");
        mirror.wait_requests(1);
    }
}

#[test]
fn a_copy_that_is_slower_than_it_may_be_is_a_difference() {
    let main = Server::saying("a");
    let (go, due) = std::sync::mpsc::sync_channel::<()>(1);
    let due = std::sync::Mutex::new(due);
    let slow = Server::start(move |mut connection| {
        connection.expect_request();
        let _ = due.lock().unwrap().recv();
        connection.send(sized("a"));
        connection.until_end();
    });
    let proxy = comparing(&main, &slow, ", latency: 0s");
    let mut client = connect(&proxy);
    client.send(get("/")).answer().expect(200);
    slow.wait_requests(1);
    // So much longer than the client's that a worker which had to wait for its core makes no difference.
    assert!((0..3).all(|_| client.is_silent()));
    go.send(()).unwrap();
    let report = until(&proxy, 1);
    assert_eq!(kinds(&report), [("latency", 1)]);
    assert!(report.status.copy_seconds > report.status.client_seconds, "{report:?}");
}

/// Bodies that are not compared counted against `limit`, and an answer that did not end within `timeout` was not compared.
#[test]
fn of_bodies_that_are_not_compared_neither_size_nor_end_matters() {
    let large = Server::saying(&"x".repeat(100_000));
    let small = Server::saying("small");
    let endless = || {
        Server::start(|mut connection| {
            connection.expect_request();
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
            connection.until_end();
        })
    };
    let (first, second) = (endless(), endless());
    for (main, other) in [(&large, &small), (&small, &large)] {
        let proxy = comparing(main, other, ", body: off, limit: 2KiB");
        fetch(&proxy, "/").expect(200);
        assert_eq!(outcomes(&until(&proxy, 1)), [("same", 1)]);
    }
    let proxy = comparing(&first, &second, ", body: off, timeout: 100ms");
    let mut client = connect(&proxy);
    client.send(get("/")).answer_head().expect(200);
    assert_eq!(outcomes(&until(&proxy, 1)), [("same", 1)], "while the client still reads");
    let proxy = comparing(&first, &second, ", timeout: 100ms");
    client.reset();
    let mut client = connect(&proxy);
    client.send(get("/")).answer_head().expect(200);
    assert_eq!(outcomes(&until(&proxy, 1)), [("failed", 1)], "bodies are compared when they are whole");
}

/// The client's answer was timed from the receipt of its head, so that a client which was slow with its body made the servers of
/// the route look slow beside the copy.
#[test]
fn the_time_that_a_client_takes_for_its_body_is_not_the_servers() {
    for dispatch in ["balance", "race"] {
        let (main, other) = (Server::saying("a"), Server::saying("a"));
        let proxy = proxy::start(&format!(
            "services: [{{host: \"*\", upstream: [\"{main}\"], dispatch: {dispatch}, compare: {{upstream: [\"{other}\"], methods: POST}}}}]\n"
        ));
        // A machine may be so busy that a server takes as long as the client; not every time.
        let is_told_apart = (1..=20).any(|number| {
            let before = proxy.status().comparisons[0].client_seconds;
            let mut client = connect(&proxy);
            client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\na");
            assert!(client.is_silent());
            client.send("b").answer().expect(200);
            // The client waited for 30 ms at least, and its server for none of them.
            until(&proxy, number).status.client_seconds - before < 0.02
        });
        assert!(is_told_apart, "{dispatch}: {:?}", status(&proxy));
    }
}
