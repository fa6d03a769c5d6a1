//! `sticky`: a client stays with its server, by a signed cookie.

use std::collections::HashSet;
use std::net::TcpStream;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use weir_core::health::{State, Word};
use weir_core::ports::ServerStatus;
use weir_core::ports::members::MemberChange;
use weir_testkit::certificate::{self, Authority, Files};
use weir_testkit::client::{connect, connect_tls, get};
use weir_testkit::message::Message;
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, sized};
use weir_testkit::socket::Socket;
use weir_testkit::wait::{self, until_seen};

const SECRET: &str = "a-secret-that-is-long-enough";

/// A proxy, and the files that it was told of.
struct Sticky {
    proxy: Running,
    _files: Files,
}

impl Deref for Sticky {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.proxy
    }
}

fn with_secret(servers: &[String], secret: &str, top: &str, more: &str) -> Sticky {
    with_upstream(servers, secret, top, more, "")
}

fn with_upstream(servers: &[String], secret: &str, top: &str, more: &str, upstream: &str) -> Sticky {
    let files = Files::new();
    let secret = files.write("secret", secret);
    let proxy = proxy::start(&format!(
        "{top}
services: [{{host: \"*\", upstream: web}}]
upstreams:
  web: {{servers: [{}], balance: {{mode: sticky, secret: \"file:{secret}\"{more}}}{upstream}}}
",
        servers.join(", "),
    ));
    Sticky { proxy, _files: files }
}

fn over(servers: &[String], more: &str) -> Sticky {
    with_secret(servers, SECRET, "", more)
}

fn written(servers: &[Server]) -> Vec<String> {
    servers.iter().map(|server| format!("\"{server}\"")).collect()
}

fn ask(client: &mut Socket, cookie: &str) -> Message {
    let cookie = if cookie.is_empty() { String::new() } else { format!("Cookie: {cookie}\r\n") };
    client.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{cookie}\r\n")).answer().expect(200)
}

/// Our cookie in this answer, as a client sends it back.
fn given(answer: &Message) -> Option<String> {
    let ours = answer.all("set-cookie").into_iter().find(|field| field.starts_with("weir="))?;
    ours.split(';').next().map(str::to_owned)
}

#[test]
fn a_cookie_is_set_once_and_honoured() {
    let servers = ["a", "b", "c"].map(Server::saying);
    let proxy = over(&written(&servers), "");
    let mut client = connect(&proxy);
    let first = ask(&mut client, "");
    let set = first.field("set-cookie").unwrap();
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{set}");
    let cookie = given(&first).unwrap();
    assert_eq!(cookie.len(), "weir=".len() + 64);
    let name = first.text();
    for _ in 0..7 {
        let again = ask(&mut client, &cookie);
        assert!(!again.has("set-cookie"), "{again}");
        assert_eq!(again.text(), name);
        // Somebody without one is balanced as ever.
        assert!(given(&ask(&mut client, "")).is_some());
    }
    let others: HashSet<_> = (0..6).map(|_| ask(&mut client, "").text()).collect();
    assert_eq!(others.len(), 3);
}

#[test]
fn a_cookie_that_is_not_good_is_none() {
    let servers = ["a", "b"].map(Server::saying);
    let proxy = over(&written(&servers), "");
    let mut client = connect(&proxy);
    let good = given(&ask(&mut client, "")).unwrap();
    let (head, last) = good.split_at(good.len() - 1);
    let forged = format!("{head}{}", if last == "0" { "1" } else { "0" });
    for bad in [forged.as_str(), "weir=", "weir=a", "weir=10.0.0.1:80", head, &format!("{good}0"), "Weir=x"] {
        assert!(given(&ask(&mut client, bad)).is_some(), "{bad}");
    }
    // Behind a bad one, as two cookies of one name with different paths are sent.
    assert_eq!(given(&ask(&mut client, &format!("weir=bad; {good}"))), None);
}

#[test]
fn it_works_beside_the_cookies_of_the_application() {
    let servers: Vec<Server> = ["a", "b"]
        .map(|name| {
            Server::answering(sized(name).replacen(
                "\r\n",
                "\r\nSet-Cookie: session=1; Path=/\r\nSet-Cookie: theme=dark\r\n",
                1,
            ))
        })
        .into();
    let proxy = over(&written(&servers), "");
    let mut client = connect(&proxy);
    let first = ask(&mut client, "session=0");
    assert_eq!(first.all("set-cookie").len(), 3, "{first}");
    let cookie = given(&first).unwrap();
    let name = first.text();
    for _ in 0..3 {
        let again = ask(&mut client, &format!("session=1; {cookie}; theme=dark"));
        assert_eq!(again.all("set-cookie"), ["session=1; Path=/", "theme=dark"]);
        assert_eq!(again.text(), name);
    }
    let seen = servers.iter().find(|server| server.requests().len() > 2).unwrap().last_request();
    assert_eq!(
        seen.field("cookie").unwrap(),
        format!("session=1; {cookie}; theme=dark"),
        "servers get all of them"
    );
}

/// The server of a client is gone: the client is sent to another one, and stays there.
#[test]
fn after_a_failover_the_client_gets_a_new_cookie() {
    let staying = Server::saying("staying");
    // It keeps no connection, so that it is gone when nobody listens.
    let leaving = Server::start(|mut connection| {
        if connection.request().is_some() {
            connection.send(sized("leaving").replacen("\r\n", "\r\nConnection: close\r\n", 1));
        }
    });
    let address = leaving.to_string();
    let all = [format!("\"{leaving}\""), format!("\"{staying}\"")];
    let proxy = over(&all, "");
    let mut client = connect(&proxy);
    let cookie = loop {
        let answer = ask(&mut client, "");
        if answer.text() == "leaving" {
            break given(&answer).unwrap();
        }
    };
    drop(leaving);
    // It ends a moment later, and a connection that it resets would not say that it is gone.
    wait::until(|| TcpStream::connect(&address).is_err());
    let moved = ask(&mut client, &cookie);
    assert_eq!(moved.text(), "staying", "{address} is gone");
    let new = given(&moved).unwrap();
    assert_ne!(new, cookie);
    for _ in 0..3 {
        let again = ask(&mut client, &new);
        assert!(given(&again).is_none());
        assert_eq!(again.text(), "staying");
    }
}

#[test]
fn several_weirs_read_each_others_cookies_and_another_secret_is_another_thing() {
    let servers = ["a", "b", "c"].map(Server::saying);
    let (one, two) = (over(&written(&servers), ""), over(&written(&servers), ", first: random"));
    let first = ask(&mut connect(&one), "");
    let (cookie, name) = (given(&first).unwrap(), first.text());
    for _ in 0..5 {
        let there = ask(&mut connect(&two), &cookie);
        assert!(given(&there).is_none());
        assert_eq!(there.text(), name);
    }
    let stranger = with_secret(&written(&servers), "another-secret-of-some-length", "", "");
    assert!(given(&ask(&mut connect(&stranger), &cookie)).is_some());
}

#[test]
fn over_https_the_cookie_is_secure_and_its_age_is_told() {
    let server = Server::saying("a");
    let (root, files) = (Authority::new("Root"), Files::new());
    let own = root.issue(&["a.test"]);
    let (both, issuer) =
        (files.write("a.pem", format!("{}{}", own.chain, own.key)), files.write("root.pem", &root.pem));
    let listen = format!(
        "listen: [{{address: '127.0.0.1:0', tls: {{certificate: {both}, key: {both}, issuer: {issuer}}}}}]"
    );
    let proxy = with_secret(&[format!("\"{server}\"")], SECRET, &listen, ", max_age: 1h");
    let trusting = Arc::new(certificate::client(&root.pem));
    let mut client = connect_tls(proxy.address(), &trusting, "a.test").unwrap();
    let set = ask(&mut client, "").field("set-cookie").unwrap().to_owned();
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=3600; Secure"), "{set}");
    assert_eq!(given(&ask(&mut client, set.split(';').next().unwrap())), None);
}

#[test]
fn answers_of_our_own_carry_no_cookie() {
    let proxy = over(&[format!("\"{}\"", Server::refusing())], "");
    let answer = connect(&proxy).send(get("/")).answer().expect(502);
    assert!(!answer.has("set-cookie"), "{answer}");
}

/// A server that says its name, until it is told to do something else with requests; its checks pass until it is ill.
struct Moody {
    server: Server,
    mood: Arc<AtomicU8>,
}

const WELL: u8 = 0;
/// Answers with 503.
const BUSY: u8 = 1;
/// Ends the connection instead of answering.
const ABRUPT: u8 = 2;
/// Its checks get 503, its requests their answer.
const ILL: u8 = 3;

impl Moody {
    fn new(name: &str) -> Self {
        let mood = Arc::new(AtomicU8::new(WELL));
        let (now, name) = (Arc::clone(&mood), sized(name));
        let server = Server::start(move |mut connection| {
            while let Some(request) = connection.request() {
                let is_check = request.start.contains("/healthz");
                let answer = match now.load(Ordering::SeqCst) {
                    BUSY => "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
                    ILL if is_check => "HTTP/1.1 503 Ill\r\nContent-Length: 0\r\n\r\n",
                    ABRUPT => return,
                    _ => &name,
                };
                if connection.try_send(answer).is_err() {
                    return;
                }
            }
        });
        Self { server, mood }
    }

    fn become_one(&self, mood: u8) {
        self.mood.store(mood, Ordering::SeqCst);
    }
}

/// Two servers, a proxy with these keys of its upstream, and a client that is with the first one.
fn with_the_first(upstream: &str) -> (Moody, Moody, Sticky, String) {
    let (own, other) = (Moody::new("own"), Moody::new("other"));
    let all = [format!("\"{}\"", own.server), format!("\"{}\"", other.server)];
    let proxy = with_upstream(&all, SECRET, "", "", upstream);
    let cookie = loop {
        let answer = ask(&mut connect(&proxy), "");
        if answer.text() == "own" {
            break given(&answer).unwrap();
        }
    };
    (own, other, proxy, cookie)
}

/// The client is served by the other one just now, and is still with its own.
#[track_caller]
fn expect_elsewhere(proxy: &Sticky, cookie: &str) {
    let answer = ask(&mut connect(proxy), cookie);
    assert_eq!((answer.text().as_str(), given(&answer)), ("other", None));
}

/// The client is moved to the other one, and stays there whatever becomes of its first one.
#[track_caller]
fn expect_moved(proxy: &Sticky, cookie: &str, recover: impl FnOnce()) {
    let moved = ask(&mut connect(proxy), cookie);
    assert_eq!(moved.text(), "other");
    let new = given(&moved).unwrap();
    assert_ne!(new, cookie);
    recover();
    for _ in 0..4 {
        let again = ask(&mut connect(proxy), &new);
        assert_eq!((again.text().as_str(), given(&again)), ("other", None));
    }
}

#[track_caller]
fn expect_own(proxy: &Sticky, cookie: &str) {
    let answer = ask(&mut connect(proxy), cookie);
    assert_eq!((answer.text().as_str(), given(&answer)), ("own", None));
}

#[track_caller]
fn until(proxy: &Sticky, is_so: impl Fn(&ServerStatus) -> bool) {
    until_seen(|| proxy.status().upstreams[0].servers[0].clone(), is_so);
}

/// A server with as many requests as it may have lost its clients to another one, and they their sessions.
#[test]
fn a_client_whose_server_is_full_is_served_elsewhere_and_keeps_its_cookie() {
    let (held, release) = Server::held(sized("own"));
    let other = Server::saying("other");
    let all = [format!("\"{held}\""), format!("\"{other}\"")];
    let proxy = with_upstream(&all, SECRET, "", "", ", limits: {per_server: {requests: 1}}");
    release.send(()).unwrap();
    let cookie = loop {
        let answer = ask(&mut connect(&proxy), "");
        if answer.text() == "own" {
            break given(&answer).unwrap();
        }
    };
    until(&proxy, |server| server.requests_in_flight == 0);
    let before = held.requests().len();
    let mut first = connect(&proxy);
    first.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\nCookie: {cookie}\r\n\r\n"));
    held.wait_requests(before + 1);
    for _ in 0..3 {
        expect_elsewhere(&proxy, &cookie);
    }
    release.send(()).unwrap();
    assert_eq!(first.answer().expect(200).text(), "own");
    until(&proxy, |server| server.requests_in_flight == 0);
    release.send(()).unwrap();
    expect_own(&proxy, &cookie);
}

#[test]
fn a_client_whose_server_fails_one_request_is_still_with_it() {
    let (own, _other, proxy, cookie) =
        with_the_first(", eject: \"off\", retry: {attempts: 2, on: [reset, 503]}");
    for mood in [BUSY, ABRUPT] {
        own.become_one(mood);
        expect_elsewhere(&proxy, &cookie);
        own.become_one(WELL);
        expect_own(&proxy, &cookie);
    }
}

#[test]
fn a_client_whose_server_is_unreachable_is_moved() {
    let health = "{path: /healthz, interval: 20ms, unhealthy_interval: 10ms, timeout: 5s, panic: 0%}";
    let (own, _other, proxy, cookie) = with_the_first(&format!(", health: {health}"));
    until(&proxy, |server| server.state == State::Healthy);
    own.become_one(ILL);
    until(&proxy, |server| server.state == State::Unreachable);
    expect_moved(&proxy, &cookie, || {
        own.become_one(WELL);
        until(&proxy, |server| server.state == State::Healthy);
    });
}

#[test]
fn a_client_whose_server_is_ejected_is_moved() {
    let (own, _other, proxy, cookie) =
        with_the_first(", eject: {consecutive: 1, time: 1h, time_max: 1h}, retry: {attempts: 2, on: [503]}");
    own.become_one(BUSY);
    // Whether this answer knows of the ejection already is a matter of moments.
    ask(&mut connect(&proxy), &cookie);
    until(&proxy, |server| server.ejection.is_out);
    expect_moved(&proxy, &cookie, || {
        own.become_one(WELL);
        let change = MemberChange { word: Some(Word::Drain), weight: None, lease: None };
        let own = own.server.to_string();
        proxy.members().put("web", &own, change).unwrap();
        // Who is taken back into service is ejected no more.
        let change = MemberChange { word: Some(Word::InService), ..change };
        proxy.members().put("web", &own, change).unwrap();
        until(&proxy, |server| !server.ejection.is_out);
    });
}

#[test]
fn a_client_whose_server_is_taken_out_or_leaves_is_moved() {
    for word in [Some(Word::Drain), Some(Word::Disable), None] {
        let (own, _other, proxy, cookie) = with_the_first("");
        let (name, members) = (own.server.to_string(), proxy.members());
        let change = |word| MemberChange { word, weight: None, lease: None };
        match word {
            Some(_) => members.put("web", &name, change(word)).map(drop),
            None => members.leave("web", &name, None).map(drop),
        }
        .unwrap();
        expect_moved(&proxy, &cookie, || {
            members.put("web", &name, change(Some(Word::InService))).unwrap();
        });
    }
}
