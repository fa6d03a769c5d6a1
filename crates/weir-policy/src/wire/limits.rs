//! How large a message may be.

/// Bounds on what a peer may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireLimits {
    /// Bytes of one message, from its first to its last. Also the bound on what a pickle may hold when it is spread out.
    pub message_bytes_max: usize,
}

impl WireLimits {
    /// How deep lists and dictionaries may lie in each other. Real messages are flat.
    pub const DEPTH_MAX: usize = 32;

    /// How much a message may hold: values, names among them, and in a pickle also its marks and what it remembers. Each costs
    /// far more memory than the byte it may be written with: a message that has begun, of which there may be one on each
    /// connection, takes about as much for what it holds as for its bytes. Real messages hold a dozen.
    pub const ITEMS_MAX: usize = 1024;

    /// The least that a message may have beside its payload.
    const BESIDE_BYTES: usize = 16 * 1024;

    /// The most bytes that JSON needs for a character: two escaped halves.
    const CHARACTER_BYTES_MAX: usize = 12;

    /// Bounds that leave room for a payload of so many characters, however it is escaped.
    pub fn for_payload(characters_max: usize) -> Self {
        let payload = characters_max.saturating_mul(Self::CHARACTER_BYTES_MAX);
        Self { message_bytes_max: payload.saturating_add(Self::BESIDE_BYTES).max(64 * 1024) }
    }
}

impl Default for WireLimits {
    fn default() -> Self {
        Self::for_payload(1024)
    }
}
