//! The least that bringing messages to servers can cost: what a client sends goes to the next server on a connection of its own, and what
//! comes back goes to the client. Nobody looks at policies, and nothing is parsed but registrations.
//!
//! Both sides say in one segment what they have to say, which only holds in this measurement.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// No message of the measurement is longer.
const BUFFER: usize = 4096;

/// Who has registered, and whose turn it is.
#[derive(Default)]
struct Servers {
    known: RefCell<Vec<SocketAddr>>,
    turn: Cell<usize>,
}

impl Servers {
    fn next(&self) -> Option<SocketAddr> {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let known = self.known.borrow();
        known.get(turn % known.len().max(1)).copied()
    }
}

/// Serves until the process is ended, on an address that is printed as the proxy prints its own.
///
/// # Errors
/// When the system gives no address.
pub(crate) fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        eprintln!("listening address={}\nstarted", listener.local_addr()?);
        let servers = Rc::new(Servers::default());
        loop {
            let (client, peer) = listener.accept().await?;
            let servers = Rc::clone(&servers);
            tokio::task::spawn_local(async move {
                // Either side's end ends it; there is nobody to tell and nothing to repair.
                let _ended = serve(client, peer, &servers).await;
            });
        }
    })
}

async fn serve(mut client: TcpStream, peer: SocketAddr, servers: &Servers) -> Result<()> {
    client.set_nodelay(true)?;
    let mut bytes = [0; BUFFER];
    loop {
        let count = client.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        if bytes[..count].starts_with(b"{\"type\": 1") {
            let said: Value = serde_json::from_slice(&bytes[..count])?;
            let port = said["listenport"].as_u64().context("no port")?;
            servers.known.borrow_mut().push(SocketAddr::new(peer.ip(), u16::try_from(port)?));
            client.write_all(b"{\"type\": 1}").await?;
            continue;
        }
        let mut server = TcpStream::connect(servers.next().context("no server")?).await?;
        server.set_nodelay(true)?;
        server.write_all(&bytes[..count]).await?;
        let count = server.read(&mut bytes).await?;
        drop(server);
        client.write_all(&bytes[..count]).await?;
    }
}
