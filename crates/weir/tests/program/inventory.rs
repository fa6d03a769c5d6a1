//! Inventories that are edited while the program runs.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use weir_testkit::server::Server;

use super::admin::{Kept, admin, servers, upstream_when};
use super::process::{Running, answer, ask, finished, received, send};
use super::scratch::Scratch;

/// A proxy whose servers stand in an inventory.
struct Stage {
    proxy: Running,
    address: SocketAddr,
    admin: SocketAddr,
    inventory: String,
    file: String,
    _scratch: Scratch,
}

impl Stage {
    fn set(test: &str, inventory: &str) -> Self {
        let scratch = Scratch::new(test);
        let list = scratch.file("hosts.conf", inventory);
        let text = "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\naccess_log: off\n\
                    services: [{host: '*', upstream: web}]\nupstreams: {web: {inventory: hosts.conf}}\n";
        let file = scratch.file("weir.yaml", text);
        let mut proxy = Running::start(&["run", "-c", &file]);
        let address = proxy.address(" INFO listening address=");
        let admin = proxy.address("admin listening address=");
        proxy.line("started");
        Self { proxy, address, admin, inventory: list, file, _scratch: scratch }
    }

    fn write(&self, inventory: &str) {
        write(&self.inventory, inventory);
    }

    /// Waits until these are the servers and none leaves any more.
    fn has(&self, expected: &[&str]) {
        upstream_when(self.admin, "web", |upstream| servers(upstream) == expected);
    }

    fn get(&self) -> String {
        get(self.address)
    }
}

/// Puts another file in the place of this one, so that nobody sees it half.
fn write(file: &str, inventory: &str) {
    let beside = format!("{file}.new");
    fs::write(&beside, inventory).unwrap();
    fs::rename(&beside, file).unwrap();
}

fn get(address: SocketAddr) -> String {
    answer(ask(address, "a.example", "/"))
}

#[test]
fn an_edit_under_load_loses_nothing() {
    let [a, b, c] = ["a", "b", "c"].map(Server::saying);
    let [at_a, at_b, at_c] = [&a, &b, &c].map(ToString::to_string);
    let stage = Stage::set("edited", &format!("{at_a}\n{at_b}\n"));
    let address = stage.address;
    let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        // Also when this test fails.
        let _over = Over(&is_over);
        for _ in 0..2 {
            scope.spawn(|| {
                let mut client = Kept::open(address);
                while !is_over.load(Ordering::Relaxed) {
                    let (head, body) = client.ask("GET", "/");
                    assert!(head.starts_with("HTTP/1.1 200 ") && ["a", "b", "c"].contains(&&*body), "{head}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..2 {
            stage.write(&format!("{at_c}\n{at_b}\n"));
            stage.has(&[&at_b, &at_c]);
            stage.write(&format!("# a is back\n{at_b}\n\n{at_a}\n"));
            stage.has(&[&at_b, &at_a]);
        }
    });
    assert!(answered.load(Ordering::Relaxed) > 0);
    let told = admin(stage.admin, "GET", "/api/v1/upstreams/web");
    assert_eq!(told["inventory"]["taken_total"], 4, "{told:#}");
    assert_eq!(told["differences"].as_array().unwrap().len(), 0, "{told:#}");
    let origins = told["servers"].as_array().unwrap().iter().map(|server| &server["origin"]);
    assert!(origins.clone().all(|origin| origin == "inventory"), "{told:#}");
}

/// Tells the clients of a test that it has ended, however it ends.
struct Over<'t>(&'t AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_request_ends_with_the_server_that_is_taken_out_of_the_file() {
    let slow = TcpListener::bind("127.0.0.1:0").unwrap();
    let at_slow = slow.local_addr().unwrap().to_string();
    let next = Server::saying("next");
    let stage = Stage::set("drained", &format!("{at_slow}\n"));
    let client = ask(stage.address, "a.example", "/");
    let (mut stream, _) = slow.accept().unwrap();
    received(&stream, 0);
    stage.write(&format!("{next}\n"));
    let is_draining = |upstream: &serde_json::Value| {
        let all = upstream["servers"].as_array().unwrap();
        all.iter().any(|server| server["address"] == *at_slow && server["state"] == "DRAINING")
    };
    upstream_when(stage.admin, "web", is_draining);
    assert!(stage.get().ends_with("next"));
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlate").unwrap();
    assert!(answer(client).ends_with("late"));
    stage.has(&[&next.to_string()]);
}

#[test]
fn one_that_can_not_be_used_changes_nothing_and_says_why() {
    let server = Server::saying("here");
    let at = server.to_string();
    let mut stage = Stage::set("broken", &format!("{at}\n"));
    stage.write(&format!("{at}\n8080 # ours\n"));
    let line = stage.proxy.line("an inventory can't be used; the servers stay as they were");
    assert!(
        line.contains("hosts.conf:2:1") && line.contains("`8080`") && line.contains("127.0.0.1:8080"),
        "{line}"
    );
    let (stdout, _) = finished(&["upstreams", "--admin", &stage.admin.to_string()], 0);
    assert!(stdout.contains("can't be used: ") && stdout.contains("hosts.conf:2:1"), "{stdout}");
    assert!(stage.get().ends_with("here"));
    let page = answer(ask(stage.admin, "localhost", "/metrics"));
    for sample in [
        "weir_inventory_changes_total{upstream=\"web\",outcome=\"refused\"} 1",
        "weir_inventory_unusable{upstream=\"web\"} 1",
    ] {
        assert!(page.lines().any(|line| line == sample), "{sample} in {page}");
    }
    // What the running one says, `weir check` says of the file.
    let (_, stderr) = finished(&["check", "-c", &stage.file], 3);
    for part in ["weir.yaml:5:", "hosts.conf:2:1", "`8080` is not a server", "hint: write the host too"] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    let (stdout, _) = finished(&["check", "--json", "-c", &stage.file], 3);
    assert!(stdout.contains("\"file\": \"") && stdout.contains("hosts.conf\""), "{stdout}");

    fs::remove_file(&stage.inventory).unwrap();
    stage.proxy.line("it can't be read: No such file");
    assert!(stage.get().ends_with("here"));
    stage.write(&format!("{at}\n"));
    upstream_when(stage.admin, "web", |upstream| upstream["inventory"]["problem"].is_null());
    let (stdout, _) = finished(&["upstreams", "--admin", &stage.admin.to_string()], 0);
    assert!(stdout.contains("  inventory ") && !stdout.contains("can't be used"), "{stdout}");
}

#[test]
fn what_an_operator_said_survives_an_edit() {
    let [a, b] = ["a", "b"].map(Server::saying);
    let stage = Stage::set("survives", &format!("{a}\n{b}\n"));
    admin(stage.admin, "PUT", &format!("/api/v1/upstreams/web/servers/{a}?state=disabled"));
    admin(stage.admin, "PUT", &format!("/api/v1/upstreams/web/servers/{b}?weight=3"));
    let c = Server::saying("c");
    stage.write(&format!("{c}\n{b}\n{a}\n"));
    stage.has(&[&a.to_string(), &b.to_string(), &c.to_string()]);
    let told = admin(stage.admin, "GET", "/api/v1/upstreams/web");
    assert_eq!(told["servers"][0]["state"], "DISABLED", "{told:#}");
    assert_eq!(told["servers"][1]["weight"], 3, "{told:#}");
    assert_eq!(told["differences"].as_array().unwrap().len(), 2, "{told:#}");
}

#[test]
fn a_duplication_follows_its_inventory() {
    let [first, second] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let line = |server: &TcpListener| format!("{}\n", server.local_addr().unwrap());
    let scratch = Scratch::new("followed");
    let file = scratch.file("inventory.conf", line(&first));
    let mut proxy = Running::start(&["duplicate", "-i", &file, "-p", "0", "-m", "0"]);
    let address = proxy.address(" INFO listening address=");
    let address = SocketAddr::from(([127, 0, 0, 1], address.port()));
    let said = proxy.line("every one of 1 servers");
    assert!(said.contains("is followed"), "{said}");
    write(&file, &format!("{}{}", line(&first), line(&second)));
    let changed = proxy.line("an inventory has changed");
    assert!(changed.contains("joined=1") && changed.contains("left=0"), "{changed}");
    let client = send(address, "POST", "/orders", "one order");
    for server in [&first, &second] {
        let (mut stream, _) = server.accept().unwrap();
        assert!(received(&stream, 9).ends_with("\r\n\r\none order"));
        // Whoever is first answers the client, and the other one may be let go.
        let _ = stream.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    assert!(answer(client).starts_with("HTTP/1.1 201 "));
}
