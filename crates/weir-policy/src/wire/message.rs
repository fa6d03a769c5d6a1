//! What a dictionary means.

use std::fmt;
use std::net::IpAddr;

use super::value::Value;

/// The two spellings of the policy's name; what is written here is what answers have when nothing else is known.
pub const POLICY_NAMES: [&str; 2] = ["privPoliId", "privPolyId"];

/// A dictionary that means something.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Type 0: a client wants this to be brought to a server.
    Request(Request),
    /// Type 1: a server registers itself.
    Registration(Registration),
    /// Type 2: a server's answer.
    Answer {
        /// For whom it is, where it says so.
        destination: Option<i64>,
    },
    /// Type -1: something went wrong.
    Refusal,
}

/// What a client wants to be brought to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Who asks; the answer is for him. `None` where he does not say.
    pub source: Option<i64>,
    /// Whose servers may get it.
    pub policy: i64,
    /// How long the payload is, in characters.
    pub payload_characters: usize,
}

/// How a server registers.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    /// Its own number.
    pub id: i64,
    /// What it is a server for.
    pub policy: i64,
    /// Where it listens.
    pub port: u16,
    /// At which address, if not at the one that it registers from.
    pub address: Option<IpAddr>,
    /// Whether connections to it may be used for more than one message.
    pub keep: bool,
    /// Whether it wants to hear that it is registered.
    pub confirm: bool,
    /// What it proves with that it may.
    pub token: Option<Token>,
}

/// A secret that a server sends.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<str>);

impl Token {
    /// The secret.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Why a dictionary means nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Senseless {
    /// A member is missing, or no whole number.
    NoNumber(&'static str),
    /// It has two policies.
    TwoPolicies,
    /// There is no such type.
    NoSuchType(i64),
    /// There is no text under `payload`.
    NoPayload,
    /// No port has this number.
    NoPort,
    /// `listenaddress` is no address.
    NoAddress,
}

impl fmt::Display for Senseless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNumber(name) => write!(f, "`{name}` is missing or no whole number"),
            Self::TwoPolicies => f.write_str("`privPoliId` and `privPolyId` are different policies"),
            Self::NoSuchType(number) => {
                write!(f, "there is no type {number}: 0 is a message, 1 registers a server")
            }
            Self::NoPayload => f.write_str("`payload` is missing or no text"),
            Self::NoPort => f.write_str("`listenport` is no port: a number from 1 to 65535"),
            Self::NoAddress => f.write_str("`listenaddress` is no IP address"),
        }
    }
}

impl std::error::Error for Senseless {}

impl Message {
    /// What this dictionary means.
    ///
    /// # Errors
    /// See [`Senseless`]. The next message may be fine.
    pub fn of(value: &Value) -> Result<Self, Senseless> {
        match number(value, "type")? {
            0 => Request::of(value).map(Self::Request),
            1 => Registration::of(value).map(Self::Registration),
            2 => Ok(Self::Answer { destination: optional(value, "destid")? }),
            -1 => Ok(Self::Refusal),
            other => Err(Senseless::NoSuchType(other)),
        }
    }
}

impl Request {
    fn of(value: &Value) -> Result<Self, Senseless> {
        let Some(Value::Text(payload)) = value.member("payload") else { return Err(Senseless::NoPayload) };
        Ok(Self {
            source: optional(value, "srcid")?,
            policy: policy(value)?,
            payload_characters: payload.chars().count(),
        })
    }
}

impl Registration {
    fn of(value: &Value) -> Result<Self, Senseless> {
        let port = number(value, "listenport")?;
        let port = u16::try_from(port).ok().filter(|port| *port != 0).ok_or(Senseless::NoPort)?;
        let address = match value.member("listenaddress") {
            None | Some(Value::None) => None,
            Some(Value::Text(text)) => Some(text.trim().parse().map_err(|_| Senseless::NoAddress)?),
            Some(_) => return Err(Senseless::NoAddress),
        };
        let token = match value.member("token") {
            Some(Value::Text(text)) => Some(Token(text.clone())),
            _ => None,
        };
        Ok(Self {
            id: number(value, "id")?,
            policy: policy(value)?,
            port,
            address,
            keep: is_set(value, "keep"),
            confirm: is_set(value, "confirm"),
            token,
        })
    }
}

fn is_set(value: &Value, name: &str) -> bool {
    match value.member(name) {
        Some(Value::Bool(is_set)) => *is_set,
        Some(Value::Int(number)) => *number == 1,
        Some(Value::Text(text)) => matches!(&**text, "true" | "True" | "1"),
        _ => false,
    }
}

fn number(value: &Value, name: &'static str) -> Result<i64, Senseless> {
    value.member(name).and_then(Value::number).ok_or(Senseless::NoNumber(name))
}

fn optional(value: &Value, name: &'static str) -> Result<Option<i64>, Senseless> {
    match value.member(name) {
        None | Some(Value::None) => Ok(None),
        Some(_) => number(value, name).map(Some),
    }
}

/// The policy, under either name.
fn policy(value: &Value) -> Result<i64, Senseless> {
    let mut found = POLICY_NAMES.into_iter().filter(|name| value.member(name).is_some());
    let Some(first) = found.next() else { return Err(Senseless::NoNumber(POLICY_NAMES[0])) };
    let policy = number(value, first)?;
    match found.next() {
        Some(other) if number(value, other)? != policy => Err(Senseless::TwoPolicies),
        _ => Ok(policy),
    }
}
