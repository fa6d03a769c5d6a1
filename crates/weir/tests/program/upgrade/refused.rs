//! Upgrades that can't be done: the program that runs goes on as it was, and says why.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::process::Command;

use nix::sys::signal::Signal;
use weir_testkit::server::Server;

use super::super::process::{Running, answer, ask, run};
use super::super::scratch::Scratch;
use super::Family;

/// A proxy that is started by a path of its own, so that another program can be put there.
struct Stage {
    family: Family,
    config: String,
    program: String,
    _server: Server,
    scratch: Scratch,
}

impl Stage {
    fn set(test: &str) -> Self {
        let scratch = Scratch::new(test);
        let server = Server::saying("here");
        let state = scratch.path("state");
        let config = scratch.file(
            "weir.yaml",
            format!(
                "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\nworkers: 2\nstate: '{state}'\nservices: [{{host: '*', upstream: web, \
                 dispatch: {{POST: {{mode: duplicate, catch_up: durable}}}}}}]\nupstreams: {{web: {{servers: ['{server}']}}}}\n"
            ),
        );
        let program = scratch.path("weir");
        symlink(env!("CARGO_BIN_EXE_weir"), &program).unwrap();
        let family = Family::of(Running::start_program(&program, &["run", "-c", &config]));
        Self { family, config, program, _server: server, scratch }
    }

    /// Puts a script in the place of the program.
    fn put(&self, script: &str) {
        let new = self.scratch.file("new", format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        fs::rename(&new, &self.program).unwrap();
    }

    /// Puts the program back.
    fn put_back(&self) {
        let new = self.scratch.path("new");
        symlink(env!("CARGO_BIN_EXE_weir"), &new).unwrap();
        fs::rename(&new, &self.program).unwrap();
    }

    /// Who was started has gone, and the one before serves as it did, also writes.
    fn goes_on(&mut self) {
        let pid = self.family.started();
        self.family.running.line("the program is not replaced, and this one goes on");
        self.family.is_gone(pid);
        self.serves();
    }

    fn serves(&self) {
        let got = answer(ask(self.family.address, "a.example", "/"));
        assert!(got.ends_with("here"), "{got}");
        let ready = answer(ask(self.family.admin, "localhost", "/readyz"));
        assert!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
        let write = super::super::process::send(self.family.address, "POST", "/", "body");
        let got = answer(write);
        assert!(got.starts_with("HTTP/1.1 200 "), "{got}");
    }

    /// It can still be replaced.
    fn end(mut self) {
        self.put_back();
        self.family.replace();
        self.family.running.lines(&["stopped connections_cut=0", "the queue is taken over"]);
        self.serves();
        self.family.end();
    }
}

#[test]
fn a_configuration_that_has_become_invalid_is_told_to_whoever_asks() {
    let mut stage = Stage::set("upgrade-config");
    let good = fs::read(&stage.config).unwrap();
    fs::write(&stage.config, "listen: ['127.0.0.1:0']\nservces: []\n").unwrap();
    let (code, _, error) = stage.family.upgrade(&[]);
    assert_eq!(code, Some(1));
    assert!(error.contains("did not start") && error.contains("servces"), "{error}");
    stage.goes_on();
    stage.family.signal(Signal::SIGUSR2);
    stage.goes_on();
    fs::write(&stage.config, good).unwrap();
    stage.end();
}

#[test]
fn a_program_that_ends_is_told_with_how_it_ended() {
    let mut stage = Stage::set("upgrade-ends");
    for (script, expected) in [
        ("exit 7", "exit code 7"),
        ("kill -9 $$", "signal 9"),
        ("exec <&-; exec sleep 1000", "does not take what it is handed"),
        ("echo hello >&0; exec sleep 1000", "no Weir of this kind"),
    ] {
        stage.put(script);
        let (code, _, error) = stage.family.upgrade(&[]);
        assert!(code == Some(1) && error.contains(expected), "{script}: {error}");
        stage.goes_on();
    }
    stage.put_back();
    fs::remove_file(&stage.program).unwrap();
    let (code, _, error) = stage.family.upgrade(&[]);
    assert!(code == Some(1) && error.contains("can't be started"), "{error}");
    stage.end();
}

#[test]
fn a_program_that_hangs_is_given_up_at_its_deadline() {
    let mut stage = Stage::set("upgrade-hangs");
    stage.put("exec sleep 1000");
    let (code, _, error) = stage.family.upgrade(&["--timeout", "200ms"]);
    assert!(code == Some(1) && error.contains("was not ready within 200ms"), "{error}");
    stage.goes_on();
    stage.end();
}

#[test]
fn there_is_one_upgrade_at_a_time_and_the_end_of_the_process_ends_it() {
    let mut stage = Stage::set("upgrade-twice");
    stage.put("exec sleep 1000");
    stage.family.signal(Signal::SIGUSR2);
    let pid = stage.family.started();
    let (code, _, error) = stage.family.upgrade(&[]);
    assert!(code == Some(1) && error.contains("being started already"), "{error}");
    stage.family.running.line("the program is not replaced");
    stage.family.members.pop();
    stage.family.signal(Signal::SIGTERM);
    stage.family.running.line("stopped connections_cut=0");
    stage.family.is_gone(pid);
}

#[test]
fn programs_that_others_can_change_do_not_follow() {
    let stage = Stage::set("upgrade-trust");
    let program = stage.scratch.file("evil", "#!/bin/sh\n");
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    for (program, expected) in
        [(program.as_str(), "may not follow"), ("/nowhere", "can't be used"), ("/dev", "no program")]
    {
        let (code, _, error) = stage.family.upgrade(&["--program", program]);
        assert!(code == Some(1) && error.contains(expected), "{error}");
    }
    stage.serves();
    stage.end();
}

/// A namespace in which the program is process 1, as in a container.
#[test]
fn process_one_of_a_container_is_not_replaced() {
    let namespace = ["-U", "-r", "-p", "-f", "--kill-child"];
    let allowed = Command::new("unshare").args(namespace).arg("true").output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        // Not here: this machine lets no namespace be made. The rule has a test of its own (`program.rs`).
        return;
    }
    let scratch = Scratch::new("upgrade-container");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = scratch.file(
        "weir.yaml",
        format!("listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\nservices: [{{host: '*', upstream: ['{closed}']}}]\n"),
    );
    let words = [&namespace[..], &[env!("CARGO_BIN_EXE_weir"), "run", "-c", &config]].concat();
    let mut running = Running::start_program("unshare", &words);
    let (_, admin) = running.addresses();
    let output = run(&["upgrade", "--admin", &admin.to_string()]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && error.contains("process 1 of its container"), "{error}");
    assert!(error.contains("hint: "), "{error}");
}

#[test]
fn nobody_is_asked_where_no_weir_listens() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output = run(&["upgrade", "--admin", &closed]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && error.contains("no Weir listens"), "{error}");
}
