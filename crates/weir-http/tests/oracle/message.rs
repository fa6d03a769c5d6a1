//! What a reader makes of a message: the form in which two readers are compared.

use std::fmt;

/// Names in lower case and values, in order within a name: hyper keeps no order between names.
pub(crate) type Fields = Vec<(String, Vec<u8>)>;

/// What the first line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// Method and target.
    Request(Vec<u8>, Vec<u8>),
    /// Status and reason phrase.
    Answer(u16, Vec<u8>),
}

/// A whole message.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) start: Start,
    pub(crate) http10: bool,
    pub(crate) fields: Fields,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Fields,
}

/// Brings fields into the order that both readers can keep.
pub(crate) fn sorted(fields: impl IntoIterator<Item = (impl AsRef<[u8]>, impl Into<Vec<u8>>)>) -> Fields {
    let lower = |name: &[u8]| String::from_utf8(name.to_ascii_lowercase()).unwrap();
    let mut fields: Fields =
        fields.into_iter().map(|(name, value)| (lower(name.as_ref()), value.into())).collect();
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    fields
}

/// The fields of a head with its length as everybody writes it: we pass on the number, hyper shows its spelling.
pub(crate) fn with_plain_length(mut fields: Fields) -> Fields {
    for (_, value) in fields.iter_mut().filter(|(name, _)| name == "content-length") {
        value.drain(..needless_zeros(value));
    }
    fields
}

/// How many zeros before a number say nothing.
pub(crate) fn needless_zeros(digits: &[u8]) -> usize {
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    zeros.min(digits.len().saturating_sub(1))
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.start {
            Start::Request(method, target) => {
                write!(f, "{} {}", method.escape_ascii(), target.escape_ascii())?;
            }
            Start::Answer(status, reason) => write!(f, "{status} {}", reason.escape_ascii())?,
        }
        write!(f, " HTTP/1.{} {{", u8::from(!self.http10))?;
        for (name, value) in &self.fields {
            write!(f, " {name}={:?}", value.escape_ascii().to_string())?;
        }
        write!(f, " }} body {:?}", self.body.escape_ascii().to_string())?;
        for (name, value) in &self.trailers {
            write!(f, " trailer {name}={:?}", value.escape_ascii().to_string())?;
        }
        Ok(())
    }
}
