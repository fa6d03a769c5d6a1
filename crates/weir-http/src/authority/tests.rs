//! Tables of good and bad authorities (semantics.md §1.1), and properties of the normal form.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn check(text: impl AsRef<[u8]>, expected: Result<(&str, Option<u16>), AuthorityError>) {
    let text = text.as_ref();
    let found = parse(text).map(|found| (String::from_utf8_lossy(found.host()).into_owned(), found.port()));
    let expected = expected.map(|(host, port)| (host.to_owned(), port));
    assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(text));
}

fn check_normal(host: &str, expected: &str) {
    let mut out = b"kept".to_vec();
    normalise_host(host.as_bytes(), &mut out);
    assert_eq!(String::from_utf8_lossy(&out), format!("kept{expected}"), "{host:?}");
    assert_eq!(is_normal_host(host.as_bytes()), host == expected, "{host:?}");
    assert!(is_normal_host(expected.as_bytes()), "{expected:?} is not stable");
}

fn check_same(one: &str, other: &str, default_port: u16, expected: bool) {
    let (first, second) = (parse(one.as_bytes()).unwrap(), parse(other.as_bytes()).unwrap());
    assert_eq!(same_authority(&first, &second, default_port), expected, "{one} and {other}");
    assert_eq!(same_authority(&second, &first, default_port), expected, "{other} and {one}");
}

#[test]
fn names_and_addresses() {
    check("a", Ok(("a", None)));
    check("my-service.my-company.com", Ok(("my-service.my-company.com", None)));
    check("MY_service.~x", Ok(("MY_service.~x", None)));
    check("example.com.", Ok(("example.com.", None)));
    check("example.com.:80", Ok(("example.com.", Some(80))));
    check("127.0.0.1", Ok(("127.0.0.1", None)));
    check("127.0.0.1:8080", Ok(("127.0.0.1", Some(8080))));
    check("xn--bcher-kva.example", Ok(("xn--bcher-kva.example", None)));
    check("123", Ok(("123", None)));
    check("-", Ok(("-", None)));
}

#[test]
fn ipv6_stands_in_brackets() {
    check("[::1]", Ok(("[::1]", None)));
    check("[::1]:8080", Ok(("[::1]", Some(8080))));
    check("[2001:DB8::1]", Ok(("[2001:DB8::1]", None)));
    check("[::ffff:127.0.0.1]:1", Ok(("[::ffff:127.0.0.1]", Some(1))));
    for bad in [
        "[",
        "[]",
        "[::1",
        "[:1]",
        "[::1::]",
        "[g::]",
        "[127.0.0.1]",
        "[a]",
        "[::1%eth0]",
        "[::1%25eth0]",
        "[fe80::1%1]",
        "[v1.x]",
        "[ ::1]",
        "[::1 ]",
        "[[::1]]",
        "[::12345]",
        "[1:2:3:4:5:6:7:8:9]",
        "[]:80",
        "[::1:80",
    ] {
        check(bad, Err(AuthorityError::Ipv6));
    }
    check(b"[\xff]", Err(AuthorityError::Ipv6));
    check("[::1]80", Err(AuthorityError::Character));
    check("[::1]a:80", Err(AuthorityError::Character));
    check("[::1].", Err(AuthorityError::Character));
    check("[::1]]", Err(AuthorityError::Character));
    check("a[::1]", Err(AuthorityError::Character));
    check("[::1]:", Err(AuthorityError::Port));
    // Without brackets everything behind the first colon is the port.
    check("::1", Err(AuthorityError::Empty));
    check("2001:db8::1", Err(AuthorityError::Port));
}

#[test]
fn there_is_a_host() {
    check("", Err(AuthorityError::Empty));
    check(":80", Err(AuthorityError::Empty));
    check(":", Err(AuthorityError::Empty));
}

#[test]
fn userinfo_is_refused() {
    for text in [
        "user@host",
        "user:secret@host",
        "user:secret@host:80",
        "@host",
        "host@",
        "a:80@b:80",
        ":@b",
        "[::1]@b",
    ] {
        check(text, Err(AuthorityError::Userinfo));
    }
}

#[test]
fn labels_are_not_empty() {
    for text in [".", "..", ".a", "a..b", "a..", "..a", "a...b", ".:80", "a..:80", ".a.", "a.b..c"] {
        check(text, Err(AuthorityError::EmptyLabel));
    }
}

#[test]
fn labels_and_names_have_a_longest_length() {
    let label = "a".repeat(LABEL_BYTES_MAX);
    check(&label, Ok((&label, None)));
    check(format!("{label}.{label}:1"), Ok((&format!("{label}.{label}"), Some(1))));
    check(format!("{label}a"), Err(AuthorityError::LabelTooLong));
    check(format!("x.{label}a.y"), Err(AuthorityError::LabelTooLong));
    let name = format!("{label}.{label}.{label}.{}", "b".repeat(NAME_BYTES_MAX - 3 * 64));
    assert_eq!(name.len(), NAME_BYTES_MAX);
    check(&name, Ok((&name, None)));
    // The trailing dot is not counted.
    check(format!("{name}."), Ok((&format!("{name}."), None)));
    check(format!("{name}b"), Err(AuthorityError::NameTooLong));
    check("a.".repeat(100_000), Err(AuthorityError::NameTooLong));
}

#[test]
fn other_characters_are_refused() {
    for byte in 0..=u8::MAX {
        let expected = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b'.' => continue,
            b'@' => AuthorityError::Userinfo,
            b'%' => AuthorityError::Escape,
            b':' => AuthorityError::Port,
            _ => AuthorityError::Character,
        };
        check([b'a', byte, b'b'], Err(expected));
        check([b'a', byte], Err(expected));
    }
    check("%61", Err(AuthorityError::Escape));
    check("*", Err(AuthorityError::Character));
    check("*.example.com", Err(AuthorityError::Character));
    check("a, b", Err(AuthorityError::Character));
    check("a,b", Err(AuthorityError::Character));
    check(" a", Err(AuthorityError::Character));
    check("a ", Err(AuthorityError::Character));
    check("a/b", Err(AuthorityError::Character));
    check("a\\b", Err(AuthorityError::Character));
    check("http://a", Err(AuthorityError::Port));
}

#[test]
fn ports() {
    check("a:1", Ok(("a", Some(1))));
    check("a:80", Ok(("a", Some(80))));
    check("a:65535", Ok(("a", Some(65535))));
    for port in [
        "",
        "0",
        "00",
        "080",
        "00080",
        "65536",
        "99999",
        "100000",
        "4294967376",
        "18446744073709551696",
        "-1",
        "+80",
        " 80",
        "80 ",
        "8 0",
        "0x50",
        "8a",
        "a",
        ":80",
        "80:80",
        "80/",
        "٨٠",
        "80,81",
        "80\0",
    ] {
        check(format!("a:{port}"), Err(AuthorityError::Port));
    }
}

#[test]
fn hosts_have_one_normal_form() {
    check_normal("example.com", "example.com");
    check_normal("Example.COM", "example.com");
    check_normal("example.com.", "example.com");
    check_normal("EXAMPLE.com.", "example.com");
    check_normal("A_b~-0", "a_b~-0");
    check_normal("127.0.0.1", "127.0.0.1");
    check_normal("127.0.0.1.", "127.0.0.1");
    check_normal("[::1]", "[::1]");
    check_normal("[0:0::0:1]", "[::1]");
    check_normal("[2001:DB8:0:0:0:0:0:1]", "[2001:db8::1]");
    check_normal("[2001:db8::0001]", "[2001:db8::1]");
    check_normal("[::FFFF:127.0.0.1]", "[::ffff:127.0.0.1]");
    check_normal("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]");
    // What never came from `parse` is treated without a panic.
    check_normal("", "");
    check_normal(".", "");
    check_normal("[", "[");
    check_normal("[A", "[a");
}

#[test]
fn equal_authorities() {
    check_same("a.b", "a.b", 80, true);
    check_same("A.b", "a.B.", 80, true);
    check_same("a.b:80", "a.b", 80, true);
    check_same("a.b.:443", "A.B", 443, true);
    check_same("[::1]:80", "[0::1]", 80, true);
    check_same("[::A]", "[::a]", 80, true);
}

#[test]
fn different_authorities() {
    check_same("a.b", "a.c", 80, false);
    check_same("a.b", "a.b.c", 80, false);
    check_same("a.b:80", "a.b", 443, false);
    check_same("a.b:443", "a.b", 80, false);
    check_same("a.b:81", "a.b:80", 80, false);
    check_same("[::1]", "[::2]", 80, false);
    check_same("[::1]", "a", 80, false);
    // An embedded IPv4 address is another address than the IPv4 one.
    check_same("[::ffff:127.0.0.1]", "127.0.0.1", 80, false);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_panics(text in proptest::collection::vec(any::<u8>(), 0..32)) {
        let _ = parse(&text);
        let mut out = Vec::new();
        normalise_host(&text, &mut out);
        prop_assert_eq!(is_normal_host(&text), out == text);
    }

    #[test]
    fn normal_forms_are_stable_and_the_same_authority(text in "(\\[[0-9a-fA-F:.]{2,20}\\]|[a-zA-Z0-9.~_-]{1,12})(:[0-9]{0,6})?") {
        if let Ok(found) = parse(text.as_bytes()) {
            let mut normal = Vec::new();
            normalise_host(found.host(), &mut normal);
            prop_assert!(is_normal_host(&normal));
            prop_assert_eq!(is_normal_host(found.host()), normal == found.host());
            let again = parse(&normal);
            prop_assert!(again.is_ok());
            let again = Authority { port: found.port(), ..again.unwrap() };
            prop_assert!(same_authority(&found, &again, 80));
        }
    }

    #[test]
    fn any_ipv6(address in any::<[u16; 8]>(), port in 1..=u16::MAX) {
        let address = Ipv6Addr::from(address);
        let text = format!("[{address}]:{port}");
        let found = parse(text.as_bytes()).unwrap();
        prop_assert_eq!(found.port(), Some(port));
        prop_assert!(is_normal_host(found.host()));
    }
}
