//! Flags as programs in Go take them, spelled out as this program takes them.
//!
//! `weir race` is called with the words of a program whose flags have one dash or two, get their value behind `=` or as
//! the next word, and may be shortened as long as only one can be meant. A parser of command lines that knows long names
//! with two dashes takes what comes out of here.

use std::ffi::OsString;

use crate::complaint::Complaint;
use crate::node::shortened;
use crate::suggest::alternatives;

/// A flag that a command knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag<'f> {
    /// Its whole name, without dashes.
    pub name: &'f str,
    /// What follows it.
    pub value: FlagValue,
}

/// What follows a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagValue {
    /// Always a value: behind `=`, else the next word.
    Needed,
    /// A truth value behind `=`; without one it is true. The next word never belongs to it.
    Truth,
    /// Nothing.
    None,
}

/// The words behind a command with each flag as `--name`, `--name=value`. Words that are no flags, and all behind `--`, stay
/// as they are; so do flags that are not known, but for their dashes, so that whoever parses the result says so.
///
/// # Errors
/// One complaint for each flag that may mean several.
pub fn spell_out(
    flags: &[Flag<'_>],
    words: impl IntoIterator<Item = OsString>,
) -> Result<Vec<OsString>, Vec<Complaint>> {
    let mut words = words.into_iter();
    let mut spelled = Vec::new();
    let mut complaints = Vec::new();
    // The truth flag that has just come without a value.
    let mut bare_truth = None;
    while let Some(word) = words.next() {
        let before = bare_truth.take();
        if word == "--" {
            spelled.push(word);
            spelled.extend(words.by_ref());
            break;
        }
        let Some((name, value)) = word.to_str().and_then(parts) else {
            if let (Some(flag), Some(truth)) = (before, word.to_str().filter(|word| truth(word).is_ok())) {
                complaints.push(
                    Complaint::new(format!("`{truth}` stands alone"))
                        .hint(format!("a truth value is written with `=`: `--{flag}={truth}`")),
                );
            } else {
                spelled.push(word);
            }
            continue;
        };
        let flag = match find(flags, name) {
            Ok(Some(flag)) => flag,
            Ok(None) => {
                spelled.push(joined(name, value.map(OsString::from)));
                continue;
            }
            Err(complaint) => {
                complaints.push(complaint);
                continue;
            }
        };
        let value = match (flag.value, value) {
            (_, Some(value)) => Some(OsString::from(value)),
            (FlagValue::Needed, None) => words.next(),
            (FlagValue::Truth, None) => {
                bare_truth = Some(flag.name);
                Some("true".into())
            }
            (FlagValue::None, None) => None,
        };
        spelled.push(joined(flag.name, value));
    }
    if complaints.is_empty() { Ok(spelled) } else { Err(complaints) }
}

/// Name and value of a flag; `None` for a word that is none.
fn parts(word: &str) -> Option<(&str, Option<&str>)> {
    let rest = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    let (name, value) = rest.split_once('=').map_or((rest, None), |(name, value)| (name, Some(value)));
    (!name.is_empty() && !name.starts_with('-')).then_some((name, value))
}

fn joined(name: &str, value: Option<OsString>) -> OsString {
    let mut word = OsString::from(format!("--{name}"));
    if let Some(value) = value {
        word.push("=");
        word.push(value);
    }
    word
}

/// The flag of this name, else the only one that begins with it.
fn find<'f>(flags: &[Flag<'f>], name: &str) -> Result<Option<Flag<'f>>, Complaint> {
    if let Some(flag) = flags.iter().find(|flag| flag.name == name) {
        return Ok(Some(*flag));
    }
    let meant: Vec<Flag<'f>> = flags.iter().filter(|flag| flag.name.starts_with(name)).copied().collect();
    match meant[..] {
        [] => Ok(None),
        [flag] => Ok(Some(flag)),
        [..] => {
            let names: Vec<String> = meant.iter().map(|flag| format!("--{}", flag.name)).collect();
            let which = alternatives(names.iter().map(String::as_str));
            Err(Complaint::new(format!("`--{}` may mean {which}", shortened(name)))
                .hint("write as much of it as only one of them has"))
        }
    }
}

/// A truth value as Go reads them.
///
/// # Errors
/// When the text is none.
pub fn truth(text: &str) -> Result<bool, Complaint> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(Complaint::new(format!("`{}` is neither true nor false", shortened(text)))
            .hint("write `true` or `false`")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const FLAGS: [Flag<'_>; 7] = [
        Flag { name: "endpoints", value: FlagValue::Needed },
        Flag { name: "fanout", value: FlagValue::Truth },
        Flag { name: "log", value: FlagValue::Needed },
        Flag { name: "log-date", value: FlagValue::Truth },
        Flag { name: "log-prefix", value: FlagValue::Needed },
        Flag { name: "log-time", value: FlagValue::Truth },
        Flag { name: "help", value: FlagValue::None },
    ];

    fn spelled(words: &[&str]) -> Result<Vec<String>, Vec<Complaint>> {
        let words = words.iter().map(|&word| word.into());
        spell_out(&FLAGS, words)
            .map(|words| words.into_iter().map(|word| word.into_string().unwrap()).collect())
    }

    fn check(words: &[&str], expected: &[&str]) {
        assert_eq!(spelled(words).unwrap(), expected, "{words:?}");
    }

    #[test]
    fn flags_are_spelled_out() {
        check(&["--endpoints", "a,b"], &["--endpoints=a,b"]);
        check(&["-endpoints", "a,b"], &["--endpoints=a,b"]);
        check(&["-endpoints=a,b"], &["--endpoints=a,b"]);
        check(&["--e=a=b"], &["--endpoints=a=b"]);
        check(&["-e", "a"], &["--endpoints=a"]);
        check(&["-f", "-e", "a"], &["--fanout=true", "--endpoints=a"]);
        check(&["-fan=false"], &["--fanout=false"]);
        check(&["-log-d", "-log-p", "x y"], &["--log-date=true", "--log-prefix=x y"]);
        check(&["-log", "warn"], &["--log=warn"]);
        check(&["-h"], &["--help"]);
        check(&[], &[]);
    }

    #[test]
    fn a_value_is_never_taken_for_a_flag() {
        check(&["-log-prefix", "-> "], &["--log-prefix=-> "]);
        check(&["-log-prefix", "-f", "-f"], &["--log-prefix=-f", "--fanout=true"]);
        check(&["-log-prefix="], &["--log-prefix="]);
        check(&["-log-prefix", ""], &["--log-prefix="]);
        check(&["-endpoints"], &["--endpoints"]);
    }

    #[test]
    fn what_is_no_flag_of_ours_is_left_to_the_parser() {
        check(&["-x", "--y=1"], &["--x", "--y=1"]);
        check(&["word", "-"], &["word", "-"]);
        check(&["---e", "-=a"], &["---e", "-=a"]);
        check(&["-f", "--", "-f"], &["--fanout=true", "--", "-f"]);
    }

    #[test]
    fn what_may_mean_several_is_refused() {
        let complaints = spelled(&["-log-", "x", "-lo=1"]).unwrap_err();
        assert_eq!(complaints.len(), 2);
        let text = complaints[0].to_string();
        assert!(text.contains("`--log-date`, `--log-prefix` or `--log-time`"), "{text}");
        let text = spelled(&["-f", "false"]).unwrap_err()[0].to_string();
        assert!(text.contains("`--fanout=false`"), "{text}");
    }

    #[test]
    fn truth_values_are_those_of_go() {
        for (text, expected) in [("1", true), ("t", true), ("TRUE", true), ("0", false), ("False", false)] {
            assert_eq!(truth(text), Ok(expected), "{text}");
        }
        for text in ["", "yes", "on", "tRUE", "2"] {
            assert!(truth(text).is_err(), "{text}");
        }
    }
}
