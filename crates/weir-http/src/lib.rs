//! HTTP messages and the HTTP/1.1 codec: bytes in, bytes out; no socket, no clock.
//!
//! A message's head is one [`Head`](head::Head): one buffer and a table of fields. Heads that come in pieces are found by
//! a [`HeadScanner`](scan::HeadScanner), how a body ends is decided in [`framing`], and a [`BodyDecoder`](body::BodyDecoder)
//! walks through it. What is ambiguous is refused, never repaired: two programs that read one message differently are
//! how requests are smuggled (RFC 9112 §11.2).

pub mod authority;
pub mod body;
pub mod chunked;
pub mod connection;
pub mod cookie;
pub mod field;
pub mod framing;
pub mod head;
pub mod list;
pub mod method;
pub mod path;
pub mod proxy_protocol;
pub mod quality;
pub mod scan;
pub mod status;
pub mod target;
pub mod upgrade;
pub mod version;
mod word;
