//! What is told of requests: lines of the access log and the process's counters.

use std::path::PathBuf;

use serde_json::Value;
use weir_testkit::client::{connect, get};
use weir_testkit::proxy;
use weir_testkit::server::{Server, unix_path};

/// Runs `requests` against a proxy that writes its log to a file, and gives the lines.
fn lines(server: &Server, format: &str, requests: &[&str]) -> Vec<String> {
    let file: PathBuf = unix_path();
    let mut proxy = proxy::start(&format!(
        "access_log: {{format: {format}, file: \"{}\"}}
services:
  - {{host: a.test, name: alpha, routes: [{{name: all, path: /, upstream: {{servers: [\"{server}\"], retry: {{attempts: 1}}}}}}]}}
",
        file.display()
    ));
    for request in requests {
        let mut client = connect(&proxy);
        client.send(request);
        // An answer or its beginning; the line is what this is about.
        let _ = client.try_answer();
    }
    proxy.begin_drain();
    proxy.drained();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn every_request_has_a_line() {
    let server = Server::start(|mut connection| {
        while let Some(request) = connection.request() {
            match request.target() {
                "/broken" => {
                    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
                    return;
                }
                "/reset" => return connection.reset(),
                _ => connection.send("HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello"),
            };
        }
    });
    let with_id = "POST /%61?b=c HTTP/1.1\r\nHost: a.test\r\nX-Request-Id: my-id\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
    let close = |target: &str| get(target).replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let lines = lines(
        &server,
        "json",
        &[
            with_id,
            &close("/broken"),
            &close("/reset"),
            "GET / HTTP/1.1\r\nHost: b.test\r\nConnection: close\r\n\r\n",
            "garbage\r\n\r\n",
        ],
    );
    let values: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(values.len(), 5, "{lines:#?}");
    let has = |value: &Value, text: &str| assert!(value.to_string().contains(text), "no {text} in {value}");
    for expected in ["my-id", "/%61?b=c", "POST", "201", "alpha", "all", &server.to_string()] {
        has(&values[0], expected);
    }
    has(&values[2], "502");
    has(&values[2], "connection_terminated");
    has(&values[3], "404");
    has(&values[3], "destination_not_found");
    has(&values[4], "400");
    has(&values[4], "http_request_error");
}

#[test]
fn a_target_forges_no_line() {
    let server = Server::saying("ok");
    let request = "GET /\"a\\b?\u{e4} HTTP/1.1\r\nHost: a.test\r\nReferer: \"x\\ \t\u{1f600}\r\nUser-Agent: \"\r\nConnection: close\r\n\r\n";
    for format in ["common", "combined", "json"] {
        let lines = lines(&server, format, &[request]);
        assert_eq!(lines.len(), 1, "{lines:?}");
        if format == "json" {
            let _: Value = serde_json::from_str(&lines[0]).unwrap();
        } else {
            assert!(!lines[0].contains("/\"a"), "a quote ends the field: {}", lines[0]);
        }
    }
}
