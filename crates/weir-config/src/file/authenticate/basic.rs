//! `basic`: users and passwords.

use std::path::PathBuf;

use crate::complaint::Complaint;
use crate::file::describe::Presence::{Default as Unless, Required};
use crate::file::kind::Placed;
use crate::file::scalar::{Boolean, Parsed, Text};
use crate::file::table::{Field, Kept, Table};
use crate::source::At;

/// `basic` as it was written.
#[derive(Debug, Default)]
pub(crate) struct BasicFile {
    /// `file`
    pub(crate) file: Option<At<PathBuf>>,
    /// `realm`
    pub(crate) realm: Option<Box<str>>,
    /// `forward`
    pub(crate) forward: bool,
}

/// What a challenge says of what it protects (RFC 9110 §11.5); stands in quotes there.
pub(crate) const REALM: Parsed<Box<str>> =
    Parsed { label: "realm", pattern: r#"^[ -!#-\[\]-~]{1,128}$"#, parse: realm };

fn realm(text: &str) -> Result<Box<str>, Complaint> {
    let sign = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    if (1..=128).contains(&text.len()) && text.bytes().all(sign) {
        return Ok(text.into());
    }
    Err(Complaint::new("a realm has 1 to 128 ASCII characters, without quotes and backslashes"))
}

/// `basic`
pub(crate) static BASIC: Table<BasicFile> = Table {
    name: "basic",
    doc: "A user and a password, as browsers ask for them (RFC 7617).",
    fields: &[
        Field {
            name: "file",
            presence: Required,
            value: &Kept(Placed(Text), |basic: &mut BasicFile, file| {
                basic.file = Some(At { value: file.value.into(), span: file.span });
            }),
            doc: "An htpasswd file with bcrypt or Argon2 hashes: lines of the form `user:hash`; empty ones and those that \
                  begin with `#` say nothing.",
        },
        Field {
            name: "realm",
            presence: Unless("restricted"),
            value: &Kept(REALM, |basic: &mut BasicFile, realm| basic.realm = Some(realm)),
            doc: "What browsers show beside their question.",
        },
        Field {
            name: "forward",
            presence: Unless("false"),
            value: &Kept(Boolean, |basic: &mut BasicFile, forward| basic.forward = forward),
            doc: "Whether servers get the field `Authorization` too.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};
