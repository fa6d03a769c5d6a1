//! The queue as others see it: the port, over the books.

use std::fmt;
use std::fs::File;
use std::future::pending;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::Semaphore;
use weir_core::ports::queue::{
    AcceptError, AcceptedWrite, Deliver, Done, LocalFuture, NewWrite, QueueStatus, QueuedWrite, Selection,
    WriteBody, WriteQueue,
};
use weir_core::queue::{Company, Gate, Ledger, QueueLimits, Sequence};

use super::accepted::Accepted;
use super::books::Books;
use super::clock::Clock;
use super::people::Act;
use super::place::Place;
use super::{deliverer, incoming, succession};
use crate::file::{self, Lock, OpenError};

/// A queue of writes, in memory or in a file. Dropping it writes what is still to be written and gives the file free.
pub struct Queue {
    books: Arc<Books>,
    /// Held by whoever delivers.
    deliverer: Semaphore,
    file: Mutex<Option<OpenFile>>,
    /// Says that this process delivers. Given up when the file is closed.
    lock: Arc<Mutex<Option<File>>>,
}

/// What keeps a file ours.
struct OpenFile {
    writer: JoinHandle<()>,
}

impl Queue {
    /// One in memory: what waits in it is lost with the process.
    pub fn in_memory(name: &str, limits: QueueLimits) -> Self {
        let ledger = Ledger::new(limits, Sequence(1));
        Self::over(Books::new(name, Clock::new(), Place::in_memory(), ledger, Vec::new()), None, None)
    }

    /// One in a file of this name in the directory, which are made where they are not there. All that is in the file waits again,
    /// also what nobody was answered (`semantics.md` §3.3). Reads the whole file: call it before anything runs.
    ///
    /// # Errors
    /// The file can't be used, or can't be trusted. It is not changed then.
    pub fn open(directory: &Path, name: &str, limits: QueueLimits) -> Result<Self, OpenError> {
        Self::open_with(directory, name, limits, None)
    }

    /// One in a file of at most so many pages of 4 KiB: a disk that gets full, for tests.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_bounded(
        directory: &Path,
        name: &str,
        limits: QueueLimits,
        pages_max: u32,
    ) -> Result<Self, OpenError> {
        Self::open_with(directory, name, limits, Some(pages_max))
    }

    fn open_with(
        directory: &Path,
        name: &str,
        limits: QueueLimits,
        pages_max: Option<u32>,
    ) -> Result<Self, OpenError> {
        Ok(Self::over_file(name, limits, file::open(directory, name, pages_max)?).0)
    }

    /// As [`open`](Self::open), also while another process has the queue: then writes are put into the file beside those of the other
    /// one, nothing is delivered, and every server counts as having a backlog. When the other process lets go of the queue this one
    /// takes it over, with all that waits.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_shared(directory: &Path, name: &str, limits: QueueLimits) -> Result<Self, OpenError> {
        let (queue, awaited) = Self::over_file(name, limits, file::open_shared(directory, name)?);
        if let (Some(awaited), Place::File { inbox, .. }) = (awaited, &queue.books.place) {
            queue.books.change(|ledger, now, _| ledger.set_company(Company::Waits, now));
            let (books, inbox) = (Arc::clone(&queue.books), Arc::clone(inbox));
            succession::await_lock(books, inbox, awaited, Arc::clone(&queue.lock))
                .map_err(|source| OpenError::Io { path: directory.to_owned(), source })?;
        }
        Ok(queue)
    }

    /// Over a file that is open; and its lock, if that is another process's.
    fn over_file(
        name: &str,
        limits: QueueLimits,
        (opened, stored): (file::Opened, file::Stored),
    ) -> (Self, Option<File>) {
        let mut ledger = Ledger::new(limits, stored.next);
        for server in &stored.servers {
            ledger.server(server);
        }
        for write in stored.writes {
            ledger.restore(write);
        }
        let place = Place::File { inbox: opened.inbox, reader: opened.reader };
        let books = Books::new(name, Clock::new(), place, ledger, stored.servers);
        let file = OpenFile { writer: opened.writer };
        let (ours, awaited) = match opened.lock {
            Lock::Ours(lock) => (Some(lock), None),
            Lock::Awaited(lock) => (None, Some(lock)),
        };
        (Self::over(books, Some(file), ours), awaited)
    }

    fn over(books: Books, file: Option<OpenFile>, lock: Option<File>) -> Self {
        Self {
            books: Arc::new(books),
            deliverer: Semaphore::new(1),
            file: Mutex::new(file),
            lock: Arc::new(Mutex::new(lock)),
        }
    }

    /// The time of its clock, for tests.
    #[cfg(test)]
    pub(super) fn books_now(&self) -> std::time::Duration {
        self.books.clock.now()
    }

    /// Waits until then, for tests.
    #[cfg(test)]
    pub(super) async fn books_wait(&self, until: std::time::Duration) {
        self.books.clock.wait(Some(until)).await;
    }

    /// Keeps the writer from writing until the sender is used or dropped, for tests.
    #[cfg(test)]
    pub(super) fn hold_writer(&self) -> std::sync::mpsc::SyncSender<()> {
        let Place::File { inbox, .. } = &self.books.place else { panic!("in memory nothing is written") };
        let (begun, held) = std::sync::mpsc::sync_channel(1);
        let (release, released) = std::sync::mpsc::sync_channel::<()>(1);
        inbox.flush(Box::new(move |_| {
            let _ = begun.send(());
            let _ = released.recv();
        }));
        held.recv().expect("the writer runs");
        release
    }

    async fn accept_any(
        &self,
        write: NewWrite,
        body: Option<Arc<dyn WriteBody>>,
    ) -> Result<Accepted, AcceptError> {
        if let Place::File { inbox, .. } = &self.books.place {
            let missing =
                || io::Error::new(io::ErrorKind::InvalidInput, "a durable queue takes whole bodies");
            let body = body.ok_or_else(|| AcceptError::Body(missing()))?;
            return incoming::accept(&self.books, inbox, write, body).await;
        }
        let body_bytes = body.as_ref().map_or(0, |body| body.bytes() + body.trailers().len() as u64);
        let bytes = write.head.len() as u64 + body_bytes;
        let room = self.books.reserve(bytes).map_err(|_| AcceptError::Full)?;
        let whole = body.is_some();
        let (sequence, live) = self.books.accept_in_memory(room, write.head, &write.targets, body);
        Ok(Accepted::new(Arc::clone(&self.books), sequence, live, write.targets.len(), whole))
    }
}

impl WriteQueue for Queue {
    fn is_durable(&self) -> bool {
        self.books.place.is_durable()
    }

    fn configure(&self, servers: &[&str]) -> Vec<Arc<Gate>> {
        self.books.configure(servers)
    }

    fn accept(
        &self,
        write: NewWrite,
        body: Option<Arc<dyn WriteBody>>,
    ) -> LocalFuture<'_, Result<Box<dyn AcceptedWrite>, AcceptError>> {
        Box::pin(async {
            let accepted = self.accept_any(write, body).await?;
            Ok(Box::new(accepted) as Box<dyn AcceptedWrite>)
        })
    }

    fn run(&self, deliver: Rc<dyn Deliver>) -> LocalFuture<'_, ()> {
        Box::pin(async {
            if let Ok(_alone) = self.deliverer.acquire().await {
                deliverer::run(Arc::clone(&self.books), deliver).await;
            }
            // It is closed; whoever runs it has no more to do than to drop this.
            pending::<()>().await;
        })
    }

    fn status(&self) -> QueueStatus {
        self.books.status()
    }

    fn list(
        &self,
        selection: Selection,
        from: Sequence,
        max: usize,
    ) -> LocalFuture<'_, io::Result<Vec<QueuedWrite>>> {
        Box::pin(async move { self.books.list(&selection, from, max).await })
    }

    fn body(&self, sequence: Sequence) -> LocalFuture<'_, io::Result<Option<Arc<dyn WriteBody>>>> {
        Box::pin(async move { Ok(self.books.place.content(sequence).await?.and_then(|(_, body)| body)) })
    }

    fn retry(&self, selection: Selection) -> LocalFuture<'_, io::Result<Done>> {
        Box::pin(async move { self.books.act(&selection, Act::Retry).await })
    }

    fn discard(&self, selection: Selection) -> LocalFuture<'_, io::Result<Done>> {
        Box::pin(async move { self.books.act(&selection, Act::Discard).await })
    }

    fn set_limits(&self, limits: QueueLimits) {
        self.books.change(|ledger, _, _| ledger.set_limits(limits));
    }

    fn delivers(&self) -> bool {
        self.books.lock().ledger.company() != Company::Waits
    }

    fn share(&self, shared: bool) {
        let Place::File { inbox, .. } = &self.books.place else { return };
        if !self.delivers() {
            return;
        }
        inbox.share(shared);
        if shared {
            self.books.change(|ledger, now, _| ledger.set_company(Company::Delivers, now));
        } else {
            succession::take_in(&self.books, inbox);
        }
    }

    fn emptied(&self) -> LocalFuture<'_, ()> {
        Box::pin(self.books.emptied())
    }

    fn close(&self) {
        self.books.close();
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Place::File { inbox, .. }, Some(file)) = (&self.books.place, file) {
            inbox.close();
            // A writer that panicked has said so; what it did not write is delivered again.
            let _ = file.writer.join();
            self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("name", &self.books.name).finish_non_exhaustive()
    }
}
