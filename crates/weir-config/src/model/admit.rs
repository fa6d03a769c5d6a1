//! Who may ask, how often, and how much at once.

use weir_core::address::AddressRules;

/// What a route admits.
#[derive(Debug, Clone, Default)]
pub struct Admit {
    /// Which addresses may ask; `None` for all.
    pub addresses: Option<AddressRules>,
}
