//! What `--help` of each command looks like, and what is made of the same words.

use std::fs;

use super::process::{finished, run};
use super::scratch::Scratch;

/// A terminal of the usual size, less the line for the next prompt.
const LINES_MAX: usize = 23;
const COLUMNS_MAX: usize = 80;

/// The commands as the program lists them.
fn commands() -> Vec<String> {
    let (help, _) = finished(&["--help"], 0);
    let listed =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // A short spelling stands behind a comma.
    let names = listed.filter_map(|line| line.split([' ', ',']).find(|word| !word.is_empty()));
    let names: Vec<_> = names.map(str::to_owned).collect();
    assert!(names.len() > 5, "{help}");
    names
}

fn check(arguments: &[&str]) {
    let (help, stderr) = finished(&[arguments, &["--help"]].concat(), 0);
    assert_eq!(finished(&[arguments, &["-h"]].concat(), 0).0, help, "-h shows the same");
    assert_eq!(stderr, "");
    assert!(help.lines().count() <= LINES_MAX, "{} lines\n{help}", help.lines().count());
    for line in help.lines() {
        assert!(line.chars().count() <= COLUMNS_MAX, "{line}");
    }
    let (_, example) = help.rsplit_once("\nExample:\n  weir ").unwrap_or_else(|| panic!("{help}"));
    assert_eq!(example.lines().count(), 1, "{help}");
}

#[test]
fn every_help_fits_on_a_screen_and_ends_with_an_example() {
    check(&[]);
    for command in commands().iter().filter(|command| *command != "help") {
        check(&[command]);
    }
    ["proxy", "server", "client"].iter().for_each(|role| check(&["policy", role]));
}

#[test]
fn help_may_be_asked_for_as_a_command() {
    for command in commands() {
        assert_eq!(finished(&["help", &command], 0).0, finished(&[&command, "--help"], 0).0);
    }
    assert_eq!(finished(&["help"], 0).0, finished(&["--help"], 0).0);
    assert!(finished(&["help", "fly"], 2).1.contains("no command `fly`"));
}

#[test]
fn nothing_at_all_shows_the_help_as_wrong_usage() {
    let (stdout, stderr) = finished(&[], 2);
    assert_eq!(stdout, "");
    assert!(stderr.contains("Usage: weir"), "{stderr}");
}

#[test]
fn the_version_is_told() {
    assert_eq!(finished(&["--version"], 0).0, concat!("weir ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn manual_pages_are_printed_and_written() {
    let (page, _) = finished(&["man"], 0);
    assert!(page.contains(".TH weir 1") && page.contains("weir\\-demo"), "{page}");
    let scratch = Scratch::new("man");
    let directory = scratch.path("man1");
    finished(&["man", &directory], 0);
    for command in commands().iter().filter(|command| *command != "help") {
        let page = fs::read_to_string(format!("{directory}/weir-{command}.1")).unwrap();
        assert!(page.contains("Example:"), "{page}");
    }
    let file = scratch.file("file", "");
    let (_, stderr) = finished(&["man", &file], 1);
    assert!(stderr.starts_with("error: ") && stderr.contains(&file), "{stderr}");
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (script, _) = finished(&["completions", shell], 0);
        assert!(script.contains("balance"), "{shell}: {script}");
    }
    assert_eq!(run(&["completions", "dos"]).status.code(), Some(2));
}
