//! `weir check`.

use serde_json::Value;

use super::process::finished;
use super::scratch::Scratch;

const VALID: &str = "listen: ['127.0.0.1:0']\nservices: [{host: a.example, respond: {body: x}}]\n";
const TWO_ERRORS: &str = "listen: ['127.0.0.1:0']\nservices:\n  - host: a.example\n    upstraem: web\n    \
                          dispatch: nonsense\nupstreams:\n  web: {servers: ['127.0.0.1:9001']}\n";

#[test]
fn a_valid_file_is_summed_up_on_stdout() {
    let scratch = Scratch::new("check-valid");
    let file = scratch.file("weir.yaml", VALID);
    for arguments in
        [&["check", "-c", &file][..], &["-t", "-c", &file], &["-tc", &file], &["run", "-t", "-c", &file]]
    {
        let (stdout, stderr) = finished(arguments, 0);
        assert_eq!(stdout, format!("`{file}` is valid: 1 service, 1 route, 0 upstreams, 0 servers\n"));
        assert_eq!(stderr, "");
    }
}

#[test]
fn every_error_is_told_with_its_place() {
    let scratch = Scratch::new("check-errors");
    let file = scratch.file("weir.yaml", TWO_ERRORS);
    for arguments in [
        &["check", "-c", &file][..],
        &["-t", "-c", &file],
        &["run", "-t", "-c", &file],
        &["run", "-c", &file],
    ] {
        let (stdout, stderr) = finished(arguments, 3);
        assert_eq!(stdout, "");
        for part in [
            &format!("{file}:4:5"),
            "upstraem",
            "did you mean",
            "upstream",
            &format!("{file}:5:"),
            "nonsense",
        ] {
            assert!(stderr.contains(part), "`{part}` in\n{stderr}");
        }
        assert!(!stderr.contains('\x1b'), "no colour into a pipe\n{stderr}");
    }
}

#[test]
fn problems_are_printed_as_json() {
    let scratch = Scratch::new("check-json");
    let check = |name: &str, text: &str, code: i32| -> Value {
        let file = scratch.file(name, text);
        let (stdout, stderr) = finished(&["check", "--json", "-c", &file], code);
        assert_eq!(stderr, "");
        serde_json::from_str(&stdout).unwrap()
    };
    assert_eq!(check("valid.yaml", VALID, 0)["problems"], Value::Array(vec![]));
    let problems = check("invalid.yaml", TWO_ERRORS, 3);
    let lines: Vec<_> =
        problems["problems"].as_array().unwrap().iter().map(|problem| problem["line"].as_u64()).collect();
    assert!(lines.contains(&Some(4)) && lines.contains(&Some(5)), "{problems}");
}

#[test]
fn the_schema_needs_no_file() {
    let (stdout, _) = finished(&["check", "--schema"], 0);
    let schema: Value = serde_json::from_str(&stdout).unwrap();
    assert!(schema["$schema"].is_string(), "{schema}");
    finished(&["check", "--schema", "--json"], 2);
}
