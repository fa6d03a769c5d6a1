//! Listeners for policy groups, and upstreams whose servers register.

use super::{check, check_model};

const LISTEN: &str = "listen: [{address: '127.0.0.1:0', protocol: policy}]\n";

#[test]
fn a_listener_for_policy_groups_needs_no_services_and_no_other_listener() {
    check(LISTEN, &[]);
    check_model(
        LISTEN,
        "listen: [], policy_listen: [PolicyListen { address: 127.0.0.1:0, payload_characters_max: 1024",
    );
    check("listen: ['127.0.0.1:0', {address: '127.0.0.1:1', protocol: policy}]", &["has no services"]);
    check("{}", &["has no services"]);
    check(
        "listen: [{address: '127.0.0.1:7', protocol: policy}, '127.0.0.1:7']\nservices: [{host: a, respond: {}}]",
        &["1:54 error this address stands twice"],
    );
    check(
        "listen: {address: '127.0.0.1:7', protocol: policy}\nadmin: 127.0.0.1:7",
        &["`admin` and `listen` cannot share"],
    );
}

#[test]
fn what_such_a_listener_has() {
    let full = "listen: [{address: '127.0.0.1:0', protocol: policy, payload_max: 9, register: {allow: [10.0.0.0/8], elsewhere: \
                10.0.0.1}, limits: {connections: 3, policies: 4, servers: 5, messages: 6/s, registrations: 7/m}, timeouts: {idle: 1s, message: 2s, \
                answer: 3s, forget: 4s}}]";
    check(full, &[]);
    check_model(full, "payload_characters_max: 9");
    check_model(
        full,
        "PolicyLimits { connections: 3, policies: 4, servers: 5, messages: Some(Rate { count: 6, per: 1s }), registrations: \
         Some(Rate { count: 7, per: 60s }) }",
    );
    check_model(LISTEN, "messages: None, registrations: Some(Rate { count: 1000, per: 1s }) }");
    check_model(
        "listen: [{address: '127.0.0.1:0', protocol: policy, limits: {registrations: unlimited}}]",
        "messages: None, registrations: None }",
    );
    check_model(full, "PolicyTimeouts { idle: 1s, message: 2s, answer: 3s, forget: 4s }");
    check(
        "listen: [{address: 'unix:a', protocol: policy, proxy_protocol: 10.0.0.1, tls: {self_signed: true}}]",
        &["has no `tls`", "has no `proxy_protocol`", "a Unix socket has not"],
    );
    check(
        "listen: [{address: '127.0.0.1:0', payload_max: 5, register: {}}]\nservices: [{host: a, respond: {}}]",
        &["`payload_max` is for a listener of policy groups … protocol: policy", "`register` is for"],
    );
    check("listen: [{address: '127.0.0.1:0', protocol: polcy}]", &["polcy"]);
    check(
        "listen: [{address: '127.0.0.1:0', protocol: policy, register: {token: hush}}]",
        &["the token itself does not stand in the configuration"],
    );
    check(
        "listen: [{address: '127.0.0.1:0', protocol: policy, register: {token: 'file:/nowhere/x'}}]",
        &["can't be read"],
    );
}

#[test]
fn a_route_may_use_the_servers_of_a_policy() {
    let route = |rest: &str| format!("{LISTEN}services: [{{host: a, upstream: 'policy:111'}}]\n{rest}");
    check(&route(""), &[]);
    // Checked once a second, and never asked when nobody listens.
    check_model(&route(""), "name: \"policy:111\", in_place: None, servers: []");
    check_model(&route(""), "panic_percent: 0");
    check_model(&route(""), "interval: 1s, unhealthy_interval: 1s");
    check(&route("upstreams: {'policy:111': {balance: least_requests, panic: 10%}}"), &[]);
    check_model(
        &route("upstreams: {'policy:111': {balance: least_requests, panic: 10%}}"),
        "panic_percent: 10",
    );
    check(
        &route("upstreams: {'policy:111': {servers: ['a:1']}}"),
        &["servers of `policy:111` register themselves"],
    );
    check(&format!("{LISTEN}upstreams: {{'policy:7': {{balance: random}}}}"), &[]);
    check(
        "services: [{host: a, upstream: 'policy:111'}]",
        &["1:32 error nobody can register for `policy:111` … protocol: policy"],
    );
    check("services: [{host: a, upstream: 'policy:x'}]", &["there is no upstream `policy:x`"]);
    check(
        &format!("{LISTEN}services: [{{host: a, upstream: x}}]\nupstreams: {{x: {{balance: random}}}}"),
        &["`upstream` needs `servers`"],
    );
    check(&format!("{LISTEN}upstreams: {{'policy:01': [a:1]}}"), &["cannot be the name of an upstream"]);
    // Nobody knows how many there will be.
    check(
        &format!(
            "{LISTEN}services: [{{host: a, upstream: 'policy:111', dispatch: {{mode: duplicate, catch_up: durable}}}}]"
        ),
        &["error"],
    );
    // A host of this name is still a server.
    check("services: [{host: a, upstream: ['policy:111']}]", &[]);
}
