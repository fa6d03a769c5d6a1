//! A queue that does not know one of the servers. In a build without debug assertions the gates of all servers behind that one
//! were taken for those of their neighbours: what one of them had got was settled for another, and the last one got nothing.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use weir_core::ports::queue::{
    AcceptError, AcceptedWrite, Deliver, Done, LocalFuture, NewWrite, QueueStatus, QueuedWrite, Selection,
    WriteBody, WriteQueue,
};
use weir_core::queue::{Gate, Ledger, QueueLimits, Sequence};

use super::rig::{Rig, WIDE, expect_last, paused_with, rest, say};

/// Knows all servers but the last one, and must not be asked for anything.
struct Forgetful;

impl WriteQueue for Forgetful {
    fn is_durable(&self) -> bool {
        false
    }

    fn configure(&self, servers: &[&str]) -> Vec<Arc<Gate>> {
        let known = &servers[..servers.len() - 1];
        Ledger::new(QueueLimits::default(), Sequence(1)).configure(known, Duration::ZERO)
    }

    fn accept(
        &self,
        _: NewWrite,
        _: Option<Arc<dyn WriteBody>>,
    ) -> LocalFuture<'_, Result<Box<dyn AcceptedWrite>, AcceptError>> {
        panic!("a write for servers that it does not know")
    }

    fn run(&self, _: Rc<dyn Deliver>) -> LocalFuture<'_, ()> {
        unreachable!("nobody asks")
    }

    fn status(&self) -> QueueStatus {
        unreachable!("nobody asks")
    }

    fn list(&self, _: Selection, _: Sequence, _: usize) -> LocalFuture<'_, io::Result<Vec<QueuedWrite>>> {
        unreachable!("nobody asks")
    }

    fn body(&self, _: Sequence) -> LocalFuture<'_, io::Result<Option<Arc<dyn WriteBody>>>> {
        unreachable!("nobody asks")
    }

    fn retry(&self, _: Selection) -> LocalFuture<'_, io::Result<Done>> {
        unreachable!("nobody asks")
    }

    fn discard(&self, _: Selection) -> LocalFuture<'_, io::Result<Done>> {
        unreachable!("nobody asks")
    }

    fn set_limits(&self, _: QueueLimits) {}

    fn close(&self) {}
}

#[test]
fn a_write_for_a_server_that_its_queue_does_not_know_is_refused_and_counted() {
    let config = "services: [{host: '*', routes: [{path: /, upstream: u, dispatch: {mode: duplicate}}]}]\n\
                  upstreams: {u: {servers: ['127.0.0.1:1', '127.0.0.1:2']}}";
    let open = Arc::new(|_: &str, _, _| Ok(Arc::new(Forgetful) as Arc<dyn WriteQueue>));
    paused_with(config, open, async |rig: Rig| {
        let count = || rig.snapshot.upstreams[0].verdicts.unplaced.load(Ordering::Relaxed);
        for before in 0..2 {
            assert_eq!(count(), before);
            let (mut client, serving) = rig.client(WIDE);
            say(&mut client, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx")
                .await;
            expect_last(&rest(&mut client).await, 503);
            serving.await.unwrap();
        }
        assert_eq!((count(), rig.counters.panics.value()), (2, 0));
        rig.expect_idle();
    });
}
