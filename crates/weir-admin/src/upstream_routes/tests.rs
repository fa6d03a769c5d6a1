//! What is asked for under `/api/v1/upstreams`, and what is answered to nonsense.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use http_body_util::BodyExt;
use hyper::Request;
use weir_core::health::{State, Word};
use weir_core::ports::members::{Changed, ComesBack, Leaving, MemberControl};
use weir_core::ports::{ServerStatus, Status};

use super::*;

/// Knows the upstream `web` with the server `a:1`, and writes down what it is told.
#[derive(Default)]
struct Web {
    told: Mutex<Vec<String>>,
}

impl StatusSource for Web {
    fn status(&self) -> Status {
        let server = ServerStatus { address: "a:1".to_owned(), ..ServerStatus::default() };
        let web =
            UpstreamStatus { name: "web".to_owned(), servers: vec![server], ..UpstreamStatus::default() };
        Status { upstreams: vec![web], ..Status::default() }
    }
}

impl MemberControl for Web {
    fn put(&self, upstream: &str, server: &str, change: MemberChange) -> Result<Changed, MemberError> {
        if upstream != "web" {
            return Err(MemberError::NoUpstream { known: vec!["web".to_owned()] });
        }
        if server == "c:1" && change.lease.is_some() {
            return Err(MemberError::Conflict("the configuration names it".to_owned()));
        }
        self.told.lock().unwrap().push(format!("{server} {change:?}"));
        let is_last = change.word == Some(Word::Disable);
        Ok(Changed { is_new: server != "a:1", state: State::Healthy, is_last })
    }

    fn name_of(&self, upstream: &str, server: &str) -> Result<String, MemberError> {
        match (upstream, server) {
            ("web", "a:1" | "http://A:1") => Ok("a:1".to_owned()),
            ("web", _) => Err(MemberError::NoServer),
            _ => Err(MemberError::NoUpstream { known: vec!["web".to_owned()] }),
        }
    }

    fn leave(&self, _: &str, server: &str, drain: Option<Duration>) -> Result<Leaving, MemberError> {
        let comes_back = match server {
            "a:1" => None,
            "leased:1" => Some(ComesBack::Registers),
            "found:1" => Some(ComesBack::IsFound),
            _ => return Err(MemberError::NoServer),
        };
        self.told.lock().unwrap().push(format!("{server} leaves {drain:?}"));
        Ok(Leaving { is_gone: drain.is_none(), is_last: server != "found:1", comes_back })
    }
}

fn ask(method: &str, target: &str) -> (u16, Value, Arc<Web>) {
    let web = Arc::new(Web::default());
    let control: SharedMemberControl = web.clone();
    let (head, ()) = Request::builder().method(method).uri(target).body(()).unwrap().into_parts();
    let answer = answer(&*web, &control, &head);
    let status = answer.status().as_u16();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let body = runtime.block_on(answer.into_body().collect()).unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap(), web)
}

fn told(method: &str, target: &str, expected: u16) -> String {
    let (status, value, web) = ask(method, target);
    assert_eq!(status, expected, "{method} {target}: {value}");
    web.told.lock().unwrap().concat()
}

#[test]
fn paths_are_told_apart() {
    let text = str::to_owned;
    for (path, expected) in [
        ("/api/v1/upstreams", Some(Place::All)),
        ("/api/v1/upstreams/web", Some(Place::Upstream(text("web")))),
        ("/api/v1/upstreams/web/servers/a:1", Some(Place::Server(text("web"), text("a:1")))),
        (
            "/api/v1/upstreams/web/servers/http:%2F%2Fa:1%2Fx",
            Some(Place::Server(text("web"), text("http://a:1/x"))),
        ),
        ("/api/v1/upstreams/web/servers/a:1/register", Some(Place::Register(text("web"), text("a:1")))),
        ("/api/v1/upstreams/", None),
        ("/api/v1/upstreams//servers/a:1", None),
        ("/api/v1/upstreams/web/servers/", None),
        ("/api/v1/upstreams/web/servers", None),
        ("/api/v1/upstreams/web/servers/%ff", None),
        ("/api/v1/upstreams/web/servers/a:1/drop", None),
    ] {
        assert_eq!(place(path), expected, "{path}");
    }
}

#[test]
fn a_server_joins_changes_and_leaves() {
    let server = "/api/v1/upstreams/web/servers/b:1";
    assert_eq!(
        told("PUT", server, 201),
        format!("b:1 {:?}", MemberChange { weight: None, word: None, lease: None })
    );
    assert_eq!(
        told("PUT", "/api/v1/upstreams/web/servers/a:1?weight=3&state=draining", 200),
        format!("a:1 {:?}", MemberChange { weight: Some(3), word: Some(Word::Drain), lease: None })
    );
    let lease = Some(Duration::from_secs(30));
    assert_eq!(
        told("POST", &format!("{server}/register?ttl=30s"), 201),
        format!("b:1 {:?}", MemberChange { weight: None, word: None, lease })
    );
    assert_eq!(told("POST", &format!("{server}/register"), 201).matches("10s").count(), 1);
    assert_eq!(told("DELETE", "/api/v1/upstreams/web/servers/a:1?drain=5s", 200), "a:1 leaves Some(5s)");
}

#[test]
fn what_will_surprise_is_said_with_the_answer() {
    let warning = |method: &str, server: &str| {
        let (_, value, _) = ask(method, &format!("/api/v1/upstreams/web/servers/{server}"));
        value["warning"].as_str().map(str::to_owned).unwrap_or_default()
    };
    assert!(warning("DELETE", "a:1").ends_with("503"), "the last one");
    assert_eq!(warning("PUT", "a:1?weight=2"), "");
    assert!(warning("PUT", "a:1?state=disabled").ends_with("503"), "the last one");
    let both = warning("DELETE", "leased:1");
    assert!(both.contains("503") && both.contains("registers itself") && both.contains("disable"), "{both}");
    let found = warning("DELETE", "found:1");
    assert!(!found.contains("503") && found.contains("by name") && found.contains("disable"), "{found}");
}

#[test]
fn nonsense_gets_a_reason_and_changes_nothing() {
    for (method, target, status) in [
        ("PUT", "/api/v1/upstreams/x/servers/a:1", 404),
        ("DELETE", "/api/v1/upstreams/web/servers/b:1", 404),
        ("GET", "/api/v1/upstreams/x", 404),
        ("GET", "/api/v1/upstreams/web/servers/b:1", 404),
        ("GET", "/api/v1/upstreams/web/nothing", 404),
        ("PUT", "/api/v1/upstreams/web/servers/a:1?weight=x", 400),
        ("PUT", "/api/v1/upstreams/web/servers/a:1?weight=-1", 400),
        ("PUT", "/api/v1/upstreams/web/servers/a:1?state=asleep", 400),
        ("PUT", "/api/v1/upstreams/web/servers/a:1?weihgt=1", 400),
        ("PUT", "/api/v1/upstreams/web/servers/a:1?weight=1&weight=2", 400),
        ("DELETE", "/api/v1/upstreams/web/servers/a:1?drain=5", 400),
        ("POST", "/api/v1/upstreams/web/servers/a:1/register?ttl=soon", 400),
        ("POST", "/api/v1/upstreams/web/servers/c:1/register", 409),
        ("POST", "/api/v1/upstreams/web/servers/a:1", 405),
        ("DELETE", "/api/v1/upstreams/web", 405),
        ("GET", "/api/v1/upstreams/web/servers/a:1/register", 405),
        ("GET", "/api/v1/upstreams?x=1", 400),
    ] {
        assert_eq!(told(method, target, status), "", "{method} {target}");
    }
}

#[test]
fn what_is_there_can_be_read() {
    assert_eq!(ask("GET", "/api/v1/upstreams").1["upstreams"][0]["name"], "web");
    assert_eq!(ask("HEAD", "/api/v1/upstreams/web").1["servers"][0]["address"], "a:1");
    assert_eq!(ask("GET", "/api/v1/upstreams/web/servers/a:1").1["state"], "HEALTHY");
    assert_eq!(ask("GET", "/api/v1/upstreams/web/servers/http:%2F%2FA:1").1["address"], "a:1");
}
