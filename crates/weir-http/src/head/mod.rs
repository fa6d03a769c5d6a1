//! The head of a message: one contiguous buffer and a table of fields.
//!
//! A received head is adopted: its bytes are copied once, in one piece, and the table remembers where names and values
//! lie. Removing a field takes it from the table, adding one writes a line at the end of the buffer, writing the head out gathers the
//! longest runs of lines that stand as they are. So copying a head for another attempt is one `memcpy`, and passing one
//! on touches no field that is not changed.
//!
//! Not here: what a field means, and how the body behind the head is framed ([`framing`](crate::framing)).

mod line;
mod parse;
#[cfg(test)]
mod tests;
mod write;

use std::{fmt, slice};

use crate::field::{FieldName, KnownName, KnownNames, NameSet};
use crate::list;
use crate::method::Method;
use crate::version::Version;

/// Why bytes are not a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadError {
    /// Longer than the limit.
    TooLong,
    /// More fields than the limit.
    TooManyFields,
    /// A line that ends in LF without CR (RFC 9112 §2.2).
    BareLineFeed,
    /// A line that begins with white space (RFC 9112 §5.2).
    ObsoleteFold,
    /// Not a request line (RFC 9112 §3).
    RequestLine,
    /// Not a status line (RFC 9112 §4).
    StatusLine,
    /// A version other than HTTP/1.0 and HTTP/1.1.
    Version,
    /// A field name that is no token, or white space before the colon (RFC 9112 §5.1).
    FieldName,
    /// A control byte in a field value, or a bare CR (RFC 9110 §5.5).
    FieldValue,
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the head is too long",
            Self::TooManyFields => "the head has too many fields",
            Self::BareLineFeed => "a line ends in LF without CR",
            Self::ObsoleteFold => "a line of the head begins with white space",
            Self::RequestLine => "the request line is malformed",
            Self::StatusLine => "the status line is malformed",
            Self::Version => "the version is neither HTTP/1.0 nor HTTP/1.1",
            Self::FieldName => "a field name is malformed",
            Self::FieldValue => "a field value holds a control character",
        })
    }
}

impl std::error::Error for HeadError {}

/// A range of the buffer. Heads are at most 1 MiB, so 32 bits are plenty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Span {
    start: u32,
    length: u32,
}

impl Span {
    fn of(self, buffer: &[u8]) -> &[u8] {
        &buffer[self.start as usize..self.end()]
    }

    fn end(self) -> usize {
        (self.start + self.length) as usize
    }
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
struct Field {
    name: Span,
    value: Span,
    known: Option<KnownName>,
    /// Whether the line stands in the buffer exactly as `name: value\r\n`, so that it may be written as it is.
    canonical: bool,
}

impl Field {
    #[inline]
    fn name<'a>(&self, buffer: &'a [u8]) -> FieldName<'a> {
        match self.known {
            Some(known) => FieldName::Known(known),
            None => FieldName::Other(self.name.of(buffer)),
        }
    }

    #[inline]
    fn is(&self, name: FieldName<'_>, buffer: &[u8]) -> bool {
        match name {
            FieldName::Known(known) => self.known == Some(known),
            FieldName::Other(text) => self.known.is_none() && self.name.of(buffer).eq_ignore_ascii_case(text),
        }
    }
}

/// What the first line says.
#[derive(Debug, Clone, Copy)]
enum Start {
    Request {
        method: Method,
        token: Span,
        target: Span,
    },
    Answer {
        status: u16,
        reason: Span,
    },
    /// A trailer section has no first line.
    None,
}

/// The head of a request or an answer, or a trailer section.
#[derive(Debug, Clone)]
pub struct Head {
    buffer: Vec<u8>,
    fields: Vec<Field>,
    /// The known names of which at least one field is there: most questions are about fields that are not there.
    present: KnownNames,
    /// Whether a received name without an id may be taken for a field in which a proxy tells of its client.
    speaks_of_a_client: bool,
    start: Start,
    /// Bytes of the first line if it stands at the beginning of the buffer as it is to be written; otherwise 0.
    first_line_bytes: u32,
    /// Whether all of the buffer is what is to be written, as it stands.
    intact: bool,
    version: Version,
}

impl Default for Head {
    fn default() -> Self {
        Self::new()
    }
}

impl Head {
    /// An empty head, which takes no memory yet.
    pub const fn new() -> Self {
        Self {
            buffer: Vec::new(),
            fields: Vec::new(),
            present: 0,
            speaks_of_a_client: false,
            start: Start::None,
            first_line_bytes: 0,
            intact: false,
            version: Version::Http11,
        }
    }

    /// A request with this method token and target, without fields.
    pub fn request(method: &[u8], target: &[u8]) -> Self {
        let mut head = Self::default();
        let token = head.store(method);
        let target = head.store(target);
        head.start = Start::Request { method: Method::of(method), token, target };
        head
    }

    /// An answer with this status and its registered reason phrase, without fields.
    pub fn answer(status: u16) -> Self {
        let mut head = Self::default();
        head.begin_answer(status);
        head
    }

    /// Empties the head, keeping its memory, and makes it an answer with this status.
    pub fn begin_answer(&mut self, status: u16) {
        self.clear();
        let reason = self.store(crate::status::reason(status).as_bytes());
        self.start = Start::Answer { status, reason };
    }

    /// Empties the head and keeps its memory.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.fields.clear();
        self.present = 0;
        self.speaks_of_a_client = false;
        self.start = Start::None;
        self.first_line_bytes = 0;
        self.intact = false;
        self.version = Version::Http11;
    }

    /// Memory that it takes, in bytes.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.buffer.capacity() + self.fields.capacity() * size_of::<Field>()
    }

    /// The protocol version the message was received with; what is written out always says HTTP/1.1.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The method; [`Method::Other`] for anything but a request.
    pub fn method(&self) -> Method {
        match self.start {
            Start::Request { method, .. } => method,
            Start::Answer { .. } | Start::None => Method::Other,
        }
    }

    /// The method's token; empty for anything but a request.
    pub fn method_token(&self) -> &[u8] {
        match self.start {
            Start::Request { token, .. } => token.of(&self.buffer),
            Start::Answer { .. } | Start::None => b"",
        }
    }

    /// The request target; empty for anything but a request.
    pub fn target(&self) -> &[u8] {
        match self.start {
            Start::Request { target, .. } => target.of(&self.buffer),
            Start::Answer { .. } | Start::None => b"",
        }
    }

    /// Replaces the request target. Does nothing to anything but a request.
    pub fn set_target(&mut self, new: &[u8]) {
        let span = self.store(new);
        if let Start::Request { target, .. } = &mut self.start {
            *target = span;
            self.first_line_bytes = 0;
            self.intact = false;
        }
    }

    /// The status; 0 for anything but an answer.
    pub fn status(&self) -> u16 {
        match self.start {
            Start::Answer { status, .. } => status,
            Start::Request { .. } | Start::None => 0,
        }
    }

    /// The reason phrase; empty for anything but an answer.
    pub fn reason(&self) -> &[u8] {
        match self.start {
            Start::Answer { reason, .. } => reason.of(&self.buffer),
            Start::Request { .. } | Start::None => b"",
        }
    }

    /// Every field in order, as name and value.
    pub fn fields(&self) -> impl Iterator<Item = (FieldName<'_>, &[u8])> {
        let buffer = &self.buffer;
        self.fields.iter().map(|field| (field.name(buffer), field.value.of(buffer)))
    }

    /// The first value of a field.
    #[inline]
    pub fn get<'n>(&self, name: impl Into<FieldName<'n>>) -> Option<&[u8]> {
        let name = name.into();
        Values { fields: self.candidates(name).iter(), name, buffer: &self.buffer }.next()
    }

    /// The value of a field that is there once; `None` also when it is there several times.
    #[inline]
    pub fn only(&self, name: KnownName) -> Option<&[u8]> {
        let mut values = self.get_all(name);
        let first = values.next()?;
        values.next().is_none().then_some(first)
    }

    /// Every value of a field, in order.
    #[inline]
    pub fn get_all<'a, 'n: 'a>(&'a self, name: impl Into<FieldName<'n>>) -> impl Iterator<Item = &'a [u8]> {
        let name = name.into();
        Values { fields: self.candidates(name).iter(), name, buffer: &self.buffer }
    }

    /// Whether the field is there.
    #[inline]
    pub fn has<'n>(&self, name: impl Into<FieldName<'n>>) -> bool {
        match name.into() {
            FieldName::Known(known) => self.present & known.bit() != 0,
            name @ FieldName::Other(_) => self.fields.iter().any(|field| field.is(name, &self.buffer)),
        }
    }

    /// Takes every field of this name away and says whether there was one.
    pub fn remove<'n>(&mut self, name: impl Into<FieldName<'n>>) -> bool {
        let name = name.into();
        if let FieldName::Known(known) = name {
            if self.present & known.bit() == 0 {
                return false;
            }
            self.present &= !known.bit();
        }
        let before = self.fields.len();
        self.fields.retain(|field| !field.is(name, &self.buffer));
        let found = self.fields.len() < before;
        self.intact &= !found;
        found
    }

    /// Whether some field was received for which [`FieldName::speaks_of_a_client`] says so.
    #[inline]
    pub fn speaks_of_a_client(&self) -> bool {
        self.speaks_of_a_client
    }

    /// Takes every field away whose name is in the set: nothing but a look when there is none.
    pub fn remove_all(&mut self, names: NameSet) {
        if self.present & names.bits() == 0 {
            return;
        }
        self.present &= !names.bits();
        self.intact = false;
        self.fields.retain(|field| field.known.is_none_or(|known| !names.holds(known)));
    }

    /// Takes away every field for which `unwanted` says so, in one pass.
    pub fn remove_where(&mut self, mut unwanted: impl FnMut(FieldName<'_>, &[u8]) -> bool) {
        self.present = 0;
        self.intact = false;
        self.fields.retain(|field| {
            let wanted = !unwanted(field.name(&self.buffer), field.value.of(&self.buffer));
            if wanted {
                self.present |= field.known.map_or(0, KnownName::bit);
            }
            wanted
        });
    }

    /// Adds a field behind the others.
    ///
    /// The caller vouches that the name is a token and the value holds no control bytes; debug builds check it.
    pub fn append<'n>(&mut self, name: impl Into<FieldName<'n>>, value: &[u8]) {
        self.append_line(name.into(), value, &[]);
    }

    /// Adds a field whose value is these parts, one after the other.
    pub fn append_parts<'n>(&mut self, name: impl Into<FieldName<'n>>, parts: &[&[u8]]) {
        let (first, others) =
            parts.split_first().map_or((&b""[..], parts), |(first, others)| (*first, others));
        self.append_line(name.into(), first, others);
    }

    #[inline]
    fn append_line(&mut self, name: FieldName<'_>, first: &[u8], others: &[&[u8]]) {
        debug_assert!(list::is_token(name.as_bytes()), "a field name must be a token");
        debug_assert!(
            is_field_value(first) && others.iter().all(|part| is_field_value(part)),
            "a field value must not hold control bytes"
        );
        let line_start = self.buffer.len();
        let known = match name {
            FieldName::Known(known) => {
                self.present |= known.bit();
                self.buffer.extend_from_slice(known.line_start().as_bytes());
                Some(known)
            }
            FieldName::Other(text) => {
                debug_assert!(KnownName::of(text).is_none(), "a known name is asked for by its id");
                self.buffer.extend_from_slice(text);
                self.buffer.extend_from_slice(b": ");
                None
            }
        };
        let start = self.buffer.len();
        let name = span(line_start, start - line_start - 2);
        self.buffer.extend_from_slice(first);
        for part in others {
            self.buffer.extend_from_slice(part);
        }
        let value = span(start, self.buffer.len() - start);
        self.buffer.extend_from_slice(b"\r\n");
        self.fields.push(Field { name, value, known, canonical: true });
    }

    /// Adds the fields of a block behind the others, in one piece.
    pub fn append_block(&mut self, block: &Block) {
        let start = self.buffer.len() as u32;
        self.buffer.extend_from_slice(&block.head.buffer);
        self.present |= block.head.present;
        self.fields.extend(block.head.fields.iter().map(|field| Field {
            name: Span { start: field.name.start + start, ..field.name },
            value: Span { start: field.value.start + start, ..field.value },
            ..*field
        }));
    }

    /// Makes this the only field of its name.
    pub fn replace<'n>(&mut self, name: impl Into<FieldName<'n>>, value: &[u8]) {
        let name = name.into();
        self.remove(name);
        self.append(name, value);
    }

    /// Takes the zeros from the front of the numbers of this name; the last digit stays.
    #[cold]
    pub(crate) fn drop_zeros(&mut self, name: KnownName) {
        for field in self.fields.iter_mut().filter(|field| field.known == Some(name)) {
            let digits = field.value.of(&self.buffer);
            let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
            let dropped = zeros.min(digits.len().saturating_sub(1)) as u32;
            field.value = Span { start: field.value.start + dropped, length: field.value.length - dropped };
            field.canonical = false;
        }
        self.intact = false;
    }

    /// The fields among which one of this name may be: none of them when it is known to be absent.
    #[inline]
    fn candidates(&self, name: FieldName<'_>) -> &[Field] {
        match name {
            FieldName::Known(known) if self.present & known.bit() == 0 => &[],
            FieldName::Known(_) | FieldName::Other(_) => &self.fields,
        }
    }

    fn store(&mut self, bytes: &[u8]) -> Span {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        span(start, bytes.len())
    }
}

/// The values of one field name; a loop of its own, because it is asked for wherever a head is.
struct Values<'a, 'n> {
    fields: slice::Iter<'a, Field>,
    name: FieldName<'n>,
    buffer: &'a [u8],
}

impl<'a> Iterator for Values<'a, '_> {
    type Item = &'a [u8];

    #[inline(always)]
    fn next(&mut self) -> Option<&'a [u8]> {
        for field in self.fields.by_ref() {
            if field.is(self.name, self.buffer) {
                return Some(field.value.of(self.buffer));
            }
        }
        None
    }
}

/// Fields that many heads get, prepared once.
#[derive(Debug, Clone)]
pub struct Block {
    head: Head,
}

impl Block {
    /// A block of these fields, in this order.
    pub fn new(fields: &[(KnownName, &[u8])]) -> Self {
        let mut head = Head::default();
        for (name, value) in fields {
            head.append(*name, value);
        }
        Self { head }
    }
}

/// Whether these bytes may stand in a field value (RFC 9110 §5.5): no control byte but HTAB.
pub fn is_field_value(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == b'\t' || (byte >= 0x20 && byte != 0x7f))
}

fn span(start: usize, length: usize) -> Span {
    debug_assert!(start + length <= u32::MAX as usize, "heads are bounded far below 4 GiB");
    Span { start: start as u32, length: length as u32 }
}
