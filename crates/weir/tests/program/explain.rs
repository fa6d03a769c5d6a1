//! `weir explain`, in its words and against what the proxy does.

use nix::sys::signal::Signal;
use serde_json::Value;

use super::process::{Running, answer, ask, finished};
use super::scratch::Scratch;

const SHOP: &str = "\
listen: ['127.0.0.1:0']
admin: off
services:
  - host: shop.example
    routes:
      - path: /orders/
        upstream: orders
      - path: /orders/
        methods: [GET]
        upstream: web
      - path: exact:/health
        respond: {body: fine}
      - path: /old/
        strip: /old
        upstream: web
      - path: /go/
        redirect: {status: 308, to: 'http://www.example$path'}
  - host: '*.example'
    upstream: web
upstreams:
  web: {servers: ['127.0.0.1:9001', {address: '127.0.0.1:9002', weight: 2}]}
  orders: {servers: ['127.0.0.1:9003'], balance: p2c}
";

fn check(request: &[&str], expected: &str) {
    let scratch = Scratch::new("explain");
    let file = scratch.file("weir.yaml", SHOP);
    let (stdout, stderr) = finished(&[&["explain", "-c", &file], request].concat(), 0);
    assert_eq!(stdout, expected);
    assert_eq!(stderr, "");
}

#[test]
fn the_choice_and_its_reasons_are_told() {
    check(
        &["POST", "http://shop.example/x/../orders/7?a=b"],
        "\
POST http://shop.example/orders/7?a=b
  note: the path `/x/../orders/7` is matched and sent as `/orders/7`

  service   shop.example
  route     /orders/
  mode      balance
  upstream  orders, p2c
  server    127.0.0.1:9003

Routes, in the order in which they are tried:
    exact:/health  the path is not exactly `/health`
    GET /orders/   the method is not GET
  > /orders/       takes it
    /old/          the path is not `/old/` or below it
    /go/           the path is not `/go/` or below it

Other services:
    *.example  fits the host too, but less closely
",
    );
}

#[test]
fn a_request_without_a_route_is_told_its_answer() {
    check(
        &["http://other.test/"],
        "\
GET http://other.test/

  answer    404, no service for the host `other.test`

Other services:
    2 services have other hosts: `shop.example`, `*.example`
",
    );
    check(
        &["/../etc", "-H", "Host: shop.example"],
        "\
GET /../etc

  answer    400, the path leads above the root
  route     none: the request is refused before one is looked for
",
    );
}

#[test]
fn what_happens_to_the_path_and_the_weights_are_told() {
    check(
        &["http://a.example/x"],
        "\
GET http://a.example/x

  service   *.example
  route     /
  mode      balance
  upstream  web, round_robin
  servers   127.0.0.1:9001  weight 1
            127.0.0.1:9002  weight 2

Routes, in the order in which they are tried:
  > /  takes it

Other services:
    1 service has other hosts
",
    );
}

fn explained(file: &str, request: &[&str]) -> Value {
    let (stdout, _) = finished(&[&["explain", "--json", "-c", file], request].concat(), 0);
    serde_json::from_str(&stdout).unwrap()
}

#[test]
fn programs_get_the_same_as_json() {
    let scratch = Scratch::new("explain-json");
    let file = scratch.file("weir.yaml", SHOP);
    let told = explained(&file, &["http://shop.example/old/x"]);
    assert_eq!(told["service"]["name"], "shop.example");
    assert_eq!(told["route"]["upstream"], "web");
    assert_eq!(told["route"]["servers"][1]["weight"], 2);
    assert_eq!(told["route"]["path"], "`/old` is taken away");
    assert_eq!(told["answer"], Value::Null);
    let told = explained(&file, &["http://shop.example/go/x"]);
    assert_eq!(told["answer"]["status"], 308);
    let told = explained(&file, &["DELETE", "http://shop.example/none"]);
    assert_eq!((&told["route"], &told["answer"]["status"]), (&Value::Null, &Value::from(404)));
    let told = explained(&file, &["http://shop.example/%00"]);
    assert_eq!((&told["route"], &told["answer"]["status"]), (&Value::Null, &Value::from(400)));
}

/// Each route answers with its own name, so that the proxy says itself which one it took.
const NAMED: &str = "\
listen: ['127.0.0.1:0']
admin: off
access_log: off
services:
  - host: a.example
    routes:
      - {name: root, path: /, respond: {body: root}}
      - {name: admin, path: /admin/, respond: {body: admin}}
      - {name: exact, path: 'exact:/admin/x', respond: {body: exact}}
      - {name: number, path: 'regex:/\\d+', respond: {body: number}}
      - {name: query, path: /admin/, query: {v: '2'}, respond: {body: query}}
      - {name: proto, path: /, headers: {X-Forwarded-Proto: https}, respond: {body: proto}}
      - {name: post, path: /post/, methods: [POST], respond: {body: post}}
  - host: '*.a.example'
    respond: {body: wild}
    name: wild
";

#[test]
fn what_is_explained_is_what_happens() {
    let scratch = Scratch::new("explain-true");
    let file = scratch.file("weir.yaml", NAMED);
    let (proxy, address) = Running::proxy(&["run", "-c", &file]);
    for (host, path) in [
        ("a.example", "/"),
        ("A.Example.:8080", "/x"),
        ("a.example", "/admin"),
        ("a.example", "/adminx"),
        ("a.example", "/%61dmin/"),
        ("a.example", "/x/..//admin/"),
        ("a.example", "/x/%2e%2e/admin/y"),
        ("a.example", "/admin/x"),
        ("a.example", "/admin/x/"),
        ("a.example", "/admin%2Fx"),
        ("a.example", "/admin/z?v=2"),
        ("a.example", "/123"),
        ("a.example", "/123/"),
        ("a.example", "/post/"),
        ("a.example", "/.."),
        ("a.example", "/%00"),
        ("a.example", "/%"),
        ("b.a.example", "/"),
        ("b.example", "/"),
        ("a..example", "/"),
        ("127.0.0.1", "/"),
    ] {
        let happened = answer(ask(address, host, path));
        let (head, body) = happened.split_once("\r\n\r\n").unwrap();
        let told = explained(&file, &[path, "-H", &format!("Host: {host}")]);
        let status = told["answer"]["status"].as_u64().unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{host} {path}: {happened}\n{told}");
        if status == 200 {
            assert_eq!(told["answer"]["body"], body, "{host} {path}");
        }
    }
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.end().0, Some(0));
}

#[test]
fn what_a_client_must_prove_is_told() {
    let text = "services: [{host: a.test, authenticate: {api_key: {keys: {a: '${K:-0123456789abcdef}'}}}, respond: {body: fine}}]\n";
    let scratch = Scratch::new("explain-wants");
    let file = scratch.file("weir.yaml", text);
    let (stdout, _) = finished(&["explain", "-c", &file, "GET", "http://a.test/"], 0);
    assert!(stdout.contains("  wants     an API key in `X-API-Key`\n"), "{stdout}");
    assert!(!stdout.contains("0123456789"), "{stdout}");
    let (stdout, _) = finished(&["explain", "-c", &file, "--json", "GET", "http://a.test/"], 0);
    let told: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(told["route"]["wants"], "an API key in `X-API-Key`");
}

/// A route told nothing of who gets copies of its requests, although that is what one wants to know of it first.
#[test]
fn copies_for_others_are_told() {
    let scratch = Scratch::new("explain");
    let file = scratch.file(
        "weir.yaml",
        "\
listen: ['127.0.0.1:0']
admin: off
services:
  - host: shop.example
    upstream: ['127.0.0.1:9001']
    mirror: [{upstream: next, share: 12.5%, timeout: 2500ms}, {upstream: ['127.0.0.1:9003']}]
    compare: {upstream: other, headers: [ETag], body: json, ignore: [$.a, $.b], latency: 50ms, share: 7%}
upstreams:
  next: {servers: ['127.0.0.1:9002']}
  other: {servers: ['127.0.0.1:9004']}
",
    );
    let told = |method: &str| finished(&["explain", "-c", &file, method, "http://shop.example/"], 0).0;
    let get = told("GET");
    for row in [
        "  mirror    next, 12.5% of all requests, for 2.5s at most\n",
        "  mirror    shop.example / mirror 2, all requests, for 10s at most\n",
        "  compare   other, 7% of GET, HEAD, OPTIONS: status, `ETag`, body as JSON without 2 paths, latency up to 50ms more\n",
    ] {
        assert!(get.contains(row), "{row}{get}");
    }
    assert!(told("POST").contains("  compare   other, but not POST: only GET, HEAD, OPTIONS\n"));
    let (json, _) = finished(&["explain", "--json", "-c", &file, "POST", "http://shop.example/"], 0);
    let route = &serde_json::from_str::<Value>(&json).unwrap()["route"];
    assert_eq!(
        route["mirrors"][0],
        serde_json::json!({"upstream": "next", "share": 0.125, "queue": 1000, "timeout_seconds": 2.5})
    );
    let compare = &route["compare"];
    assert_eq!((&compare["takes_method"], &compare["body"]), (&false.into(), &"json".into()));
    assert_eq!((&compare["headers"], &compare["ignored_paths"]), (&serde_json::json!(["ETag"]), &2.into()));
}

/// `semantics.md` §3: HEAD follows GET, unless it has a mode of its own.
#[test]
fn the_mode_of_head_is_that_of_get() {
    let scratch = Scratch::new("explain");
    for (dispatch, mode) in
        [("{GET: race}", "race"), ("{GET: race, HEAD: balance}", "balance"), ("{POST: race}", "balance")]
    {
        let text = format!(
            "services: [{{host: a.test, upstream: ['127.0.0.1:1', '127.0.0.1:2'], dispatch: {dispatch}}}]\n"
        );
        let file = scratch.file("weir.yaml", text);
        let (stdout, _) = finished(&["explain", "-c", &file, "HEAD", "http://a.test/"], 0);
        assert!(stdout.contains(&format!("\n  mode      {mode}")), "{dispatch}: {stdout}");
    }
}
