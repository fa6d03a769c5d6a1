//! The project's files as the rules see them: read once, parsed once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::finding::Finding;
use super::syntax;
use crate::workspace;

/// Directories that are nobody's source.
const SKIPPED: [&str; 7] = [".git", "target", "artifacts", "corpus", "node_modules", ".weir", "coverage"];

/// Files with another ending are not text that a person wrote.
const TEXT: [&str; 12] =
    ["rs", "md", "toml", "yaml", "yml", "sh", "lock", "json", "conf", "cfg", "html", "js"];

/// Everything the rules read.
#[derive(Default)]
pub(super) struct Tree {
    /// All text files by their path from the root, with `/` between the parts.
    pub files: BTreeMap<String, File>,
    /// The packages of the workspace as `cargo metadata --no-deps` prints them.
    pub packages: Vec<Value>,
}

/// One file.
#[derive(Default)]
pub(super) struct File {
    /// Its text.
    pub text: String,
    /// Its syntax, if it is Rust that parses.
    pub syntax: Option<syn::File>,
    /// Why it does not parse.
    pub broken: Option<(usize, String)>,
    /// Compiled for tests only.
    pub for_tests: bool,
}

impl Tree {
    /// Reads the project below `root`.
    ///
    /// # Errors
    /// When a directory cannot be read or `cargo metadata` fails.
    pub(super) fn load(root: &Path) -> Result<Self> {
        let mut texts = Vec::new();
        walk(root, "", &mut texts)?;
        let mut tree = Self::from_texts(texts);
        let metadata = workspace::metadata(&["--no-deps"])?;
        tree.packages = metadata["packages"].as_array().cloned().unwrap_or_default();
        Ok(tree)
    }

    /// A tree of these paths and texts.
    pub(super) fn from_texts(texts: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut files: BTreeMap<String, File> =
            texts.into_iter().map(|(path, text)| (path.clone(), File::parse(&path, text))).collect();
        let test_modules: BTreeSet<String> = files
            .iter()
            .filter_map(|(path, file)| Some((path, file.syntax.as_ref()?)))
            .flat_map(|(path, syntax)| syntax::test_module_places(path, syntax))
            .collect();
        for (path, file) in &mut files {
            file.for_tests = is_test_path(path) || test_modules.iter().any(|place| is_module_at(path, place));
        }
        Self { files, packages: Vec::new() }
    }

    /// The Rust files that parse, with their paths.
    pub(super) fn rust(&self) -> impl Iterator<Item = (&str, &File, &syn::File)> {
        self.files.iter().filter_map(|(path, file)| Some((path.as_str(), file, file.syntax.as_ref()?)))
    }
}

impl File {
    fn parse(path: &str, text: String) -> Self {
        let mut file = Self { text, ..Self::default() };
        if is_rust(path) {
            match syn::parse_file(&file.text) {
                Ok(syntax) => file.syntax = Some(syntax),
                Err(error) => file.broken = Some((error.span().start().line, error.to_string())),
            }
        }
        file
    }
}

/// A Rust file that does not parse is invisible to every other rule, so that alone is a finding.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.files
        .iter()
        .filter_map(|(path, file)| {
            let (line, why) = file.broken.as_ref()?;
            Some(Finding::new("syntax", path, *line, format!("does not parse: {why}")))
        })
        .collect()
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|ending| ending == "rs")
}

/// Tests by their place: a directory `tests`, or a file of that name.
fn is_test_path(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs")
}

/// Whether the file at `path` is the module whose place (path without ending) this is, or lies below it.
fn is_module_at(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

fn walk(directory: &Path, prefix: &str, texts: &mut Vec<(String, String)>) -> Result<()> {
    let entries = fs::read_dir(directory)
        .with_context(|| format!("cannot read directory `{}`", directory.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
            walk(&entry.path(), &path, texts)?;
        } else if kind.is_file() && is_text(&name) {
            // What is not UTF-8 (a test's bad input, say) is not prose and not code.
            if let Ok(text) = fs::read_to_string(entry.path()) {
                texts.push((path, text));
            }
        }
    }
    Ok(())
}

/// Text by its ending; `.ci/run` and the like have none.
fn is_text(name: &str) -> bool {
    match Path::new(name).extension() {
        Some(ending) => TEXT.iter().any(|known| ending == *known),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::{Tree, check};

    fn tree(texts: &[(&str, &str)]) -> Tree {
        Tree::from_texts(texts.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())))
    }

    #[test]
    fn what_does_not_parse_is_a_finding() {
        let found = check(&tree(&[("a.rs", "fn a() {}\nfn b( {}")]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 2);
    }

    #[test]
    fn test_files_are_known_by_place_and_by_declaration() {
        let tree = tree(&[
            ("c/src/lib.rs", "#[cfg(test)] mod scripted; mod plain;"),
            ("c/src/scripted.rs", ""),
            ("c/src/scripted/part.rs", ""),
            ("c/src/plain.rs", "#[cfg(test)] mod tests;"),
            ("c/src/plain/tests.rs", ""),
            ("c/tests/all.rs", ""),
        ]);
        let tests: Vec<_> =
            tree.files.iter().filter(|(_, file)| file.for_tests).map(|(path, _)| path).collect();
        assert_eq!(
            tests,
            ["c/src/plain/tests.rs", "c/src/scripted.rs", "c/src/scripted/part.rs", "c/tests/all.rs"]
        );
    }
}
