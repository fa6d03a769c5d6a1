//! The operational log: what a running proxy has to say, on stderr.
//!
//! Lines are fixed sentences with fields behind them. The access log is another thing and has its own writer.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::output;

/// Which lines are wanted: a level, or the directives of `tracing` such as `info,weir_proxy=debug`.
#[derive(Debug, Clone)]
pub(crate) struct LogFilter(String);

/// The variable of the environment that is asked when the command line says nothing.
pub(crate) const VARIABLE: &str = "WEIR_LOG";

impl LogFilter {
    /// Reads a filter as a person writes it.
    ///
    /// # Errors
    /// Says what to write instead.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let hint = "hint: write `off`, `error`, `warn`, `info`, `debug` or `trace`";
        // A word alone would be taken for the name of a module, which nobody means here.
        let word = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if text.is_empty() || (word && text.parse::<tracing::level_filters::LevelFilter>().is_err()) {
            return Err(format!("there is no such level\n\n{hint}"));
        }
        let parsed: Result<EnvFilter, ParseError> = EnvFilter::builder().parse(text);
        parsed.map(|_| Self(text.to_owned())).map_err(|error| format!("{error}\n\n{hint}"))
    }

    fn into_filter(self) -> EnvFilter {
        // `parse` has read the same text.
        EnvFilter::builder().parse_lossy(self.0)
    }
}

/// Sends the log to stderr. Called once; a second call changes nothing.
pub(crate) fn start(filter: LogFilter) {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter.into_filter())
        .with_target(false)
        .with_ansi(output::messages_have_color())
        .with_writer(std::io::stderr)
        .finish();
    // It fails only when there is one already, which then keeps on.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, taken: bool) {
        assert_eq!(LogFilter::parse(text).is_ok(), taken, "{text:?}");
    }

    #[test]
    fn levels_and_directives_are_taken_and_nothing_else() {
        for text in ["off", "error", "warn", "info", "debug", "trace", "INFO", "info,weir_proxy=debug"] {
            check(text, true);
        }
        for text in ["", "loud", "infos", "weir_proxy=loud", "=", "info,=x"] {
            check(text, false);
        }
    }
}
