//! `${NAME}` and `${NAME:-default}` in the scalars of the tree (semantics.md §4.6).
//!
//! This happens after parsing, so that a value from the environment never makes structure: a colon, a dash or a line
//! end in it is text. Keys are not touched. `$$` is a dollar; a dollar before anything else but `{` stays, because
//! `$1` in a rewrite and `$host` in a redirect are not ours.

use crate::node::{Node, NodeKind, Scalar, shortened};
use crate::problem::{Problem, Problems};
use crate::source::Span;

/// Looks up a variable.
pub(crate) type Lookup<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Variables of a redirect, which people write with braces by mistake.
const REDIRECT_VARIABLES: [&str; 4] = ["scheme", "host", "path", "query"];

/// Replaces variables in every scalar value below `node`.
pub(crate) fn replace(node: &mut Node, lookup: Lookup<'_>, problems: &mut Problems) {
    match &mut node.kind {
        NodeKind::Scalar(scalar) => replace_in(scalar, node.span, lookup, problems),
        NodeKind::List(nodes) => nodes.iter_mut().for_each(|node| replace(node, lookup, problems)),
        NodeKind::Mapping(entries) => {
            entries.iter_mut().for_each(|entry| replace(&mut entry.value, lookup, problems));
        }
    }
}

fn replace_in(scalar: &mut Scalar, span: Span, lookup: Lookup<'_>, problems: &mut Problems) {
    if !scalar.text.contains('$') {
        return;
    }
    let mut text = String::with_capacity(scalar.text.len());
    let mut rest = scalar.text.as_str();
    let mut replaced = false;
    while let Some(dollar) = rest.find('$') {
        text.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            text.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let Some(end) = after.find('}') else {
                problems.push(
                    Problem::error(span, "`${` is not closed by `}`").hint("write `$$` for a dollar itself"),
                );
                return;
            };
            match value(&after[..end], lookup) {
                Ok(value) => text.push_str(&value),
                Err((message, hint)) => problems.push(Problem::error(span, message).hint(hint)),
            }
            replaced = true;
            rest = &after[end + 1..];
        } else {
            text.push('$');
        }
    }
    text.push_str(rest);
    scalar.text = text;
    scalar.replaced = replaced;
}

/// The value of what stands between the braces, or message and hint.
fn value(reference: &str, lookup: Lookup<'_>) -> Result<String, (String, String)> {
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    if !is_name(name) || default.is_some_and(|default| default.contains("${")) {
        let message = format!("`${{{}}}` is not a variable of the environment", shortened(reference));
        let hint = "write `${NAME}` or `${NAME:-default}`; write `$$` for a dollar itself";
        return Err((message, hint.to_owned()));
    }
    // As in a shell, `:-` also stands in for a variable that is set to nothing.
    match (lookup(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => {
            let hint = if REDIRECT_VARIABLES.contains(&name) {
                format!("in a redirect the variable is written `${name}`, without braces")
            } else {
                format!("set it, or give a default: `${{{name}:-default}}`")
            };
            Err((format!("the environment has no variable `{name}`"), hint))
        }
    }
}

/// A name as shells take it (POSIX.1-2017 §3.235).
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::replace;
    use crate::node::{Node, NodeKind, Scalar};
    use crate::problem::Problems;
    use crate::source::Span;

    /// `Ok` with the text, or `Err` with all messages.
    fn check(written: &str, expected: Result<&str, &str>) {
        let scalar = Scalar { text: written.to_owned(), plain: true, replaced: false };
        let mut node = Node { span: Span::default(), kind: NodeKind::Scalar(scalar), is_shared: false };
        let mut problems = Problems::default();
        let lookup = |name: &str| match name {
            "A" => Some("one".to_owned()),
            "EMPTY" => Some(String::new()),
            "ODD" => Some("x: [1, 2]\n${A} $$".to_owned()),
            _ => None,
        };
        replace(&mut node, &lookup, &mut problems);
        let failed = problems.has_errors();
        let messages: Vec<String> = problems.into_sorted().0.into_iter().map(|one| one.message).collect();
        let NodeKind::Scalar(scalar) = node.kind else { panic!("still a scalar") };
        match expected {
            Ok(text) => {
                assert_eq!((scalar.text.as_str(), messages.len()), (text, 0), "{written}: {messages:?}");
            }
            Err(part) => assert!(failed && messages.join("; ").contains(part), "{written}: {messages:?}"),
        }
    }

    #[test]
    fn variables_are_replaced_and_nothing_else_is() {
        check("plain", Ok("plain"));
        check("${A}", Ok("one"));
        check("x${A}y${A}z", Ok("xoneyonez"));
        check("${A:-two}", Ok("one"));
        check("${B:-two}", Ok("two"));
        check("${B:-}", Ok(""));
        check("${EMPTY}", Ok(""));
        check("${EMPTY:-two}", Ok("two"));
        check("${B:-a:-b}", Ok("a:-b"));
        check("/u/$1", Ok("/u/$1"));
        check("$scheme://$host$path$query", Ok("$scheme://$host$path$query"));
        check("$", Ok("$"));
        check("a$", Ok("a$"));
        check("$$", Ok("$"));
        check("$$$$", Ok("$$"));
        check("$${A}", Ok("${A}"));
        check("$$${A}", Ok("$one"));
    }

    #[test]
    fn a_value_is_text_and_is_not_searched_again() {
        check("${ODD}", Ok("x: [1, 2]\n${A} $$"));
    }

    #[test]
    fn what_cannot_be_replaced_is_an_error() {
        check("${B}", Err("no variable `B`"));
        check("${host}", Err("no variable `host`"));
        check("${1}", Err("`${1}` is not a variable"));
        check("${}", Err("is not a variable"));
        check("${A B}", Err("is not a variable"));
        check("${A-x}", Err("is not a variable"));
        check("${A:-${B}}", Err("is not a variable"));
        check("${A", Err("not closed"));
        check("${B} ${C}", Err("no variable `B`; the environment has no variable `C`"));
    }
}
