//! What `health` takes and refuses, where and with which hint.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use weir_core::health::HealthCheck;

use super::*;
use crate::load;

const BEFORE: &str = "services: [{host: a, upstream: {servers: [\"b:1\"], health: ";

fn outcome(health: &str) -> Result<HealthCheck, Vec<String>> {
    let text = format!("{BEFORE}{health}}}}}]");
    let outcome = load::parse("t", text.as_bytes(), &|_| None, Path::new(""));
    let model = outcome.map_err(|report| {
        let shown = report.problems().iter().map(|problem| {
            let start = problem.span.map_or(0, |span| report.source().position(span.start).column);
            // Columns of `health` alone.
            let column = start.saturating_sub(BEFORE.len());
            format!("{column} {} | {}", problem.message, problem.hint.as_deref().unwrap_or_default())
        });
        shown.collect::<Vec<_>>()
    })?;
    Ok(model.model.upstreams[0].health.clone().unwrap())
}

fn check(health: &str, expected: &HealthCheck) {
    assert_eq!(outcome(health).as_ref(), Ok(expected), "{health}");
}

fn check_http(keys: &str, expected: HttpProbe) {
    check(&format!("{{path: /z, {keys}}}"), &HealthCheck::new(Probe::Http(Box::new(expected))));
}

fn check_error(health: &str, parts: &[&str]) {
    let problems = outcome(health).expect_err(health);
    assert_eq!(problems.len(), parts.len(), "{health}: {problems:#?}");
    for (problem, part) in problems.iter().zip(parts) {
        let fits = part.split(" … ").all(|part| problem.contains(part));
        assert!(fits, "{health}: {problem:?} has not {part:?}");
    }
}

#[test]
fn what_is_asked() {
    let usual = HttpProbe::new("/z");
    check("{tcp: true}", &HealthCheck::new(Probe::Tcp));
    check_http("", usual.clone());
    check_http("method: HEAD", HttpProbe { method: "HEAD".into(), ..usual.clone() });
    check_http("host: api.test", HttpProbe { host: Some("api.test".into()), ..usual.clone() });
    check_http("host: \"[::1]:8080\"", HttpProbe { host: Some("[::1]:8080".into()), ..usual.clone() });
    check_http("expect: 204", HttpProbe { expect: StatusSet::EMPTY.with_code(204), ..usual.clone() });
    let several = StatusSet::EMPTY.with_class(2).with_code(404).with_range(500, 503);
    check_http("expect: [2xx, 404, 500-503]", HttpProbe { expect: several, ..usual.clone() });
    check_http("body: \"all good\"", HttpProbe { body: Some("all good".into()), ..usual });
    let query = HttpProbe::new("/z?deep=1");
    check("{path: /z?deep=1}", &HealthCheck::new(Probe::Http(Box::new(query))));
}

#[test]
fn how_often() {
    let usual = HealthCheck::new(Probe::Tcp);
    let seconds = Duration::from_secs;
    let interval =
        |interval, unhealthy_interval| HealthCheck { interval, unhealthy_interval, ..usual.clone() };
    check("{tcp: true, interval: 2s}", &interval(seconds(2), Duration::from_millis(500)));
    check("{tcp: true, interval: 1m}", &interval(seconds(60), seconds(1)));
    check(
        "{tcp: true, interval: 20ms, unhealthy_interval: 20ms}",
        &interval(CHECK_TIME.min * 2, CHECK_TIME.min * 2),
    );
    check("{tcp: true, jitter: 0%}", &HealthCheck { jitter: 0.0, ..usual.clone() });
    let counts = HealthCheck { unhealthy_after: 1, healthy_after: 1000, ..usual };
    check("{tcp: true, unhealthy_after: 1, healthy_after: 1000}", &counts);
}

#[test]
fn a_check_asks_one_thing() {
    check_error("{tcp: false}", &["7 `tcp: false` checks nothing … or take `health` away"]);
    check_error("{}", &["1 `health` does not say what to check … write `path: /healthz` or `tcp: true`"]);
    check_error("{interval: 1s}", &["does not say what to check"]);
    check_error("{path: /, tcp: true}", &["16 a check is either `path` or `tcp`"]);
    check_error(
        "{tcp: true, expect: 200, body: ok}",
        &[
            "21 … asks nothing, so `expect` means nothing … write `path: /healthz`",
            "32 … `body` means nothing",
        ],
    );
    check_error(
        "{path: /, method: HEAD, body: ok}",
        &["31 answers to HEAD have no body … write `method: GET`"],
    );
}

#[test]
fn paths_begin_with_a_slash() {
    check_error("{path: healthz}", &["8 `healthz` is not a path to ask for … begin it with `/`: `/healthz`"]);
    check_error("{path: \"/a b\"}", &["escape spaces"]);
    check_error("{path: /ä}", &["escape spaces"]);
    check_error("{path: \"/a#b\"}", &["without a fragment"]);
    check_error("{path: \"/a\\r\\nX: y\"}", &["is not a path to ask for"]);
    check_error("{path: http://b:1/healthz}", &["each server is asked by its own address"]);
    check_error("{path: \"\"}", &["is not a path"]);
}

#[test]
fn values_have_bounds() {
    check_error("{tcp: true, unhealthy_after: 0}", &["1 to 1000, found 0"]);
    check_error("{tcp: true, interval: 5ms}", &["`5ms` is not from `10ms` to `24h`"]);
    check_error("{tcp: true, jitter: 10}", &["`10` is not a share … write `10%`"]);
    check_error("{tcp: true, panic: 101%}", &["a share is at most `100%`"]);
    let longer = "33 `unhealthy_interval` is longer than `interval`, `1s` … asked sooner";
    check_error("{tcp: true, unhealthy_interval: 2s}", &[longer]);
    check_error("{tcp: false, unhealthy_interval: 2s}", &["checks nothing", "is longer than"]);
    check_error("{path: /, method: get}", &["upper case: `GET`"]);
    check_error("{path: /, method: CONNECT}", &["CONNECT is no question to a server … write `GET`"]);
    check_error("{path: /, host: \"*.test\"}", &["cannot be sent as Host"]);
    check_error("{path: /, host: \"a.test:99999\"}", &["cannot be sent as Host"]);
    check_error("{path: /, expect: 2x}", &["is no class, status or range"]);
    check_error("{path: /, expect: []}", &["found an empty list"]);
    check_error("{path: /, body: \"\"}", &["an empty text is in every body"]);
    check_error(&format!("{{path: /, body: {}}}", "x".repeat(1025)), &["1025 bytes is too long"]);
    check_error("{path: /, intervall: 1s}", &["did you mean `interval`?"]);
}
