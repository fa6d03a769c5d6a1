//! Whether a ledger is the only one of its store: while a program is replaced, two processes put writes into one file.

/// Who else puts writes into the same store, which this ledger does not know of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Company {
    /// Nobody.
    #[default]
    Alone,
    /// Another ledger does, and this one delivers.
    Delivers,
    /// Another ledger delivers. Here every server counts as having a backlog (`semantics.md` §3.2): it may have one there.
    Waits,
}
