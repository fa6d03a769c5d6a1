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

/// A connection that a server lets us keep is used again; one that it has closed meanwhile costs nobody anything.
#[test]
fn kept_connections_are_used_again_and_closed_ones_are_no_failure() {
    let scratch = Scratch::new("policy-kept");
    let text = "admin: off\nworkers: 1\nlisten: [{address: '127.0.0.1:0', protocol: policy}]\n";
    let (_proxy, address) = Running::proxy(&["run", "-c", &scratch.file("weir.yaml", text)]);
    let count = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&count);
    let server = Server::start(move |_, stream: &mut TcpStream| {
        let number = counted.fetch_add(1, Ordering::SeqCst);
        reply(stream, &answer(7, "1"));
        // The third one is the last that it wants.
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
