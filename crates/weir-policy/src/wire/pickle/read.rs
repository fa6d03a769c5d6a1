//! The reader: one instruction after the other, as far as they have come.

use super::super::problem::WireProblem;
use super::super::value::Value;
use super::stack::Stack;
use super::{instruction, line};

type Read<T> = Result<T, WireProblem>;

/// Texts may be remembered and asked for again, which costs as much as they are long; so many times the length of a message.
const SPREAD: usize = 4;

/// The highest protocol that there is.
const PROTOCOL_MAX: u8 = 5;

/// A pickle that is being read.
#[derive(Debug)]
pub(crate) struct Reader {
    stack: Stack,
    /// Where the next instruction begins.
    at: usize,
    /// How far the end of its line was looked for, behind its first byte.
    line_seen: usize,
    length_max: usize,
}

/// What comes behind an instruction.
enum Argument<'b> {
    /// It has not come yet.
    Missing,
    /// These bytes, and where the next instruction begins.
    Here(&'b [u8], usize),
}

impl Reader {
    /// One that is no longer than this.
    pub(crate) fn new(length_max: usize) -> Self {
        let stack = Stack::new(length_max.saturating_mul(SPREAD));
        Self { stack, at: 0, line_seen: 0, length_max }
    }

    /// Follows the instructions that have come. The length of the pickle and what it holds, once it has ended.
    ///
    /// # Errors
    /// It holds more than plain data, or is none.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Read<Option<(usize, Value)>> {
        while let Some(&code) = bytes.get(self.at) {
            if code == b'.' {
                return Ok(Some((self.at + 1, self.stack.finish()?)));
            }
            let Argument::Here(argument, next) = self.argument(code, bytes)? else { return Ok(None) };
            self.perform(code, argument)?;
            self.at = next;
        }
        Ok(None)
    }

    fn argument<'b>(&mut self, code: u8, bytes: &'b [u8]) -> Read<Argument<'b>> {
        let begin = self.at + 1;
        let (head, counts) = match code {
            // Up to the end of the line.
            b'I' | b'L' | b'F' | b'S' | b'V' | b'p' | b'g' => {
                let from = begin + self.line_seen;
                let Some(found) = bytes.get(from..).and_then(|rest| memchr::memchr(b'\n', rest)) else {
                    self.line_seen = bytes.len().saturating_sub(begin);
                    return Ok(Argument::Missing);
                };
                self.line_seen = 0;
                return Ok(Argument::Here(&bytes[begin..from + found], from + found + 1));
            }
            // So many bytes.
            b'K' | b'q' | b'h' | 0x80 => (1, false),
            b'M' => (2, false),
            b'J' | b'r' | b'j' => (4, false),
            b'G' | 0x95 => (8, false),
            // As many bytes as so many bytes say.
            b'U' | 0x8a | 0x8c => (1, true),
            b'X' | b'T' | 0x8b => (4, true),
            0x8d => (8, true),
            b'('
            | b')'
            | b']'
            | b'}'
            | b'N'
            | b't'
            | b'l'
            | b'd'
            | b'a'
            | b'e'
            | b's'
            | b'u'
            | 0x85..=0x89
            | 0x94 => (0, false),
            other => return Err(WireProblem::Instruction(instruction::name(other))),
        };
        let Some(first) = bytes.get(begin..begin + head) else { return Ok(Argument::Missing) };
        if !counts {
            return Ok(Argument::Here(first, begin + head));
        }
        let count = usize::try_from(little_endian(first)).unwrap_or(usize::MAX);
        if count > self.length_max {
            return Err(WireProblem::TooLong);
        }
        let begin = begin + head;
        let argument = bytes.get(begin..begin + count);
        Ok(argument.map_or(Argument::Missing, |argument| Argument::Here(argument, begin + count)))
    }

    fn perform(&mut self, code: u8, argument: &[u8]) -> Read<()> {
        let stack = &mut self.stack;
        match code {
            0x80 if argument.iter().all(|protocol| *protocol <= PROTOCOL_MAX) => Ok(()),
            0x80 => Err(WireProblem::Pickle("there is no such protocol")),
            // How many instructions follow; they are followed one by one.
            0x95 => Ok(()),
            b'(' => stack.mark(),
            b')' => stack.push(Value::Tuple(Vec::new())),
            b']' => stack.push(Value::List(Vec::new())),
            b'}' => stack.push(Value::Dict(Vec::new())),
            b'N' => stack.push(Value::None),
            0x88 => stack.push(Value::Bool(true)),
            0x89 => stack.push(Value::Bool(false)),
            b'K' | b'M' => stack.push(Value::Int(little_endian(argument).into())),
            b'J' => stack.push(Value::Int(i128::from(little_endian(argument) as u32 as i32))),
            0x8a | 0x8b => stack.push(Value::Int(signed(argument)?)),
            b'G' => stack.push(Value::Float(f64::from_bits(big_endian(argument)))),
            b'X' | 0x8c | 0x8d | b'U' | b'T' => stack.push(line::text(argument)?),
            b'I' => stack.push(line::int(argument)?),
            b'L' => stack.push(line::long(argument)?),
            b'F' => stack.push(line::float(argument)?),
            b'V' => stack.push(line::unicode(argument)?),
            b'S' => stack.push(line::quoted(argument)?),
            b't' => stack.tuple(),
            0x85..=0x87 => stack.tuple_of(usize::from(code - 0x84)),
            b'l' => stack.list(),
            b'd' => stack.dict(),
            b'a' => stack.append(),
            b'e' => stack.appends(),
            b's' => stack.set_item(),
            b'u' => stack.set_items(),
            b'p' => stack.put(Some(line::place(argument)?)),
            b'q' | b'r' => stack.put(Some(little_endian(argument) as u32)),
            0x94 => stack.put(None),
            b'g' => stack.recall(line::place(argument)?),
            b'h' | b'j' => stack.recall(little_endian(argument) as u32),
            other => Err(WireProblem::Instruction(instruction::name(other))),
        }
    }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// A whole number in two's complement, of as many bytes as it needs.
fn signed(bytes: &[u8]) -> Read<i128> {
    let negative = bytes.last().is_some_and(|byte| *byte >= 0x80);
    let mut whole = [if negative { 0xff } else { 0 }; 16];
    let room = whole.get_mut(..bytes.len()).ok_or(WireProblem::Pickle("a number is too large"))?;
    room.copy_from_slice(bytes);
    Ok(i128::from_le_bytes(whole))
}
