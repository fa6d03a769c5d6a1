//! Tables of requests and where they go, and the table held against a reference that only reads the rule.

#![allow(clippy::unwrap_used)]

use std::cmp::Reverse;

use proptest::prelude::{Just, Strategy, prop, prop_assert_eq, prop_oneof, proptest};

use super::super::path::PathPattern;
use super::super::query::NoFields;
use super::super::rule::{FieldRule, QueryRule};
use super::*;

/// A route as short text: `[METHOD,METHOD ]PATH[ ?name[=value]][ name:value]`, paths with `exact:` or `regex:`.
fn rule(text: &str) -> RouteRule {
    let mut rule =
        RouteRule { path: PathPattern::prefix("/").unwrap(), methods: vec![], fields: vec![], query: vec![] };
    for word in text.split(' ') {
        if let Some(path) = word.strip_prefix("exact:") {
            rule.path = PathPattern::exact(path).unwrap();
        } else if let Some(regex) = word.strip_prefix("regex:") {
            rule.path = PathPattern::regex(regex).unwrap();
        } else if word.starts_with('/') {
            rule.path = PathPattern::prefix(word).unwrap();
        } else if let Some(parameter) = word.strip_prefix('?') {
            let (name, value) =
                parameter.split_once('=').map_or((parameter, None), |(n, v)| (n, Some(v.into())));
            rule.query.push(QueryRule { name: name.into(), value });
        } else if let Some((name, value)) = word.split_once(':') {
            rule.fields.push(FieldRule { name: name.into(), value: Some(value.into()) });
        } else {
            rule.methods.extend(word.split(',').map(Box::from));
        }
    }
    rule
}

fn service(hosts: &[&str], routes: &[&str]) -> (Vec<HostPattern>, Vec<RouteRule>) {
    (hosts.iter().map(|h| HostPattern::parse(h).unwrap()).collect(), routes.iter().map(|r| rule(r)).collect())
}

fn query<'a>(host: Option<&'a str>, method: &'a str, target: &'a str) -> RouteQuery<'a> {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    RouteQuery {
        host: host.map(str::as_bytes),
        method: method.as_bytes(),
        path: path.as_bytes(),
        query: query.map(str::as_bytes),
        fields: &NoFields,
    }
}

/// The route that wins among the routes of one service: its text, `404`, or `405` with the methods.
fn check(routes: &[&str], request: &str, expected: &str) {
    let table = RouteTable::new(vec![service(&["*"], routes)]);
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let fields: Vec<(&str, &str)> = words.map(|word| word.split_once(':').unwrap()).collect();
    let q = RouteQuery { fields: &fields.as_slice(), ..query(None, method, target) };
    let found = table.find(&q);
    let said = match &found {
        Found::Route { route, .. } => routes[*route].to_owned(),
        Found::NoRoute { methods, .. } if methods.is_empty() => "404".to_owned(),
        Found::NoRoute { methods, .. } => format!("405 {}", methods.join(",")),
        Found::NoService => "no service".to_owned(),
    };
    assert_eq!(said, expected, "{request} in {routes:?}");
    assert_eq!(table.explain(&q).found(), found, "{request} in {routes:?}");
}

#[test]
fn the_kind_of_the_path_decides_first() {
    let routes = &["/", "/a/b", "regex:/a/.*", "exact:/a/b", "/a", "GET /a x:1 ?q"];
    check(routes, "GET /a/b", "exact:/a/b");
    check(routes, "GET /a/c", "regex:/a/.*");
    check(routes, "GET /a/b/", "regex:/a/.*");
    check(routes, "GET /a", "/a");
    check(routes, "GET /a?q x:1", "GET /a x:1 ?q");
    check(routes, "GET /ab", "/");
    check(routes, "GET /", "/");
}

#[test]
fn the_longest_prefix_comes_first_wherever_it_stands() {
    for routes in
        [["/", "/a", "/a/b/", "/a/b/c"], ["/a/b/c", "/a/b/", "/a", "/"], ["/a", "/a/b/c", "/", "/a/b/"]]
    {
        check(&routes, "GET /a/b/c", "/a/b/c");
        check(&routes, "GET /a/b/c/d/e/f", "/a/b/c");
        check(&routes, "GET /a/b/cd", "/a/b/");
        check(&routes, "GET /a/b", "/a/b/");
        check(&routes, "GET /a/b;c/d", "/a");
        check(&routes, "GET /a//b", "/a");
        check(&routes, "GET //a/b", "/");
        check(&routes, "GET /a%2Fb", "/");
        check(&routes, "GET /x", "/");
    }
}

#[test]
fn a_longer_prefix_that_misses_leaves_the_request_to_a_shorter_one() {
    let routes = &["POST /a/b", "/a"];
    check(routes, "GET /a/b", "/a");
    check(routes, "POST /a/b", "POST /a/b");
    check(&["exact:/a ?v=2", "regex:/a x:1", "/a"], "GET /a", "/a");
}

#[test]
fn more_conditions_come_first_then_the_order_of_the_file() {
    let routes = &["/a", "GET /a", "/a/ x:1 ?v", "GET /a x:1", "/a y:1 x:1 ?v"];
    check(routes, "PUT /a", "/a");
    check(routes, "GET /a", "GET /a");
    check(routes, "GET /a x:1", "GET /a x:1");
    check(routes, "GET /a?v x:1", "/a/ x:1 ?v");
    check(routes, "GET /a?v x:1 y:1", "/a y:1 x:1 ?v");
    check(&["/a", "/a/"], "GET /a/", "/a");
    check(&["/a/", "/a"], "GET /a", "/a/");
    check(&["regex:/a.*", "regex:/.*", "GET regex:/.*b"], "POST /ab", "regex:/a.*");
    check(&["regex:/a.*", "regex:/.*", "GET regex:/.*b"], "GET /ab", "GET regex:/.*b");
}

#[test]
fn the_methods_of_a_405_are_those_that_would_have_helped() {
    let routes = &["GET /a", "POST,GET /a/b", "PUT /a ?v", "DELETE /c", "PATCH exact:/a/b"];
    check(routes, "HEAD /a", "GET /a");
    check(routes, "POST /a", "405 GET,HEAD");
    check(routes, "BREW /a/b", "405 PATCH,POST,GET,HEAD");
    check(routes, "BREW /a?v", "405 PUT,GET,HEAD");
    check(routes, "GET /c/d", "405 DELETE");
    check(routes, "GET /d", "404");
    check(&["/a x:1"], "GET /a", "404");
    check(&["POST /a x:1"], "GET /a", "404");
    check(&[], "GET /", "404");
}

#[test]
fn what_is_no_path_matches_no_prefix() {
    let routes = &["/", "/a"];
    for path in ["*", "a", "*/a"] {
        check(routes, &format!("OPTIONS {path}"), "404");
    }
}

#[test]
fn the_service_is_chosen_by_the_host_alone() {
    let table = RouteTable::new(vec![
        service(&["a.example.com"], &["/only"]),
        service(&["*.example.com", "b.org"], &["/"]),
        service(&["*"], &["/"]),
    ]);
    let check = |host: Option<&str>, path: &str, expected: &Found| {
        assert_eq!(table.find(&query(host, "GET", path)), *expected, "{host:?} {path}");
    };
    let route = |service| Found::Route { service, route: 0 };
    check(Some("a.example.com"), "/only", &route(0));
    check(Some("a.example.com"), "/", &Found::NoRoute { service: 0, methods: vec![] });
    check(Some("b.example.com"), "/", &route(1));
    check(Some("b.org"), "/", &route(1));
    check(Some("example.com"), "/", &route(2));
    check(None, "/", &route(2));
    let closed = RouteTable::new(vec![service(&["a"], &["/"])]);
    assert_eq!(closed.find(&query(Some("b"), "GET", "/")), Found::NoService);
    assert_eq!(closed.find(&query(None, "GET", "/")), Found::NoService);
    assert_eq!(RouteTable::new(vec![]).find(&query(Some("a"), "GET", "/")), Found::NoService);
}

/// The rule, read word by word and without any lookup.
fn reference(
    services: &[(Vec<HostPattern>, Vec<RouteRule>)],
    q: &RouteQuery,
) -> Option<(usize, Option<usize>)> {
    let closeness = |pattern: &HostPattern| match (pattern, q.host) {
        (HostPattern::Any, _) => Some((0, 0)),
        (HostPattern::Exact(name), Some(host)) => (name.as_bytes() == host).then_some((2, 0)),
        (HostPattern::Wildcard(suffix), Some(host)) => {
            let end = format!(".{suffix}");
            (host.len() > end.len() && host.ends_with(end.as_bytes())).then_some((1, suffix.len()))
        }
        (_, None) => None,
    };
    let hosts =
        services.iter().enumerate().flat_map(|(at, (hosts, _))| hosts.iter().map(move |host| (at, host)));
    let close = hosts.filter_map(|(at, host)| Some((closeness(host)?, Reverse(at))));
    let service = close.max().map(|(_, Reverse(at))| at)?;
    let rank = |at: usize, rule: &RouteRule| {
        let asked = usize::from(!rule.methods.is_empty()) + rule.fields.len() + rule.query.len();
        let path = match &rule.path {
            PathPattern::Exact(_) => (2, 0),
            PathPattern::Regex(_) => (1, 0),
            PathPattern::Prefix(prefix) => (0, prefix.trim_end_matches('/').len()),
        };
        (path, asked, Reverse(at))
    };
    let matching = services[service].1.iter().enumerate().filter(|(_, rule)| rule.check(q).is_ok());
    let winner = matching.max_by_key(|(at, rule)| rank(*at, rule)).map(|(at, _)| at);
    Some((service, winner))
}

fn any_route() -> impl Strategy<Value = String> {
    let path = prop_oneof![
        "(/[ab]){0,3}/?".prop_map(|p| if p.is_empty() { "/".to_owned() } else { p }),
        "exact:/[ab](/[ab]?)?",
        Just("regex:/a.*".to_owned()),
        Just("regex:/[ab]/?".to_owned()),
        Just("regex:.*/b".to_owned()),
    ];
    let condition = prop_oneof!["", " GET", " POST", " HEAD,PUT", " \\?q", " \\?q=1", " x:1", " x:1 \\?r"];
    (path, condition).prop_map(|(path, condition)| path + &condition)
}

fn any_host() -> impl Strategy<Value = String> {
    prop_oneof!["[ab](\\.[ab]){0,2}", "\\*\\.[ab](\\.[ab])?", Just("*".to_owned())]
}

proptest! {
    #[test]
    fn find_is_what_the_rule_says_and_what_explain_says(
        services in prop::collection::vec(
            (prop::collection::vec(any_host(), 1..4), prop::collection::vec(any_route(), 0..8)),
            0..4,
        ),
        requests in prop::collection::vec(
            (
                prop::option::of("[ab](\\.[ab]){0,3}"),
                prop_oneof!["GET", "HEAD", "POST", "PUT"],
                "(/[ab]?){1,4}|\\*",
                prop::option::of("[qr](=[12])?(&[qr](=[12])?)?"),
                prop::option::of("[12]"),
            ),
            1..20,
        ),
    ) {
        let services: Vec<_> = services
            .iter()
            .map(|(hosts, routes)| {
                let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
                let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
                service(&hosts, &routes)
            })
            .collect();
        let table = RouteTable::new(services.clone());
        for (host, method, path, parameters, x) in &requests {
            let fields: Vec<(&str, &str)> = x.iter().map(|value| ("x", value.as_str())).collect();
            let q = RouteQuery {
                query: parameters.as_deref().map(str::as_bytes),
                fields: &fields.as_slice(),
                ..query(host.as_deref(), method, path)
            };
            let found = table.find(&q);
            let short = match &found {
                Found::NoService => None,
                Found::Route { service, route } => Some((*service, Some(*route))),
                Found::NoRoute { service, .. } => Some((*service, None)),
            };
            prop_assert_eq!(short, reference(&services, &q));
            prop_assert_eq!(table.explain(&q).found(), found);
        }
    }
}
