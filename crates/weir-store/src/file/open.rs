//! Opening the file of a queue, with everything that is checked before it is trusted.
//!
//! A new file is made beside its place and moved there when its tables are in it. So a file that is there and has none is a damaged
//! one, and is never taken for a new one.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use weir_core::queue::Sequence;

use super::inbox::{BodyNumbers, Inbox};
use super::problem::OpenError;
use super::reader::{self, Reader};
use super::schema;
use super::stored::{self, Stored};
use super::writer::Writer;

/// A file that is ready.
pub(crate) struct Opened {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) reader: Reader,
    pub(crate) writer: JoinHandle<()>,
    /// Held by whoever delivers, as long as the queue is used; the system gives it up with the process, however that ends.
    pub(crate) lock: Lock,
}

/// Who delivers.
pub(crate) enum Lock {
    /// This process.
    Ours(File),
    /// Another one, which puts writes into the file too. Whoever waits for this file's lock delivers next.
    Awaited(File),
}

/// Numbers of bodies that a process which counts down leaves to the one before, which may have given them and not used them yet.
const BODIES_LEFT_OUT: i64 = 1 << 24;

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
    let lock = Lock::Ours(lock(&path)?);
    if !exists(&path)? {
        create(&path)?;
    }
    restrict(&path)?;
    let connection = trusted(&path)?;
    let stored = stored::load(&connection, &path)?;
    if let Some(pages) = pages_max {
        connection
            .pragma_update(None, "max_page_count", pages)
            .map_err(|error| OpenError::sqlite(&path, &error))?;
    }
    let forgotten = stored::forget_unused_bodies(&connection);
    let bodies = forgotten.and_then(|()| stored::bodies(&connection));
    let (_, last) = bodies.map_err(|error| OpenError::sqlite(&path, &error))?;
    let bodies = BodyNumbers { next: last + 1, step: 1 };
    let opened = begin(&path, name, connection, lock, (stored.next, bodies, stored.servers.clone()))?;
    Ok((opened, stored))
}

/// Opens the queue of this name also while another process delivers from it, only to put writes there; what is there already is not
/// read then.
///
/// # Errors
/// As [`open`].
pub(crate) fn open_shared(directory: &Path, name: &str) -> Result<(Opened, Stored), OpenError> {
    let path = directory.join(format!("{}.sqlite", file_name(name)));
    let lock = match open(directory, name, None) {
        Err(OpenError::InUse { .. }) => Lock::Awaited(open_lock(&path)?),
        opened => return opened,
    };
    if !exists(&path)? {
        // Whoever has the lock has not come as far as that.
        return Err(OpenError::InUse { path });
    }
    let connection = trusted(&path)?;
    let servers = stored::servers(&connection, &path)?;
    let first = stored::take_bodies(&connection, BODIES_LEFT_OUT);
    let first = first.map_err(|error| OpenError::sqlite(&path, &error))?;
    let bodies = BodyNumbers { next: first, step: -1 };
    let opened = begin(&path, name, connection, lock, (Sequence(0), bodies, servers.clone()))?;
    opened.inbox.share(true);
    Ok((opened, Stored { next: Sequence(0), servers, writes: Vec::new() }))
}

/// A connection to a file that has been looked through, and promises what a durable queue needs.
fn trusted(path: &Path) -> Result<Connection, OpenError> {
    let mut connection = connect(path)?;
    check(&connection, path)?;
    make_durable(&connection, path)?;
    schema::take_turns(&mut connection).map_err(|error| OpenError::sqlite(path, &error))?;
    Ok(connection)
}

/// Starts the threads.
fn begin(
    path: &Path,
    name: &str,
    connection: Connection,
    lock: Lock,
    (known, bodies, servers): (Sequence, BodyNumbers, Vec<Arc<str>>),
) -> Result<Opened, OpenError> {
    let inbox = Arc::new(Inbox::new(bodies, servers.clone()));
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
        .map_err(|error| OpenError::sqlite(path, &error))?;
    let reading = reader::connect(path).map_err(|error| OpenError::sqlite(path, &error))?;
    let reader = Reader::start(reading, name).map_err(|error| OpenError::io(path, error))?;
    let writer = Writer::new(connection, Arc::clone(&inbox), known, servers);
    // Only the last one to close a file moves its log into it, and one that can't write is no good for that.
    let beside = reader.clone();
    let writer = std::thread::Builder::new()
        .name(format!("weir-queue-{name}"))
        .spawn(move || writer.run(|| beside.close()))
        .map_err(|error| OpenError::io(path, error))?;
    Ok(Opened { inbox, reader, writer, lock })
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

/// One deliverer per queue.
fn lock(path: &Path) -> Result<File, OpenError> {
    let file = open_lock(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(OpenError::io(path, error)),
    }
}

/// The lock is on a file of its own: closing any handle of SQLite's file would give up SQLite's locks.
fn open_lock(path: &Path) -> Result<File, OpenError> {
    let lock = path.with_extension("lock");
    private().create(true).truncate(false).open(&lock).map_err(|error| OpenError::io(&lock, error))
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
    schema::create(&connection).map_err(|error| OpenError::sqlite(&new, &error))?;
    connection.close().map_err(|(_, error)| OpenError::sqlite(&new, &error))?;
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
    let connection =
        Connection::open_with_flags(path, flags).map_err(|error| OpenError::sqlite(path, &error))?;
    connection.busy_timeout(schema::BUSY_TIMEOUT).map_err(|error| OpenError::sqlite(path, &error))?;
    // A file that is refused stays as it is, its log too.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .map_err(|error| OpenError::sqlite(path, &error))?;
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
    let application = ask("application_id").map_err(|error| OpenError::sqlite(path, &error))?;
    if application != schema::APPLICATION {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    let version = ask("user_version").map_err(|error| OpenError::sqlite(path, &error))?;
    if version > schema::VERSION {
        return Err(OpenError::TooNew { path: path.to_owned(), version });
    }
    let verdict: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| OpenError::sqlite(path, &error))?;
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
        .map_err(|error| OpenError::sqlite(path, &error))?;
    for (setting, wanted) in DURABLE {
        let is = read_setting(connection, setting).map_err(|error| OpenError::sqlite(path, &error))?;
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
