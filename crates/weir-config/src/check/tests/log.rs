//! Logs and the ids of requests: what is written, and what contradicts it.

use super::{check, check_model};

/// A file with these keys at the top.
fn with(top: &str) -> String {
    format!("{top}\nservices: [{{host: a, respond: {{}}}}]")
}

#[track_caller]
fn refused(top: &str, expected: &[&str]) {
    check(&with(top), expected);
}

#[track_caller]
fn taken(top: &str, part: &str) {
    refused(top, &[]);
    check_model(&with(top), part);
}

#[test]
fn a_template_is_read_when_the_configuration_is() {
    taken("access_log: '{client} \"{target}\"'", "Field(Target), quoted: true");
    taken(
        "access_log: {format: '{status}', file: a}",
        "Template([Value { told: Field(Status), quoted: false }])",
    );
    refused(
        "access_log: '{clien} {status}'",
        &["1:15 error there is no field `clien` … did you mean `client`?"],
    );
    refused(
        "access_log: {format: \"{a} {statsu}\"}",
        &["1:24 error there is no field `a` … the fields are time,", "1:28 … `statsu` … `status`"],
    );
    refused("access_log: '{status'", &["1:14 error a field begins here and does not end … `{{`"]);
    refused("access_log: '{status}}'", &["1:22 error a brace ends nothing"]);
    refused("access_log: 'common combined'", &["1:14 error the template names no field"]);
    refused("access_log: '{header:Cookie}'", &["1:15 error `cookie` holds secrets … `{user}`"]);
    // Where escapes stand in the text the place is that of the whole.
    refused("access_log: \"\\t{x}\"", &["1:13 … control", "1:13 … no field `x`"]);
    refused("access_log: jsn", &["1:13 error `jsn` is no access log format … did you mean `json`?"]);
}

#[test]
fn lines_of_json_have_chosen_fields() {
    taken(
        "access_log: {format: json, fields: [status, header:X-A]}",
        "Fields([Field(Status), Header(\"x-a\")])",
    );
    refused("access_log: {fields: [status]}", &["1:22 error `fields` belongs to `format: json`"]);
    refused("access_log: {format: common, fields: [status]}", &["1:38 error `fields` belongs"]);
    refused("access_log: {format: '{status}', fields: [status]}", &["`fields` belongs"]);
    refused("access_log: {format: json, fields: []}", &["found an empty one"]);
    refused(
        "access_log: {format: json, fields: [staus]}",
        &["1:37 error there is no field `staus` … `status`"],
    );
    refused(
        "access_log: {format: json, fields: [header:a, status, header:A]}",
        &["1:55 error `header:a` stands twice here"],
    );
}

#[test]
fn a_share_of_the_lines_is_a_share() {
    taken("access_log: {sample: 5%}", "share: Some(Share(0.05))");
    taken("access_log: {sample: 0%}", "share: Some(Share(0.0))");
    taken("access_log: {sample: 100%}", "share: None");
    refused("access_log: {sample: 0.5}", &["1:22 error"]);
    refused("access_log: {sample: 101%}", &["1:22 error"]);
}

#[test]
fn keys_of_clients_are_not_logged() {
    let text = |header: &str| {
        format!(
            "access_log: '{{header:{header}}}'\nservices: [{{host: a, respond: {{}}, authenticate: {{api_key: {{keys: {{x: \
             'sha256:bd913ff68243d41b9611b2690dfbf2b0f6e42ea14536a98232af60e9f64ffdaa'}}, header: X-Secret}}}}}}]"
        )
    };
    check(&text("x-secret"), &["1:13 error `header:X-Secret` would write the keys of clients"]);
    check(&text("x-other"), &[]);
}

#[test]
fn levels_are_words_and_modules_are_known() {
    taken(
        "log: warn",
        "log: OperationalLog { levels: Some(Levels { others: Warn, modules: [] }), form: None }",
    );
    taken("log: {format: json}", "log: OperationalLog { levels: None, form: Some(Json) }");
    taken(
        "log: {modules: {weir_proxy::stages: trace}}",
        "others: Info, modules: [(\"weir_proxy::stages\", Trace)]",
    );
    refused("log: warning", &["1:6 error `warning` is no level of the log … `warn`"]);
    refused("log: {level: 3}", &["1:14 error `3` is no level"]);
    refused(
        "log: {modules: {weir-proxy: debug}}",
        &["1:17 error there is no module `weir-proxy` … did you mean `weir_proxy`?"],
    );
    refused("log: {modules: {weir_prox::a: debug}}", &["did you mean `weir_proxy::a`?"]);
    refused("log: {modules: {nginx: debug}}", &["1:17 error there is no module `nginx` … there are weir,"]);
    refused("log: {modules: {weir: loud}}", &["1:23 error `loud` is no level"]);
    refused("log: []", &["found a list"]);
    refused("log: {format: xml}", &["`xml` is no form"]);
}

#[test]
fn whose_ids_are_believed_is_said() {
    taken(
        "request_id: {from: nobody, answer: false}",
        "request_ids: RequestIds { from: Nobody, answer: false }",
    );
    taken("trace: begin", "trace: Trace { rule: Begin, from: Anyone, sampled: Share(1.0) }");
    taken(
        "trace: {from: nobody, sampled: 5%}",
        "trace: Trace { rule: Continue, from: Nobody, sampled: Share(0.05) }",
    );
    taken("trace: off", "rule: Off");
    refused("trace: on", &["1:8 error `on` is no rule for traces"]);
    refused("request_id: {from: trusted}", &["is no group of clients"]);
    let nobody = "warning nobody is believed, because no proxy is trusted";
    refused("request_id: {from: trusted_proxies}", &[&format!("1:20 {nobody}")]);
    refused("trace: {from: trusted_proxies}", &[&format!("1:15 {nobody}")]);
    refused("trusted_proxies: 10.0.0.1\ntrace: {from: trusted_proxies}", &[]);
}

#[test]
fn times_of_the_server_are_told_where_somebody_wants_it() {
    taken("server_timing: true", "server_timing: true");
    taken("server_timing: false", "server_timing: false");
    check_model(
        "server_timing: true\nservices: [{host: a, routes: [{respond: {}, server_timing: false}]}]",
        "server_timing: false",
    );
}
