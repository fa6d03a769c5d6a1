//! A client: it sends the message of a file and holds the answer against what it has sent.

use std::fmt;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpStream;
use weir_upstream::io::deadline::{Deadlines, Wait};
use weir_upstream::io::stream::Stream;

use crate::digest::sha1;
use crate::talk::{self, Talk};
use crate::wire::message::Message;
use crate::wire::{Form, Framer, Value, WireLimits, encode};

/// How long everything may take, from connecting to the answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The most bytes that a file may have; no proxy takes more.
pub const FILE_BYTES_MAX: usize = 16 << 20;

/// Why a file can't be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoMessage(String);

impl fmt::Display for NoMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoMessage {}

/// What came of a transmission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transmission {
    /// The server has what was sent.
    Verified,
    /// It has something else.
    Different,
    /// The proxy says why it is not brought to a server.
    Refused(String),
}

/// A message that is ready to be sent.
#[derive(Debug)]
pub struct Packet {
    form: Form,
    bytes: Vec<u8>,
    expected: String,
}

impl Packet {
    /// The message in this file, from the client of this number.
    ///
    /// # Errors
    /// The file holds no message of type 0.
    pub fn of_file(content: &[u8], client: i64) -> Result<Self, NoMessage> {
        let limits = WireLimits { message_bytes_max: FILE_BYTES_MAX };
        let frame = match Framer::new(limits).advance(content) {
            Ok(Some(frame)) => frame,
            Ok(None) => return Err(NoMessage("the message has no end".to_owned())),
            Err(problem) => return Err(NoMessage(problem.to_string())),
        };
        if !content[frame.end..].trim_ascii().is_empty() {
            return Err(NoMessage("there is something behind the message".to_owned()));
        }
        let mut value = frame.value;
        if matches!(value.member("srcid"), None | Some(Value::None)) {
            value.put("srcid", Value::Int(client.into()));
        } else if let Some(written) = value.member("srcid").map(|known| known.written_alike(client)) {
            value.put("srcid", written);
        }
        match Message::of(&value) {
            Ok(Message::Request(_)) => {}
            Ok(_) => return Err(NoMessage("a client sends a message of type 0".to_owned())),
            Err(senseless) => return Err(NoMessage(senseless.to_string())),
        }
        let payload = match value.member("payload") {
            Some(Value::Text(payload)) => sha1(payload),
            _ => String::new(),
        };
        Ok(Self { form: frame.form, bytes: encode(frame.form, &value), expected: payload })
    }

    /// Sends it to the proxy at this address and waits for the answer.
    ///
    /// # Errors
    /// The connection's; also when what comes is no message.
    pub async fn send(&self, proxy: &str) -> io::Result<Transmission> {
        let deadlines = Deadlines::new();
        deadlines.set(Wait::Request, PATIENCE);
        let sent = deadlines.guard(pin!(self.exchange(proxy, &deadlines))).await;
        sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn exchange(&self, proxy: &str, deadlines: &Deadlines) -> io::Result<Transmission> {
        let stream = Rc::new(Stream::tcp(TcpStream::connect(proxy).await?));
        let limits = WireLimits { message_bytes_max: FILE_BYTES_MAX };
        let mut talk = Talk::new(stream, limits);
        talk::write(&talk.stream, &self.bytes).await?;
        let answered = talk.next(deadlines, None).await;
        let frame = answered.map_err(|error| io::Error::other(error.to_string()))?;
        let answer = frame.ok_or(io::ErrorKind::UnexpectedEof)?.value;
        Ok(match Message::of(&answer) {
            Ok(Message::Answer { .. }) => match answer.member("payload") {
                Some(Value::Text(digest)) if digest.trim().eq_ignore_ascii_case(&self.expected) => {
                    Transmission::Verified
                }
                _ => Transmission::Different,
            },
            Ok(Message::Refusal) => Transmission::Refused(reason(&answer)),
            Ok(_) => Transmission::Different,
            Err(senseless) => return Err(io::Error::other(senseless.to_string())),
        })
    }

    /// How it is written.
    pub fn form(&self) -> Form {
        self.form
    }
}

/// Why something was refused, as far as that is said.
fn reason(answer: &Value) -> String {
    let said = ["reason", "error", "payload"].into_iter().find_map(|name| match answer.member(name) {
        Some(Value::Text(text)) if !text.is_empty() => Some(text.to_string()),
        _ => None,
    });
    said.unwrap_or_else(|| String::from_utf8_lossy(&encode(Form::Json, answer)).into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn sent(file: &str) -> String {
        String::from_utf8(Packet::of_file(file.as_bytes(), 9).unwrap().bytes).unwrap()
    }

    #[test]
    fn the_number_of_the_client_is_put_in_as_the_file_writes_numbers() {
        assert_eq!(
            sent("{\"type\": 0, \"srcid\": 1, \"privPoliId\": 111, \"payload\": \"x\"}\n"),
            "{\"type\": 0, \"srcid\": 9, \"privPoliId\": 111, \"payload\": \"x\"}"
        );
        assert!(
            sent(r#"{"type": "0", "srcid": "1", "privPolyId": "111", "payload": ""}"#)
                .contains("\"srcid\": \"9\"")
        );
        assert!(
            sent(r#"{"type": 0, "privPolyId": 111, "payload": "", "more": [1]}"#)
                .ends_with("[1], \"srcid\": 9}")
        );
    }

    #[test]
    fn what_is_no_message_of_a_client_is_not_sent() {
        let check = |file: &str, part: &str| {
            let error = Packet::of_file(file.as_bytes(), 9).unwrap_err().to_string();
            assert!(error.contains(part), "{file}: {error}");
        };
        check("", "no end");
        check("{\"type\": 0", "no end");
        check("[1]", "JSON object");
        check("{} {}", "behind");
        check("{}", "`type`");
        check(r#"{"type": 1, "id": 1, "privPoliId": 1, "listenport": 1}"#, "type 0");
        check(r#"{"type": 0, "privPoliId": 1}"#, "`payload`");
    }
}
