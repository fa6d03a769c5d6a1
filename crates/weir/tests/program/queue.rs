//! `weir queue`, the admin API behind it, and files of queues that can't be used.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use nix::sys::signal::Signal;
use serde_json::Value;
use weir_testkit::server::Server;
use weir_testkit::wait::until;

use super::process::{Running, answer, finished, finished_at_terminal, send};
use super::scratch::Scratch;

/// A Weir that duplicates to a server that answers, and to one that nobody is at.
struct Stage {
    proxy: Running,
    address: SocketAddr,
    admin: String,
    dead: String,
    file: String,
    _steady: Server,
    scratch: Scratch,
}

impl Stage {
    fn set(test: &str, catch_up: &str) -> Self {
        let scratch = Scratch::new(test);
        let steady = Server::saying("a");
        let dead = Server::refusing().to_string();
        let text = format!(
            "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\nstate: '{}'\nservices: [{{host: '*', upstream: orders, dispatch: \
             {{mode: duplicate, catch_up: {catch_up}}}}}]\nupstreams: {{orders: {{servers: ['{steady}', '{dead}']}}}}\n",
            scratch.path("state")
        );
        let file = scratch.file("weir.yaml", text);
        let mut proxy = Running::start(&["run", "-c", &file]);
        let address = proxy.address(" listening address=");
        let admin = proxy.address("admin listening address=").to_string();
        proxy.line("started");
        Self { proxy, address, admin, dead, file, _steady: steady, scratch }
    }

    /// A write that the dead server does not get. Its live copy has failed when this returns.
    fn write(&self, path: &str, waiting: u64) {
        assert!(answer(send(self.address, "POST", path, "body")).starts_with("HTTP/1.1 200 "));
        until(|| self.servers()[1]["backlog"] == waiting);
    }

    fn servers(&self) -> Vec<Value> {
        let (text, _) = self.queue(&["list", "--json"], 0);
        let value: Value = serde_json::from_str(&text).unwrap();
        value["queues"][0]["servers"].as_array().unwrap().clone()
    }

    fn queue(&self, arguments: &[&str], code: i32) -> (String, String) {
        finished(&[&["queue"], arguments, &["--admin", &self.admin]].concat(), code)
    }

    /// Asks the admin listener itself.
    fn ask(&self, method: &str, path: &str, fields: &str) -> String {
        let mut stream = TcpStream::connect(&self.admin).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n")
            .unwrap();
        answer(stream)
    }
}

#[test]
fn what_waits_is_listed_shown_retried_and_dropped() {
    let stage = Stage::set("queue", "memory");
    let (text, _) = stage.queue(&["list", "--writes"], 0);
    assert_eq!(text, "nothing waits, and nothing is dead\n");
    stage.write("/orders/1?key=2", 1);
    stage.write("/orders/2", 2);
    let (text, _) = stage.queue(&["list"], 0);
    assert!(text.starts_with("orders  in memory, 2 of 100000 writes"), "{text}");
    let line = text.lines().find(|line| line.contains(&stage.dead)).unwrap();
    assert!(line.contains("  2 "), "{text}");
    let metrics = stage.ask("GET", "/metrics", "");
    let dead = format!("weir_queue_backlog_writes{{upstream=\"orders\",server=\"{}\"}} 2\n", stage.dead);
    for line in [&*dead, "weir_queue_held_writes{upstream=\"orders\"} 2\n"] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    let (text, _) = stage.queue(&["list", "--writes", "--server", &stage.dead, "--max", "1"], 0);
    assert!(text.contains("POST /orders/1?key=2") && !text.contains("/orders/2\n"), "{text}");
    assert!(text.contains("more with `--from "), "{text}");
    let (text, _) = stage.queue(&["list", "--writes", "--dead"], 0);
    // The log and the documentation say so: whoever says which writes wants to see writes.
    assert_eq!(stage.queue(&["list", "--dead"], 0).0, text);
    assert_eq!(text, "nothing waits, and nothing is dead\n");
    let (text, _) = stage.queue(&["show", "1"], 0);
    assert!(
        text.starts_with("write 1  POST /orders/1?key=2, ") && text.contains("Host: a.example"),
        "{text}"
    );
    let (_, stderr) = stage.queue(&["show", "99"], 1);
    assert!(stderr.contains("no write 99") && stderr.contains("404"), "{stderr}");
    let (text, _) = stage.queue(&["retry", "--all"], 0);
    assert!(text.starts_with("2 wait"), "{text}");
    let (_, stderr) = stage.queue(&["retry", "--server", "nobody:1"], 1);
    assert!(stderr.contains("no server `nobody:1`") && stderr.contains(&stage.dead), "{stderr}");
    // The one on its way stays, and says so: ask until it is not.
    while stage.servers()[1]["backlog"] != 0 {
        stage.queue(&["drop", "--all", "--yes"], 0);
    }
    assert_eq!(stage.queue(&["list", "--writes"], 0).0, "nothing waits, and nothing is dead\n");
    let (_, stderr) = stage.queue(&["list", "--writes", "--queue", "other"], 1);
    assert!(stderr.contains("no queue `other`") && stderr.contains("`orders`"), "{stderr}");
}

/// What is dropped is gone, so whoever sits at a terminal is asked; everything but a yes is a no.
#[test]
fn at_a_terminal_nothing_is_dropped_without_a_yes() {
    let stage = Stage::set("queue-terminal", "memory");
    stage.write("/orders/1", 1);
    let drop_all = ["queue", "drop", "--all", "--admin", &stage.admin];
    // An empty line, words that are no yes, and the end of the input.
    for no in ["n\n", "\n", "no\n", "yess\n", "drop\n", "\x04"] {
        let (stdout, stderr) = finished_at_terminal(&drop_all, no, 1);
        assert!(stdout.is_empty(), "{no:?}: {stdout}");
        let question =
            "drop everything that waits or is dead? Servers that have not got it will not get it. [y/N] ";
        assert!(stderr.starts_with(question) && stderr.contains("nothing was dropped"), "{no:?}: {stderr}");
        assert_eq!(stage.servers()[1]["backlog"], 1, "{no:?}");
    }
    let (_, stderr) = finished_at_terminal(&["queue", "drop", "1", "--admin", &stage.admin], "n\n", 1);
    assert!(stderr.starts_with("drop write 1? "), "{stderr}");
    // Who has written it is not asked: the no is not read.
    finished_at_terminal(&["queue", "drop", "1", "--yes", "--admin", &stage.admin], "n\n", 0);
    for yes in ["y\n", "YES\n", " yes \n"] {
        stage.write("/orders/2", stage.servers()[1]["backlog"].as_u64().unwrap() + 1);
        // The one on its way stays: ask until it is not.
        while stage.servers()[1]["backlog"] != 0 {
            finished_at_terminal(&drop_all, yes, 0);
        }
    }
}

#[test]
fn what_changes_a_queue_is_asked_for_rightly() {
    let stage = Stage::set("queue-api", "durable");
    stage.write("/x", 1);
    let check = |method: &str, path: &str, fields: &str, expected: &str, part: &str| {
        let answered = stage.ask(method, &format!("/api/v1/queues{path}"), fields);
        assert!(answered.starts_with(&format!("HTTP/1.1 {expected} ")), "{method} {path}\n{answered}");
        assert!(answered.contains(part), "{method} {path}\n{answered}");
    };
    check("GET", "", "", "200", "\"name\": \"orders\"");
    check("GET", "/orders", "", "200", "\"durable\": true");
    check("GET", "/orders/writes?max=1", "", "200", "\"target\": \"/x\"");
    check("GET", "/orders/writes/1", "", "200", "\"fields\"");
    check("GET", "/orders/retry", "", "405", "allow: POST");
    check("POST", "/orders/writes", "", "405", "allow: GET, HEAD, DELETE");
    check("DELETE", "/orders", "", "405", "allow: GET, HEAD");
    check("DELETE", "/orders/writes", "", "400", "say which");
    check("DELETE", "/orders/writes/77", "", "404", "no write 77");
    check("DELETE", "/orders/writes?all=yes", "", "400", "`all` takes");
    check("GET", "/orders/writes?max=5000", "", "400", "from 1 to 1000");
    check("GET", "/orders/writes?everything", "", "400", "no parameter here");
    check("GET", "/nothing", "", "404", "there are `orders`");
    check("GET", "/orders/writes/x", "", "404", "there is nothing here");
    // A page of another origin, and a name that points here.
    check("POST", "/orders/retry", "Origin: http://evil.example\r\n", "403", "another origin");
    check("DELETE", "/orders/writes?all=true", "Origin: null\r\n", "403", "another origin");
    check("POST", "/orders/retry", "Content-Length: 2\r\n", "413", "no request bodies");
    assert_eq!(stage.servers()[1]["backlog"], 1, "nothing of it had an effect");
    check("POST", "/orders/retry", "Content-Length: 0\r\n", "200", "\"done\": 1");
}

#[test]
fn wrong_words_and_nobody_there() {
    let nobody = Server::refusing().to_string();
    let (_, stderr) = finished(&["queue", "list", "--admin", &nobody], 1);
    assert!(stderr.contains("no Weir listens at") && stderr.contains("hint: "), "{stderr}");
    for wrong in [
        &["queue"][..],
        &["queue", "retry"],
        &["queue", "drop"],
        &["queue", "drop", "1", "--all"],
        &["queue", "show"],
        &["queue", "show", "x"],
        &["queue", "list", "--admin", "nonsense"],
    ] {
        finished(wrong, 2);
    }
    let other = Server::saying("I am no Weir");
    let (_, stderr) = finished(&["queue", "list", "--admin", &other.to_string()], 1);
    assert!(stderr.contains("is no admin listener of Weir"), "{stderr}");
}

/// `semantics.md` §3.3: refused with the way out, never silently started anew.
#[test]
fn a_file_that_cannot_be_used_ends_the_start_with_the_way_out() {
    let mut stage = Stage::set("queue-file", "durable");
    let (_, stderr) = finished(&["run", "-c", &stage.file], 1);
    assert!(stderr.contains("`orders`") && stderr.contains("in use by another process"), "{stderr}");
    assert!(stderr.contains("hint: stop the other process"), "{stderr}");
    stage.write("/x", 1);
    stage.proxy.signal(Signal::SIGTERM);
    stage.proxy.line("stopped");
    assert_eq!(stage.proxy.end().0, Some(0));
    let file = stage.scratch.path("state/queue/orders.sqlite");
    let whole = std::fs::read(&file).unwrap();
    assert!(
        !std::fs::exists(format!("{file}-wal")).unwrap(),
        "the file was closed: nothing is left beside it"
    );
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let (_, stderr) = finished(&["run", "-c", &stage.file], 1);
    assert!(stderr.contains("is damaged") && stderr.contains("hint: move `"), "{stderr}");
    assert_eq!(std::fs::read(&file).unwrap(), whole[..whole.len() / 2], "it is left as it was");
}
