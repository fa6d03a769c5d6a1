//! TLS on listeners: everything that a client can do with it, good and bad. Which files are served, and what happens when
//! they change, is in [`certificates`](crate::certificates).

mod clients;
mod fields;
mod names;
mod programs;
mod refused;
mod requests;
mod sessions;
mod waiting;
mod websocket;

use std::sync::Arc;

use rustls::ClientConfig;
use weir_testkit::certificate::{self, Authority, Certificate, Files};
use weir_testkit::client::connect_tls;
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;
use weir_testkit::socket::Socket;

/// The name on the certificate of most tests, and the host of their requests.
const HOST: &str = "a.test";

/// An authority that clients believe, and files for what it signs.
struct Front {
    root: Authority,
    files: Files,
}

impl Front {
    fn new() -> Self {
        Self { root: Authority::new("Root"), files: Files::new() }
    }

    /// A certificate for these names, as a listener names it.
    fn certificate(&self, file: &str, names: &[&str]) -> String {
        self.written(file, &self.root.issue(names))
    }

    /// This certificate as a listener names it.
    fn written(&self, file: &str, certificate: &Certificate) -> String {
        let both = self.files.write(file, format!("{}{}", certificate.chain, certificate.key));
        let issuer = self.files.write("root.pem", &self.root.pem);
        format!("certificate: {both}, key: {both}, issuer: {issuer}")
    }

    /// The line of a configuration for a listener with a certificate for [`HOST`], and with this besides.
    fn listen(&self, more: &str) -> String {
        listen(&format!("{}, {more}", self.certificate("a.pem", &[HOST])))
    }

    /// A proxy to this server.
    fn to(&self, server: &Server) -> Running {
        proxy::with(server, &self.listen(""))
    }

    /// A client that believes the authority.
    fn client(&self) -> Arc<ClientConfig> {
        Arc::new(certificate::client(&self.root.pem))
    }

    /// A connection that asks for [`HOST`].
    fn connect(&self, proxy: &Running) -> Socket {
        connect_tls(proxy.address(), &self.client(), HOST).unwrap()
    }
}

/// The line of a configuration for a listener with this `tls`.
fn listen(tls: &str) -> String {
    format!("listen: {{address: '127.0.0.1:0', tls: {{{tls}}}}}\n")
}

/// A GET request for this host.
fn get_from(host: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
}
