//! A bare relay of bytes: for every client one connection to the server, both directions copied, nothing parsed.
//!
//! It does the least that a proxy on this runtime can do, so its cost is the limit that Weir is held against.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// As large as the proxy's own first read buffer is likely to be; small answers fit many times over.
const BUFFER: usize = 16 * 1024;

/// Serves until the process is ended.
///
/// # Errors
/// When the address cannot be listened on.
pub(crate) fn run(listen: SocketAddr, upstream: SocketAddr) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener =
            TcpListener::bind(listen).await.with_context(|| format!("cannot listen on `{listen}`"))?;
        loop {
            let (client, _) = listener.accept().await?;
            tokio::task::spawn_local(async move {
                // Either side's end ends the pair; there is nobody to tell and nothing to repair.
                let _ended = relay(client, upstream).await;
            });
        }
    })
}

async fn relay(mut client: TcpStream, upstream: SocketAddr) -> std::io::Result<()> {
    let mut server = TcpStream::connect(upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    tokio::try_join!(copy(&mut from_client, &mut to_server), copy(&mut from_server, &mut to_client))?;
    Ok(())
}

/// Copies until the end. A read through the half and not `try_read`: it knows that a short read has emptied the socket,
/// and saves the second system call that would say so.
async fn copy<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(from: &mut R, to: &mut W) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer).await? {
            0 => return to.shutdown().await,
            read => to.write_all(&buffer[..read]).await?,
        }
    }
}
