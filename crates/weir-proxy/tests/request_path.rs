//! `docs/request-path.md` describes the stages that there are: the same names, in the same order, with files that exist.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn page() -> String {
    read(&source().join("../../../docs/request-path.md"))
}

/// The list at the top of `stages/mod.rs`: lines of the form ``//! - `name`: …``.
fn stages() -> Vec<String> {
    let text = read(&source().join("stages/mod.rs"));
    let items = text.lines().filter_map(|line| line.strip_prefix("//! - `"));
    items.map(|item| item.split('`').next().unwrap().to_owned()).collect()
}

#[test]
fn the_headings_are_the_stages_in_their_order() {
    let page = page();
    let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(headings.first(), Some(&"inbound"), "where bytes become exchanges comes before the stages");
    assert_eq!(headings[1..], stages());
    // Dispatch is what happens inside of forward.
    let section = page.split("\n## forward\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let inner: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(inner, ["dispatch"]);
}

#[test]
fn the_list_of_stages_is_that_of_the_files_that_say_they_are_one() {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(source().join("stages")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_file() && read(&path).starts_with(&format!("//! Stage *{name}*")) {
            files.push(name);
        }
    }
    let mut stages = stages();
    stages.sort();
    files.sort();
    assert_eq!(stages, files);
}

#[test]
fn every_file_that_the_page_names_is_there() {
    let page = page();
    let quoted = page.split('`').skip(1).step_by(2);
    let mut named = 0;
    for name in quoted.filter(|name| name.contains('/') && !name.contains([' ', '*'])) {
        if name.ends_with(".rs") || name.ends_with('/') {
            let path = if name.starts_with("crates/") {
                source().join("../../..").join(name)
            } else {
                source().join(name)
            };
            assert!(path.exists(), "`{name}` is not there");
            named += 1;
        }
    }
    assert!(named > 20, "the page names files");
}
