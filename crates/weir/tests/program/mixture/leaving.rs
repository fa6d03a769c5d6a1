//! Clients that go away: where they were just then.

use super::{content, get, head};

/// Kinds of leaving.
pub(super) const WAYS: u64 = 18;

/// What such a client has said before it went, and whether over TLS.
pub(super) fn last_words(way: u64, id: u64) -> (Vec<u8>, bool) {
    let text = |words: String| (words.into_bytes(), false);
    match way {
        0 => text(format!("GET /web/sized/100/{id:x} HTTP/1.1\r\nHos")),
        1 => half("web", 700, id),
        2 => text(get("web", "sized", 300_000, id)),
        3 => text(get("race", "sized", 300_000, id)),
        4 => half("race", 100_000, id),
        5 => text(get("hedge", "slow", 100, id)),
        6 => text(get("majority", "sized", 100_000, id)),
        7 => half("majority", 700, id),
        8 => half("memory", 400_000, id),
        9 => whole("memory", 700, id),
        10 => half("durable", 400_000, id),
        11 => whole("durable", 700, id),
        12 => half("mirror", 100_000, id),
        13 => whole("mirror", 700, id),
        14 => {
            let head = head("POST", "web", "echo", 1000, id) + "Transfer-Encoding: chunked\r\n\r\n3e8\r\n";
            ([head.as_bytes(), &content(id, 1000)[..300]].concat(), false)
        }
        15 => {
            text(head("GET", "web", "upgrade", 100, id) + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        }
        16 => (get("web", "sized", 300_000, id).into_bytes(), true),
        _ => (half("web", 20_000, id).0, true),
    }
}

/// Half of what was announced.
fn half(mode: &str, bytes: usize, id: u64) -> (Vec<u8>, bool) {
    let (mut request, tls) = whole(mode, bytes, id);
    request.truncate(request.len() - bytes / 2);
    (request, tls)
}

fn whole(mode: &str, bytes: usize, id: u64) -> (Vec<u8>, bool) {
    let head = head("POST", mode, "echo", bytes, id) + &format!("Content-Length: {bytes}\r\n\r\n");
    ([head.as_bytes(), &content(id, bytes)].concat(), false)
}
