//! What a route asks, one thing at a time.

#![allow(clippy::unwrap_used)]

use super::super::query::NoFields;
use super::*;

fn rule() -> RouteRule {
    RouteRule { path: PathPattern::prefix("/").unwrap(), methods: vec![], fields: vec![], query: vec![] }
}

fn query<'a>(target: &'a str, method: &'a str) -> RouteQuery<'a> {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    RouteQuery {
        host: None,
        method: method.as_bytes(),
        path: path.as_bytes(),
        query: query.map(str::as_bytes),
        fields: &NoFields,
    }
}

/// What is said of a request that does not match; empty when it does.
fn check(rule: &RouteRule, q: &RouteQuery, expected: &str) {
    let said = rule.check(q).map_or_else(|missing| missing.to_string(), |()| String::new());
    assert_eq!(said, expected);
}

#[test]
fn methods_are_compared_as_sent_and_head_follows_get() {
    let get = RouteRule { methods: vec!["GET".into()], ..rule() };
    let head = RouteRule { methods: vec!["HEAD".into()], ..rule() };
    let writes = RouteRule { methods: vec!["POST".into(), "PUT".into()], ..rule() };
    check(&rule(), &query("/", "BREW"), "");
    check(&get, &query("/", "GET"), "");
    check(&get, &query("/", "HEAD"), "");
    check(&get, &query("/", "get"), "the method is not GET");
    check(&head, &query("/", "HEAD"), "");
    check(&head, &query("/", "GET"), "the method is not HEAD");
    check(&writes, &query("/", "PUT"), "");
    check(&writes, &query("/", "HEAD"), "the method is not POST or PUT");
}

#[test]
fn query_parameters_are_compared_as_written() {
    let asks = |name: &str, value: Option<&str>| RouteRule {
        query: vec![QueryRule { name: name.into(), value: value.map(Into::into) }],
        ..rule()
    };
    for target in ["/?v=2", "/?a&v=2&b", "/?v=1&v=2", "/?&&v=2"] {
        check(&asks("v", Some("2")), &query(target, "GET"), "");
    }
    for target in
        ["/", "/?", "/?v", "/?v=", "/?v=22", "/?vv=2", "/?V=2", "/?v%3D2", "/?%76=2", "/?a=v=2", "/v=2"]
    {
        check(&asks("v", Some("2")), &query(target, "GET"), "no query parameter `v` with the value `2`");
    }
    for target in ["/?v", "/?v=", "/?v=x", "/?a=1&v"] {
        check(&asks("v", None), &query(target, "GET"), "");
    }
    check(&asks("v", None), &query("/?", "GET"), "no query parameter `v`");
    check(&asks("v", Some("")), &query("/?v", "GET"), "");
    check(&asks("v", Some("")), &query("/?v=", "GET"), "");
    check(&asks("v", Some("a=b")), &query("/?v=a=b", "GET"), "");
}

#[test]
fn fields_are_compared_whole() {
    let asks = |value: Option<&str>| RouteRule {
        fields: vec![FieldRule { name: "x-version".into(), value: value.map(Into::into) }],
        ..rule()
    };
    let with = |pairs: &[(&str, &str)], value: Option<&str>, expected: &str| {
        check(&asks(value), &RouteQuery { fields: &pairs, ..query("/", "GET") }, expected);
    };
    with(&[("X-Version", "2")], Some("2"), "");
    with(&[("x-version", "1"), ("x-version", "2")], Some("2"), "");
    with(&[("x-version", "1, 2")], Some("2"), "no field `x-version` with the value `2`");
    with(&[("x-versions", "2")], Some("2"), "no field `x-version` with the value `2`");
    with(&[("x-version", "")], None, "");
    with(&[("x-version", "")], Some(""), "");
    with(&[], None, "no field `x-version`");
}

#[test]
fn the_first_missing_thing_is_told() {
    let strict = RouteRule {
        path: PathPattern::exact("/a").unwrap(),
        methods: vec!["POST".into()],
        fields: vec![FieldRule { name: "x".into(), value: None }],
        query: vec![QueryRule { name: "q".into(), value: None }],
    };
    let pairs: &[(&str, &str)] = &[("x", "1")];
    check(&strict, &query("/b", "GET"), "the path is not exactly `/a`");
    check(&strict, &query("/a", "GET"), "the method is not POST");
    check(&strict, &query("/a", "POST"), "no field `x`");
    check(&strict, &RouteQuery { fields: &pairs, ..query("/a", "POST") }, "no query parameter `q`");
    check(&strict, &RouteQuery { fields: &pairs, ..query("/a?q", "POST") }, "");
    assert_eq!(strict.conditions(), 3);
}

#[test]
fn a_405_needs_all_but_the_method() {
    let post = RouteRule { methods: vec!["POST".into()], ..rule() };
    let strict = RouteRule { fields: vec![FieldRule { name: "x".into(), value: None }], ..post.clone() };
    assert!(post.wants_other_method(&query("/", "GET")));
    assert!(!post.wants_other_method(&query("/", "POST")));
    assert!(!strict.wants_other_method(&query("/", "GET")));
    assert!(!rule().wants_other_method(&query("/", "GET")));
}
