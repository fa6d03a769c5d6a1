//! Servers that are found by name.

use std::net::Ipv4Addr;

use weir_testkit::client::fetch;
use weir_testkit::dns::NameServer;
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;

const HERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A proxy to the port of this server at every address of a name.
fn over(server: &Server, names: &NameServer, more: &str) -> Running {
    let port = server.to_string().rsplit_once(':').map(|(_, port)| port.to_owned()).unwrap_or_default();
    proxy::start(&format!(
        "resolver: [\"{}\"]
services: [{{host: \"*\", upstream: web}}]
upstreams: {{web: {{servers: [{{address: \"app.test:{port}\", resolve: true{more}}}]}}}}
",
        names.address()
    ))
}

fn servers(proxy: &Running) -> Vec<String> {
    proxy.status().upstreams[0].servers.iter().map(|server| server.address.clone()).collect()
}

/// Waits until the servers are those at these addresses.
fn until(proxy: &Running, addresses: &[Ipv4Addr]) {
    let at = |server: &String, address: &Ipv4Addr| server.starts_with(&format!("{address}:"));
    let are = |servers: &[String]| {
        servers.len() == addresses.len()
            && addresses.iter().all(|address| servers.iter().any(|server| at(server, address)))
    };
    while !are(&servers(proxy)) {
        std::thread::yield_now();
    }
}

#[test]
fn a_name_is_known_before_the_first_request_and_followed_from_then_on() {
    let (server, names) = (Server::saying("a"), NameServer::start(&[HERE]));
    let proxy = over(&server, &names, "");
    assert_eq!(fetch(&proxy, "/").expect(200).text(), "a");
    assert_eq!(servers(&proxy), [server.to_string()]);
    assert_eq!(proxy.status().upstreams[0].servers[0].origin, "name");
    names.say(&[HERE, THERE]);
    until(&proxy, &[HERE, THERE]);
    names.say(&[THERE]);
    until(&proxy, &[THERE]);
    names.say(&[HERE]);
    until(&proxy, &[HERE]);
    assert_eq!(fetch(&proxy, "/").expect(200).text(), "a");
}

#[test]
fn who_was_found_stays_while_nobody_knows_the_name() {
    let (server, names) = (Server::saying("a"), NameServer::start(&[HERE]));
    let proxy = over(&server, &names, "");
    names.say(&[]);
    let before = names.asked();
    names.wait_asked(before + 2);
    assert_eq!(fetch(&proxy, "/").expect(200).text(), "a");
}

#[test]
fn a_name_that_nobody_knows_at_the_start_is_asked_for_until_somebody_does() {
    let (server, names) = (Server::saying("a"), NameServer::start(&[]));
    let proxy = over(&server, &names, "");
    fetch(&proxy, "/").expect(503);
    names.say(&[HERE]);
    until(&proxy, &[HERE]);
    assert_eq!(fetch(&proxy, "/").expect(200).text(), "a");
}

#[test]
fn host_is_that_of_the_name() {
    let (server, names) = (Server::saying("a"), NameServer::start(&[HERE]));
    let port = server.to_string().rsplit_once(':').map(|(_, port)| port.to_owned()).unwrap_or_default();
    let proxy = proxy::start(&format!(
        "resolver: \"{}\"
services: [{{host: \"*\", routes: [{{path: /, upstream: web, host: server}}]}}]
upstreams: {{web: {{servers: [{{address: \"app.test:{port}\", resolve: true, weight: 3}}]}}}}
",
        names.address()
    ));
    fetch(&proxy, "/").expect(200);
    assert_eq!(server.last_request().field("host"), Some(&*format!("app.test:{port}")));
    assert_eq!(proxy.status().upstreams[0].servers[0].weight, 3);
}
