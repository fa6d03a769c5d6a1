//! Readiness and correctness, asked over a plain connection before anything is measured.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::child::{Running, pause};

/// Two and a half minutes of [`pause`]s would be a hang; ten seconds are plenty to start anything here.
const TRIES: usize = 500;

/// A port of this machine that nobody listens on now.
///
/// # Errors
/// When there is none left.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0)).context("no free port")?.local_addr()?)
}

/// Waits until something listens there.
///
/// # Errors
/// When the program ends first, or does not listen in time.
pub(crate) fn wait_until_ready(name: &str, address: SocketAddr, running: &mut Running) -> Result<()> {
    for _ in 0..TRIES {
        if TcpStream::connect(address).is_ok() {
            return Ok(());
        }
        if let Some(status) = running.ended() {
            bail!("{name} ended before it listened on {address}: {status}");
        }
        pause();
    }
    bail!("{name} does not listen on {address} after {TRIES} tries")
}

/// Sends one request and makes sure that the answer is the one the server gives.
///
/// # Errors
/// When it is not; the message shows its beginning.
pub(crate) fn check(name: &str, address: SocketAddr, body: &str) -> Result<()> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(connection, "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).with_context(|| format!("{name} does not end its answer"))?;
    let answer = String::from_utf8_lossy(&answer);
    if !answer.starts_with("HTTP/1.1 200 ") || !answer.ends_with(&format!("\r\n\r\n{body}")) {
        bail!("{name} gives another answer than the server:\n{answer:.400}");
    }
    Ok(())
}
