//! The watchdog of a service manager: it hears the program as long as all workers turn.

use std::fs;

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use weir_testkit::wait::until;

use super::super::admin::Kept;
use super::super::process::Running;
use super::super::scratch::Scratch;
use super::super::upgrade::Family;
use super::{Manager, config};

const ALIVE: &str = "WATCHDOG=1";

/// Starts the program as a manager does: the variable names the process in which the program then runs.
fn start(manager: &Manager, time_us: &str, process: &str, file: &str) -> Running {
    let launch = format!("WATCHDOG_PID={process} exec \"$0\" \"$@\"");
    let variables = [("NOTIFY_SOCKET", manager.name.as_str()), ("WATCHDOG_USEC", time_us)];
    Running::start_by("sh", &["-c", &launch], &variables, &["run", "-c", file])
}

/// The thread of a process with this name.
fn thread(pid: u32, name: &str) -> Pid {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|task| task.unwrap());
    let is_it = |task: &fs::DirEntry| {
        fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name)
    };
    let found = tasks.into_iter().find(is_it).unwrap_or_else(|| panic!("no thread `{name}`"));
    Pid::from_raw(found.file_name().to_str().unwrap().parse().unwrap())
}

#[test]
fn it_hears_nothing_while_a_worker_stands_still() {
    stands_still("watchdog", &config(1, ""), "weir-worker-1");
}

/// One of two whose messages nobody would answer while HTTP goes on.
#[test]
fn it_hears_nothing_while_a_thread_for_policy_groups_stands_still() {
    let text = config(1, "");
    let http = "listen: ['127.0.0.1:0'";
    assert!(text.contains(http), "{text}");
    let text = text.replace(http, &format!("{http}, {{address: '127.0.0.1:0', protocol: policy}}"));
    stands_still("watchdog-policy", &text, "weir-policy-1");
}

/// One thread stands still and all others go on: what a signal that stops could not do.
fn stands_still(test: &str, text: &str, name: &str) {
    let scratch = Scratch::new(test);
    let manager = Manager::start(&scratch);
    let file = scratch.file("weir.yaml", text);
    let mut running = start(&manager, "2000000", "$$", &file);
    let (_, admin) = running.addresses();
    for _ in 0..2 {
        manager.next_that(|told| told.says(ALIVE));
    }
    let worker = thread(running.id(), name);
    ptrace::seize(worker, ptrace::Options::empty()).unwrap();
    ptrace::interrupt(worker).unwrap();
    waitpid(worker, Some(WaitPidFlag::__WALL)).unwrap();
    let mut api = Kept::open(admin);
    let mut stalled_for = |seconds: f64| {
        until(|| {
            let status: serde_json::Value =
                serde_json::from_str(&api.ask("GET", "/api/v1/status").1).unwrap();
            status["stalled_seconds"].as_f64().unwrap() > seconds
        });
    };
    stalled_for(2.5);
    running.line("a worker stands still; the watchdog is told nothing");
    let _before = manager.rest();
    // From here on more than twice the time in which it should have heard something.
    stalled_for(7.5);
    assert_eq!(manager.rest(), []);
    ptrace::detach(worker, None).unwrap();
    running.line("the worker goes on");
    manager.next_that(|told| told.says(ALIVE));
    running.signal(Signal::SIGTERM);
    assert_eq!(running.end().0, Some(0));
}

/// It is another process that somebody is asked about.
#[test]
fn it_does_not_hear_who_is_not_meant() {
    let scratch = Scratch::new("watchdog-other");
    let manager = Manager::start(&scratch);
    let file = scratch.file("weir.yaml", config(1, ""));
    for (time, process) in [("20000", "1"), ("20000", "x"), ("0", "$$"), ("soon", "$$")] {
        let mut family = Family::of(start(&manager, time, process, &file));
        // Many times the time after which it should have heard something.
        family.replace();
        family.running.line("stopped connections_cut=0");
        family.signal(Signal::SIGTERM);
        family.all_end();
        let told = manager.rest();
        assert!(told.len() > 3 && !told.iter().any(|told| told.says(ALIVE)), "{told:?}");
    }
}

#[test]
fn after_an_upgrade_it_hears_the_new_process_only() {
    let scratch = Scratch::new("watchdog-upgrade");
    let manager = Manager::start(&scratch);
    let file = scratch.file("weir.yaml", config(1, ""));
    let mut family = Family::of(start(&manager, "100000", "$$", &file));
    let old = family.pid();
    manager.next_that(|told| told.says(ALIVE) && told.pid == old);
    family.replace();
    let new = family.pid();
    manager.next_that(|told| told.says(&format!("MAINPID={new}")) && told.pid == old);
    family.running.line("stopped connections_cut=0");
    for _ in 0..3 {
        assert_eq!(manager.next_that(|told| told.says(ALIVE)).pid, new);
    }
    let all = manager.rest();
    assert!(all.iter().all(|told| told.pid == new), "{all:?}");
    family.signal(Signal::SIGTERM);
    family.all_end();
}
