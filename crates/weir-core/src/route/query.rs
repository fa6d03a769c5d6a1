//! What routing looks at in a request.

use weir_http::head::Head;

/// A request as routing sees it. It borrows everything, so that asking costs no allocation.
#[derive(Clone, Copy)]
pub struct RouteQuery<'a> {
    /// The host in lower case, without port and without a trailing dot; `None` for HTTP/1.0 without Host.
    pub host: Option<&'a [u8]>,
    /// The method as on the wire; methods are case-sensitive (RFC 9110 §9.1).
    pub method: &'a [u8],
    /// The path in the spelling of `semantics.md` §1.2.
    pub path: &'a [u8],
    /// The query without `?`, untouched; `None` when there is no `?`.
    pub query: Option<&'a [u8]>,
    /// The header fields.
    pub fields: &'a dyn Fields,
}

/// The header fields of a request, whatever holds them.
pub trait Fields {
    /// Whether the value of any field called `name` (lower case) satisfies `test`. Each field line is one value,
    /// without the whitespace around it; lists are not taken apart.
    fn any(&self, name: &[u8], test: &mut dyn FnMut(&[u8]) -> bool) -> bool;
}

/// No fields at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFields;

impl Fields for NoFields {
    fn any(&self, _name: &[u8], _test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }
}

impl Fields for Head {
    fn any(&self, name: &[u8], test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.get_all(name).any(test)
    }
}

/// Names and values, as commands and tests have them.
impl<N: AsRef<str>, V: AsRef<str>> Fields for &[(N, V)] {
    fn any(&self, name: &[u8], test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.iter()
            .any(|(n, v)| n.as_ref().as_bytes().eq_ignore_ascii_case(name) && test(v.as_ref().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: &dyn Fields, name: &str, expected: &[&[u8]]) {
        let mut seen: Vec<Vec<u8>> = Vec::new();
        assert!(!fields.any(name.as_bytes(), &mut |value| {
            seen.push(value.to_vec());
            false
        }));
        assert_eq!(seen, expected, "{name}");
        assert_eq!(fields.any(name.as_bytes(), &mut |_| true), !expected.is_empty());
    }

    #[test]
    fn every_value_is_shown_whatever_holds_the_fields() {
        let mut head = Head::request(b"GET", b"/");
        head.append("Accept", b"a, b");
        head.append("X-Version", b"1");
        head.append("x-version", b"2");
        let pairs: &[(&str, &str)] = &[("Accept", "a, b"), ("X-Version", "1"), ("x-version", "2")];
        let holders: [&dyn Fields; 2] = [&head, &pairs];
        for fields in holders {
            check(fields, "accept", &[b"a, b"]);
            check(fields, "x-version", &[b"1", b"2"]);
            check(fields, "x-versions", &[]);
        }
        check(&NoFields, "accept", &[]);
    }
}
