//! What modes mean together with methods, servers and the queues of upstreams.

use std::collections::BTreeSet;
use std::path::Path;

use super::check;
use crate::load;

#[test]
fn keys_belong_to_modes_and_numbers_to_servers() {
    let check = |servers: &str, dispatch: &str, expected: &[&str]| {
        check(&format!("services: [{{host: a, upstream: [{servers}], dispatch: {dispatch}}}]"), expected);
    };
    let three = "\"b:1\", \"b:2\", \"b:3\"";
    check(
        three,
        "{mode: race, budget: 5%}",
        &["error `budget` means nothing to `race` | it belongs to `hedge`"],
    );
    check(
        three,
        "{mode: balance, otherwise: best}",
        &["error `otherwise` means nothing to `balance` | it belongs to `race` or `majority`"],
    );
    check(three, "{mode: duplicate, acknowledge: 3}", &[]);
    check(
        three,
        "{mode: duplicate, acknowledge: 4}",
        &["error 4 servers can't acknowledge: there are 3 | write `all`"],
    );
    check(
        three,
        "{mode: race, width: 4}",
        &["warning `width` is more than the servers, of which there are 3"],
    );
    check(three, "{mode: race, otherwise: 500, best: 4xx}", &["warning `best` has no effect"]);
    check(three, "{mode: majority, best: 4xx}", &["warning `best` has no effect"]);
    check(three, "{mode: majority, otherwise: best, best: [4xx, 2xx]}", &[]);
}

#[test]
fn a_writing_method_beside_a_duplicate_is_not_forgotten() {
    let check = |dispatch: &str, expected: &[&str]| {
        check(
            &format!("services: [{{host: a, upstream: [\"b:1\", \"b:2\"], dispatch: {dispatch}}}]"),
            expected,
        );
    };
    check("{POST: duplicate}", &["warning `PUT`, `PATCH` or `DELETE` would go to one server only"]);
    check("{POST: duplicate, PUT: duplicate, PATCH: balance, DELETE: duplicate}", &[]);
    check("{GET: balance, \"*\": duplicate}", &[]);
    check("duplicate", &[]);
}

#[test]
fn an_upstream_has_one_primary() {
    check(
        "services: [{host: a, upstream: [{address: \"b:1\", primary: true}, {address: \"b:2\", primary: true}]}]",
        &["error an upstream has one primary server"],
    );
}

#[test]
fn an_upstream_has_one_queue() {
    let check = |one: &str, other: &str, expected: &[&str]| {
        check(
            &format!(
                "services: [{{host: a, routes: [{{path: /x, upstream: u, dispatch: {one}}}, {{path: /, upstream: u, dispatch: {other}}}]}}]
upstreams: {{u: {{servers: [\"b:1\", \"b:2\"]}}}}"
            ),
            expected,
        );
    };
    let durable = "{mode: duplicate, catch_up: durable, keep: 1h}";
    check(durable, durable, &[]);
    check(
        durable,
        "{mode: duplicate, catch_up: durable, keep: 60m, acknowledge: all, answer_timeout: 1s}",
        &[],
    );
    check(durable, "{mode: duplicate, catch_up: \"off\"}", &[]);
    check(durable, "race", &[]);
    check(
        durable,
        "duplicate",
        &["error the upstream `u` has one queue, and `catch_up` is another one here"],
    );
    let differs =
        |key: &str| format!("error the upstream `u` has one queue, and `{key}` is another one here");
    for (key, value) in [
        ("keep", "2h"),
        ("order", "strict"),
        ("backlog", "7"),
        ("backlog_bytes", "2MiB"),
        ("dead_letters", "7"),
        ("dead_letters_bytes", "2MiB"),
        ("full", "drop_oldest"),
    ] {
        check("duplicate", &format!("{{mode: duplicate, {key}: {value}}}"), &[&differs(key)]);
    }
    check(
        "duplicate",
        "{GET: balance, POST: {mode: duplicate, keep: 1h}, \"*\": duplicate}",
        &[&differs("keep")],
    );
}

#[test]
fn a_durable_queue_belongs_to_a_name() {
    let servers = "upstream: [\"b:1\", \"b:2\"]";
    check(
        &format!("services: [{{host: a, {servers}, dispatch: {{mode: duplicate, catch_up: durable}}}}]"),
        &["error a durable queue needs an upstream with a name | declare the servers"],
    );
    check(&format!("services: [{{host: a, {servers}, dispatch: duplicate}}]"), &[]);
}

/// `semantics.md` §3.3: after a restart nobody would know whose the backlog of an address is.
#[test]
fn semantics_3_3_a_durable_queue_is_not_for_servers_that_are_found_by_name() {
    let check = |servers: &str, dispatch: &str, expected: &[&str]| {
        let upstream = format!("upstreams: {{u: {{servers: [{servers}]}}}}");
        check(&format!("services: [{{host: a, upstream: u, dispatch: {dispatch}}}]\n{upstream}"), expected);
    };
    let (found, written) = ("{address: \"b.test:1\", resolve: true}", "\"b.test:2\"");
    let refused = "error a durable queue can't be for servers that are found by name | write the servers with their addresses, or `catch_up: memory`";
    let durable = "{mode: duplicate, catch_up: durable}";
    for servers in [found.to_owned(), format!("{written}, {found}")] {
        check(&servers, durable, &[&format!("1:63 {refused}")]);
        check(
            &servers,
            &format!("{{GET: balance, POST: {durable}, \"*\": race}}"),
            &[&format!("1:84 {refused}")],
        );
        check(&servers, "duplicate", &[]);
        check(&servers, "{mode: duplicate, catch_up: \"off\"}", &[]);
    }
    // A name that is looked up when it is needed stays the name of its server.
    check(written, durable, &[]);
}

/// By its name an upstream has its queue and its metrics. Names that are made up could be the same as others, and two upstreams in
/// place shared one queue: each got the writes that the other one had missed.
#[test]
fn upstreams_in_place_have_names_of_their_own() {
    let route = "upstream: [\"b:1\", \"b:2\"], dispatch: duplicate";
    for text in [
        // A route's written name is what another one's is made up to be.
        format!(
            "services: [{{host: a, routes: [{{path: /x, name: \"/\", {route}}}, {{path: /, {route}}}]}}]"
        ),
        // A service's written name is the host of another one.
        format!("services: [{{host: a, name: b, {route}}}, {{host: b, {route}}}]"),
        // What belongs to which of the two parts can't be told.
        format!(
            "services: [{{host: a, name: \"a b\", path: /, {route}}}, {{host: b, name: a, routes: [{{path: /x, name: \"b /\", {route}}}]}}]"
        ),
        format!(
            "services: [{{host: a, routes: [{{path: /x, name: \"/ mirror\", {route}}}, {{path: /, {route}, mirror: {{upstream: [\"c:1\"]}}}}]}}]"
        ),
    ] {
        let loaded = load::parse("t", text.as_bytes(), &|_| None, Path::new("/base"));
        let upstreams = loaded.unwrap_or_else(|report| panic!("{text}: {report}")).model.upstreams;
        let names: BTreeSet<&str> = upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
        assert_eq!(names.len(), upstreams.len(), "{text}: {names:?}");
    }
}
