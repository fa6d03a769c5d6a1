//! An example that runs, and what its clients get.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ClientConfig;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use weir_config::model::{AccessLog, ListenAddress, Model};
use weir_core::dispatch::{CatchUp, Mode};
use weir_core::ports::queue::{QueueServerStatus, QueueStatus, WriteQueue};
use weir_core::ports::{DispatchStatus, Status};
use weir_core::queue::QueueLimits;
use weir_core::server::Transport;
use weir_proxy::Proxy;
use weir_proxy::runtime::sockets::BoundAddress;
use weir_store::Queue;
use weir_testkit::certificate::{self, Files};
use weir_testkit::client::connect_tls;
use weir_testkit::dns::NameServer;
use weir_testkit::port::ReservedPort;
use weir_tls::source::Certificates;
use weir_tools::mock::{Mock, MockOptions};

/// An example that runs.
pub(crate) struct Site {
    model: Model,
    /// None only between two lives.
    proxy: Option<Proxy>,
    pub(crate) address: SocketAddr,
    /// Where TLS is spoken, and a client that trusts what is served there.
    tls: Option<(SocketAddr, Arc<ClientConfig>)>,
    /// State of this run; gone with it.
    _state: Files,
    /// What the program serves itself with.
    served: PathBuf,
    /// By the ports that stand in the file.
    servers: BTreeMap<u16, Server>,
    /// Who is asked for names, where there are some: each has this machine's addresses.
    names: Option<NameServer>,
    /// Servers that the file does not name.
    others: JoinSet<()>,
}

/// The addresses of every name.
const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)];

/// A port at which a server can be, and at the second address already is.
async fn shared_port(others: &mut JoinSet<()>, echo: bool) -> ReservedPort {
    loop {
        let port = ReservedPort::new();
        let there = SocketAddr::from((ADDRESSES[1], port.address().port()));
        let options = MockOptions { debug: echo, ..MockOptions::default() };
        match Mock::bind(there, options).await {
            Ok(mock) => {
                others.spawn(mock.serve(std::future::pending()));
                return port;
            }
            // Somebody else is there; the next one is another port.
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// A server of an example.
struct Server {
    /// Where it really is, also when nobody listens there.
    port: ReservedPort,
    /// Ends it when it is dropped.
    running: JoinSet<()>,
}

impl Server {
    /// A mock with these options is there from now on.
    async fn serve(&mut self, options: MockOptions) {
        let mock = Mock::bind(self.port.address(), options).await.unwrap();
        self.running.spawn(mock.serve(std::future::pending()));
    }
}

impl Site {
    /// With `echo`, servers answer with the request as they got it.
    pub(crate) async fn start(mut model: Model, echo: bool) -> Self {
        let mut servers: BTreeMap<u16, Server> = BTreeMap::new();
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (mut names, mut others) = (None, JoinSet::new());
        for server in model.upstreams.iter_mut().flat_map(|upstream| &mut upstream.servers) {
            let (port, is_named) = match &mut server.address.transport {
                Transport::Ip(ip, port) => {
                    assert!(ip.is_loopback(), "an example runs on one machine");
                    (port, false)
                }
                Transport::Name(_, port) => (port, true),
                Transport::Unix(_) => panic!("no port"),
            };
            if is_named {
                let shared = shared_port(&mut others, echo).await;
                servers.insert(*port, Server { port: shared, running: JoinSet::new() });
                names.get_or_insert_with(|| NameServer::start(&ADDRESSES));
            }
            let server = servers
                .entry(*port)
                .or_insert_with(|| Server { port: ReservedPort::new(), running: JoinSet::new() });
            *port = server.port.address().port();
        }
        model.resolver.extend(names.iter().map(NameServer::address));
        for listen in &mut model.listen {
            listen.address = ListenAddress::Tcp(here);
        }
        model.access_log = AccessLog::Off;
        model.workers = Some(2);
        let state = Files::new();
        let served = keep_apart(&mut model, &state);
        own_inventory(&mut model, &served.with_file_name("inventory.conf"));
        // They are there before anybody looks how they are.
        for server in servers.values_mut() {
            server.serve(MockOptions { debug: echo, ..MockOptions::default() }).await;
        }
        let (proxy, address, tls) = serve(&model, &served);
        Self { model, proxy: Some(proxy), address, tls, _state: state, served, servers, names, others }
    }

    /// Where its servers stand in lines.
    pub(crate) fn inventory(&self) -> &Path {
        let inventory = self.model.upstreams.iter().find_map(|upstream| upstream.inventory.as_ref());
        &inventory.expect("the example has one").file
    }

    pub(crate) fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("it runs")
    }

    /// Ends it, and with it everything that it writes.
    pub(crate) async fn stop(mut self) {
        self.proxy.take().expect("it runs").stop().await;
    }

    /// Ends Weir and starts it again.
    pub(crate) async fn restart_proxy(&mut self) {
        self.proxy.take().expect("it runs").stop().await;
        let (proxy, address, tls) = serve(&self.model, &self.served);
        (self.proxy, self.address, self.tls) = (Some(proxy), address, tls);
    }

    /// Ends the server at this port of the file, with all its connections. Nobody is there afterwards.
    pub(crate) async fn kill(&mut self, port: u16) {
        self.servers.get_mut(&port).unwrap().running.shutdown().await;
    }

    /// A mock with these options is at this port of the file from now on.
    pub(crate) async fn restart(&mut self, port: u16, options: MockOptions) {
        self.kill(port).await;
        self.servers.get_mut(&port).unwrap().serve(options).await;
    }

    /// The server at this port of the file keeps heads of requests from now on, and answers 200.
    pub(crate) async fn record(&mut self, port: u16) -> Arc<Mutex<Vec<String>>> {
        self.kill(port).await;
        let server = self.servers.get_mut(&port).unwrap();
        let listener = TcpListener::bind(server.port.address()).await.unwrap();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&heads);
        server.running.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                record(stream, &kept).await;
            }
        });
        heads
    }

    /// One more server, which the file does not name: its address.
    pub(crate) async fn another(&mut self) -> String {
        let options = MockOptions { debug: true, ..MockOptions::default() };
        let mock = Mock::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), options).await.unwrap();
        let address = mock.address().to_string();
        self.others.spawn(mock.serve(std::future::pending()));
        address
    }

    /// Who is asked for names.
    pub(crate) fn names(&self) -> &NameServer {
        self.names.as_ref().expect("the example has a name")
    }

    /// The port that this one of the file really is.
    pub(crate) fn real_port(&self, port: u16) -> u16 {
        self.servers[&port].port.address().port()
    }

    pub(crate) fn status(&self) -> Status {
        self.proxy().status_source().status()
    }

    /// Requests that the server at this port of the file was sent.
    pub(crate) fn sent(&self, port: u16) -> u64 {
        let (name, status) = (name(port), self.status());
        let mut servers = status.upstreams.into_iter().flat_map(|upstream| upstream.servers);
        servers.find(|server| server.address == name).unwrap().requests_total
    }

    /// The queue of the example.
    pub(crate) fn queue(&self) -> QueueStatus {
        self.status().queues.remove(0)
    }

    /// Writes that some server has yet to get.
    pub(crate) fn held(&self) -> usize {
        self.queue().backlog_writes
    }

    fn queued(&self, port: u16) -> QueueServerStatus {
        let name = name(port);
        self.queue().servers.into_iter().find(|server| *server.name == *name).unwrap()
    }

    /// Writes that wait for the server at this port of the file.
    pub(crate) fn backlog(&self, port: u16) -> usize {
        self.queued(port).backlog
    }

    /// Writes that it has taken since Weir was started.
    pub(crate) fn delivered(&self, port: u16) -> u64 {
        self.queued(port).counts.delivered_total
    }

    pub(crate) fn dispatch(&self) -> DispatchStatus {
        self.status().dispatch
    }

    /// Copies of requests so far in this mode.
    pub(crate) fn copies(&self, mode: Mode) -> u64 {
        self.dispatch().copies[mode as usize].iter().sum()
    }

    pub(crate) async fn get(&self, host: &str, target: &str) -> Answer {
        self.ask("GET", host, target, "").await
    }

    /// Sends one request on a connection of its own.
    pub(crate) async fn ask(&self, method: &str, host: &str, target: &str, fields: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request(method, host, target, fields).as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        Answer::of(&answer)
    }

    /// The same with TLS.
    ///
    /// # Errors
    /// Why the handshake failed.
    pub(crate) async fn ask_tls(
        &self,
        method: &str,
        host: &str,
        target: &str,
        fields: &str,
    ) -> Result<Answer, String> {
        let (address, config) = self.tls.clone().unwrap();
        let (request, host) = (request(method, host, target, fields), host.to_owned());
        // The mocks run on this thread.
        let outcome = tokio::task::spawn_blocking(move || {
            let mut socket = connect_tls(address, &config, &host)?;
            Ok::<_, std::io::Error>(socket.send(request).read_to_end().0)
        });
        match outcome.await.unwrap() {
            Ok(answer) => Ok(Answer::of(&String::from_utf8(answer).unwrap())),
            Err(error) => Err(format!("{error:?}")),
        }
    }

    /// The port of the server that answered, as it stands in the file.
    pub(crate) fn port(&self, answer: &Answer) -> u16 {
        let port = answer.got()["port"].as_u64().unwrap();
        let found = self.servers.iter().find(|(_, server)| u64::from(server.port.address().port()) == port);
        *found.unwrap().0
    }

    /// The same as X-Backend-Server says it.
    pub(crate) fn winner(&self, answer: &Answer) -> u16 {
        let server = answer.field("x-backend-server").unwrap();
        server.rsplit(':').next().unwrap().parse().unwrap()
    }
}

/// The name of a server as the file has it; only what it leads to is another address here.
fn name(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// Weir with this configuration: it, where it listens, and where with TLS.
fn serve(model: &Model, served: &Path) -> (Proxy, SocketAddr, Option<(SocketAddr, Arc<ClientConfig>)>) {
    let directory = served.with_file_name("queue");
    let open = move |name: &str, catch_up, limits| queue(&directory, name, catch_up, limits);
    let proxy = Proxy::start(model, Arc::new(open)).unwrap();
    let Some(BoundAddress::Tcp(address)) = proxy.addresses().next().cloned() else { panic!("no TCP") };
    let secured = proxy.addresses().zip(&model.listen).find(|(_, listen)| listen.tls.is_some());
    let tls = secured.map(|(address, _)| {
        let BoundAddress::Tcp(address) = *address else { panic!("no TCP") };
        let served = std::fs::read_to_string(served).unwrap();
        (address, Arc::new(certificate::client(&served)))
    });
    (proxy, address, tls)
}

/// Keeps the head of each request of a connection, and answers.
async fn record(mut stream: TcpStream, heads: &Mutex<Vec<String>>) {
    let mut read = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        read.push(byte);
        if read.ends_with(b"\r\n\r\n") {
            heads.lock().unwrap().push(String::from_utf8(std::mem::take(&mut read)).unwrap());
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
            return;
        }
    }
}

/// Waits until this holds, while mocks on this thread go on.
pub(crate) async fn until(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    assert!(waited.is_ok(), "what is waited for did not come");
}

/// An inventory of its own, where the servers really are.
fn own_inventory(model: &mut Model, file: &Path) {
    let Some(upstream) = model.upstreams.iter_mut().find(|upstream| upstream.inventory.is_some()) else {
        return;
    };
    let listed = upstream.servers.iter().filter(|server| server.from_inventory);
    let line = |server: &weir_config::model::Server| match &server.address.transport {
        Transport::Ip(ip, port) => format!("{ip}:{port}\n"),
        Transport::Name(..) | Transport::Unix(_) => panic!("no port"),
    };
    let text: String = listed.map(line).collect();
    std::fs::write(file, &text).unwrap();
    if let Some(inventory) = &mut upstream.inventory {
        inventory.file = file.to_owned();
        inventory.content = text.into_bytes().into();
    }
}

/// A queue as the program has it, with its file in this directory.
fn queue(
    directory: &Path,
    name: &str,
    catch_up: CatchUp,
    limits: QueueLimits,
) -> Result<Arc<dyn WriteQueue>, String> {
    Ok(match catch_up {
        CatchUp::Durable => {
            Arc::new(Queue::open(directory, name, limits).map_err(|error| error.to_string())?)
        }
        CatchUp::Memory | CatchUp::Off => Arc::new(Queue::in_memory(name, limits)),
    })
}

pub(crate) fn request(method: &str, host: &str, target: &str, fields: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}Connection: close\r\n\r\n")
}

/// Keeps a certificate that is made at the start out of the project; where it will be.
fn keep_apart(model: &mut Model, state: &Files) -> PathBuf {
    let certificate = PathBuf::from(state.write("self_signed.pem", ""));
    for tls in model.listen.iter_mut().filter_map(|listen| listen.tls.as_mut()) {
        if let Certificates::SelfSigned(own) = &mut tls.source.certificates {
            own.directory = certificate.parent().unwrap().to_owned();
        }
    }
    certificate
}

/// What a client got.
pub(crate) struct Answer {
    pub(crate) status: u16,
    fields: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn of(answer: &str) -> Self {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        let (status, fields) = head.split_once("\r\n").unwrap();
        Self {
            status: status.split(' ').nth(1).unwrap().parse().unwrap(),
            fields: fields.to_owned(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.split("\r\n").filter_map(|line| line.split_once(": "));
        fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The request as the server got it.
    pub(crate) fn got(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The path as the server got it, without the base path that one of the servers has.
    pub(crate) fn path(&self) -> &str {
        let (_, path) = self.body.split_once("\"path\": \"").unwrap();
        let path = path.split('"').next().unwrap();
        path.strip_prefix("/shop").unwrap_or(path)
    }
}
