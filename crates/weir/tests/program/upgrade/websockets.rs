//! WebSockets that are open while the program is replaced: they stay with the process that has them, until its deadline.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use weir_testkit::wait::{until, until_some};

use super::super::admin::admin;
use super::super::scratch::Scratch;
use super::super::websocket::{Chat, echo_server, is_cut};
use super::Family;

/// How many talk at once.
const TALKERS: usize = 3;

/// Messages of each, there and back, whenever it is looked whether they go on.
const BETWEEN: usize = 5;

/// How long a process goes on beside the next one in the test that waits for it.
const DEADLINE: Duration = Duration::from_secs(3);

/// Clients that send one message after the other, each on one WebSocket.
#[derive(Default)]
pub(super) struct Talkers {
    is_over: AtomicBool,
    exchanged: [AtomicUsize; TALKERS],
    from: Mutex<Vec<SocketAddr>>,
}

/// Says that it is over when it goes, also by a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

impl Talkers {
    /// Lets them talk while this is done, and then close their connections in order.
    pub(super) fn during(address: SocketAddr, meanwhile: impl FnOnce(&Self)) {
        let talkers = Self::default();
        std::thread::scope(|scope| {
            let _over = Over(&talkers.is_over);
            for exchanged in &talkers.exchanged {
                scope.spawn(|| talkers.talk(address, exchanged));
            }
            talkers.go_on();
            meanwhile(&talkers);
        });
    }

    fn talk(&self, address: SocketAddr, exchanged: &AtomicUsize) {
        let mut chat = Chat::open(address, "/chat");
        self.from.lock().unwrap_or_else(PoisonError::into_inner).push(chat.from());
        while !self.is_over.load(Relaxed) {
            chat.exchange();
            exchanged.fetch_add(1, Relaxed);
        }
        chat.close();
    }

    /// Waits until each of them has got some more answers.
    pub(super) fn go_on(&self) {
        let counts = || self.exchanged.each_ref().map(|count| count.load(Relaxed));
        let before = counts();
        until(|| counts().iter().zip(before).all(|(now, before)| *now >= before + BETWEEN));
    }

    /// Demands that another process than this one has their connections.
    pub(super) fn are_not_with(&self, listener: SocketAddr) {
        let listed = admin(listener, "GET", "/api/v1/connections?limit=1000");
        for from in &*self.from.lock().unwrap_or_else(PoisonError::into_inner) {
            let is_it = |one: &serde_json::Value| one["client"] == from.to_string();
            assert!(!listed["connections"].as_array().unwrap().iter().any(is_it), "{from}: {listed:#}");
        }
    }
}

/// `semantics.md` §4.3, and `docs/operating.md`: WebSockets go on until `drain.deadline`, then they are cut and counted.
#[test]
#[expect(clippy::disallowed_methods, reason = "it is about a time")]
fn a_websocket_goes_on_beside_the_next_process_until_the_deadline_and_is_cut_and_counted() {
    let (scratch, chat) = (Scratch::new("upgrade-websocket"), echo_server());
    let text = format!(
        "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\naccess_log: off\ndrain: {{idle: 50ms, deadline: {}s}}\n\
         services: [{{host: '*', upstream: ['{chat}']}}]\n",
        DEADLINE.as_secs()
    );
    let mut family = Family::start(&["run", "-c", &scratch.file("weir.yaml", text)]);
    let mut old = Chat::open(family.address, "/chat");
    old.exchange();
    let begun = Instant::now();
    family.replace();
    // The workers of the old one hear a moment later that they accept nobody any more.
    let mut new = until_some(|| {
        let chat = Chat::open(family.address, "/chat");
        let listed = admin(family.admin, "GET", "/api/v1/connections");
        let is_it = |one: &serde_json::Value| one["client"] == chat.from().to_string();
        listed["connections"].as_array().unwrap().iter().any(is_it).then_some(chat)
    });
    let mut exchanged = 0;
    let end = loop {
        match old.try_exchange() {
            Ok(()) => exchanged += 1,
            Err(end) => break end,
        }
        new.exchange();
    };
    assert!(is_cut(&end), "{end}");
    assert!(begun.elapsed() >= DEADLINE && exchanged >= 1, "{exchanged} messages in {:?}", begun.elapsed());
    let told = family.running.line("stopped connections_cut=");
    assert!(told.contains(" WARN ") && told.ends_with("connections_cut=1"), "{told}");
    new.exchange();
    new.close();
    family.end();
}
