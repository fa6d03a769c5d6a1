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

/// What upstreams can't be is told with its place, and nothing starts.
#[test]
fn an_upstream_that_makes_no_sense_is_an_invalid_configuration() {
    let scratch = Scratch::new("upstream");
    let check_upstream = |name: &str, keys: &str, parts: &[&str]| {
        let text = format!("listen: ['127.0.0.1:0']\nservices: [{{host: a, upstream: {{{keys}}}}}]\n");
        check_file(&scratch.file(name, text), 3, parts);
    };
    let path = "servers: ['b:1'], health: {path: healthz}";
    check_upstream(
        "path",
        path,
        &["path:2:66", "`healthz` is not a path", "hint: begin it with `/`: `/healthz`"],
    );
    let weights = "servers: [{address: 'b:1', weight: 0}, {address: 'b:2', weight: 0}]";
    check_upstream("weights", weights, &["weights:2:53", "all have the weight 0", "hint: give at least one"]);
    let twice = "servers: ['b:1', 'http://b:1']";
    check_upstream("twice", twice, &["stands twice", "weight: 2"]);
    let resolve = "servers: [{address: '10.0.0.1:1', resolve: true}]";
    check_upstream(
        "resolve",
        resolve,
        &["`resolve` is for a server with a name", "hint: take `resolve` away"],
    );
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
    check(&["--log", "loud", "check"], 2, &["loud", "is no level of the log", "hint: "]);
    check(&["balance"], 2, &["SERVER"]);
    check(&["balance", "--listen", "8080", "a:1"], 2, &["hint: write `127.0.0.1:8080`"]);
    check(&["balance", "--strategy", "roundrobin", "a:1"], 2, &["did you mean `round_robin`"]);
    check(&["balance", "9001", "a:1", "a:1"], 2, &["`9001`", "hint: ", "`a:1` stands twice"]);
    check(&["balance", "ftp://a"], 2, &["https"]);
    check(&["race"], 2, &["--endpoints"]);
    check(&["race", "-e"], 2, &["--endpoints"]);
    check(&["race", "-e", ""], 2, &["no server", "hint: "]);
    check(&["race", "-e", "http://a", "b"], 2, &["'b'"]);
    check(&["race", "-e", "http://a", "-x"], 2, &["--x"]);
    check(&["race", "-e", "http://a", "-log-"], 2, &["`--log-date`", "`--log-prefix`", "hint: "]);
    check(&["race", "-e", "http://a", "-fanout", "false"], 2, &["hint: ", "`--fanout=false`"]);
    check(&["race", "-e", "http://a", "-fanout=maybe"], 2, &["neither true nor false", "hint: "]);
    check(&["race", "-e", "http://a", "-stop-after", "10"], 2, &["unit", "hint: "]);
    check(
        &["race", "-e", "http://a,ftp://b", "-t", "404,2xx,600", "-a", "8080"],
        2,
        &["ftp", "`400`", "`200`", "`600`", "127.0.0.1:8080"],
    );
    check(&["hedge", "a:1"], 2, &["second server", "hint: "]);
    check(&["hedge", "a:1", "a:1"], 2, &["stands twice"]);
    check(&["hedge", "a:1", "b:1", "--after", "p99"], 2, &["p95", "hint: "]);
    check(&["hedge", "a:1", "b:1", "--at-most", "0s"], 2, &["from `1ms` to `1h`"]);
    check(&["hedge", "a:1", "b:1", "--budget", "5"], 2, &["hint: write `5%`"]);
    check(&["duplicate", "-p", "80000"], 2, &["80000"]);
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

/// An inventory is a configuration: it is wrong as a whole, and all of it is told at once.
#[test]
fn an_inventory_that_is_wrong_is_told_with_its_places() {
    let scratch = Scratch::new("inventory");
    let check_inventory = |text: &str, parts: &[&str]| {
        let file = scratch.file("servers", text);
        check(&["duplicate", "-i", &file, "-p", "0", "-m", "0"], 3, parts);
    };
    check_inventory("", &["no server", "hint: "]);
    check_inventory("# a:1\n", &["no server", "hint: "]);
    check_inventory(
        "a:1\n8080\n\nb:port\na:1 # again\n",
        &["servers:2:1", "servers:4:1", "servers:5:1", "^^^", "hint: write the host too", "stands twice"],
    );
    let missing = scratch.path("missing");
    check(&["duplicate", "-i", &missing], 1, &[&missing, "No such file", "hint: "]);
    check(&["duplicate", "-i", &scratch.path("")], 1, &["can't be read"]);
    check(&["duplicate"], 1, &["`inventory.conf`"]);
    let file = scratch.file("one", "a:1\n");
    check(&["duplicate", "-i", &file, "-p", "9000"], 2, &["9000", "hint: "]);
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
    check(&["race", "-e", "http://127.0.0.1:1", "-address", &address], 1, &[&named, "in use"]);
    check(&["hedge", "--listen", &address, "127.0.0.1:1", "127.0.0.1:2"], 1, &[&named, "in use"]);
    let (_, port) = address.rsplit_once(':').unwrap();
    let inventory = scratch.file("inventory.conf", "127.0.0.1:1\n");
    check(
        &["duplicate", "-i", &inventory, "-p", "0", "-m", port],
        1,
        &[port, "metrics", "hint: ", "`-m PORT`"],
    );
    check(&["duplicate", "-i", &inventory, "-p", port, "-m", "0"], 1, &[port, "in use"]);
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
