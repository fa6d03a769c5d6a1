//! A client with TLS over a pipe, driven by hand: what it sends may be cut, spoiled or kept back. And one that is no trouble:
//! a bridge, which makes a pipe in the clear of a pipe with TLS.

use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use weir_upstream::io::buffer::ReadBuffer;
use weir_upstream::io::stream::Stream;
use weir_upstream::io::tls::Input;

use super::certificate::{self, HOST};

/// How a connection with TLS has ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum End {
    /// With a goodbye (RFC 8446 §6.1).
    Announced,
    /// Without one.
    Cut,
    /// The proxy has refused something.
    Refused(Error),
}

/// A client.
pub(super) struct SecuredClient {
    pub tls: ClientConnection,
    pub pipe: DuplexStream,
}

impl SecuredClient {
    /// One that has said nothing yet.
    pub(super) fn new(pipe: DuplexStream) -> Self {
        Self::with(pipe, certificate::client())
    }

    /// The same with this configuration.
    pub(super) fn with(pipe: DuplexStream, config: ClientConfig) -> Self {
        let name = ServerName::try_from(HOST).unwrap();
        Self { tls: ClientConnection::new(Arc::new(config), name).unwrap(), pipe }
    }

    /// One that has shaken hands.
    pub(super) async fn connected(pipe: DuplexStream) -> Self {
        let mut client = Self::new(pipe);
        client.shake_hands().await.unwrap();
        client
    }

    /// What is to be sent next.
    pub(super) fn records(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// The records of this text.
    pub(super) fn sealed(&mut self, text: &str) -> Vec<u8> {
        let mut records = Vec::new();
        for piece in text.as_bytes().chunks(16 * 1024) {
            self.tls.writer().write_all(piece).unwrap();
            records.extend(self.records());
        }
        records.extend(self.records());
        records
    }

    /// Shakes hands to the end.
    pub(super) async fn shake_hands(&mut self) -> Result<(), End> {
        while self.tls.is_handshaking() {
            let records = self.records();
            self.pipe.write_all(&records).await.map_err(|_| End::Cut)?;
            if self.tls.is_handshaking() {
                self.receive().await?;
            }
        }
        let records = self.records();
        self.pipe.write_all(&records).await.map_err(|_| End::Cut)
    }

    /// Takes in what comes next.
    pub(super) async fn receive(&mut self) -> Result<(), End> {
        let mut bytes = [0; 4096];
        let count = self.pipe.read(&mut bytes).await.unwrap();
        let mut left = &bytes[..count];
        if count == 0 {
            return Err(End::Cut);
        }
        while !left.is_empty() && self.tls.read_tls(&mut left).unwrap() > 0 {
            self.tls.process_new_packets().map_err(End::Refused)?;
        }
        Ok(())
    }

    /// Says all of this.
    pub(super) async fn say(&mut self, text: &str) {
        let records = self.sealed(text);
        self.pipe.write_all(&records).await.unwrap();
    }

    /// The next bytes; how the connection ended when it has.
    pub(super) async fn some(&mut self) -> Result<Vec<u8>, End> {
        loop {
            let mut bytes = vec![0; 64 * 1024];
            match self.tls.reader().read(&mut bytes) {
                Ok(0) => return Err(End::Announced),
                Ok(count) => {
                    bytes.truncate(count);
                    return Ok(bytes);
                }
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            self.receive().await?;
        }
    }

    /// A whole answer with a length, as it is.
    pub(super) async fn answer(&mut self) -> String {
        let mut read = Vec::new();
        loop {
            read.extend(self.some().await.unwrap());
            let text = String::from_utf8_lossy(&read);
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.split("\r\nContent-Length: ").nth(1).unwrap().split("\r\n").next().unwrap();
                if body.len() >= length.parse().unwrap() {
                    return text.into_owned();
                }
            }
        }
    }

    /// Everything to the end of the connection, and what that was.
    pub(super) async fn rest(&mut self) -> (String, End) {
        let mut read = Vec::new();
        loop {
            match self.some().await {
                Ok(bytes) => read.extend(bytes),
                Err(end) => return (String::from_utf8(read).unwrap(), end),
            }
        }
    }
}

/// A pipe in the clear to somebody behind TLS. Its end is the end of the connection, however that came.
pub(super) fn bridge(pipe: DuplexStream) -> DuplexStream {
    let (ours, theirs) = duplex(1 << 20);
    let name = ServerName::try_from(HOST).unwrap();
    let tls = ClientConnection::new(Arc::new(certificate::client()), name).unwrap();
    let stream = Stream::test(pipe).with_tls(tls);
    tokio::task::spawn_local(async move {
        let (mut from, mut to) = tokio::io::split(theirs);
        // A connection that ends in the handshake is one that ends.
        while poll_fn(|cx| stream.poll_handshake(cx)).await.ok() == Some(Input::Arrived) {
            if stream.advance_handshake().is_err() {
                return;
            }
        }
        let up = async {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut bytes).await {
                let mut left = &bytes[..count];
                while !left.is_empty() {
                    let Ok(count) = poll_fn(|cx| stream.poll_write(cx, &[IoSlice::new(left)])).await else {
                        return;
                    };
                    left = &left[count..];
                }
                let _ = poll_fn(|cx| stream.poll_flush(cx)).await;
            }
            let _ = poll_fn(|cx| stream.poll_shutdown(cx)).await;
        };
        let down = async {
            let mut buffer = ReadBuffer::new();
            while let Ok(1..) = poll_fn(|cx| stream.poll_read(cx, &mut buffer)).await {
                let count = buffer.unread().len();
                to.write_all(buffer.unread()).await.unwrap();
                buffer.consume(count);
            }
            to.shutdown().await.unwrap();
        };
        tokio::join!(up, down);
    });
    ours
}
