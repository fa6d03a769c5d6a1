//! Whole files: the examples, what people see when something is wrong, and that no bytes make it panic.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use proptest::prelude::{ProptestConfig, any, prop, proptest};

use super::{LoadError, Loaded, load, parse};
use crate::problem::Severity;
use crate::report::Report;

/// The example of the project's description.
const PRODUCT: &str = r#"
listen: ["127.0.0.1:8080"]
services:
  - host: my-service.my-company.com        # exact, *.wildcard, or "*" for the rest
    upstream: web
  - host: api.my-company.com
    routes:
      - path: /orders/                      # prefix; `exact:` and `regex:` too
        upstream: orders
        dispatch: {GET: balance, POST: {mode: duplicate, acknowledge: quorum}}
      - path: /
        upstream: web
        dispatch: {mode: hedge, after: p95, at_most: 200ms, budget: 5%}
upstreams:
  web: {servers: [127.0.0.1:9001, 127.0.0.1:9002], balance: round_robin}
  orders:
    servers: [{address: 127.0.0.1:9003, weight: 2}, 127.0.0.1:9004, 127.0.0.1:9005]
    balance: least_requests
    health: {path: /healthz, interval: 1s, timeout: 500ms, unhealthy_after: 3, healthy_after: 1}
    retry: {attempts: 2, on: [connect_failure, reset, 502, 503, 504]}
"#;

fn parsed(text: &[u8]) -> Result<Loaded, Report> {
    parse("weir.yaml", text, &|_| None, Path::new("/etc/weir"))
}

/// Parts of the messages of what was found, in order.
fn check(text: &[u8], expected: &[&str]) {
    let report = parsed(text).map_or_else(|report| report, |loaded| loaded.warnings);
    let messages: Vec<String> =
        report.problems().iter().map(|one| format!("{}: {}", one.severity.name(), one.message)).collect();
    assert_eq!(messages.len(), expected.len(), "{messages:#?}");
    for (message, part) in messages.iter().zip(expected) {
        assert!(message.contains(part), "{message:?} has not {part:?}");
    }
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

#[test]
fn the_examples_are_taken() {
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(examples()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            load(&path).unwrap_or_else(|error| panic!("{error}"));
            seen.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    for name in ["minimal.yaml", "routes.yaml", "host-services.yaml"] {
        assert!(seen.iter().any(|one| one == name), "{name} is missing");
    }
}

#[test]
fn the_described_example_is_taken() {
    check(PRODUCT.as_bytes(), &["warning: `PUT`, `PATCH` or `DELETE` would go to one server only"]);
}

/// What a person sees. Five different mistakes, one run.
#[test]
fn five_problems_are_shown_at_once() {
    let text = "\
listen: 8080
services:
  - host: a.example
    upstrem: web
  - host: A.example.
    upstream: wbe
upstreams:
  web: [127.0.0.1:9001, \"ftp://x\"]
";
    let report = parsed(text.as_bytes()).unwrap_err();
    let expected = r#"error: `8080` is not an address to listen on
 --> weir.yaml:1:9
  |
1 | listen: 8080
  |         ^^^^

hint: write `127.0.0.1:8080` for this machine only, or `:8080` for all addresses

error: unknown key `upstrem`
 --> weir.yaml:4:5
  |
4 |     upstrem: web
  |     ^^^^^^^

hint: did you mean `upstream`?

error: the host `a.example` already has a service
 --> weir.yaml:5:11
  |
5 |   - host: A.example.
  |           ^^^^^^^^^^
  |
 ::: weir.yaml:3:11
  |
3 |   - host: a.example
  |           --------- it is written here

hint: a host belongs to one service; put the routes together there

error: there is no upstream `wbe`
 --> weir.yaml:6:15
  |
6 |     upstream: wbe
  |               ^^^

hint: did you mean `web`?

error: a server has no scheme `ftp`
 --> weir.yaml:8:25
  |
8 |   web: [127.0.0.1:9001, "ftp://x"]
  |                         ^^^^^^^^^

hint: write `host:port`, `http://host`, `https://host` or `unix:PATH`
"#;
    assert_eq!(report.render(false), expected);
    assert!(report.render(true).contains("\u{1b}["), "colour is there when it is asked for");
    assert_eq!(report.to_string(), expected);

    let json = report.to_json();
    assert_eq!(json["file"], "weir.yaml");
    assert_eq!(json["more"], 0);
    assert_eq!(json["problems"][1]["severity"], "error");
    assert_eq!(json["problems"][1]["line"], 4);
    assert_eq!(json["problems"][1]["column"], 5);
    assert_eq!(json["problems"][1]["end_column"], 12);
    assert_eq!(json["problems"][1]["hint"], "did you mean `upstream`?");
}

#[test]
fn many_problems_are_capped_with_errors_first() {
    let mut text = "services: [{host: a, upstream: u}]\nupstreams:\n  u: [a:1]\n".to_owned();
    for number in 0..60 {
        text.push_str(&format!("  unused{number}: [a:1]\n"));
    }
    let loaded = parsed(text.as_bytes()).unwrap();
    assert_eq!((loaded.warnings.problems().len(), loaded.warnings.more()), (50, 10));
    assert!(loaded.warnings.render(false).ends_with("\nand 10 more\n"));

    let mut text = "services: [{host: a, upstream: u}]\nupstreams: {u: [a:1], v: [a:1]}\n".to_owned();
    for number in 0..3000 {
        text.push_str(&format!("key{number}: 1\n"));
    }
    let report = parsed(text.as_bytes()).unwrap_err();
    assert_eq!(report.problems().len(), 50);
    assert!(report.problems().iter().all(|problem| problem.severity == Severity::Error));
    assert!(report.more() >= 2950, "{}", report.more());
}

#[test]
fn files_that_are_no_text_say_so() {
    check(b"", &["error: the configuration is empty"]);
    check(b"\n \n", &["error: the configuration is empty"]);
    check(b"\xef\xbb\xbf", &["error: the configuration is empty"]);
    check(b"listen: \"\xff\"", &["error: the configuration is not UTF-8"]);
    check(b"\xff\xfel\0", &["error: the configuration is not UTF-8"]);
    check(&vec![b'#'; (16 << 20) + 1], &["error: the configuration has more than 16 MiB"]);
    let report = parsed(b"a: 1\nb: \xffx").unwrap_err();
    assert!(report.render(false).contains("weir.yaml:2:4"), "{report}");
    assert!(parsed(b"\xff\xfel\0").unwrap_err().to_string().contains("hint: this is UTF-16"));
}

#[test]
fn a_byte_order_mark_shifts_nothing() {
    let report = parsed(b"\xef\xbb\xbfworkerz: 1").unwrap_err();
    assert!(report.render(false).contains("weir.yaml:1:1\n"), "{report}");
}

#[test]
fn a_line_of_megabytes_is_not_printed() {
    let text = format!("services: [{{host: \"{}\", upstrem: 1}}]", "x".repeat(3_000_000));
    let shown = parsed(text.as_bytes()).unwrap_err().render(false);
    assert!(shown.len() < 2000 && shown.contains("weir.yaml:1:3000023"), "{shown}");
}

#[test]
fn signs_that_would_change_a_terminal_are_not_passed_on() {
    let shown = parsed("services: \"\\e[31m\\a\"\n\"\\e[2J\": 1".as_bytes()).unwrap_err().render(false);
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{7}'), "{shown:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_no_invalid_configuration() {
    let missing = load(Path::new("/nonexistent/weir.yaml")).unwrap_err();
    assert!(
        missing.to_string().contains("cannot read the configuration `/nonexistent/weir.yaml`"),
        "{missing}"
    );
    assert!(matches!(missing, LoadError::Read { .. }));
    assert!(matches!(load(&examples()), Err(LoadError::Read { .. })), "a directory");
}

#[test]
fn the_environment_makes_values_and_never_structure() {
    let environment = |name: &str| match name {
        "PORT" => Some("9001".to_owned()),
        "WORKERS" => Some("3".to_owned()),
        "EVIL" => Some("x\nadmin: off".to_owned()),
        _ => None,
    };
    let check = |text: &str, part: &str| {
        let outcome = parse("weir.yaml", text.as_bytes(), &environment, Path::new(""));
        let shown = outcome.map_or_else(|report| report.to_string(), |loaded| format!("{:?}", loaded.model));
        assert!(shown.contains(part), "{text}: {shown}");
    };
    let rest = "services: [{host: a, upstream: [\"127.0.0.1:${PORT}\"]}]";
    check(rest, "written: \"127.0.0.1:9001\"");
    check(&format!("workers: ${{WORKERS}}\n{rest}"), "workers: Some(3)");
    check(&format!("workers: \"${{WORKERS}}\"\n{rest}"), "workers: Some(3)");
    check(&format!("workers: ${{NONE:-5}}\n{rest}"), "workers: Some(5)");
    check(&format!("forwarded: ${{NONE:-true}}\n{rest}"), "forwarded: true");
    check(&format!("workers: ${{NONE}}\n{rest}"), "weir.yaml:1:10");
    check(&format!("state: ${{EVIL}}\n{rest}"), "state: \"x\\nadmin: off\"");
    check("services: [{host: a, redirect: \"https://$host$path\"}]", "location: \"https://$host$path\"");
    check("services: [{host: a, redirect: \"https://${host}\"}]", "the variable is written `$host`");
}

#[test]
fn state_lies_where_the_service_manager_says_else_beside_the_file() {
    let check = |extra: &str, directory: Option<&str>, expected: &str| {
        let text = format!("{extra}\nservices: [{{host: a, respond: {{}}}}]");
        let environment = |_: &str| directory.map(str::to_owned);
        let loaded = parse("weir.yaml", text.as_bytes(), &environment, Path::new("/etc/weir")).unwrap();
        assert_eq!(loaded.model.state, Path::new(expected), "{extra:?} {directory:?}");
    };
    check("", None, "/etc/weir/.weir");
    check("", Some("/var/lib/weir"), "/var/lib/weir");
    check("", Some("/var/lib/weir:/var/lib/other"), "/var/lib/weir");
    check("", Some(""), "/etc/weir/.weir");
    check("state: data", Some("/var/lib/weir"), "/etc/weir/data");
    check("state: /data", None, "/data");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parsed(&bytes).map_err(|report| (report.render(true), report.to_json()));
    }

    /// Signs that mean something in YAML, in any order.
    #[test]
    fn no_structure_makes_it_panic(text in "([-?:,&*!|>'\"%@`#{}\\[\\] \n\ta<~$ä]|services|host|\\$\\{|: |- |\n  ){0,60}") {
        let _ = parsed(text.as_bytes()).map_err(|report| (report.render(true), report.to_json()));
    }

    /// A valid file with some bytes replaced, inserted or taken away.
    #[test]
    fn no_mutation_makes_it_panic(
        file in 0usize..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0u8..3, any::<u8>()), 1..8),
    ) {
        let routes = include_bytes!("../../../../examples/routes.yaml").as_slice();
        let host_services = include_bytes!("../../../../examples/host-services.yaml").as_slice();
        let mut bytes = [PRODUCT.as_bytes(), routes, host_services][file].to_vec();
        for (place, kind, byte) in changes {
            let at = place.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        if let Err(report) = parsed(&bytes) {
            assert!(!report.is_empty(), "an error has a reason");
            let _ = (report.render(true), report.to_json());
        }
    }
}
