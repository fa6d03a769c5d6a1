//! `weir top` and `weir run --debug` in a real terminal.

use std::fs;
use std::net::SocketAddr;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use weir_testkit::server::Server;

use super::process::{Running, answer, ask, finished};
use super::scratch::Scratch;
use super::screen::Screen;

/// What a shell says of a terminal that is as it was.
const ENDED: &str = "echo ended $?; stty -a | grep -ow -e -icanon -e icanon";

struct Stage {
    proxy: Running,
    address: SocketAddr,
    admin: String,
    servers: [Server; 2],
    scratch: Scratch,
}

impl Stage {
    fn set(test: &str) -> Self {
        let scratch = Scratch::new(test);
        let servers = [Server::saying("a"), Server::saying("b")];
        let text = format!(
            "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\naccess_log: off\nservices: [{{host: '*', upstream: web}}]\n\
             upstreams: {{web: {{servers: ['{}', '{}']}}}}\n",
            servers[0], servers[1]
        );
        let file = scratch.file("weir.yaml", text);
        let mut proxy = Running::start(&["run", "-c", &file]);
        let address = proxy.address(" listening address=");
        let admin = proxy.address("admin listening address=").to_string();
        proxy.line("started");
        Self { proxy, address, admin, servers, scratch }
    }

    fn top(&self) -> Screen {
        let words = format!("echo before; WEIR top --admin {}; {ENDED}", self.admin);
        Screen::open(&self.scratch, 80, 24, &words)
    }

    /// The line of one of the servers.
    fn line(&self, seen: &str, server: usize) -> String {
        line_of(seen, &self.servers[server].to_string())
    }
}

/// The line of the server of this name.
fn line_of(seen: &str, name: &str) -> String {
    let mut lines = seen.lines().filter(|line| line.get(2..).is_some_and(|rest| rest.starts_with(name)));
    lines.next().unwrap_or_default().to_owned()
}

/// The terminal is as it was: what was there before, and lines are edited by the system.
fn restored(screen: &Screen, code: i32) {
    let seen = screen.wait(|seen| seen.lines().any(|line| line.ends_with("icanon")));
    let lines: Vec<&str> = seen.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!((lines[0], lines[lines.len() - 1]), ("before", "icanon"), "{seen}");
    assert!(lines.contains(&&*format!("ended {code}")), "{seen}");
}

#[test]
fn servers_are_watched_and_taken_out() {
    let stage = Stage::set("top");
    let screen = stage.top();
    let seen = screen.wait(|seen| stage.line(seen, 1).contains("HEALTHY"));
    assert!(seen.contains(&stage.admin) && seen.contains("web  2/2 up  round_robin"), "{seen}");
    assert!(seen.lines().nth(2).unwrap().starts_with("  SERVER "), "{seen}");
    assert!(seen.lines().nth(23).unwrap().starts_with("q quit"), "{seen}");
    // Requests are seen as they come, and from then on how long servers take: p50 and p99 stand behind the rate.
    screen.wait(|seen| {
        answer(ask(stage.address, "a.example", "/"));
        let line = stage.line(seen, 0);
        let cells: Vec<&str> = line.split_whitespace().skip_while(|cell| *cell != "HEALTHY").collect();
        cells.len() == 8
            && !["0", "-"].contains(&cells[4])
            && cells[5..7].iter().all(|cell| cell.ends_with('s'))
    });
    screen.press(&["j", "x"]);
    screen.wait_for("disable ");
    screen.press(&["n"]);
    screen.wait_for("nothing is changed");
    screen.press(&["x"]);
    screen.wait_for("y yes, n");
    screen.press(&["y"]);
    screen.wait(|seen| stage.line(seen, 1).contains("DISABLED") && seen.contains("web  1/2 up"));
    assert!(finished(&["upstreams", "--admin", &stage.admin], 0).0.contains("DISABLED"));
    // The last one is asked about more loudly.
    screen.press(&["k", "d"]);
    screen.wait_for("NO OTHER server of web gets requests");
    screen.press(&["Escape"]);
    // A key that comes together with it would be one pressed with Alt.
    screen.wait(|seen| !seen.contains("NO OTHER server of web"));
    screen.press(&["j"]);
    screen.wait(|seen| stage.line(seen, 1).starts_with('>'));
    screen.press(&["b"]);
    screen.wait_for("put back ");
    screen.press(&["y"]);
    screen.wait(|seen| stage.line(seen, 1).contains("HEALTHY") && seen.contains("web  2/2 up"));
    screen.press(&["q"]);
    restored(&screen, 0);
}

/// Servers that are killed one after the other are seen to be away while it is on the screen.
#[test]
fn servers_that_are_killed_are_seen_to_be_away() {
    let scratch = Scratch::new("top-killed");
    let mut servers: Vec<Server> = (0..5).map(|_| Server::saying("a")).collect();
    let names: Vec<String> = servers.iter().map(ToString::to_string).collect();
    let text = format!(
        "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\naccess_log: off\nservices: [{{host: '*', upstream: web}}]\n\
         upstreams: {{web: {{servers: ['{}'], health: {{tcp: true, interval: 100ms, unhealthy_interval: 100ms}}}}}}\n",
        names.join("', '")
    );
    let mut proxy = Running::start(&["run", "-c", &scratch.file("weir.yaml", text)]);
    let admin = proxy.address("admin listening address=");
    let screen = Screen::open(&scratch, 80, 24, &format!("echo before; WEIR top --admin {admin}; {ENDED}"));
    screen.wait_for("web  5/5 up");
    for up in (1..5).rev() {
        drop(servers.pop());
        let seen = screen.wait(|seen| {
            let states = ["HEALTHY", "UNREACHABLE"]
                .map(|state| names.iter().filter(|name| line_of(seen, name).contains(state)).count());
            seen.contains(&format!("web  {up}/5 up")) && states == [up, 5 - up]
        });
        let last = line_of(&seen, &names[up]);
        assert!(last.contains("UNREACHABLE"), "{seen}");
    }
    screen.press(&["q"]);
    restored(&screen, 0);
}

#[test]
fn a_weir_that_is_gone_is_said_to_be_and_asked_for() {
    let mut stage = Stage::set("top-gone");
    let screen = stage.top();
    screen.wait_for("web  2/2 up");
    stage.proxy.signal(Signal::SIGTERM);
    stage.proxy.line("stopped");
    let seen = screen.wait_for("NO ANSWER for ");
    assert!(stage.line(&seen, 0).contains("HEALTHY"), "what was known stays to be seen: {seen}");
    screen.press(&["d"]);
    screen.wait_for("nothing can be changed");
    // Another one comes in its place.
    let text = fs::read_to_string(stage.scratch.path("weir.yaml")).unwrap();
    let text = text.replace("admin: '127.0.0.1:0'", &format!("admin: '{}'", stage.admin));
    let _next = Running::proxy(&["run", "-c", &stage.scratch.file("next.yaml", text)]);
    screen.wait(|seen| seen.starts_with("Weir ") && seen.contains("web  2/2 up"));
    screen.press(&["C-c"]);
    restored(&screen, 0);
}

#[test]
fn it_fits_itself_to_the_terminal() {
    let stage = Stage::set("top-size");
    let screen = stage.top();
    screen.wait_for("q quit");
    for (columns, lines) in [(40, 10), (120, 40), (9, 3), (80, 24)] {
        screen.resize(columns, lines);
        let mut last = "q quit  ? help  / filter  s sort  Enter why  d drain  x disable  b back".to_owned();
        last.truncate(columns.into());
        let last = last.split("  ").next().unwrap();
        screen.wait(|seen| {
            seen.lines().count() >= lines.into() && seen.lines().last().unwrap().starts_with(last)
        });
    }
    screen.press(&["q"]);
    restored(&screen, 0);
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let stage = Stage::set("top-signal");
    let id = stage.scratch.path("id");
    let words =
        format!("echo before; sh -c 'echo $$ > {id}; exec WEIR top --admin {}'; {ENDED}", stage.admin);
    let screen = Screen::open(&stage.scratch, 80, 24, &words);
    screen.wait_for("web  2/2 up");
    let id: i32 = fs::read_to_string(id).unwrap().trim().parse().unwrap();
    kill(Pid::from_raw(id), Signal::SIGTERM).unwrap();
    restored(&screen, 0);
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let (stdout, error) = finished(&["top"], 1);
    assert!(
        stdout.is_empty() && error.contains("no terminal") && error.contains("weir upstreams"),
        "{error}"
    );
    assert!(finished(&["top", "--admin", "x"], 2).1.contains("--admin 127.0.0.1:9180"));
}

#[test]
fn debug_keeps_the_servers_below_the_log() {
    let scratch = Scratch::new("debug");
    let server = Server::saying("a");
    let text = format!(
        "listen: ['127.0.0.1:0']\nadmin: off\nworkers: 1\nservices: [{{host: '*', upstream: web}}]\nupstreams: {{web: ['{server}']}}\n"
    );
    let file = scratch.file("weir.yaml", text);
    let words = format!("echo before; WEIR run --debug -c {file}; {ENDED}");
    let screen = Screen::open(&scratch, 100, 24, &words);
    screen.wait_for("=== Backend Server Status ===");
    let seen = screen.wait_for("started");
    let address = seen.split("listening address=").nth(1).unwrap().split_whitespace().next().unwrap();
    // The log goes by above the table, which stays where it is.
    for number in 0..40 {
        answer(ask(address.parse().unwrap(), "a.example", &format!("/{number}")));
    }
    let seen = screen.wait_for("GET /39 ");
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(lines[18], "=== Backend Server Status ===", "{seen}");
    assert!(lines[20].starts_with("│ Backend URL ") && lines[20].ends_with(" Last Healthy │"), "{seen}");
    assert!(lines[22].contains(&format!("http://{server}")) && lines[22].contains("HEALTHY"), "{seen}");
    assert!(lines[..18].iter().any(|line| line.contains("GET /39 ")), "{seen}");
    screen.press(&["C-c"]);
    let seen = screen.wait(|seen| seen.lines().any(|line| line.ends_with("icanon")));
    assert!(seen.contains("stopped") && seen.contains("ended 0") && !seen.contains("Backend URL"), "{seen}");
}

#[test]
fn debug_prints_plain_lines_where_there_is_no_terminal() {
    let scratch = Scratch::new("debug-plain");
    let server = Server::saying("a");
    let text = format!(
        "listen: ['127.0.0.1:0']\nadmin: off\nservices: [{{host: '*', upstream: web}}]\nupstreams: {{web: ['{server}']}}\n"
    );
    let file = scratch.file("weir.yaml", text);
    let path = scratch.path("out");
    let out = fs::File::create(&path).unwrap();
    let mut proxy = Running::start_to(&["run", "--debug", "-c", &file], out);
    proxy.line("started");
    let written = loop {
        let written = fs::read_to_string(&path).unwrap();
        if written.lines().count() >= 2 {
            break written;
        }
    };
    for line in written.lines().take(2) {
        assert!(
            line.contains(&format!(" upstream=web server=http://{server} state=HEALTHY failures=0 ")),
            "{line}"
        );
        assert!(!line.contains('\x1b'), "{line}");
    }
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.end().0, Some(0));
}
