//! Every file in `examples/` runs and does what its comments promise.
//!
//! A file is run as it stands but for its addresses: it listens on a port that the system chooses, and each of its servers
//! is a mock that says what it got. A new example without promises here fails.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test, whose output says which example fails")]

mod site;
mod upstreams;
mod verbs;

use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weir_config::model::Model;
use weir_core::health::State;
use weir_core::server::Transport;

use self::site::{Answer, Site, until};

/// The servers of the upstreams `web` and `orders` of `routes.yaml`, by port.
const WEB: [u16; 2] = [9001, 9002];
const ORDERS: [u16; 2] = [9003, 9002];

/// What the comments of each example promise.
async fn keeps_its_promises(name: &str, site: &mut Site) {
    match name {
        "minimal.yaml" => minimal(site).await,
        "health.yaml" => health(site).await,
        "mirror.yaml" => verbs::mirror(site).await,
        "compare.yaml" => verbs::compare(site).await,
        "host-services.yaml" => host_services(site).await,
        "routes.yaml" => {
            hosts(site).await;
            routes(site).await;
            changes(site).await;
            answers(site).await;
        }
        "eject.yaml" => eject(site).await,
        "inventory.yaml" => inventory(site).await,
        "balance.yaml" => upstreams::balance(site).await,
        "retry.yaml" => upstreams::retry(site).await,
        "members.yaml" => upstreams::members(site).await,
        "policy.yaml" => upstreams::policy(site).await,
        "resolve.yaml" => upstreams::resolve(site).await,
        "admit.yaml" => admit(site).await,
        "api-key.yaml" => api_key(site).await,
        "race.yaml" => verbs::race(site).await,
        "hedge.yaml" => verbs::hedge(site).await,
        "majority.yaml" => verbs::majority(site).await,
        "duplicate.yaml" => verbs::duplicate(site).await,
        "durable.yaml" => verbs::durable(site).await,
        "tls.yaml" => tls(site).await,
        "tls-api-key.yaml" => tls_api_key(site).await,
        name => panic!("`examples/{name}` has no promises in this test: add them"),
    }
}

async fn minimal(site: &Site) {
    for port in [9001, 9002, 9001, 9002] {
        let answer = site.get("any.test", "/").await;
        assert_eq!((answer.status, site.port(&answer)), (200, port), "in turn");
    }
}

/// Waits until the checks of all servers have passed.
async fn all_are_well(site: &Site) {
    let states = || {
        let upstreams = site.status().upstreams;
        upstreams.into_iter().flat_map(|one| one.servers).map(|server| server.state).collect::<Vec<_>>()
    };
    until(|| states().iter().all(|state| *state == State::Healthy)).await;
}

async fn health(site: &Site) {
    all_are_well(site).await;
    let mut ports = Vec::new();
    for _ in 0..2 {
        let answer = site.get("any.test", "/").await;
        assert_eq!(answer.status, 200);
        ports.push(site.port(&answer));
    }
    ports.sort_unstable();
    assert_eq!(ports, [9001, 9002]);
    assert_eq!(site.port(&site.get("any.test", "/reports/1").await), 9003);
}

async fn eject(site: &Site) {
    let servers = || site.status().upstreams[0].servers.clone();
    let out = || servers().iter().position(|server| server.ejection.is_out);
    while out().is_none() {
        assert_eq!(site.get("any.test", "/status/503").await.status, 503);
    }
    for _ in 0..9 {
        assert_eq!(site.get("any.test", "/status/503").await.status, 503);
        assert_eq!(servers().iter().filter(|server| server.ejection.is_out).count(), 1, "no more");
    }
    let ejected = 9001 + out().unwrap() as u16;
    for _ in 0..6 {
        let answer = site.get("any.test", "/").await;
        assert_eq!(answer.status, 200);
        assert_ne!(site.port(&answer), ejected);
    }
}

async fn host_services(site: &Site) {
    all_are_well(site).await;
    let mut ports = Vec::new();
    for _ in 0..4 {
        let answer = site.get("my-service.my-company.com", "/").await;
        assert_eq!(answer.status, 200);
        ports.push(site.port(&answer));
    }
    ports.sort_unstable();
    assert_eq!(ports, [9090, 9090, 9091, 9091], "in turn");
    let answer = site.get("another.my-company.com", "/").await;
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("no service for host another.my-company.com"), "{}", answer.body);
}

async fn tls(site: &Site) {
    for host in ["localhost", "127.0.0.1", "shop.example.com", "a.shop.example.com"] {
        let answer = site.ask_tls("GET", host, "/", "").await.unwrap();
        assert!(WEB.contains(&site.port(&answer)), "{host}");
        assert_eq!(answer.got()["headers"]["x-forwarded-proto"], "https");
    }
    let error = site.ask_tls("GET", "other.example.com", "/", "").await.err().unwrap();
    assert!(error.contains("NotValidForName"), "the certificate has the hosts of the file: {error}");
    assert_eq!(site.get("localhost", "/").await.status, 400, "this port speaks TLS");
}

async fn tls_api_key(site: &Site) {
    let key = "X-API-Key: test-api-key-123\r\n";
    for port in [8000, 8001, 8002, 8003, 8000] {
        let answer = site.ask_tls("GET", "localhost", "/test", key).await.unwrap();
        assert_eq!((answer.status, site.port(&answer)), (200, port), "in turn");
    }
    assert_eq!(site.ask_tls("GET", "localhost", "/test", "").await.unwrap().status, 401);
    let answer = site.ask("GET", "localhost", "/test", key).await;
    assert_eq!(answer.status, 308, "in the clear a key opens nothing");
    assert!(
        answer.field("location").unwrap().starts_with("https://localhost"),
        "{:?}",
        answer.field("location")
    );
}

async fn admit(site: &Site) {
    let answer = site.get("any.test", "/").await;
    assert_eq!((answer.status, answer.field("X-RateLimit-Limit")), (200, Some("200")));
    // The mock answers when it has the whole body, so these are in progress for as long as the last byte is missing.
    let mut slow = upstreams::hold(site, 4, "/delay/1ms").await;
    until(|| site.status().requests_waiting >= 2).await;
    let answer = site.get("any.test", "/delay/1ms").await;
    assert_eq!((answer.status, answer.field("Retry-After")), (503, Some("1")), "two wait, and no more");
    let answer = site.get("any.test", "/health").await;
    assert_eq!((answer.status, answer.field("X-RateLimit-Limit")), (200, None), "`admit: off`");
    assert_eq!(site.get("any.test", "/").await.status, 200, "each route counts by itself");
    for stream in &mut slow {
        stream.write_all(b"x").await.unwrap();
    }
    for mut stream in slow {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(Answer::of(&answer).status, 200, "each has had its turn");
    }
}

async fn api_key(site: &Site) {
    let answer = site.get("any.test", "/").await;
    assert_eq!((answer.status, answer.field("WWW-Authenticate")), (401, Some("ApiKey header=\"X-API-Key\"")));
    let answer = site.ask("GET", "any.test", "/", "X-API-Key: test-api-key-123\r\n").await;
    assert_eq!(answer.status, 200);
    assert!(
        !answer.body.to_lowercase().contains("test-api-key"),
        "the server does not get it: {}",
        answer.body
    );
    assert_eq!(site.ask("GET", "any.test", "/", "X-API-Key: test-api-key-456\r\n").await.status, 200);
    assert_eq!(site.ask("GET", "any.test", "/", "X-API-Key: test-api-key-124\r\n").await.status, 401);
    assert_eq!(site.get("any.test", "/health").await.status, 200);
}

/// The other policy that the comment in `host-services.yaml` names, chosen by one word of the file.
#[tokio::test]
async fn host_services_at_random() {
    let text = std::fs::read_to_string(directory().join("host-services.yaml")).unwrap();
    let file = std::env::temp_dir().join(format!("weir-test-random-{}.yaml", std::process::id()));
    std::fs::write(&file, text.replace("lbPolicy: ROUND_ROBIN", "lbPolicy: RANDOM")).unwrap();
    let model = weir_config::load(&file).unwrap_or_else(|error| panic!("{error}")).model;
    std::fs::remove_file(&file).unwrap();
    let site = Site::start(model, true).await;
    all_are_well(&site).await;
    let mut ports = Vec::new();
    for _ in 0..64 {
        let answer = site.get("my-service.my-company.com", "/").await;
        assert_eq!(answer.status, 200);
        ports.push(site.port(&answer));
    }
    // Either happens by chance once in 2^63 runs.
    assert!(ports.contains(&9090) && ports.contains(&9091), "both are used: {ports:?}");
    assert!(ports.windows(2).any(|pair| pair[0] == pair[1]), "not in turn: {ports:?}");
    site.stop().await;
}

/// Which service of `routes.yaml` a host belongs to.
async fn hosts(site: &Site) {
    let mut ports = Vec::new();
    for _ in 0..3 {
        let answer = site.get("www.example.com", "/").await;
        assert_eq!(answer.field("x-frame-options"), Some("DENY"));
        ports.push(site.port(&answer));
    }
    ports.sort_unstable();
    assert_eq!(ports, [9001, 9002, 9002], "by weight");
    assert_eq!(site.get("www.example.org", "/").await.field("x-frame-options"), Some("DENY"));

    let answer = site.get("a.b.example.com", "/").await;
    assert_eq!(answer.got()["headers"]["x-tenant-host"], "yes", "one or more labels");
    assert!(WEB.contains(&site.port(&answer)));

    let answer = site.get("other.test", "/x").await;
    assert_eq!((answer.status, answer.body.as_str()), (404, "no such site\n"));
    assert_eq!(answer.field("content-type"), Some("text/plain"));
}

async fn inventory(site: &Site) {
    let ports = async |count| {
        let mut ports = Vec::new();
        for _ in 0..count {
            ports.push(site.port(&site.get("any.test", "/").await));
        }
        ports.sort_unstable();
        ports
    };
    assert_eq!(ports(2).await, [9001, 9002]);
    let file = site.inventory();
    let text = std::fs::read_to_string(file).unwrap();
    let is_used = || {
        let inventory = site.status().upstreams.swap_remove(0).inventory;
        inventory.is_some_and(|inventory| inventory.problem.is_none())
    };
    std::fs::write(file, format!("{text}9004\n")).unwrap();
    until(|| !is_used()).await;
    assert_eq!(ports(2).await, [9001, 9002]);
    let (first, _) = text.split_once('\n').unwrap();
    std::fs::write(file, format!("# only one\n{first}\n")).unwrap();
    until(is_used).await;
    assert_eq!(ports(3).await, [9001; 3]);
}

/// Which route of the shop takes a request.
async fn routes(site: &Site) {
    let shop = "shop.example.com";
    for (method, path, fields, ports) in [
        ("POST", "/orders", "", ORDERS.as_slice()),
        ("POST", "/orders/", "", &ORDERS),
        ("POST", "/orders/7", "", &ORDERS),
        ("POST", "/ordersx", "", &WEB),
        ("GET", "/orders/7", "", &WEB),
        ("HEAD", "/orders/7", "", &WEB),
        ("GET", "/orders/7?preview=1", "X-Version: 2\r\n", &[9003]),
        ("POST", "/orders/7?preview", "X-Version: 2\r\n", &[9003]),
        ("GET", "/orders/7?preview=1", "X-Version: 3\r\n", &WEB),
        ("GET", "/orders/7", "X-Version: 2\r\n", &WEB),
        ("GET", "/anything/else", "", &WEB),
    ] {
        let answer = site.ask(method, shop, path, fields).await;
        let server = answer.field("x-backend-server").unwrap_or_default();
        let port = server.trim_start_matches("http://").trim_start_matches("127.0.0.1:");
        let port = port.trim_end_matches("/shop").parse().unwrap();
        assert_eq!(answer.status, 200, "{method} {path}");
        assert!(ports.contains(&port), "{method} {path} {fields} went to {server}");
    }
}

/// What routes of the shop change in a request.
async fn changes(site: &Site) {
    let shop = "shop.example.com";
    let answer = site.get(shop, "/api/users?x=1").await;
    assert_eq!((answer.path(), &answer.got()["query"]), ("/users", &Value::from("x=1")));
    assert_eq!(answer.got()["headers"]["host"], format!("127.0.0.1:{}", answer.got()["port"]));
    let answer = site.get(shop, "/old/users").await;
    assert_eq!((answer.path(), &answer.got()["headers"]["host"]), ("/v2/users", &Value::from(shop)));

    let answer = site.ask("GET", shop, "/user/7", "Cookie: a=b\r\nX-Source: me\r\nX-Tag: zero\r\n").await;
    let fields = &answer.got()["headers"];
    assert_eq!(answer.path(), "/u/7/profile");
    assert_eq!(fields["x-source"], "shop");
    assert_eq!(fields["x-tag"], serde_json::json!(["zero", "one", "two"]));
    assert!(fields.get("cookie").is_none(), "{fields}");
    assert!(WEB.contains(&site.port(&site.get(shop, "/user/x").await)), "another path");
}

/// What `routes.yaml` answers itself.
async fn answers(site: &Site) {
    let answer = site.get("example.com", "/a/b?c=d").await;
    assert_eq!(answer.status, 302);
    assert_eq!(answer.field("location"), Some("https://www.example.com/a/b?c=d"));

    let shop = "shop.example.com";
    let answer = site.get(shop, "/health").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    assert_eq!(answer.field("x-backend-server"), None);
    assert!(WEB.contains(&site.port(&site.get(shop, "/health/").await)), "another path");

    let answer = site.get(shop, "/moved/a?b").await;
    assert_eq!(answer.status, 308);
    assert_eq!(answer.field("location"), Some("http://www.example.com/moved/a?b"));
}

#[tokio::test]
async fn every_example_does_what_it_says() {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path()).collect();
    // Beside them lie files that they name, and the state of whoever has tried one out.
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        println!("{name}");
        let model = weir_config::load(&file).unwrap_or_else(|error| panic!("{error}")).model;
        says_how_to_try_it(&file, name, &model);
        let mut site = Site::start(model, name != "majority.yaml").await;
        keeps_its_promises(name, &mut site).await;
        site.stop().await;
    }
}

/// The comment at the top has the commands, with this file's name and this file's ports.
fn says_how_to_try_it(file: &Path, name: &str, model: &Model) {
    let text = std::fs::read_to_string(file).unwrap();
    let comment: Vec<&str> = text.lines().take_while(|line| line.starts_with('#')).collect();
    let comment = comment.join("\n");
    assert!(comment.contains(&format!("weir run -c examples/{name} ")), "{comment}");
    let mock = comment.split("weir mock ").nth(1).unwrap_or_default();
    let mock = mock.split('&').next().unwrap_or_default();
    for upstream in &model.upstreams {
        for server in &upstream.servers {
            let (Transport::Ip(_, port) | Transport::Name(_, port)) = server.address.transport else {
                panic!("{name}: no port")
            };
            let port = port.to_string();
            assert!(mock.split_whitespace().any(|word| word == port), "{name}: no mock for {port}");
        }
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}
