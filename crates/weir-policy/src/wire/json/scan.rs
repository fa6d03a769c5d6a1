//! The end of an object, found byte by byte: brackets are counted, and texts passed over.

use super::super::limits::WireLimits;
use super::super::problem::WireProblem;

/// How far an object has been looked at.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Bytes that were looked at.
    seen: usize,
    /// Brackets that are open.
    depth: usize,
    in_text: bool,
    is_escaped: bool,
}

impl Scan {
    /// Looks at what has come of it since the last time. Its length, once it has ended.
    ///
    /// # Errors
    /// It lies too deep in itself.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>, WireProblem> {
        while let Some(rest) = bytes.get(self.seen..).filter(|rest| !rest.is_empty()) {
            if self.is_escaped {
                self.is_escaped = false;
                self.seen += 1;
                continue;
            }
            if self.in_text {
                let Some(at) = memchr::memchr2(b'"', b'\\', rest) else {
                    self.seen = bytes.len();
                    return Ok(None);
                };
                self.is_escaped = rest[at] == b'\\';
                self.in_text = self.is_escaped;
                self.seen += at + 1;
                continue;
            }
            self.seen += 1;
            match rest[0] {
                b'"' => self.in_text = true,
                b'{' | b'[' => {
                    self.depth += 1;
                    if self.depth > WireLimits::DEPTH_MAX {
                        return Err(WireProblem::TooDeep);
                    }
                }
                // Which bracket it is that closes is looked at when it is read.
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Ok(Some(self.seen));
                    }
                }
                _ => {}
            }
        }
        Ok(None)
    }
}
