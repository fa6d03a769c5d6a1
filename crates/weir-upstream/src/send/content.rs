//! What becomes of the content of an answer while it is read.

use crate::body::{Charge, KeptBytes, Room};

/// What is kept of an answer's content.
#[derive(Debug, Clone, Copy)]
pub enum Keep<'r> {
    /// All of it.
    All,
    /// All of it, if there is room; as much as there is none for is beyond the limit.
    Within(&'r Room),
    /// Nothing: its head is the answer. The rest is read as far as the limit goes and time allows, so that the connection can
    /// be kept.
    Nothing,
}

/// The content, as it comes.
pub(super) enum Content {
    Plain { bytes: Vec<u8>, bytes_max: usize },
    Kept(KeptBytes),
    Skipped { left: usize },
}

impl Content {
    pub(super) fn new(keep: Keep<'_>, bytes_max: usize) -> Self {
        match keep {
            Keep::All => Self::Plain { bytes: Vec::new(), bytes_max },
            Keep::Within(room) => Self::Kept(KeptBytes::new(room, bytes_max)),
            Keep::Nothing => Self::Skipped { left: bytes_max },
        }
    }

    /// Takes a piece; says whether it was within the limit.
    pub(super) fn push(&mut self, piece: &[u8]) -> bool {
        match self {
            Self::Plain { bytes, bytes_max } => {
                let room = *bytes_max - bytes.len();
                bytes.extend_from_slice(&piece[..piece.len().min(room)]);
                piece.len() <= room
            }
            Self::Kept(bytes) => bytes.push(piece).is_ok(),
            Self::Skipped { left } => {
                let is_within = piece.len() <= *left;
                *left = left.saturating_sub(piece.len());
                is_within
            }
        }
    }

    /// Whether nobody wants it.
    pub(super) fn is_skipped(&self) -> bool {
        matches!(self, Self::Skipped { .. })
    }

    /// The bytes, and what they are charged.
    pub(super) fn into_parts(self) -> (Vec<u8>, Option<Charge>) {
        match self {
            Self::Plain { bytes, .. } => (bytes, None),
            Self::Kept(bytes) => {
                let (bytes, charge) = bytes.into_parts();
                (bytes, Some(charge))
            }
            Self::Skipped { .. } => (Vec::new(), None),
        }
    }
}
