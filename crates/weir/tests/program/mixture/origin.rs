//! The server behind the mixture: the target of a request says what becomes of it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use super::content;
use super::wire::Wire;

/// A server, for as long as this lives.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    is_over: Arc<AtomicBool>,
}

impl Origin {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_over = Arc::<AtomicBool>::default();
        let over = Arc::clone(&is_over);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if over.load(SeqCst) {
                    return;
                }
                // Whoever is on the other side of a connection may end it whenever it likes.
                std::thread::spawn(move || serve(Wire::new(stream)));
            }
        });
        Self { address, is_over }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.is_over.store(true, SeqCst);
        // Wakes the thread that accepts.
        let _ = std::net::TcpStream::connect(self.address);
    }
}

fn serve(mut wire: Wire) -> io::Result<()> {
    while let Some(head) = wire.head()? {
        let line = head.lines().next().unwrap();
        let target = line.split(' ').nth(1).unwrap().to_owned();
        let (kind, number) = target[1..].split_once('/').unwrap();
        let number: u64 = number.parse().unwrap();
        match kind {
            "head" => wire.write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")?,
            "none" => wire.write("HTTP/1.1 204 No Content\r\n\r\n")?,
            "chunked" => wire.write(chunked(number))?,
            "interim" => {
                wire.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")?;
                wire.write(sized(number, 30))?;
            }
            "echo" => {
                let length = wire.body(&head)?.len();
                wire.write(sized(number, length))?;
            }
            "upgrade" => return upgraded(wire),
            "until" => return wire.write([b"HTTP/1.1 200 OK\r\n\r\n", &*content(number, 5000)].concat()),
            "garbage" => return wire.write("HTTP/1.1 what\r\n\r\n"),
            "cut" => return wire.write(&sized(number, 5000)[..2000]),
            "behind" => return wire.write([sized(number, 100), sized(0, 0)].concat()),
            "reset" => {
                wire.reset();
                return Ok(());
            }
            bytes => wire.write(sized(number, bytes.parse().unwrap()))?,
        }
    }
    Ok(())
}

fn sized(number: u64, bytes: usize) -> Vec<u8> {
    let content = content(number, bytes);
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", content.len()).as_bytes(), &content].concat()
}

fn chunked(number: u64) -> Vec<u8> {
    let content = content(number, 3000);
    let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n".to_vec();
    for chunk in content.chunks(1000) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\nT: u\r\n\r\n");
    bytes
}

fn upgraded(mut wire: Wire) -> io::Result<()> {
    wire.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")?;
    let bytes = wire.take(1000)?;
    wire.write(bytes)
}
