//! Where a head ends, found as its bytes arrive.
//!
//! A head that comes whole is parsed at once and needs no scanner. For one that comes in pieces, the scanner remembers how
//! far it has looked, so that a byte at a time costs one look at each byte, and refuses what `semantics.md` §1.3 refuses as
//! soon as it is seen.

use memchr::memchr_iter;

use crate::head::HeadError;

/// An incremental search for the empty line that ends a head.
///
/// Give it the same bytes again with more behind them; it goes on where it stopped.
#[derive(Debug, Clone, Copy, Default)]
pub struct HeadScanner {
    /// Everything before this has been looked at.
    scanned: usize,
    /// Where the current line begins.
    line_start: usize,
}

impl HeadScanner {
    /// The length of the head with its final empty line, once it is whole.
    ///
    /// # Errors
    /// [`HeadError::TooLong`] when the head is longer than `limit_bytes`, and the line errors of RFC 9112 §2.2 and §5.2:
    /// a bare LF, and a line that begins with white space (obs-fold).
    #[inline]
    pub fn scan(&mut self, bytes: &[u8], limit_bytes: usize) -> Result<Option<usize>, HeadError> {
        let begin = self.scanned;
        for offset in memchr_iter(b'\n', &bytes[begin..]) {
            let line_feed = begin + offset;
            if line_feed >= limit_bytes {
                return Err(HeadError::TooLong);
            }
            if line_feed == self.line_start || bytes[line_feed - 1] != b'\r' {
                return Err(HeadError::BareLineFeed);
            }
            // RFC 9112 §5.2: obs-fold is refused. The first line may not begin with white space either (§2.2).
            if matches!(bytes[self.line_start], b' ' | b'\t') {
                return Err(HeadError::ObsoleteFold);
            }
            self.scanned = line_feed + 1;
            if line_feed - self.line_start == 1 {
                return Ok(Some(line_feed + 1));
            }
            self.line_start = line_feed + 1;
        }
        self.scanned = bytes.len();
        if bytes.len() >= limit_bytes { Err(HeadError::TooLong) } else { Ok(None) }
    }

    /// Whether a byte of a head has been seen.
    pub fn has_begun(&self) -> bool {
        self.scanned > 0
    }
}

/// How many bytes of empty lines stand before a request line; a server ignores them (RFC 9112 §2.2).
///
/// Only CRLF counts: a lone CR at the end may be half of one and is left for the next call.
pub fn blank_lines(bytes: &[u8]) -> usize {
    bytes.chunks_exact(2).take_while(|pair| pair == b"\r\n").count() * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str, expected: Result<Option<usize>, HeadError>) {
        let bytes = head.as_bytes();
        assert_eq!(HeadScanner::default().scan(bytes, 64), expected, "{head:?} at once");
        let mut scanner = HeadScanner::default();
        let mut verdict = Ok(None);
        for end in 1..=bytes.len() {
            verdict = scanner.scan(&bytes[..end], 64);
            if verdict != Ok(None) {
                break;
            }
        }
        assert_eq!(verdict, expected, "{head:?} byte by byte");
    }

    #[test]
    fn finds_the_end_however_the_bytes_arrive() {
        check("GET / HTTP/1.1\r\n\r\n", Ok(Some(18)));
        check("GET / HTTP/1.1\r\nA: b\r\n\r\nrest\r\n\r\n", Ok(Some(24)));
        check("GET / HTTP/1.1\r\nA: b\r\n", Ok(None));
        check("", Ok(None));
    }

    #[test]
    fn semantics_1_3_refuses_bare_line_feeds_and_folds() {
        check("GET / HTTP/1.1\n\n", Err(HeadError::BareLineFeed));
        check("GET / HTTP/1.1\r\nA: b\n\r\n", Err(HeadError::BareLineFeed));
        check("GET / HTTP/1.1\r\nA: b\r\n\n", Err(HeadError::BareLineFeed));
        check("\n", Err(HeadError::BareLineFeed));
        check("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", Err(HeadError::ObsoleteFold));
        check("GET / HTTP/1.1\r\n\tA: b\r\n\r\n", Err(HeadError::ObsoleteFold));
    }

    #[test]
    fn the_limit_holds_with_and_without_an_end() {
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100));
        check(&long, Err(HeadError::TooLong));
        check(&"a".repeat(64), Err(HeadError::TooLong));
        let mut exact = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(45));
        exact.truncate(64);
        assert_eq!(
            HeadScanner::default().scan(format!("{}\r\n\r\n", "a".repeat(60)).as_bytes(), 64),
            Ok(Some(64))
        );
    }

    #[test]
    fn only_whole_empty_lines_are_skipped() {
        for (bytes, expected) in
            [("", 0), ("\r", 0), ("\r\n", 2), ("\r\n\r", 2), ("\r\n\r\nGET", 4), ("\n\r\n", 0)]
        {
            assert_eq!(blank_lines(bytes.as_bytes()), expected, "{bytes:?}");
        }
    }
}
