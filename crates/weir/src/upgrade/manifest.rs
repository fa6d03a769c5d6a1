//! What is handed over, in words: they say how many sockets follow and what each is for. What a socket is, it says itself.

use std::fmt;

use serde_json::{Value, json};

use super::passing::MESSAGE_BYTES_MAX;

/// The way in which things are handed over. A program that knows another one refuses.
const FORM: u64 = 1;

/// Sockets that can be handed over; more than any process has addresses and workers.
pub(crate) const SOCKETS_MAX: usize = 16 << 10;

const SOCKETS_BEYOND: usize = SOCKETS_MAX + 1;

/// What the sockets of an address are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Clients connect there.
    Clients,
    /// The admin listener.
    Admin,
    /// The listener of metrics alone.
    Metrics,
    /// Messages of policy groups.
    Policy,
}

impl Role {
    const ALL: [Self; 4] = [Self::Clients, Self::Admin, Self::Metrics, Self::Policy];

    fn name(self) -> &'static str {
        match self {
            Self::Clients => "clients",
            Self::Admin => "admin",
            Self::Metrics => "metrics",
            Self::Policy => "policy",
        }
    }
}

/// The sockets of one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What they are for.
    pub(crate) role: Role,
    /// The address as it is in the configuration.
    pub(crate) written: String,
    /// How many.
    pub(crate) sockets: usize,
    /// Whether somebody who is no Weir has them too, and the file of a Unix socket is theirs.
    pub(crate) is_foreign: bool,
}

/// All of it. The sockets follow in this order, and then the messages about servers that have registered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Manifest {
    /// The addresses.
    pub(crate) entries: Vec<Entry>,
    /// Names of queues of which the process has the files.
    pub(crate) queues: Vec<String>,
    /// Messages about servers that have registered.
    pub(crate) registrations: usize,
}

/// Why words are no manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoManifest {
    /// It is of another version of Weir.
    OtherForm,
    /// It makes no sense.
    Garbage,
    /// More than can be handed over.
    TooMuch,
}

impl fmt::Display for NoManifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherForm => "the two versions of Weir hand over in different ways",
            Self::Garbage => "what is handed over makes no sense",
            Self::TooMuch => "there is more to hand over than can be",
        })
    }
}

impl std::error::Error for NoManifest {}

impl Manifest {
    /// Sockets that follow.
    pub(crate) fn sockets(&self) -> usize {
        self.entries.iter().map(|entry| entry.sockets).sum()
    }

    /// As one message.
    ///
    /// # Errors
    /// It is too long for one.
    pub(crate) fn to_text(&self) -> Result<Vec<u8>, NoManifest> {
        let entries = self.entries.iter().map(
            |entry| json!({"role": entry.role.name(), "written": entry.written, "sockets": entry.sockets, "foreign": entry.is_foreign}),
        );
        let text = json!({
            "weir": FORM, "listeners": entries.collect::<Vec<_>>(), "queues": self.queues, "registrations": self.registrations,
        });
        let text = text.to_string().into_bytes();
        let fits = text.len() <= MESSAGE_BYTES_MAX && self.sockets() <= SOCKETS_MAX;
        fits.then_some(text).ok_or(NoManifest::TooMuch)
    }

    /// From such a message.
    ///
    /// # Errors
    /// See [`NoManifest`].
    pub(crate) fn of_text(text: &[u8]) -> Result<Self, NoManifest> {
        let value: Value = serde_json::from_slice(text).map_err(|_| NoManifest::Garbage)?;
        match value["weir"].as_u64() {
            Some(FORM) => {}
            Some(_) => return Err(NoManifest::OtherForm),
            None => return Err(NoManifest::Garbage),
        }
        let list = |key: &str| value[key].as_array().ok_or(NoManifest::Garbage);
        let entries: Result<Vec<Entry>, NoManifest> = list("listeners")?.iter().map(entry).collect();
        let names = list("queues")?.iter().map(|name| name.as_str().map(str::to_owned));
        let queues: Option<Vec<String>> = names.collect();
        // Versions that had none say nothing of them.
        let registrations = value["registrations"].as_u64().unwrap_or_default();
        let registrations = usize::try_from(registrations).map_err(|_| NoManifest::TooMuch)?;
        let queues = queues.ok_or(NoManifest::Garbage)?;
        let manifest = Self { entries: entries?, queues, registrations };
        // Each is at most that, so that the sum can't be too large for its type.
        (manifest.sockets() <= SOCKETS_MAX).then_some(manifest).ok_or(NoManifest::TooMuch)
    }
}

fn entry(value: &Value) -> Result<Entry, NoManifest> {
    let role = Role::ALL.into_iter().find(|role| value["role"] == role.name());
    let sockets = value["sockets"].as_u64().and_then(|count| usize::try_from(count).ok());
    // Who knows nothing of it has opened its sockets itself.
    let is_foreign = match &value["foreign"] {
        Value::Null => false,
        said => said.as_bool().ok_or(NoManifest::Garbage)?,
    };
    match (role, value["written"].as_str(), sockets) {
        (Some(role), Some(written), Some(sockets @ 1..=SOCKETS_MAX)) => {
            Ok(Entry { role, written: written.to_owned(), sockets, is_foreign })
        }
        (Some(_), Some(_), Some(SOCKETS_BEYOND..)) => Err(NoManifest::TooMuch),
        _ => Err(NoManifest::Garbage),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn manifest() -> Manifest {
        let entry = |role, written: &str, sockets| Entry {
            role,
            written: written.to_owned(),
            sockets,
            is_foreign: written.starts_with("unix:"),
        };
        Manifest {
            entries: vec![
                entry(Role::Clients, "127.0.0.1:0", 2),
                entry(Role::Clients, "unix:/run/\"weir\"", 4),
                entry(Role::Admin, "127.0.0.1:9180", 1),
                entry(Role::Metrics, "[::]:9100", 1),
                entry(Role::Policy, "127.0.0.1:10000", 1),
            ],
            queues: vec!["web".to_owned(), "ä".to_owned()],
            registrations: 3,
        }
    }

    #[test]
    fn it_comes_as_it_was_sent_and_no_part_of_it_does() {
        let text = manifest().to_text().unwrap();
        assert_eq!(Manifest::of_text(&text), Ok(manifest()));
        assert_eq!(manifest().sockets(), 9);
        for end in 0..text.len() {
            assert_eq!(Manifest::of_text(&text[..end]), Err(NoManifest::Garbage), "the first {end} bytes");
        }
    }

    #[test]
    fn sockets_of_which_nothing_else_is_said_are_weirs_own() {
        let text = String::from_utf8(manifest().to_text().unwrap()).unwrap();
        let old = text.replace(",\"foreign\":false", "").replace(",\"foreign\":true", "");
        let manifest = Manifest::of_text(old.as_bytes()).unwrap();
        assert!(manifest.entries.len() == 5 && manifest.entries.iter().all(|entry| !entry.is_foreign));
    }

    #[test]
    fn what_lies_is_refused() {
        let good = String::from_utf8(manifest().to_text().unwrap()).unwrap();
        for (from, to, expected) in [
            ("\"weir\":1", "\"weir\":2", NoManifest::OtherForm),
            ("\"weir\":1", "\"weir\":\"1\"", NoManifest::Garbage),
            ("\"sockets\":4", "\"sockets\":0", NoManifest::Garbage),
            ("\"sockets\":4", "\"sockets\":-1", NoManifest::Garbage),
            ("\"sockets\":4", "\"sockets\":1.5", NoManifest::Garbage),
            ("\"sockets\":4", "\"sockets\":99999", NoManifest::TooMuch),
            ("\"sockets\":4", "\"sockets\":16380", NoManifest::TooMuch),
            ("\"sockets\":4", "\"sockets\":18446744073709551615", NoManifest::TooMuch),
            ("\"admin\"", "\"root\"", NoManifest::Garbage),
            ("\"written\":\"[::]:9100\"", "\"written\":7", NoManifest::Garbage),
            ("\"listeners\"", "\"x\"", NoManifest::Garbage),
            ("\"foreign\":true", "\"foreign\":7", NoManifest::Garbage),
            ("[\"web\"", "[7", NoManifest::Garbage),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good);
            assert_eq!(Manifest::of_text(bad.as_bytes()), Err(expected), "{bad}");
        }
    }

    #[test]
    fn more_than_fits_into_a_message_is_said_before() {
        let mut long = manifest();
        long.queues = vec!["q".repeat(1000); 100];
        assert_eq!(long.to_text(), Err(NoManifest::TooMuch));
    }
}
