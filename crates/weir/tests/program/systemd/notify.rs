//! What the program tells a service manager of its life.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use nix::sys::signal::Signal;
use rustix::time::{ClockId, clock_gettime};

use super::super::process::{Running, answer, ask};
use super::super::scratch::Scratch;
use super::super::upgrade::Family;
use super::{Manager, config};

/// The clock of `MONOTONIC_USEC`.
fn since_boot() -> u128 {
    Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap().as_micros()
}

#[test]
fn it_is_ready_when_clients_are_accepted_and_says_what_it_serves() {
    let scratch = Scratch::new("notify-ready");
    let manager = Manager::start(&scratch);
    let file = scratch.file("weir.yaml", config(3, ""));
    let mut running = Running::start_with(&manager.environment(), &["run", "-c", &file]);
    let told = manager.next();
    assert!(told.says("READY=1"), "{told:?}");
    let status = told.status();
    let address = status.strip_prefix("serves 3 services on ").unwrap_or_else(|| panic!("{status}"));
    assert!(answer(ask(address.parse().unwrap(), "h0.example", "/")).ends_with("here"));
    assert_eq!(running.addresses().0.to_string(), address);
    running.signal(Signal::SIGTERM);
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn a_manager_with_an_abstract_name_hears_it_too() {
    let name = format!("weir-notify-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
    let manager = Manager::over(UnixDatagram::bind_addr(&address).unwrap(), format!("@{name}"));
    let words = ["balance", "127.0.0.1:9", "--listen", "127.0.0.1:0"];
    let mut running = Running::start_with(&manager.environment(), &words);
    let told = manager.next();
    assert!(told.says("READY=1") && told.status().starts_with("serves one service on "), "{told:?}");
    // There is nothing to read, and whoever waits for the end of it gets one.
    running.line("started");
    running.signal(Signal::SIGHUP);
    assert!(manager.next().says("RELOADING=1"));
    let told = manager.next();
    assert!(told.says("READY=1") && told.status().contains("without a configuration file"), "{told:?}");
    running.signal(Signal::SIGTERM);
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn a_manager_that_is_not_there_is_no_reason_not_to_start() {
    for name in ["/nonexistent/notify", "relative", "", "@"] {
        let words = ["balance", "127.0.0.1:9", "--listen", "127.0.0.1:0"];
        let mut running = Running::start_with(&[("NOTIFY_SOCKET", name)], &words);
        running.lines(&["the service manager", "started"]);
        running.signal(Signal::SIGTERM);
        assert_eq!(running.end().0, Some(0));
    }
}

#[test]
fn a_reload_has_a_beginning_and_an_end_also_when_it_is_refused() {
    let scratch = Scratch::new("notify-reload");
    let manager = Manager::start(&scratch);
    let file = scratch.file("weir.yaml", config(1, ""));
    let running = Running::start_with(&manager.environment(), &["run", "-c", &file]);
    assert!(manager.next().says("READY=1"));
    let reload = |text: &str, expected: &[&str]| {
        let text = text.replace("services: [", "services: [ ");
        fs::write(&file, text).unwrap();
        let before = since_boot();
        running.signal(Signal::SIGHUP);
        let begun = manager.next();
        assert!(begun.says("RELOADING=1"), "{begun:?}");
        let since = begun.number("MONOTONIC_USEC");
        assert!((before..=since_boot()).contains(&since), "{since} is not after {before}");
        let ended = manager.next();
        assert!(ended.says("READY=1") && !ended.says("RELOADING=1"), "{ended:?}");
        for part in expected {
            assert!(ended.status().contains(part), "{ended:?}");
        }
        assert_eq!(ended.status().contains("refused"), expected.len() > 1, "{ended:?}");
    };
    reload(&config(2, ""), &["serves 2 services on "]);
    let wrong = config(3, "limits: {bodi: 1MiB}");
    reload(&wrong, &["the last reload was refused: the configuration has errors", "; serves 2 services on "]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let blocked = config(3, "").replacen("127.0.0.1:0", &taken, 1);
    reload(&blocked, &["refused: ", &taken, "in use", "; serves 2 services on "]);
    reload(&config(4, ""), &["serves 4 services on "]);
    running.signal(Signal::SIGTERM);
    assert!(manager.next().says("STOPPING=1"));
    assert_eq!(running.end().0, Some(0));
}

/// What a manager waits for before it kills is what the configuration says.
#[test]
fn a_drain_says_how_long_it_takes_and_how_many_are_left() {
    let scratch = Scratch::new("notify-drain");
    let manager = Manager::start(&scratch);
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!(
        "listen: ['127.0.0.1:0']\nadmin: off\ndrain: {{deadline: 5m}}\nservices: [{{host: '*', upstream: ['{}']}}]\n",
        server.local_addr().unwrap()
    );
    let file = scratch.file("weir.yaml", text);
    let mut running = Running::start_with(&manager.environment(), &["run", "-c", &file]);
    let address = running.address(" listening address=");
    running.line("started");
    let client = ask(address, "a.example", "/");
    let (mut request, _) = server.accept().unwrap();
    assert!(manager.next().says("READY=1"));
    running.signal(Signal::SIGTERM);
    let told = manager.next();
    assert!(told.says("STOPPING=1"), "{told:?}");
    assert_eq!(told.number("EXTEND_TIMEOUT_USEC"), 310_000_000);
    let told = manager.next();
    assert_eq!(told.text, "STATUS=draining: 1 connection left");
    request.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere").unwrap();
    assert!(answer(client).ends_with("here"));
    let (code, lines) = running.end();
    assert_eq!(code, Some(0), "{lines:?}");
    assert!(manager.rest().iter().all(|told| told.status().starts_with("draining: ")));
}

/// Who sends messages of policy groups is waited for too.
#[test]
fn a_drain_counts_connections_of_policy_groups() {
    let scratch = Scratch::new("notify-drain-policy");
    let manager = Manager::start(&scratch);
    let text = "listen: [{address: '127.0.0.1:0', protocol: policy, timeouts: {message: 1h}}]
admin: '127.0.0.1:0'
";
    let file = scratch.file("weir.yaml", text);
    let mut running = Running::start_with(&manager.environment(), &["run", "-c", &file]);
    let (address, admin) = running.addresses();
    let mut clients = [(); 2].map(|()| TcpStream::connect(address).unwrap());
    for client in &mut clients {
        client.write_all(b"{\"type\": 9").unwrap();
    }
    // Both have begun; who has said nothing yet would go at once.
    weir_testkit::wait::until(|| {
        let page = super::super::admin::admin(admin, "GET", "/api/v1/connections");
        page["connections"].as_array().unwrap().iter().filter(|one| one["state"] == "reading").count() == 2
    });
    assert!(manager.next().says("READY=1"));
    running.signal(Signal::SIGTERM);
    assert!(manager.next().says("STOPPING=1"));
    assert_eq!(manager.next().text, "STATUS=draining: 2 connections left");
    for client in &mut clients {
        client.write_all(b"}").unwrap();
        let mut said = String::new();
        client.read_to_string(&mut said).unwrap();
        assert!(said.contains("no type 9"), "{said}");
    }
    let (code, lines) = running.end();
    assert!(code == Some(0) && lines.concat().contains("connections_cut=0"), "{lines:?}");
}

/// A manager that listens to the main process alone hears it from the one that it knows, and then only from the other one: what that
/// one says never comes before it, and the end of the old one is not the end of the service.
#[test]
fn an_upgrade_names_the_new_process_and_the_old_one_says_nothing_more() {
    let scratch = Scratch::new("notify-upgrade");
    let manager = Manager::start(&scratch);
    let file = scratch.file("weir.yaml", config(1, ""));
    let mut family = Family::of(Running::start_with(&manager.environment(), &["run", "-c", &file]));
    let mut old = family.pid();
    let told = manager.next();
    assert!(told.says("READY=1") && told.pid == old, "{told:?}");
    for services in 2..5 {
        fs::write(&file, config(services, "")).unwrap();
        family.replace();
        let new = family.pid();
        let told = manager.next();
        assert_eq!((told.pid, told.text), (old, format!("MAINPID={new}")));
        let told = manager.next();
        assert!(told.pid == new && told.says(&format!("MAINPID={new}")) && told.says("READY=1"), "{told:?}");
        assert!(told.status().starts_with(&format!("serves {services} services on ")), "{told:?}");
        family.running.line("stopped connections_cut=0");
        assert_eq!(manager.rest(), [], "the end of the old one is nobody's business");
        old = new;
    }
    family.signal(Signal::SIGTERM);
    let told = manager.next();
    assert!(told.says("STOPPING=1") && told.pid == old, "{told:?}");
    family.all_end();
}

/// An installation that has sent the signal would wait for a successor that nobody starts.
#[test]
fn an_upgrade_that_is_refused_after_a_signal_is_told_with_its_reason() {
    let scratch = Scratch::new("notify-upgrade-refused");
    let manager = Manager::start(&scratch);
    let file = scratch.file("weir.yaml", config(1, ""));
    let program = scratch.path("weir");
    symlink(env!("CARGO_BIN_EXE_weir"), &program).unwrap();
    let script = format!("shift; exec '{program}' \"$@\"");
    let words = ["-c", &script, "sh"];
    let running = Running::start_by("sh", &words, &manager.environment(), &["run", "-c", &file]);
    let mut family = Family::of(running);
    let pid = family.pid();
    assert!(manager.next().says("READY=1"));
    let hanging = scratch.file("hanging", "#!/bin/sh\nexec sleep 1000\n");
    fs::set_permissions(&hanging, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&hanging, &program).unwrap();
    family.signal(Signal::SIGUSR2);
    let started = family.started();
    family.running.signal(Signal::SIGUSR2);
    let told = manager.next();
    let reason = "the last upgrade was refused: a new process is being started already; serves one service";
    assert!(told.pid == pid && told.status().starts_with(reason), "{told:?}");
    family.running.signal(Signal::SIGTERM);
    let told = manager.next();
    assert!(told.says("STOPPING=1") && told.pid == pid, "{told:?}");
    family.is_gone(started);
    family.all_end();
}

#[test]
fn an_upgrade_that_fails_changes_nothing_and_is_told() {
    let scratch = Scratch::new("notify-upgrade-fails");
    let manager = Manager::start(&scratch);
    let file = scratch.file("weir.yaml", config(1, ""));
    let mut family = Family::of(Running::start_with(&manager.environment(), &["run", "-c", &file]));
    let pid = family.pid();
    assert!(manager.next().says("READY=1"));
    fs::write(&file, "nonsense").unwrap();
    family.signal(Signal::SIGUSR2);
    let gone = family.started();
    let told = manager.next();
    assert!(told.pid == pid && told.status().starts_with("the last upgrade failed, "), "{told:?}");
    assert!(told.text.lines().count() == 1, "{told:?}");
    family.is_gone(gone);
    family.signal(Signal::SIGTERM);
    let told = manager.next();
    assert!(told.says("STOPPING=1") && told.pid == pid, "{told:?}");
    family.all_end();
}
