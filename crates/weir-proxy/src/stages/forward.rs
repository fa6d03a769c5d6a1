//! Stage *forward*: the route's one deed. Mostly that is handing the request to the dispatch mode of the route.

use weir_config::model::{FieldEdits, HostPolicy, PathEdit};
use weir_core::dispatch::Mode;
use weir_http::field::KnownName as K;
use weir_http::head::Head;
use weir_http::path;

use super::failure::Failure;
use super::local;
use crate::dispatch;
use crate::exchange::{Exchange, RequestBody};
use crate::inbound::responder::Responder;
use crate::runtime::snapshot::{Action, Forward};

/// Does what the route of `x` says, to the end of the answer.
pub(super) async fn forward(
    x: &mut Exchange,
    request: &mut RequestBody,
    responder: &mut Responder,
) -> Result<(), Failure> {
    let snapshot = x.snapshot.clone();
    let Some((service, route)) = x.found else {
        return local::options(x, request, responder).await;
    };
    match &snapshot.services[service].routes[route].action {
        Action::Redirect(redirect) => local::redirect(x, redirect, request, responder).await,
        Action::Respond(respond) => local::respond(x, respond, request, responder).await,
        Action::Forward(forward) => {
            prepare(x, forward)?;
            match forward.mode {
                Mode::Balance => dispatch::balance::run(x, forward, request, responder).await,
            }
        }
    }
}

/// What the route changes in the request, the same for every attempt.
fn prepare(x: &mut Exchange, forward: &Forward) -> Result<(), Failure> {
    edit_path(x, &forward.path)?;
    if let HostPolicy::Name(name) = &forward.host {
        x.request.replace(K::Host, name.as_bytes());
    }
    if let Some(edits) = &forward.request_fields {
        edit_fields(&mut x.request, edits);
    }
    if x.facts.upgrade {
        x.request.append(K::Connection, b"Upgrade");
        x.request.append(K::Upgrade, b"websocket");
    }
    Ok(())
}

/// Changes fields as a route asks: first remove, then set, then add.
pub(crate) fn edit_fields(head: &mut Head, edits: &FieldEdits) {
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

fn edit_path(x: &mut Exchange, edit: &PathEdit) -> Result<(), Failure> {
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
            path::normalise(&replaced, &mut normal).map_err(|_| Failure::Rewrite)?;
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
