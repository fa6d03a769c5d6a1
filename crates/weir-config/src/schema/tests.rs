//! The schema says of a document what the decoder says of it, as far as single values go.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use serde_json::{Map, Value};

use super::schema;
use crate::node::{Node, NodeKind, Scalar};
use crate::problem::Problems;
use crate::source::Source;
use crate::{load, yaml};

/// A tree as an editor sees it, by the core schema of YAML 1.2.
fn json(node: &Node) -> Value {
    match &node.kind {
        NodeKind::Scalar(scalar) => scalar_json(scalar),
        NodeKind::List(nodes) => nodes.iter().map(json).collect(),
        NodeKind::Mapping(entries) => {
            let pairs = entries.iter().map(|entry| (entry.key.clone(), json(&entry.value)));
            Value::Object(pairs.collect::<Map<String, Value>>())
        }
    }
}

fn scalar_json(scalar: &Scalar) -> Value {
    let number = || serde_json::from_str::<Value>(&scalar.text).ok().filter(|value| !value.is_string());
    match scalar.text.as_str() {
        _ if scalar.is_nothing() => Value::Null,
        text if !scalar.plain => text.into(),
        text => number().unwrap_or_else(|| text.into()),
    }
}

/// Both must take it, or both refuse it.
fn check(text: &str, taken: bool) {
    check_in(Path::new(""), text, taken);
}

/// The same, with files that stand there.
fn check_in(directory: &Path, text: &str, taken: bool) {
    let source = Source::new("t", text.to_owned());
    let root = yaml::parse(&source, &mut Problems::default()).unwrap();
    let errors: Vec<String> = validator().iter_errors(&json(&root)).map(|error| error.to_string()).collect();
    assert_eq!(errors.is_empty(), taken, "the schema of {text}: {errors:#?}");
    // A number, which may stand anywhere; but no two keys are the same one.
    let environment = |name: &str| Some(if name.ends_with("KEY") { name.to_owned() } else { "1".to_owned() });
    let decoded = load::parse("t", text.as_bytes(), &environment, directory);
    assert_eq!(
        decoded.is_ok(),
        taken,
        "the decoder of {text}: {}",
        decoded.map_or_else(|r| r.to_string(), |_| String::new())
    );
}

fn validator() -> jsonschema::Validator {
    jsonschema::draft202012::new(&schema()).unwrap()
}

const SERVICES: &str = "services: [{host: a, upstream: [\"b:1\"]}]";

fn check_top(line: &str, taken: bool) {
    check(&format!("{line}\n{SERVICES}"), taken);
}

fn check_route(keys: &str, taken: bool) {
    check(&format!("services: [{{host: a, routes: [{{{keys}}}]}}]"), taken);
}

fn check_upstream(upstream: &str, taken: bool) {
    check(&format!("services: [{{host: a, upstream: u}}]\nupstreams: {{u: {upstream}}}"), taken);
}

#[test]
fn it_is_a_schema() {
    assert!(jsonschema::draft202012::meta::is_valid(&schema()));
}

#[test]
fn the_examples_fit() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            check_in(&directory, &std::fs::read_to_string(path).unwrap(), true);
        }
    }
}

#[test]
fn the_top_agrees() {
    check_top("", true);
    check("listen: :8080", false);
    check("listen: {address: :8080, protocol: policy}", true);
    check("listen: [{address: :8080, protocol: policy}, :80]", false);
    check_top("unknown: 1", false);
    check_top("tls: {}", false);
    for (value, taken) in [
        (":8080", true),
        ("127.0.0.1:8080", true),
        ("[\"[::1]:80\", \"unix:/x\"]", true),
        ("{address: :80}", true),
        ("[{address: :80}, :81]", true),
        ("\"${A}\"", false),
        ("\":${A}\"", true),
        ("8080", false),
        ("localhost:80", false),
        ("{address: :80, tls: {self_signed: true}}", true),
        ("{address: :80, tls: {self_signed: true, min_version: 1.2}}", true),
        ("{address: :80, tls: {self_signed: true, min_version: \"1.3\"}}", true),
        ("{address: :80, tls: {self_signed: true, min_version: 1.1}}", false),
        ("{address: :80, tls: {self_signed: 1}}", false),
        ("{address: :80, tls: {certificates: []}}", false),
        ("{address: :80, tls: {certificates: [{key: a}]}}", false),
        ("{address: :80, tls: {self_signed: true, client: {}}}", false),
        ("{address: :80, tls: true}", false),
        ("{address: :80, protocol: h2}", false),
        ("{}", false),
        ("[]", false),
        ("", false),
    ] {
        // A variable may become anything, so the schema lets it stand; here it becomes no address.
        if value != "\"${A}\"" {
            check_top(&format!("listen: {value}"), taken);
        }
    }
    for (line, taken) in [
        ("workers: 4", true),
        ("workers: ${A}", true),
        ("workers: 0", false),
        ("workers: 4.5", false),
        ("workers: \"4\"", false),
        ("workers: four", false),
        ("admin: off", true),
        ("admin: 127.0.0.1:1", true),
        ("admin: unix:/x", true),
        ("admin: false", false),
        ("access_log: off", true),
        ("access_log: json", true),
        ("access_log: {format: combined, file: a.log}", true),
        ("access_log: {form: combined}", false),
        ("access_log: xml", false),
        ("access_log: '{client} {status}'", true),
        ("access_log: {format: json, fields: [status, 'header:x-a'], sample: 5%}", true),
        ("access_log: {format: json, fields: [stat]}", false),
        ("log: warn", true),
        ("log: {level: info, modules: {weir_proxy: debug}, format: json}", true),
        ("log: loud", false),
        ("request_id: {from: nobody, answer: false}", true),
        ("trace: begin", true),
        ("trace: {rule: begin, sampled: 10%}", true),
        ("trace: on", false),
        ("server_timing: true", true),
        ("trusted_proxies: 10.0.0.0/8", true),
        ("trusted_proxies: [10.0.0.0/8, \"::1\"]", true),
        ("trusted_proxies: [example.com]", false),
        ("forwarded: true", true),
        ("forwarded: \"true\"", false),
        ("forwarded: yes", false),
        ("backend_server: false", true),
        ("state: /x", true),
        ("state: [x]", false),
        ("state:", false),
    ] {
        check_top(line, taken);
    }
}

#[test]
fn limits_and_timeouts_agree() {
    for (line, taken) in [
        ("limits: {head: 32KiB, fields: 100, target: 16KiB, body: 10MiB, connections: 5}", true),
        ("limits: {body: unlimited, connections: unlimited, requests_per_connection: unlimited}", true),
        ("limits: {requests_per_connection: 100}", true),
        ("limits: {head: 32}", false),
        ("limits: {head: 32kb}", false),
        ("limits: {fields: 257}", false),
        ("limits: {fields: unlimited}", false),
        ("limits: {heads: 32KiB}", false),
        ("limits: []", false),
        ("timeouts: {connect: 250ms, request: off, idle: 1.5s}", true),
        ("timeouts: {connect: 2}", false),
        ("timeouts: {connect: off}", false),
        ("timeouts: {request: never}", false),
        ("drain: {idle: 0s, deadline: 1m}", true),
        ("drain: {idle: 0}", false),
    ] {
        check_top(line, taken);
    }
}

#[test]
fn routes_agree() {
    for (keys, taken) in [
        ("upstream: [\"b:1\"]", true),
        ("upstream: {servers: [\"b:1\"]}", true),
        ("upstream: {server: [\"b:1\"]}", false),
        ("upstream: []", false),
        ("respond: {}, path: /x", true),
        ("respond: {}, path: exact:/x", true),
        ("respond: {}, path: \"regex:^/x\"", true),
        ("respond: {}, path: x", false),
        ("respond: {}, methods: GET", true),
        ("respond: {}, methods: [GET, M-SEARCH]", true),
        ("respond: {}, methods: get", false),
        ("respond: {}, headers: {X-A: 1, X-B: true, X-C: \"*\"}", true),
        ("respond: {}, headers: {\"X A\": 1}", false),
        ("respond: {}, headers: {X-A: [1]}", false),
        ("respond: {}, query: {a: 1, b: true}", true),
        ("respond: {}, query: {\"a=b\": 1}", false),
        ("respond: {status: 204}", true),
        ("respond: {status: 100}", false),
        ("respond: {statu: 200}", false),
        ("respond: ok", false),
        ("redirect: /x", true),
        ("redirect: {to: /x, status: 301}", true),
        ("redirect: {status: 301}", false),
        ("redirect: {to: /x, status: 200}", false),
        ("upstream: [\"b:1\"], dispatch: balance", true),
        ("upstream: [\"b:1\"], dispatch: {mode: balance}", true),
        ("upstream: [\"b:1\"], dispatch: {GET: balance, \"*\": {mode: balance}}", true),
        ("upstream: [\"b:1\"], dispatch: {mode: balance, x: balance}", false),
        ("upstream: [\"b:1\"], dispatch: {get: balance}", false),
        ("upstream: [\"b:1\"], dispatch: duplicate", true),
        ("upstream: [\"b:1\"], dispatch: {mode: race, usable: [2xx, 404, 500-503], otherwise: 500}", true),
        ("upstream: [\"b:1\"], dispatch: {mode: race, usable: 7xx}", false),
        (
            "upstream: [\"b:1\"], dispatch: {POST: {mode: duplicate, acknowledge: quorum}, \"*\": balance}",
            true,
        ),
        ("upstream: [\"b:1\"], dispatch: {mode: duplicate, acknowledge: 1}", true),
        ("upstream: [\"b:1\"], dispatch: {mode: hedge, after: p95}", true),
        ("upstream: [\"b:1\"], dispatch: {mode: hedge, after: p99}", false),
        ("upstream: [\"b:1\"], mirror: []", false),
        ("upstream: [\"b:1\"], mirror: off", true),
        (
            "upstream: [\"b:1\"], mirror: [{upstream: [\"m:1\"]}, {upstream: [\"c:1\"], share: 1.5%, queue: 1, timeout: 1s}]",
            true,
        ),
        ("upstream: [\"b:1\"], mirror: {share: 1%}", false),
        ("upstream: [\"b:1\"], mirror: {upstream: [\"m:1\"], share: 0.5}", false),
        (
            "upstream: [\"b:1\"], compare: {upstream: [\"m:1\"], body: json, ignore: [$.a, /b], headers: ETag}",
            true,
        ),
        ("upstream: [\"b:1\"], compare: {upstream: [\"m:1\"], body: xml}", false),
        ("upstream: [\"b:1\"], compare: {upstream: [\"m:1\"], ignore: [a]}", false),
        ("upstream: [\"b:1\"], compare: m", false),
        ("upstream: [\"b:1\"], host: server", true),
        ("upstream: [\"b:1\"], host: [server]", false),
        ("upstream: [\"b:1\"], strip: /a", true),
        ("upstream: [\"b:1\"], strip: a", false),
        ("upstream: [\"b:1\"], rewrite: {prefix: /a}", true),
        ("upstream: [\"b:1\"], rewrite: {regex: a, to: b}", true),
        ("upstream: [\"b:1\"], rewrite: /a", false),
        ("upstream: [\"b:1\"], request_headers: {remove: X, set: {X: 1}, add: {X: [1, 2]}}", true),
        ("upstream: [\"b:1\"], answer_headers: {delete: X}", false),
        ("upstream: [\"b:1\"], backend_server: true", true),
        ("upstream: [\"b:1\"], backend_server: 1", false),
    ] {
        check_route(keys, taken);
    }
    check("services: [{host: a, upstream: [\"b:1\"], path: /x, methods: GET}]", true);
    check("services: [{host: [a, \"*.b\", \"*\"], respond: {}}]", true);
    check("services: [{upstream: [\"b:1\"]}]", false);
    check("services: [{host: \"http://a\", respond: {}}]", false);
    check("services: {host: a}", false);
    check("services: []", false);
}

#[test]
fn proofs_agree() {
    let check = |authenticate: &str, taken| {
        check_route(&format!("respond: {{}}, authenticate: {authenticate}"), taken);
    };
    check("off", true);
    check("{api_key: {keys: {a: '${KEY}'}}}", true);
    check("{api_key: {keys: {a: ['${A_KEY}', '${B_KEY}']}, header: Token, forward: true}}", true);
    check("{any: [{api_key: {keys: {a: '${KEY}'}}}]}", true);
    check("{all: [{any: [{api_key: {keys: {a: '${KEY}'}}}]}]}", true);
    check("{basic: {file: 1, realm: 'a\"b'}}", false);
    check("{basic: {}}", false);
    let jwks = "{url: 'http://a/b', plain_http: true}";
    check(&format!("{{jwt: {{issuer: a, audience: any, jwks: {jwks}}}}}"), true);
    check(
        &format!("{{jwt: {{issuer: a, audience: [b], jwks: {jwks}, leeway: 5s, claims: {{sub: X-A}}}}}}"),
        true,
    );
    check(&format!("{{jwt: {{issuer: a, jwks: {jwks}}}}}"), false);
    check(&format!("{{jwt: {{issuer: a, audience: b, jwks: {jwks}, claims: {{sub: 'a b'}}}}}}"), false);
    check(&format!("{{jwt: {{issuer: a, audience: b, jwks: {jwks}, algorithms: none}}}}"), false);
    check("{jwt: {issuer: a, audience: b, jwks: 'a/b'}}", false);
    check("{jwt: {issuer: a, audience: b, jwks: 'https://a:b@c/d'}}", false);
    check("{jwt: {issuer: a, audience: b, secret: c}}", false);
    check("on", false);
    check("false", false);
    check("[]", false);
    check("{any: {api_key: {keys: {a: '${KEY}'}}}}", false);
    check("{any: []}", false);
    check("{api_key: {keys: {a: key}}}", false);
    check("{api_key: {keys: {a: 'sha256:0'}}}", false);
    check("{api_key: {keys: {'a b': '${KEY}'}}}", false);
    check("{api_key: {keys: {a: '${KEY}'}, header: 'a b'}}", false);
    check("{api_key: {keys: {a: '${KEY}'}, forward: 2}}", false);
    check("{password: a}", false);
}

#[test]
fn upstreams_agree() {
    for (upstream, taken) in [
        ("[\"b:1\"]", true),
        ("[127.0.0.1:1, \"http://b/base\", \"unix:/x\", \"[::1]:1\"]", true),
        ("{servers: [{address: \"b:1\", weight: 5}], balance: p2c}", true),
        ("{servers: [\"b:1\"], health: {tcp: true}, retry: {on: reset}, timeouts: {idle: 1s}}", true),
        (
            "{servers: [\"b:1\"], health: {path: /x, interval: 1s}, retry: {on: [timeout, 502], per_try: 1s}}",
            true,
        ),
        ("b:1", false),
        ("[b]", false),
        ("[\"ftp://b\"]", false),
        ("{servers: [{address: \"b:1\", weight: -1}]}", false),
        ("{servers: [{weight: 1}]}", false),
        ("{servers: [\"b:1\"], balance: roundrobin}", false),
        ("{servers: [\"b:1\"], retry: {on: [200]}}", false),
        ("{servers: [\"b:1\"], retry: {attempts: 11}}", false),
        ("{servers: [\"https://b\"], tls: {verify: none, server_name: x.test, min_version: \"1.3\"}}", true),
        ("{servers: [\"https://b\"], tls: {verify: no}}", false),
        ("{servers: [\"https://b\"], tls: {verify: none, server_name: \"x y\"}}", false),
        ("{servers: [\"https://b\"], tls: {verify: none, key: []}}", false),
        ("{balance: random, inventory: []}", false),
    ] {
        check_upstream(upstream, taken);
    }
    check("services: [{host: a, upstream: u v}]\nupstreams: {u v: [\"b:1\"]}", false);
}

#[test]
fn the_other_shape_agrees() {
    let file = include_str!("../../../../examples/host-services.yaml");
    check(file, true);
    check(&file.replace("ROUND_ROBIN", "RANDOM"), true);
    check(&file.replace("ROUND_ROBIN", "LEAST_CONN"), false);
    check(&file.replace("timeout: 2,", "timeout: 2s,"), false);
    check(&file.replace("timeout: 2,", "timeout: 0,"), false);
    check(&file.replace("port: 9091", "port: 0"), false);
    check(&file.replace("domain:", "domian:"), false);
    check(&format!("{file}\nlisten: :80\n"), false);
}
