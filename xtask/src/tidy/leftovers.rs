//! Nothing unfinished is committed: no `todo!`, `unimplemented!`, `dbg!`, and none of the words for "later".
//!
//! Work that is left is written down where work is planned, with enough words to be done by somebody else.

use proc_macro2::{TokenStream, TokenTree};

use super::finding::Finding;
use super::tree::Tree;

/// Macros of work in progress.
const MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// Words of work in progress; glued together here so that this file does not find itself.
const WORDS: [&str; 4] = [concat!("FIX", "ME"), concat!("TO", "DO"), concat!("XX", "X"), concat!("HA", "CK")];

/// See the module's words.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, file) in &tree.files {
        for (number, line) in file.text.lines().enumerate() {
            for word in WORDS.iter().filter(|word| has_word(line, word)) {
                found.push(Finding::new("leftovers", path, number + 1, format!("`{word}` was left behind")));
            }
        }
        // Token by token, so that a macro inside another macro's arguments is seen and one in a comment is not.
        if file.syntax.is_some()
            && let Ok(tokens) = file.text.parse::<TokenStream>()
        {
            find_macros(path, tokens, &mut found);
        }
    }
    found
}

fn find_macros(path: &str, tokens: TokenStream, found: &mut Vec<Finding>) {
    let mut last: Option<proc_macro2::Ident> = None;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                last = Some(ident);
                continue;
            }
            TokenTree::Punct(punct) if punct.as_char() == '!' => {
                if let Some(name) = last.as_ref().filter(|name| MACROS.iter().any(|known| **name == *known)) {
                    let line = name.span().start().line;
                    found.push(Finding::new("leftovers", path, line, format!("`{name}!` was left behind")));
                }
            }
            TokenTree::Group(group) => find_macros(path, group.stream(), found),
            _ => {}
        }
        last = None;
    }
}

/// Whether the word stands in the line, not as a part of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| part == word)
}

#[cfg(test)]
mod tests {
    use super::{WORDS, check};
    use crate::tidy::tree::Tree;

    fn findings(path: &str, text: &str) -> usize {
        check(&Tree::from_texts([(path.to_owned(), text.to_owned())])).len()
    }

    #[test]
    fn macros_of_work_in_progress_are_found() {
        assert_eq!(findings("a.rs", "fn a() { todo!() }"), 1);
        assert_eq!(findings("a.rs", "fn a() { std::unimplemented!(\"later\") }"), 1);
        assert_eq!(findings("a.rs", "fn a() { assert!(dbg!(b()) > 1) }"), 1, "inside another macro");
        assert_eq!(findings("a.rs", "// a word about todo!\nfn a() { todo(); b != c; }"), 0);
    }

    #[test]
    fn words_of_work_in_progress_are_found_in_every_file() {
        for word in WORDS {
            assert_eq!(findings("a.md", &format!("first\n- {word}: later")), 1, "{word}");
            assert_eq!(
                findings("a.md", &format!("mktemp {word}{word}")),
                0,
                "{word} as part of a longer one"
            );
        }
    }
}
