//! Messages on their way: spellings, pieces, and servers that refuse, hang, answer late, answer something else or die.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::process::Running;
use super::super::scratch::Scratch;
use super::scripted::{Server, answer, ask, connect, message, packet, register, reply};

/// A proxy whose servers have this long to answer.
fn proxy(scratch: &Scratch, answer: &str) -> (Running, SocketAddr) {
    let text = format!(
        "admin: off\nworkers: 2\nlisten: [{{address: '127.0.0.1:0', protocol: policy, timeouts: {{answer: {answer}, idle: 1m}}}}]\n"
    );
    Running::proxy(&["run", "-c", &scratch.file("weir.yaml", text)])
}

fn payload(answer: &str) -> &str {
    answer.split("\"payload\": \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or(answer)
}

#[test]
fn what_is_passed_on_is_not_altered_and_what_is_said_is_said_alike() {
    let scratch = Scratch::new("policy-spelling");
    let (_proxy, address) = proxy(&scratch, "30s");
    let server = Server::start(|_, stream| {
        reply(stream, "{\"destid\":\"1\",  \"type\":\"2\",\"more\":[1],\"payload\":\"\\u00e9\"}");
    });
    let server = server.registered(address, 7, 111);
    let question =
        "{\"payload\":\"\\u0041\",\"srcid\":\"1\", \"unknown\":[1],\"privPolyId\":\"111\",\"type\":\"0\"}";
    let said = "{\"destid\":\"1\",  \"type\":\"2\",\"more\":[1],\"payload\":\"\\u00e9\"}";
    assert_eq!(ask(address, question), said);
    assert_eq!(*server.received.lock().unwrap(), [question]);
    for (question, expected) in [
        (
            r#"{"type": "0", "srcid": "9", "privPolyId": "5", "payload": "x"}"#,
            r#"{"type": "-1", "destid": "9", "privPolyId": "5", "reason": "there is no server for the policy 5"}"#,
        ),
        (
            r#"{"type": 0, "privPoliId": 5, "payload": "x"}"#,
            r#"{"type": -1, "privPoliId": 5, "reason": "there is no server for the policy 5"}"#,
        ),
        (
            r#"{"type": 9, "srcid": 3}"#,
            r#"{"type": -1, "destid": 3, "reason": "there is no type 9: 0 is a message, 1 registers a server"}"#,
        ),
    ] {
        assert_eq!(ask(address, question), expected);
    }
}

#[test]
fn messages_come_in_pieces_at_once_and_one_after_the_other() {
    let scratch = Scratch::new("policy-pieces");
    let (_proxy, address) = proxy(&scratch, "30s");
    let _server = Server::numbered(7).registered(address, 7, 111);
    let mut stream = connect(address);
    stream.set_nodelay(true).unwrap();
    for byte in packet(111, "x").as_bytes() {
        stream.write_all(&[*byte]).unwrap();
    }
    assert_eq!(message(&mut stream).unwrap(), answer(7, "1"));
    let three = [packet(111, "a"), packet(112, "b"), packet(111, "c")].join("\r\n ");
    stream.write_all(three.as_bytes()).unwrap();
    assert_eq!(payload(&message(&mut stream).unwrap()), "7");
    assert!(message(&mut stream).unwrap().contains("no server for the policy 112"));
    assert_eq!(payload(&message(&mut stream).unwrap()), "7");
    // What can't be understood ends the connection, after it was said.
    stream.write_all(b"{\"type\": 0,, }").unwrap();
    assert!(message(&mut stream).unwrap().contains("no JSON"));
    assert_eq!(message(&mut stream), None);
}

#[test]
fn a_server_that_fails_is_passed_over_and_when_all_do_it_is_said() {
    let scratch = Scratch::new("policy-failing");
    let (_proxy, address) = proxy(&scratch, "2s");
    let nobody = weir_testkit::port::ReservedPort::new();
    let check = |policy: i64, part: &str| {
        let refused = ask(address, &packet(policy, "x"));
        assert!(refused.starts_with(r#"{"type": -1, "destid": 1, "#) && refused.contains(part), "{refused}");
        let good = Server::numbered(9).registered(address, 9, policy);
        for _ in 0..4 {
            assert_eq!(ask(address, &packet(policy, "x")), answer(9, "1"), "{part}");
        }
        drop(good);
    };
    register(address, 1, 1, nobody.address().port());
    // A check may have found it before.
    check(1, "no server of the policy 1");
    let hanging = Server::start(|_, _| {}).registered(address, 1, 2);
    check(2, "did not answer in time");
    let late = Server::start(|_, stream| {
        // It is told when nobody waits any more.
        let _ = stream.read(&mut [0]);
        reply(stream, &answer(1, "1"));
    });
    let late = late.registered(address, 1, 3);
    check(3, "did not answer in time");
    let garbage = Server::start(|_, stream| reply(stream, "HTTP/1.1 400 Bad Request\r\n\r\n"));
    let garbage = garbage.registered(address, 1, 4);
    check(4, "answered otherwise than expected");
    let other = Server::start(|_, stream| reply(stream, &answer(1, "2"))).registered(address, 1, 5);
    check(5, "it is for another client");
    let dying = Server::start(|_, stream| {
        reply(stream, "{\"type\": 2, \"dest");
        let _ = stream.shutdown(Shutdown::Both);
    });
    let dying = dying.registered(address, 1, 6);
    check(6, "ended the connection without an answer");
    let echoing = Server::start(|text, stream| reply(stream, text)).registered(address, 1, 7);
    check(7, "it is no message of type 2");
    let endless = Server::start(|_, stream| reply(stream, &format!("{{\"a\": \"{}", "x".repeat(200_000))));
    let endless = endless.registered(address, 1, 8);
    check(8, "the message is too long");
    for server in [hanging, late, garbage, other, dying, echoing, endless] {
        assert!(!server.received.lock().unwrap().is_empty(), "it was asked");
    }
}

#[test]
fn the_rotation_stays_whole_when_servers_go() {
    let scratch = Scratch::new("policy-rotation");
    let (mut proxy, address) = proxy(&scratch, "30s");
    let mut servers: Vec<_> =
        (1..=3).map(|number| Server::numbered(number).registered(address, number, 111)).collect();
    let round = |count: usize| -> Vec<String> {
        (0..count).map(|_| payload(&ask(address, &packet(111, "x"))).to_owned()).collect()
    };
    let mut first = round(3);
    assert_eq!(round(6), [first.clone(), first.clone()].concat());
    first.sort();
    assert_eq!(first, ["1", "2", "3"]);
    servers[2].end();
    // Nobody notices, before a check has found it and afterwards.
    assert!(round(6).iter().all(|answer| answer == "1" || answer == "2"));
    proxy.line("a server is UNREACHABLE");
    let two = round(4);
    assert_eq!([&two[0], &two[1]], [&two[2], &two[3]]);
    assert_ne!(two[0], two[1]);
    servers[1].end();
    proxy.line("a server is UNREACHABLE");
    assert_eq!(round(3), ["1", "1", "1"]);
    servers[0].end();
    proxy.line("a server is UNREACHABLE");
    assert!(ask(address, &packet(111, "x")).contains("no server of the policy 111 can take a message now"));
    let _fourth = Server::numbered(4).registered(address, 1, 111);
    assert_eq!(round(2), ["4", "4"]);
}

/// A connection that a server lets us keep is used again; one that it has closed meanwhile costs nobody anything. A message that is
/// there before the server closes is read by it all the same, so what comes on that connection afterwards is not counted.
#[test]
fn kept_connections_are_used_again_and_closed_ones_are_no_failure() {
    let scratch = Scratch::new("policy-kept");
    let text = "admin: off\nworkers: 1\nlisten: [{address: '127.0.0.1:0', protocol: policy}]\n";
    let (_proxy, address) = Running::proxy(&["run", "-c", &scratch.file("weir.yaml", text)]);
    let count = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&count);
    let closed = std::sync::Mutex::new(None);
    let server = Server::start(move |_, stream: &mut TcpStream| {
        let Ok(peer) = stream.peer_addr() else { return };
        let mut closed = closed.lock().unwrap();
        if *closed == Some(peer) {
            return;
        }
        let number = counted.fetch_add(1, Ordering::SeqCst);
        // The third one is the last that it wants.
        if number == 2 {
            *closed = Some(peer);
        }
        reply(stream, &answer(7, "1"));
        if number == 2 {
            let _ = stream.shutdown(Shutdown::Both);
        }
    });
    let text = format!(
        r#"{{"type": 1, "id": 7, "privPolyId": 111, "listenport": {}, "keep": true, "confirm": true}}"#,
        server.address.port()
    );
    assert!(ask(address, &text).contains("\"keep\": true"));
    for _ in 0..6 {
        assert_eq!(ask(address, &packet(111, "x")), answer(7, "1"));
    }
    assert_eq!(count.load(Ordering::SeqCst), 6);
}

/// Whoever says that nothing more will come, gets the answers to what has come.
#[test]
fn who_half_closes_after_its_messages_gets_all_answers() {
    let scratch = Scratch::new("policy-half");
    let (_proxy, address) = proxy(&scratch, "30s");
    let _server = Server::numbered(7).registered(address, 7, 111);
    let mut stream = connect(address);
    stream.write_all([packet(111, "a"), packet(112, "b"), packet(111, "c")].concat().as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(message(&mut stream).unwrap(), answer(7, "1"));
    assert!(message(&mut stream).unwrap().contains("no server for the policy 112"));
    assert_eq!(message(&mut stream).unwrap(), answer(7, "1"));
    assert_eq!(message(&mut stream), None);
    // In the middle of a message there is nothing to be said.
    let mut half = connect(address);
    half.write_all(b"{\"type\": 0").unwrap();
    half.shutdown(Shutdown::Write).unwrap();
    assert_eq!(message(&mut half), None);
}

/// Servers of old take a check for a client: it must say nothing, and end like one that has nothing to say.
#[test]
fn a_check_connects_and_closes() {
    let scratch = Scratch::new("policy-check");
    let (_proxy, address) = proxy(&scratch, "30s");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    register(address, 7, 111, listener.local_addr().unwrap().port());
    for _ in 0..2 {
        let (mut stream, _) = listener.accept().unwrap();
        let mut said = Vec::new();
        assert_eq!(stream.read_to_end(&mut said).unwrap(), 0, "a FIN and no reset");
    }
    // One after the other, as the oldest servers work: a check is no message, and the next connection may be one.
    let serving = std::thread::spawn(move || {
        loop {
            let (mut stream, _) = listener.accept().unwrap();
            if message(&mut stream).is_some() {
                return reply(&mut stream, &answer(7, "1"));
            }
        }
    });
    assert_eq!(ask(address, &packet(111, "x")), answer(7, "1"));
    serving.join().unwrap();
}

#[test]
fn who_replaces_whom_is_logged() {
    let scratch = Scratch::new("policy-replaced");
    let (mut proxy, address) = proxy(&scratch, "30s");
    let (old, new) = (Server::numbered(1), Server::numbered(2));
    register(address, 7, 111, old.address.port());
    let line = proxy.line("a server has registered");
    assert!(line.contains(&format!("server=\"{}\"", old.address)) && line.contains("id=7"), "{line}");
    assert_eq!(ask(address, &packet(111, "x")), answer(1, "1"));
    register(address, 7, 111, new.address.port());
    let line = proxy.line("in place of another one");
    assert!(line.contains(&format!("replaced={}", old.address)), "{line}");
    for _ in 0..3 {
        assert_eq!(ask(address, &packet(111, "x")), answer(2, "1"));
    }
    // The same address under another number.
    register(address, 8, 111, new.address.port());
    let line = proxy.line("registered otherwise than before");
    assert!(line.contains("id=8"), "{line}");
    assert_eq!(ask(address, &packet(111, "x")), answer(2, "1"));
}

/// A client loads what its proxy gives it: what a server says must be plain data too.
#[test]
fn a_pickle_of_a_server_that_would_do_something_reaches_nobody() {
    let scratch = Scratch::new("policy-hostile");
    let (_proxy, address) = proxy(&scratch, "30s");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_le_bytes();
    let serving = std::thread::spawn(move || {
        loop {
            let (mut stream, _) = listener.accept().unwrap();
            let mut said = [0; 1000];
            // A check says nothing.
            if stream.read(&mut said).unwrap() > 0 {
                assert_eq!(&said[..2], b"\x80\x02", "it gets what it registered with");
                stream.write_all(b"\x80\x02}X\x04\0\0\0typecos\nsystem\nX\x02\0\0\0id\x85Rs.").unwrap();
                return;
            }
        }
    });
    let mut stream = connect(address);
    let names: [(&str, &[u8]); 5] = [
        ("type", b"K\x01"),
        ("id", b"K\x07"),
        ("privPolyId", b"K\x6f"),
        ("confirm", b"\x88"),
        ("listenport", &[b'M', port[0], port[1]]),
    ];
    stream.write_all(b"\x80\x02}(").unwrap();
    for (name, value) in names {
        let name = [&[b'X', name.len() as u8, 0, 0, 0], name.as_bytes(), value].concat();
        stream.write_all(&name).unwrap();
    }
    stream.write_all(b"u.").unwrap();
    assert_eq!(stream.read(&mut [0; 1000]).unwrap().min(1), 1, "it is registered");
    let refused = ask(address, &packet(111, "x"));
    assert!(
        refused.contains("answered otherwise than expected: the pickle is not loaded: `GLOBAL`"),
        "{refused}"
    );
    serving.join().unwrap();
}
