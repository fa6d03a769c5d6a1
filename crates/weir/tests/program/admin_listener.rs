//! The admin listener of a running program: with a token, on a Unix socket, and told to end.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::process::{Running, answer, ask, finished};
use super::scratch::Scratch;

/// After this a test gives up. Far more than a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(30);

const TOKEN: &str = "0123456789abcdef-0123456789abcdef";

/// Starts a proxy with this `admin`.
fn start(scratch: &Scratch, admin: &str) -> Running {
    scratch.file("token", format!("{TOKEN}\n"));
    Running::start(&["run", "-c", &written(scratch, admin)])
}

/// Its file.
fn written(scratch: &Scratch, admin: &str) -> String {
    scratch.file(
        "weir.yaml",
        format!(
            "listen: 127.0.0.1:0\nadmin: {admin}\naccess_log: off\n\
             services: [{{host: '*', upstream: web, request_headers: {{set: {{Authorization: 'Bearer {TOKEN}'}}}}}}]\n\
             upstreams: {{web: ['127.0.0.1:1']}}\n"
        ),
    )
}

fn with_token(address: SocketAddr, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let fields = format!("Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n");
    write!(stream, "{method} {path} HTTP/1.1\r\n{fields}\r\n").unwrap();
    answer(stream)
}

#[test]
fn with_a_token_only_those_who_know_it_are_answered() {
    let scratch = Scratch::new("admin-token");
    let mut weir = start(&scratch, "{address: 127.0.0.1:0, token: 'file:token'}");
    let (_, admin) = weir.addresses();
    assert!(answer(ask(admin, "localhost", "/readyz")).starts_with("HTTP/1.1 200"));
    let refused = answer(ask(admin, "localhost", "/api/v1/configuration"));
    assert!(refused.starts_with("HTTP/1.1 401") && refused.contains("application/problem+json"), "{refused}");
    let address = admin.to_string();
    let (_, told) = finished(&["upstreams", "--admin", &address], 1);
    assert!(told.contains("hint: name the file of the token with `--admin-token file:PATH`"), "{told}");
    let token = format!("file:{}", scratch.path("token"));
    let (table, _) = finished(&["upstreams", "--admin", &address, "--admin-token", &token], 0);
    assert!(table.contains("127.0.0.1:1"), "{table}");
    let (_, told) = finished(&["queue", "list", "--admin", &address, "--admin-token", TOKEN], 1);
    assert!(told.contains("not written on the command line") && !told.contains(TOKEN), "{told}");
    // A hint that the command at hand does not know is worse than none. A time that is none is refused behind the token.
    let upgrade = ["upgrade", "--timeout", "never", "--admin", &address];
    assert!(finished(&upgrade, 1).1.contains("(401)"));
    let (_, told) = finished(&[&upgrade[..], &["--admin-token", &token]].concat(), 1);
    assert!(told.contains("(400)"), "{told}");
    // What it tells of itself has the token nowhere.
    for path in ["/api/v1/configuration", "/api/v1/status", "/metrics", "/api/v1/routes"] {
        let told = with_token(admin, "GET", path);
        assert!(told.starts_with("HTTP/1.1 200") && !told.contains(TOKEN), "{path}: {told}");
    }
    let configuration = with_token(admin, "GET", "/api/v1/configuration");
    assert!(configuration.contains("\"Authorization\": \"(hidden)\""), "{configuration}");
}

#[test]
fn a_unix_socket_is_opened_by_whom_its_mode_lets() {
    let scratch = Scratch::new("admin-unix");
    let mut weir = start(&scratch, "{address: 'unix:admin.sock', mode: 660}");
    weir.line("admin listening address=unix:");
    weir.line("started");
    let path = scratch.path("admin.sock");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let (table, _) = finished(&["upstreams", "--admin", &format!("unix:{path}")], 0);
    assert!(table.contains("127.0.0.1:1"), "{table}");
    weir.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(weir.end().0, Some(0));
    assert!(!fs::exists(&path).unwrap(), "it is removed at the end");
    let (_, told) = finished(&["upstreams", "--admin", &format!("unix:{path}")], 1);
    assert!(told.contains("no Weir listens at `unix:"), "{told}");
}

/// A listener that goes takes up to a second for its last answers. Until then it kept others from its address, and at the end it
/// removed the file, whosever that was by then.
#[test]
fn a_unix_socket_that_moves_away_and_back_within_a_second_is_there() {
    let scratch = Scratch::new("admin-there-and-back");
    let mut weir = start(&scratch, "unix:a.sock");
    weir.line("started");
    let [there, elsewhere] = ["a.sock", "b.sock"].map(|name| format!("unix:{}", scratch.path(name)));
    // Half a head keeps the first one from ending at once.
    let mut half = UnixStream::connect(scratch.path("a.sock")).unwrap();
    half.set_read_timeout(Some(PATIENCE)).unwrap();
    half.write_all(b"GET /healthz HTTP/1.1\r\nHost:").unwrap();
    written(&scratch, "unix:b.sock");
    finished(&["reload", "--admin", &there], 0);
    assert!(finished(&["upstreams", "--admin", &there], 1).1.contains("no Weir listens"));
    written(&scratch, "unix:a.sock");
    finished(&["reload", "--admin", &elsewhere], 0);
    assert!(finished(&["upstreams", "--admin", &there], 0).0.contains("127.0.0.1:1"));
    // It may end in any way.
    let _ = half.read_to_end(&mut Vec::new());
    assert!(finished(&["upstreams", "--admin", &there], 0).0.contains("127.0.0.1:1"));
    assert!(!fs::exists(scratch.path("b.sock")).unwrap(), "that one has gone");
}

#[test]
fn draining_may_be_asked_for() {
    let scratch = Scratch::new("admin-drain");
    let mut weir = start(&scratch, "127.0.0.1:0");
    let (clients, admin) = weir.addresses();
    let refused = answer(ask(admin, "localhost", "/api/v1/drain"));
    assert!(refused.starts_with("HTTP/1.1 405"), "{refused}");
    assert!(with_token(admin, "POST", "/api/v1/drain").starts_with("HTTP/1.1 202"));
    weir.line("draining");
    assert_eq!(weir.end().0, Some(0));
    assert!(TcpStream::connect(clients).is_err());
}

#[test]
fn an_address_of_other_machines_without_a_token_is_refused() {
    let scratch = Scratch::new("admin-open");
    let (code, lines) = start(&scratch, "0.0.0.0:0").end();
    let told = lines.join("\n");
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("is reached from other machines") && told.contains("hint:"), "{told}");
}

/// A token that has become known is replaced without a restart; a reload that is refused shows where it is looked for.
#[test]
fn a_reload_takes_another_token_and_is_told_of() {
    let scratch = Scratch::new("admin-reload");
    let mut weir = start(&scratch, "{address: 127.0.0.1:0, token: 'file:token'}");
    let (_, admin) = weir.addresses();
    let asked = admin.to_string();
    let reload = |code| {
        finished(
            &["reload", "--admin", &asked, "--admin-token", &format!("file:{}", scratch.path("old"))],
            code,
        )
    };
    scratch.file("old", TOKEN);
    scratch.file("token", "another-token-of-32-characters-x");
    reload(0);
    assert!(
        with_token(admin, "GET", "/api/v1/status").starts_with("HTTP/1.1 401"),
        "the old one is none any more"
    );
    scratch.file("old", "another-token-of-32-characters-x");
    scratch.file("token", "short");
    reload(3);
    scratch.file("token", TOKEN);
    reload(0);
    let page = with_token(admin, "GET", "/metrics");
    for line in [
        "weir_reloads_total{outcome=\"done\"} 2\n",
        "weir_reloads_total{outcome=\"refused\"} 1\n",
        "weir_reload_succeeded 1\n",
    ] {
        assert!(page.contains(line), "{line} is not in {page}");
    }
}
