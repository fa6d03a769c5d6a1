//! Servers that are found by name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use weir_core::health::{State, Word};
use weir_core::ports::ServerStatus;
use weir_core::ports::members::{ComesBack, DifferenceKind, MemberChange, MemberDifference, MemberError};
use weir_testkit::certificate::{Authority, Files};
use weir_testkit::client::{connect, fetch, get};
use weir_testkit::dns::NameServer;
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, neighbours, sized};
use weir_testkit::wait::until_seen;
use weir_upstream::names::{Found, Names, NotFound, TTL_MAX, TTL_MIN};

const HERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// At both addresses of a name.
fn both() -> [TcpListener; 2] {
    neighbours([HERE.into(), THERE.into()])
}

fn port(server: &Server) -> u16 {
    let text = server.to_string();
    text.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or_default()
}

/// A proxy to the port of this server at every address of a name, which it knows by now. It usually does when it has started; on a
/// machine that has no time for the name server, a moment later.
fn over_known(server: &Server, names: &NameServer, addresses: &[Ipv4Addr]) -> Running {
    let proxy = over(server, names, "");
    until_at(&proxy, addresses);
    proxy
}

/// A proxy to the port of this server at every address of a name.
fn over(server: &Server, names: &NameServer, upstream: &str) -> Running {
    proxy::start(&format!(
        "resolver: [\"{}\"]
services: [{{host: \"*\", upstream: web}}]
upstreams: {{web: {{servers: [{{address: \"app.test:{}\", resolve: true}}]{upstream}}}}}
",
        names.address(),
        port(server)
    ))
}

fn servers(proxy: &Running) -> Vec<ServerStatus> {
    proxy.status().upstreams[0].servers.clone()
}

/// Waits until this is true of the servers.
#[track_caller]
fn until(proxy: &Running, is_true: impl Fn(&[ServerStatus]) -> bool) {
    until_seen(|| servers(proxy), |servers| is_true(servers));
}

fn is_at(server: &ServerStatus, address: impl Into<IpAddr>) -> bool {
    server.address.parse::<std::net::SocketAddr>().is_ok_and(|known| known.ip() == address.into())
}

/// Waits until the servers are those at these addresses.
#[track_caller]
fn until_at(proxy: &Running, addresses: &[Ipv4Addr]) {
    until(proxy, |servers| {
        servers.len() == addresses.len()
            && addresses.iter().all(|address| servers.iter().any(|server| is_at(server, *address)))
    });
}

fn answers(proxy: &Running, count: usize) -> String {
    let mut all: Vec<String> = (0..count).map(|_| fetch(proxy, "/").expect(200).text()).collect();
    all.sort();
    all.concat()
}

#[test]
fn a_name_is_followed() {
    let (server, names) = (Server::saying("a"), NameServer::start(&[HERE]));
    let proxy = over_known(&server, &names, &[HERE]);
    assert_eq!(fetch(&proxy, "/").expect(200).text(), "a");
    assert_eq!(servers(&proxy)[0].address, server.to_string());
    assert_eq!(servers(&proxy)[0].origin, "name");
    names.say(&[HERE, THERE]);
    until_at(&proxy, &[HERE, THERE]);
    names.say(&[THERE]);
    until_at(&proxy, &[THERE]);
    names.say(&[HERE]);
    until_at(&proxy, &[HERE]);
    assert_eq!(fetch(&proxy, "/").expect(200).text(), "a");
}

#[test]
fn several_addresses_of_a_name_are_several_servers() {
    let [here, there] = both();
    let (here, _there) = (Server::saying_on(here, "a"), Server::saying_on(there, "b"));
    let names = NameServer::start(&[HERE, THERE]);
    let proxy = over_known(&here, &names, &[HERE, THERE]);
    assert_eq!(answers(&proxy, 6), "aaabbb", "each has its share");
    let requests = servers(&proxy).iter().map(|server| server.requests_total).collect::<Vec<_>>();
    assert_eq!(requests, [3, 3], "and its own figures");
    names.say(&[THERE]);
    until_at(&proxy, &[THERE]);
    assert_eq!(answers(&proxy, 3), "bbb");
}

/// Whoever was found is there for as long as the name server is of no use, and followed again when it is.
fn stays(become_useless: impl Fn(&NameServer)) {
    let (server, names) = (Server::saying("a"), NameServer::start(&[HERE]));
    let proxy = over_known(&server, &names, &[HERE]);
    become_useless(&names);
    let before = names.asked();
    names.wait_asked(before + 2);
    assert_eq!(fetch(&proxy, "/").expect(200).text(), "a");
    assert_eq!(servers(&proxy).len(), 1);
    names.say(&[THERE]);
    until_at(&proxy, &[THERE]);
}

#[test]
fn who_was_found_stays_while_nobody_knows_the_name() {
    stays(|names| names.say::<Ipv4Addr>(&[]));
}

#[test]
fn who_was_found_stays_while_the_name_server_fails() {
    stays(NameServer::fail);
}

#[test]
fn a_name_that_nobody_knows_at_the_start_is_asked_for_until_somebody_does() {
    let (server, names) = (Server::saying("a"), NameServer::start::<Ipv4Addr>(&[]));
    let proxy = over(&server, &names, "");
    fetch(&proxy, "/").expect(503);
    names.say(&[HERE]);
    until_at(&proxy, &[HERE]);
    assert_eq!(fetch(&proxy, "/").expect(200).text(), "a");
}

#[test]
fn host_is_that_of_the_name() {
    let (server, names) = (Server::saying("a"), NameServer::start(&[HERE]));
    let proxy = proxy::start(&format!(
        "resolver: \"{}\"
services: [{{host: \"*\", routes: [{{path: /, upstream: web, host: server}}]}}]
upstreams: {{web: {{servers: [{{address: \"app.test:{}\", resolve: true, weight: 3}}]}}}}
",
        names.address(),
        port(&server)
    ));
    until_at(&proxy, &[HERE]);
    fetch(&proxy, "/").expect(200);
    assert_eq!(server.last_request().field("host"), Some(&*format!("app.test:{}", port(&server))));
    assert_eq!(servers(&proxy)[0].weight, 3);
}

/// Each address has its own health: checks find out about each, by the name.
#[test]
fn servers_that_were_found_are_checked_as_all_others() {
    let [here, there] = both();
    let is_ill = Arc::new(AtomicBool::new(true));
    let ill = Arc::clone(&is_ill);
    let here = Server::saying_on(here, "a");
    let there = Server::on(there, move |mut connection| {
        while let Some(request) = connection.request() {
            let is_check = request.start.contains("/healthz");
            let answer = match is_check && ill.load(Ordering::SeqCst) {
                true => "HTTP/1.1 503 Ill\r\nContent-Length: 0\r\n\r\n".to_owned(),
                false => sized("b"),
            };
            if connection.try_send(answer).is_err() {
                return;
            }
        }
    });
    let names = NameServer::start(&[HERE, THERE]);
    let health = ", health: {path: /healthz, interval: 20ms, unhealthy_interval: 10ms, timeout: 5s}";
    let proxy = over(&here, &names, health);
    let until_states = |expected: [State; 2]| {
        until(&proxy, |servers| servers.iter().map(|server| server.state).eq(expected));
    };
    until_states([State::Healthy, State::Unreachable]);
    assert_eq!(answers(&proxy, 4), "aaaa");
    let checks = there.requests();
    assert!(checks.iter().all(|check| check.start == "GET /healthz HTTP/1.1"), "{checks:?}");
    assert_eq!(checks[0].field("host"), Some(&*format!("app.test:{}", port(&there))));
    is_ill.store(false, Ordering::SeqCst);
    until_states([State::Healthy, State::Healthy]);
    assert_eq!(answers(&proxy, 4), "aabb");
}

/// An address that is found is no reason to believe whoever answers there: certificates are for the name.
#[test]
fn a_certificate_is_for_the_name_and_not_for_the_address() {
    let (root, files) = (Authority::new("Root"), Files::new());
    let ca = files.write("ca.pem", &root.pem);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let over_tls = |certified: &str, more: &str| {
        let seen = Arc::clone(&asked);
        let server = Server::tls(root.issue(&[certified]).server(), move |mut connection| {
            let rustls::Connection::Server(tls) = connection.tls() else { panic!("a server") };
            seen.lock().unwrap().push(tls.server_name().map(str::to_owned));
            while connection.request().is_some() {
                if connection.try_send(sized("safe")).is_err() {
                    return;
                }
            }
        });
        let names = NameServer::start(&[HERE]);
        let proxy = proxy::start(&format!(
            "resolver: \"{}\"
services: [{{host: \"*\", upstream: web}}]
upstreams:
  web:
    servers: [{{address: \"https://app.test:{}\", resolve: true}}]
    tls: {{ca: {ca}}}{more}
",
            names.address(),
            port(&server)
        ));
        until(&proxy, |servers| servers.len() == 1);
        (server, names, proxy)
    };
    let (server, _names, proxy) = over_tls("app.test", "");
    assert_eq!(fetch(&proxy, "/").expect(200).text(), "safe");
    assert_eq!(servers(&proxy)[0].address, format!("https://{server}"));
    // Checks ask for the same name.
    let (_checked, _names, proxy) = over_tls("app.test", "\n    health: {path: /, interval: 20ms}");
    until(&proxy, |servers| servers.iter().all(|server| server.state == State::Healthy));
    let (server, _names, proxy) = over_tls("127.0.0.1", "");
    let answer = fetch(&proxy, "/").expect(502);
    let status = answer.field("proxy-status").unwrap_or_default();
    assert!(status.contains("error=tls_certificate_error;"), "{status}");
    assert!(server.requests().is_empty());
    let asked = asked.lock().unwrap();
    assert!(asked.iter().all(|name| name.as_deref() == Some("app.test")), "{asked:?}");
    assert!(asked.len() >= 2);
}

#[test]
fn addresses_of_ipv6_are_taken_where_there_are_no_others() {
    let own = TcpListener::bind((Ipv6Addr::LOCALHOST, 0));
    let is_there = own.is_ok();
    // A machine without IPv6 can know of such an address, but not be there.
    let server = own.map_or_else(|_| Server::saying("none"), |own| Server::saying_on(own, "six"));
    let names = NameServer::start(&[Ipv6Addr::LOCALHOST]);
    let proxy = over(&server, &names, "");
    until(&proxy, |servers| servers.len() == 1);
    assert_eq!(servers(&proxy)[0].address, format!("[::1]:{}", port(&server)));
    if is_there {
        assert_eq!(fetch(&proxy, "/").expect(200).text(), "six");
    }
    names.say(&[IpAddr::from(Ipv6Addr::LOCALHOST), HERE.into()]);
    until_at(&proxy, &[HERE]);
    names.say(&[Ipv6Addr::LOCALHOST]);
    until(&proxy, |servers| servers.len() == 1 && is_at(&servers[0], Ipv6Addr::LOCALHOST));
}

fn look_up(names: &NameServer) -> Result<Found, NotFound> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { Names::new(&[names.address()]).unwrap().addresses("app.test").await })
}

#[test]
fn an_answer_is_believed_for_a_second_at_least_and_five_minutes_at_most() {
    let names = NameServer::start(&[HERE]);
    for (told, believed) in [(0, TTL_MIN), (1, TTL_MIN), (24 * 3600, TTL_MAX), (i32::MAX as u32, TTL_MAX)] {
        names.say_for(&[HERE], told);
        assert_eq!(look_up(&names).unwrap().ttl, believed, "{told}");
    }
    names.say_for(&[THERE, HERE, THERE], 120);
    let found = look_up(&names).unwrap();
    assert_eq!(found.addresses, [IpAddr::from(HERE), THERE.into()], "in order, and none twice");
    // What is left of it when it is looked at.
    assert!(found.ttl <= Duration::from_secs(120) && found.ttl > Duration::from_secs(30), "{:?}", found.ttl);
}

#[test]
fn who_says_nothing_of_use_says_no_addresses() {
    let names = NameServer::start::<Ipv4Addr>(&[]);
    assert!(look_up(&names).is_err());
    names.fail();
    assert!(look_up(&names).is_err());
    names.say(&[HERE]);
    assert_eq!(look_up(&names).unwrap().addresses, [IpAddr::from(HERE)]);
}

/// Answers that are none: cut, with counts that lie, names that point to themselves, and addresses of others.
fn hostile_answers() -> Vec<(&'static str, Vec<u8>)> {
    /// Flags and counts of an answer with one question and one record.
    const ONE: [u8; 10] = [0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
    let question = |name: &str| {
        let mut bytes = Vec::new();
        for label in name.split('.') {
            bytes.push(u8::try_from(label.len()).unwrap());
            bytes.extend_from_slice(label.as_bytes());
        }
        [&bytes[..], &[0, 0, 1, 0, 1]].concat()
    };
    let asked = question("app.test");
    // Type A, class IN, good for a minute, and 192.0.2.1.
    let record = [0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1];
    let with = |header: [u8; 10], rest: &[&[u8]]| [&header[..], &rest.concat()].concat();
    let mut lying = ONE;
    lying[4..6].copy_from_slice(&[0xff, 0xff]);
    let other = question("other.test");
    let name_of_other = &other[..other.len() - 4];
    let huge = [0, 1, 0, 1, 0, 0, 0, 60, 0xff, 0xff, 192, 0, 2, 1];
    let short = [0, 1, 0, 1, 0, 0, 0, 60, 0, 3, 192, 0, 2];
    vec![
        ("nothing behind the id", vec![]),
        ("half a header", vec![0x81, 0x80, 0]),
        ("a header alone", ONE.to_vec()),
        ("no record", with(ONE, &[&asked])),
        ("half a record", with(ONE, &[&asked, &[0xC0, 12], &record[..9]])),
        ("more records than there are", with(lying, &[&asked, &[0xC0, 12], &record])),
        ("a length beyond the end", with(ONE, &[&asked, &[0xC0, 12], &huge])),
        ("an address of three bytes", with(ONE, &[&asked, &[0xC0, 12], &short])),
        ("a name that points to itself", with(ONE, &[&asked, &[0xC0, 26], &record])),
        ("a name that points ahead", with(ONE, &[&asked, &[0xC0, 200], &record])),
        ("a label that is too long", with(ONE, &[&[0xBF; 80], &asked, &[0xC0, 12], &record])),
        ("another question", with(ONE, &[&other, &[0xC0, 12], &record])),
        ("the address of another name", with(ONE, &[&asked, name_of_other, &record])),
        ("noise", (0..=255).cycle().take(1400).collect()),
    ]
}

/// No answer of a name server stops anything, and none makes an address of what is no answer to the question.
#[test]
fn hostile_answers_are_no_addresses() {
    let answers = hostile_answers();
    let servers: Vec<_> = answers.iter().map(|_| NameServer::start(&[HERE])).collect();
    // All at once: whoever gets no answer to his question waits for one.
    std::thread::scope(|scope| {
        for ((what, bytes), names) in answers.iter().zip(&servers) {
            names.say_bytes(bytes);
            scope.spawn(move || {
                let found = look_up(names);
                assert!(found.is_err(), "{what}: {found:?}");
                assert!(names.asked() > 0, "{what}");
            });
        }
    });
}

#[test]
fn who_was_found_stays_while_the_name_server_talks_nonsense() {
    let (_, half) = hostile_answers().into_iter().find(|(what, _)| *what == "half a record").unwrap();
    stays(|names| names.say_bytes(&half));
}

/// A server that was taken out to be repaired got requests again because its name did not have it for one answer.
#[test]
fn an_operators_word_holds_whatever_the_name_has() {
    let [here, there] = both();
    let (here, there) = (Server::saying_on(here, "a"), Server::saying_on(there, "b"));
    let names = NameServer::start(&[HERE, THERE]);
    let proxy = over_known(&here, &names, &[HERE, THERE]);
    let put = |server: &Server, word, weight| {
        let change = MemberChange { word, weight, lease: None };
        proxy.members().put("web", &server.to_string(), change).unwrap();
    };
    put(&there, Some(Word::Disable), None);
    put(&here, None, Some(5));
    assert_eq!(answers(&proxy, 3), "aaa");
    let is_as_said = || {
        let servers = servers(&proxy);
        let of = |address| {
            let server = servers.iter().find(|server| is_at(server, address)).unwrap();
            (server.weight, server.state)
        };
        assert_eq!((of(HERE), of(THERE)), ((5, State::Healthy), (1, State::Disabled)));
        assert_eq!(answers(&proxy, 3), "aaa");
    };
    let before = names.asked();
    names.wait_asked(before + 2);
    is_as_said();
    names.say(&[HERE]);
    until_at(&proxy, &[HERE]);
    names.say(&[THERE]);
    until_at(&proxy, &[THERE]);
    fetch(&proxy, "/").expect(503);
    names.say(&[HERE, THERE]);
    until_at(&proxy, &[HERE, THERE]);
    is_as_said();
    put(&there, Some(Word::InService), Some(5));
    assert_eq!(answers(&proxy, 4), "aabb");
}

#[test]
fn an_address_that_the_name_lost_ends_its_requests() {
    let [here, there] = both();
    let here = Server::saying_on(here, "a");
    let (release, released) = std::sync::mpsc::sync_channel::<()>(1);
    let released = Mutex::new(released);
    let there = Server::on(there, move |mut connection| {
        while connection.request().is_some() {
            released.lock().unwrap().recv().unwrap();
            connection.send(sized("b"));
        }
    });
    let names = NameServer::start(&[THERE]);
    let proxy = over_known(&here, &names, &[THERE]);
    let mut client = connect(&proxy);
    client.send(get("/"));
    there.wait_requests(1);
    names.say(&[HERE]);
    let drains = |server: &ServerStatus| is_at(server, THERE) && server.state == State::Draining;
    until(&proxy, |servers| servers.len() == 2 && servers.iter().any(drains));
    assert_eq!(answers(&proxy, 4), "aaaa", "it gets nothing new");
    release.send(()).unwrap();
    assert_eq!(client.answer().expect(200).text(), "b");
    until_at(&proxy, &[HERE]);
}

/// What people did to a server that a name has was told nowhere, or did not last and nobody said so.
#[test]
fn what_people_do_to_a_server_that_was_found_is_told() {
    let (server, names) = (Server::saying("a"), NameServer::start(&[HERE]));
    let proxy = proxy::start(&format!(
        "resolver: \"{}\"
services: [{{host: \"*\", upstream: web}}]
upstreams: {{web: {{servers: [{{address: \"app.test:{}\", resolve: true, weight: 3}}]}}}}
",
        names.address(),
        port(&server)
    ));
    until_at(&proxy, &[HERE]);
    let name = server.to_string();
    let usual = MemberChange { weight: None, word: None, lease: None };
    proxy.members().put("web", &name, MemberChange { weight: Some(5), ..usual }).unwrap();
    let difference = || proxy.status().upstreams[0].differences.clone();
    let weight = DifferenceKind::Weight { written: 3, now: 5 };
    assert_eq!(difference(), [MemberDifference { server: name.clone(), kind: weight }]);
    proxy.members().put("web", &name, MemberChange { weight: Some(3), ..usual }).unwrap();
    assert_eq!(difference(), []);
    let lease = MemberChange { lease: Some(Duration::from_secs(10)), ..usual };
    match proxy.members().put("web", &name, lease) {
        Err(MemberError::Conflict(why)) => assert!(why.contains("found by the name `app.test:"), "{why}"),
        other => panic!("{other:?}"),
    }
    let left = proxy.members().leave("web", &name, None).unwrap();
    assert_eq!((left.comes_back, left.is_last), (Some(ComesBack::IsFound), true));
    until_at(&proxy, &[HERE]);
}
