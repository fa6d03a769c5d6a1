//! How many servers get a request, and whose answer the client gets.

/// The dispatch mode of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// One server.
    #[default]
    Balance,
}
