//! Opening the file of a queue, with everything that is checked before it is trusted.
//!
//! A new file is made beside its place and moved there when its tables are in it. So a file that is there and has none is a damaged
//! one, and is never taken for a new one.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use smallvec::SmallVec;
use weir_core::queue::{Burial, Restored, Sequence, ServerId};

use super::inbox::Inbox;
use super::problem::OpenError;
use super::reader::{self, Reader};
use super::schema;
use super::writer::Writer;

/// A file that is ready.
pub(crate) struct Opened {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) reader: Reader,
    pub(crate) writer: JoinHandle<()>,
    /// Held as long as the queue is used; the system gives it up with the process, however that ends.
    pub(crate) lock: File,
}

/// What was in it.
pub(crate) struct Stored {
    /// The number of the next write.
    pub(crate) next: Sequence,
    /// Names of servers, by their numbers.
    pub(crate) servers: Vec<Arc<str>>,
    /// All writes, in the order of their numbers.
    pub(crate) writes: Vec<Restored>,
}

/// Opens the queue of this name in the directory, or makes it. `pages_max` bounds the file, for tests of a full disk.
///
/// # Errors
/// It can't be, or can't be trusted; nothing has been changed then.
pub(crate) fn open(
    directory: &Path,
    name: &str,
    pages_max: Option<u32>,
) -> Result<(Opened, Stored), OpenError> {
    make_directory(directory)?;
    let path = directory.join(format!("{}.sqlite", file_name(name)));
    let lock = lock(&path)?;
    if !exists(&path)? {
        create(&path)?;
    }
    restrict(&path)?;
    let connection = connect(&path)?;
    check(&connection, &path)?;
    make_durable(&connection, &path)?;
    let stored = load(&connection, &path)?;
    if let Some(pages) = pages_max {
        connection.pragma_update(None, "max_page_count", pages).map_err(|error| sqlite(&path, &error))?;
    }
    let next_body = forget_unused_bodies(&connection).map_err(|error| sqlite(&path, &error))?;
    let inbox = Arc::new(Inbox::new(next_body, stored.servers.clone()));
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
        .map_err(|error| sqlite(&path, &error))?;
    let reading = reader::connect(&path).map_err(|error| sqlite(&path, &error))?;
    let reader = Reader::start(reading, name).map_err(|error| OpenError::io(&path, error))?;
    let writer = Writer::new(connection, Arc::clone(&inbox), stored.next.0, stored.servers.clone());
    // Only the last one to close a file moves its log into it, and one that can't write is no good for that.
    let beside = reader.clone();
    let writer = std::thread::Builder::new()
        .name(format!("weir-queue-{name}"))
        .spawn(move || writer.run(|| beside.close()))
        .map_err(|error| OpenError::io(&path, error))?;
    Ok((Opened { inbox, reader, writer, lock }, stored))
}

/// The name of a queue as the name of a file: what is not a letter, a digit, `-` or `_` is written in hexadecimal, so that two names
/// are never one file.
fn file_name(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let encode = |byte: u8| if plain(byte) { (byte as char).to_string() } else { format!("%{byte:02x}") };
    name.bytes().map(encode).collect()
}

fn make_directory(directory: &Path) -> Result<(), OpenError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .and_then(|()| fs::set_permissions(directory, Permissions::from_mode(0o700)))
        .map_err(|error| OpenError::io(directory, error))
}

/// One deliverer per queue. The lock is on a file of its own: closing any handle of SQLite's file would give up SQLite's locks.
fn lock(path: &Path) -> Result<File, OpenError> {
    let lock = path.with_extension("lock");
    let file =
        private().create(true).truncate(false).open(&lock).map_err(|error| OpenError::io(&lock, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(OpenError::io(&lock, error)),
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

/// Whether there is one. Its log without it is the rest of a queue that somebody moved away in parts.
fn exists(path: &Path) -> Result<bool, OpenError> {
    let there = |path: &Path| path.try_exists().map_err(|error| OpenError::io(path, error));
    let file = there(path)?;
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    if !file && there(Path::new(&log))? {
        let what = format!("`{}` is there without it", Path::new(&log).display());
        return Err(OpenError::Damaged { path: path.to_owned(), what });
    }
    Ok(file)
}

fn create(path: &Path) -> Result<(), OpenError> {
    let new = path.with_extension("new");
    let failed = |error: io::Error| OpenError::io(&new, error);
    // One that was begun and never put in its place has nothing in it.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let file = private().create_new(true).open(&new).map_err(failed)?;
    let connection = connect(&new)?;
    schema::create(&connection).map_err(|error| sqlite(&new, &error))?;
    connection.close().map_err(|(_, error)| sqlite(&new, &error))?;
    file.sync_all().map_err(failed)?;
    fs::rename(&new, path).map_err(failed)?;
    let directory = path.parent().unwrap_or(Path::new("."));
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| OpenError::io(directory, error))
}

fn restrict(path: &Path) -> Result<(), OpenError> {
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(|error| OpenError::io(path, error))
}

fn connect(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| sqlite(path, &error))?;
    connection.busy_timeout(schema::BUSY_TIMEOUT).map_err(|error| sqlite(path, &error))?;
    // A file that is refused stays as it is, its log too.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .map_err(|error| sqlite(path, &error))?;
    Ok(connection)
}

/// Whose file it is, which version, and whether it is whole.
fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let ask =
        |pragma: &str| connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0));
    let empty = fs::metadata(path).map_err(|error| OpenError::io(path, error))?.len() == 0;
    if empty {
        return Err(OpenError::Damaged { path: path.to_owned(), what: "it is empty".to_owned() });
    }
    let application = ask("application_id").map_err(|error| sqlite(path, &error))?;
    if application != schema::APPLICATION {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    let version = ask("user_version").map_err(|error| sqlite(path, &error))?;
    if version > schema::VERSION {
        return Err(OpenError::TooNew { path: path.to_owned(), version });
    }
    let verdict: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| sqlite(path, &error))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(OpenError::Damaged { path: path.to_owned(), what: verdict.replace('\n', " ") })
}

/// Asks for what makes a commit durable, and reads back whether it was granted (`semantics.md` §3.3).
fn make_durable(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON;
             PRAGMA checkpoint_fullfsync = ON; PRAGMA journal_size_limit = 67108864;
             PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;",
        )
        .map_err(|error| sqlite(path, &error))?;
    for (setting, wanted) in DURABLE {
        let is = read_setting(connection, setting).map_err(|error| sqlite(path, &error))?;
        if is != wanted {
            return Err(OpenError::NotDurable { path: path.to_owned(), setting, is });
        }
    }
    Ok(())
}

/// Settings as SQLite says them; 2 is FULL.
const DURABLE: [(&str, &str); 2] = [("journal_mode", "wal"), ("synchronous", "2")];

fn read_setting(connection: &Connection, setting: &str) -> rusqlite::Result<String> {
    use rusqlite::types::Value;
    connection.query_row(&format!("PRAGMA {setting}"), [], |row| {
        Ok(match row.get(0)? {
            Value::Text(text) => text,
            Value::Integer(number) => number.to_string(),
            other => format!("{other:?}"),
        })
    })
}

/// Everything that is in it, bodies aside.
fn load(connection: &Connection, path: &Path) -> Result<Stored, OpenError> {
    let damaged = |what: &str| OpenError::Damaged { path: path.to_owned(), what: what.to_owned() };
    let servers = load_servers(connection).map_err(|error| sqlite(path, &error))?;
    let servers = servers.ok_or_else(|| damaged("its list of servers has gaps"))?;
    let writes = load_writes(connection, servers.len()).map_err(|error| sqlite(path, &error))?;
    let writes = writes.ok_or_else(|| damaged("a write is for a server that is not in its list"))?;
    let next: i64 = connection
        .query_row(
            "SELECT max((SELECT next FROM numbers), (SELECT coalesce(max(sequence), 0) + 1 FROM write))",
            [],
            |row| row.get(0),
        )
        .map_err(|error| sqlite(path, &error))?;
    Ok(Stored { next: Sequence(next.cast_unsigned()), servers, writes })
}

fn load_servers(connection: &Connection) -> rusqlite::Result<Option<Vec<Arc<str>>>> {
    let mut select = connection.prepare("SELECT id, name FROM server ORDER BY id")?;
    let rows = select.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
    let gapless = rows.iter().enumerate().all(|(index, (id, _))| *id == index as i64);
    Ok(gapless.then(|| rows.into_iter().map(|(_, name)| name.into()).collect()))
}

fn load_writes(connection: &Connection, servers: usize) -> rusqlite::Result<Option<Vec<Restored>>> {
    let mut writes: Vec<Restored> = Vec::new();
    let mut select = connection.prepare(
        "SELECT w.sequence, w.accepted, w.body_bytes + length(w.head) + length(w.trailers),
                t.server, t.burial, t.status, t.since
         FROM write w JOIN target t ON t.sequence = w.sequence ORDER BY w.sequence, t.server",
    )?;
    let mut rows = select.query([])?;
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

/// Bodies whose write never came, and writes that nobody needs: what was between two transactions when a process died. Gives the
/// number of the next body.
fn forget_unused_bodies(connection: &Connection) -> rusqlite::Result<u64> {
    connection.execute_batch("DELETE FROM write WHERE sequence NOT IN (SELECT sequence FROM target)")?;
    let mut select = connection.prepare("SELECT body FROM write WHERE body != 0")?;
    let used: HashSet<i64> = select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut last = 0;
    let mut next_chunk = connection.prepare("SELECT min(id) FROM chunk WHERE id >= ?1")?;
    while let Some(id) =
        next_chunk.query_row([(last + 1) * schema::CHUNKS_PER_BODY], |row| row.get::<_, Option<i64>>(0))?
    {
        last = id / schema::CHUNKS_PER_BODY;
        if !used.contains(&last) {
            let first = last * schema::CHUNKS_PER_BODY;
            connection.execute(
                "DELETE FROM chunk WHERE id >= ?1 AND id < ?2",
                [first, first + schema::CHUNKS_PER_BODY],
            )?;
        }
    }
    Ok((last + 1).cast_unsigned())
}

fn moment(milliseconds: i64) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
}

/// SQLite's error; what it can't make sense of is damaged.
fn sqlite(path: &Path, error: &rusqlite::Error) -> OpenError {
    use rusqlite::ErrorCode as Code;
    let path: PathBuf = path.to_owned();
    let what = error.to_string();
    let damaged = matches!(error.sqlite_error_code(), Some(Code::DatabaseCorrupt | Code::NotADatabase))
        || matches!(error, rusqlite::Error::InvalidColumnType(..) | rusqlite::Error::QueryReturnedNoRows)
        || error.sqlite_error().is_some_and(|error| error.extended_code == 1);
    if damaged { OpenError::Damaged { path, what } } else { OpenError::Sqlite { path, what } }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// `semantics.md` §3.3: the pragmas are checked, not hoped for. A database in memory has no log to be written ahead.
    #[test]
    fn what_is_not_durable_is_refused() {
        let refused = make_durable(&Connection::open_in_memory().unwrap(), Path::new("x"));
        let error = refused.unwrap_err();
        assert!(matches!(&error, OpenError::NotDurable { setting: "journal_mode", .. }), "{error}");
    }

    #[test]
    fn a_new_file_has_what_makes_it_durable() {
        let directory = std::env::temp_dir().join(format!("weir-queue-pragma-{}", std::process::id()));
        make_directory(&directory).unwrap();
        let path = directory.join("q.sqlite");
        create(&path).unwrap();
        let connection = connect(&path).unwrap();
        check(&connection, &path).unwrap();
        assert_eq!(read_setting(&connection, "journal_mode").unwrap(), "delete");
        make_durable(&connection, &path).unwrap();
        assert_eq!(read_setting(&connection, "journal_mode").unwrap(), "wal");
        assert_eq!(read_setting(&connection, "synchronous").unwrap(), "2");
        assert_eq!(read_setting(&connection, "auto_vacuum").unwrap(), "2", "it can be made smaller");
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn two_names_are_never_one_file() {
        for (name, expected) in [
            ("web-1_A", "web-1_A"),
            ("a.b", "a%2eb"),
            ("../x", "%2e%2e%2fx"),
            ("%2e", "%252e"),
            ("ä", "%c3%a4"),
        ] {
            assert_eq!(file_name(name), expected);
        }
    }
}
