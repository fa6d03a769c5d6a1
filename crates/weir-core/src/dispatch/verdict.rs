//! What a server's answer means for a write that it shall have.

/// Whether a server has taken a write (`semantics.md` §3.1). The same for a live copy and for the catch-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It has.
    Success,
    /// It has not, and may later: the write is repeated.
    Repeat,
    /// It has not and never will: repeating would only repeat the answer. The write is a dead letter.
    Refusal,
}

impl Verdict {
    /// What a final answer of this status means.
    pub fn of(status: u16) -> Self {
        match status {
            200..=399 => Self::Success,
            // Too slow, wrong connection, too early, too often: all of them ask for another try.
            408 | 421 | 425 | 429 => Self::Repeat,
            400..=499 => Self::Refusal,
            // Statuses that do not exist count as 5xx (RFC 9110 §15).
            _ => Self::Repeat,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_meaning() {
        for (status, expected) in [
            (200, Verdict::Success),
            (304, Verdict::Success),
            (399, Verdict::Success),
            (400, Verdict::Refusal),
            (407, Verdict::Refusal),
            (408, Verdict::Repeat),
            (409, Verdict::Refusal),
            (420, Verdict::Refusal),
            (421, Verdict::Repeat),
            (422, Verdict::Refusal),
            (425, Verdict::Repeat),
            (429, Verdict::Repeat),
            (499, Verdict::Refusal),
            (500, Verdict::Repeat),
            (599, Verdict::Repeat),
            (999, Verdict::Repeat),
        ] {
            assert_eq!(Verdict::of(status), expected, "{status}");
        }
    }
}
