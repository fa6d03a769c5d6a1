//! The one thing a route does.

use weir_core::route::PathPattern;

use crate::file::action::Rewrite;
use crate::file::route::RouteFile;
use crate::file::upstream::UpstreamRef;
use crate::model::{Action, Forward, PathEdit, UpstreamId};
use crate::problem::{Problem, Problems};
use crate::source::{At, Span};

use super::dispatch::{Group, dispatch};
use super::mirror::{compare, mirrors};

/// Keys that say what a route does.
const ACTIONS: [&str; 3] = ["upstream", "redirect", "respond"];

/// Keys that only mean something when a request is forwarded.
const FORWARDING: [&str; 8] =
    ["dispatch", "mirror", "compare", "host", "upgrade", "strip", "rewrite", "request_headers"];

/// What a route does; `None` when that was wrong, which has been noted then. `resolve` is told of an upstream and of what its
/// name ends with if it is one in place.
pub(super) fn action(
    file: RouteFile,
    span: Span,
    path: &PathPattern,
    mut resolve: impl FnMut(At<UpstreamRef>, &str, &mut Problems) -> Option<(UpstreamId, Group)>,
    problems: &mut Problems,
) -> Option<Action> {
    let written: Vec<(&str, Span)> =
        ACTIONS.iter().filter_map(|key| file.key(key).map(|place| (*key, place))).collect();
    match written.as_slice() {
        [] => {
            if !problems.has_error_in(span) {
                problems.push(
                    Problem::error(span, "this route does not say what to do")
                        .hint("write one of `upstream`, `redirect` and `respond`"),
                );
            }
            return None;
        }
        [_] => {}
        [(first, first_place), (second, place), ..] => {
            problems.push(
                Problem::error(*place, format!("a route does one thing, not `{first}` and `{second}`"))
                    .beside(*first_place, format!("`{first}` is written here")),
            );
            return None;
        }
    }
    let edit = path_edit(&file, path, problems);
    if let Some(upstream) = file.upstream {
        let known = resolve(upstream, "", problems);
        let mut beside = |reference, part: &str, problems: &mut Problems| {
            resolve(reference, part, problems).map(|(upstream, _)| upstream)
        };
        let own = known.map(|(upstream, _)| upstream);
        let mirrors = mirrors(file.mirror, own, &mut beside, problems);
        let compare = compare(file.compare, own, &mirrors, &mut beside, problems);
        let (upstream, group) = known?;
        let dispatch = dispatch(file.dispatch.as_ref(), group, problems)?;
        return Some(Action::Forward(Forward {
            upstream,
            dispatch: Box::new(dispatch),
            mirrors,
            compare,
            path: edit?,
            request_fields: file.request_fields,
            host: file.host,
            upgrade: file.upgrade.unwrap_or_else(Forward::usual_upgrade),
            unreachable_status: None,
        }));
    }
    for key in FORWARDING {
        if let (Some(place), [(what, _)]) = (file.key(key), written.as_slice())
            && *what != "upstream"
        {
            problems.push(
                Problem::error(place, format!("`{key}` has no effect on a route with `{what}`"))
                    .hint("take it away; nothing is sent to a server here"),
            );
        }
    }
    file.redirect.map(Action::Redirect).or(file.respond.map(Action::Respond))
}

/// `strip` and `rewrite`; `None` when they were wrong.
fn path_edit(file: &RouteFile, path: &PathPattern, problems: &mut Problems) -> Option<PathEdit> {
    if let (Some(strip), Some(rewrite)) = (file.key("strip"), file.key("rewrite")) {
        let (first, second) = if strip < rewrite { (strip, rewrite) } else { (rewrite, strip) };
        problems.push(
            Problem::error(second, "a route has either `strip` or `rewrite`")
                .beside(first, "the other one is here")
                .hint("`rewrite: {prefix: /v2}` also takes the old prefix away"),
        );
        return None;
    }
    if let Some(strip) = &file.strip {
        return strip_edit(strip, path, problems);
    }
    match file.rewrite.clone() {
        None => Some(PathEdit::Keep),
        Some(At { value: Rewrite::Regex(pattern, to), .. }) => Some(PathEdit::Regex { pattern, to }),
        Some(At { value: Rewrite::Prefix(to), span }) => match path {
            PathPattern::Prefix(from) => {
                Some(PathEdit::ReplacePrefix { from: from.trim_end_matches('/').into(), to })
            }
            PathPattern::Exact(_) | PathPattern::Regex(_) => {
                problems.push(
                    Problem::error(span, "`rewrite` with `prefix` needs a `path` that is a prefix")
                        .hint("use `{regex: …, to: …}` here"),
                );
                None
            }
        },
    }
}

fn strip_edit(strip: &At<Box<str>>, path: &PathPattern, problems: &mut Problems) -> Option<PathEdit> {
    if strip.value.is_empty() {
        problems.push(
            Problem::error(strip.span, "`strip: /` takes nothing away").hint("write a prefix, as `/api`"),
        );
        return None;
    }
    let within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let met = match path {
        PathPattern::Prefix(prefix) => {
            let prefix = prefix.trim_end_matches('/');
            within(prefix, &strip.value) || within(&strip.value, prefix)
        }
        PathPattern::Exact(exact) => within(exact, &strip.value),
        PathPattern::Regex(_) => true,
    };
    if !met {
        let message =
            format!("no path of this route begins with `{}`, so nothing is taken away", strip.value);
        problems.push(Problem::warning(strip.span, message).hint(format!("the route's path is `{path}`")));
    }
    Some(PathEdit::Strip(strip.value.clone()))
}
