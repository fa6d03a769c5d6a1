//! Cookies of a request (RFC 6265 §4.2): which values a name has.
//!
//! Values are taken as they are, with quotes if there are any. Nothing is refused: what other programs put into this field is
//! between them and their clients.

/// The values of the cookie with this name, from all fields, in their order. A client may have several of one name, set for
/// different paths.
pub fn values<'h>(fields: impl Iterator<Item = &'h [u8]>, name: &[u8]) -> impl Iterator<Item = &'h [u8]> {
    fields.flat_map(|field| field.split(|byte| *byte == b';')).filter_map(move |pair| {
        let pair = pair.trim_ascii();
        // The longest part of the work is to find out that it is another one.
        let rest = pair.strip_prefix(name)?;
        rest.strip_prefix(b"=")
    })
}

/// Whether a text can be the name of a cookie: a token (RFC 6265 §4.1.1).
pub fn is_name(text: &[u8]) -> bool {
    crate::list::is_token(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: &[&str], expected: &[&str]) {
        let found: Vec<&[u8]> = values(fields.iter().map(|field| field.as_bytes()), b"id").collect();
        let expected: Vec<&[u8]> = expected.iter().map(|value| value.as_bytes()).collect();
        assert_eq!(found, expected, "{fields:?}");
    }

    #[test]
    fn values_by_name() {
        check(&["id=1"], &["1"]);
        check(&["a=b; id=1; c=d"], &["1"]);
        check(&["a=b;id=1"], &["1"]);
        check(&["id=1; id=2", "id=3"], &["1", "2", "3"]);
        check(&["id=\"1\""], &["\"1\""]);
        check(&["id=a=b"], &["a=b"]);
        check(&["id="], &[""]);
        check(&["  id=1 ;"], &["1"]);
        check(&["ID=1; xid=2; idx=3; id =4; id"], &[]);
        check(&[], &[]);
        check(&["", ";;;"], &[]);
    }

    #[test]
    fn names_are_tokens() {
        assert!(is_name(b"__Host-weir") && is_name(b"a"));
        assert!(!is_name(b"") && !is_name(b"a=b") && !is_name(b"a;b") && !is_name(b"a b"));
    }
}
