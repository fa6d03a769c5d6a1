//! Mocks as processes of their own, which are killed and started again.

use std::net::{Ipv4Addr, SocketAddr};

use super::process::{Running, answer, send};

/// A mock as a process.
pub(crate) struct Mock {
    pub address: SocketAddr,
    pub running: Running,
}

impl Mock {
    /// At this address, with these words beside it.
    pub(crate) fn start(address: SocketAddr, words: &[&str]) -> Self {
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        let mut running =
            Running::start(&[&["mock", port.as_str(), "--listen", &ip, "--control"], words].concat());
        let address = running.address("listening on http://");
        Self { address, running }
    }

    /// An address that nobody else takes while the mock is dead: connections that are opened meanwhile come from 127.0.0.1.
    pub(crate) fn anywhere() -> Self {
        let [_, high, middle, low] = std::process::id().to_be_bytes();
        Self::start(SocketAddr::new(Ipv4Addr::new(127, high | 1, middle, low).into(), 0), &[])
    }

    /// Says how it behaves from now on.
    pub(crate) fn behave(&self, how: &str) {
        let told = answer(send(self.address, "PUT", "/_mock", how));
        assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
    }
}
