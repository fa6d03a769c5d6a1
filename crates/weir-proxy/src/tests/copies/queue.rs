//! A queue of writes that believes nothing: it keeps count of what the driver of live copies tells it, and gives it the events
//! that the dice want. Who delivers here is not a part of Weir.

use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;
use tokio::task::spawn_local;
use weir_core::ports::queue::{
    AcceptError, AcceptedWrite, Deliver, Done, KeptAnswer, LocalFuture, NewWrite, QueueEvent, QueueStatus,
    QueuedWrite, Selection, Watch, WriteBody, WriteQueue,
};
use weir_core::queue::{Burial, Gate, Ledger, Outcome, QueueLimits, Sequence, ServerId, Verdict};
use weir_upstream::io::deadline::pause;

use super::journal::Stamp;
use crate::tests::dice::Dice;
use crate::tests::message::Incoming;

/// What is known of a write and a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// In the hands of the driver.
    Live,
    /// It waits.
    Backlog,
    /// The server has it.
    Taken(Stamp),
    /// A dead letter.
    Dead(Stamp),
    /// There is no write.
    Abandoned,
}

pub(super) struct Entry {
    pub request: usize,
    is_head: bool,
    pub live: Vec<usize>,
    pub fates: Vec<Fate>,
    /// Outcomes as they were told.
    pub settled: Vec<(usize, Outcome)>,
    /// The body, once it was supplied, as it was then and as it is kept.
    pub content: Option<Vec<u8>>,
    body: Option<Arc<dyn WriteBody>>,
    events: VecDeque<QueueEvent>,
    watcher: Option<Waker>,
    pub released: bool,
}

#[derive(Clone)]
pub(super) struct Backlogs(Arc<Mutex<State>>);

struct State {
    entries: Vec<Entry>,
    gates: Vec<Arc<Gate>>,
    dice: Dice,
    /// Of a hundred writes so many are not accepted.
    refuses: usize,
}

impl Backlogs {
    pub(super) fn new(mut dice: Dice) -> Self {
        let refuses = dice.one_of(&[0, 0, 0, 20]);
        Self(Arc::new(Mutex::new(State { entries: Vec::new(), gates: Vec::new(), dice, refuses })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn with_entries<T>(&self, look: impl FnOnce(&[Entry]) -> T) -> T {
        look(&self.state().entries)
    }

    /// All that waits is there to be read.
    pub(super) fn check_bodies(&self) {
        for entry in &self.state().entries {
            if let (Some(content), Some(body)) = (&entry.content, &entry.body) {
                assert!(read(&**body) == *content, "the kept body of {} has changed", entry.request);
            }
        }
    }

    /// Delivers, or does not.
    fn catch_up(&self, entry: usize, server: usize) {
        let (delay, what) = {
            let dice = &mut self.state().dice;
            (dice.delay(60), dice.below(6))
        };
        let books = self.clone();
        spawn_local(async move {
            pause(delay).await;
            let state = &mut *books.state();
            let write = &mut state.entries[entry];
            if write.content.is_none() || write.fates[server] != Fate::Backlog {
                return;
            }
            let number = ServerId(server as u32);
            let is_head = write.is_head;
            let answer = |status: u16| {
                let length = if is_head { 0 } else { 9 };
                let head = format!(
                    "HTTP/1.1 {status} X\r\nX-Answer: delivery-{server}\r\nConnection: x\r\nContent-Length: {length}\r\n\r\n"
                );
                Some(KeptAnswer {
                    head: head.into(),
                    body: Bytes::from_static(&b"delivered"[..length]),
                    cut: false,
                })
            };
            let event = match what {
                0 | 1 => QueueEvent::Delivered { server: number, status: 201, answer: answer(201) },
                2 => {
                    let burial = Burial::Refused { status: 409 };
                    QueueEvent::Buried { server: number, burial, answer: answer(409) }
                }
                3 => QueueEvent::Buried { server: number, burial: Burial::Expired, answer: None },
                _ => return,
            };
            write.fates[server] = match event {
                QueueEvent::Delivered { .. } => Fate::Taken(Stamp::now()),
                QueueEvent::Buried { .. } => Fate::Dead(Stamp::now()),
            };
            write.tidy();
            write.events.push_back(event);
            write.watcher.take().into_iter().for_each(Waker::wake);
        });
    }
}

impl Entry {
    /// What nobody needs any more is not kept.
    fn tidy(&mut self) {
        if !self.fates.iter().any(|fate| matches!(fate, Fate::Live | Fate::Backlog | Fate::Dead(_))) {
            self.body = None;
        }
    }
}

fn read(body: &dyn WriteBody) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut pieces = body.open();
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        // It is in memory.
        let Poll::Ready(piece) = pin!(pieces.next()).as_mut().poll(&mut cx) else { panic!("it waits") };
        match piece.unwrap() {
            Some(piece) => bytes.extend_from_slice(&piece),
            None => return bytes,
        }
    }
}

impl WriteQueue for Backlogs {
    fn is_durable(&self) -> bool {
        false
    }

    fn configure(&self, servers: &[&str]) -> Vec<Arc<Gate>> {
        let gates = Ledger::new(QueueLimits::default(), Sequence(1)).configure(servers, Duration::ZERO);
        self.state().gates.clone_from(&gates);
        gates
    }

    fn accept(
        &self,
        write: NewWrite,
        body: Option<Arc<dyn WriteBody>>,
    ) -> LocalFuture<'_, Result<Box<dyn AcceptedWrite>, AcceptError>> {
        Box::pin(async move {
            let delay = self.state().dice.delay(3);
            if !delay.is_zero() {
                pause(delay).await;
            }
            let state = &mut *self.state();
            if state.dice.percent(state.refuses) {
                return Err(AcceptError::Full);
            }
            let mut head = Incoming::request();
            head.feed(&write.head);
            let request = head.field("X-Client").unwrap().parse().unwrap();
            assert!(head.field("Idempotency-Key").is_some(), "a write has a key");
            let servers = state.gates.len();
            assert!(write.targets.iter().map(|target| target.server.index()).eq(0..servers), "all are asked");
            let waits =
                |server: &usize| state.entries.iter().any(|entry| entry.fates[*server] == Fate::Backlog);
            let gated: Vec<usize> = (0..servers).filter(waits).collect();
            let live: Vec<usize> = (0..servers).filter(|server| !gated.contains(server)).collect();
            let fate = |server| if gated.contains(&server) { Fate::Backlog } else { Fate::Live };
            state.entries.push(Entry {
                request,
                is_head: head.method() == "HEAD",
                live: live.clone(),
                fates: (0..servers).map(fate).collect(),
                settled: Vec::new(),
                content: body.as_deref().map(read),
                body,
                events: VecDeque::new(),
                watcher: None,
                released: false,
            });
            let entry = state.entries.len() - 1;
            for server in gated {
                let books = self.clone();
                // The guard is held.
                spawn_local(async move { books.catch_up(entry, server) });
            }
            let live = live.into_iter().map(|server| ServerId(server as u32)).collect();
            Ok(Box::new(Accepted { books: self.clone(), entry, live }) as Box<dyn AcceptedWrite>)
        })
    }

    fn run(&self, _: Rc<dyn Deliver>) -> LocalFuture<'_, ()> {
        Box::pin(pending())
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

struct Accepted {
    books: Backlogs,
    entry: usize,
    live: SmallVec<[ServerId; 4]>,
}

impl AcceptedWrite for Accepted {
    fn sequence(&self) -> Sequence {
        Sequence(self.entry as u64)
    }

    fn live(&self) -> &[ServerId] {
        &self.live
    }

    fn supply(&mut self, body: Arc<dyn WriteBody>) {
        let entry = &mut self.books.state().entries[self.entry];
        assert!(entry.content.is_none(), "supplied twice");
        entry.content = Some(read(&*body));
        entry.body = Some(body);
        entry.tidy();
        let waiting: Vec<usize> =
            (0..entry.fates.len()).filter(|server| entry.fates[*server] == Fate::Backlog).collect();
        for server in waiting {
            let (books, entry) = (self.books.clone(), self.entry);
            spawn_local(async move { books.catch_up(entry, server) });
        }
    }

    fn settle(&mut self, server: ServerId, outcome: Outcome) {
        let place = server.index();
        {
            let entry = &mut self.books.state().entries[self.entry];
            assert!(entry.live.contains(&place), "it is not live");
            assert_eq!(entry.fates[place], Fate::Live, "settled twice");
            entry.settled.push((place, outcome));
            entry.fates[place] = match outcome.verdict() {
                Verdict::Delivered => Fate::Taken(Stamp::now()),
                Verdict::Refused => Fate::Dead(Stamp::now()),
                Verdict::Again => Fate::Backlog,
            };
            entry.tidy();
        }
        if outcome.verdict() == Verdict::Again {
            self.books.catch_up(self.entry, place);
        }
    }

    fn watch(&mut self) -> Box<dyn Watch> {
        Box::new(Watching { books: self.books.clone(), entry: self.entry })
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        let mut handed_over = Vec::new();
        {
            let entry = &mut self.books.state().entries[self.entry];
            entry.released = true;
            let whole = entry.content.is_some();
            for (server, fate) in entry.fates.iter_mut().enumerate() {
                match fate {
                    Fate::Live | Fate::Backlog if !whole => *fate = Fate::Abandoned,
                    Fate::Live => {
                        *fate = Fate::Backlog;
                        handed_over.push(server);
                    }
                    _ => {}
                }
            }
            entry.tidy();
        }
        for server in handed_over {
            self.books.catch_up(self.entry, server);
        }
    }
}

struct Watching {
    books: Backlogs,
    entry: usize,
}

impl Watch for Watching {
    fn next(&mut self) -> LocalFuture<'_, QueueEvent> {
        Box::pin(poll_fn(|cx| {
            let entry = &mut self.books.state().entries[self.entry];
            match entry.events.pop_front() {
                Some(event) => Poll::Ready(event),
                None => {
                    entry.watcher = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        }))
    }
}
