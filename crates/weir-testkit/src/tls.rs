//! TLS on a connection of a test, for either side: rustls over a blocking socket.
//!
//! Driven by hand, because tests want what an adapter hides: an end without a goodbye, a key update at the wrong moment, what
//! kind of handshake it was.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use rustls::Connection;

/// A TLS connection.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) connection: Connection,
    pub(crate) stream: TcpStream,
}

impl Tls {
    /// Shakes hands to the end. An error of rustls is inside the system's.
    pub(crate) fn shake_hands(&mut self) -> io::Result<()> {
        while self.connection.is_handshaking() {
            self.flush()?;
            if self.connection.is_handshaking() {
                self.receive()?;
            }
        }
        self.flush()
    }

    /// Like reading a socket; an end without a goodbye is `UnexpectedEof`.
    pub(crate) fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.connection.reader().read(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return outcome,
            }
            self.flush()?;
            self.receive()?;
        }
    }

    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(16 * 1024) {
            self.connection.writer().write_all(piece)?;
            self.flush()?;
        }
        Ok(())
    }

    /// Sends what is to be sent.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.stream)?;
        }
        Ok(())
    }

    fn receive(&mut self) -> io::Result<()> {
        let count = self.connection.read_tls(&mut self.stream)?;
        if count == 0 && self.connection.is_handshaking() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let outcome = self.connection.process_new_packets();
        // Whoever is refused is told why.
        let _ = self.flush();
        outcome.map(|_| ()).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}
