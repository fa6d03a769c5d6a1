//! A queue of which another process has the file, until that process lets go of it.
//!
//! Both put writes into the one file, in transactions of their own: what is acknowledged is durable, and whoever opens the file next
//! finds all of it (`semantics.md` §3.3). Only the books are two. So the process that does not have the lock delivers nothing, neither
//! live nor from backlogs, and enters what the other one has left when it gets the lock.

use std::fs::File;
use std::io;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use weir_core::queue::Company;

use super::books::Books;
use crate::file::{Arrived, Inbox};

/// How long it waits before it tries again to read what the other process has left, where a disk is full or broken.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// Waits on a thread of its own for the lock, then takes over and leaves the lock in `held`. The thread ends with the process, or when
/// the queue is closed after that.
pub(super) fn await_lock(
    books: Arc<Books>,
    inbox: Arc<Inbox>,
    lock: File,
    held: Arc<Mutex<Option<File>>>,
) -> io::Result<()> {
    let name = format!("weir-lock-{}", books.name);
    std::thread::Builder::new().name(name).spawn(move || {
        if let Err(error) = lock.lock() {
            tracing::error!(queue = %books.name, %error, "the queue can't be taken over: what waits in it is delivered after the next start");
            return;
        }
        // Now, so that it is there when the queue is said to be taken over.
        *held.lock().unwrap_or_else(PoisonError::into_inner) = Some(lock);
        while !take_over(&books, &inbox) {
            pause();
        }
    })?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a broken disk has no event, and this is a thread for that")]
fn pause() {
    std::thread::sleep(RETRY_PAUSE);
}

/// Whether it is done, or never will be.
fn take_over(books: &Arc<Books>, inbox: &Arc<Inbox>) -> bool {
    let (told, done) = sync_channel(1);
    let owner = Arc::clone(books);
    let shared = Arc::clone(inbox);
    let taken = inbox.take_in(Box::new(move |arrived| {
        let result = arrived.and_then(|arrived| {
            shared.share(false);
            enter(&owner, arrived)
        });
        // Whoever waits for it waits until it comes.
        let _ = told.send(result);
    }));
    if !taken {
        return true;
    }
    match done.recv() {
        Ok(Ok(writes)) => {
            tracing::info!(queue = %books.name, writes, "the queue is taken over from the process before this one");
            true
        }
        Ok(Err(error)) => {
            tracing::error!(queue = %books.name, %error, "the queue can't be taken over yet");
            false
        }
        // The writer has gone.
        Err(_) => true,
    }
}

/// Reads what a process that has gone has left in the file of this one.
pub(super) fn take_in(books: &Arc<Books>, inbox: &Inbox) {
    let owner = Arc::clone(books);
    inbox.take_in(Box::new(move |arrived| {
        if let Err(error) = arrived.and_then(|arrived| enter(&owner, arrived)) {
            tracing::error!(queue = %owner.name, %error, "what another process has left in the queue is delivered after the next start");
        }
    }));
}

/// Enters it, and delivers from now on. Gives the number of writes.
fn enter(books: &Books, arrived: Arrived) -> Result<usize, Arc<str>> {
    let count = arrived.writes.len();
    books.change(|ledger, now, _| {
        for (place, name) in arrived.servers.iter().enumerate() {
            if ledger.server(name).index() != place {
                return Err(Arc::from(format!("`{name}` has another number there")));
            }
        }
        arrived.writes.into_iter().for_each(|write| ledger.restore(write));
        ledger.set_company(Company::Alone, now);
        Ok(())
    })?;
    books.learn_names();
    books.changed.notify_one();
    Ok(count)
}
