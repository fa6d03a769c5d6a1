//! A bug on a request's way (`semantics.md` §4.2): it costs one exchange, is counted, and the worker goes on with all others.
//!
//! The bug is played by a connection to a server that panics when it is read or written, which is deep within an exchange.

use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::task::JoinHandle;
use weir_upstream::io::pipe::Resetter;

use super::rig::{DEFAULTS, GET, OK, Rig, WIDE, expect_last, head, paused, rest, say, seconds, take};

/// A worker with a request under way at its server, which goes on after whatever befalls others.
struct Other {
    client: DuplexStream,
    serving: JoinHandle<()>,
    server: DuplexStream,
}

impl Other {
    async fn begin(rig: &Rig) -> Self {
        let mut server = rig.keep(0, WIDE);
        let (mut client, serving) = rig.client(WIDE);
        say(&mut client, GET).await;
        head(&mut server).await;
        say(&mut server, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
        assert_eq!(take(&mut client, 5).await, "hello");
        Self { client, serving, server }
    }

    /// It gets the rest of its answer, and both its connections serve another request.
    async fn end(mut self) {
        say(&mut self.server, "there").await;
        assert_eq!(take(&mut self.client, 5).await, "there");
        let request = "GET /again HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        say(&mut self.client, request).await;
        assert!(head(&mut self.server).await.starts_with("GET /again "));
        say(&mut self.server, OK).await;
        assert!(rest(&mut self.client).await.ends_with("\r\n\r\nok"));
        self.serving.await.unwrap();
    }
}

/// The next request, on connections of its own.
async fn expect_another(rig: &Rig) {
    let mut server = rig.keep(0, WIDE);
    let (mut client, serving) = rig.client(WIDE);
    say(&mut client, GET).await;
    head(&mut server).await;
    say(&mut server, OK).await;
    assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
    drop(client);
    serving.await.unwrap();
}

/// A request for a server whose connection is this one.
async fn ask(rig: &Rig) -> (DuplexStream, JoinHandle<()>, DuplexStream, Resetter) {
    let (server, bug) = rig.keep_that_resets(0, WIDE, seconds(1 << 20));
    let (mut client, serving) = rig.client(WIDE);
    // What is behind it must not be taken for a request: nobody knows in what state the connection is.
    say(&mut client, &GET.repeat(2)).await;
    (client, serving, server, bug)
}

#[test]
fn semantics_4_2_a_panic_before_the_answer_is_a_500() {
    paused(DEFAULTS, async |rig: Rig| {
        let other = Other::begin(&rig).await;
        for count in 1..=3 {
            let (mut client, serving, mut server, bug) = ask(&rig).await;
            head(&mut server).await;
            bug.panic();
            say(&mut server, OK).await;
            expect_last(&rest(&mut client).await, 500);
            serving.await.unwrap();
            assert_eq!(rig.counters.panics.value(), count);
            // Its connection to the server is gone with it.
            assert!(!bug.is_open());
            assert_eq!(rest(&mut server).await, "");
            expect_another(&rig).await;
        }
        other.end().await;
        rig.expect_idle();
        assert_eq!(rig.counters.panics.value(), 3);
    });
}

#[test]
fn semantics_4_2_a_panic_within_an_answer_cuts_it() {
    for begin in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        paused(DEFAULTS, async |rig: Rig| {
            let other = Other::begin(&rig).await;
            let (mut client, serving, mut server, bug) = ask(&rig).await;
            head(&mut server).await;
            say(&mut server, begin).await;
            assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
            let is_chunked = begin.contains("chunked");
            let said = if is_chunked { "5\r\nhello\r\n" } else { "hello" };
            assert_eq!(take(&mut client, said.len()).await, said);
            bug.panic();
            say(&mut server, "there").await;
            let mut behind = Vec::new();
            // The end may be a reset.
            let _ = client.read_to_end(&mut behind).await;
            assert_eq!(String::from_utf8(behind).unwrap(), "", "neither an end nor another answer");
            serving.await.unwrap();
            assert_eq!(rig.counters.panics.value(), 1);
            assert!(!bug.is_open());
            expect_another(&rig).await;
            other.end().await;
            rig.expect_idle();
        });
    }
}
