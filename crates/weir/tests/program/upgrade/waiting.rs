//! An upgrade and a reload want the same sockets and the same file: one waits for the other.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use weir_testkit::wait::until;

use super::super::process::{Running, answer, ask, finished};
use super::super::scratch::Scratch;
use super::Family;

fn says(text: &str) -> String {
    format!(
        "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\nworkers: 1\nservices: [{{host: '*', respond: {{body: {text}}}}}]\n"
    )
}

fn said(address: SocketAddr) -> String {
    let answer = answer(ask(address, "a.example", "/"));
    answer.rsplit_once("\r\n\r\n").unwrap().1.to_owned()
}

/// A program that is started by a path of its own, where a script may take its place.
struct Stage {
    family: Family,
    config: String,
    scratch: Scratch,
}

impl Stage {
    fn set(test: &str) -> Self {
        let scratch = Scratch::new(test);
        let config = scratch.file("weir.yaml", says("first"));
        let program = scratch.path("weir");
        symlink(env!("CARGO_BIN_EXE_weir"), &program).unwrap();
        let family = Family::of(Running::start_program(&program, &["run", "-c", &config]));
        Self { family, config, scratch }
    }

    fn put(&self, script: &str) {
        let new = self.scratch.file("new", format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&new, self.scratch.path("weir")).unwrap();
    }

    fn write(&self, text: &str) {
        let new = self.scratch.file("weir.yaml.new", text);
        fs::rename(new, &self.config).unwrap();
    }

    /// A pipe of this name.
    fn pipe(&self, name: &str) -> String {
        let path = self.scratch.path(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }
}

#[test]
fn a_reload_waits_until_there_is_no_new_process_after_all() {
    let mut stage = Stage::set("waiting-reload");
    stage.put("exec sleep 1000");
    stage.family.signal(Signal::SIGUSR2);
    let pid = stage.family.started();
    stage.write(&says("second"));
    stage.family.running.signal(Signal::SIGHUP);
    // Whoever asks for this is heard after the signal was.
    let refused = stage.family.upgrade(&[]).2;
    assert!(refused.contains("being started already"), "{refused}");
    stage.family.running.line("the program is not replaced");
    assert_eq!(said(stage.family.address), "first");
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    stage.family.running.line("the program is not replaced");
    stage.family.running.line("another configuration is in use");
    assert_eq!(said(stage.family.address), "second");
    stage.family.is_gone(pid);
    stage.family.end();
}

/// The new process may have read the file before it changed, so it reads it again.
#[test]
fn a_reload_that_was_wanted_meanwhile_is_the_new_process_s() {
    let mut stage = Stage::set("waiting-handed-over");
    let pipe = stage.pipe("go");
    stage.put(&format!("read _ < '{pipe}'; exec '{}' \"$@\"", env!("CARGO_BIN_EXE_weir")));
    stage.family.signal(Signal::SIGUSR2);
    let pid = stage.family.started();
    stage.family.running.signal(Signal::SIGHUP);
    let refused = stage.family.upgrade(&[]).2;
    assert!(refused.contains("being started already"), "{refused}");
    stage.write(&says("second"));
    fs::write(&pipe, "go\n").unwrap();
    stage.family.running.lines(&[
        &format!("another process is in charge; draining pid={pid}"),
        "the configuration was read again, and says nothing new",
        "stopped connections_cut=0",
    ]);
    assert_eq!(said(stage.family.address), "second");
    stage.family.end();
}

/// The new process gets the sockets that there are, so they must not change while it is being started.
#[test]
fn an_upgrade_waits_for_the_reload_under_way() {
    let mut stage = Stage::set("waiting-upgrade");
    let pipe = stage.pipe("slow");
    let beside = format!("{}.new", stage.config);
    fs::hard_link(&pipe, &beside).unwrap();
    fs::rename(&beside, &stage.config).unwrap();
    stage.family.running.signal(Signal::SIGHUP);
    // It is there as soon as somebody reads it.
    let mut slow = OpenOptions::new().write(true).open(&pipe).unwrap();
    stage.family.signal(Signal::SIGUSR2);
    stage.family.signal(Signal::SIGUSR1);
    stage.family.running.line("log files are opened anew");
    stage.write(&says("second"));
    slow.write_all(says("second").as_bytes()).unwrap();
    drop(slow);
    stage.family.running.line("another configuration is in use");
    stage.family.in_charge();
    stage.family.running.line("stopped connections_cut=0");
    assert_eq!(said(stage.family.address), "second");
    stage.family.end();
}

#[test]
fn the_unix_socket_of_the_admin_listener_goes_on_and_is_removed_at_the_end() {
    let scratch = Scratch::new("upgrade-unix-admin");
    let socket = scratch.path("admin");
    let text = says("here")
        .replace("'127.0.0.1:0'\nworkers", &format!("{{address: 'unix:{socket}', mode: 660}}\nworkers"));
    let config = scratch.file("weir.yaml", text);
    let mut running = Running::start(&["run", "-c", &config]);
    let address = running.address(" listening address=");
    running.line("started");
    let mut family = Family::at(running, address, address);
    let admin = format!("unix:{socket}");
    for _ in 0..3 {
        let (told, _) = finished(&["upgrade", "--admin", &admin], 0);
        family.in_charge();
        assert!(told.contains(&family.pid().to_string()), "{told}");
        family.running.line("stopped connections_cut=0");
        assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
        assert_eq!(finished(&["reload", "--admin", &admin], 0).0, "the configuration says nothing new\n");
        assert_eq!(said(address), "here");
    }
    family.end();
    until(|| !Path::new(&socket).exists());
}
