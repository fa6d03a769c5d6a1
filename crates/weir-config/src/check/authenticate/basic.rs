//! `basic`: the htpasswd file.

use std::path::Path;
use std::sync::Arc;

use weir_auth::password_hash::HashError;
use weir_auth::users::{LineError, LineFault, Users};

use crate::file::authenticate::basic::BasicFile;
use crate::model::Basic;
use crate::problem::{Problem, Problems};
use crate::source::{At, Span};

use super::super::secrets;

/// What a browser shows when nothing is written.
pub(super) const DEFAULT_REALM: &str = "restricted";

/// How a hash is made that is taken.
const HOW: &str = "`htpasswd -B -C 10 FILE USER` makes a line with bcrypt";

/// Wrong lines of one file that are told; the rest is mostly more of the same.
const TOLD_LINES_MAX: usize = 5;

/// The proof; `None` when something was wrong with it, which has been noted then.
pub(super) fn basic(written: &At<BasicFile>, base_dir: &Path, problems: &mut Problems) -> Option<Basic> {
    let At { value: file, span } = written;
    if problems.has_error_in(*span) {
        return None;
    }
    let path = file.file.as_ref()?;
    let content = match secrets::read(base_dir, &path.value) {
        Ok(content) => content,
        Err(complaint) => {
            problems.push(Problem::complaint(path.span, complaint));
            return None;
        }
    };
    let shown = path.value.display().to_string();
    match Users::parse(content.expose()) {
        Ok((users, cheap)) => {
            if let Some(line) = cheap {
                let message =
                    format!("line {line} of `{shown}`: this hash is guessed too quickly when it is stolen");
                problems.push(Problem::warning(path.span, message).hint(HOW));
            }
            Some(Basic {
                users: Arc::new(users),
                realm: file.realm.clone().unwrap_or_else(|| DEFAULT_REALM.into()),
                forward: file.forward,
            })
        }
        Err(errors) => {
            tell(&errors, &shown, path.span, problems);
            None
        }
    }
}

fn tell(errors: &[LineError], file: &str, span: Span, problems: &mut Problems) {
    if errors.is_empty() {
        problems.push(Problem::error(span, format!("there is no user in `{file}`")).hint(HOW));
    }
    for LineError { line, what } in errors.iter().take(TOLD_LINES_MAX) {
        let problem = Problem::error(span, format!("line {line} of `{file}`: {what}"));
        problems.push(match what {
            LineFault::Hash(HashError::TooDear) => problem.hint("make it with a lower cost"),
            LineFault::Hash(_) | LineFault::Form => problem.hint(HOW),
            LineFault::Encoding | LineFault::Name | LineFault::Twice => problem,
        });
    }
    if errors.len() > TOLD_LINES_MAX {
        let message = format!("and {} more lines of `{file}` can't be used", errors.len() - TOLD_LINES_MAX);
        problems.push(Problem::error(span, message));
    }
}
