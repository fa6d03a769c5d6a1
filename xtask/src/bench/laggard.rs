//! Servers that are slow now and then: four answers in a hundred take forty times as long.
//!
//! A program of its own, so that it can be given a core. Which answers are slow is settled by their number alone, so every run
//! has the same share of them, and no two servers the same ones.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use super::counter;

/// How long an answer takes. Many times the step of the runtime's timers, which is a millisecond.
const FAST: Duration = Duration::from_millis(5);
/// How long a slow one takes.
const SLOW: Duration = Duration::from_millis(200);
/// One in so many is slow.
const BLOCK: u64 = 25;

/// A request that is longer than this is none of a measurement.
const HEAD_BYTES: usize = 8192;

/// The command line of the program.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The body of every answer.
    body: String,
    /// Where to listen, one server at each.
    addresses: Vec<SocketAddr>,
}

/// What one server is.
struct Server {
    number: u64,
    /// Requests so far.
    answers: Cell<u64>,
    answer: Rc<[u8]>,
    all: Arc<AtomicU64>,
}

/// The program itself: serves until it is ended, and says how many requests it got when it is asked.
///
/// # Errors
/// When an address cannot be listened on.
pub(crate) fn serve(options: &Options) -> Result<()> {
    let Options { body, addresses } = options;
    let all = counter::answer();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer: Rc<[u8]> = answer.into_bytes().into();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut listening = Vec::new();
        for (number, address) in (0..).zip(addresses) {
            let listener =
                TcpListener::bind(address).await.with_context(|| format!("cannot listen on `{address}`"))?;
            let server =
                Server { number, answers: Cell::new(0), answer: Rc::clone(&answer), all: Arc::clone(&all) };
            listening.push(tokio::task::spawn_local(accept(listener, Rc::new(server))));
        }
        for one in listening {
            one.await??;
        }
        Ok(())
    })
}

async fn accept(listener: TcpListener, server: Rc<Server>) -> io::Result<()> {
    loop {
        let (client, _) = listener.accept().await?;
        client.set_nodelay(true)?;
        let server = Rc::clone(&server);
        tokio::task::spawn_local(async move {
            // A client that goes away in the middle is one whose hedge was faster.
            let _ended = answer(client, &server).await;
        });
    }
}

async fn answer(mut client: TcpStream, server: &Server) -> io::Result<()> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    loop {
        while !head.ends_with(b"\r\n\r\n") {
            if client.read_buf(&mut head).await? == 0 || head.len() > HEAD_BYTES {
                return Ok(());
            }
        }
        let closes = head.windows(17).any(|field| field.eq_ignore_ascii_case(b"connection: close"));
        head.clear();
        server.all.fetch_add(1, Relaxed);
        let number = server.answers.replace(server.answers.get() + 1);
        wait(if is_slow(server.number, number) { SLOW } else { FAST }).await;
        client.write_all(&server.answer).await?;
        if closes {
            return client.shutdown().await;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a server that takes its time; nothing of the proxy runs here")]
async fn wait(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Whether this answer of this server is a slow one: one in each block, at a place that nobody can get into step with.
fn is_slow(server: u64, answer: u64) -> bool {
    let block = answer / BLOCK;
    // The end of splitmix64, which spreads neighbours over all numbers.
    let mut mixed = (block * 3 + server).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    answer % BLOCK == (mixed ^ (mixed >> 31)) % BLOCK
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, FAST, SLOW, is_slow};

    #[test]
    fn four_in_a_hundred_take_forty_times_as_long() {
        assert_eq!(SLOW, FAST * 40);
        for server in 0..3 {
            assert_eq!((0..100_000).filter(|answer| is_slow(server, *answer)).count(), 4000);
        }
    }

    #[test]
    fn servers_are_slow_at_different_times() {
        let both = (0..100_000).filter(|answer| is_slow(0, *answer) && is_slow(1, *answer)).count();
        // By chance: one in 25 × 25.
        assert!((80..=240).contains(&both), "{both}");
        let places: Vec<u64> = (0..1000)
            .map(|block| {
                (0..BLOCK).position(|place| is_slow(0, block * BLOCK + place)).map_or(0, |place| place as u64)
            })
            .collect();
        assert!((0..BLOCK).all(|place| places.contains(&place)));
    }
}
