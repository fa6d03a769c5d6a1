//! No `use …::*`: a reader finds where a name comes from by searching the file.
//!
//! Two kinds are let pass: a `prelude`, which was made for that, and `super::*` in tests, which are a part of the module
//! they test.

use syn::visit::{self, Visit};

use super::finding::Finding;
use super::syntax;
use super::tree::Tree;

/// See the module's words.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, file, syntax) in tree.rust() {
        let mut globs = Globs { path, in_tests: file.for_tests, found: &mut found };
        globs.visit_file(syntax);
    }
    found
}

struct Globs<'a> {
    path: &'a str,
    /// In a test module or a file of tests.
    in_tests: bool,
    found: &'a mut Vec<Finding>,
}

impl<'ast> Visit<'ast> for Globs<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let outside = self.in_tests;
        self.in_tests |= syntax::is_for_tests(&module.attrs);
        visit::visit_item_mod(self, module);
        self.in_tests = outside;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        for (path, name) in syntax::imports(&item.tree) {
            let is_prelude = path.last().is_some_and(|last| last == "prelude");
            let is_tested_module = self.in_tests && path == ["super"];
            if name == "*" && !is_prelude && !is_tested_module {
                let line = item.use_token.span.start().line;
                let message = format!("`use {}::*` hides where names come from: list them", path.join("::"));
                self.found.push(Finding::new("globs", self.path, line, message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::tree::Tree;

    fn findings(text: &str) -> usize {
        check(&Tree::from_texts([("crates/a/src/lib.rs".to_owned(), text.to_owned())])).len()
    }

    #[test]
    fn a_glob_is_found() {
        assert_eq!(findings("use crate::pool::Pool;"), 0);
        assert_eq!(findings("use crate::pool::*;"), 1);
        assert_eq!(findings("use crate::{pool::{self, *}, list::*};"), 2);
        assert_eq!(findings("fn a() { use Kind::*; }"), 1);
        assert_eq!(findings("mod inner { use super::*; }"), 1);
    }

    #[test]
    fn preludes_and_tests_of_the_same_file_pass() {
        assert_eq!(findings("use proptest::prelude::*;"), 0);
        assert_eq!(findings("#[cfg(test)] mod tests { use super::*; }"), 0);
        assert_eq!(findings("#[cfg(test)] mod tests { use super::super::*; }"), 1);
    }
}
