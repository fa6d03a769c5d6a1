//! What one method has where methods have things of their own.

/// What `method` has in a list by methods; HEAD follows GET where it has nothing of its own (`semantics.md` §3).
pub fn of_method<'l, T>(by_method: &'l [(Box<str>, T)], method: &[u8]) -> Option<&'l T> {
    let named = |name: &[u8]| {
        let found = by_method.iter().find(|(known, _)| known.as_bytes() == name);
        found.map(|(_, thing)| thing)
    };
    named(method).or_else(|| named(b"GET").filter(|_| method == b"HEAD"))
}

#[cfg(test)]
mod tests {
    use super::of_method;

    #[test]
    fn head_follows_get_unless_it_has_something_of_its_own() {
        for (names, method, expected) in [
            (&["GET", "POST"][..], "HEAD", Some("GET")),
            (&["GET", "HEAD"], "HEAD", Some("HEAD")),
            (&["HEAD"], "GET", None),
            (&["POST"], "HEAD", None),
            (&["GET"], "head", None),
            (&["GET"], "get", None),
            (&[], "GET", None),
        ] {
            let list: Vec<_> = names.iter().map(|name| ((*name).into(), *name)).collect();
            assert_eq!(of_method(&list, method.as_bytes()).copied(), expected, "{method} in {names:?}");
        }
    }
}
