//! Reading what is in the file: all of it when it is opened, and what another process has put there since.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use smallvec::SmallVec;
use weir_core::queue::{Burial, Restored, Sequence, ServerId};

use super::inbox::Arrived;
use super::numbers::Numbers;
use super::problem::OpenError;
use super::schema::CHUNKS_PER_BODY;

/// What was in it.
pub(crate) struct Stored {
    /// The number of the next write.
    pub(crate) next: Sequence,
    /// Names of servers, by their numbers.
    pub(crate) servers: Vec<Arc<str>>,
    /// All writes, in the order of their numbers.
    pub(crate) writes: Vec<Restored>,
}

/// Everything that is in it, bodies aside.
pub(super) fn load(connection: &Connection, path: &Path) -> Result<Stored, OpenError> {
    let damaged = |what: &str| OpenError::Damaged { path: path.to_owned(), what: what.to_owned() };
    let sqlite = |error: rusqlite::Error| OpenError::sqlite(path, &error);
    let servers = servers(connection, path)?;
    let writes = load_writes(connection, servers.len(), Sequence(0)).map_err(sqlite)?;
    let writes = writes.ok_or_else(|| damaged("a write is for a server that is not in its list"))?;
    let next: i64 = connection
        .query_row(
            "SELECT max((SELECT next FROM numbers), (SELECT coalesce(max(sequence), 0) + 1 FROM write))",
            [],
            |row| row.get(0),
        )
        .map_err(sqlite)?;
    Ok(Stored { next: Sequence(next.cast_unsigned()), servers, writes })
}

/// The names of all servers, by their numbers.
pub(super) fn servers(connection: &Connection, path: &Path) -> Result<Vec<Arc<str>>, OpenError> {
    let servers = load_servers(connection).map_err(|error| OpenError::sqlite(path, &error))?;
    let what = || "its list of servers has gaps".to_owned();
    servers.ok_or_else(|| OpenError::Damaged { path: path.to_owned(), what: what() })
}

/// What others have put there: all writes but those whose numbers are ours.
pub(super) fn arrived(connection: &Connection, numbers: &Numbers) -> rusqlite::Result<Arrived> {
    let strange = rusqlite::Error::QueryReturnedNoRows;
    let Some(servers) = load_servers(connection)? else { return Err(strange) };
    let Some(mut writes) = load_writes(connection, servers.len(), numbers.known())? else {
        return Err(strange);
    };
    writes.retain(|write| !numbers.are_ours(write.sequence));
    Ok(Arrived { servers, writes })
}

fn load_servers(connection: &Connection) -> rusqlite::Result<Option<Vec<Arc<str>>>> {
    let mut select = connection.prepare("SELECT id, name FROM server ORDER BY id")?;
    let rows = select.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
    let gapless = rows.iter().enumerate().all(|(index, (id, _))| *id == index as i64);
    Ok(gapless.then(|| rows.into_iter().map(|(_, name)| name.into()).collect()))
}

fn load_writes(
    connection: &Connection,
    servers: usize,
    from: Sequence,
) -> rusqlite::Result<Option<Vec<Restored>>> {
    let mut writes: Vec<Restored> = Vec::new();
    let mut select = connection.prepare(
        "SELECT w.sequence, w.accepted, w.body_bytes + length(w.head) + length(w.trailers),
                t.server, t.burial, t.status, t.since
         FROM write w JOIN target t ON t.sequence = w.sequence WHERE w.sequence >= ?1
         ORDER BY w.sequence, t.server",
    )?;
    let mut rows = select.query([from.0.cast_signed()])?;
    while let Some(row) = rows.next()? {
        let sequence = Sequence(row.get::<_, i64>(0)?.cast_unsigned());
        if writes.last().is_none_or(|last| last.sequence != sequence) {
            let (accepted, bytes) = (moment(row.get(1)?), row.get::<_, i64>(2)?.cast_unsigned());
            writes.push(Restored { sequence, accepted, bytes, targets: SmallVec::new() });
        }
        let server = row.get::<_, u32>(3)?;
        if server as usize >= servers {
            return Ok(None);
        }
        let burial = match row.get::<_, Option<String>>(4)? {
            // A reason that this version does not know is still one.
            Some(name) => Some(Burial::of(&name, row.get(5)?).unwrap_or(Burial::Dropped)),
            None => None,
        };
        if let Some(write) = writes.last_mut() {
            write.targets.push((ServerId(server), burial, moment(row.get(6)?)));
        }
    }
    Ok(Some(writes))
}

/// Bodies whose write never came, and writes that nobody needs: what was between two transactions when a process died. Not while
/// another process puts bodies there: theirs would be taken for such.
pub(super) fn forget_unused_bodies(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("DELETE FROM write WHERE sequence NOT IN (SELECT sequence FROM target)")?;
    let mut select = connection.prepare("SELECT body FROM write WHERE body != 0")?;
    let used: HashSet<i64> = select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut next_chunk = connection.prepare("SELECT min(id) FROM chunk WHERE id >= ?1")?;
    let mut from = i64::MIN;
    while let Some(id) = next_chunk.query_row([from], |row| row.get::<_, Option<i64>>(0))? {
        let body = id.div_euclid(CHUNKS_PER_BODY);
        let first = body * CHUNKS_PER_BODY;
        from = first + CHUNKS_PER_BODY;
        if !used.contains(&body) {
            connection.execute("DELETE FROM chunk WHERE id >= ?1 AND id < ?2", [first, from])?;
        }
    }
    Ok(())
}

/// The smallest and the largest number of a body that the file has; 0 for none.
pub(super) fn bodies(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    let ask = "SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM chunk";
    let (first, last) =
        connection.query_row(ask, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    Ok((first.div_euclid(CHUNKS_PER_BODY).min(0), last.div_euclid(CHUNKS_PER_BODY).max(0)))
}

/// The first number of a body for one who counts down, so many below all that the file has. It is noted there with an empty piece of the number
/// above, because bodies that a process has numbered and not written yet, or whose rows have gone already, are not to be seen: the next
/// one would begin with the same numbers. Whoever opens the file alone forgets the note, like a body that was never used.
pub(super) fn take_bodies(connection: &Connection, left_out: i64) -> rusqlite::Result<i64> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let noted = bodies(connection).and_then(|(first, _)| {
        let note = first - left_out;
        connection
            .execute("INSERT INTO chunk (id, bytes) VALUES (?1, zeroblob(0))", [note * CHUNKS_PER_BODY])?;
        connection.execute_batch("COMMIT")?;
        Ok(note - 1)
    });
    if noted.is_err() && !connection.is_autocommit() {
        // What failed may have ended the transaction by itself.
        let _ = connection.execute_batch("ROLLBACK");
    }
    noted
}

fn moment(milliseconds: i64) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
}
