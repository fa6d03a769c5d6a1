//! The thread that writes the file: what waits for it becomes one transaction, one sync of the disk, and answers to all.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use rusqlite::{Connection, params};
use weir_core::queue::{Effect, Sequence};

use super::inbox::{Acceptance, Arrival, Arrived, Batch, BodyNumber, Command, Done, Inbox, StoredWrite};
use super::numbers::Numbers;
use super::schema::{self, CHUNKS_PER_BODY};
use super::stored;

/// Free pages (4 KiB) that a file may have; more are given back to the disk.
const FREE_PAGES_MAX: i64 = 16 << 10;

/// Pages given back at a time, so that nobody waits long for it.
const PAGES_PER_STEP: i64 = 1 << 10;

/// The thread's state.
pub(super) struct Writer {
    connection: Connection,
    inbox: Arc<Inbox>,
    numbers: Numbers,
    /// Servers that the file knows, by their numbers.
    servers: Arc<Vec<Arc<str>>>,
    /// Bodies of which a piece could not be written.
    broken: HashSet<BodyNumber>,
    /// Bodies of which earlier transactions may have left pieces, and whose write has failed since.
    leftovers: Vec<BodyNumber>,
    /// The last transaction failed, and somebody was told.
    failing: bool,
}

/// The end of the thread, also by a panic.
struct End(Arc<Inbox>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// Bodies that a transaction had to do with.
#[derive(Default)]
struct Bodies {
    /// Those that pieces came of.
    arriving: Vec<BodyNumber>,
    /// Those whose write has come, or will not come.
    ended: Vec<BodyNumber>,
}

/// What is answered after the commit.
enum Answer {
    Accepted(Acceptance, Result<Sequence, Arc<str>>),
    Flushed(Done),
    TakenIn(Arrival, Result<Arrived, Arc<str>>),
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        inbox: Arc<Inbox>,
        known: Sequence,
        servers: Vec<Arc<str>>,
    ) -> Self {
        Self {
            connection,
            inbox,
            numbers: Numbers::new(known),
            servers: Arc::new(servers),
            broken: HashSet::new(),
            leftovers: Vec::new(),
            failing: false,
        }
    }

    /// Writes until the inbox is closed. However this ends, nobody waits for it in vain. `last` is what comes before the file is
    /// closed.
    pub(super) fn run(mut self, last: impl FnOnce()) {
        let _end = End(Arc::clone(&self.inbox));
        while let Some(batch) = self.inbox.take() {
            self.write(batch);
        }
        last();
    }

    fn write(&mut self, mut batch: Batch) {
        let before = (self.numbers.mark(), Arc::clone(&self.servers));
        let mut answers = Vec::with_capacity(batch.commands.len());
        let mut bodies = Bodies::default();
        let commands = std::mem::take(&mut batch.commands);
        match self.transaction(commands, &batch, &mut answers, &mut bodies) {
            Ok(()) => {
                self.leftovers.clear();
                self.inbox.count_commit();
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the queue can be written again");
                }
                answers.into_iter().for_each(|answer| answer.give(None));
                self.give_pages_back();
            }
            Err(error) => {
                let error: Arc<str> = error.to_string().into();
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "the queue can't be written: durable writes are refused");
                }
                self.numbers.back(before.0);
                self.servers = before.1;
                self.broken.extend(bodies.arriving);
                self.broken.retain(|body| !bodies.ended.contains(body));
                self.leftovers.extend(bodies.ended);
                self.inbox.put_back(batch.changes);
                answers.into_iter().for_each(|answer| answer.give(Some(&error)));
            }
        }
        if self.inbox.is_shared() {
            schema::give_way();
        }
    }

    /// One transaction. What is to be answered is in `answers` also when it fails, and all commands have been taken.
    fn transaction(
        &mut self,
        commands: VecDeque<Command>,
        batch: &Batch,
        answers: &mut Vec<Answer>,
        bodies: &mut Bodies,
    ) -> rusqlite::Result<()> {
        let mut result = self.begin(batch);
        // Permits are given back at the end: what is in a transaction still takes memory.
        let mut permits = Vec::with_capacity(commands.len());
        for command in commands {
            match command {
                Command::Piece { body, number, bytes, _permit } => {
                    bodies.arriving.push(body);
                    result = result.and_then(|()| insert_piece(&self.connection, body, number, &bytes));
                    permits.push(_permit);
                }
                Command::Accept { write, done, _permit } => {
                    bodies.ended.push(write.body);
                    let answer = if self.broken.remove(&write.body) {
                        result = result.and_then(|()| delete_pieces(&self.connection, write.body));
                        Err("a part of its body could not be written".into())
                    } else {
                        let inserted = result.and_then(|()| self.insert(&write));
                        let answer = inserted.as_ref().map_err(|error| error.to_string().into()).copied();
                        result = inserted.map(|_| ());
                        answer
                    };
                    answers.push(Answer::Accepted(done, answer));
                    permits.push(_permit);
                }
                Command::Discard { body } => {
                    bodies.ended.push(body);
                    self.broken.remove(&body);
                    result = result.and_then(|()| delete_pieces(&self.connection, body));
                }
                Command::Flush { done } => answers.push(Answer::Flushed(done)),
                Command::TakeIn { done } => {
                    let arrived = result.and_then(|()| self.take_in());
                    let (answer, so_far) = match arrived {
                        Ok(arrived) => (Ok(arrived), Ok(())),
                        Err(error) => (Err(error.to_string().into()), Err(error)),
                    };
                    result = so_far;
                    answers.push(Answer::TakenIn(done, answer));
                }
            }
        }
        let end = match result {
            Ok(()) => self.connection.execute_batch("COMMIT"),
            Err(error) => Err(error),
        };
        if end.is_err() && !self.connection.is_autocommit() {
            // What failed may have ended the transaction by itself. If this fails too, so will the next begin.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        end
    }

    fn begin(&mut self, batch: &Batch) -> rusqlite::Result<()> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        if self.inbox.is_shared() {
            self.numbers.begin_block();
        }
        if !Arc::ptr_eq(&self.servers, &batch.servers) {
            self.name_servers(&batch.servers)?;
            self.servers = Arc::clone(&batch.servers);
        }
        self.leftovers.iter().try_for_each(|body| delete_pieces(&self.connection, *body))?;
        batch.changes.iter().try_for_each(|change| self.change(change))
    }

    /// Writes the servers that the file does not know yet, or knows under another number. A row that is in the way is one that is
    /// written here too; where another process writes, it is that one's, and nothing is written until it has gone.
    fn name_servers(&self, servers: &[Arc<str>]) -> rusqlite::Result<()> {
        let sql = match self.inbox.is_shared() {
            false => "INSERT OR REPLACE INTO server (id, name) VALUES (?1, ?2)",
            true => {
                "INSERT INTO server (id, name) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET id = id WHERE name = ?2 RETURNING id"
            }
        };
        let mut insert = self.connection.prepare_cached(sql)?;
        for (id, name) in servers.iter().enumerate() {
            if self.servers.get(id) != Some(name) {
                let written = insert.query(params![number(id as u64), &**name])?.next()?.is_some();
                if !written && self.inbox.is_shared() {
                    // The number is another server's there.
                    return Err(rusqlite::Error::QueryReturnedNoRows);
                }
            }
        }
        Ok(())
    }

    fn change(&self, change: &Effect) -> rusqlite::Result<()> {
        let cached = |sql| self.connection.prepare_cached(sql);
        match change {
            Effect::Settled { sequence, server } => {
                cached("DELETE FROM target WHERE sequence = ?1 AND server = ?2")?
                    .execute(params![number(sequence.0), server.0])?;
            }
            Effect::Gone { sequence } => {
                let body: Option<u64> = cached("DELETE FROM write WHERE sequence = ?1 RETURNING body")?
                    .query_map([number(sequence.0)], |row| row.get::<_, i64>(0))?
                    .next()
                    .transpose()?
                    .map(i64::cast_unsigned);
                if let Some(body) = body.filter(|body| *body != 0) {
                    delete_pieces(&self.connection, BodyNumber(body))?;
                }
            }
            Effect::Buried { sequence, server, burial, at } => {
                cached("UPDATE target SET burial = ?3, status = ?4, since = ?5 WHERE sequence = ?1 AND server = ?2")?
                    .execute(params![
                        number(sequence.0),
                        server.0,
                        burial.name(),
                        burial.status().unwrap_or(0),
                        milliseconds(*at)
                    ])?;
            }
            Effect::Revived { sequence, server, since } => {
                cached("UPDATE target SET burial = NULL, since = ?3 WHERE sequence = ?1 AND server = ?2")?
                    .execute(params![number(sequence.0), server.0, milliseconds(*since)])?;
            }
        }
        Ok(())
    }

    fn insert(&mut self, write: &StoredWrite) -> rusqlite::Result<Sequence> {
        let block = if self.inbox.is_shared() { 1 } else { schema::NUMBERS_PER_STEP };
        let sequence = self.numbers.next(&self.connection, block)?;
        insert_write(&self.connection, sequence, write)?;
        Ok(sequence)
    }

    /// What others have put into the file. From now on numbers are larger than theirs.
    fn take_in(&mut self) -> rusqlite::Result<Arrived> {
        let arrived = stored::arrived(&self.connection, &self.numbers)?;
        let (_, last) = stored::bodies(&self.connection)?;
        self.inbox.number_bodies_upwards(last + 1);
        self.numbers.begin_block();
        Ok(arrived)
    }

    /// After a long backlog has gone, the file is made smaller step by step. Best effort: if it fails, the next write will say so.
    fn give_pages_back(&self) {
        let free = self.connection.query_row("PRAGMA freelist_count", [], |row| row.get::<_, i64>(0));
        if free.is_ok_and(|free| free > FREE_PAGES_MAX) {
            let _ = self.connection.execute_batch(&format!("PRAGMA incremental_vacuum({PAGES_PER_STEP})"));
        }
    }
}

impl Answer {
    fn give(self, error: Option<&Arc<str>>) {
        let failed = |error: &Arc<str>| Arc::clone(error);
        match self {
            Self::Accepted(done, answer) => done(error.map(failed).map_or(answer, Err)),
            Self::Flushed(done) => done(error.map(failed).map_or(Ok(()), Err)),
            Self::TakenIn(done, answer) => done(error.map(failed).map_or(answer, Err)),
        }
    }
}

fn insert_piece(connection: &Connection, body: BodyNumber, piece: u32, bytes: &[u8]) -> rusqlite::Result<()> {
    let id = number(body.0) * CHUNKS_PER_BODY + i64::from(piece);
    connection
        .prepare_cached("INSERT INTO chunk (id, bytes) VALUES (?1, ?2)")?
        .execute(params![id, bytes])?;
    Ok(())
}

fn delete_pieces(connection: &Connection, body: BodyNumber) -> rusqlite::Result<()> {
    let first = number(body.0) * CHUNKS_PER_BODY;
    connection
        .prepare_cached("DELETE FROM chunk WHERE id >= ?1 AND id < ?2")?
        .execute([first, first + CHUNKS_PER_BODY])?;
    Ok(())
}

fn insert_write(connection: &Connection, sequence: Sequence, write: &StoredWrite) -> rusqlite::Result<()> {
    let accepted = milliseconds(write.accepted);
    if let Some((piece, bytes)) = &write.last_piece {
        insert_piece(connection, write.body, *piece, bytes)?;
    }
    connection
        .prepare_cached(
            "INSERT INTO write (sequence, accepted, body, body_bytes, head, trailers) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            number(sequence.0),
            accepted,
            number(write.body.0),
            number(write.body_bytes),
            &write.head[..],
            &write.trailers[..]
        ])?;
    let mut insert =
        connection.prepare_cached("INSERT INTO target (sequence, server, since) VALUES (?1, ?2, ?3)")?;
    for server in &write.targets {
        insert.execute(params![number(sequence.0), server.0, accepted])?;
    }
    Ok(())
}

/// SQLite's integers have a sign; ours begin at 1 and do not come near 2^63.
fn number(value: u64) -> i64 {
    value.cast_signed()
}

fn milliseconds(moment: std::time::Duration) -> i64 {
    i64::try_from(moment.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;
    use weir_core::queue::ServerId;

    use super::super::inbox::BodyNumbers;
    use super::*;

    const BODIES: BodyNumbers = BodyNumbers { next: 1, step: 1 };

    fn write() -> StoredWrite {
        StoredWrite {
            accepted: std::time::Duration::from_secs(1),
            head: "POST / HTTP/1.1\r\n\r\n".into(),
            trailers: bytes::Bytes::new(),
            body: BodyNumber(0),
            body_bytes: 0,
            last_piece: None,
            targets: smallvec![ServerId(0)],
        }
    }

    /// Numbers that were given to others, in one transaction and in any order.
    #[test]
    #[expect(clippy::unwrap_used, reason = "a test")]
    fn names_move_among_numbers() {
        let connection = Connection::open_in_memory().unwrap();
        schema::create(&connection).unwrap();
        let inbox = Arc::new(Inbox::new(BODIES, Vec::new()));
        let mut writer = Writer::new(connection, Arc::clone(&inbox), Sequence(1), Vec::new());
        for names in [&["a", "b"][..], &["b", "c", "a"], &["c", "x", "b"], &["c", "x", "b", "d"]] {
            let servers: Vec<Arc<str>> = names.iter().map(|name| (*name).into()).collect();
            writer.write(Batch { servers: Arc::new(servers), ..Batch::default() });
            assert!(!writer.failing);
            let mut select = writer.connection.prepare("SELECT name FROM server ORDER BY id").unwrap();
            let rows = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
            assert_eq!(rows.collect::<rusqlite::Result<Vec<_>>>().unwrap(), names);
        }
    }

    /// A worker would wait for ever for the acceptance of its write, and keep the room that it has.
    #[test]
    #[expect(clippy::unwrap_used, reason = "a test")]
    fn nobody_waits_for_a_writer_that_has_panicked() {
        let connection = Connection::open_in_memory().unwrap();
        schema::create(&connection).unwrap();
        let inbox = Arc::new(Inbox::new(BODIES, vec!["a:1".into()]));
        let writer = Writer::new(connection, Arc::clone(&inbox), Sequence(1), Vec::new());
        let thread = std::thread::spawn(move || writer.run(|| {}));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (answer, answered) = tokio::sync::oneshot::channel::<()>();
            let done: Acceptance = Box::new(move |result| {
                let _answer = answer;
                panic!("an owner that is broken: {result:?}");
            });
            assert!(inbox.accept(write(), done).await);
            assert!(answered.await.is_err());
            assert!(thread.join().is_err());
            assert!(!inbox.accept(write(), Box::new(|_| {})).await, "it takes nothing more");
            assert!(!inbox.flush(Box::new(|_| {})));
        });
    }
}
