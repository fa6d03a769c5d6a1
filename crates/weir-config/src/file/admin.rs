//! `admin`: where the admin listener is, and who may ask it.

use crate::complaint::Complaint;
use crate::model::ListenAddress;
use crate::node::shortened;
use crate::source::At;

use super::describe::Presence::{Default as Unless, Optional, Required};
use super::kind::{Either, Mapped, OneOrList, OrWord, Placed};
use super::listen::LISTEN_ADDRESS;
use super::scalar::{OrNumber, Parsed};
use super::secret::{SecretSource, SecretText};
use super::table::{Field, Kept, Mapping, Table};

/// `admin` as a mapping.
#[derive(Debug, Default)]
pub(crate) struct AdminFile {
    /// `address`
    pub(crate) address: Option<At<ListenAddress>>,
    /// `token`
    pub(crate) token: Option<At<SecretSource>>,
    /// `hosts`
    pub(crate) hosts: Vec<Box<str>>,
    /// `mode`
    pub(crate) mode: Option<At<u32>>,
}

/// A name under which a listener is asked.
const HOST_NAME: Parsed<Box<str>> =
    Parsed { label: "host name", pattern: r"^[A-Za-z0-9_.-]+$", parse: host_name };

fn host_name(text: &str) -> Result<Box<str>, Complaint> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text.is_empty() || !text.bytes().all(plain) {
        return Err(Complaint::new(format!("`{}` is not the name of a host", shortened(text)))
            .hint("write it as clients do, without scheme and port: `weir.example.com`"));
    }
    Ok(text.into())
}

/// Permissions of a file, as `chmod` takes them. YAML reads digits as a number; what counts is how they are written.
const FILE_MODE: OrNumber<u32> = OrNumber {
    text: Parsed { label: "file mode", pattern: r"^0?[0-7]{3}$", parse: file_mode },
    min: 0,
    max: 777,
};

fn file_mode(text: &str) -> Result<u32, Complaint> {
    let digits = if text.len() == 4 { text.strip_prefix('0') } else { Some(text) };
    let is_octal =
        |digits: &&str| digits.len() == 3 && digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    let mode = digits.filter(is_octal).and_then(|digits| u32::from_str_radix(digits, 8).ok());
    mode.ok_or_else(|| {
        Complaint::new(format!("`{}` is no file mode", shortened(text)))
            .hint("write three octal digits: `660`")
    })
}

/// `admin`: nothing for `off`.
pub(crate) type AdminKind = Either<
    Mapped<OrWord<Placed<Parsed<ListenAddress>>>, Option<AdminFile>>,
    Mapped<Mapping<AdminFile>, Option<AdminFile>>,
>;

/// See [`AdminKind`].
pub(crate) const ADMIN_KIND: AdminKind = Either(
    Mapped(OrWord("off", Placed(LISTEN_ADDRESS)), |address| {
        address.map(|address| AdminFile { address: Some(address), ..AdminFile::default() })
    }),
    Mapped(Mapping(&ADMIN), Some),
);

/// `admin` as a mapping
pub(crate) static ADMIN: Table<AdminFile> = Table {
    name: "admin",
    doc: "`admin` as a mapping.",
    fields: &[
        Field {
            name: "address",
            presence: Required,
            value: &Kept(Placed(LISTEN_ADDRESS), |admin: &mut AdminFile, address| {
                admin.address = Some(address);
            }),
            doc: "`127.0.0.1:9180`, `[::1]:9180`, `:9180` (all addresses, IPv6 and IPv4) or `unix:PATH`, relative to the \
                  configuration's directory. Addresses beyond this machine need a `token`.",
        },
        Field {
            name: "token",
            presence: Optional,
            value: &Kept(
                Placed(SecretText { label: "token", digest: false }),
                |admin: &mut AdminFile, token| admin.token = Some(token),
            ),
            doc: "What clients must know, as `Authorization: Bearer TOKEN`: `file:PATH` or `${NAME}`, at least 16 characters. \
                  `/healthz` and `/readyz` are told to everybody.",
        },
        Field {
            name: "hosts",
            presence: Optional,
            value: &Kept(OneOrList(HOST_NAME, "names of hosts"), |admin: &mut AdminFile, hosts| {
                admin.hosts = hosts;
            }),
            doc: "Names under which it may be asked, beside addresses and `localhost`. Others are refused, so that no page of the \
                  web can reach it through a name of its own (DNS rebinding).",
        },
        Field {
            name: "mode",
            presence: Unless("600"),
            value: &Kept(Placed(FILE_MODE), |admin: &mut AdminFile, mode| admin.mode = Some(mode)),
            doc: "Who may open the Unix socket, as `chmod` takes it: `660` for its owner and its group.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal_however_they_are_written() {
        for (text, mode) in [("600", 0o600), ("0660", 0o660), ("000", 0), ("777", 0o777)] {
            assert_eq!(file_mode(text), Ok(mode), "{text}");
        }
        for text in ["", "6", "60", "1600", "00600", "880", "rw-", "+60", "0o600"] {
            assert!(file_mode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_is_a_name_alone() {
        assert!(host_name("weir.example.com").is_ok());
        for text in ["", "a:1", "http://a", "a b", "*", "a/b", "ä"] {
            assert!(host_name(text).is_err(), "{text}");
        }
    }
}
