//! Another configuration for a program that runs: asked for by `weir reload`, by a signal, over the admin listener, and by the file.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};

use nix::sys::signal::Signal;
use socket2::{Domain, Socket, Type};
use weir_testkit::port::ReservedPort;
use weir_testkit::wait::until;

use super::admin::{Kept, admin};
use super::process::{Running, answer, ask, finished};
use super::scratch::Scratch;

/// A proxy that answers for itself.
struct Stage {
    proxy: Running,
    address: SocketAddr,
    admin: SocketAddr,
    file: String,
    _scratch: Scratch,
}

/// Says this on every host.
fn says(text: &str, top: &str) -> String {
    format!(
        "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\naccess_log: off\nworkers: 1\n{top}\n\
         services: [{{host: '*', respond: {{body: {text}}}}}]\n"
    )
}

impl Stage {
    fn set(test: &str, top: &str) -> Self {
        let scratch = Scratch::new(test);
        let file = scratch.file("weir.yaml", says("first", top));
        let mut proxy = Running::start(&["run", "-c", &file]);
        let (address, admin) = proxy.addresses();
        Self { proxy, address, admin, file, _scratch: scratch }
    }

    /// Puts another file in the place of this one.
    fn write(&self, text: &str) {
        let beside = format!("{}.new", self.file);
        fs::write(&beside, text).unwrap();
        fs::rename(&beside, &self.file).unwrap();
    }

    fn said(&self) -> String {
        let answer = answer(ask(self.address, "a.example", "/"));
        answer.rsplit_once("\r\n\r\n").unwrap().1.to_owned()
    }

    fn reload(&self, more: &[&str], code: i32) -> (String, String) {
        let address = self.admin.to_string();
        finished(&[&["reload", "--admin", &address], more].concat(), code)
    }
}

#[test]
fn weir_reload_says_what_it_changed() {
    let stage = Stage::set("reloaded", "");
    assert_eq!(stage.reload(&[], 0).0, "the configuration says nothing new\n");
    stage.write(&says("second", "limits: {body: 1MiB}"));
    assert_eq!(stage.said(), "first", "nobody has asked for it");
    let (told, _) = stage.reload(&[], 0);
    assert!(told.starts_with("2 changes are in use, after "), "{told}");
    assert!(told.ends_with(" ms\n  ~ setting limits\n  ~ route * /\n"), "{told}");
    assert_eq!(stage.said(), "second");
    stage.write(&says("third", ""));
    let json: serde_json::Value = serde_json::from_str(&stage.reload(&["--json"], 0).0).unwrap();
    assert_eq!(json["changes_total"], 2, "{json:#}");
    assert_eq!(json["generation"], 3, "{json:#}");
    assert_eq!(json["changes"][1]["what"], "route", "{json:#}");
    assert_eq!(stage.said(), "third");
}

/// What is wrong is told as `weir check` tells it, and nothing of the file is used.
#[test]
fn a_file_that_is_wrong_changes_nothing_and_says_why() {
    let mut stage = Stage::set("wrong", "");
    stage.write(&says("second", "limits: {bodi: 1MiB}").replace("workers: 1", "workers: 0"));
    let (_, checked) = finished(&["check", "-c", &stage.file], 3);
    assert_eq!(stage.reload(&[], 3), (String::new(), checked.clone()));
    let (checked_json, _) = finished(&["check", "-c", &stage.file, "--json"], 3);
    assert_eq!(stage.reload(&["--json"], 3).0, checked_json);
    // Over the listener it is a problem document with both.
    let (head, body) = Kept::open(stage.admin).ask("POST", "/api/v1/reload");
    assert!(head.starts_with("HTTP/1.1 422 ") && head.contains("application/problem+json"), "{head}");
    let document: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(document["detail"], *checked, "{document:#}");
    assert_eq!(document["report"]["problems"].as_array().unwrap().len(), 2, "{document:#}");
    // And for whoever sends a signal it stands in the log.
    stage.proxy.signal(Signal::SIGHUP);
    stage.proxy.line("the configuration has errors; the one in use stays");
    stage.proxy.line("did you mean `body`");
    fs::remove_file(&stage.file).unwrap();
    assert!(stage.reload(&[], 1).1.contains("cannot read the configuration"), "{}", stage.file);
    assert_eq!(stage.said(), "first");
    stage.write(&says("second", ""));
    stage.reload(&[], 0);
    assert_eq!(stage.said(), "second");
}

#[test]
fn what_can_t_be_changed_while_it_runs_is_refused_whole() {
    let stage = Stage::set("refused", "");
    stage.write(&says("second", "state: elsewhere"));
    let (_, told) = stage.reload(&[], 1);
    assert!(told.contains("`state` is another than the one in use") && told.contains("hint: "), "{told}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    for wanted in [format!("'127.0.0.1:0', '{taken}'"), "'127.0.0.1:0'".to_owned()] {
        let admin = if wanted.contains(',') { "127.0.0.1:0".to_owned() } else { taken.to_string() };
        let text = says("second", "").replace("listen: ['127.0.0.1:0']", &format!("listen: [{wanted}]"));
        stage.write(&text.replace("admin: '127.0.0.1:0'", &format!("admin: '{admin}'")));
        let (_, told) = stage.reload(&[], 1);
        assert!(told.contains(&taken.to_string()) && told.contains("in use"), "{told}");
    }
    assert_eq!(stage.said(), "first");
    let methods = Kept::open(stage.admin).ask("GET", "/api/v1/reload").0;
    assert!(methods.starts_with("HTTP/1.1 405 "), "{methods}");
}

/// Two programs of one user can share a port, and the usual look for others would find the listener that goes.
#[test]
fn an_address_that_becomes_another_one_of_its_port_is_shared_with_no_other_program() {
    let stage = Stage::set("neighbour", "");
    let port = ReservedPort::new();
    let here = |ip: [u8; 4]| SocketAddr::from((ip, port.address().port()));
    let listening = |address: SocketAddr| {
        says("second", "").replace("listen: ['127.0.0.1:0']", &format!("listen: ['{address}']"))
    };
    stage.write(&listening(here([127, 0, 0, 1])));
    stage.reload(&[], 0);
    let neighbour = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    neighbour.set_reuse_port(true).unwrap();
    neighbour.set_reuse_address(true).unwrap();
    neighbour.bind(&here([0, 0, 0, 0]).into()).unwrap();
    neighbour.listen(1).unwrap();
    stage.write(&listening(here([0, 0, 0, 0])));
    let (_, told) = stage.reload(&[], 1);
    assert!(told.contains(&here([0, 0, 0, 0]).to_string()) && told.contains("in use"), "{told}");
    drop(neighbour);
    stage.reload(&[], 0);
    assert!(answer(ask(here([127, 0, 0, 1]), "a.example", "/")).ends_with("second"));
}

#[test]
fn a_signal_reloads_and_so_does_the_file_where_it_is_watched() {
    let mut stage = Stage::set("watched", "");
    stage.write(&says("second", "watch: true"));
    stage.proxy.signal(Signal::SIGHUP);
    stage.proxy.line("another configuration is in use");
    assert_eq!(stage.said(), "second");
    stage.write(&says("third", "watch: true"));
    stage.proxy.line("another configuration is in use");
    assert_eq!(stage.said(), "third");
    // A wrong one changes nothing, and is looked at no more until it changes again.
    stage.write("nonsense: true\n");
    stage.proxy.line("the one in use stays");
    stage.write(&says("fourth", ""));
    stage.proxy.line("another configuration is in use");
    assert_eq!(stage.said(), "fourth");
    // It is not watched any more.
    stage.write(&says("fifth", ""));
    stage.reload(&[], 0);
    assert_eq!(stage.said(), "fifth");
}

#[test]
fn the_admin_listener_moves_and_still_answers_who_asked_for_it() {
    let mut stage = Stage::set("admin-moves", "");
    let port = ReservedPort::new();
    let free = port.address();
    stage.write(&says("second", "").replace("admin: '127.0.0.1:0'", &format!("admin: '{free}'")));
    let (told, _) = stage.reload(&[], 0);
    assert!(told.contains("setting admin"), "{told}");
    assert_eq!(stage.proxy.address("admin listening address="), free);
    assert_eq!(admin(free, "GET", "/api/v1/upstreams")["upstreams"].as_array().unwrap().len(), 0);
    stage.write(&says("third", "").replace("admin: '127.0.0.1:0'", "admin: off"));
    let address = free.to_string();
    finished(&["reload", "--admin", &address], 0);
    assert_eq!(stage.said(), "third");
    until(|| TcpStream::connect(free).is_err());
    finished(&["reload", "--admin", &address], 1);
}

/// Many who ask at once are two readings: one that is under way, and one for all others.
#[test]
fn who_asks_during_a_reload_gets_the_word_of_the_next_one() {
    let stage = Stage::set("at-once", "");
    let asked = std::thread::scope(|scope| {
        stage.write(&says("second", ""));
        let ask = || Kept::open(stage.admin).ask("POST", "/api/v1/reload").1;
        let asking: Vec<_> = (0..16).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).collect::<Vec<_>>()
    });
    for body in &asked {
        let told: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(told["generation"], 2, "{told:#}");
    }
    assert_eq!(stage.said(), "second");
}

#[test]
fn a_program_without_a_file_says_so() {
    let mut proxy = Running::start(&["balance", "--listen", "127.0.0.1:0", "127.0.0.1:1"]);
    proxy.line("started");
    proxy.signal(Signal::SIGHUP);
    proxy.line("there is no configuration file to read again");
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.end().0, Some(0));
}
