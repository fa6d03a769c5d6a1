//! What the operational log tells: a level, and other levels for some modules, as one text: `info,weir_proxy=debug`.
//!
//! The same words stand in the configuration, on the command line and in the admin API, so they are read in one place.

use std::fmt;

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub enum Level {
    /// Nothing.
    Off,
    /// Something is broken, or was given up.
    Error,
    /// Someone should look.
    Warn,
    /// What changes: listeners, servers, certificates.
    #[default]
    Info,
    /// Also what happens to single requests and connections that fail.
    Debug,
    /// Everything, also of libraries.
    Trace,
}

impl Level {
    /// All of them, from the quietest.
    pub const ALL: [Self; 6] = [Self::Off, Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// The level of a word, in any case.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(word))
    }
}

/// The modules that tell something: the crates of Weir, and libraries whose lines go to the same log. Parts of one are written
/// behind `::`.
pub const MODULES: [&str; 17] = [
    "weir",
    "weir_admin",
    "weir_auth",
    "weir_config",
    "weir_core",
    "weir_http",
    "weir_proxy",
    "weir_store",
    "weir_tls",
    "weir_tools",
    "weir_upstream",
    "h2",
    "hickory_net",
    "hickory_proto",
    "hickory_resolver",
    "hyper",
    "tokio",
];

/// More modules than this at once are a mistake.
pub const MODULES_MAX: usize = 64;

/// Whether a name is one of [`MODULES`] or a part of one, as `weir_proxy::access_log`.
pub fn is_module(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let mut parts = name.split("::");
    parts.next().is_some_and(|first| MODULES.contains(&first)) && parts.all(is_part)
}

/// A level, and those of some modules.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Levels {
    /// For every module of which nothing else is said.
    pub others: Level,
    /// By module, in the order of their names, each once.
    modules: Vec<(Box<str>, Level)>,
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadLevels {
    /// This is no level.
    Level(String),
    /// There is no such module.
    Module(String),
    /// It is said twice, of this module or of all others.
    Twice(String),
    /// There are more than [`MODULES_MAX`].
    TooMany,
}

impl fmt::Display for BadLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Level(word) => write!(f, "`{word}` is no level of the log"),
            Self::Module(name) => write!(f, "there is no module `{name}`"),
            Self::Twice(name) => write!(f, "the level of `{name}` is said twice"),
            Self::TooMany => write!(f, "levels are said of more than {MODULES_MAX} modules"),
        }
    }
}

impl std::error::Error for BadLevels {}

impl BadLevels {
    /// What to write instead.
    pub fn hint(&self) -> String {
        match self {
            Self::Level(_) => {
                let names: Vec<String> =
                    Level::ALL.iter().map(|level| format!("`{}`", level.name())).collect();
                format!("write one of {}", names.join(", "))
            }
            Self::Module(_) => {
                format!("there are {}, and parts of them as `weir_proxy::dispatch`", MODULES.join(", "))
            }
            Self::Twice(_) => "say it once".to_owned(),
            Self::TooMany => "say it of fewer, or of all others".to_owned(),
        }
    }
}

impl Levels {
    /// The same for every module.
    pub fn all(level: Level) -> Self {
        Self { others: level, modules: Vec::new() }
    }

    /// Reads `info,weir_proxy=debug,weir_upstream=warn`: a level for all others, which is `info` when it is not said, and
    /// modules with theirs.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, BadLevels> {
        let (mut levels, mut is_said) = (Self::default(), false);
        for part in text.split(',').map(str::trim) {
            let level = |word: &str| Level::of(word).ok_or_else(|| BadLevels::Level(shortened(word)));
            match part.split_once('=') {
                Some((module, word)) => levels.put(module.trim(), level(word.trim())?)?,
                None => {
                    levels.others = level(part)?;
                    if std::mem::replace(&mut is_said, true) {
                        return Err(BadLevels::Twice("all others".to_owned()));
                    }
                }
            }
        }
        Ok(levels)
    }

    /// Says it of one module.
    ///
    /// # Errors
    /// There is no such module, it has a level already, or there are too many.
    pub fn put(&mut self, module: &str, level: Level) -> Result<(), BadLevels> {
        if !is_module(module) {
            return Err(BadLevels::Module(shortened(module)));
        }
        match self.modules.binary_search_by(|(known, _)| (**known).cmp(module)) {
            Ok(_) => return Err(BadLevels::Twice(module.to_owned())),
            Err(_) if self.modules.len() == MODULES_MAX => return Err(BadLevels::TooMany),
            Err(place) => self.modules.insert(place, (module.into(), level)),
        }
        Ok(())
    }

    /// The modules of which something else is said, by their names.
    pub fn modules(&self) -> impl Iterator<Item = (&str, Level)> {
        self.modules.iter().map(|(name, level)| (&**name, *level))
    }

    /// Whether a line of this module and level is told: what is said of the longest part of its name counts.
    pub fn tells(&self, module: &str, level: Level) -> bool {
        let is_in = |name: &str| {
            module.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        let said = self.modules().filter(|(name, _)| is_in(name)).max_by_key(|(name, _)| name.len());
        level != Level::Off && level <= said.map_or(self.others, |(_, level)| level)
    }
}

impl fmt::Display for Levels {
    /// As [`parse`](Levels::parse) reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.others.name())?;
        self.modules().try_for_each(|(module, level)| write!(f, ",{module}={}", level.name()))
    }
}

/// What somebody wrote, for a message.
fn shortened(text: &str) -> String {
    text.chars().take(40).map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::{any, prop, proptest};

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, BadLevels>) {
        let read = Levels::parse(text).map(|levels| levels.to_string());
        assert_eq!(read, expected.map(str::to_owned), "{text:?}");
    }

    #[test]
    fn levels_and_modules_are_read_and_nothing_else() {
        check("info", Ok("info"));
        check("OFF", Ok("off"));
        check("weir_proxy=debug", Ok("info,weir_proxy=debug"));
        check(
            " warn , weir_proxy::dispatch = trace,weir=off",
            Ok("warn,weir=off,weir_proxy::dispatch=trace"),
        );
        check("weir_upstream=error,debug", Ok("debug,weir_upstream=error"));
        let level = |word: &str| Err(BadLevels::Level(word.to_owned()));
        let module = |word: &str| Err(BadLevels::Module(word.to_owned()));
        check("", level(""));
        check("loud", level("loud"));
        check("info,", level(""));
        check("weir_proxy=", level(""));
        check("weir_proxy", level("weir_proxy"));
        check("weir_proxy=debug=x", level("debug=x"));
        check("=debug", module(""));
        check("weir_proxi=debug", module("weir_proxi"));
        check("weir_proxy::=debug", module("weir_proxy::"));
        check("weir_proxy:x=debug", module("weir_proxy:x"));
        check("weir_proxyx=debug", module("weir_proxyx"));
        check("info,weir=info,debug", Err(BadLevels::Twice("all others".to_owned())));
        check("weir=info,weir=info", Err(BadLevels::Twice("weir".to_owned())));
        let many: Vec<_> = (0..=MODULES_MAX).map(|number| format!("weir::m{number}=info")).collect();
        check(&many.join(","), Err(BadLevels::TooMany));
        check(&"x\n".repeat(100), level(&"x?".repeat(20)));
    }

    #[test]
    fn the_longest_part_of_a_name_counts() {
        let levels = Levels::parse("warn,weir_proxy=debug,weir_proxy::dispatch=off").unwrap();
        for (module, level, told) in [
            ("weir", Level::Warn, true),
            ("weir", Level::Info, false),
            ("weir_proxy", Level::Debug, true),
            ("weir_proxy::stages", Level::Debug, true),
            ("weir_proxy::stages", Level::Trace, false),
            ("weir_proxy::dispatch", Level::Error, false),
            ("weir_proxy::dispatch::fan", Level::Error, false),
            ("weir_proxy::dispatcher", Level::Debug, true),
            ("weir_proxyx", Level::Info, false),
            ("weir", Level::Off, false),
        ] {
            assert_eq!(levels.tells(module, level), told, "{module} {level:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_write() {
        assert!(BadLevels::Level("loud".into()).hint().contains("`off`, `error`, `warn`"));
        assert!(BadLevels::Module("x".into()).hint().contains("weir_proxy"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_what_was_read_is_written_as_it_is_read(text in any::<String>()) {
            if let Ok(levels) = Levels::parse(&text) {
                assert_eq!(Levels::parse(&levels.to_string()), Ok(levels));
            }
        }

        #[test]
        fn pieces_of_levels_are_written_as_they_are_read(
            parts in prop::collection::vec(prop::sample::select(vec![
                "info", "off", "weir=debug", "weir_proxy::a=trace", "weir_proxy=warn", "", "=", "weir_", "weir::=info", " debug ",
            ]), 0..6),
        ) {
            if let Ok(levels) = Levels::parse(&parts.join(",")) {
                assert_eq!(Levels::parse(&levels.to_string()), Ok(levels));
            }
        }
    }
}
