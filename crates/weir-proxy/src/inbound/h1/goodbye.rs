//! Ending a connection so that the client gets all that was written to it.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use weir_upstream::io::buffer::ReadBuffer;
use weir_upstream::io::deadline::Wait;

use crate::inbound::client::Client;
use crate::inbound::sight::Doing;
use crate::runtime::worker::Worker;

/// How long and how much is read from a client that was answered before it had said everything (`semantics.md` §1.7).
const LINGER_TIME: Duration = Duration::from_secs(1);
/// See [`LINGER_TIME`].
const LINGER_BYTES_MAX: usize = 256 * 1024;

/// Ends our side; the client has been read to the end of its request.
pub(super) async fn close(worker: &Worker, client: &Client) {
    client.sight.does(Doing::Closing);
    client.deadlines.clear_all();
    client.deadlines.set(Wait::ClientWrite, worker.snapshot().timeouts.client_write);
    // The connection ends either way.
    let _ = client.deadlines.guard(pin!(poll_fn(|cx| client.stream.poll_shutdown(cx)))).await;
}

/// Ends our side, and reads and forgets what the client is still sending: closing with unread bytes would be a reset, which
/// can destroy the answer on its way (RFC 9112 §9.6).
pub(super) async fn linger(client: &Client, mut buffer: ReadBuffer) {
    client.sight.does(Doing::Closing);
    client.deadlines.clear_all();
    client.deadlines.set(Wait::ClientIdle, LINGER_TIME);
    let mut left = LINGER_BYTES_MAX;
    let mut ended = false;
    let drained = poll_fn(|cx| {
        // The last word of TLS may have to wait until the client, which waits for us to read, takes something again.
        ended = ended || client.stream.poll_shutdown(cx).is_ready();
        loop {
            let unread = buffer.unread().len();
            buffer.consume(unread);
            match client.stream.poll_read(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(count)) if count > 0 && count <= left => left -= count,
                Poll::Ready(_) => return Poll::Ready(()),
            }
        }
    });
    // Whether the client stopped or the time is over, the connection ends now.
    let _ = client.deadlines.guard(pin!(drained)).await;
}
