//! How servers become members.

/// How a server became a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Origin {
    /// The configuration names it.
    #[default]
    File,
    /// The inventory that the configuration names has it.
    Inventory,
    /// Somebody added it while the proxy ran.
    Added,
    /// It registered itself, and must say again that it is there.
    Lease,
    /// It is one of the addresses of a name.
    Name,
}

impl Origin {
    /// Its name in the admin interface.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Inventory => "inventory",
            Self::Added => "added",
            Self::Lease => "lease",
            Self::Name => "name",
        }
    }

    /// Whether people have written it where it is read from.
    pub fn is_written(self) -> bool {
        matches!(self, Self::File | Self::Inventory)
    }
}
