//! Tables of answers: what is the same, what is not, and what is shown of it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

fn rule(body: BodyRule, ignore: &[&str]) -> CompareRule {
    let ignore = ignore.iter().map(|path| JsonPath::parse(path).expect("a path")).collect();
    CompareRule { status: true, fields: ["ETag".into()].into(), body, ignore, latency: None }
}

fn seen(body: impl AsRef<[u8]>) -> Seen {
    Seen { status: 200, fields: vec![None], body: body.as_ref().to_vec(), ..Seen::default() }
}

fn places(verdict: &Verdict) -> Vec<&str> {
    verdict.differences.iter().map(|difference| difference.place.as_str()).collect()
}

#[test]
fn json_is_compared_by_what_it_means() {
    let table: &[(&str, &str, &[&str], &[&str])] = &[
        (r#"{"a":1,"b":2}"#, r#" { "b" : 2 , "a" : 1 } "#, &[], &[]),
        (r#"{"a":1}"#, r#"{"a":1.0}"#, &[], &[]),
        ("[100, 1e2, 0.1, -0, 1E-1]", "[1e2, 100.0, 1e-1, 0, 0.10]", &[], &[]),
        ("[1]", "[-1]", &[], &["$[0]"]),
        ("[9007199254740993]", "[9007199254740992]", &[], &["$[0]"]),
        ("[1e9999999999999999999]", "[1e9]", &[], &["$[0]"]),
        (r#"["\u00e9\ud83d\ude00\/"]"#, r#"["é😀/"]"#, &[], &[]),
        (r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#, &[], &["$.a[0]", "$.a[1]"]),
        (r#"{"a":[1]}"#, r#"{"a":[1,2,3]}"#, &[], &["$.a[1]", "$.a[2]"]),
        (r#"{"a":1}"#, r#"{"b":1}"#, &[], &["$.a", "$.b"]),
        (r#"{"a":null}"#, "{}", &[], &["$.a"]),
        (r#"{"a":"1"}"#, r#"{"a":1}"#, &[], &["$.a"]),
        ("{}", "[]", &[], &["$"]),
        ("null", "false", &[], &["$"]),
        (r#"{"x y":1,"":2}"#, r#"{"x y":2,"":3}"#, &[], &["$['']", "$['x y']"]),
        (r#"{"a":1,"t":5}"#, r#"{"a":1,"t":6}"#, &["$.t"], &[]),
        (r#"{"a":1,"t":5}"#, r#"{"a":1}"#, &["$.t"], &[]),
        (r#"{"a":1}"#, r#"{"a":1,"t":{"u":7}}"#, &["/t"], &[]),
        (r#"{"a":{"b":1,"c":2}}"#, r#"{"a":{"b":2,"c":3}}"#, &["/a/b"], &["$.a.c"]),
        (
            r#"[{"id":1,"n":1},{"id":2,"n":1}]"#,
            r#"[{"id":3,"n":1},{"id":4,"n":2}]"#,
            &["$[*].id"],
            &["$[1].n"],
        ),
        (r#"{"l":[1,2]}"#, r#"{"l":[1,3]}"#, &["/l/1"], &[]),
        (r#"{"l":{"1":2}}"#, r#"{"l":{"1":3}}"#, &["/l/1"], &[]),
        (r#"{"l":{"1":2}}"#, r#"{"l":{"1":3}}"#, &["$.l[1]"], &["$.l.1"]),
        (r#"{"a/b~":1}"#, r#"{"a/b~":2}"#, &["/a~1b~0"], &[]),
        (r#"{"a":{"b":1}}"#, r#"{"a":{"b":2}}"#, &["$.b", "$.a.b.c"], &["$.a.b"]),
        (r#"{"a":1,"a":2}"#, r#"{"a":2}"#, &[], &[]),
    ];
    for (ours, theirs, ignore, expected) in table {
        let rule = rule(BodyRule::Json, ignore);
        let verdict = compare(&rule, &seen(ours), &seen(theirs));
        assert_eq!(places(&verdict), *expected, "{ours} {theirs}");
        let turned = compare(&rule, &seen(theirs), &seen(ours));
        let mut other = places(&turned);
        other.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(other, expected, "the other way round: {ours} {theirs}");
    }
}

#[test]
fn what_is_no_json_is_compared_byte_by_byte() {
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let bad = [
        "",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "nul",
        "\"\u{1}\"",
        r#""\x""#,
        r#""\ud800""#,
        r#""\ud800A""#,
        "[1] 2",
        "{a:1}",
        "'a'",
        "\"a",
        "-",
        &deep,
    ];
    for text in bad {
        assert!(json::parse(text.as_bytes()) == Err(Unread::NotJson), "{text}");
        let other = format!("{text} ");
        let verdict = compare(&rule(BodyRule::Json, &[]), &seen(text), &seen(other));
        assert_eq!(verdict.outcome(), CompareOutcome::Different, "{text}");
        assert_eq!(
            compare(&rule(BodyRule::Json, &[]), &seen(text), &seen(text)).outcome(),
            CompareOutcome::Same
        );
    }
    assert!(json::parse(b"\"\xff\"").is_err());
    assert!(json::parse(format!("{}{}", "[".repeat(100), "]".repeat(100)).as_bytes()).is_ok());
    let verdict = compare(&rule(BodyRule::Json, &[]), &seen("{}"), &seen("<html>"));
    assert_eq!(places(&verdict), ["byte 0"]);
    assert_eq!((&*verdict.differences[0].client, &*verdict.differences[0].copy), ("2 bytes", "6 bytes"));
}

#[test]
fn bytes_are_compared_exactly_and_not_shown() {
    let rule = rule(BodyRule::Exact, &[]);
    let verdict = compare(&rule, &seen("abcd"), &seen("abXd"));
    assert_eq!(places(&verdict), ["byte 2"]);
    assert_eq!(verdict.differences[0].copy, "4 bytes");
    assert_eq!(places(&compare(&rule, &seen("{}"), &seen("{ }"))), ["byte 1"]);
    assert_eq!(places(&compare(&rule, &seen("a"), &seen(""))), ["byte 0"]);
    assert_eq!(compare(&rule, &seen(""), &seen("")).outcome(), CompareOutcome::Same);
    let off = CompareRule { body: BodyRule::Off, ..rule };
    assert_eq!(compare(&off, &seen("a"), &seen("b")).outcome(), CompareOutcome::Same);
}

#[test]
fn statuses_fields_and_latencies_differ_only_where_they_are_asked_for() {
    let all = CompareRule { latency: Some(Duration::from_millis(10)), ..rule(BodyRule::Exact, &[]) };
    let none = CompareRule { status: false, fields: [].into(), latency: None, ..all.clone() };
    let ours = seen("a");
    let theirs = Seen {
        status: 404,
        fields: vec![Some(b"\"1\"".to_vec())],
        latency: Duration::from_millis(11),
        ..seen("a")
    };
    let verdict = compare(&all, &ours, &theirs);
    let kinds: Vec<_> = verdict.differences.iter().map(|difference| difference.kind).collect();
    assert_eq!(kinds, [DifferenceKind::Status, DifferenceKind::Field, DifferenceKind::Latency]);
    assert_eq!((&*verdict.differences[1].place, &*verdict.differences[1].client), ("ETag", "nothing"));
    assert_eq!(compare(&none, &ours, &theirs).outcome(), CompareOutcome::Same);
    let just = Seen { latency: Duration::from_millis(10), ..ours.clone() };
    assert_eq!(compare(&all, &ours, &just).outcome(), CompareOutcome::Same, "exactly as much is not more");
}

#[test]
fn compressed_bodies_are_left_alone_and_that_is_said() {
    let zipped = |body: &str, encoding: &str| Seen { encoding: encoding.into(), ..seen(body) };
    let json = rule(BodyRule::Json, &[]);
    let verdict = compare(&json, &zipped("x", "gzip"), &seen("y"));
    assert_eq!(
        (verdict.outcome(), verdict.uncompared),
        (CompareOutcome::Incomplete, Some("Content-Encoding differs"))
    );
    let verdict = compare(&json, &zipped("x", "gzip"), &zipped("y", "GZIP"));
    assert_eq!(verdict.outcome(), CompareOutcome::Incomplete);
    assert_eq!(compare(&json, &zipped("x", "gzip"), &zipped("x", "GZIP")).outcome(), CompareOutcome::Same);
    let exact = rule(BodyRule::Exact, &[]);
    assert_eq!(compare(&exact, &zipped("x", "br"), &zipped("y", "br")).outcome(), CompareOutcome::Different);
    let other = Seen { status: 500, ..zipped("x", "gzip") };
    assert_eq!(compare(&json, &other, &seen("y")).outcome(), CompareOutcome::Different);
}

#[test]
fn secrets_are_compared_and_never_shown() {
    let rule = CompareRule { fields: ["Set-Cookie".into()].into(), ..rule(BodyRule::Json, &[]) };
    let side = |secret: &str| Seen {
        fields: vec![Some(format!("id={secret}").into_bytes())],
        ..seen(format!(r#"{{"access_token":"{secret}","user":{{"Password":["{secret}"]}}}}"#))
    };
    let verdict = compare(&rule, &side("hunter2"), &side("hunter3"));
    assert_eq!(places(&verdict), ["Set-Cookie", "$.access_token", "$.user.Password…"]);
    assert!(!format!("{verdict:?}").contains("hunter"), "{verdict:?}");
}

#[test]
fn what_is_shown_and_listed_has_a_bound() {
    let rule = rule(BodyRule::Json, &[]);
    let long = |letter: &str| format!("[\"{}\"]", letter.repeat(10_000));
    let verdict = compare(&rule, &seen(long("a")), &seen(long("é")));
    assert!(verdict.differences[0].copy.chars().count() <= 83, "{}", verdict.differences[0].copy);
    let many = |number: &str| format!("[{}]", vec![number; 1000].join(","));
    let verdict = compare(&rule, &seen(many("1")), &seen(many("2")));
    assert_eq!(verdict.differences.len(), DIFFERENCES_MAX);
}

#[test]
fn paths_are_read_or_refused_with_the_reason() {
    for good in ["$.a", "$.a.b[0]", "$[*].id", "$['a b'].c", "$[\"a\"]", "$.*", "/a", "/a/0", "/", "/a~0b"] {
        assert!(JsonPath::parse(good).is_ok(), "{good}");
    }
    let table = [
        ("a", PathError::Beginning),
        ("", PathError::Beginning),
        ("$a", PathError::Beginning),
        ("$", PathError::Root),
        ("$..a", PathError::Unsupported),
        ("$[?(@.a)]", PathError::Unsupported),
        ("$.", PathError::EmptyName),
        ("$.a.[0]", PathError::EmptyName),
        ("$[0", PathError::Bracket),
        ("$[a]", PathError::Bracket),
        ("$['a]", PathError::Bracket),
        ("$[-1]", PathError::Bracket),
        ("/a~2", PathError::Tilde),
        ("/a~", PathError::Tilde),
    ];
    for (bad, error) in table {
        assert_eq!(JsonPath::parse(bad), Err(error), "{bad}");
    }
}

#[test]
fn a_request_is_shown_in_one_line_without_secrets() {
    assert_eq!(request_shown(b"GET", b"/a?b=c&access_token=x&d"), "GET /a?b=c&access_token=(not shown)&d");
    assert_eq!(request_shown(b"GET", b"/a?"), "GET /a?");
    assert_eq!(request_shown(b"OPTIONS", b"*"), "OPTIONS *");
    let long = request_shown(b"GET", "/é".repeat(1000).as_bytes());
    assert!(long.chars().count() == 257 && long.ends_with('…'), "{long}");
}

/// A list under a long name, all of it missing on the other side, took seconds and megabytes: the way to each entry was
/// written down although sixteen are enough.
#[test]
fn many_differences_under_a_long_name_cost_no_more_than_a_few() {
    let name = "n".repeat(100_000);
    let ours = format!("{{\"{name}\": []}}");
    let theirs = format!("{{\"{name}\": [{}1]}}", "1,".repeat(100_000));
    let verdict = compare(&rule(BodyRule::Json, &[]), &seen(ours), &seen(theirs));
    assert_eq!(verdict.differences.len(), DIFFERENCES_MAX);
    assert!(verdict.differences.iter().all(|difference| difference.place.len() < 400));
}

#[test]
fn the_way_into_something_secret_ends_there() {
    let verdict = compare(
        &rule(BodyRule::Json, &[]),
        &seen(r#"{"tokens":{"sk_live_abc":1}}"#),
        &seen(r#"{"tokens":{"sk_live_abc":2}}"#),
    );
    assert_eq!(places(&verdict), ["$.tokens…"]);
}

#[test]
fn secrets_in_the_middle_of_values_are_not_shown_either() {
    let rule = CompareRule { fields: ["Location".into()].into(), ..rule(BodyRule::Json, &[]) };
    let side = |secret: &str| Seen {
        fields: vec![Some(format!("https://a.test/cb?code={secret}&page={secret}").into_bytes())],
        ..seen(format!(
            r#"{{"next":"https://u:{secret}@b.test/?n=1&pa%73sword={secret}","code":"{0}","\u0070wd":1{1}}}"#,
            &secret[7..],
            &secret[7..],
        ))
    };
    let verdict = compare(&rule, &side("hunter-2"), &side("hunter-3"));
    let shown: Vec<_> = verdict.differences.iter().map(|one| (&*one.place, &*one.client)).collect();
    assert_eq!(
        shown,
        [
            ("Location", "https://a.test/cb?code=(not shown)&page=hunter-2"),
            ("$.code", "\"2\""),
            ("$.next", "\"https://(not shown)@b.test/?n=1&pa%73sword=(not shown)\""),
            ("$.pwd", "(not shown)"),
        ]
    );
    let named = |secret: &str| seen(format!(r#"{{"https://a.test/?sid={secret}":1}}"#));
    let verdict = compare(&rule, &named("hunter-2"), &named("hunter-3"));
    assert!(verdict.differences.len() == 2 && !format!("{verdict:?}").contains("hunter"), "{verdict:?}");
}

/// A secret longer than what is looked at is hidden to its end, and not shown from where the look ended.
#[test]
fn a_secret_of_any_length_is_hidden() {
    let rule = rule(BodyRule::Json, &[]);
    for text in ["?token=", "https://user:", "?next=%3Ftoken%3D"] {
        let side = |letter: &str| seen(format!("[\"{text}{}\"]", letter.repeat(5000)));
        let verdict = compare(&rule, &side("x"), &side("y"));
        let shown = &verdict.differences[0];
        assert!(!shown.client.contains("xxx") && !shown.copy.contains("yyy"), "{shown:?}");
    }
}

/// RFC 8259 §4 leaves open which of several members with one name counts. Here it is the last one, on both sides.
#[test]
fn of_members_with_one_name_the_last_one_is_compared() {
    let table: &[(&str, &str, &[&str])] = &[
        (r#"{"a":1,"a":2}"#, r#"{"a":2}"#, &[]),
        (r#"{"a":1,"a":2}"#, r#"{"a":1}"#, &["$.a"]),
        (r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#, &["$.a"]),
        (r#"{"a":1,"b":0,"\u0061":2}"#, r#"{"b":0,"a":2}"#, &[]),
        (r#"{"a":{"x":1},"a":{"y":1}}"#, r#"{"a":{"y":1}}"#, &[]),
        (r#"{"a":1,"a":2,"a":3}"#, r#"{"a":9,"a":3}"#, &[]),
    ];
    for (ours, theirs, expected) in table {
        let verdict = compare(&rule(BodyRule::Json, &[]), &seen(ours), &seen(theirs));
        assert_eq!(places(&verdict), *expected, "{ours} {theirs}");
    }
}

/// A body of a megabyte may hold half a million values, each of which takes more memory than its text: without a bound of
/// their own a few bodies within their limit would have taken gigabytes.
#[test]
fn values_of_json_have_a_bound_of_their_own() {
    for element in ["1", "1.5", "[]", "[0]", r#"{"":1}"#, r#"{"a":[],"b":1}"#, "\"\\n\""] {
        let many = format!("[{}{element}]", format!("{element},").repeat(5000));
        let is_read = |bytes_max| json::parse_within(many.as_bytes(), bytes_max).map(|_| ());
        assert_eq!(is_read(100_000), Err(Unread::TooLarge), "{element}");
        assert_eq!(is_read(2_000_000), Ok(()), "{element}");
    }
    let long = format!("[\"{}\"]", "\\n".repeat(1000));
    assert!(json::parse_within(long.as_bytes(), 3000).is_ok(), "what is charged is what is taken");
    let many = format!("[{}1]", "{\"\":1},".repeat(700_000));
    let verdict = compare(&rule(BodyRule::Json, &[]), &seen(&many), &seen("[]"));
    assert_eq!(
        (verdict.outcome(), verdict.uncompared),
        (CompareOutcome::Incomplete, Some("too many values to compare"))
    );
}
