//! Where keys and authorities come from.

use std::path::Path;

use crate::check::upstream_tls::Trust;

/// See the module.
pub(crate) struct Sources<'s> {
    /// The configuration's directory.
    pub(crate) base_dir: &'s Path,
    /// Whom issuers with `https://` are verified by.
    pub(crate) trust: &'s Trust,
}
