//! Every fuzz target is run by an ordinary test too, on its corpus and on seeded changes of it.
//!
//! Continuous integration builds no target with the fuzzer's instruments; a target without such a test would be a target that
//! nobody runs until somebody thinks of it.

use super::finding::Finding;
use super::tree::Tree;

/// Where the targets stand.
const TARGETS: &str = "fuzz/fuzz_targets/";

/// See the module's words.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let targets =
        tree.files.keys().filter_map(|path| Some((path, path.strip_prefix(TARGETS)?.strip_suffix(".rs")?)));
    targets.filter(|(_, name)| !is_tested(tree, name)).map(|(path, name)| finding(path, name)).collect()
}

fn is_tested(tree: &Tree, name: &str) -> bool {
    let call = format!("seeded::run(\"{name}\"");
    tree.files.values().any(|file| file.for_tests && file.text.contains(&call))
}

fn finding(path: &str, name: &str) -> Finding {
    let message =
        format!("no test runs it: `seeded::run(\"{name}\", …)` in the tests of the crate that it is about");
    Finding::new("targets", path, 0, message)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::tree::Tree;

    fn findings(test: &str) -> usize {
        let texts = [
            ("fuzz/fuzz_targets/chunked.rs", ""),
            ("crates/a/tests/fuzz.rs", test),
            ("crates/a/src/b.rs", test),
        ];
        check(&Tree::from_texts(texts.map(|(path, text)| (path.to_owned(), text.to_owned())))).len()
    }

    #[test]
    fn a_target_has_a_test() {
        assert_eq!(findings(""), 1);
        assert_eq!(findings("fn a() { seeded::run(\"chunk\", 1, check); }"), 1, "of another one");
        assert_eq!(findings("fn a() { seeded::run(\"chunked\", 1, check); }"), 0);
    }

    #[test]
    fn code_that_is_no_test_does_not_count() {
        let call = "fn a() { seeded::run(\"chunked\", 1, check); }";
        let texts = [("fuzz/fuzz_targets/chunked.rs", ""), ("crates/a/src/b.rs", call)];
        let tree = Tree::from_texts(texts.map(|(path, text)| (path.to_owned(), text.to_owned())));
        assert_eq!(check(&tree).len(), 1);
    }
}
