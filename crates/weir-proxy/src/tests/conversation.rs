//! Two exchanges on one connection, one with lengths and one in chunks with trailers, and a server that answers whatever
//! it is asked, for tests that disturb them.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

use super::rig::head;

/// What the client says. The ids are its own, so that the same is sent every time.
pub(super) const REQUESTS: &str = "PUT /sized HTTP/1.1\r\nHost: a\r\nX-Request-Id: 1\r\nContent-Length: 5\r\n\r\nhello\
    PUT /chunked HTTP/1.1\r\nHost: a\r\nX-Request-Id: 2\r\nConnection: close\r\nTE: trailers\r\n\
    Transfer-Encoding: chunked\r\n\r\n4\r\nwide\r\n6;x=y\r\n world\r\n0\r\nEnd: up\r\n\r\n";

/// Bytes of a pipe at which each of its bytes is read and written alone, and so on.
pub(super) const NARROW: [usize; 4] = [1, 2, 3, 7];

/// A server that takes requests until the connection ends; gives what it got.
///
/// It answers with the path and then the body of the request: `/chunked` after an interim answer, in chunks with trailers,
/// anything else with a length.
pub(super) fn serve(mut pipe: DuplexStream) -> JoinHandle<Vec<String>> {
    tokio::task::spawn_local(async move {
        let mut requests = Vec::new();
        // The connection may end anywhere.
        while let Some(request) = request(&mut pipe).await {
            let (head, body) = plain(&request);
            let path = head.split(' ').nth(1).unwrap();
            let answer = if path == "/chunked" {
                format!(
                    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nDate: x\r\n\
                     Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{path}\r\n{:x};a=\"b\"\r\n{body}\r\n0\r\nEnd: down\r\n\r\n",
                    path.len(),
                    body.len()
                )
            } else {
                format!(
                    "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: {}\r\n\r\n{path}{body}",
                    path.len() + body.len()
                )
            };
            requests.push(request);
            if pipe.write_all(answer.as_bytes()).await.is_err() {
                break;
            }
        }
        requests
    })
}

/// Reads one whole message; `None` when the connection ends before it does.
async fn request(pipe: &mut DuplexStream) -> Option<String> {
    let mut bytes = Vec::new();
    while !is_whole(&bytes) {
        bytes.push(pipe.read_u8().await.ok()?);
    }
    Some(String::from_utf8(bytes).unwrap())
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes).unwrap();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    if head.contains("\r\nTransfer-Encoding: chunked") {
        return body.contains("0\r\n") && body.ends_with("\r\n\r\n");
    }
    let length =
        head.split("\r\nContent-Length: ").nth(1).map_or("0", |rest| rest.split("\r\n").next().unwrap());
    body.len() >= length.parse().unwrap()
}

/// A message as its head and its body, without the coding; trailers stand at the end of the body.
pub(super) fn plain(message: &str) -> (String, String) {
    let (head, mut rest) = message.split_once("\r\n\r\n").unwrap();
    if !head.contains("\r\nTransfer-Encoding: chunked") {
        return (head.to_owned(), rest.to_owned());
    }
    let mut body = String::new();
    loop {
        let (size, behind) = rest.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size.split(';').next().unwrap(), 16).unwrap();
        if size == 0 {
            return (head.to_owned(), body + "|" + behind);
        }
        let (chunk, behind) = behind.split_at(size);
        body += chunk;
        rest = behind.strip_prefix("\r\n").unwrap();
    }
}

/// Says all of it and reads to the end of the connection, at the same time. The connection may end anywhere.
pub(super) async fn talk(pipe: DuplexStream) -> String {
    let (mut from, mut to) = tokio::io::split(pipe);
    let saying = tokio::task::spawn_local(async move {
        // Nobody may be listening any more.
        let _ = to.write_all(REQUESTS.as_bytes()).await;
        to
    });
    let mut answers = String::new();
    from.read_to_string(&mut answers).await.unwrap();
    drop(from);
    saying.await.unwrap();
    answers
}

/// One more request on a connection of its own, and the head and body of its answer.
pub(super) async fn probe(mut pipe: DuplexStream) -> (String, String) {
    pipe.write_all(b"GET /probe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let head = head(&mut pipe).await;
    let mut body = String::new();
    pipe.read_to_string(&mut body).await.unwrap();
    (head, body)
}
