//! Comma lists and tokens of field values (RFC 9110 §5.6).
//!
//! One splitter serves every list field, so that no two parts of the program disagree about where an element
//! ends: a comma inside a quoted string is not a separator, empty elements are skipped (RFC 9110 §5.6.1.2),
//! optional white space around elements is cut off. What an element must look like is the business of whoever
//! reads the list. Nothing is allocated, and the work is linear in the length of the value, which the limit
//! on heads bounds.

use memchr::memchr2;

/// Bytes that a token may consist of (RFC 9110 §5.6.2).
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric()
            || matches!(
                byte as u8,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        byte += 1;
    }
    table
};

/// Whether `text` is a token: at least one byte, all of them token bytes.
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| TOKEN[usize::from(byte)])
}

/// The elements of one comma list, without the white space around them and without the empty ones.
///
/// A quoted string that never ends takes the rest of the value into its element, where no reader accepts it
/// as a token.
pub fn elements(value: &[u8]) -> Elements<'_> {
    Elements { parts: Parts::new(value, b',') }
}

/// The parameters of one list element: what stands between semicolons, trimmed, empty ones skipped.
pub fn parameters(element: &[u8]) -> Elements<'_> {
    Elements { parts: Parts::new(element, b';') }
}

/// Iterator of [`elements`] and [`parameters`].
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    parts: Parts<'a>,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.parts.by_ref().map(trim).find(|part| !part.is_empty())
    }
}

/// Everything between separators, as it stands.
#[derive(Clone, Debug)]
struct Parts<'a> {
    /// What was not handed out yet; `None` after the last part.
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Parts<'a> {
    fn new(value: &'a [u8], separator: u8) -> Self {
        Self { rest: Some(value), separator }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        match find_unquoted(rest, self.separator) {
            Some(at) => {
                self.rest = Some(&rest[at + 1..]);
                Some(&rest[..at])
            }
            None => {
                self.rest = None;
                Some(rest)
            }
        }
    }
}

/// The first `separator` that stands outside quoted strings (RFC 9110 §5.6.4).
fn find_unquoted(text: &[u8], separator: u8) -> Option<usize> {
    let first = memchr2(separator, b'"', text)?;
    let mut quoted = false;
    let mut escaped = false;
    for (at, &byte) in text.iter().enumerate().skip(first) {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
        } else if byte == separator {
            return Some(at);
        } else if byte == b'"' {
            quoted = true;
        }
    }
    None
}

/// `text` without the optional white space (space and tab, RFC 9110 §5.6.3) at both ends.
pub fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(value: &str, expected: &[&str]) {
        let found: Vec<&[u8]> = elements(value.as_bytes()).collect();
        let expected: Vec<&[u8]> = expected.iter().map(|text| text.as_bytes()).collect();
        assert_eq!(found, expected, "{value:?}");
    }

    #[test]
    fn lists_are_split_at_commas_and_empty_elements_are_skipped() {
        check("", &[]);
        check(" \t ", &[]);
        check(",", &[]);
        check(", ,\t,,", &[]);
        check("a", &["a"]);
        check("a,b", &["a", "b"]);
        check(" a\t, b ,,c ,", &["a", "b", "c"]);
        check("a b, c", &["a b", "c"]);
    }

    #[test]
    fn commas_in_quoted_strings_do_not_separate() {
        check(r#"a;x="1,2", b"#, &[r#"a;x="1,2""#, "b"]);
        check(r#""\",", b"#, &[r#""\",""#, "b"]);
        check(r#""\\", b"#, &[r#""\\""#, "b"]);
        // A backslash means something only inside of quotes.
        check(r#"\", b"#, &[r#"\", b"#]);
        check(r#"close", keep-alive"#, &[r#"close", keep-alive"#]);
    }

    #[test]
    fn parameters_are_split_at_semicolons() {
        let found: Vec<&[u8]> = parameters(br#"a/b ; q=1;;x=";,"; "#).collect();
        assert_eq!(found, [&b"a/b"[..], b"q=1", br#"x=";,""#]);
    }

    #[test]
    fn tokens() {
        for good in ["a", "X-A", "!#$%&'*+-.^_`|~09azAZ"] {
            assert!(is_token(good.as_bytes()), "{good}");
        }
        for bad in ["", " a", "a b", "a:", "a,b", "a\0", "é", "(", "\"a\"", "a/b", "a=b", "[", "{", "\x7f"] {
            assert!(!is_token(bad.as_bytes()), "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn without_quotes_it_is_splitting_and_trimming(value in "[a-c, \\t;=\\\\]{0,20}") {
            let expected: Vec<&str> =
                value.split(',').map(|part| part.trim_matches([' ', '\t'])).filter(|part| !part.is_empty()).collect();
            let found: Vec<&str> = elements(value.as_bytes()).filter_map(|part| std::str::from_utf8(part).ok()).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn nothing_but_separators_is_lost(value in proptest::collection::vec(any::<u8>(), 0..24)) {
            let wanted = |byte: &u8| !matches!(byte, b',' | b' ' | b'\t');
            let found: Vec<u8> = elements(&value).flatten().copied().filter(wanted).collect();
            let expected: Vec<u8> = value.iter().copied().filter(wanted).collect();
            prop_assert_eq!(found, expected);
            for element in elements(&value) {
                prop_assert!(!element.is_empty() && trim(element) == element);
            }
        }
    }
}
