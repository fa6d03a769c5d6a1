//! A bare relay of bytes: for every client one connection to the server, both directions copied, nothing parsed.
//!
//! It does the least that a proxy on this runtime can do, so its cost is the limit that Weir is held against. What follows a read that
//! filled its buffer is moved by the system and not copied (`splice`), which is the least for large bodies.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// As large as the proxy's own first read buffer is likely to be; small answers fit many times over.
const BUFFER: usize = 16 * 1024;

/// Bytes that a pipe holds.
const PIPE: usize = 1 << 20;

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

async fn relay(mut client: TcpStream, upstream: SocketAddr) -> io::Result<()> {
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
async fn copy(from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut pipe = None;
    loop {
        let read = from.read(&mut buffer).await?;
        to.write_all(&buffer[..read]).await?;
        let has_ended = match read {
            0 => true,
            BUFFER => {
                let pipe = match &mut pipe {
                    Some(pipe) => pipe,
                    None => pipe.insert(Pipe::open()?),
                };
                pipe.shift((*from).as_ref(), (*to).as_ref()).await?
            }
            _ => false,
        };
        if has_ended {
            return to.shutdown().await;
        }
    }
}

/// Through which the system moves bytes from one socket to the other.
struct Pipe {
    entry: OwnedFd,
    exit: OwnedFd,
}

impl Pipe {
    fn open() -> io::Result<Self> {
        let (exit, entry) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // Refused to a user who has too many pages in pipes; a small one does as well.
        let _ = fcntl_setpipe_size(&entry, PIPE);
        Ok(Self { entry, exit })
    }

    /// Moves what there is, until there is nothing more for now. Says whether that is the end.
    async fn shift(&self, from: &TcpStream, to: &TcpStream) -> io::Result<bool> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        loop {
            let taken =
                from.try_io(Interest::READABLE, || Ok(splice(from, None, &self.entry, None, PIPE, flags)?));
            let mut held = match taken {
                Ok(0) => return Ok(true),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            };
            while held > 0 {
                match to.try_io(Interest::WRITABLE, || Ok(splice(&self.exit, None, to, None, held, flags)?)) {
                    Ok(count) => held -= count,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => to.writable().await?,
                    Err(error) => return Err(error),
                }
            }
        }
    }
}
