//! Who gets copies of a route's requests beside its servers, for people and for programs.

use std::time::Duration;

use serde_json::{Value, json};
use weir_config::model::{Compare, Forward, Mirror, Model};
use weir_core::compare::BodyRule;

/// `next, 10% of all requests, for 10s at most`
pub(crate) fn mirror_text(model: &Model, mirror: &Mirror) -> String {
    let share = match percent(mirror.share).as_str() {
        "100" => "all requests".to_owned(),
        percent => format!("{percent}% of all requests"),
    };
    format!("{}, {share}, for {} at most", upstream(model, mirror), time(mirror.timeout))
}

/// What is compared of a request with this method, or why nothing is.
pub(crate) fn compare_text(model: &Model, compare: &Compare, method: &str) -> String {
    let name = upstream(model, &compare.mirror);
    let methods = compare.methods.join(", ");
    if !takes(compare, method) {
        return format!("{name}, but not {method}: only {methods}");
    }
    let share = match percent(compare.mirror.share).as_str() {
        "100" => methods,
        percent => format!("{percent}% of {methods}"),
    };
    format!("{name}, {share}: {}", parts(compare).join(", "))
}

/// `mirrors` and `compare` of a route.
pub(crate) fn add_json(model: &Model, forward: &Forward, method: &str, route: &mut Value) {
    route["mirrors"] = forward.mirrors.iter().map(|mirror| mirror_json(model, mirror)).collect();
    route["compare"] = forward.compare.as_deref().map_or(Value::Null, |compare| {
        let rule = &compare.rule;
        let mut json = mirror_json(model, &compare.mirror);
        json["takes_method"] = takes(compare, method).into();
        json["methods"] = compare.methods.iter().map(|method| &**method).collect();
        json["status"] = rule.status.into();
        json["headers"] = rule.fields.iter().map(|name| &**name).collect();
        json["body"] = body(rule.body).into();
        json["ignored_paths"] = rule.ignore.len().into();
        json["latency_seconds"] = rule.latency.map(|time| time.as_secs_f64()).into();
        json["limit_bytes"] = compare.body_bytes_max.into();
        json["keep"] = compare.keep.into();
        json
    });
}

fn mirror_json(model: &Model, mirror: &Mirror) -> Value {
    json!({
        "upstream": upstream(model, mirror),
        "share": mirror.share,
        "queue": mirror.queue,
        "timeout_seconds": mirror.timeout.as_secs_f64(),
    })
}

fn upstream<'m>(model: &'m Model, mirror: &Mirror) -> &'m str {
    &model.upstreams[mirror.upstream.0].name
}

fn takes(compare: &Compare, method: &str) -> bool {
    compare.methods.iter().any(|taken| **taken == *method)
}

fn parts(compare: &Compare) -> Vec<String> {
    let rule = &compare.rule;
    let mut parts = Vec::new();
    if rule.status {
        parts.push("status".to_owned());
    }
    parts.extend(rule.fields.iter().map(|name| format!("`{name}`")));
    match (rule.body, rule.ignore.len()) {
        (BodyRule::Off, _) => {}
        (BodyRule::Exact, _) => parts.push("body".to_owned()),
        (BodyRule::Json, 0) => parts.push("body as JSON".to_owned()),
        (BodyRule::Json, 1) => parts.push("body as JSON without 1 path".to_owned()),
        (BodyRule::Json, paths) => parts.push(format!("body as JSON without {paths} paths")),
    }
    parts.extend(rule.latency.map(|time| format!("latency up to {} more", self::time(time))));
    parts
}

fn body(rule: BodyRule) -> &'static str {
    match rule {
        BodyRule::Exact => "exact",
        BodyRule::Json => "json",
        BodyRule::Off => "off",
    }
}

/// A share as it is written, without the sign.
fn percent(share: f64) -> String {
    // What was written with a few digits has no more of them here.
    format!("{}", (share * 1e8).round() / 1e6)
}

fn time(time: Duration) -> String {
    format!("{time:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_told_as_it_was_written() {
        for (share, expected) in
            [(1.0, "100"), (0.1, "10"), (0.125, "12.5"), (0.07, "7"), (0.001, "0.1"), (0.0, "0")]
        {
            assert_eq!(percent(share), expected);
        }
    }
}
