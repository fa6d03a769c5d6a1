//! A server as the configuration has it, or the inventory that it names, whatever has become of it since.

use weir_core::server::ServerAddress;

use super::origin::Origin;

/// A server that the configuration or its inventory names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its name.
    pub server: Box<str>,
    /// Which of the two.
    pub origin: Origin,
    /// Where it is.
    pub address: ServerAddress,
    /// Its weight.
    pub weight: u32,
    /// Whether it acknowledges for the others.
    pub is_primary: bool,
}
