//! A server that reads all of a request before it answers, however large it is.
//!
//! A program of its own, so that it can be given a core. nginx answers what it knows the answer to before the body is there, and
//! then a proxy need not send the rest: what would be measured is how soon it stops.

use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// A head that is longer than this is none of a measurement; and how much is read at once.
const ROOM_BYTES: usize = 256 * 1024;

/// The command line of the program.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The body of every answer.
    body: String,
    /// Where to listen.
    listen: SocketAddr,
}

/// The program itself: serves until it is ended.
///
/// # Errors
/// When the address cannot be listened on.
pub(crate) fn serve(options: &Options) -> Result<()> {
    let Options { body, listen } = options;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer: Rc<[u8]> = answer.into_bytes().into();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener =
            TcpListener::bind(listen).await.with_context(|| format!("cannot listen on `{listen}`"))?;
        loop {
            let (client, _) = listener.accept().await?;
            let answer = Rc::clone(&answer);
            tokio::task::spawn_local(async move {
                // At the end of a run everybody hangs up in the middle. What else is wrong shows in what clients get.
                let _ended = answer_all(client, &answer).await;
            });
        }
    })
}

/// Answers one request after the other.
async fn answer_all(mut client: TcpStream, answer: &[u8]) -> Result<()> {
    client.set_nodelay(true)?;
    let mut room = vec![0; ROOM_BYTES];
    let mut filled = 0;
    loop {
        let (head, length) = loop {
            if let Some(end) = room[..filled].windows(4).position(|window| window == b"\r\n\r\n") {
                let length = length(&room[..end]).context("a request whose length is not in its head")?;
                break (end + 4, length);
            }
            let read = client.read(&mut room[filled..]).await?;
            if read == 0 {
                return Ok(());
            }
            filled += read;
        };
        let closes = says(&room[..head], b"connection: close");
        let whole = head as u64 + length;
        let mut got = filled as u64;
        while got < whole {
            let read = client.read(&mut room).await?;
            if read == 0 {
                bail!("the connection ended after {got} of {whole} bytes");
            }
            got += read as u64;
        }
        if got > whole {
            bail!("a request before the last one was answered");
        }
        filled = 0;
        client.write_all(answer).await?;
        if closes {
            client.shutdown().await?;
            return Ok(());
        }
    }
}

/// How long the body is. None where nobody says so, and `None` where it has another end than a length.
fn length(head: &[u8]) -> Option<u64> {
    let head = std::str::from_utf8(head).ok()?;
    let mut length = 0;
    for line in head.lines().skip(1) {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("transfer-encoding") {
            return None;
        }
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    Some(length)
}

fn says(head: &[u8], field: &[u8]) -> bool {
    head.windows(field.len()).any(|window| window.eq_ignore_ascii_case(field))
}

#[cfg(test)]
mod tests {
    use super::{length, says};

    #[test]
    fn a_body_is_as_long_as_its_head_says() {
        assert_eq!(length(b"GET / HTTP/1.1\r\nHost: a"), Some(0));
        assert_eq!(length(b"POST / HTTP/1.1\r\nHost: a:80\r\ncontent-LENGTH: 1048576"), Some(1_048_576));
        assert_eq!(length(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked"), None);
        assert_eq!(length(b"POST / HTTP/1.1\r\nContent-Length: many"), None);
        assert!(says(b"GET / HTTP/1.0\r\nConnection: Close\r\n\r\n", b"connection: close"));
    }
}
