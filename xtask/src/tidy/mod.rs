//! The rules of the house that no compiler knows.
//!
//! Each rule is a function from the [`Tree`] to its findings and stands in its own file, with tests that feed it
//! snippets it must refuse: a rule that cannot fail protects nothing. Exceptions stand in one list, `exceptions.rs`, each
//! with its reason; an exception that excuses nothing is itself an error, so the list can only shrink.

mod circles;
mod exceptions;
mod finding;
mod floors;
mod globs;
mod graph;
mod leftovers;
mod lints;
mod module_docs;
mod names;
mod places;
mod purity;
mod sizes;
mod syntax;
mod targets;
mod tree;

use anyhow::Result;

use exceptions::{EXCEPTIONS, Exception};
use finding::Finding;
use tree::Tree;

use crate::workspace;

/// A rule reads the tree and says what is wrong.
type Rule = fn(&Tree) -> Vec<Finding>;

/// Every rule, in the order in which its findings are printed.
const RULES: [Rule; 12] = [
    tree::check,
    floors::check,
    purity::check,
    sizes::check,
    module_docs::check,
    circles::check,
    names::check,
    globs::check,
    leftovers::check,
    places::check,
    lints::check,
    targets::check,
];

/// Runs all rules over the project and prints what they found. False when there is something.
pub(crate) fn run() -> Result<bool> {
    let tree = Tree::load(workspace::root())?;
    let found: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    let left = excuse(found, EXCEPTIONS);
    for finding in &left {
        println!("{finding}");
    }
    let files = tree.files.len();
    match left.len() {
        0 => println!(
            "tidy: {files} files, {} rules, {} exceptions, nothing found",
            RULES.len(),
            EXCEPTIONS.len()
        ),
        found => println!("tidy: {files} files, {found} findings"),
    }
    Ok(left.is_empty())
}

/// Takes away what the list excuses, and adds a finding for every exception that excused nothing.
fn excuse(found: Vec<Finding>, exceptions: &[Exception]) -> Vec<Finding> {
    let mut used = vec![false; exceptions.len()];
    let mut left: Vec<Finding> = found
        .into_iter()
        .filter(|finding| {
            let excused = exceptions.iter().position(|exception| exception.covers(finding));
            if let Some(index) = excused {
                used[index] = true;
            }
            excused.is_none()
        })
        .collect();
    for (exception, _) in exceptions.iter().zip(used).filter(|(_, used)| !used) {
        left.push(Finding::new(
            "exceptions",
            "xtask/src/tidy/exceptions.rs",
            0,
            format!(
                "the exception from `{}` for `{}` excuses nothing: remove it",
                exception.rule, exception.path
            ),
        ));
    }
    left
}

#[cfg(test)]
mod tests {
    use super::{Exception, Finding, excuse};

    const LIST: &[Exception] =
        &[Exception { rule: "sizes", path: "a.rs", about: "fn long", reason: "a table of states" }];

    #[test]
    fn an_exception_covers_its_own_finding_only() {
        let named = Finding::new("sizes", "a.rs", 3, "fn long has 80 lines".into());
        let other = Finding::new("sizes", "a.rs", 90, "fn longer_still has 99 lines".into());
        let left = excuse(vec![named, other], LIST);
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].line, 90);
    }

    #[test]
    fn an_unused_exception_is_a_finding() {
        let left = excuse(Vec::new(), LIST);
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].rule, "exceptions");
    }
}
