//! No circles between the files of a crate: if A cannot be read without B, B can be read without A.
//!
//! The graph is that of names, not of declarations: a parent's `mod x;` and its re-exports of what lies below are no
//! edge, and a name that comes through a re-export leads to the file that defines it. Tests may look wherever they like.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::finding::Finding;
use super::graph::{self, Edge};
use super::tree::Tree;

/// Edges by the file they start from.
type Graph = BTreeMap<String, BTreeMap<String, usize>>;

/// See the module's words.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let roots =
        tree.files.keys().filter(|path| path.ends_with("src/lib.rs") || path.ends_with("src/main.rs"));
    roots.flat_map(|root| circles_below(tree, root)).collect()
}

fn circles_below(tree: &Tree, root: &str) -> Vec<Finding> {
    let mut edges = Graph::new();
    for Edge { from, to, line } in graph::edges(tree, root) {
        edges.entry(from).or_default().entry(to).or_insert(line);
    }
    let mut reported = BTreeSet::new();
    let mut found = Vec::new();
    for start in edges.keys() {
        let Some(circle) = shortest_circle(&edges, start) else { continue };
        if circle.iter().any(|file| reported.contains(file)) {
            continue;
        }
        reported.extend(circle.iter().cloned());
        found.push(describe(&edges, &circle));
    }
    found
}

/// The shortest way from `start` back to itself: the files on it, `start` first.
fn shortest_circle(edges: &Graph, start: &str) -> Option<Vec<String>> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(file) = queue.pop_front() {
        for next in edges.get(file).into_iter().flat_map(BTreeMap::keys) {
            if next == start {
                let mut circle = vec![file.to_owned()];
                let mut at = file;
                while let Some(previous) = came_from.get(at) {
                    circle.push((*previous).to_owned());
                    at = previous;
                }
                circle.reverse();
                return Some(circle);
            }
            if !came_from.contains_key(next.as_str()) {
                came_from.insert(next, file);
                queue.push_back(next);
            }
        }
    }
    None
}

fn describe(edges: &Graph, circle: &[String]) -> Finding {
    let line =
        |from: &str, to: &str| edges.get(from).and_then(|to_line| to_line.get(to)).copied().unwrap_or(0);
    let steps: Vec<String> = circle
        .iter()
        .zip(circle.iter().cycle().skip(1))
        .map(|(from, to)| format!("{from}:{} names {to}", line(from, to)))
        .collect();
    Finding::new("circles", &circle[0], 0, format!("circle: {}", steps.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::tree::Tree;

    fn findings(texts: &[(&str, &str)]) -> Vec<String> {
        let texts = texts.iter().map(|(path, text)| (format!("c/src/{path}"), (*text).to_owned()));
        check(&Tree::from_texts(texts)).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn two_files_that_name_each_other_are_a_circle() {
        let lib = ("lib.rs", "mod a; mod b;");
        assert_eq!(
            findings(&[lib, ("a.rs", "use crate::b::B;"), ("b.rs", "\nuse super::a::A;")]),
            ["circle: c/src/a.rs:1 names c/src/b.rs; c/src/b.rs:2 names c/src/a.rs"]
        );
        assert!(findings(&[lib, ("a.rs", "use crate::b::B;"), ("b.rs", "")]).is_empty());
    }

    #[test]
    fn a_circle_of_three_is_found_once() {
        let texts = [
            ("lib.rs", "mod a; mod b; mod d;"),
            ("a.rs", "fn a() { crate::b::call() }"),
            ("b.rs", "fn b() -> crate::d::D { D }"),
            ("d.rs", "fn d() { println!(\"{}\", crate::a::NAME) }"),
        ];
        assert_eq!(findings(&texts).len(), 1);
    }

    #[test]
    fn declaring_and_re_exporting_is_no_edge() {
        let lib = ("lib.rs", "mod a; mod b; pub use a::A; pub use b::B;");
        assert!(findings(&[lib, ("a.rs", "pub struct A;"), ("b.rs", "use crate::A;")]).is_empty());
        let circle = [lib, ("a.rs", "use crate::B; pub struct A;"), ("b.rs", "use crate::A; pub struct B;")];
        assert_eq!(findings(&circle).len(), 1, "through the re-exports");
    }

    #[test]
    fn a_parent_that_uses_what_its_child_uses_of_it_is_a_circle() {
        let child = ("a.rs", "use super::Table; pub struct Row;");
        let lib = ("lib.rs", "mod a; pub use a::Row; pub struct Table { rows: Vec<Row> }");
        assert_eq!(findings(&[lib, child]).len(), 1, "re-exported and used");
        let lib = ("lib.rs", "mod a; pub struct Table { rows: Vec<a::Row> }");
        assert_eq!(findings(&[lib, child]).len(), 1, "by its path");
        let lib = ("lib.rs", "mod a; pub use a::Row; pub struct Table;");
        assert!(findings(&[lib, child]).is_empty());
    }

    #[test]
    fn tests_may_look_wherever_they_like() {
        let lib = ("lib.rs", "mod a; mod b;");
        let a = ("a.rs", "#[cfg(test)] mod tests { use crate::b::B; }");
        assert!(findings(&[lib, a, ("b.rs", "use crate::a::A;")]).is_empty());
        let a = ("a.rs", "#[cfg(test)] mod tests;");
        assert!(
            findings(&[lib, a, ("a/tests.rs", "use crate::b::B;"), ("b.rs", "use crate::a::A;")]).is_empty()
        );
    }

    #[test]
    fn inline_modules_and_directories_are_followed() {
        let lib = ("lib.rs", "mod a; mod inner { pub mod deep; pub use super::a::A; }");
        let deep = ("inner/deep.rs", "use super::A;");
        assert!(findings(&[lib, ("a/mod.rs", "pub struct A;"), deep]).is_empty());
        assert_eq!(findings(&[lib, ("a/mod.rs", "use crate::inner::deep::D; pub struct A;"), deep]).len(), 1);
    }

    #[test]
    fn a_variable_is_not_a_module_of_the_same_name() {
        let lib = ("lib.rs", "mod a; pub struct Table; fn f(a: u8) -> String { format!(\"{}\", a) + g(a) }");
        assert!(findings(&[lib, ("a.rs", "use super::Table;")]).is_empty());
    }

    #[test]
    fn visibility_names_nothing() {
        let texts =
            [("lib.rs", "mod a; fn f() { a::f() }"), ("a.rs", "pub(crate) fn f() {} pub(super) fn g() {}")];
        assert!(findings(&texts).is_empty());
    }

    #[test]
    fn names_of_other_crates_are_no_edges() {
        let texts = [("lib.rs", "mod a;"), ("a.rs", "use std::sync::Arc; fn a() { b::c() }"), ("b.rs", "")];
        assert!(findings(&texts).is_empty());
    }
}
