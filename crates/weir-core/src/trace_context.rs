//! `traceparent` of W3C Trace Context: which trace a request belongs to, and which part of it asks.
//!
//! What is not exactly as the recommendation has it (<https://www.w3.org/TR/trace-context/> §3.2) is no trace: guessing would join
//! requests that have nothing to do with each other. `tracestate` is others' and goes on as it is, or not at all.

use std::num::{NonZeroU64, NonZeroU128};

/// Bytes of the field as version 00 writes it.
pub const FIELD_BYTES: usize = 55;

/// Whoever came before has recorded this request, or may have (§3.2.2.5.1).
const SAMPLED: u8 = 1;

/// The trace id was made by chance alone (level 2, §3.2.2.5.2).
const RANDOM: u8 = 2;

/// A trace, and the one that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace. Never zero (§3.2.2.3).
    pub trace_id: NonZeroU128,
    /// The part of it that asks. Never zero (§3.2.2.4).
    pub parent_id: NonZeroU64,
    /// Flags; of those that came, what this version knows.
    flags: u8,
}

impl TraceContext {
    /// A trace that begins here, with ids of these random numbers.
    pub fn begin(trace_id: u128, parent_id: u64, is_sampled: bool) -> Self {
        let flags = RANDOM | if is_sampled { SAMPLED } else { 0 };
        Self {
            trace_id: NonZeroU128::new(trace_id).unwrap_or(NonZeroU128::MIN),
            parent_id: id(parent_id),
            flags,
        }
    }

    /// Reads a field. `None` when it is not valid, in which case `tracestate` must not be believed either (§3.3).
    ///
    /// A later version may say more behind a hyphen; what this version knows of it counts (§4.1).
    pub fn parse(field: &[u8]) -> Option<Self> {
        let (known, more) = field.split_at_checked(FIELD_BYTES)?;
        let version = hexadecimal(&known[..2])?;
        let hyphens = [2, 35, 52].into_iter().all(|place| known[place] == b'-');
        match version {
            // §3.2.2.1: 255 is no version.
            0xff => return None,
            0 if !more.is_empty() => return None,
            _ if !hyphens || !(more.is_empty() || more[0] == b'-') => return None,
            _ => {}
        }
        let trace_id = NonZeroU128::new(hexadecimal(&known[3..35])?)?;
        let parent_id = NonZeroU64::new(u64::try_from(hexadecimal(&known[36..52])?).ok()?)?;
        let flags = u8::try_from(hexadecimal(&known[53..])?).ok()?;
        // §3.2.2.5.2: flags that this version does not know are not passed on.
        Some(Self { trace_id, parent_id, flags: flags & (SAMPLED | RANDOM) })
    }

    /// The same trace, asked by a part of it with this random number for its id.
    #[must_use]
    pub fn asked_by(self, parent_id: u64) -> Self {
        Self { parent_id: id(parent_id), ..self }
    }

    /// Whether it is, or may be, recorded by whoever came before.
    pub fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The field.
    pub fn field(self) -> [u8; FIELD_BYTES] {
        let mut field = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write(self.trace_id.get(), &mut field[3..35]);
        write(self.parent_id.get().into(), &mut field[36..52]);
        write(self.flags.into(), &mut field[53..]);
        field
    }
}

/// The digits of a trace id.
pub fn trace_digits(trace_id: NonZeroU128) -> [u8; 32] {
    let mut digits = [b'0'; 32];
    write(trace_id.get(), &mut digits);
    digits
}

/// The digits of the id of a part of a trace.
pub fn part_digits(id: NonZeroU64) -> [u8; 16] {
    let mut digits = [b'0'; 16];
    write(id.get().into(), &mut digits);
    digits
}

/// An id of a random number. Zero, which comes once in the lifetime of the universe, is none.
fn id(number: u64) -> NonZeroU64 {
    NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN)
}

/// Lower-case digits only: §3.2.2.1 has no others, and another reader would refuse them.
fn hexadecimal(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0_u128, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

fn write(mut number: u128, out: &mut [u8]) {
    for place in out.iter_mut().rev() {
        *place = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}

#[cfg(test)]
mod tests;
