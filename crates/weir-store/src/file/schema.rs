//! What is in the file.
//!
//! A row per write, a row per server that has yet to get it or whose dead letter it is, and rows of bodies in chunks. Servers
//! have the numbers that they have in the ledger. None is removed, but the number of one for which nothing is kept may be
//! given to another one. Times are milliseconds since 1970.

use std::time::Duration;

use rusqlite::Connection;

/// Says in the header of the file whose it is: `Weir`.
pub(super) const APPLICATION: i64 = 0x5765_6972;

/// The version of the tables. A file of an earlier one is brought up to it when it is opened; of a later one is refused.
pub(super) const VERSION: i64 = 1;

/// Numbers that one write to the file sets aside. A number is never given twice, also when all writes have gone.
pub(super) const NUMBERS_PER_STEP: u64 = 1 << 16;

/// Chunks that a body can have: 256 GiB.
pub(super) const CHUNKS_PER_BODY: i64 = 1 << 20;

/// How long SQLite waits for somebody who looks at the file from outside.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one who wants to write looks away while another process writes.
const TURN: Duration = Duration::from_millis(1);

/// Waits for other processes in short steps, for [`BUSY_TIMEOUT`] at most: SQLite's own grow to a tenth of a second, and while a
/// program is replaced two of them write in turn.
#[expect(
    clippy::disallowed_methods,
    reason = "the lock of SQLite has no event, and this is a thread for that"
)]
pub(super) fn take_turns(connection: &mut Connection) -> rusqlite::Result<()> {
    let most = i32::try_from(BUSY_TIMEOUT.as_millis() / TURN.as_millis()).unwrap_or(i32::MAX);
    connection.busy_handler(Some(move |times| {
        std::thread::sleep(TURN);
        times < most
    }))
}

/// Leaves the file to another process for a moment, after a transaction.
#[expect(clippy::disallowed_methods, reason = "see `take_turns`; longer than the steps of the other one")]
pub(super) fn give_way() {
    std::thread::sleep(TURN * 3);
}

/// Makes the tables in an empty file.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "PRAGMA auto_vacuum = INCREMENTAL;
         BEGIN;
         PRAGMA application_id = {APPLICATION};
         PRAGMA user_version = {VERSION};
         CREATE TABLE numbers (next INTEGER NOT NULL);
         INSERT INTO numbers VALUES (1);
         CREATE TABLE server (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
         CREATE TABLE write (
             sequence INTEGER PRIMARY KEY,
             accepted INTEGER NOT NULL,
             body INTEGER NOT NULL,
             body_bytes INTEGER NOT NULL,
             head BLOB NOT NULL,
             trailers BLOB NOT NULL
         );
         CREATE TABLE target (
             sequence INTEGER NOT NULL,
             server INTEGER NOT NULL,
             since INTEGER NOT NULL,
             burial TEXT,
             status INTEGER NOT NULL DEFAULT 0,
             PRIMARY KEY (sequence, server)
         ) WITHOUT ROWID;
         CREATE TABLE chunk (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
         COMMIT;"
    ))
}
