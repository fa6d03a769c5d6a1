//! `api_key`: keys from the environment, from files of their own and from a file of many.

use std::path::Path;
use std::sync::Arc;

use weir_auth::api_key::{ApiKeys, KEY_BYTES_ENOUGH, KeyDigest};

use crate::complaint::Complaint;
use crate::file::authenticate::api_key::{ApiKeyFile, key_name};
use crate::file::secret::SecretSource;
use crate::model::ApiKey;
use crate::problem::{Problem, Problems};
use crate::source::{At, Span};

use super::super::secrets;

/// Where keys are when nothing is written.
const DEFAULT_HEADER: &str = "X-API-Key";

/// The proof; `None` when something was wrong with it, which has been noted then.
pub(super) fn api_key(written: &At<ApiKeyFile>, base_dir: &Path, problems: &mut Problems) -> Option<ApiKey> {
    let At { value: file, span } = written;
    if problems.has_error_in(*span) {
        return None;
    }
    let mut found = Found { keys: ApiKeys::default(), short: None, good: true, problems };
    for (name, sources) in &file.keys {
        for source in sources {
            match key(&source.value, base_dir) {
                Ok((digest, is_short)) => found.add(&name.value, digest, is_short, source.span),
                Err(complaint) => found.refuse(source.span, complaint),
            }
        }
    }
    if let Some(path) = &file.file {
        match secrets::read(base_dir, &path.value) {
            Ok(content) => found.lines(content.expose(), path),
            Err(complaint) => found.refuse(path.span, complaint),
        }
    }
    let Found { keys, short, good, problems } = found;
    if good && keys.names().len() == 0 {
        let complaint = Complaint::new("there is no key, so nobody could come in")
            .hint("write `keys: {NAME: \"${VARIABLE}\"}`, or `file: PATH`");
        problems.push(Problem::complaint(*span, complaint));
        return None;
    }
    if let Some(short) = short {
        problems.push(
            Problem::warning(short, format!("a key of less than {KEY_BYTES_ENOUGH} bytes can be guessed"))
                .hint("`openssl rand -hex 16` makes one that can't"),
        );
    }
    let header = file.header.clone().unwrap_or_else(|| DEFAULT_HEADER.into());
    good.then(|| ApiKey { header, keys: Arc::new(keys), forward: file.forward })
}

/// The digest of a key, and whether the key is a short one.
fn key(source: &SecretSource, base_dir: &Path) -> Result<(KeyDigest, bool), Complaint> {
    let of = |key: &[u8]| match KeyDigest::of(key) {
        Ok(digest) => Ok((digest, key.len() < KEY_BYTES_ENOUGH)),
        Err(error) => Err(Complaint::new(error.to_string())),
    };
    match source {
        SecretSource::Value(secret) => of(secret.expose()),
        SecretSource::Sha256(digest) => Ok((digest.clone(), false)),
        SecretSource::File(path) => {
            let secret = secrets::read_one(base_dir, path)?;
            of(secret.expose()).map_err(|complaint| {
                Complaint::new(format!("in the file `{}`, {}", path.display(), complaint.message))
            })
        }
    }
}

struct Found<'p> {
    keys: ApiKeys,
    /// The place of the first short key.
    short: Option<Span>,
    good: bool,
    problems: &'p mut Problems,
}

impl Found<'_> {
    fn refuse(&mut self, span: Span, complaint: Complaint) {
        self.good = false;
        self.problems.push(Problem::complaint(span, complaint));
    }

    fn add(&mut self, name: &str, digest: KeyDigest, is_short: bool, span: Span) {
        if is_short {
            self.short.get_or_insert(span);
        }
        if let Err(other) = self.keys.add(name, digest) {
            let complaint = if other == name {
                Complaint::new(format!("`{name}` has this key already"))
            } else {
                Complaint::new(format!("`{name}` and `{other}` have the same key"))
                    .hint("with one key nobody could tell which of them it is")
            };
            self.refuse(span, complaint);
        }
    }

    /// Keys from a file of many.
    fn lines(&mut self, content: &[u8], file: &At<std::path::PathBuf>) {
        let Ok(text) = std::str::from_utf8(content) else {
            let message = format!("the file `{}` is not UTF-8", file.value.display());
            return self.refuse(file.span, Complaint::new(message));
        };
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match named_key(line) {
                Ok((name, digest, is_short)) => self.add(&name, digest, is_short, file.span),
                Err(complaint) => {
                    let place = format!("line {} of `{}`", number + 1, file.value.display());
                    let message = format!("{place}: {}", complaint.message);
                    self.refuse(file.span, Complaint { message, ..complaint });
                }
            }
        }
    }
}

/// `name:key` or `name:sha256:HEX`. Nothing of the line is told, because it may be a key with the name forgotten.
fn named_key(line: &str) -> Result<(Box<str>, KeyDigest, bool), Complaint> {
    let form = || Complaint::new("this is not `name:key`").hint("`#` begins a line that says nothing");
    let (name, key) = line.split_once(':').ok_or_else(form)?;
    let name = key_name(name.trim()).map_err(|_| form())?;
    let key = key.trim();
    let (digest, is_short) = match key.strip_prefix("sha256:") {
        Some(hex) => (KeyDigest::from_hex(hex), false),
        None => (KeyDigest::of(key.as_bytes()), key.len() < KEY_BYTES_ENOUGH),
    };
    Ok((name, digest.map_err(|error| Complaint::new(error.to_string()))?, is_short))
}
