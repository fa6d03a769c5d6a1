//! What is told of requests: lines of the access log and the process's counters.

use std::path::PathBuf;

use serde_json::{Value, json};
use weir_testkit::client::{connect, get};
use weir_testkit::proxy;
use weir_testkit::server::{Server, sized, unix_path};

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

#[test]
fn lines_of_modes_that_ask_several_servers_say_what_became_of_the_copies() {
    let file: PathBuf = unix_path();
    let good = [Server::saying("yes"), Server::saying("yes")];
    let silent = Server::silent();
    let ((first, release_first), (second, release_second)) =
        (Server::held(sized("yes")), Server::held(sized("yes")));
    let mut proxy = proxy::start(&format!(
        "access_log: {{format: json, file: \"{}\"}}
services:
  - host: a.test
    routes:
      - {{path: /balance, upstream: good}}
      - {{path: /duplicate, upstream: good, dispatch: {{mode: duplicate, acknowledge: all}}}}
      - {{path: /race, upstream: two, dispatch: race}}
      - {{path: /hedge, upstream: two, dispatch: {{mode: hedge, after: 1ms, budget: 100%}}}}
      - {{path: /majority, upstream: three, dispatch: majority}}
upstreams:
  good: {{servers: [\"{}\", \"{}\"]}}
  two: {{servers: [\"{silent}\", \"{first}\"]}}
  three: {{servers: [\"{silent}\", \"{first}\", \"{second}\"]}}
",
        file.display(),
        good[0],
        good[1]
    ));
    let mut client = connect(&proxy);
    client.send(get("/balance")).answer().expect(200);
    client.send(get("/duplicate")).answer().expect(200);
    for (number, target) in (1..).zip(["/race", "/hedge", "/majority"]) {
        client.send(get(target));
        // Every copy is sent before the first answer.
        silent.wait_requests(number);
        first.wait_requests(number);
        if number == 3 {
            second.wait_requests(1);
            release_second.send(()).unwrap();
        }
        release_first.send(()).unwrap();
        client.answer().expect(200);
    }
    let status = proxy.status();
    let won = |name: &str| {
        let upstream = status.upstreams.iter().find(|upstream| upstream.name == name).unwrap();
        upstream.servers.iter().map(|server| server.won_total).collect::<Vec<_>>()
    };
    assert_eq!(won("good").iter().sum::<u64>(), 1, "what is balanced is won by nobody");
    assert_eq!(won("two"), [0, 2]);
    assert_eq!((won("three")[0], won("three").iter().sum::<u64>()), (0, 1));
    proxy.begin_drain();
    proxy.drained();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = |line: &Value| {
        ["mode", "attempts", "cancelled", "hedged", "acknowledged"].map(|name| line[name].clone())
    };
    let expected = [
        json!(["balance", 1, null, null, null]),
        json!(["duplicate", 2, 0, false, 2]),
        json!(["race", 2, 1, false, 0]),
        json!(["hedge", 2, 1, true, 0]),
        json!(["majority", 3, 2, false, 0]),
    ];
    assert_eq!(lines.iter().map(|line| json!(told(line))).collect::<Vec<_>>(), expected, "{text}");
    assert!([&lines[2], &lines[3]].iter().all(|line| line["server"] == first.to_string()), "{text}");
}
