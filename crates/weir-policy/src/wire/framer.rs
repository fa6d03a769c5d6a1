//! Where a message ends, found while it arrives.
//!
//! What has been looked at is not looked at again, however small the pieces are. The first byte says which form it is.

use super::json::scan::Scan;
use super::json::{self};
use super::limits::WireLimits;
use super::pickle::read::Reader;
use super::problem::WireProblem;
use super::value::Value;

/// How a dictionary is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// JSON text.
    #[default]
    Json,
    /// A Python pickle.
    Pickle,
}

/// A whole message.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// How it is written.
    pub form: Form,
    /// Where it begins among the bytes that were looked at.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// What it holds: always a dictionary.
    pub value: Value,
}

/// Finds the end of one message after the other.
#[derive(Debug)]
pub struct Framer {
    limits: WireLimits,
    state: State,
}

#[derive(Debug)]
enum State {
    /// So many bytes of white space.
    Before(usize),
    Json {
        start: usize,
        scan: Scan,
    },
    Pickle {
        start: usize,
        reader: Box<Reader>,
    },
}

impl Framer {
    /// Before the first message.
    pub fn new(limits: WireLimits) -> Self {
        Self { limits, state: State::Before(0) }
    }

    /// Messages that begin from now on may be so large.
    pub fn bound(&mut self, limits: WireLimits) {
        self.limits = limits;
    }

    /// Whether a byte of a message has come, and not its end.
    pub fn is_inside(&self) -> bool {
        !matches!(self.state, State::Before(_))
    }

    /// The form of the message that has begun.
    pub fn form(&self) -> Option<Form> {
        match self.state {
            State::Before(_) => None,
            State::Json { .. } => Some(Form::Json),
            State::Pickle { .. } => Some(Form::Pickle),
        }
    }

    /// Bytes of white space before a message, which nobody needs, and forgets them: they are not among `bytes` next time.
    pub fn take_blank(&mut self) -> usize {
        match &mut self.state {
            State::Before(seen) => std::mem::take(seen),
            State::Json { .. } | State::Pickle { .. } => 0,
        }
    }

    /// Looks at all bytes that have come since the end of the last message; each time at those of before too, of which it
    /// knows what they are. `None` when the message has not ended yet. After a message, `bytes` begin behind its end.
    ///
    /// # Errors
    /// See [`WireProblem`]; nothing can be made of what follows either.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<Option<Frame>, WireProblem> {
        if let State::Before(seen) = &mut self.state {
            let blank = bytes[*seen..].iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
            *seen += blank.count();
            let start = *seen;
            let Some(first) = bytes.get(start) else { return Ok(None) };
            self.state = match first {
                b'{' => State::Json { start, scan: Scan::default() },
                // The first bytes of a pickle: its protocol, and before protocol 2 a mark or an empty dictionary.
                0x80 | b'(' | b'}' => {
                    State::Pickle { start, reader: Box::new(Reader::new(self.limits.message_bytes_max)) }
                }
                _ => return Err(WireProblem::NoMessage),
            };
        }
        let frame = match &mut self.state {
            State::Before(_) => None,
            State::Json { start, scan } => {
                let length = scan.advance(&bytes[*start..])?;
                self.limits.check(length, bytes.len() - *start)?;
                match length {
                    None => None,
                    Some(length) => {
                        let (start, end) = (*start, *start + length);
                        let value = json::read::read(&bytes[start..end])?;
                        Some(Frame { form: Form::Json, start, end, value })
                    }
                }
            }
            State::Pickle { start, reader } => {
                let done = reader.advance(&bytes[*start..])?;
                self.limits.check(done.as_ref().map(|(length, _)| *length), bytes.len() - *start)?;
                done.map(|(length, value)| Frame {
                    form: Form::Pickle,
                    start: *start,
                    end: *start + length,
                    value,
                })
            }
        };
        if frame.is_some() {
            self.state = State::Before(0);
        }
        Ok(frame)
    }
}

impl WireLimits {
    /// Whether a message of this length, or one of which so much has come, is too long.
    fn check(&self, length: Option<usize>, come: usize) -> Result<(), WireProblem> {
        match length.unwrap_or(come) > self.message_bytes_max {
            true => Err(WireProblem::TooLong),
            false => Ok(()),
        }
    }
}
