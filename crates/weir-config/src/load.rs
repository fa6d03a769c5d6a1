//! Reading a configuration: from a file or from bytes, with the environment.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::check::{self, Surroundings};
use crate::effective::effective;
use crate::environment;
use crate::file;
use crate::model::{Model, Written};
use crate::problem::{Problem, Problems};
use crate::report::Report;
use crate::source::{Source, Span};
use crate::yaml;

/// Bytes of a configuration file. Ten thousand services are about two megabytes.
const FILE_BYTES_MAX: usize = 16 << 20;

/// A configuration that can be used.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The model.
    pub model: Model,
    /// What somebody should look at; often empty.
    pub warnings: Report,
}

/// Why there is no configuration.
#[derive(Debug)]
pub enum LoadError {
    /// The file could not be read. Exit code 1 (semantics.md §4.6).
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It was read and has errors. Exit code 3.
    Invalid(Report),
}

impl fmt::Display for LoadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => {
                write!(formatter, "cannot read the configuration `{}`: {source}", path.display())
            }
            Self::Invalid(report) => report.fmt(formatter),
        }
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            Self::Invalid(_) => None,
        }
    }
}

/// Reads a file with this process's environment. Relative paths in it begin at its directory.
///
/// # Errors
/// [`LoadError::Read`] when the file cannot be read, [`LoadError::Invalid`] when it has errors.
pub fn load(path: &Path) -> Result<Loaded, LoadError> {
    let text = read(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    let environment = |name: &str| std::env::var(name).ok();
    let base_dir = path.parent().unwrap_or(Path::new(""));
    parse(&path.to_string_lossy(), &text, &environment, base_dir).map_err(LoadError::Invalid)
}

/// A byte more than allowed is read, so that [`parse`] can tell that there was more.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// Makes a configuration of bytes. `name` is shown in problems; relative paths begin at `base_dir`. Files of certificates that
/// it names are read, and checked against the time of day.
///
/// # Errors
/// A report with every problem that was found, at least one of them an error.
pub fn parse(
    name: &str,
    text: &[u8],
    environment: &dyn Fn(&str) -> Option<String>,
    base_dir: &Path,
) -> Result<Loaded, Report> {
    parse_at(now(), name, text, environment, base_dir)
}

/// The time of day, by which certificates have expired or not.
#[expect(clippy::disallowed_methods, reason = "everything below gets it as an argument")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// The same as [`parse`] at a moment.
pub(crate) fn parse_at(
    now: SystemTime,
    name: &str,
    text: &[u8],
    environment: &dyn Fn(&str) -> Option<String>,
    base_dir: &Path,
) -> Result<Loaded, Report> {
    let source = decode_text(name, text)?;
    let mut problems = Problems::default();
    let mut reports = Vec::new();
    let around = Surroundings { base_dir, state_directory: environment("STATE_DIRECTORY"), now };
    let root = yaml::parse(&source, &mut problems).map(|mut root| {
        environment::replace(&mut root, environment, &mut problems);
        root
    });
    let file = root.as_ref().and_then(|root| file::decode(root, &mut problems));
    let model = file.and_then(|file| check::model(file, &around, &mut problems, &mut reports));
    let shown = |root| effective(root, file::table(root), &source, problems.hidden());
    let written = root.as_ref().filter(|_| model.is_some()).map(shown);
    let model = model.map(|model| Model { written: written.map(|text| Written(text.into())), ..model });
    let failed = problems.has_errors();
    let report = Report::new(source, problems).with(reports);
    match model {
        Some(model) if !failed => Ok(Loaded { model, warnings: report }),
        Some(_) | None => Err(report),
    }
}

/// The text of a file: UTF-8, not too long, not empty.
fn decode_text(name: &str, bytes: &[u8]) -> Result<Source, Report> {
    if bytes.len() > FILE_BYTES_MAX {
        let problem =
            Problem::general(format!("the configuration has more than {} MiB", FILE_BYTES_MAX >> 20));
        return Err(Report::single(Source::new(name, String::new()), problem));
    }
    // A byte order mark is legal and says nothing (YAML 1.2.2 §5.2).
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(error) => return Err(not_utf8(name, bytes, error.valid_up_to())),
    };
    if text.trim().is_empty() {
        return Err(Report::single(Source::new(name, text), yaml::empty_file()));
    }
    Ok(Source::new(name, text))
}

fn not_utf8(name: &str, bytes: &[u8], offset: usize) -> Report {
    let span = Span { start: offset, end: offset + 1 };
    let problem = Problem::error(span, "the configuration is not UTF-8");
    let hint = if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        "this is UTF-16; save the file as UTF-8"
    } else {
        "save the file as UTF-8; the first byte that is not stands here"
    };
    // Bytes before the bad one are the same after this, so its place is right.
    Report::single(Source::new(name, String::from_utf8_lossy(bytes).into_owned()), problem.hint(hint))
}

#[cfg(test)]
mod tests;
