//! Servers that join, change, leave and renew leases over the admin listener of the program.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use nix::sys::signal::Signal;
use serde_json::Value;
use weir_testkit::dns::NameServer;
use weir_testkit::server::{Server, sized};
use weir_testkit::wait::until;

use super::process::{Running, answer, ask, finished};
use super::scratch::Scratch;

/// The program with an upstream `web` of one server.
struct Stage {
    proxy: Running,
    address: SocketAddr,
    admin: SocketAddr,
    first: Server,
    _scratch: Scratch,
}

/// What the admin listener said.
struct Said {
    status: u16,
    head: String,
    /// Null where it is no JSON.
    json: Value,
    text: String,
}

impl Stage {
    fn set(test: &str) -> Self {
        let first = Server::saying("a");
        let servers = format!("'{first}'");
        Self::with(test, first, "", &servers)
    }

    fn with(test: &str, first: Server, top: &str, servers: &str) -> Self {
        let scratch = Scratch::new(test);
        let text = format!(
            "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\n{top}services: [{{host: '*', upstream: web}}]\n\
             upstreams: {{web: {{servers: [{servers}]}}}}\n"
        );
        let file = scratch.file("weir.yaml", text);
        let mut proxy = Running::start(&["run", "-c", &file]);
        let address = proxy.address(" listening address=");
        let admin = proxy.address("admin listening address=");
        proxy.line("started");
        Self { proxy, address, admin, first, _scratch: scratch }
    }

    /// Asks the admin listener as curl does, with these fields beside Host.
    fn raw(&self, method: &str, path: &str, fields: &str) -> Said {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        let host = if fields.contains("Host:") { String::new() } else { format!("Host: {}\r\n", self.admin) };
        write!(stream, "{method} {path} HTTP/1.1\r\n{host}Connection: close\r\n{fields}\r\n").unwrap();
        let answer = answer(stream);
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let json = serde_json::from_str(text).unwrap_or_default();
        Said { status, head: head.to_lowercase(), json, text: text.to_owned() }
    }

    /// The same about a server of `web`, with what follows its address.
    fn server(&self, method: &str, server: &impl ToString, more: &str) -> Said {
        self.raw(method, &format!("/api/v1/upstreams/web/servers/{}{more}", server.to_string()), "")
    }

    /// Demands this status.
    #[track_caller]
    fn expect(&self, method: &str, server: &impl ToString, more: &str, status: u16) -> Value {
        let said = self.server(method, server, more);
        assert_eq!(said.status, status, "{method} {more}: {}", said.text);
        said.json
    }

    fn servers(&self) -> Vec<Value> {
        let said = self.raw("GET", "/api/v1/upstreams/web", "");
        assert_eq!(said.status, 200);
        said.json["servers"].as_array().unwrap().clone()
    }

    fn addresses(&self) -> Vec<String> {
        self.servers().iter().map(|server| server["address"].as_str().unwrap().to_owned()).collect()
    }

    /// What so many requests get, in the order of the alphabet.
    fn answers(&self, count: usize) -> String {
        let mut all: Vec<String> = (0..count)
            .map(|_| {
                let answer = answer(ask(self.address, "a.example", "/"));
                assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                answer.split_once("\r\n\r\n").unwrap().1.to_owned()
            })
            .collect();
        all.sort();
        all.concat()
    }

    fn expect_503(&self) {
        let answer = answer(ask(self.address, "a.example", "/"));
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    }

    fn diff(&self) -> String {
        finished(&["upstreams", "--diff", "--admin", &self.admin.to_string()], 0).0
    }
}

#[test]
fn a_server_joins_is_weighed_and_leaves() {
    let (stage, b) = (Stage::set("members"), Server::saying("b"));
    assert_eq!(stage.answers(2), "aa");
    assert_eq!(stage.expect("PUT", &b, "", 201)["is_new"], true);
    assert_eq!(stage.answers(4), "aabb");
    // Who is there already is there once.
    let again = stage.expect("PUT", &b, "", 200);
    assert_eq!((&again["is_new"], &again["state"]), (&false.into(), &"HEALTHY".into()));
    assert_eq!(stage.expect("PUT", &format!("http:%2F%2F{b}"), "", 200)["is_new"], false);
    assert_eq!(stage.addresses(), [stage.first.to_string(), b.to_string()]);
    stage.expect("PUT", &b, "?weight=3", 200);
    assert_eq!(stage.expect("GET", &b, "", 200)["weight"], 3);
    assert_eq!(stage.answers(8), "aabbbbbb");
    assert_eq!(stage.expect("HEAD", &b, "", 200), Value::Null);
    let left = stage.expect("DELETE", &b, "", 200);
    assert_eq!(
        (&left["is_gone"], &left["is_last"], &left["warning"]),
        (&true.into(), &false.into(), &Value::Null)
    );
    assert_eq!(stage.answers(3), "aaa");
    stage.expect("DELETE", &b, "", 404);
    stage.expect("GET", &b, "", 404);
    assert_eq!(stage.addresses(), [stage.first.to_string()]);
    assert!(stage.diff().starts_with("nothing was changed"), "it is as it was");
}

#[test]
fn a_server_is_taken_out_and_put_back() {
    let (stage, b) = (Stage::set("members-state"), Server::saying("b"));
    stage.expect("PUT", &b, "", 201);
    for (word, state) in [("disabled", "DISABLED"), ("draining", "DRAINING")] {
        assert_eq!(stage.expect("PUT", &b, &format!("?state={word}"), 200)["state"], state);
        assert_eq!(stage.expect("GET", &b, "", 200)["state"], state);
        assert_eq!(stage.answers(3), "aaa");
        // A change of something else takes the word not back.
        stage.expect("PUT", &b, "?weight=1", 200);
        assert_eq!(stage.answers(3), "aaa");
        assert!(stage.diff().contains(&b.to_string()));
        assert_eq!(stage.expect("PUT", &b, "?state=in_service", 200)["state"], "HEALTHY");
        assert_eq!(stage.answers(4), "aabb");
    }
    // One that joins may be taken out from the beginning.
    let c = Server::saying("c");
    assert_eq!(stage.expect("PUT", &c, "?state=disabled&weight=2", 201)["state"], "DISABLED");
    assert_eq!(stage.answers(4), "aabb");
}

#[test]
fn a_server_that_drains_ends_its_requests_first() {
    let stage = Stage::set("members-drain");
    let (held, release) = Server::held(sized("held"));
    stage.expect("PUT", &held, "", 201);
    // Servers take turns: of two requests each gets one.
    let asked = [(); 2].map(|()| ask(stage.address, "a.example", "/"));
    held.wait_requests(1);
    stage.first.wait_requests(1);
    let left = stage.expect("DELETE", &held, "?drain=1h", 200);
    assert_eq!((&left["is_gone"], &left["is_last"]), (&false.into(), &false.into()));
    assert_eq!(stage.answers(4), "aaaa", "it gets nothing new");
    let leaving = stage.servers().into_iter().find(|server| server["address"] == held.to_string()).unwrap();
    assert_eq!((&leaving["state"], &leaving["requests_in_flight"]), (&"DRAINING".into(), &1.into()));
    release.send(()).unwrap();
    let mut answers = asked.map(|asked| answer(asked).split_once("\r\n\r\n").unwrap().1.to_owned());
    answers.sort();
    assert_eq!(answers, ["a", "held"], "it has ended what it had");
    until(|| stage.addresses().len() == 1);
}

#[test]
fn a_lease_is_renewed_or_ends() {
    let mut stage = Stage::set("members-lease");
    let (renewed, silent) = (Server::saying("b"), Server::saying("c"));
    stage.expect("POST", &renewed, "/register?ttl=1s", 201);
    // Says that it is there for longer. On a machine that stood still for a second it registers anew.
    let status = stage.server("POST", &renewed, "/register?ttl=1h&weight=2").status;
    assert!(status == 200 || status == 201, "{status}");
    let leased = stage.expect("GET", &renewed, "", 200);
    assert_eq!(leased["origin"], "lease");
    let seconds = leased["lease_seconds"].as_f64().unwrap();
    assert!(seconds > 1800.0 && seconds <= 3600.0, "{seconds}");
    stage.expect("POST", &silent, "/register?ttl=2s", 201);
    let line = format!("server=\"{silent}\"");
    while !stage.proxy.line("a server did not renew its lease and has left").contains(&line) {}
    assert_eq!(stage.addresses(), [stage.first.to_string(), renewed.to_string()]);
    assert_eq!(stage.answers(6), "aabbbb", "and its weight counts");
    assert!(stage.diff().contains("registered itself"), "{}", stage.diff());
    stage.expect("GET", &silent, "", 404);
    // Who comes back is a new one; who says goodbye need not wait for its end.
    stage.expect("POST", &silent, "/register", 201);
    stage.expect("DELETE", &silent, "", 200);
    stage.expect("DELETE", &renewed, "", 200);
    assert_eq!(stage.answers(2), "aa");
}

#[test]
fn the_last_server_may_leave_which_is_said_loudly() {
    let mut stage = Stage::set("members-last");
    let left = stage.expect("DELETE", &stage.first, "", 200);
    assert_eq!(left["is_last"], true);
    assert!(left["warning"].as_str().unwrap().contains("they get 503"), "{left}");
    stage.proxy.line("no server of the upstream gets requests any more");
    stage.expect_503();
    assert!(stage.addresses().is_empty());
    stage.expect("PUT", &stage.first, "", 201);
    assert_eq!(stage.answers(2), "aa");
}

#[test]
fn nonsense_is_refused_with_a_reason_and_changes_nothing() {
    let stage = Stage::set("members-nonsense");
    let base = "/api/v1/upstreams";
    let own = format!("{base}/web/servers/{}", stage.first);
    let other = format!("{base}/web/servers/127.0.0.1:1");
    for (method, path, status, part) in [
        ("GET", format!("{base}/nix"), 404, "web"),
        ("PUT", format!("{base}/nix/servers/127.0.0.1:1"), 404, "web"),
        ("DELETE", other.clone(), 404, ""),
        ("GET", other.clone(), 404, ""),
        ("GET", format!("{base}/web/nix"), 404, "/{upstream}/servers/{server}"),
        ("PUT", format!("{own}?weight=1001"), 400, "from 0 to 1000"),
        ("POST", format!("{own}/register"), 409, "the configuration names this server"),
        ("PUT", format!("{own}?weight=heavy"), 400, "`weight` takes a number"),
        ("PUT", format!("{own}?weight=1&weight=2"), 400, "`weight` stands twice"),
        ("PUT", format!("{own}?state=asleep"), 400, "in_service, draining, disabled"),
        ("PUT", format!("{own}?wait=1"), 400, "`wait` is no parameter here; there are: weight, state"),
        ("PUT", format!("{base}/web/servers/nonsense"), 400, "nonsense"),
        ("PUT", format!("{base}/web/servers/127.0.0.1:99999"), 400, ""),
        ("PUT", format!("{base}/web/servers/https:%2F%2F127.0.0.1:1"), 400, "https://"),
        ("DELETE", format!("{own}?drain=soon"), 400, "`drain` takes a time"),
        ("POST", format!("{other}/register?ttl=0s"), 400, "from 1 second to 24 hours"),
        ("POST", format!("{other}/register?ttl=25h"), 400, "`ttl` takes a time"),
        ("POST", format!("{other}/register?ttl=10"), 400, "`ttl` takes a time"),
        ("POST", own.clone(), 405, "this takes GET, PUT, DELETE"),
        ("GET", format!("{own}/register"), 405, "this takes POST"),
        ("PUT", format!("{base}/web"), 405, "this takes GET"),
    ] {
        let said = stage.raw(method, &path, "");
        assert_eq!(said.status, status, "{method} {path}: {}", said.text);
        assert!(said.text.contains(part), "{method} {path}: {}", said.text);
        assert_eq!(said.head.contains("\r\nallow: "), status == 405, "{}", said.head);
    }
    // A page in a browser is not who it seems to be.
    for fields in ["Host: evil.example\r\n", "Origin: http://evil.example\r\n"] {
        let said = stage.raw("DELETE", &own, fields);
        assert!((400..500).contains(&said.status), "{fields}: {}", said.text);
    }
    assert_eq!(stage.addresses(), [stage.first.to_string()]);
    assert!(stage.diff().starts_with("nothing was changed"), "{}", stage.diff());
    assert_eq!(stage.answers(2), "aa");
}

/// Waits until the program has started and told of a name, in whichever order: what it said, and where it listens.
fn begun_without_a_name(proxy: &mut Running) -> (String, SocketAddr) {
    let (mut told, mut address, mut is_started) = (None, None, false);
    loop {
        let line = proxy.line("");
        is_started |= line.contains("started");
        if let Some((_, listening)) = line.split_once(" listening address=") {
            address = Some(listening.split_whitespace().next().unwrap().parse().unwrap());
        }
        if line.contains("a name is not known") {
            assert!(told.replace(line).is_none(), "it is told once");
        }
        if let (true, Some(told), Some(address)) = (is_started, &told, address) {
            return (told.clone(), address);
        }
    }
}

/// The program starts, says so once, keeps asking, and serves when somebody knows the name.
#[test]
fn a_name_that_nobody_knows_at_the_start_is_told_of_once_and_found_later() {
    let names = NameServer::start::<std::net::Ipv4Addr>(&[]);
    let first = Server::saying("a");
    let port = first.to_string().rsplit_once(':').unwrap().1.to_owned();
    let top = format!("resolver: '{}'\n", names.address());
    let servers = format!("{{address: 'app.test:{port}', resolve: true}}");
    let scratch = Scratch::new("members-unknown");
    let text = format!(
        "listen: ['127.0.0.1:0']\nadmin: 'off'\n{top}services: [{{host: '*', upstream: web}}]\n\
         upstreams: {{web: {{servers: [{servers}]}}}}\n"
    );
    let file = scratch.file("weir.yaml", text);
    let mut proxy = Running::start(&["run", "-c", &file]);
    let (line, address) = begun_without_a_name(&mut proxy);
    // The second where the machine has no time for the name server.
    let is_reason = line.contains("no address") || line.contains("nobody has answered yet");
    assert!(line.contains("WARN") && line.contains("name=\"app.test\"") && is_reason, "{line}");
    let unserved = answer(ask(address, "a.example", "/"));
    assert!(unserved.starts_with("HTTP/1.1 503 "), "{unserved}");
    let before = names.asked();
    names.wait_asked(before + 2);
    names.say(&[std::net::Ipv4Addr::LOCALHOST]);
    proxy.line("a name is known again");
    let served = answer(ask(address, "a.example", "/"));
    assert!(served.ends_with("\r\n\r\na"), "{served}");
    proxy.signal(Signal::SIGTERM);
    let (code, rest) = proxy.end();
    assert_eq!(code, Some(0));
    assert!(!rest.iter().any(|line| line.contains("a name is not known")), "{rest:#?}");
}

/// A name server that is silent holds the start up for two seconds and no longer.
#[test]
fn a_name_server_that_says_nothing_is_told_of_and_not_waited_for() {
    let names = NameServer::start::<std::net::Ipv4Addr>(&[]);
    names.fall_silent();
    let first = Server::saying("a");
    let servers = format!("'{first}', {{address: 'app.test:1', resolve: true}}");
    let top = format!("resolver: '{}'\n", names.address());
    let scratch = Scratch::new("members-silent");
    let text = format!(
        "listen: ['127.0.0.1:0']\nadmin: 'off'\n{top}services: [{{host: '*', upstream: web}}]\n\
         upstreams: {{web: {{servers: [{servers}]}}}}\n"
    );
    let mut proxy = Running::start(&["run", "-c", &scratch.file("weir.yaml", text)]);
    let (told, address) = begun_without_a_name(&mut proxy);
    assert!(told.contains("name=\"app.test\"") && told.contains("nobody has answered yet"), "{told}");
    assert!(answer(ask(address, "a.example", "/")).ends_with("\r\n\r\na"), "the others serve");
    drop(proxy);
}
