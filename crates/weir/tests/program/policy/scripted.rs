//! Servers that do what a test says, and a client that reads what comes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use weir_testkit::port::ReservedPort;

/// Far more than a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that is told what to do with each message.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// Stays ours when nobody listens any more: another test must not get it while it counts as gone.
    _port: ReservedPort,
    /// The messages that have come.
    pub(super) received: Arc<Mutex<Vec<String>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(act: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let port = ReservedPort::new();
        let address = port.address();
        let listener = TcpListener::bind(address).unwrap();
        let (received, is_over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (noted, over, act) = (Arc::clone(&received), Arc::clone(&is_over), Arc::new(act));
        let thread = std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (noted, act) = (Arc::clone(&noted), Arc::clone(&act));
                std::thread::spawn(move || {
                    // A check says nothing.
                    while let Some(message) = message(&mut stream) {
                        noted.lock().unwrap().push(message.clone());
                        act(&message, &mut stream);
                    }
                });
            }
        });
        Self { address, _port: port, received, is_over, thread: Some(thread) }
    }

    /// One that answers with its own number as the payload.
    pub(super) fn numbered(number: i64) -> Self {
        Self::start(move |_, stream| reply(stream, &answer(number, "1")))
    }

    /// Lets it register under this number for a policy.
    pub(super) fn registered(self, proxy: SocketAddr, number: i64, policy: i64) -> Self {
        register(proxy, number, policy, self.address.port());
        self
    }

    /// Nobody listens any more.
    pub(super) fn end(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

pub(super) fn answer(number: i64, destination: &str) -> String {
    format!(
        r#"{{"type": 2, "srcid": {number}, "destid": {destination}, "payloadsize": 1, "payload": "{number}"}}"#
    )
}

pub(super) fn reply(stream: &mut TcpStream, text: &str) {
    // The proxy may have had enough.
    let _ = stream.write_all(text.as_bytes());
}

/// Registers and waits until that is confirmed.
pub(super) fn register(proxy: SocketAddr, number: i64, policy: i64, port: u16) {
    let text = format!(
        r#"{{"type": 1, "id": {number}, "privPolyId": {policy}, "listenport": {port}, "confirm": true}}"#
    );
    let said = ask(proxy, &text);
    assert!(said.starts_with(r#"{"type": 1"#), "{said}");
}

/// A message of client 1.
pub(super) fn packet(policy: i64, payload: &str) -> String {
    format!(r#"{{"type": 0, "srcid": 1, "privPoliId": {policy}, "payload": "{payload}"}}"#)
}

pub(super) fn connect(proxy: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(proxy).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// One flat object; `None` at the end of the connection.
pub(super) fn message(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    let mut byte = [0];
    while text.last() != Some(&b'}') {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        text.push(byte[0]);
    }
    Some(String::from_utf8(text).unwrap().trim_start().to_owned())
}

/// What is said to this.
pub(super) fn ask(proxy: SocketAddr, text: &str) -> String {
    let mut stream = connect(proxy);
    stream.write_all(text.as_bytes()).unwrap();
    message(&mut stream).unwrap_or_else(|| panic!("no answer to {text}"))
}
