//! What cannot work, and the exit code and the words it gets.

use std::net::TcpListener;

use super::process::{Running, finished};
use super::scratch::Scratch;

/// Demands this exit code, nothing on stdout, and an error of ours with these words.
fn check(arguments: &[&str], code: i32, parts: &[&str]) {
    let (stdout, stderr) = finished(arguments, code);
    assert_eq!(stdout, "", "{arguments:?}");
    assert!(stderr.starts_with("error: ") || stderr.contains("\nerror: "), "{arguments:?}\n{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{arguments:?}: `{part}` in\n{stderr}");
    }
}

/// The same for each command that reads a configuration.
fn check_file(file: &str, code: i32, parts: &[&str]) {
    check(&["run", "-c", file], code, parts);
    check(&["run", "-t", "-c", file], code, parts);
    check(&["check", "-c", file], code, parts);
    check(&["-t", "-c", file], code, parts);
    check(&["explain", "-c", file, "/"], code, parts);
}

// semantics.md §4.6
#[test]
fn a_file_that_cannot_be_read_is_a_failure_to_start() {
    let scratch = Scratch::new("unreadable");
    check_file(&scratch.path("missing.yaml"), 1, &["missing.yaml", "No such file", "hint: "]);
    check_file(&scratch.path(""), 1, &["cannot read the configuration"]);
    let file = scratch.file("file", "");
    check_file(&format!("{file}/weir.yaml"), 1, &["file/weir.yaml", "Not a directory"]);
    check(&["check"], 1, &["`weir.yaml`"]);
    check(&["check", "--json", "-c", &scratch.path("missing.yaml")], 1, &["missing.yaml"]);
}

// semantics.md §4.6
#[test]
fn a_file_that_was_read_and_is_wrong_is_an_invalid_configuration() {
    let scratch = Scratch::new("invalid");
    check_file(&scratch.file("empty", ""), 3, &["empty"]);
    check_file(&scratch.file("blank", " \n\n"), 3, &["blank"]);
    check_file(&scratch.file("comment", "# nothing\n"), 3, &[]);
    check_file(&scratch.file("latin", b"listen: [\"\xfc\"]\n"), 3, &["not UTF-8"]);
    check_file(&scratch.file("binary", [0, 159, 146, 150]), 3, &[]);
    check_file(&scratch.file("list", "- a\n"), 3, &[]);
    check_file(&scratch.file("broken", "listen: [\n"), 3, &["broken"]);
    check_file(&scratch.file("deep", "[".repeat(1 << 20)), 3, &["deep"]);
}

// semantics.md §4.6
#[test]
fn a_wrong_command_line_is_wrong_usage() {
    let scratch = Scratch::new("usage");
    let file = scratch.file("weir.yaml", "listen: [':0']\nservices: [{host: a, respond: {body: x}}]\n");
    check(&["fly"], 2, &["fly"]);
    check(&["run", "--flag"], 2, &["--flag"]);
    check(&["run", "-c"], 2, &["FILE"]);
    check(&["-t", "-c"], 2, &["FILE"]);
    check(&["-t", "run"], 2, &["run"]);
    check(&["-c", &file], 2, &["-c"]);
    check(&["--log", "loud", "check"], 2, &["loud", "no such level", "hint: "]);
    check(&["balance"], 2, &["SERVER"]);
    check(&["balance", "--listen", "8080", "a:1"], 2, &["hint: write `127.0.0.1:8080`"]);
    check(&["balance", "--strategy", "roundrobin", "a:1"], 2, &["did you mean `round_robin`"]);
    check(&["balance", "9001", "a:1", "a:1"], 2, &["`9001`", "hint: ", "`a:1` stands twice"]);
    check(&["balance", "ftp://a"], 2, &["https"]);
    check(&["mock"], 2, &["PORT"]);
    check(&["mock", "70000"], 2, &["`70000` is no port", "hint: "]);
    check(&["mock", "web"], 2, &["`web` is no port", "hint: "]);
    check(&["mock", "9501", "0", "9501"], 2, &["`9501` stands twice"]);
    check(&["mock", "0", "--errors", "50"], 2, &["`%`", "hint: "]);
    check(&["mock", "0", "--errors", "101%"], 2, &["101%"]);
    check(&["mock", "0", "--delay", "5"], 2, &["no unit"]);
    check(&["mock", "0", "--delay", "9..1ms"], 2, &["ends before it begins"]);
    check(&["mock", "0", "--status", "100"], 2, &["100"]);
    check(&["mock", "0", "--listen", "here"], 2, &["here"]);
    check(&["demo", "--requests", "0"], 2, &["0"]);
    check(&["demo", "--listen", "nowhere"], 2, &["nowhere"]);
    check(&["explain", "-c", &file], 2, &["URL"]);
    check(&["explain", "-c", &file, "a.example/x"], 2, &["hint: write `http://a.example/x`"]);
    check(&["explain", "-c", &file, "/", "-H", "nonsense"], 2, &["no colon"]);
}

/// A port that nobody can have as long as this lives.
fn taken() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[test]
fn an_address_in_use_is_named() {
    let scratch = Scratch::new("in-use");
    let (_listener, address) = taken();
    let named = format!("`{address}`");
    let services = "services: [{host: a.example, respond: {body: x}}]\n";
    let file = scratch.file("listen.yaml", format!("listen: ['{address}']\nadmin: off\n{services}"));
    check(&["run", "-c", &file], 1, &[&named, "in use", "hint: "]);
    let file = scratch.file("admin.yaml", format!("listen: ['127.0.0.1:0']\nadmin: {address}\n{services}"));
    check(&["run", "-c", &file], 1, &[&named, "in use", "admin", "hint: "]);
    check(&["balance", "--listen", &address, "127.0.0.1:1"], 1, &[&named, "in use"]);
    check(&["demo", "--once", "--listen", &address], 1, &[&named, "in use"]);
    let (_, port) = address.rsplit_once(':').unwrap();
    check(&["mock", "0", port], 1, &[&named, "in use", "hint: "]);
}

// semantics.md §4.7: the second one would otherwise join the first one's SO_REUSEPORT group and take half its requests.
#[test]
fn two_weirs_on_one_port_are_an_error() {
    let scratch = Scratch::new("two-weirs");
    let config = |address: &str| {
        format!("listen: ['{address}']\nadmin: off\nservices: [{{host: '*', respond: {{body: x}}}}]\n")
    };
    let first = scratch.file("first.yaml", config("127.0.0.1:0"));
    let (_first, address) = Running::proxy(&["run", "-c", &first]);
    let second = scratch.file("second.yaml", config(&address.to_string()));
    check(&["run", "-c", &second], 1, &[&format!("`{address}`"), "in use"]);
}

#[test]
fn an_access_log_that_cannot_be_opened_is_a_failure_to_start() {
    let scratch = Scratch::new("access-log");
    let text = "listen: ['127.0.0.1:0']\nadmin: off\nservices: [{host: '*', respond: {body: x}}]\n\
                access_log: {format: json, file: missing/access.log}\n";
    let file = scratch.file("weir.yaml", text);
    check(&["run", "-c", &file], 1, &["missing/access.log"]);
}
