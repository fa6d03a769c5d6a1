//! The thread that reads heads and bodies back from the file, beside the one that writes.

use std::io;
use std::path::Path;

use bytes::Bytes;
use rusqlite::{Connection, ErrorCode, OptionalExtension};
use tokio::sync::{mpsc, oneshot};
use weir_core::ports::queue::PIECE_BYTES_MAX;
use weir_core::queue::Sequence;

use super::inbox::BodyNumber;
use super::schema::CHUNKS_PER_BODY;

/// Questions that may wait; who asks more waits outside.
const QUESTIONS_MAX: usize = 64;

/// What the file has of a write, its body aside.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) head: Bytes,
    pub(crate) trailers: Bytes,
    pub(crate) body: BodyNumber,
    pub(crate) body_bytes: u64,
}

enum Question {
    Write { sequence: Sequence, answer: oneshot::Sender<io::Result<Option<Loaded>>> },
    Piece { body: BodyNumber, number: u32, answer: oneshot::Sender<io::Result<Bytes>> },
    Close { done: oneshot::Sender<()> },
}

/// Asks the thread. It ends when the last of these is gone, or when it is closed.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    questions: mpsc::Sender<Question>,
}

impl Reader {
    /// Starts the thread on a connection of its own.
    pub(super) fn start(connection: Connection, name: &str) -> io::Result<Self> {
        let (questions, mut received) = mpsc::channel(QUESTIONS_MAX);
        std::thread::Builder::new().name(format!("weir-read-{name}")).spawn(move || {
            let mut closed = None;
            while let Some(question) = received.blocking_recv() {
                // Whoever asked may have gone meanwhile.
                match question {
                    Question::Close { done } => {
                        closed = Some(done);
                        break;
                    }
                    Question::Write { sequence, answer } => {
                        let _ = answer.send(read_write(&connection, sequence).map_err(as_io));
                    }
                    Question::Piece { body, number, answer } => {
                        let _ = answer.send(read_piece(&connection, body, number));
                    }
                }
            }
            drop(connection);
            drop(closed);
        })?;
        Ok(Self { questions })
    }

    /// Ends the thread, and waits until its connection is closed. Blocks; not for a thread with a runtime.
    pub(super) fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.questions.blocking_send(Question::Close { done }).is_ok() {
            // Dropped, or gone with the thread: closed either way.
            let _ = closed.blocking_recv();
        }
    }

    /// A write, if the file has it.
    pub(crate) async fn write(&self, sequence: Sequence) -> io::Result<Option<Loaded>> {
        let (answer, answered) = oneshot::channel();
        self.ask(Question::Write { sequence, answer }).await?;
        answered.await.map_err(|_| gone())?
    }

    /// A piece of a body. [`io::ErrorKind::InvalidData`] if the file does not have it.
    pub(crate) async fn piece(&self, body: BodyNumber, number: u32) -> io::Result<Bytes> {
        let (answer, answered) = oneshot::channel();
        self.ask(Question::Piece { body, number, answer }).await?;
        answered.await.map_err(|_| gone())?
    }

    async fn ask(&self, question: Question) -> io::Result<()> {
        self.questions.send(question).await.map_err(|_| gone())
    }
}

fn read_write(connection: &Connection, sequence: Sequence) -> rusqlite::Result<Option<Loaded>> {
    connection
        .prepare_cached("SELECT head, trailers, body, body_bytes FROM write WHERE sequence = ?1")?
        .query_row([sequence.0.cast_signed()], |row| {
            Ok(Loaded {
                head: row.get::<_, Vec<u8>>(0)?.into(),
                trailers: row.get::<_, Vec<u8>>(1)?.into(),
                body: BodyNumber(row.get::<_, i64>(2)?.cast_unsigned()),
                body_bytes: row.get::<_, i64>(3)?.cast_unsigned(),
            })
        })
        .optional()
}

fn read_piece(connection: &Connection, body: BodyNumber, number: u32) -> io::Result<Bytes> {
    let id = body.0.cast_signed() * CHUNKS_PER_BODY + i64::from(number);
    let piece = connection
        .prepare_cached("SELECT bytes FROM chunk WHERE id = ?1")
        .and_then(|mut select| select.query_row([id], |row| row.get::<_, Vec<u8>>(0)).optional())
        .map_err(as_io)?;
    match piece {
        Some(bytes) if !bytes.is_empty() && bytes.len() <= PIECE_BYTES_MAX => Ok(bytes.into()),
        _ => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "a piece of the body is not in the queue's file"))
        }
    }
}

/// What is damaged stays so; anything else may be different the next time.
fn as_io(error: rusqlite::Error) -> io::Error {
    let damaged =
        matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
            || matches!(error, rusqlite::Error::InvalidColumnType(..));
    if damaged { io::Error::new(io::ErrorKind::InvalidData, error) } else { io::Error::other(error) }
}

fn gone() -> io::Error {
    io::Error::other("the queue has been closed")
}

/// Opens a connection that can't write.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    use rusqlite::OpenFlags as Flags;
    let flags = Flags::SQLITE_OPEN_READ_ONLY | Flags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(super::schema::BUSY_TIMEOUT)?;
    Ok(connection)
}
