//! What a message may hold, whichever form it came in.

/// A value. Tuples and keys that are no text come from pickles only.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, `None`
    None,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A number with a fraction, or one that is too large for the other kind.
    Float(f64),
    /// A text.
    Text(Box<str>),
    /// A list.
    List(Vec<Value>),
    /// A tuple; JSON has it as a list.
    Tuple(Vec<Value>),
    /// A dictionary in the order in which it was written. Of a key that stands twice the last one counts, as in Python.
    Dict(Vec<(Value, Value)>),
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<Box<str>>) -> Self {
        Self::Text(text.into())
    }

    /// What the dictionary holds under this name.
    pub fn member(&self, name: &str) -> Option<&Self> {
        let Self::Dict(members) = self else { return None };
        let is_it = |key: &Self| matches!(key, Self::Text(text) if **text == *name);
        members.iter().rev().find(|(key, _)| is_it(key)).map(|(_, value)| value)
    }

    /// Puts something under this name, in place of what is there.
    pub fn put(&mut self, name: &str, value: Self) {
        let Self::Dict(members) = self else { return };
        let is_it = |key: &Self| matches!(key, Self::Text(text) if **text == *name);
        match members.iter_mut().rev().find(|(key, _)| is_it(key)) {
            Some((_, known)) => *known = value,
            None => members.push((Self::text(name), value)),
        }
    }

    /// The whole number that this is, also one that is written as a text: programs do both.
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::Int(number) => i64::try_from(*number).ok(),
            Self::Text(text) => text.trim().parse().ok(),
            // Languages without whole numbers write 7.0.
            Self::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => Some(*number as i64),
            _ => None,
        }
    }

    /// A number, written as this one is.
    #[must_use]
    pub fn written_alike(&self, number: i64) -> Self {
        match self {
            Self::Text(_) => Self::text(number.to_string()),
            _ => Self::Int(number.into()),
        }
    }
}
