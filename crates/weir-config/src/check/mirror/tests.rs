//! Who gets copies, and what is told when they can't.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::time::Duration;

use weir_core::compare::BodyRule;

use crate::load;
use crate::model::{Action, Forward, Model};

/// The model, or the problems; warnings are in front of either.
fn outcome(text: &str) -> (Vec<String>, Option<Model>) {
    match load::parse("t", text.as_bytes(), &|_| None, Path::new("/")) {
        Ok(loaded) => (vec![loaded.warnings.render(false)], Some(loaded.model)),
        Err(report) => (vec![report.render(false)], None),
    }
}

fn route(keys: &str) -> String {
    format!(
        "upstreams: {{main: {{servers: [\"a:1\"]}}, canary: {{servers: [\"b:1\"]}}}}
services: [{{host: \"*\", upstream: main, {keys}}}]
"
    )
}

fn forward(model: &Model, route: usize) -> &Forward {
    match &model.services[0].routes[route].action {
        Action::Forward(forward) => forward,
        other => panic!("{other:?}"),
    }
}

fn taken(keys: &str) -> Forward {
    let (said, model) = outcome(&route(keys));
    forward(&model.unwrap_or_else(|| panic!("{keys}: {said:?}")), 0).clone()
}

#[track_caller]
fn refused(keys: &str, parts: &[&str]) {
    let (said, model) = outcome(&route(keys));
    assert!(model.is_none(), "{keys} is taken");
    for part in parts {
        assert!(said[0].contains(part), "{keys}: no {part:?} in {}", said[0]);
    }
}

#[track_caller]
fn warned(keys: &str, part: &str) {
    let (said, model) = outcome(&route(keys));
    assert!(model.is_some() && said[0].contains(part), "{keys}: {said:?}");
}

#[test]
fn a_name_alone_has_every_default() {
    let mirrors = taken("mirror: canary").mirrors;
    assert_eq!(mirrors.len(), 1);
    let mirror = &mirrors[0];
    assert_eq!((mirror.upstream.0, mirror.share, mirror.queue), (1, 1.0, 1000));
    assert_eq!(mirror.timeout, Duration::from_secs(10));
    assert!(taken("mirror: off, compare: off").mirrors.is_empty());
}

#[test]
fn what_is_written_is_taken() {
    let mirrors =
        taken("mirror: [{upstream: canary, share: 12.5%, queue: 7, timeout: 2s}, {upstream: [\"c:1\"]}]")
            .mirrors;
    assert_eq!((mirrors[0].share, mirrors[0].queue, mirrors[0].timeout), (0.125, 7, Duration::from_secs(2)));
    assert_eq!(mirrors[1].upstream.0, 2, "one in place, behind the two");
}

#[test]
fn a_comparison_is_of_safe_methods_statuses_and_bytes_unless_it_says_more() {
    let compare = taken("compare: {upstream: canary}").compare.unwrap();
    assert_eq!(
        compare.methods.iter().map(|method| &**method).collect::<Vec<_>>(),
        ["GET", "HEAD", "OPTIONS"]
    );
    assert_eq!((compare.rule.status, compare.rule.body, compare.rule.latency), (true, BodyRule::Exact, None));
    assert_eq!((compare.body_bytes_max, compare.keep), (1 << 20, 20));
    let compare = taken(
        "compare: {upstream: canary, methods: POST, headers: [ETag], body: json, ignore: [$.a, /b/0], latency: 1s, limit: 2KiB, keep: 0}",
    )
    .compare
    .unwrap();
    assert_eq!((compare.rule.fields.len(), compare.rule.ignore.len()), (1, 2));
    assert_eq!((compare.body_bytes_max, compare.keep), (2048, 0));
}

#[test]
fn what_can_not_be_is_refused_with_the_place_and_a_way_out() {
    refused("mirror: canray", &["there is no upstream `canray`", "did you mean `canary`?"]);
    refused("mirror: [canary, {upstream: canray}]", &["did you mean `canary`?"]);
    refused("compare: {upstream: canray}", &["did you mean `canary`?"]);
    refused("mirror: {share: 10%}", &["`mirror` needs `upstream`"]);
    refused("mirror: {upstream: canary, share: 110%}", &["at most `100%`"]);
    refused("mirror: {upstream: canary, share: 0.5}", &["write `0.5%`"]);
    refused("mirror: {upstream: canary, queue: 0}", &["1 to 100000"]);
    refused("mirror: {upstream: canary, timeout: 1h}", &["timeout"]);
    refused("mirror: {upstream: canary, shares: 5%}", &["did you mean `share`?"]);
    refused("mirror: [canary, canary]", &["mirrored to the same upstream twice"]);
    let five = "mirror: [{upstream: [\"a:1\"]}, {upstream: [\"a:2\"]}, {upstream: [\"a:3\"]}, {upstream: [\"a:4\"]}, {upstream: [\"a:5\"]}]";
    refused(five, &["at most 4 mirrors"]);
    refused(
        "compare: {upstream: canary, body: json, ignore: [updated_at]}",
        &["did you mean `$.updated_at`?"],
    );
    refused("compare: {upstream: canary, body: json, ignore: [$..id]}", &["`..` and filters are not known"]);
    refused("compare: {upstream: canary, body: json, ignore: [$]}", &["write `body: off`"]);
    refused("compare: {upstream: canary, headers: [\"a b\"]}", &["is not the name of a field"]);
    refused("compare: {upstream: canary, methods: [TRACE]}", &["TRACE never reaches a route"]);
    refused("compare: {upstream: canary, status: false, body: off}", &["nothing is compared"]);
}

#[test]
fn what_is_probably_a_mistake_is_told() {
    warned("mirror: main", "the route's own servers get each request twice");
    warned("compare: {upstream: main}", "the route's own servers get each request twice");
    warned(
        "mirror: canary, compare: {upstream: canary}",
        "a mirror of the route too, and gets such requests twice",
    );
    let (said, _) = outcome(&route("mirror: {upstream: [\"c:1\"]}, compare: {upstream: canary}"));
    assert_eq!(said, [""]);
    warned("compare: {upstream: canary, ignore: [$.a]}", "`ignore` has no effect");
    let (said, _) = outcome(&route("mirror: canary"));
    assert!(!said[0].contains("no route uses"), "{said:?}");
}

#[test]
fn a_route_that_sends_nothing_mirrors_nothing() {
    let text = |keys: &str| {
        format!("upstreams: {{m: {{servers: [\"b:1\"]}}}}\nservices: [{{host: \"*\", {keys}}}]\n")
    };
    let (said, model) = outcome(&text("respond: {}, mirror: m"));
    assert!(
        model.is_none() && said[0].contains("`mirror` has no effect on a route with `respond`"),
        "{said:?}"
    );
    let (said, model) = outcome(&text(
        "mirror: m, routes: [{path: /a, respond: {}}, {path: /b, upstream: [\"c:1\"]}, {path: /c, mirror: off, upstream: [\"c:2\"]}]",
    ));
    let model = model.unwrap_or_else(|| panic!("{said:?}"));
    assert_eq!((forward(&model, 1).mirrors.len(), forward(&model, 2).mirrors.len()), (1, 0));
}

#[test]
fn a_service_may_give_its_routes_an_upstream_in_place() {
    let text = "services: [{host: \"*\", mirror: {upstream: [\"m:1\"]}, compare: {upstream: [\"m:2\"]}, \
                routes: [{path: /a, upstream: [\"c:1\"]}, {path: /b, upstream: [\"c:2\"]}]}]\n";
    let (said, model) = outcome(text);
    let model = model.unwrap_or_else(|| panic!("{said:?}"));
    let names: Vec<&str> = model.upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
    assert_eq!(names, ["* /a", "* /a mirror", "* /a compare", "* /b", "* /b mirror", "* /b compare"]);
}
