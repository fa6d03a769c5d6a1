//! What the papers promise can be followed: links lead somewhere, and the configurations that README shows are those that
//! the examples test runs.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

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
