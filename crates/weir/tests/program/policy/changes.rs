//! Listeners that come, change and go while the program runs.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};

use weir_testkit::port::ReservedPort;
use weir_testkit::wait::until;

use super::super::process::{Running, finished};
use super::super::scratch::Scratch;
use super::scripted::{Server, answer, ask, connect, message, packet};

/// A program with listeners that a test changes.
struct Stage {
    _proxy: Running,
    address: SocketAddr,
    admin: SocketAddr,
    scratch: Scratch,
}

fn text(listeners: &[&str], rest: &str) -> String {
    let listeners: Vec<_> = listeners.iter().map(|listener| format!("{{{listener}}}")).collect();
    let listeners = listeners.join(", ");
    format!("admin: '127.0.0.1:0'\nworkers: 2\ndrain: {{idle: 1h}}\nlisten: [{listeners}]\n{rest}")
}

/// The first one: at a port of the system's choice, whose connections live long.
const FIRST: &str = "address: '127.0.0.1:0', protocol: policy, timeouts: {idle: 1h}";

fn at(address: SocketAddr) -> String {
    format!("address: '{address}', protocol: policy, timeouts: {{idle: 1h}}")
}

impl Stage {
    fn set(test: &str) -> Self {
        let scratch = Scratch::new(test);
        let file = scratch.file("weir.yaml", text(&[FIRST], ""));
        let mut proxy = Running::start(&["run", "-c", &file]);
        let (address, admin) = proxy.addresses();
        Self { _proxy: proxy, address, admin, scratch }
    }

    /// Another file is read; what is said to that.
    fn reload(&self, listeners: &[&str], code: i32) -> String {
        self.reload_with(text(listeners, ""), code)
    }

    fn reload_with(&self, text: String, code: i32) -> String {
        self.scratch.file("weir.yaml", text);
        let (told, error) = finished(&["reload", "--admin", &self.admin.to_string()], code);
        told + &error
    }
}

fn says(stream: &mut TcpStream, text: &str) -> Option<String> {
    stream.write_all(text.as_bytes()).ok()?;
    message(stream)
}

#[test]
fn listeners_come_and_go_and_those_that_stay_keep_their_connections_and_servers() {
    let stage = Stage::set("policy-come-and-go");
    let _server = Server::numbered(7).registered(stage.address, 7, 111);
    let mut kept = connect(stage.address);
    assert_eq!(says(&mut kept, &packet(111, "x")).unwrap(), answer(7, "1"));
    let port = ReservedPort::new();
    let second = at(port.address());
    let told = stage.reload(&[&second, FIRST], 0);
    assert!(
        told.contains(&format!("  + listener {}\n", port.address())) && told.starts_with("1 change "),
        "{told}"
    );
    // Servers are those of all listeners, in both directions.
    assert_eq!(ask(port.address(), &packet(111, "x")), answer(7, "1"));
    let _other = Server::numbered(8).registered(port.address(), 8, 112);
    assert_eq!(ask(stage.address, &packet(112, "x")), answer(8, "1"));
    assert_eq!(stage.reload(&[&second, FIRST], 0), "the configuration says nothing new\n");
    // The second one goes: who has just come in is served, who is idle goes, and nobody comes in any more.
    let mut fresh = connect(port.address());
    let mut idle = connect(port.address());
    assert_eq!(says(&mut idle, &packet(111, "x")).unwrap(), answer(7, "1"));
    let told = stage.reload(&[FIRST], 0);
    assert!(told.contains(&format!("  - listener {}\n", port.address())), "{told}");
    assert_eq!(message(&mut idle), None);
    assert_eq!(says(&mut fresh, &packet(112, "x")).unwrap(), answer(8, "1"));
    assert_eq!(message(&mut fresh), None, "one answer, and then it is idle");
    until(|| TcpStream::connect(port.address()).is_err());
    assert_eq!(says(&mut kept, &packet(112, "x")).unwrap(), answer(8, "1"));
    // All of them, and one again.
    let http = "address: '127.0.0.1:0'";
    let respond = "services: [{host: '*', respond: {}}]\n";
    stage.reload_with(text(&[http], respond), 0);
    until(|| TcpStream::connect(stage.address).is_err());
    stage.reload(&[&second], 0);
    assert_eq!(ask(port.address(), &packet(111, "x")), answer(7, "1"), "it has not been forgotten");
}

#[test]
fn what_is_said_of_a_listener_holds_from_the_next_message_on() {
    let stage = Stage::set("policy-changed");
    let _server = Server::numbered(7).registered(stage.address, 7, 111);
    let mut kept = connect(stage.address);
    assert_eq!(says(&mut kept, &packet(111, "four")).unwrap(), answer(7, "1"));
    let listener =
        format!("{FIRST}, payload_max: 3, limits: {{messages: 2/h}}, register: {{allow: [10.0.0.0/8]}}");
    let told = stage.reload(&[&listener], 0);
    assert!(told.contains(&format!("  ~ listener {}\n", stage.address)), "{told}");
    assert!(says(&mut kept, &packet(111, "four")).unwrap().contains("has 4 characters, and may have 3"));
    let registration = r#"{"type": 1, "id": 9, "privPolyId": 111, "listenport": 2105}"#;
    assert!(ask(stage.address, registration).contains("may not register from 127.0.0.1"));
    for _ in 0..2 {
        assert_eq!(says(&mut kept, &packet(111, "abc")).unwrap(), answer(7, "1"));
    }
    assert!(says(&mut kept, &packet(111, "abc")).unwrap().contains("too many messages"));
    // What was used of a rate that stays is used; another one begins anew.
    let same_rate = listener.replace("payload_max: 3", "payload_max: 100000");
    stage.reload(&[&same_rate], 0);
    assert!(says(&mut kept, &packet(111, "abc")).unwrap().contains("too many messages"));
    stage.reload(&[&same_rate.replace("2/h", "3/h")], 0);
    let long = "x".repeat(80_000);
    assert_eq!(ask(stage.address, &packet(111, &long)), answer(7, "1"));
    // One connection and no more: who is there stays.
    stage.reload(&[&format!("{FIRST}, limits: {{connections: 1}}")], 0);
    assert_eq!(says(&mut kept, &packet(111, "x")).unwrap(), answer(7, "1"));
    let mut waits = connect(stage.address);
    waits.write_all(packet(111, "x").as_bytes()).unwrap();
    drop(kept);
    assert_eq!(message(&mut waits).unwrap(), answer(7, "1"));
}

#[test]
fn what_can_t_be_had_changes_nothing_and_is_told() {
    let stage = Stage::set("policy-refused");
    let _server = Server::numbered(7).registered(stage.address, 7, 111);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = ReservedPort::new();
    let (second, third) = (at(port.address()), at(taken.local_addr().unwrap()));
    let told = stage.reload(&[&second, &third, &format!("{FIRST}, payload_max: 1")], 1);
    assert!(
        told.contains("for policy groups, is in use by another program") && told.contains("hint: "),
        "{told}"
    );
    until(|| TcpStream::connect(port.address()).is_err());
    assert_eq!(ask(stage.address, &packet(111, "four")), answer(7, "1"));
    // One that was opened is closed again when something else can't be had.
    let told = stage.reload_with(text(&[&second, FIRST], "state: elsewhere\n"), 1);
    assert!(told.contains("`state` is another"), "{told}");
    until(|| TcpStream::connect(port.address()).is_err());
    // A port does not begin to speak something else.
    stage.reload(&[&second], 0);
    let http = format!("address: '{}'", port.address());
    let told = stage.reload_with(text(&[&http, FIRST], "services: [{host: '*', respond: {}}]\n"), 1);
    assert!(told.contains("the `protocol` of") && told.contains("hint: "), "{told}");
    assert_eq!(ask(port.address(), &packet(111, "x")), answer(7, "1"));
}
