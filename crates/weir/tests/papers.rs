//! What the papers promise can be followed: links lead somewhere, the configurations that README shows are those that the examples
//! test runs, and what an operator types or looks for at night is there: commands, options, metrics, lines of the log.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use weir_core::limit_hit::LimitHit;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The papers of a directory.
fn papers(directory: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// What `[…](TARGET)` points to, on this page or another one of ours.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    targets.filter(|target| !target.contains("://"))
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let plain = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings
        .map(|line| line.trim_start_matches('#').trim().to_lowercase())
        .map(|heading| heading.chars().filter(plain).collect::<String>().replace(' ', "-"))
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut followed = 0;
    for paper in [papers(&root()), papers(&root().join("docs"))].concat() {
        let text = read(&paper);
        for link in links(&text) {
            let (file, anchor) =
                link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
            let target = if file.is_empty() { paper.clone() } else { paper.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: `{link}` leads nowhere", paper.display());
            if let Some(anchor) = anchor {
                let there = anchors(&read(&target)).iter().any(|known| known == anchor);
                assert!(there, "{}: `{link}` is no heading", paper.display());
            }
            followed += 1;
        }
    }
    assert!(followed > 20, "the papers have links");
}

#[test]
fn readme_shows_examples_as_they_are() {
    let readme = read(&root().join("README.md"));
    for name in ["minimal.yaml", "host-services.yaml"] {
        let example = read(&root().join("examples").join(name));
        let lines: Vec<&str> = example.lines().filter(|line| !line.starts_with('#')).collect();
        let block = format!("```yaml\n{}\n```", lines.join("\n"));
        assert!(readme.contains(&block), "README.md does not show `examples/{name}` as it is:\n{block}");
    }
}

/// What an operator reads in a hurry.
const AT_NIGHT: [&str; 3] = ["docs/operating.md", "docs/install.md", "docs/systemd.md"];

/// The pages of these that there are, with their names.
fn at_night() -> Vec<(&'static str, String)> {
    let pages = AT_NIGHT.into_iter().filter(|name| root().join(name).exists());
    pages.map(|name| (name, read(&root().join(name)))).collect()
}

/// Every command line of ours in code blocks and between backticks.
fn commands(text: &str) -> BTreeSet<Vec<String>> {
    let mut is_code = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if is_code {
            found.insert(line.trim_start_matches("$ ").to_owned());
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    // Behind these another command or a comment begins.
    let first = |line: &str| line.split([';', '|', '>', '#', '&']).next().unwrap_or_default().to_owned();
    let words = |line: String| first(&line).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    found.into_iter().map(words).filter(|words| words.len() > 1 && words[0] == "weir").collect()
}

#[test]
fn commands_that_an_operator_types_exist_with_their_options() {
    let mut tried = 0;
    for (page, text) in at_night() {
        for words in commands(&text) {
            let names: Vec<&String> =
                words[1..].iter().take_while(|word| word.chars().all(|c| c.is_ascii_lowercase())).collect();
            // A command, and a command of that where it has some. Whatever else stands there is an argument.
            let help = |depth: usize| {
                let named = &names[..depth.min(names.len())];
                let output =
                    Command::new(env!("CARGO_BIN_EXE_weir")).args(named).arg("--help").output().unwrap();
                output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
            };
            let help =
                help(2).or_else(|| help(1)).unwrap_or_else(|| panic!("{page}: no `{}`", words.join(" ")));
            for option in words.iter().filter(|word| word.starts_with('-')) {
                let option = option.split('=').next().unwrap_or_default();
                let is_there = help.split([' ', ',', '\n', '[', ']']).any(|word| word == option);
                assert!(is_there, "{page}: `{}` has no `{option}`\n{help}", words.join(" "));
            }
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
}

/// Every source file of the program, as one text.
fn sources() -> String {
    fn collect(directory: &Path, text: &mut String) {
        for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                collect(&path, text);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&read(&path));
            }
        }
    }
    let mut text = String::new();
    for entry in std::fs::read_dir(root().join("crates")).unwrap() {
        collect(&entry.unwrap().path().join("src"), &mut text);
    }
    text
}

#[test]
fn metrics_and_lines_of_the_log_that_an_operator_looks_for_exist() {
    let sources = sources();
    let (mut metrics, mut lines) = (0, 0);
    for (page, text) in at_night() {
        for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            let is_module = root().join("crates").join(word.replace('_', "-")).exists();
            // What follows is a word in the name of a metric, and a number in that of a package.
            let is_name = word
                .strip_prefix("weir_")
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
            if is_name && !is_module {
                let name = ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|end| word.strip_suffix(end))
                    .unwrap_or(word);
                assert!(sources.contains(&format!("\"{name}\"")), "{page}: there is no metric `{word}`");
                metrics += 1;
            }
        }
        // `WARN a server is ejected server=…`, between backticks or as a line of output.
        for level in ["ERROR ", "WARN ", "INFO "] {
            for rest in text.split(level).skip(1) {
                let said = rest.split(['`', '\n', '…']).next().unwrap_or_default();
                let words: Vec<&str> =
                    said.split_whitespace().take_while(|word| !word.contains('=')).collect();
                let said = words.join(" ");
                assert!(said.len() > 6, "{page}: {level}{said}");
                assert!(sources.contains(&said), "{page}: nobody logs `{said}`");
                lines += 1;
            }
        }
    }
    assert!(metrics > 15 && lines > 10, "{metrics} metrics, {lines} lines");
}

#[test]
fn paths_that_an_operator_asks_for_are_in_the_reference() {
    let reference = read(&root().join("docs/admin-api.md"));
    for (page, text) in at_night() {
        for rest in text.split("/api/v1/").skip(1) {
            let part = rest.split(|c: char| !c.is_ascii_lowercase() && c != '-').next().unwrap_or_default();
            assert!(reference.contains(&format!(" /api/v1/{part}")), "{page}: /api/v1/{part}");
        }
    }
}

/// The table of what `weir_limits_hit_total` counts has every limit, and none that there isn't.
#[test]
fn every_limit_that_can_be_in_the_way_is_explained() {
    let page = read(&root().join("docs/operating.md"));
    let (_, table) = page.split_once("\n| `limit` | key | clients see |\n|---|---|---|\n").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let cells = table.lines().map(|line| line.split('|').nth(1).unwrap());
    let told: BTreeSet<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert_eq!(told, LimitHit::ALL.into_iter().map(LimitHit::name).collect());
}
