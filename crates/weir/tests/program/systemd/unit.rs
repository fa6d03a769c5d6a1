//! The unit files that are shipped: systemd reads them without a word, what they run exists, and they give little away.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::super::process::{finished, run};
use super::super::scratch::Scratch;
use super::config;

/// How exposed the service may be, in tenths; a unit that says nothing has 96.
const EXPOSURE_MAX: u32 = 20;

/// Where the package puts the program.
const INSTALLED: &str = "/usr/bin/weir";

fn unit(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/systemd").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The units as if the program of this build had been installed.
fn installed(scratch: &Scratch, change: impl Fn(String) -> String) -> [String; 2] {
    let service = change(unit("weir.service").replace(INSTALLED, env!("CARGO_BIN_EXE_weir")));
    [scratch.file("weir.service", service), scratch.file("weir.socket", unit("weir.socket"))]
}

fn analyze(words: &[&str]) -> Output {
    Command::new("systemd-analyze").args(words).env("SYSTEMD_COLORS", "0").output().unwrap_or_else(|error| {
        panic!("`systemd-analyze` can't be run: {error}\n\nhint: `cargo xtask test` installs it")
    })
}

/// What systemd has to say of them.
fn complaints(units: &[String; 2]) -> String {
    let output = analyze(&["verify", "--man=no", "--recursive-errors=no", &units[0], &units[1]]);
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success() || !text.is_empty());
    text
}

/// The values of a key.
fn values<'a>(unit: &'a str, key: &'a str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

#[test]
fn systemd_has_nothing_to_say_of_the_units() {
    let scratch = Scratch::new("unit");
    let units = installed(&scratch, |service| service);
    assert_eq!(complaints(&units), "");
    let units = installed(&scratch, |service| service.replace("WatchdogSec=", "WatchDogSec="));
    assert!(complaints(&units).contains("WatchDogSec"), "it would have said it");
}

#[test]
#[expect(clippy::print_stderr, reason = "a figure that is measured is shown")]
fn the_service_gives_little_away() {
    let scratch = Scratch::new("unit-security");
    let units = installed(&scratch, |service| service);
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    let output = analyze(&["security", "--offline=yes", "--no-pager", &threshold, &units[0]]);
    let text = String::from_utf8(output.stdout).unwrap();
    let figure = text.lines().rfind(|line| line.contains("Overall exposure level")).unwrap_or_default();
    eprintln!("{figure}");
    assert!(output.status.success() && !figure.is_empty(), "{text}");
}

/// A service manager that starts again what can't start does so for ever.
#[test]
fn what_does_not_get_better_is_not_tried_again() {
    let scratch = Scratch::new("unit-exit-codes");
    let wrong = scratch.file("wrong.yaml", "listen: nowhere\n");
    let service = unit("weir.service");
    let prevented = values(&service, "RestartPreventExitStatus").concat();
    let codes: Vec<&str> = prevented.split(' ').collect();
    for words in [&["run", "-c", &wrong][..], &["run", "--nonsense"]] {
        let code = run(words).status.code().unwrap().to_string();
        assert!(
            codes.contains(&code.as_str()),
            "{words:?} ends with {code}, and {codes:?} are not tried again"
        );
    }
    let missing = run(&["run", "-c", &scratch.path("missing.yaml")]).status.code().unwrap().to_string();
    assert!(!codes.contains(&missing.as_str()), "a file that is not there may come");
    assert_eq!(values(&service, "Restart"), ["on-failure"]);
    // What may get better is tried for as long as it takes: by default five starts within ten seconds are the last ones.
    let (of_unit, _) = service.split_once("\n[Service]\n").unwrap();
    assert_eq!(values(of_unit, "StartLimitIntervalSec"), ["0"], "systemd reads it in [Unit] alone");
    assert_eq!(values(&service, "RestartSec"), ["1s"]);
}

#[test]
fn a_reload_checks_the_file_that_the_service_runs_with() {
    let scratch = Scratch::new("unit-reload");
    let service = unit("weir.service");
    let started = values(&service, "ExecStart");
    let reloaded = values(&service, "ExecReload");
    let file = started[0].strip_prefix(&format!("{INSTALLED} run -c ")).unwrap();
    assert_eq!(reloaded, [&*format!("{INSTALLED} check -c {file}"), "/bin/kill -HUP $MAINPID"]);
    let words: Vec<&str> = reloaded[0].split(' ').skip(1).collect();
    let good = scratch.file("weir.yaml", config(1, ""));
    let words: Vec<&str> = words.into_iter().map(|word| if word == file { &good } else { word }).collect();
    finished(&words, 0);
}
