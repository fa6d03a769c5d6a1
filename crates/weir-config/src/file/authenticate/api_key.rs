//! `api_key`: keys by name.

use std::path::PathBuf;

use crate::complaint::Complaint;
use crate::file::describe::Presence::{Default as Unless, Optional};
use crate::file::edit::EDITABLE_NAME;
use crate::file::kind::{OneOrList, Placed};
use crate::file::named::Named;
use crate::file::scalar::{Boolean, Text};
use crate::file::secret::{SecretSource, SecretText, Sensitive};
use crate::file::table::{Field, Kept, Table};
use crate::node::shortened;
use crate::source::At;

/// What a name of a key looks like: it stands in logs and metrics, and between the names of other proofs.
pub(crate) const NAME_PATTERN: &str = "^[A-Za-z0-9._@-]{1,64}$";

/// Longest name of a key.
const NAME_BYTES_MAX: usize = 64;

/// The keys of one name, and where the name stands.
pub(crate) type KeysOfName = (At<Box<str>>, Vec<At<SecretSource>>);

/// `api_key` as it was written.
#[derive(Debug, Default)]
pub(crate) struct ApiKeyFile {
    /// `header`
    pub(crate) header: Option<Box<str>>,
    /// `keys`
    pub(crate) keys: Vec<KeysOfName>,
    /// `file`
    pub(crate) file: Option<At<PathBuf>>,
    /// `forward`
    pub(crate) forward: bool,
}

/// The name of a key.
///
/// # Errors
/// What else it is.
pub(crate) fn key_name(text: &str) -> Result<Box<str>, Complaint> {
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte);
    if (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(sign) {
        return Ok(text.into());
    }
    Err(Complaint::new(format!("`{}` is not the name of a key", shortened(text)))
        .hint("a name has 1 to 64 letters, digits, `.`, `_`, `-` and `@`; the key itself stands behind it"))
}

/// `api_key`
pub(crate) static API_KEY: Table<ApiKeyFile> = Table {
    name: "api key",
    doc: "A key in a field of the request. The name of the key stands in logs and metrics, the key never does; in memory \
          there is only its SHA-256.",
    fields: &[
        Field {
            name: "header",
            presence: Unless("X-API-Key"),
            value: &Kept(EDITABLE_NAME, |api_key: &mut ApiKeyFile, header| api_key.header = Some(header)),
            doc: "The field that holds the key. Two of them in one request are refused.",
        },
        Field {
            name: "keys",
            presence: Optional,
            value: &Kept(
                Sensitive {
                    of: Named {
                        key: "name of a key",
                        pattern: NAME_PATTERN,
                        name: key_name,
                        of: OneOrList(Placed(SecretText { label: "key", digest: true }), "keys"),
                    },
                    label: "a mapping from names to keys",
                    open: &[],
                },
                |api_key: &mut ApiKeyFile, keys| api_key.keys = keys,
            ),
            doc: "Keys by name, each `${NAME}` from the environment, `file:PATH` with nothing but the key in it, or \
                  `sha256:HEX`; a list of them for a name whose keys change.",
        },
        Field {
            name: "file",
            presence: Optional,
            value: &Kept(Placed(Text), |api_key: &mut ApiKeyFile, file| {
                api_key.file = Some(At { value: file.value.into(), span: file.span });
            }),
            doc: "A file with more keys: lines of the form `name:key` or `name:sha256:HEX`; empty ones and those that begin \
                  with `#` say nothing.",
        },
        Field {
            name: "forward",
            presence: Unless("false"),
            value: &Kept(Boolean, |api_key: &mut ApiKeyFile, forward| api_key.forward = forward),
            doc: "Whether servers get the key too.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};
