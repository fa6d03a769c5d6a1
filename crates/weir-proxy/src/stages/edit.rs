//! The changes of paths and fields that routes ask for.

use weir_config::model::{FieldEdits, PathEdit};
use weir_http::head::Head;
use weir_http::path::normalise;

use super::failure::Failure;
use crate::exchange::Exchange;

/// Changes fields as a route asks: first remove, then set, then add.
pub(super) fn fields(head: &mut Head, edits: &FieldEdits) {
    for name in &edits.remove {
        head.remove(&**name);
    }
    for (name, value) in &edits.set {
        head.replace(&**name, value.as_bytes());
    }
    for (name, value) in &edits.add {
        head.append(&**name, value.as_bytes());
    }
}

/// Changes the path as a route asks; the query stays.
///
/// # Errors
/// A rewrite made something that is no path.
pub(super) fn path(x: &mut Exchange, edit: &PathEdit) -> Result<(), Failure> {
    let old = x.path();
    let mut target = match edit {
        PathEdit::Keep => return Ok(()),
        PathEdit::Strip(prefix) => match without_prefix(old, prefix.as_bytes()) {
            Some(left) => rooted(b"/", left),
            None => return Ok(()),
        },
        PathEdit::ReplacePrefix { from, to } => match without_prefix(old, from.as_bytes()) {
            Some(left) => rooted(to.as_bytes(), left),
            None => return Ok(()),
        },
        PathEdit::Regex { pattern, to } => {
            let replaced = pattern.replace(old, to.as_bytes());
            let mut normal = Vec::with_capacity(replaced.len());
            // A capture may hold what makes the new path no path; what is sent must still be a normal one.
            normalise(&replaced, &mut normal).map_err(|_| Failure::Rewrite)?;
            normal
        }
    };
    let path_bytes = target.len();
    if let Some(query) = x.query() {
        target.push(b'?');
        target.extend_from_slice(query);
    }
    x.facts.path = 0..path_bytes;
    x.request.set_target(&target);
    Ok(())
}

/// What is left of a path behind a prefix of whole segments; `None` when it does not begin with it.
fn without_prefix<'p>(path: &'p [u8], prefix: &[u8]) -> Option<&'p [u8]> {
    let prefix = prefix.strip_suffix(b"/").unwrap_or(prefix);
    let left = path.strip_prefix(prefix)?;
    (left.is_empty() || left.starts_with(b"/")).then_some(left)
}

/// `left`, which is empty or begins with a slash, behind `prefix`.
fn rooted(prefix: &[u8], left: &[u8]) -> Vec<u8> {
    let prefix = prefix.strip_suffix(b"/").unwrap_or(prefix);
    if prefix.is_empty() && left.is_empty() {
        return b"/".to_vec();
    }
    [prefix, left].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, prefix: &str, to: &str, expected: Option<&str>) {
        let new = without_prefix(path.as_bytes(), prefix.as_bytes()).map(|left| rooted(to.as_bytes(), left));
        assert_eq!(new.as_deref(), expected.map(str::as_bytes), "{path} {prefix} → {to}");
    }

    #[test]
    fn prefixes_are_whole_segments() {
        check("/api/v1/x", "/api", "/", Some("/v1/x"));
        check("/api/v1/x", "/api/", "/", Some("/v1/x"));
        check("/api", "/api", "/", Some("/"));
        check("/api/", "/api", "/", Some("/"));
        check("/apix", "/api", "/", None);
        check("/x", "/", "/v2", Some("/v2/x"));
        check("/x/", "/x/", "/v2/", Some("/v2/"));
        check("/x", "/x", "/v2", Some("/v2"));
        check("/api//x", "/api", "/", Some("//x"));
    }
}
