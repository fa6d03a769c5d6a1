//! SPDX licence expressions: `MIT OR (Apache-2.0 AND BSD-3-Clause)`.

/// Whether the allowed licences satisfy the expression; `None` when it is none. A slash counts as OR, as old packages have it.
pub(super) fn is_satisfied(expression: &str, allows: &dyn Fn(&str) -> bool) -> Option<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (value, rest) = either(&words, allows)?;
    rest.is_empty().then_some(value)
}

/// OR binds weakest (SPDX specification, annex D).
fn either<'a>(words: &'a [&'a str], allows: &dyn Fn(&str) -> bool) -> Option<(bool, &'a [&'a str])> {
    let (mut value, mut rest) = both(words, allows)?;
    while let Some((&"OR", after)) = rest.split_first() {
        let (right, after) = both(after, allows)?;
        value |= right;
        rest = after;
    }
    Some((value, rest))
}

fn both<'a>(words: &'a [&'a str], allows: &dyn Fn(&str) -> bool) -> Option<(bool, &'a [&'a str])> {
    let (mut value, mut rest) = one(words, allows)?;
    while let Some((&"AND", after)) = rest.split_first() {
        let (right, after) = one(after, allows)?;
        value &= right;
        rest = after;
    }
    Some((value, rest))
}

fn one<'a>(words: &'a [&'a str], allows: &dyn Fn(&str) -> bool) -> Option<(bool, &'a [&'a str])> {
    match words {
        ["(", rest @ ..] => {
            let (value, rest) = either(rest, allows)?;
            let (&")", rest) = rest.split_first()? else { return None };
            Some((value, rest))
        }
        ["AND" | "OR" | "WITH" | ")", ..] | [] => None,
        [licence, "WITH", exception, rest @ ..] => {
            Some((allows(&format!("{licence} WITH {exception}")), rest))
        }
        [licence, rest @ ..] => Some((allows(licence), rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::is_satisfied;

    fn check(expression: &str, expected: Option<bool>) {
        let allows =
            |licence: &str| ["MIT", "BSD-3-Clause", "Apache-2.0 WITH LLVM-exception"].contains(&licence);
        assert_eq!(is_satisfied(expression, &allows), expected, "{expression}");
    }

    #[test]
    fn expressions_are_read_as_spdx_says() {
        check("MIT", Some(true));
        check("GPL-2.0", Some(false));
        check("MIT/GPL-2.0", Some(true));
        check("GPL-2.0 OR MIT AND BSD-3-Clause", Some(true));
        check("MIT AND (GPL-2.0 OR BSD-3-Clause)", Some(true));
        check("(MIT OR BSD-3-Clause) AND GPL-2.0", Some(false));
        check("GPL-2.0 OR Apache-2.0 WITH LLVM-exception", Some(true));
        check("Apache-2.0", Some(false));
    }

    #[test]
    fn what_is_no_expression_is_not_guessed() {
        for broken in ["", "MIT AND", "OR MIT", "(MIT", "MIT)", "MIT BSD-3-Clause", "MIT WITH"] {
            check(broken, None);
        }
    }
}
