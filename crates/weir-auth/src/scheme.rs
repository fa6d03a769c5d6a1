//! Which scheme an Authorization field is of (RFC 9110 §11.4).

/// What stands behind the name of this scheme; `None` when the field is of another. Names are compared without regard to
/// case (RFC 9110 §11.1).
pub fn after<'v>(value: &'v [u8], scheme: &str) -> Option<&'v [u8]> {
    let (name, rest) = value.split_at_checked(scheme.len())?;
    let ends = rest.first().is_none_or(|byte| *byte == b' ');
    (ends && name.eq_ignore_ascii_case(scheme.as_bytes())).then(|| rest.trim_ascii_start())
}

#[cfg(test)]
mod tests {
    use super::after;

    #[test]
    fn a_scheme_ends_at_a_space() {
        let check = |value: &str, expected: Option<&str>| {
            assert_eq!(after(value.as_bytes(), "Bearer"), expected.map(str::as_bytes), "{value}");
        };
        check("Bearer x", Some("x"));
        check("bearer  x y", Some("x y"));
        check("Bearer", Some(""));
        check("Bearerx", None);
        check("Bearer\tx", None);
        check("Beare", None);
        check("", None);
    }
}
