//! Sockets that a service manager has opened, and keeps while the program is started again.

use std::fs::{self, File, Permissions};
use std::io::{IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use socket2::{Domain, Socket, Type};

use super::super::process::{Running, answer, ask};
use super::super::scratch::Scratch;
use super::super::upgrade::Family;

/// Starts the program with these descriptors, and variables that say this.
fn start_saying(given: &[BorrowedFd<'_>], variables: [&str; 3], file: &str) -> Running {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let numbers: Vec<RawFd> = given.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    sendmsg::<()>(ours.as_raw_fd(), &[IoSlice::new(b"x")], &rights, MsgFlags::empty(), None).unwrap();
    let launcher = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/systemd/launcher.py");
    let words = [&[launcher.to_str().unwrap()], &variables[..]].concat();
    Running::start_from("python3", &words, &[], &["run", "-c", file], OwnedFd::from(theirs))
}

/// The same as a manager does that tells the truth.
fn start(given: &[BorrowedFd<'_>], file: &str) -> Running {
    start_saying(given, ["self", "all", "one:two"], file)
}

/// One that answers for itself, and listens there.
fn config(scratch: &Scratch, listen: &str, top: &str) -> String {
    let text = format!(
        "listen: [{listen}]\nworkers: 2\n{top}\nservices: [{{host: '*', respond: {{body: here}}}}]\n"
    );
    scratch.file("weir.yaml", text)
}

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// Three at one address.
fn several() -> (Vec<Socket>, SocketAddr) {
    let mut sockets: Vec<Socket> = Vec::new();
    let mut address = "127.0.0.1:0".parse::<SocketAddr>().unwrap();
    for _ in 0..3 {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(&address.into()).unwrap();
        socket.listen(128).unwrap();
        address = socket.local_addr().unwrap().as_socket().unwrap();
        sockets.push(socket);
    }
    (sockets, address)
}

fn end(running: Running) -> Vec<String> {
    running.signal(Signal::SIGTERM);
    let (code, lines) = running.end();
    assert_eq!(code, Some(0), "{lines:?}");
    lines
}

fn unix_answer(mut stream: UnixStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn unix_ask(path: &str) -> UnixStream {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n").unwrap();
    stream
}

/// The links of the system for what a process has open.
fn open(pid: u32) -> Vec<String> {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().map(|entry| entry.unwrap().path());
    links.filter_map(|link| Some(fs::read_link(link).ok()?.to_str()?.to_owned())).collect()
}

/// The same for one of this process.
fn link(descriptor: impl AsFd) -> String {
    let path = format!("/proc/self/fd/{}", descriptor.as_fd().as_raw_fd());
    fs::read_link(path).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn who_connects_before_it_starts_and_between_two_starts_is_served() {
    let scratch = Scratch::new("activation");
    let (listener, address) = listener();
    let file = config(&scratch, &format!("'{address}'"), "admin: off");
    for _ in 0..3 {
        let early = ask(address.parse().unwrap(), "a.example", "/");
        let mut running = start(&[listener.as_fd()], &file);
        running.line(&format!("a socket was handed over address={address} name=one"));
        assert!(answer(early).ends_with("here"));
        running.line("started");
        assert!(answer(ask(address.parse().unwrap(), "a.example", "/")).ends_with("here"));
        end(running);
    }
}

/// A message that makes no sense, and what is said to it: nobody needs to have registered.
fn policy_ask(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    // Who is led to a socket that nobody accepts from would wait for ever.
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(b"{\"type\": 9}").unwrap();
    // So that the connection ends with the answer.
    stream.shutdown(Shutdown::Write).unwrap();
    stream
}

fn policy_answer(mut stream: TcpStream) -> String {
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    said
}

/// Listeners for policy groups beside others: each finds its own socket, also who comes before the start and between two starts, and an
/// upgrade hands it on.
#[test]
fn listeners_for_policy_groups_take_their_sockets_too() {
    let scratch = Scratch::new("activation-policy");
    let (http, http_address) = listener();
    let (first, first_address) = listener();
    let (second, second_address) = listener();
    let listen = format!(
        "{{address: '{first_address}', protocol: policy}}, '{http_address}', {{address: '{second_address}', protocol: policy, \
         payload_max: 9}}"
    );
    let file = config(&scratch, &listen, "admin: '127.0.0.1:0'");
    let given = [http.as_fd(), second.as_fd(), first.as_fd()];
    for _ in 0..2 {
        let early = [policy_ask(&first_address), policy_ask(&second_address)];
        let early_http = ask(http_address.parse().unwrap(), "a.example", "/");
        let mut running = start(&given, &file);
        for early in early {
            assert!(policy_answer(early).contains("no type 9"));
        }
        assert!(answer(early_http).ends_with("here"));
        running.line("started");
        assert!(policy_answer(policy_ask(&second_address)).contains("no type 9"));
        let lines = end(running);
        assert!(!lines.concat().contains("does not listen on"), "{lines:?}");
    }
    let mut family = Family::of(start(&given, &file));
    for _ in 0..2 {
        family.replace();
        family.running.line("stopped connections_cut=0");
        for address in [&first_address, &second_address] {
            assert!(policy_answer(policy_ask(address)).contains("no type 9"));
        }
    }
    family.signal(Signal::SIGTERM);
    family.all_end();
    let late = policy_ask(&first_address);
    let mut running = start(&given, &file);
    running.line("started");
    assert!(policy_answer(late).contains("no type 9"));
    end(running);
}

/// The system spreads connections over all sockets of an address: one from which nobody accepts would be a trap, also after an upgrade.
#[test]
fn a_listener_for_policy_groups_uses_all_sockets_of_its_address() {
    let scratch = Scratch::new("activation-policy-several");
    let (sockets, address) = several();
    let listen = format!("{{address: '{address}', protocol: policy}}, '127.0.0.1:0'");
    let file = config(&scratch, &listen, "admin: '127.0.0.1:0'");
    let address = address.to_string();
    let early: Vec<TcpStream> = (0..40).map(|_| policy_ask(&address)).collect();
    let given: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
    let mut family = Family::of(start(&given, &file));
    for early in early {
        assert!(policy_answer(early).contains("no type 9"));
    }
    family.replace();
    family.running.line("stopped connections_cut=0");
    let late: Vec<TcpStream> = (0..40).map(|_| policy_ask(&address)).collect();
    for late in late {
        assert!(policy_answer(late).contains("no type 9"));
    }
    family.signal(Signal::SIGTERM);
    family.all_end();
}

/// Somebody else started with them, and started this one.
#[test]
fn sockets_for_another_process_are_left_alone() {
    let scratch = Scratch::new("activation-other");
    let (listener, address) = listener();
    let file = config(&scratch, &format!("'{address}'"), "admin: off");
    for variables in
        [["1", "all", ""], ["", "all", ""], ["self", "0", ""], ["self", "100000", ""], ["self", "x", ""]]
    {
        let (code, lines) = start_saying(&[listener.as_fd()], variables, &file).end();
        let text = lines.join("\n");
        assert_eq!(code, Some(1), "{variables:?}: {text}");
        assert!(text.contains(&format!("`{address}` is in use already")), "{variables:?}: {text}");
        let is_told = ["100000", "x"].contains(&variables[1]);
        assert_eq!(text.contains("sockets can't be taken over"), is_told, "{variables:?}: {text}");
    }
}

#[test]
fn what_is_of_no_use_is_closed_and_told() {
    let scratch = Scratch::new("activation-useless");
    let (listener, address) = listener();
    let (other, other_address) = self::listener();
    let connected = TcpStream::connect(&other_address).unwrap();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let file = File::open(file!()).or_else(|_| File::open("/etc/hostname")).unwrap();
    let (pipe, _writer) = std::io::pipe().unwrap();
    let config = config(&scratch, &format!("'{address}'"), "admin: off");
    let given =
        [other.as_fd(), connected.as_fd(), datagrams.as_fd(), file.as_fd(), listener.as_fd(), pipe.as_fd()];
    let mut running = start_saying(&given, ["self", "9", "a:b:c:d:e"], &config);
    running.lines(&[
        "what was handed over can't be used, and is closed name=b error=it is a connection",
        "name=c error=it is a socket for datagrams",
        "name=d error=it is no socket",
        "name=unknown error=it is no socket",
        "a descriptor was not handed over number=9",
        "a descriptor was not handed over number=10",
        "a descriptor was not handed over number=11",
        &format!(
            "a socket was handed over that the configuration does not listen on; it is closed here, and who \
             connects to it waits address={other_address}"
        ),
        "started",
    ]);
    assert!(answer(ask(address.parse().unwrap(), "a.example", "/")).ends_with("here"));
    let open = open(running.id());
    assert!(open.contains(&link(&listener)));
    for closed in [link(&other), link(&connected), link(&datagrams), link(&file), link(&pipe)] {
        assert!(!open.contains(&closed), "{closed} is open in {open:?}");
    }
    end(running);
}

/// The system spreads connections over all sockets of an address: one from which nobody accepts would be a trap.
#[test]
fn all_sockets_of_an_address_are_used() {
    let scratch = Scratch::new("activation-several");
    let (sockets, address) = several();
    let file = config(&scratch, &format!("'{address}'"), "admin: off");
    let early: Vec<TcpStream> = (0..40).map(|_| ask(address, "a.example", "/")).collect();
    let given: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
    let mut running = start(&given, &file);
    running.line("started");
    for early in early {
        assert!(answer(early).ends_with("here"));
    }
    end(running);
}

/// Files of sockets are the manager's, whoever has had the sockets meanwhile; and nobody may open the admin listener who may not by the
/// configuration.
#[test]
fn the_admin_listener_and_unix_sockets_come_from_the_manager_too_and_stay_with_it() {
    let scratch = Scratch::new("activation-unix");
    let (clients, admin) = (scratch.path("clients"), scratch.path("admin"));
    let given = [UnixListener::bind(&clients).unwrap(), UnixListener::bind(&admin).unwrap()];
    fs::set_permissions(&admin, Permissions::from_mode(0o666)).unwrap();
    let (other, address) = listener();
    let given = [given[0].as_fd(), other.as_fd(), given[1].as_fd()];
    let top = format!("admin: {{address: 'unix:{admin}', mode: '0600'}}");
    let file = config(&scratch, &format!("'unix:{clients}', '{address}'"), &top);
    for _ in 0..2 {
        let early = unix_ask(&clients);
        let mut running = start(&given, &file);
        running.line("started");
        assert!(unix_answer(early).ends_with("here"));
        assert!(unix_answer(unix_ask(&admin)).starts_with("HTTP/1.1 "));
        assert_eq!(fs::metadata(&admin).unwrap().permissions().mode() & 0o777, 0o600);
        end(running);
        UnixStream::connect(&clients).unwrap();
        UnixStream::connect(&admin).unwrap();
    }
}

#[test]
fn an_upgrade_hands_them_on_and_the_manager_keeps_its_files() {
    let scratch = Scratch::new("activation-upgrade");
    let (listener, address) = listener();
    let (admin, admin_address) = self::listener();
    let path = scratch.path("clients");
    let unix = UnixListener::bind(&path).unwrap();
    let given = [admin.as_fd(), listener.as_fd(), unix.as_fd()];
    let top = format!("admin: '{admin_address}'");
    let file = config(&scratch, &format!("'{address}', 'unix:{path}'"), &top);
    let mut family = Family::of(start(&given, &file));
    for _ in 0..2 {
        family.replace();
        family.running.line("stopped connections_cut=0");
        assert!(answer(ask(address.parse().unwrap(), "a.example", "/")).ends_with("here"));
        assert!(unix_answer(unix_ask(&path)).ends_with("here"));
        let environment = fs::read(format!("/proc/{}/environ", family.pid())).unwrap();
        let environment = String::from_utf8_lossy(&environment);
        assert!(!environment.contains("LISTEN_"), "{environment}");
    }
    family.signal(Signal::SIGTERM);
    family.all_end();
    let waiting = unix_ask(&path);
    let mut running = start(&given, &file);
    running.line("started");
    assert!(unix_answer(waiting).ends_with("here"));
    end(running);
}
