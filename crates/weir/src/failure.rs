//! Why a command did not do what it was asked, and the exit code that says so.
//!
//! A service manager reads the code: 1 may be worth another try, 2 and 3 are not (`semantics.md` §4.6). The one place
//! that shows an error is [`Failure::tell`].

use std::process::ExitCode;

use weir_config::{Complaint, LoadError, Report};
use weir_tools::admin_client::AskError;
use weir_tools::top::TerminalError;

use crate::output::{self, Paint, StdoutError};

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It could not start, or failed while it ran.
    Running(String),
    /// The command line asks for something that there is not; everything that is wrong with it.
    Usage(Vec<String>),
    /// Something can't be done with the configuration, for reasons that have their places in it.
    Refused(Box<Report>),
    /// The configuration has errors.
    Configuration(Box<Report>),
    /// The configuration has errors, and they have been shown already.
    ConfigurationShown,
}

impl Failure {
    /// Everything that is wrong with a command line.
    pub(crate) fn usage(complaints: Vec<Complaint>) -> Self {
        Self::Usage(complaints.iter().map(ToString::to_string).collect())
    }

    /// The exit code (`semantics.md` §4.6).
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Running(_) | Self::Refused(_) => 1,
            Self::Usage(_) => 2,
            Self::Configuration(_) | Self::ConfigurationShown => 3,
        })
    }

    /// What [`tell`](Self::tell) shows, without colour.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Running(text) => text.clone(),
            Self::Usage(texts) => texts.join("\n"),
            Self::Configuration(report) | Self::Refused(report) => report.render(false),
            Self::ConfigurationShown => "its configuration is invalid".to_owned(),
        }
    }

    /// Shows it to a person.
    pub(crate) fn tell(&self) {
        let color = output::messages_have_color();
        match self {
            Self::Running(text) => output::message(render(text, color)),
            Self::Usage(texts) => {
                let texts: Vec<_> = texts.iter().map(|text| render(text, color)).collect();
                output::message(texts.join("\n"));
            }
            Self::Configuration(report) | Self::Refused(report) => output::message(report.render(color)),
            Self::ConfigurationShown => {}
        }
    }
}

impl From<StdoutError> for Failure {
    fn from(error: StdoutError) -> Self {
        Self::Running(error.to_string())
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        match error {
            AskError::NoAddress(_) => Self::Usage(vec![error.to_string()]),
            _ => Self::Running(error.to_string()),
        }
    }
}

impl From<TerminalError> for Failure {
    fn from(error: TerminalError) -> Self {
        Self::Running(error.to_string())
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Invalid(report) => Self::Configuration(Box::new(report)),
            LoadError::Read { .. } => Self::Running(format!(
                "{error}\n\nhint: name another file with `-c FILE`, or try `weir demo`, which needs none"
            )),
        }
    }
}

/// `error: …`, an empty line and `hint: …` where the text has one.
fn render(text: &str, color: bool) -> String {
    let label = Paint::Bad.on(color, "error");
    let (message, hint) = text.split_once("\n\nhint: ").map_or((text, None), |(m, h)| (m, Some(h)));
    let hint = hint.map(|hint| format!("\n\n{}: {hint}", Paint::Hint.on(color, "hint"))).unwrap_or_default();
    format!("{label}: {message}{hint}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, color: bool, expected: &str) {
        assert_eq!(render(text, color), expected);
    }

    #[test]
    fn errors_look_alike() {
        check("no", false, "error: no\n");
        check("no\n\nhint: yes", false, "error: no\n\nhint: yes\n");
        check("no\n\nhint: yes", true, "\x1b[1;31merror\x1b[0m: no\n\n\x1b[1;36mhint\x1b[0m: yes\n");
    }
}
