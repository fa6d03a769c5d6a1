//! The configurations in `bench/peers`, their blanks filled.
//!
//! One file per program and not one per scenario, so that what is good advice for all scenarios stands once. A line that is
//! for some scenarios only begins with the word they have in common: `@tls ssl_protocols TLSv1.3;`. One for all others begins
//! with the word behind a mark: `@!log access_log off;`. With several words it is for those that have all of them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// Writes a template with its blanks filled into `directory`. Lines with a word are taken for these words only.
///
/// # Errors
/// When it cannot be read or written, or a blank is left.
pub(crate) fn write(
    template: &str,
    directory: &Path,
    words: &[&str],
    blanks: &[(&str, &str)],
) -> Result<PathBuf> {
    write_to(directory.join(template), template, directory, words, blanks)
}

/// The same into this file, for one of several programs that have the same template.
///
/// # Errors
/// When it cannot be read or written, or a blank is left.
pub(crate) fn write_to(
    target: PathBuf,
    template: &str,
    directory: &Path,
    words: &[&str],
    blanks: &[(&str, &str)],
) -> Result<PathBuf> {
    let source = workspace::root().join("bench/peers").join(template);
    let text = fs::read_to_string(&source).with_context(|| format!("cannot read `{}`", source.display()))?;
    let place = directory.to_string_lossy();
    let blanks = [blanks, &[("@DIRECTORY@", &*place)]].concat();
    let text = fill(&text, words, &blanks).with_context(|| format!("in `{}`", source.display()))?;
    fs::write(&target, text).with_context(|| format!("cannot write `{}`", target.display()))?;
    Ok(target)
}

/// What stands in the configurations where servers are named.
#[derive(Debug)]
pub(crate) struct Blanks(Vec<(&'static str, String)>);

/// One behind the other.
const NAMES: [&str; 5] = ["@UPSTREAM@", "@SECOND@", "@THIRD@", "@FOURTH@", "@FIFTH@"];

impl Blanks {
    /// For these servers.
    pub(crate) fn of(addresses: &[SocketAddr]) -> Self {
        let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let all = texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(", ");
        let port = addresses.first().map_or(0, SocketAddr::port).to_string();
        let more = [("@ALL@", all), ("@PORT@", port)];
        Self(NAMES.into_iter().zip(texts).chain(more).collect())
    }

    /// As a template takes them.
    pub(crate) fn entries(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(name, address)| (*name, &**address)).collect()
    }
}

fn fill(text: &str, words: &[&str], blanks: &[(&str, &str)]) -> Result<String> {
    let mut filled = String::new();
    for line in text.lines() {
        let mut line = line.to_owned();
        let indent = line.len() - line.trim_start().len();
        let mut taken = true;
        while let Some((word, rest)) = condition(&line) {
            taken &= match word.strip_prefix('!') {
                Some(word) => !words.contains(&word),
                None => words.contains(&word),
            };
            line = format!("{}{rest}", &line[..indent]);
        }
        if !taken {
            continue;
        }
        for (blank, value) in blanks {
            line = line.replace(blank, value);
        }
        if has_blank(&line) {
            bail!("nothing is known to put into `{}`", line.trim());
        }
        filled.push_str(&line);
        filled.push('\n');
    }
    Ok(filled)
}

/// The word that a line begins with, and the rest of it.
fn condition(line: &str) -> Option<(&str, &str)> {
    let (word, rest) = line.trim_start().strip_prefix('@')?.split_once(' ')?;
    // It may be a blank.
    (!word.contains('@')).then_some((word, rest))
}

/// Whether something like `@LISTEN@` stands in it.
fn has_blank(line: &str) -> bool {
    let pieces: Vec<&str> = line.split('@').collect();
    // The first and the last piece have an `@` on one side only.
    let between = pieces.get(1..pieces.len() - 1).unwrap_or_default();
    between.iter().any(|piece| !piece.is_empty() && piece.bytes().all(|byte| byte.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::{Blanks, NAMES, fill};
    use crate::workspace;

    const TEMPLATE: &str = "all\n    @plain listen @LISTEN@\n  @tls listen @LISTEN@ ssl\nend\n";

    fn check(words: &[&str], expected: &str) {
        assert_eq!(fill(TEMPLATE, words, &[("@LISTEN@", "port 1")]).unwrap(), expected);
    }

    #[test]
    fn lines_are_taken_for_their_scenarios() {
        check(&["plain"], "all\n    listen port 1\nend\n");
        check(&["tls", "large"], "all\n  listen port 1 ssl\nend\n");
        check(&[], "all\nend\n");
    }

    #[test]
    fn a_line_for_the_others_is_left_out_for_those_with_the_word() {
        let filled = |words: &[&str]| fill("@log on\n@!log off\n", words, &[]).unwrap();
        assert_eq!(filled(&["log"]), "on\n");
        assert_eq!(filled(&["plain"]), "off\n");
        let both = |words: &[&str]| fill("  @tls @!log both\n", words, &[]).unwrap();
        assert_eq!(both(&["tls"]), "  both\n");
        assert_eq!(both(&["tls", "log"]), "");
        assert_eq!(both(&[]), "");
    }

    #[test]
    fn as_many_servers_are_named_as_there_are() {
        let addresses = ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"].map(|address| address.parse().unwrap());
        let three = "@one [@UPSTREAM@]\n@three [@UPSTREAM@, @SECOND@, @THIRD@]\n";
        let named = |count: usize, word| fill(three, &[word], &Blanks::of(&addresses[..count]).entries());
        assert_eq!(named(1, "one").unwrap(), "[127.0.0.1:1]\n");
        assert_eq!(named(3, "three").unwrap(), "[127.0.0.1:1, 127.0.0.1:2, 127.0.0.1:3]\n");
        assert!(named(1, "three").is_err());
    }

    #[test]
    fn a_blank_that_is_left_is_an_error() {
        assert!(fill(TEMPLATE, &["plain"], &[]).is_err());
        assert!(fill("@LISTEN@\n", &["plain"], &[("@DIRECTORY@", "x")]).is_err());
        assert!(fill(TEMPLATE, &["large"], &[]).is_ok(), "the line with the blank is for others");
        assert!(fill("# lines with @tls or @plain are for these; a@b\n", &[], &[]).is_ok());
    }

    #[test]
    fn every_configuration_is_filled_for_every_scenario() {
        let directory = workspace::root().join("bench/peers");
        let others =
            ["@LISTEN@", "@BODY@", "@DIRECTORY@", "@ALL@", "@PORT@", "@HOSTS@", "@COUNT@", "@ROUTES@"];
        let blanks: Vec<_> = NAMES.into_iter().chain(others).map(|blank| (blank, "x")).collect();
        for file in fs::read_dir(directory).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            for words in [
                ["plain", "small", "one", "balance"],
                ["tls", "small", "one", "balance"],
                ["tls", "file", "one", "balance"],
                ["plain", "file", "one", "balance"],
                ["plain", "small", "three", "balance"],
                ["plain", "small", "three", "race"],
                ["plain", "small", "three", "duplicate"],
                ["plain", "small", "three", "hedge"],
                ["plain", "small", "two", "durable"],
                ["plain", "small", "one", "mirror"],
                ["plain", "small", "five", "unchecked"],
                ["plain", "small", "five", "checked"],
                ["plain", "small", "five", "peak_ewma"],
                ["plain", "small", "many", "checks"],
                ["plain", "small", "one", "hosts"],
                ["plain", "small", "one", "pair"],
                ["plain", "small", "one", "log"],
                ["plain", "small", "one", "crowd"],
                ["plain", "small", "one", "upload"],
            ] {
                let filled = fill(&text, &words, &blanks).unwrap();
                let left = filled.lines().find(|line| line.trim_start().starts_with('@'));
                assert_eq!(left, None, "{words:?}");
            }
        }
    }
}
