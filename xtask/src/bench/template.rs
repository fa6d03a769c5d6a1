//! The configurations in `bench/peers`, their blanks filled.
//!
//! One file per program and not one per scenario, so that what is good advice for all scenarios stands once. A line that is
//! for some scenarios only begins with the word they have in common: `@tls ssl_protocols TLSv1.3;`.

use std::fs;
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
    let source = workspace::root().join("bench/peers").join(template);
    let text = fs::read_to_string(&source).with_context(|| format!("cannot read `{}`", source.display()))?;
    let place = directory.to_string_lossy();
    let blanks = [blanks, &[("@DIRECTORY@", &*place)]].concat();
    let text = fill(&text, words, &blanks).with_context(|| format!("in `{}`", source.display()))?;
    let target = directory.join(template);
    fs::write(&target, text).with_context(|| format!("cannot write `{}`", target.display()))?;
    Ok(target)
}

fn fill(text: &str, words: &[&str], blanks: &[(&str, &str)]) -> Result<String> {
    let mut filled = String::new();
    for line in text.lines() {
        let mut line = line.to_owned();
        let indent = line.len() - line.trim_start().len();
        if let Some((word, rest)) = line.trim_start().strip_prefix('@').and_then(|line| line.split_once(' '))
        {
            if !words.contains(&word) {
                continue;
            }
            line = format!("{}{rest}", &line[..indent]);
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

    use super::fill;
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
    fn a_blank_that_is_left_is_an_error() {
        assert!(fill(TEMPLATE, &["plain"], &[]).is_err());
        assert!(fill("@LISTEN@\n", &["plain"], &[("@DIRECTORY@", "x")]).is_err());
        assert!(fill(TEMPLATE, &["large"], &[]).is_ok(), "the line with the blank is for others");
        assert!(fill("# lines with @tls or @plain are for these; a@b\n", &[], &[]).is_ok());
    }

    #[test]
    fn every_configuration_is_filled_for_every_scenario() {
        let directory = workspace::root().join("bench/peers");
        let blanks = ["@LISTEN@", "@UPSTREAM@", "@BODY@", "@DIRECTORY@"].map(|blank| (blank, "x"));
        for file in fs::read_dir(directory).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            for words in [["plain", "small"], ["plain", "large"], ["tls", "small"], ["tls", "large"]] {
                let filled = fill(&text, &words, &blanks).unwrap();
                let left = filled.lines().find(|line| line.trim_start().starts_with('@'));
                assert_eq!(left, None, "{words:?}");
            }
        }
    }
}
