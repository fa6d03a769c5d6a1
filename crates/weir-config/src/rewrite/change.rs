//! What shall be written.

/// Something that was changed of a server, and shall be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The name of the upstream.
    pub upstream: String,
    /// The name of the server.
    pub server: String,
    /// What is wanted.
    pub wish: Wish,
}

/// What is wanted of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// That it is there, with this weight.
    Add {
        /// Its weight.
        weight: u32,
    },
    /// That it is not there.
    Remove,
    /// That it has another weight.
    Weigh {
        /// What the file said when it was read.
        from: u32,
        /// What it shall say.
        to: u32,
    },
}
