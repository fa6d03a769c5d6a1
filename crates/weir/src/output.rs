//! The one way to the terminal: data to stdout, everything else to stderr, colour only where somebody looks at it.
//!
//! Commands make texts and hand them over here; nothing else in the program prints. What a running proxy has to say goes
//! to the operational log instead ([`logging`](crate::logging)).

use std::env;
use std::fmt;
use std::io::{self, ErrorKind, IsTerminal, Write};

/// Stdout takes nothing, because the disk is full, say.
#[derive(Debug)]
pub(crate) struct StdoutError(io::Error);

impl fmt::Display for StdoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stdout can't be written: {}", self.0)
    }
}

/// Writes data to stdout, at once. A reader that has gone, as in `weir man | head`, is no error.
///
/// # Errors
/// When stdout takes nothing.
pub(crate) fn data(text: impl fmt::Display) -> Result<(), StdoutError> {
    let mut stdout = io::stdout().lock();
    match write!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(StdoutError(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes a message for a person to stderr. When that fails, there is nobody left to tell.
pub(crate) fn message(text: impl fmt::Display) {
    let _ = write!(io::stderr().lock(), "{text}");
}

/// Whether what goes to stdout may have colour.
pub(crate) fn data_has_color() -> bool {
    is_wanted(io::stdout().is_terminal(), |name| env::var(name).ok())
}

/// Whether what goes to stderr may have colour.
pub(crate) fn messages_have_color() -> bool {
    is_wanted(io::stderr().is_terminal(), |name| env::var(name).ok())
}

/// Colour is for terminals that know it, unless `NO_COLOR` is set to anything but nothing.
fn is_wanted(terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    terminal
        && variable("NO_COLOR").is_none_or(|value| value.is_empty())
        && variable("TERM").is_none_or(|value| value != "dumb")
}

/// How a piece of text stands out, when colour is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// What the text is about.
    Strong,
    /// Something good: the choice, a success.
    Good,
    /// Something bad: an error.
    Bad,
    /// What to try next.
    Hint,
    /// What is only beside it.
    Faint,
}

impl Paint {
    /// The text in this paint, or as it is.
    pub(crate) fn on(self, color: bool, text: impl fmt::Display) -> String {
        if !color {
            return text.to_string();
        }
        let code = match self {
            Self::Strong => "1",
            Self::Good => "1;32",
            Self::Bad => "1;31",
            Self::Hint => "1;36",
            Self::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(terminal: bool, variables: &[(&str, &str)], expected: bool) {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        assert_eq!(is_wanted(terminal, variable), expected, "{terminal} {variables:?}");
    }

    #[test]
    fn colour_is_for_terminals_of_people_who_want_it() {
        check(true, &[], true);
        check(true, &[("TERM", "xterm")], true);
        check(true, &[("NO_COLOR", "")], true);
        check(true, &[("NO_COLOR", "1")], false);
        check(true, &[("TERM", "dumb")], false);
        check(false, &[], false);
        check(false, &[("TERM", "xterm")], false);
    }

    #[test]
    fn paint_leaves_plain_text_alone() {
        assert_eq!(Paint::Good.on(false, "yes"), "yes");
        assert_eq!(Paint::Good.on(true, "yes"), "\x1b[1;32myes\x1b[0m");
    }
}
