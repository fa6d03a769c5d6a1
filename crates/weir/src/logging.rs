//! The operational log: what a running proxy has to say, on stderr.
//!
//! Lines are fixed sentences with fields behind them. The access log is another thing and has its own writer.
//!
//! What is said on the command line, or in `WEIR_LOG`, is somebody's word of this moment and counts before the configuration, which is
//! read later. What is told can be changed while the program runs, through a port of `weir-core`; the form stays.
//!
//! There is one for the process, as there is one stderr.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layered, SubscriberExt};
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::{Layer, Registry, fmt};
use weir_config::model::{OperationalForm, OperationalLog};
use weir_core::log_level::{Level, Levels};
use weir_core::ports::log::{LogControl, SharedLogControl};

use crate::output;

/// The variable of the environment that is asked when the command line says nothing.
pub(crate) const VARIABLE: &str = "WEIR_LOG";

/// What the command line says of the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LogWords {
    /// What is told; `None` when only the form is said.
    levels: Option<Levels>,
    /// The form; `None` when only levels are said.
    form: Option<OperationalForm>,
}

impl LogWords {
    /// Reads `info,weir_proxy=debug`; `json` or `text` among them is the form.
    ///
    /// # Errors
    /// Says what to write instead.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (mut form, mut parts) = (None, Vec::new());
        for part in text.split(',') {
            let said = match part.trim() {
                "json" => OperationalForm::Json,
                "text" => OperationalForm::Text,
                _ => {
                    parts.push(part);
                    continue;
                }
            };
            if form.replace(said).is_some() {
                return Err("the form of the log is said twice".to_owned());
            }
        }
        let levels = match (parts.as_slice(), form) {
            ([], Some(_)) => None,
            _ => Some(
                Levels::parse(&parts.join(","))
                    .map_err(|error| format!("{error}\n\nhint: {}", error.hint()))?,
            ),
        };
        Ok(Self { levels, form })
    }
}

type Filtered = Layered<reload::Layer<Filter, Registry>, Registry>;
type Lines = Box<dyn Layer<Filtered> + Send + Sync>;

static LOG: OnceLock<Arc<Log>> = OnceLock::new();

/// Sends the log to stderr, as the command line says. Called once; a second call changes nothing.
pub(crate) fn start(said: Option<LogWords>) {
    let said = said.unwrap_or_default();
    let levels = said.levels.clone().unwrap_or_default();
    let (filter, filter_handle) = reload::Layer::new(Filter { levels: levels.clone() });
    let (lines, lines_handle) = reload::Layer::new(lines(said.form.unwrap_or_default()));
    let subscriber = tracing_subscriber::registry().with(filter).with(lines);
    // It fails only when there is one already, which then keeps on.
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        let levels = Mutex::new(State { levels, written: None });
        let _ = LOG.set(Arc::new(Log { filter: filter_handle, lines: lines_handle, state: levels, said }));
    }
}

/// Follows a configuration, as far as the command line has said nothing else. One that says the same as the one before leaves what
/// was changed since then.
pub(crate) fn follow(written: &OperationalLog) {
    if let Some(log) = LOG.get() {
        log.follow(written);
    }
}

/// Whoever changes what is told; `None` before there is a log.
pub(crate) fn control() -> Option<SharedLogControl> {
    LOG.get().map(|log| Arc::clone(log) as SharedLogControl)
}

/// The running log.
struct Log {
    filter: Handle<Filter, Registry>,
    lines: Handle<Lines, Filtered>,
    state: Mutex<State>,
    /// What was said before there was a configuration.
    said: LogWords,
}

/// What is so now.
struct State {
    /// What is told.
    levels: Levels,
    /// What the configuration says.
    written: Option<OperationalLog>,
}

impl Log {
    fn follow(&self, written: &OperationalLog) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.written.as_ref() == Some(written) {
            return;
        }
        if self.said.levels.is_none() {
            state.levels = written.levels.clone().unwrap_or_default();
            // Both handles fail only when the log is gone, and then nothing is left to say.
            let _ = self.filter.reload(Filter { levels: state.levels.clone() });
        }
        if self.said.form.is_none() {
            let _ = self.lines.reload(lines(written.form.unwrap_or_default()));
        }
        state.written = Some(written.clone());
    }
}

impl LogControl for Log {
    fn levels(&self) -> Levels {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).levels.clone()
    }

    fn set(&self, levels: Levels) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut state.levels, levels.clone());
        // Under the old levels, or under the new ones where those tell more: someone should be able to see later why lines are
        // missing, or whence they came.
        let is_told_before = before.tells(module_path!(), Level::Info);
        if is_told_before {
            tracing::info!(%levels, %before, "the levels of the log are changed");
        }
        let _ = self.filter.reload(Filter { levels: levels.clone() });
        if !is_told_before {
            tracing::info!(%levels, %before, "the levels of the log are changed");
        }
    }
}

/// Lets through what levels tell. The filters of the library go by the beginnings of names, and so what is said of `weir` would
/// hold for `weir_proxy` too.
struct Filter {
    levels: Levels,
}

impl Filter {
    fn lets_through(&self, module: &str, level: tracing::Level) -> bool {
        self.levels.tells(module, level_of(level))
    }
}

impl<S: Subscriber> Layer<S> for Filter {
    fn register_callsite(&self, line: &'static Metadata<'static>) -> Interest {
        // Asked once for each place in the code, until the levels change.
        if self.lets_through(line.target(), *line.level()) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, line: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.lets_through(line.target(), *line.level())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let most = self.levels.modules().map(|(_, level)| level).max();
        Some(filter_of(most.map_or(self.levels.others, |most| most.max(self.levels.others))))
    }
}

fn level_of(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::TRACE => Level::Trace,
    }
}

fn filter_of(level: Level) -> LevelFilter {
    match level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}

fn lines(form: OperationalForm) -> Lines {
    let layer = fmt::layer().with_writer(std::io::stderr);
    match form {
        OperationalForm::Text => layer.with_target(false).with_ansi(output::messages_have_color()).boxed(),
        // With the module, because a program that reads it can leave it out.
        OperationalForm::Json => {
            layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[track_caller]
    fn check(text: &str, levels: Option<&str>, form: Option<OperationalForm>) {
        let levels = levels.map(|levels| Levels::parse(levels).unwrap());
        assert_eq!(LogWords::parse(text), Ok(LogWords { levels, form }), "{text:?}");
    }

    #[test]
    fn levels_modules_and_forms_are_taken_and_nothing_else() {
        let json = Some(OperationalForm::Json);
        for text in ["off", "error", "warn", "info", "debug", "trace", "INFO", "info,weir_proxy=debug"] {
            check(text, Some(text), None);
        }
        check("json", None, json);
        check("text", None, Some(OperationalForm::Text));
        check("debug,json", Some("debug"), json);
        check("json,weir_proxy=debug,warn", Some("warn,weir_proxy=debug"), json);
        for text in
            ["", "loud", "infos", "weir_proxy=loud", "=", "info,=x", "json,", "json,text", "json,json", "jsn"]
        {
            assert!(LogWords::parse(text).is_err(), "{text}");
        }
        assert!(LogWords::parse("loud").unwrap_err().contains("hint: write one of `off`"));
    }

    /// What a library says at a level, wherever it says it, is never more than the most that any module tells.
    #[test]
    fn the_filter_tells_what_the_levels_say_and_nothing_above_its_hint() {
        for text in [
            "info",
            "off",
            "warn,weir_proxy=debug,weir_proxy::dispatch=off",
            "trace,weir=error",
            "off,weir_proxy=info",
        ] {
            let levels = Levels::parse(text).unwrap();
            let filter = Filter { levels: levels.clone() };
            let hint = Layer::<Registry>::max_level_hint(&filter).unwrap();
            for module in
                ["weir", "weir_proxy", "weir_proxy::dispatch", "weir_proxy::dispatch::fan", "hyper::client"]
            {
                for level in [
                    tracing::Level::ERROR,
                    tracing::Level::WARN,
                    tracing::Level::INFO,
                    tracing::Level::DEBUG,
                    tracing::Level::TRACE,
                ] {
                    let told = filter.lets_through(module, level);
                    assert_eq!(told, levels.tells(module, level_of(level)), "{text}: {module} {level}");
                    assert!(!told || hint >= level, "{text}: {module} {level}");
                }
            }
        }
    }

    /// The library would take what is said of `weir` for what is said of `weir_proxy`.
    #[test]
    fn a_module_is_not_one_whose_name_begins_like_it() {
        let filter = Filter { levels: Levels::parse("debug,weir=off").unwrap() };
        assert!(filter.lets_through("weir_proxy::stages", tracing::Level::DEBUG));
        assert!(!filter.lets_through("weir::lifetime", tracing::Level::ERROR));
    }
}
