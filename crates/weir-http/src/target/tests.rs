//! Tables for the four forms and for what has none of them.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

/// Writes a target down in a form that tables can hold.
fn describe(target: &Target<'_>) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let query = |query: Option<&[u8]>| query.map_or("none".to_owned(), |query| format!("`{}`", text(query)));
    let authority = |authority: &Authority<'_>| match authority.port() {
        Some(port) => format!("{} port {port}", text(authority.host())),
        None => text(authority.host()),
    };
    match target {
        Target::Origin { path, query: q } => format!("origin {} {}", text(path), query(*q)),
        Target::Absolute { scheme, authority: a, path, query: q, .. } => {
            format!("{} {} {} {}", scheme.name(), authority(a), text(path), query(*q))
        }
        Target::Authority(found) => format!("authority {}", authority(found)),
        Target::Asterisk => "asterisk".to_owned(),
    }
}

fn check(target: impl AsRef<[u8]>, expected: Result<&str, TargetError>) {
    let target = target.as_ref();
    let found = parse(target).map(|found| describe(&found));
    assert_eq!(found, expected.map(str::to_owned), "{}", target.escape_ascii());
}

#[test]
fn origin_form() {
    check("/", Ok("origin / none"));
    check("/a/b", Ok("origin /a/b none"));
    check("/a?b=c", Ok("origin /a `b=c`"));
    check("/?", Ok("origin / ``"));
    check("/a??b?c", Ok("origin /a `?b?c`"));
    check("/a?b/../c", Ok("origin /a `b/../c`"));
    // The path is only split here, not normalised, and `//` begins no authority.
    check("/%61/../%", Ok("origin /%61/../% none"));
    check("//host/a", Ok("origin //host/a none"));
    check("/http://a/", Ok("origin /http://a/ none"));
    check("/*", Ok("origin /* none"));
    check("/\"<>^`{|}", Ok("origin /\\\"<>^`{|} none"));
    check(b"/\xc3\xbc", Ok("origin /\\xc3\\xbc none"));
}

#[test]
fn the_query_is_not_touched() {
    check("/?a=%2e%2E%zz%", Ok("origin / `a=%2e%2E%zz%`"));
    check("/?\"<>[]^`{|}", Ok("origin / `\\\"<>[]^`{|}`"));
    check("/?a\\b", Ok("origin / `a\\\\b`"));
    check(b"/?\xff", Ok("origin / `\\xff`"));
    check("/?%00", Ok("origin / `%00`"));
}

#[test]
fn absolute_form() {
    check("http://a", Ok("http a / none"));
    check("http://a/", Ok("http a / none"));
    check("https://a/b?c", Ok("https a /b `c`"));
    check("HTTP://A:80/b", Ok("http A port 80 /b none"));
    check("hTTpS://a:1?c", Ok("https a port 1 / `c`"));
    check("http://a?", Ok("http a / ``"));
    check("http://a?b@c:d", Ok("http a / `b@c:d`"));
    check("http://a/@b", Ok("http a /@b none"));
    check("http://a//b", Ok("http a //b none"));
    check("http://[::1]:8080/x", Ok("http [::1] port 8080 /x none"));
    check("http://a./", Ok("http a. / none"));
}

#[test]
fn absolute_form_of_other_schemes_is_refused() {
    for target in [
        "ftp://a/",
        "ws://a/",
        "wss://a/",
        "file:///etc/passwd",
        "httpx://a",
        "htt://a",
        "gopher://a",
        "a+b-c.d://x",
    ] {
        check(target, Err(TargetError::Scheme));
    }
}

#[test]
fn bad_authorities_are_refused() {
    let bad = |error| Err(TargetError::Authority(error));
    check("http://", bad(AuthorityError::Empty));
    check("http:///a", bad(AuthorityError::Empty));
    check("http://?a", bad(AuthorityError::Empty));
    check("http://:80/", bad(AuthorityError::Empty));
    check("http://user@a/", bad(AuthorityError::Userinfo));
    check("http://user:secret@a/", bad(AuthorityError::Userinfo));
    check("http://a\\@b/", bad(AuthorityError::Userinfo));
    check("http://a\\b/", bad(AuthorityError::Character));
    check("http://a:0/", bad(AuthorityError::Port));
    check("http://a:/", bad(AuthorityError::Port));
    check("http://a:65536/", bad(AuthorityError::Port));
    check("http://a..b/", bad(AuthorityError::EmptyLabel));
    check("http://a b/", bad(AuthorityError::Character));
    check("http://a%2fb/", bad(AuthorityError::Escape));
    check("http://*/", bad(AuthorityError::Character));
    check("http://[::1/", bad(AuthorityError::Ipv6));
    check("http://http://a/", bad(AuthorityError::Port));
}

#[test]
fn authority_form() {
    check("a:443", Ok("authority a port 443"));
    check("[::1]:443", Ok("authority [::1] port 443"));
    check("a.b.:1", Ok("authority a.b. port 1"));
    check("http:80", Ok("authority http port 80"));
    check("a", Err(TargetError::Form));
    check("[::1]", Err(TargetError::Form));
    check("user@a:443", Err(TargetError::Authority(AuthorityError::Userinfo)));
    check("a:443/", Err(TargetError::Authority(AuthorityError::Port)));
    check("a:443?b", Err(TargetError::Authority(AuthorityError::Port)));
}

#[test]
fn asterisk_form() {
    check("*", Ok("asterisk"));
    check("**", Err(TargetError::Authority(AuthorityError::Character)));
    check("*/", Err(TargetError::Authority(AuthorityError::Character)));
    check("*?a", Err(TargetError::Authority(AuthorityError::Character)));
    check("*:80", Err(TargetError::Authority(AuthorityError::Character)));
}

#[test]
fn no_form_at_all() {
    check("", Err(TargetError::Empty));
    check("a/b", Err(TargetError::Authority(AuthorityError::Character)));
    check("?a", Err(TargetError::Authority(AuthorityError::Character)));
    check("#", Err(TargetError::Authority(AuthorityError::Character)));
    check("\\", Err(TargetError::Authority(AuthorityError::Character)));
    check("%2f", Err(TargetError::Authority(AuthorityError::Escape)));
    check("://a", Err(TargetError::Authority(AuthorityError::Empty)));
    check("1http://a", Err(TargetError::Authority(AuthorityError::Port)));
    check("http:/a", Err(TargetError::Authority(AuthorityError::Port)));
    check("http:a", Err(TargetError::Authority(AuthorityError::Port)));
    check("http:\\\\a", Err(TargetError::Authority(AuthorityError::Port)));
    check("mailto:a@b", Err(TargetError::Authority(AuthorityError::Userinfo)));
    check("javascript:alert", Err(TargetError::Authority(AuthorityError::Port)));
}

#[test]
fn fragments_spaces_and_control_bytes_are_refused_in_path_and_query() {
    for prefix in ["/a", "/a?b", "http://a/b", "http://a?b"] {
        check(format!("{prefix}#"), Err(TargetError::Fragment));
        check(format!("{prefix}#c"), Err(TargetError::Fragment));
        check(format!("{prefix} c"), Err(TargetError::Space));
        check(format!("{prefix} "), Err(TargetError::Space));
        for byte in (0..=0x1f).chain([0x7f]) {
            check([prefix.as_bytes(), &[byte]].concat(), Err(TargetError::Control));
            check([prefix.as_bytes(), &[byte], b"c"].concat(), Err(TargetError::Control));
        }
    }
    check("http://a#b", Err(TargetError::Fragment));
    check("/a\\b", Err(TargetError::Backslash));
    check("/\\", Err(TargetError::Backslash));
    check("http://a/\\b", Err(TargetError::Backslash));
    check("/a\\b?c", Err(TargetError::Backslash));
}

#[test]
fn the_whole_server() {
    let whole = |target: &str| parse(target.as_bytes()).unwrap().is_whole_server();
    assert!(whole("*"));
    assert!(whole("http://a"));
    assert!(whole("http://a:80"));
    assert!(!whole("http://a/"));
    assert!(!whole("http://a?"));
    assert!(!whole("/"));
    assert!(!whole("/*"));
    assert!(!whole("a:80"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(target in proptest::collection::vec(any::<u8>(), 0..24)) {
        check_properties(&target)?;
    }

    #[test]
    fn any_url(target in "(http|HTTPS|ftp|)(:|:/|://|)[a:@.\\[\\]%-]{0,6}(:|)[0-9]{0,6}[/?#\\\\ a%.\\x00-\\x20]{0,6}") {
        check_properties(target.as_bytes())?;
    }

    #[test]
    fn origin_form_loses_nothing(path in "/[!-\"$->@-\\[\\]-~]{0,20}", query in proptest::option::of("[!-\"$-~]{0,20}")) {
        let target = match &query {
            Some(query) => format!("{path}?{query}"),
            None => path.clone(),
        };
        let found = parse(target.as_bytes()).unwrap().path_and_query();
        prop_assert_eq!(found, Some((path.as_bytes(), query.as_deref().map(str::as_bytes))));
    }
}

/// Whatever is accepted is free of what could change the request line that is written from it, and nothing is
/// lost.
fn check_properties(target: &[u8]) -> Result<(), TestCaseError> {
    let Ok(found) = parse(target) else {
        return Ok(());
    };
    prop_assert!(target.iter().all(|&byte| byte > b' ' && byte != 0x7f && byte != b'#'));
    let mut written = Vec::new();
    if let Target::Absolute { scheme, .. } = found {
        // The scheme may have been written in any case, all of the same length.
        written.extend_from_slice(&target[..scheme.name().len()]);
        written.extend_from_slice(b"://");
    }
    if let Some(authority) = found.authority() {
        written.extend_from_slice(authority.host());
        if let Some(port) = authority.port() {
            written.extend(format!(":{port}").bytes());
        }
    }
    if let Some((path, query)) = found.path_and_query() {
        prop_assert!(path.starts_with(b"/"));
        prop_assert!(!path.contains(&b'\\') && !path.contains(&b'?'));
        let added = path == b"/" && target.get(written.len()) != Some(&b'/');
        written.extend_from_slice(if added { b"" } else { path });
        if let Some(query) = query {
            written.push(b'?');
            written.extend_from_slice(query);
        }
    }
    if let Target::Asterisk = found {
        written.push(b'*');
    }
    prop_assert_eq!(written, target);
    Ok(())
}
