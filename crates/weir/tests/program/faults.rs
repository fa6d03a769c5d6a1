//! Servers that die, hang, become slow and fail while clients send requests, and not one client that sees it.
//!
//! Five mocks and a proxy, each a process of its own. One fault at a time: the next one comes when the proxy knows of the last one
//! and the server is back. What a client would see is any answer but the right one (`load.rs`).
//!
//! Nothing here depends on who finds a fault first, requests or checks. A server is mended when checks have found it UNREACHABLE:
//! one that comes back before that has served its time as ejected, and no check can shorten it. A machine that stalls for longer
//! than a check or a try may take makes one fault more, which nobody has asked for: then all is played again (`stall.rs`).

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::load::{Load, load};
use super::mock::Mock;
use super::process::{Running, answer, ask};
use super::scratch::Scratch;
use super::stall::unless_stalled;

const SERVERS: usize = 5;
/// Requests in a second.
const RATE: u64 = 2000;
/// Between two checks of a server, whether it is well or not.
const INTERVAL: Duration = Duration::from_millis(200);
/// Checks in a row that make a server well again.
const HEALTHY_AFTER: u32 = 2;
/// How long a server may take to be back, beside its checks.
const GRACE: Duration = Duration::from_secs(1);
/// How often it is looked for what is waited for.
const LOOK: Duration = Duration::from_millis(10);
/// A fault that nobody has noticed by then is none.
const PATIENCE: Duration = Duration::from_secs(30);

/// What happens to a server.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Killed,
    Stopped,
    Slow,
    Failing,
}

/// Two of these tests at a time would take the machine away from each other, and from the rest.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Stage {
    mocks: Vec<Mock>,
    admin: SocketAddr,
    address: SocketAddr,
    _proxy: Running,
    _scratch: Scratch,
    _turn: MutexGuard<'static, ()>,
}

impl Stage {
    fn set(test: &str, retry: &str) -> Self {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let scratch = Scratch::new(test);
        let mocks: Vec<_> = (0..SERVERS).map(|_| Mock::anywhere()).collect();
        let servers: Vec<_> = mocks.iter().map(|mock| format!("'{}'", mock.address)).collect();
        let interval = INTERVAL.as_millis();
        let text = format!(
            "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\nworkers: 2\naccess_log: off\n\
             services: [{{host: '*', upstream: web}}]\n\
             upstreams:\n  web:\n    servers: [{}]\n    \
             health: {{path: /healthz, interval: {interval}ms, unhealthy_interval: {interval}ms, timeout: 300ms, \
             unhealthy_after: 2, healthy_after: {HEALTHY_AFTER}}}\n    \
             eject: {{consecutive: 5, time: 10s}}\n    \
             retry: {{on: [connect_failure, reset, timeout, 502, 503, 504], {retry}}}\n",
            servers.join(", ")
        );
        let file = scratch.file("weir.yaml", text);
        let mut proxy = Running::start(&["run", "-c", &file]);
        let address = proxy.address(" listening address=");
        let admin = proxy.address("admin listening address=");
        proxy.line("started");
        let stage = Self { mocks, admin, address, _proxy: proxy, _scratch: scratch, _turn: turn };
        for server in 0..SERVERS {
            stage.until(server, "HEALTHY");
        }
        stage
    }

    /// What the proxy says of its servers.
    fn servers(&self) -> Vec<Value> {
        let said = answer(ask(self.admin, "localhost", "/api/v1/upstreams/web"));
        let (_, json) = said.split_once("\r\n\r\n").unwrap();
        let upstream: Value = serde_json::from_str(json).unwrap();
        upstream["servers"].as_array().unwrap().clone()
    }

    /// Waits until a server is in this state; what it then is.
    fn until(&self, server: usize, state: &str) -> Value {
        let begun = now();
        loop {
            let servers = self.servers();
            if servers[server]["state"] == state {
                return servers[server].clone();
            }
            assert!(now() - begun < PATIENCE, "server {server} is not {state}: {servers:#?}");
            pause();
        }
    }

    /// Makes a server bad, and waits until the proxy has found out.
    fn spoil(&mut self, server: usize, fault: Fault) {
        let mock = &self.mocks[server];
        match fault {
            Fault::Killed => mock.running.signal(Signal::SIGKILL),
            Fault::Stopped => mock.running.signal(Signal::SIGSTOP),
            // Longer than a check and than a try may take.
            Fault::Slow => mock.behave(r#"{"delay": "4s"}"#),
            Fault::Failing => mock.behave(r#"{"status": 503}"#),
        }
        self.until(server, "UNREACHABLE");
    }

    /// Makes it well again, and waits until it has requests and nobody doubts it any more. How long that took is held
    /// against what was promised.
    fn mend(&mut self, server: usize, fault: Fault) {
        let address = self.mocks[server].address;
        match fault {
            Fault::Killed => self.mocks[server] = Mock::start(address, &[]),
            Fault::Stopped => self.mocks[server].running.signal(Signal::SIGCONT),
            Fault::Slow | Fault::Failing => self.mocks[server].behave("{}"),
        }
        let (begun, mut slowest) = (now(), Duration::ZERO);
        let before = requests(&self.servers()[server]);
        loop {
            let seen = &self.servers()[server];
            let is_tried = seen["ejection"]["breaker"] != "closed";
            let took = now() - begun;
            if seen["state"] == "HEALTHY" && !is_tried && requests(seen) > before {
                // A machine that has no time for a mock that is well has none for checks either.
                let promised = INTERVAL * HEALTHY_AFTER + GRACE + 8 * slowest;
                assert!(took <= promised, "{fault:?}: back after {took:?} instead of {promised:?}: {seen:#}");
                return;
            }
            assert!(took < PATIENCE, "{fault:?}: not back: {seen:#}");
            let asked = now();
            answer(ask(address, "localhost", "/healthz"));
            slowest = slowest.max(now() - asked);
            pause();
        }
    }

    /// One fault after the other, each at another server than the one before; no client sees any.
    fn go_through(&mut self, faults: &[(usize, Fault)], load: &Load) {
        let mut story = format!("{} requests in a second", load.rate());
        for (server, fault) in faults.iter().copied() {
            let begun = now();
            self.spoil(server, fault);
            write!(story, "\nserver {server} {fault:?}: known after {:?}", now() - begun).unwrap();
            // Without it all goes on.
            wait_for(load, load.rate() / 4);
            load.demand_success(&story);
            let mended = now();
            self.mend(server, fault);
            write!(story, ", back after {:?}", now() - mended).unwrap();
            // Of two attempts one may have gone to this server. The next fault must not meet the other one.
            wait_for_all(load);
            load.demand_success(&story);
        }
    }

    /// All but this server are killed, one after the other; no client sees it. Then they come back.
    fn go_on_with(&mut self, survivor: usize, load: &Load) {
        let others = (0..SERVERS).filter(|server| *server != survivor);
        for server in others.clone() {
            self.spoil(server, Fault::Killed);
            wait_for_all(load);
            load.demand_success(&format!("all but {survivor} are killed, just now {server}"));
        }
        self.goes_on_with(survivor, load);
        for server in others {
            self.mend(server, Fault::Killed);
        }
        load.demand_success(&format!("all but {survivor} come back"));
    }

    /// This server, which is alone, answers.
    fn goes_on_with(&self, survivor: usize, load: &Load) {
        let before = requests(&self.servers()[survivor]);
        wait_for(load, load.rate() / 4);
        assert!(requests(&self.servers()[survivor]) > before);
    }
}

/// Waits for so many more answers.
fn wait_for(load: &Load, answers: u64) {
    let (begun, wanted) = (now(), load.answered() + answers);
    while load.answered() < wanted {
        assert!(now() - begun < PATIENCE, "{} of {wanted} answers", load.answered());
        pause();
    }
}

/// Waits until nobody has to wait any more who waits now, and for some more.
fn wait_for_all(load: &Load) {
    let (begun, mark) = (now(), load.mark());
    while !load.is_past(mark) {
        assert!(now() - begun < PATIENCE, "some requests before {mark} hang");
        pause();
    }
}

fn requests(server: &Value) -> u64 {
    server["requests_total"].as_u64().unwrap()
}

/// Lets the others run.
fn pause() {
    let (_sender, never) = sync_channel::<()>(1);
    assert_eq!(never.recv_timeout(LOOK), Err(RecvTimeoutError::Timeout));
}

#[expect(clippy::disallowed_methods, reason = "what is promised for the clock of the wall is measured by it")]
fn now() -> Instant {
    Instant::now()
}

const EVERY: [Fault; 4] = [Fault::Killed, Fault::Stopped, Fault::Slow, Fault::Failing];

#[test]
fn one_fault_at_a_time_is_seen_by_no_client() {
    unless_stalled(|| {
        let mut stage = Stage::set("faults", "attempts: 2, per_try: 2s");
        let load = load(stage.address, RATE);
        let faults: Vec<_> = EVERY.into_iter().enumerate().collect();
        stage.go_through(&faults, &load);
        load.end();
    });
}

#[test]
fn any_four_of_five_may_be_killed() {
    unless_stalled(|| {
        let mut stage = Stage::set("faults-four", "attempts: 2, per_try: 2s");
        let load = load(stage.address, RATE);
        stage.go_on_with(fastrand::usize(..SERVERS), &load);
        load.end();
    });
}

/// A request may meet each of them while it dies, so it needs as many attempts as there are servers; and so may many, at once.
#[test]
fn four_of_five_may_be_killed_in_one_moment() {
    unless_stalled(|| {
        let stage = Stage::set("faults-moment", "attempts: 5, per_try: 2s, budget: off");
        let load = load(stage.address, RATE);
        wait_for(&load, load.rate() / 4);
        let survivor = fastrand::usize(..SERVERS);
        let others = || (0..SERVERS).filter(|server| *server != survivor);
        others().for_each(|server| stage.mocks[server].running.signal(Signal::SIGKILL));
        for server in others() {
            stage.until(server, "UNREACHABLE");
        }
        wait_for_all(&load);
        stage.goes_on_with(survivor, &load);
        load.end();
    });
}

#[test]
#[ignore = "takes minutes: `cargo xtask test --full`"]
fn many_faults_one_at_a_time_are_seen_by_no_client() {
    unless_stalled(|| {
        let mut stage = Stage::set("faults-many", "attempts: 2, per_try: 2s");
        let load = load(stage.address, RATE);
        let mut server = 0;
        let faults: Vec<_> = (0..40)
            .map(|number| {
                server = (server + fastrand::usize(1..SERVERS)) % SERVERS;
                (server, EVERY[number % EVERY.len()])
            })
            .collect();
        stage.go_through(&faults, &load);
        (0..SERVERS).for_each(|survivor| stage.go_on_with(survivor, &load));
        load.end();
    });
}
