//! Inventories as people write them, and what is wrong with them.

#![allow(clippy::unwrap_used)]

use weir_core::server::Transport;

use super::*;

fn check(text: &str, expected: &[(&str, &str, u16)]) {
    let servers = parse("inventory.conf", text.as_bytes(), &Surroundings::default())
        .unwrap_or_else(|report| panic!("{report}"));
    let found: Vec<(&str, String, u16)> = servers
        .iter()
        .map(|server| match &server.transport {
            Transport::Ip(address, port) => (&*server.written, address.to_string(), *port),
            Transport::Name(name, port) => (&*server.written, name.to_string(), *port),
            Transport::Unix(path) => (&*server.written, path.display().to_string(), 0),
        })
        .collect();
    let expected: Vec<(&str, String, u16)> =
        expected.iter().map(|(written, host, port)| (*written, (*host).to_owned(), *port)).collect();
    assert_eq!(found, expected, "{text:?}");
}

/// Places (`line:column`) and parts of the messages and hints.
fn check_refused(text: &str, expected: &[(&str, &str)]) {
    let report = parse("inventory.conf", text.as_bytes(), &Surroundings::default()).unwrap_err();
    assert_eq!(report.problems().len(), expected.len(), "{report}");
    for (problem, (place, part)) in report.problems().iter().zip(expected) {
        let found = problem.span.map(|span| report.source().position(span.start));
        let found = found.map_or("-".to_owned(), |at| format!("{}:{}", at.line, at.column));
        assert_eq!(found, *place, "{report}");
        let hint = problem.hint.as_deref().unwrap_or_default();
        assert!(!hint.is_empty(), "{report}");
        assert!(problem.message.contains(part) || hint.contains(part), "{part}: {report}");
    }
}

#[test]
fn each_line_is_a_server() {
    check(
        "localhost:8080\nlocalhost:8081\nlocalhost:8082\n",
        &[
            ("localhost:8080", "localhost", 8080),
            ("localhost:8081", "localhost", 8081),
            ("localhost:8082", "localhost", 8082),
        ],
    );
    check(
        "app1\n10.0.0.1\n[::1]\n[::1]:81",
        &[("app1", "app1", 80), ("10.0.0.1", "10.0.0.1", 80), ("[::1]", "::1", 80), ("[::1]:81", "::1", 81)],
    );
    check(
        "http://a:8000\nhttps://b/x\nunix:/run/c",
        &[("http://a:8000", "a", 8000), ("https://b/x", "b", 443), ("unix:/run/c", "/run/c", 0)],
    );
}

#[test]
fn blank_lines_and_comments_are_passed_over() {
    check(
        "\u{feff}# ours\r\n\r\n  a:1  # the first\r\n\t\n#b:2\n\ta:3\t#",
        &[("a:1", "a", 1), ("a:3", "a", 3)],
    );
}

#[test]
fn everything_that_is_wrong_is_told_with_its_place() {
    check_refused(
        "a:1\n8080\n  b:port # no\n::1\nc d\na:1\nhttp://e?x\n",
        &[
            ("2:1", "127.0.0.1:8080"),
            ("3:3", "port from 1 to 65535"),
            ("4:1", "[::1]:80"),
            ("5:1", "one server on each line"),
            ("6:1", "stands twice"),
            ("7:1", "no query"),
        ],
    );
    check_refused("a\na:80\n", &[("2:1", "stands twice")]);
    check_refused("a_b!:80\n", &[("1:1", "not a server")]);
    check_refused("a:0\n", &[("1:1", "65535")]);
    check_refused("a/b\n", &[("1:1", "http://a/b")]);
}

#[test]
fn a_server_of_the_configuration_does_not_stand_in_it_too() {
    let beside = [address::server("a:80").unwrap(), address::server("unix:/run/x").unwrap()];
    let around = Surroundings { base_dir: Some(Path::new("/run")), beside: &beside };
    let report = parse("i", b"b\nhttp://a\nunix:x\n", &around).unwrap_err();
    assert_eq!(report.problems().len(), 2, "{report}");
    assert!(report.to_string().contains("i:2:1") && report.to_string().contains("i:3:1"), "{report}");
    let servers = parse("i", b"b\nunix:y\n", &around).unwrap();
    assert_eq!(servers[1].transport, Transport::Unix("/run/y".into()));
}

/// A pipe would never end, and whoever reads it once takes it away from the next one.
#[test]
fn only_plain_files_are_read_again_and_again() {
    for file in ["/dev/null", "/"] {
        assert!(read(Path::new(file)).unwrap_err().to_string().contains("plain file"), "{file}");
    }
    assert_eq!(read(Path::new("/nowhere/inventory")).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn an_inventory_without_servers_is_none() {
    for text in ["", "\n\n", "# none\n"] {
        check_refused(text, &[("-", "no server")]);
    }
    let report = parse("i", b"a:1\n\xff\n", &Surroundings::default()).unwrap_err();
    assert!(report.to_string().contains("UTF-8") && report.to_string().contains("i:2:1"), "{report}");
    let report = parse("i", &vec![b'\n'; FILE_BYTES_MAX + 1], &Surroundings::default()).unwrap_err();
    assert!(report.to_string().contains("more than 1 MiB"), "{report}");
}
