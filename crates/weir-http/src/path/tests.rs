//! Tables for every row of the module's promise, and properties against a naive reading of RFC 3986.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

/// Checks `normalise` and, by the way, that `is_normal` agrees with it.
fn check(path: impl AsRef<[u8]>, expected: Result<&str, PathError>) {
    let path = path.as_ref();
    let shown = String::from_utf8_lossy(path).into_owned();
    let mut out = b"kept".to_vec();
    let result = normalise(path, &mut out);
    assert_eq!(&out[..4], b"kept", "{shown:?} touched what was there before");
    match expected {
        Ok(expected) => {
            assert_eq!(result, Ok(()), "{shown:?}");
            assert_eq!(String::from_utf8_lossy(&out[4..]), expected, "{shown:?}");
            assert_eq!(is_normal(path), path == expected.as_bytes(), "{shown:?}");
            assert!(is_normal(expected.as_bytes()), "{expected:?} is not stable");
        }
        Err(error) => {
            assert_eq!(result, Err(error), "{shown:?}");
            assert_eq!(out, b"kept", "{shown:?} left something behind");
            assert!(!is_normal(path), "{shown:?}");
        }
    }
}

#[test]
fn normal_paths_stay() {
    for path in [
        "/",
        "//",
        "///",
        "/a",
        "/a/",
        "/a/b.c",
        "/.a",
        "/..a",
        "/a..",
        "/a.",
        "/...",
        "/.../",
        "/a/.../b",
        "/.well-known/x",
        "/a//b",
        "//a",
        "/a;x=1/b;y",
        "/.;x/..;/a",
        "/%2F",
        "/a%2Fb",
        "/a%5Cb",
        "/%25",
        "/%252e%252e/",
        "/%2520",
        "/%3Bx",
        "/%3F%23",
        "/%20",
        "/%7F%80%FF",
        "/%01%0A%0D",
        "/!$&'()*+,;=:@",
        "/-._~09azAZ",
        "/%7Ba%7D",
        "/..%2F",
        "/%2F..%2Fa",
        "/..%5C",
        "/..%00a".replace("%00", "%01").as_str(),
    ] {
        check(path, Ok(path));
    }
}

#[test]
fn escapes_of_unreserved_characters_are_decoded() {
    check("/%61dmin", Ok("/admin"));
    check("/%41%7a%30%2D%2d%5f%7E%7e", Ok("/Az0--_~~"));
    check("/a%2eb", Ok("/a.b"));
    check("/%2e%2e%2e", Ok("/..."));
    // One level only: what is decoded is not read again.
    check("/%2561", Ok("/%2561"));
    check("/%25%36%31", Ok("/%2561"));
    check("/%25%32%65", Ok("/%252e"));
}

#[test]
fn other_escapes_stay_in_upper_case() {
    check("/%2f", Ok("/%2F"));
    check("/a%2fb%5cc", Ok("/a%2Fb%5Cc"));
    check("/%c3%a9", Ok("/%C3%A9"));
    check("/%aF%Fa", Ok("/%AF%FA"));
    check("/%3b%3B", Ok("/%3B%3B"));
    check("/%21%40", Ok("/%21%40"));
    check("/%0a", Ok("/%0A"));
    check("/%7f", Ok("/%7F"));
}

#[test]
fn dot_segments_are_removed() {
    check("/.", Ok("/"));
    check("/./", Ok("/"));
    check("/a/.", Ok("/a/"));
    check("/a/./", Ok("/a/"));
    check("/a/./b", Ok("/a/b"));
    check("/./a", Ok("/a"));
    check("/././././a/./.", Ok("/a/"));
    check("/a/..", Ok("/"));
    check("/a/../", Ok("/"));
    check("/a/../b", Ok("/b"));
    check("/a/b/..", Ok("/a/"));
    check("/a/b/../..", Ok("/"));
    check("/a/b/c/./../../g", Ok("/a/g"));
    check("/a/../b/../c/..", Ok("/"));
    check("/mid/content=5/../6", Ok("/mid/6"));
}

#[test]
fn escaped_dots_are_dots() {
    check("/%2e", Ok("/"));
    check("/%2E/", Ok("/"));
    check("/x/%2e%2e/admin/", Ok("/admin/"));
    check("/x/%2e./admin/", Ok("/admin/"));
    check("/x/.%2E/admin/", Ok("/admin/"));
    check("/x/%2e%2e", Ok("/"));
    check("/%2e%2e", Err(PathError::AboveRoot));
}

#[test]
fn above_the_root_is_refused() {
    for path in [
        "/..",
        "/../",
        "/../a",
        "/a/../..",
        "/a/../../b",
        "/./..",
        "/.%2e/a",
        "/a/b/../../../c",
        "//../..",
        "/..//",
    ] {
        check(path, Err(PathError::AboveRoot));
    }
}

#[test]
fn empty_segments_are_segments() {
    // RFC 3986 §5.2.4 removes the last segment, also when it is empty.
    check("/a//..", Ok("/a/"));
    check("/a//../b", Ok("/a/b"));
    check("//..", Ok("/"));
    check("//../a", Ok("/a"));
    check("///..", Ok("//"));
    check("/a/..//b", Ok("//b"));
    check("/.//a", Ok("//a"));
    check("//./a", Ok("//a"));
}

#[test]
fn escaped_slashes_and_parameters_never_separate() {
    check("/a%2f..", Ok("/a%2F.."));
    check("/a/..%2f..%2fb", Ok("/a/..%2F..%2Fb"));
    check("/a%2f../b/..", Ok("/a%2F../"));
    check("/a%2fb/../c", Ok("/c"));
    check("/a%5c..%5cb", Ok("/a%5C..%5Cb"));
    check("/a/..;/b", Ok("/a/..;/b"));
    check("/a/..;x=1/b", Ok("/a/..;x=1/b"));
    check("/a/.;/b", Ok("/a/.;/b"));
    check("/a;x/../b", Ok("/b"));
    check("/a/..%3b/b", Ok("/a/..%3B/b"));
}

#[test]
fn what_has_no_place_in_a_path_is_escaped() {
    check("/\"<>[]^`{|}", Ok("/%22%3C%3E%5B%5D%5E%60%7B%7C%7D"));
    check("/%7b%7d", Ok("/%7B%7D"));
    check("/ü", Ok("/%C3%BC"));
    check(b"/\x80\xff", Ok("/%80%FF"));
    // An overlong encoding of a dot or slash stays what it is: bytes.
    check(b"/\xc0\xae\xc0\xaf", Ok("/%C0%AE%C0%AF"));
    check("/%c0%ae%c0%ae/", Ok("/%C0%AE%C0%AE/"));
    // Full-width look-alikes are no dots and no slashes.
    check("/\u{ff0e}\u{ff0e}\u{ff0f}", Ok("/%EF%BC%8E%EF%BC%8E%EF%BC%8F"));
}

#[test]
fn broken_escapes_are_refused() {
    for path in [
        "/%", "/%2", "/a%", "/a%f", "/%zz", "/%2g", "/%g2", "/%%", "/%%41", "/%/a", "/% 41", "/%u002e",
        "/%-1", "/%+1",
    ] {
        check(path, Err(PathError::BrokenEscape));
    }
    check(b"/%\xff\xff", Err(PathError::BrokenEscape));
}

#[test]
fn dangerous_bytes_are_refused() {
    check("/%00", Err(PathError::EscapedNul));
    check("/a%00.html", Err(PathError::EscapedNul));
    check("/a\\b", Err(PathError::Backslash));
    check("/..\\a", Err(PathError::Backslash));
    check("/a b", Err(PathError::Space));
    check("/a ", Err(PathError::Space));
    check("/a?b", Err(PathError::Delimiter));
    check("/a#b", Err(PathError::Delimiter));
    for byte in (0..=0x1f).chain([0x7f]) {
        check([b'/', byte], Err(PathError::Control));
        check([b'/', b'a', byte, b'/'], Err(PathError::Control));
    }
}

#[test]
fn a_path_begins_with_a_slash() {
    for path in ["", "a", "a/", "*", ".", "..", "./a", "%2f", "%2Fa", "\\", "?", " /"] {
        check(path, Err(PathError::NotRooted));
    }
}

#[test]
fn many_dot_segments_cost_linear_time() {
    // A quadratic reading of this megabyte would take minutes.
    let path = ["/a".repeat(100_000), "/..".repeat(100_000), "/b".to_owned()].concat();
    check(&path, Ok("/b"));
    let path = ["/".repeat(100_000), "/..".repeat(100_000)].concat();
    check(&path, Ok("/"));
}

/// The same rules said a second way: escape by escape, then segment by segment on a stack.
fn reference(path: &[u8]) -> Option<Vec<u8>> {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut rest = path.strip_prefix(b"/")?;
    let mut segments: Vec<Vec<u8>> = vec![Vec::new()];
    while let Some(&byte) = rest.first() {
        let mut used = 1;
        match byte {
            b'/' => segments.push(Vec::new()),
            b'%' => {
                let digits = std::str::from_utf8(rest.get(1..3)?).ok()?;
                if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                    return None;
                }
                used = 3;
                match u8::from_str_radix(digits, 16).ok()? {
                    0 => return None,
                    value if unreserved(value) => segments.last_mut()?.push(value),
                    value => segments.last_mut()?.extend(format!("%{value:02X}").bytes()),
                }
            }
            0..=b' ' | 0x7f | b'\\' | b'?' | b'#' => return None,
            _ if unreserved(byte) || b"!$&'()*+,;=:@".contains(&byte) => segments.last_mut()?.push(byte),
            _ => segments.last_mut()?.extend(format!("%{byte:02X}").bytes()),
        }
        rest = &rest[used..];
    }
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let last = segments.len() - 1;
    for (index, segment) in segments.into_iter().enumerate() {
        let dots = segment == b"." || segment == b"..";
        if segment == b".." {
            kept.pop()?;
        }
        if !dots {
            kept.push(segment);
        } else if index == last {
            kept.push(Vec::new());
        }
    }
    Some(kept.iter().flat_map(|segment| [b"/", segment.as_slice()].concat()).collect())
}

/// Pieces that attackers build paths from, so that random paths are interesting ones.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: [&[u8]; 30] = [
        b"/",
        b"/",
        b"/",
        b".",
        b"..",
        b"%2e",
        b"%2E",
        b"%2f",
        b"%2F",
        b"%5c",
        b"\\",
        b";",
        b";x",
        b"%25",
        b"2e",
        b"a",
        b"admin",
        b"%61",
        b"%6",
        b"%",
        b"%00",
        b"|",
        b"{",
        b"\xc3\xbc",
        b"\xff",
        b"%zz",
        b"?",
        b" ",
        b"%c0%af",
        b"~",
    ];
    proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..12).prop_map(|pieces| {
        let mut path = b"/".to_vec();
        pieces.iter().for_each(|piece| path.extend_from_slice(piece));
        path
    })
}

/// Any spelling of one letter of a name: itself, or an escape with digits of either case.
fn spelling(letter: char) -> impl Strategy<Value = String> {
    let value = u32::from(letter);
    proptest::sample::select(vec![letter.to_string(), format!("%{value:02x}"), format!("%{value:02X}")])
}

/// What may stand between two slashes without changing where the path leads.
fn detour() -> impl Strategy<Value = String> {
    let dot = || spelling('.');
    prop_oneof![
        Just(String::new()),
        dot().prop_map(|dot| format!("/{dot}")),
        (dot(), dot(), "[a-z;=%{|]{0,3}")
            .prop_map(|(one, two, name)| format!("/x{}/{one}{two}", name.replace('%', "%2f"))),
        (dot(), dot(), dot()).prop_map(|(one, two, three)| format!("/{three}{one}{two}/{one}{two}")),
    ]
}

/// Spellings of `/admin/x` that a lenient server would follow.
fn admin() -> impl Strategy<Value = String> {
    let name = |name: &str| {
        name.chars()
            .map(|letter| spelling(letter).boxed())
            .collect::<Vec<_>>()
            .prop_map(|letters| letters.concat())
    };
    (detour(), detour(), name("admin"), detour(), detour(), name("x"))
        .prop_map(|(a, b, admin, c, d, x)| format!("{a}{b}/{admin}{c}{d}/{x}"))
}

fn check_properties(path: &[u8]) -> Result<(), TestCaseError> {
    let mut out = Vec::new();
    let result = normalise(path, &mut out);
    let expected = reference(path);
    prop_assert_eq!(result.is_ok(), expected.is_some());
    prop_assert_eq!(is_normal(path), result.is_ok() && out == path);
    if let Some(expected) = expected {
        prop_assert_eq!(&out, &expected);
        prop_assert!(is_normal(&out));
        prop_assert!(out.len() <= 3 * path.len());
        prop_assert!(out.is_ascii());
        prop_assert!(!out.split(|&byte| byte == b'/').any(|segment| segment == b"." || segment == b".."));
        let mut again = Vec::new();
        prop_assert_eq!(normalise(&out, &mut again), Ok(()));
        prop_assert_eq!(again, out);
    } else {
        prop_assert!(out.is_empty());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(path in proptest::collection::vec(any::<u8>(), 0..24)) {
        check_properties(&path)?;
    }

    #[test]
    fn any_rooted_bytes(path in proptest::collection::vec(any::<u8>(), 0..8)) {
        check_properties(&[b"/", path.as_slice()].concat())?;
    }

    #[test]
    fn any_pieces(path in pieces()) {
        check_properties(&path)?;
    }

    #[test]
    fn no_spelling_hides_a_path(path in admin()) {
        check_properties(path.as_bytes())?;
        let mut out = Vec::new();
        prop_assert_eq!(normalise(path.as_bytes(), &mut out), Ok(()));
        prop_assert_eq!(String::from_utf8(out).unwrap(), "/admin/x");
    }
}
