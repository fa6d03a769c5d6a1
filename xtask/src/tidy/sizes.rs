//! Files up to 500 lines and functions up to 70, tests aside; tests over 100 lines get their own file.
//!
//! The best codebases of the field keep 97 to 99 percent within that. What is over it does two things.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Block};

use super::finding::Finding;
use super::syntax;
use super::tree::{File, Tree};

/// Lines of a file, test modules not counted.
const FILE_LINES: usize = 500;
/// Lines of a function from `fn` to its closing brace.
const FUNCTION_LINES: usize = 70;
/// Lines of a test module inside the file that it tests.
const INLINE_TEST_LINES: usize = 100;

/// See the module's words.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .filter(|(_, file, _)| !file.for_tests)
        .flat_map(|(path, file, syntax)| check_file(path, file, syntax))
        .collect()
}

fn check_file(path: &str, file: &File, syntax: &syn::File) -> Vec<Finding> {
    let mut sizes = Sizes { path, test_lines: 0, found: Vec::new() };
    sizes.visit_file(syntax);
    let lines = file.text.lines().count().saturating_sub(sizes.test_lines);
    let mut found = sizes.found;
    if lines > FILE_LINES {
        let message =
            format!("has {lines} lines without its tests, {FILE_LINES} are the limit: split it by noun");
        found.push(Finding::new("sizes", path, 0, message));
    }
    found
}

struct Sizes<'a> {
    path: &'a str,
    test_lines: usize,
    found: Vec<Finding>,
}

impl Sizes<'_> {
    fn function(&mut self, attributes: &[Attribute], name: &syn::Ident, start: Span, body: &Block) {
        let lines = lines_between(start, body.span());
        if lines > FUNCTION_LINES && !syntax::is_for_tests(attributes) {
            let message = format!("fn {name} has {lines} lines, {FUNCTION_LINES} are the limit");
            self.found.push(Finding::new("sizes", self.path, start.start().line, message));
        }
    }
}

impl<'ast> Visit<'ast> for Sizes<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if module.content.is_none() || !syntax::is_for_tests(&module.attrs) {
            visit::visit_item_mod(self, module);
            return;
        }
        let lines = lines_between(module.span(), module.span());
        self.test_lines += lines;
        if lines > INLINE_TEST_LINES {
            let name = &module.ident;
            let message = format!(
                "mod {name} has {lines} lines, tests over {INLINE_TEST_LINES} get a file of their own"
            );
            self.found.push(Finding::new("sizes", self.path, module.span().start().line, message));
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.attrs, &item.sig.ident, item.sig.span(), &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.attrs, &item.sig.ident, item.sig.span(), &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.function(&item.attrs, &item.sig.ident, item.sig.span(), body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

/// Lines from where `first` starts to where `last` ends, both counted.
fn lines_between(first: Span, last: Span) -> usize {
    last.end().line.saturating_sub(first.start().line) + 1
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::tree::Tree;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let tree = Tree::from_texts([(path.to_owned(), text.to_owned())]);
        check(&tree).into_iter().map(|finding| finding.message).collect()
    }

    fn function(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    call();\n".repeat(lines - 2))
    }

    #[test]
    fn a_function_at_the_limit_passes_and_one_above_is_found() {
        assert_eq!(findings("a.rs", &function(70)), Vec::<String>::new());
        assert_eq!(findings("a.rs", &function(71)), ["fn long has 71 lines, 70 are the limit"]);
    }

    #[test]
    fn methods_are_functions() {
        assert_eq!(findings("a.rs", &format!("impl A {{\n{}}}\n", function(71))).len(), 1);
        assert_eq!(findings("a.rs", &format!("trait A {{\n{}}}\n", function(71))).len(), 1);
        assert_eq!(findings("a.rs", &format!("fn outer() {{\n{}}}\n", function(71))).len(), 2);
    }

    #[test]
    fn a_file_over_the_limit_is_found() {
        assert_eq!(findings("a.rs", &"const A: u8 = 1;\n".repeat(500)).len(), 0);
        assert_eq!(findings("a.rs", &"const A: u8 = 1;\n".repeat(501)).len(), 1);
    }

    #[test]
    fn tests_are_measured_by_their_own_limit() {
        let tests =
            |lines: usize| format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "// a line\n".repeat(lines - 3));
        let code = "const A: u8 = 1;\n".repeat(450);
        assert_eq!(
            findings("a.rs", &format!("{code}{}", tests(100))).len(),
            0,
            "not part of the file's lines"
        );
        assert_eq!(findings("a.rs", &tests(101)).len(), 1);
        assert_eq!(findings("a/tests.rs", &function(300)).len(), 0);
    }
}
