//! Text to tree: what is refused, and that places are right.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::parse;
use crate::node::{Node, NodeKind};
use crate::problem::Problems;
use crate::source::Source;

fn outcome(text: &str) -> (Option<Node>, Vec<String>) {
    let source = Source::new("t", text.to_owned());
    let mut problems = Problems::default();
    let root = parse(&source, &mut problems);
    let messages = problems.into_sorted().0.into_iter().map(|problem| {
        let place = problem.span.map_or("-".to_owned(), |span| {
            let position = source.position(span.start);
            format!("{}:{}", position.line, position.column)
        });
        format!("{place} {} | {}", problem.message, problem.hint.unwrap_or_default())
    });
    (root, messages.collect())
}

/// `expected` are parts of the problems, in order.
fn check(text: &str, expected: &[&str]) {
    let (_, messages) = outcome(text);
    assert_eq!(messages.len(), expected.len(), "{text:?}: {messages:#?}");
    for (message, part) in messages.iter().zip(expected) {
        assert!(
            part.split(" … ").all(|part| message.contains(part)),
            "{text:?}: {message:?} has not {part:?}"
        );
    }
}

/// Every scalar (keys too) with the text that its place covers.
fn scalars(text: &str) -> Vec<(String, String)> {
    fn collect(node: &Node, text: &str, list: &mut Vec<(String, String)>) {
        match &node.kind {
            NodeKind::Scalar(scalar) => {
                list.push((scalar.text.clone(), text[node.span.start..node.span.end].to_owned()));
            }
            NodeKind::List(nodes) => nodes.iter().for_each(|node| collect(node, text, list)),
            NodeKind::Mapping(entries) => entries.iter().for_each(|entry| {
                list.push((entry.key.clone(), text[entry.key_span.start..entry.key_span.end].to_owned()));
                collect(&entry.value, text, list);
            }),
        }
    }
    let mut list = Vec::new();
    collect(&outcome(text).0.unwrap(), text, &mut list);
    list
}

#[test]
fn ordinary_documents_have_no_problems() {
    for text in
        ["a: 1", "a: [1, {b: c}]", "- a\n- b", "--- \na: 1\n...\n", "a: |\n  x\n  y\n", "a: &x 1\nb: *x"]
    {
        let (root, messages) = outcome(text);
        assert!(root.is_some() && messages.is_empty(), "{text:?}: {messages:?}");
    }
}

#[test]
fn what_makes_a_configuration_ambiguous_is_refused() {
    check("a: 1\nb: 2\na: 3", &["3:1 `a` stands twice"]);
    check("a: 1\n\"a\": 3", &["2:1 `a` stands twice"]);
    check("x:\n  a: 1\n  a: {b: 1, b: 2}", &["3:3 `a` stands twice", "3:13 `b` stands twice"]);
    check("a: 1\n---\nb: 1", &["2:1 a second document … take this `---`"]);
    check("a: !x 1", &["1:4 YAML tags"]);
    check("a: !!str 1", &["YAML tags"]);
    check("a: &x {b: 1}\nc: {<<: *x}", &["2:5 merge keys … alias"]);
    check("\"<<\": 1", &[]);
    check("{[a]: 1}", &["1:2 a key must be a text"]);
    check("? {a: b}\n: 1", &["a key must be a text"]);
    check(": 1", &["a key is missing"]);
    check("~: 1", &["a key is missing"]);
    check("${A}: 1", &["1:1 variables … not in keys"]);
    check("a: &x [*x]", &["inside what it repeats"]);
    check("a: *x", &["1:4 … unknown anchor … quotes"]);
}

#[test]
fn syntax_errors_say_what_people_usually_did() {
    check("host: *", &["1:7 … put the value in quotes: `\"*\"`"]);
    check("host: *.example.com", &["1:7 … put the value in quotes"]);
    check("a:\n\t- b", &["2:2 … a tab stands here"]);
    check("a: [${X}]", &["1:6 … put `\"${NAME}\"` in quotes"]);
    check("a: {b: ${X}}", &["1:9 … put `\"${NAME}\"` in quotes"]);
    check("a: @x", &["1:4 … must be in quotes"]);
    check("a: b: c", &["1:5 … must be in quotes"]);
    check("a: [1", &["not valid YAML"]);
    check("a: \"x", &["not valid YAML"]);
    check("a: 'x\n", &["not valid YAML"]);
    check("a: \0", &["not valid YAML"]);
    check("a: 1\n b: 2", &["not valid YAML"]);
    check("ä: [ö, ü\nb: 1", &["not valid YAML"]);
}

#[test]
fn empty_documents_have_no_tree() {
    check("# nothing", &["- the configuration is empty … the smallest one"]);
    check("", &["- the configuration is empty"]);
}

#[test]
fn places_cover_what_was_written_whatever_the_letters() {
    for (text, expected) in [
        ("a: b", vec![("a", "a"), ("b", "b")]),
        ("a: \"b\\n\"", vec![("a", "a"), ("b\n", "\"b\\n\"")]),
        ("ä: [ö, 'ü']", vec![("ä", "ä"), ("ö", "ö"), ("ü", "'ü'")]),
        ("a: b\r\nc: d\r\n", vec![("a", "a"), ("b", "b"), ("c", "c"), ("d", "d")]),
        ("a: 🦀 # 🦀\nb: c", vec![("a", "a"), ("🦀", "🦀"), ("b", "b"), ("c", "c")]),
        ("listen: :8080", vec![("listen", "listen"), (":8080", ":8080")]),
    ] {
        let expected: Vec<(String, String)> =
            expected.into_iter().map(|(text, place)| (text.to_owned(), place.to_owned())).collect();
        assert_eq!(scalars(text), expected, "{text:?}");
    }
}

#[test]
fn places_stay_right_far_into_a_file_of_wide_letters() {
    let mut text = String::new();
    for number in 0..500 {
        let _ = writeln!(text, "schlüssel{number}: größe{number} # 🦀");
    }
    for (number, pair) in scalars(&text).chunks(2).enumerate() {
        assert_eq!(pair[0].1, format!("schlüssel{number}"));
        assert_eq!(pair[1].1, format!("größe{number}"));
    }
}

#[test]
fn aliases_are_copied_within_limits() {
    let (root, messages) = outcome("a: &x [1, 2]\nb: *x\n");
    assert!(messages.is_empty(), "{messages:?}");
    assert!(matches!(&root.unwrap().value_of("b").unwrap().kind, NodeKind::List(nodes) if nodes.len() == 2));

    // A billion laughs: each line ten times the one before.
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for number in 1..12 {
        let aliases = vec![format!("*a{}", number - 1); 10].join(",");
        let _ = writeln!(bomb, "a{number}: &a{number} [{aliases}]");
    }
    check(&bomb, &["more than 1000000 values"]);

    // The same in depth: each alias adds forty levels.
    let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(40), "]".repeat(40));
    check(&format!("a: &x {}\nb: {}", deep("1"), deep("*x")), &["nested more than 64 levels"]);
}

/// Ten megabytes of nesting once made other parsers overflow their stack or take minutes.
#[test]
#[expect(clippy::disallowed_methods, reason = "how long it really takes is what is tested")]
fn ten_megabytes_of_nesting_are_refused_at_once() {
    for unit in ["[", "{", "- ", "? ", "a: {", "[[{", "- - ", "!x [", "&a ["] {
        let text = unit.repeat(10_000_000 / unit.len());
        let begin = Instant::now();
        let (_, messages) = outcome(&text);
        assert!(begin.elapsed() < Duration::from_secs(20), "{unit:?} took {:?}", begin.elapsed());
        assert!(!messages.is_empty() && messages.len() <= 200, "{unit:?}: {}", messages.len());
    }
    check(&"[".repeat(300), &["nested more than 64 levels"]);
    check(&"- ".repeat(65), &["1:129 nested more than 64 levels"]);
    let just = format!("{}1{}", "[".repeat(64), "]".repeat(64));
    check(&just, &[]);
}
