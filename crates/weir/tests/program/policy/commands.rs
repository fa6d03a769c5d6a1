//! The three command lines of the original, with `weir policy` in front.

use std::io::Write;

use super::super::process::{Running, finished, finished_at_terminal};
use super::super::scratch::Scratch;
use super::scripted::{Server, connect, message, packet};

fn sample(number: u8) -> String {
    format!("{}/../../examples/policy/client_packet_{number}.json", env!("CARGO_MANIFEST_DIR"))
}

fn server(number: &str, policy: &str, proxy: &str, more: &[&str]) -> Running {
    let mut server =
        Running::start(&[&["policy", "server", number, policy, "0", "--proxy", proxy], more].concat());
    server.line("registered as server");
    server
}

#[test]
fn the_three_programs_do_what_the_original_ones_do() {
    let (_proxy, address) = Running::proxy(&["policy", "proxy", "0"]);
    let (port, place) = (address.port().to_string(), address.to_string());
    let client = |file: &str, code: i32| finished(&["policy", "client", "1", &port, file], code);
    let (stdout, stderr) = client(&sample(1), 1);
    assert_eq!(stdout, "");
    assert_eq!(stderr, "error: there is no server for the policy 111\n");
    let _servers = [
        server("1", "111", &place, &[]),
        server("2", "111", &place, &["--pickle"]),
        server("1", "112", &place, &["--keep"]),
        server("1", "113", &place, &["--keep", "--pickle"]),
    ];
    for number in [1, 1, 2, 2, 3, 3] {
        let verified = "Transmission successfully received by server\n".to_owned();
        assert_eq!(client(&sample(number), 0), (verified, String::new()));
    }
    // By its whole address too.
    finished(&["policy", "client", "1", &place, &sample(2)], 0);
    let scratch = Scratch::new("policy-commands");
    let file = scratch.file("long.json", packet(111, &"x".repeat(1025)));
    assert_eq!(client(&file, 1).1, "error: the payload has 1025 characters, and may have 1024\n");
    for payload in ["x", "🦀"] {
        // Characters count, of which some are four bytes.
        client(&scratch.file("longest.json", packet(111, &payload.repeat(1024))), 0);
    }
    let file = scratch.file("long.json", packet(111, &"🦀".repeat(1025)));
    assert_eq!(client(&file, 1).1, "error: the payload has 1025 characters, and may have 1024\n");
    for (content, part) in
        [("{", "no end"), ("{\"type\": 1}", "holds nothing to send"), ("hello", "JSON object")]
    {
        assert!(client(&scratch.file("bad.json", content), 1).1.contains(part), "{content}");
    }
    assert!(client("nowhere.json", 1).1.contains("can't be read"));
    assert!(finished(&["policy", "client", "1", "nowhere", "x"], 2).1.contains("is no place of a proxy"));
}

/// At a terminal the client asks whether it shall try again; elsewhere nobody could say so.
#[test]
fn a_transmission_that_arrived_otherwise_is_tried_again_if_somebody_wants_it() {
    let (_proxy, address) = Running::proxy(&["policy", "proxy", "0"]);
    let port = address.port().to_string();
    let wrong = Server::numbered(7).registered(address, 7, 111);
    let line = ["policy", "client", "1", port.as_str(), &sample(1)];
    let (stdout, stderr) = finished(&line, 1);
    assert_eq!((stdout.as_str(), stderr.as_str()), ("", "error: the server has received something else\n"));
    let (stdout, stderr) = finished_at_terminal(&line, "y\nn\n", 1);
    assert_eq!(stdout, "");
    assert_eq!(stderr.matches("try again?").count(), 2, "{stderr}");
    assert_eq!(wrong.received.lock().unwrap().len(), 3);
}

#[test]
fn programs_that_find_nobody_say_what_to_do() {
    let nobody = weir_testkit::port::ReservedPort::new().address();
    let (place, port) = (nobody.to_string(), nobody.port().to_string());
    let (_, stderr) = finished(&["policy", "server", "1", "111", "0", "--proxy", &place], 1);
    assert!(stderr.contains("can't be reached") && stderr.contains("hint: start one"), "{stderr}");
    let (_, stderr) = finished(&["policy", "client", "1", &port, &sample(1)], 1);
    assert!(
        stderr.contains("there is no answer of the proxy") && stderr.contains("hint: start one"),
        "{stderr}"
    );
    let (_proxy, address) = Running::proxy(&["policy", "proxy", "0"]);
    let (_, stderr) = finished(&["policy", "proxy", &address.port().to_string()], 1);
    assert!(stderr.contains("for policy groups, is in use by another program"), "{stderr}");
    let taken = address.port().to_string();
    let (_, stderr) = finished(&["policy", "server", "1", "111", &taken, "--proxy", &address.to_string()], 1);
    assert!(stderr.contains("can't be listened on") && stderr.contains("choose another port"), "{stderr}");
    assert!(finished(&["policy", "proxy", "0", "--allow", "x"], 2).1.contains("no address and no network"));
}

/// Connections on which nothing comes yet keep no other one waiting.
#[test]
fn a_server_answers_many_messages_at_once() {
    let (_proxy, address) = Running::proxy(&["policy", "proxy", "0"]);
    let place = address.to_string();
    let mut server = Running::start(&["policy", "server", "7", "111", "0", "--proxy", &place]);
    let line = server.line("registered as server");
    let (_, rest) = line.split_once("listening on ").unwrap();
    let own = rest.split(',').next().unwrap().parse().unwrap();
    let silent: Vec<_> = (0..100).map(|_| connect(own)).collect();
    finished(&["policy", "client", "1", &place, &sample(1)], 0);
    let digest = "a9993e364706816aba3e25717850c26c9cd0d89d";
    for mut stream in silent {
        stream.write_all(packet(111, "abc").as_bytes()).unwrap();
        assert_eq!(
            message(&mut stream).unwrap(),
            format!(r#"{{"type": 2, "srcid": 7, "destid": 1, "payloadsize": 40, "payload": "{digest}"}}"#)
        );
    }
}

#[test]
fn a_server_shows_its_token() {
    let scratch = Scratch::new("policy-token");
    let (token, other) = (scratch.file("token", "hush\n"), scratch.file("other", "hash\n"));
    let (mut proxy, address) = Running::proxy(&["policy", "proxy", "0", "--token-file", &token]);
    let place = address.to_string();
    let line = ["policy", "server", "1", "111", "0", "--proxy", &place];
    let (_, stderr) = finished(&line, 1);
    assert!(stderr.contains("does not register it: the `token` is missing or wrong"), "{stderr}");
    let (_, stderr) = finished(&[&line[..], &["--token-file", &other]].concat(), 1);
    assert!(stderr.contains("missing or wrong") && !stderr.contains("hash"), "{stderr}");
    let _server = server("1", "111", &place, &["--token-file", &token]);
    proxy.line("a server has registered");
    finished(&["policy", "client", "1", &place, &sample(1)], 0);
    let empty = scratch.file("empty", "\n");
    for program in [&line[..], &["policy", "proxy", "0"]] {
        let (_, stderr) = finished(&[program, &["--token-file", &empty]].concat(), 2);
        assert!(stderr.contains("holds no token"), "{stderr}");
        let (_, stderr) = finished(&[program, &["--token-file", "nowhere"]].concat(), 2);
        assert!(stderr.contains("`nowhere` can't be read"), "{stderr}");
    }
}

/// A proxy that comes back knows nobody; the servers say again that they are there.
#[test]
fn a_server_registers_again_where_a_proxy_was_restarted() {
    let port = weir_testkit::port::ReservedPort::new();
    let (place, number) = (port.address().to_string(), port.address().port().to_string());
    let (first, _) = Running::proxy(&["policy", "proxy", &number]);
    let mut server = server("1", "111", &place, &[]);
    drop(first);
    let (mut second, _) = Running::proxy(&["policy", "proxy", &number]);
    second.line("a server has registered");
    finished(&["policy", "client", "1", &number, &sample(1)], 0);
    drop(second);
    let scratch = Scratch::new("policy-restarted");
    let token = scratch.file("token", "hush");
    let (mut third, _) = Running::proxy(&["policy", "proxy", &number, "--token-file", &token]);
    third.line("a server may not register");
    server.line("the proxy does not register it any more");
}
