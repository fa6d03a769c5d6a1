//! The admin listener: who reaches it must be somebody whom the operator has let in.

use std::net::SocketAddr;
use std::path::Path;

use weir_auth::api_key::{KEY_BYTES_ENOUGH, KeyDigest};

use crate::complaint::Complaint;
use crate::file::admin::AdminFile;
use crate::file::secret::SecretSource;
use crate::model::{Admin, AdminListen, ListenAddress};
use crate::problem::{Problem, Problems};
use crate::source::At;

use super::secrets;

/// Who may open a Unix socket when nothing is written: its owner.
const DEFAULT_MODE: u32 = 0o600;

/// Where the admin listener is, and who may ask. `written` is nothing for `off`.
pub(super) fn admin(
    written: Option<Option<AdminFile>>,
    default: SocketAddr,
    base_dir: &Path,
    problems: &mut Problems,
) -> Admin {
    let file = match written {
        None => return Admin::Default(default),
        Some(None) => return Admin::Off,
        Some(Some(file)) => file,
    };
    let has_token = file.token.is_some();
    let token = file.token.and_then(|token| match digest(&token.value, base_dir) {
        Ok(digest) => Some(digest),
        Err(complaint) => {
            problems.push(Problem::complaint(token.span, complaint));
            None
        }
    });
    // That there is no address was said already.
    let Some(At { value: address, span }) = file.address else { return Admin::Off };
    if let (Some(mode), ListenAddress::Tcp(_)) = (&file.mode, &address) {
        problems.push(
            Problem::error(mode.span, "`mode` is for Unix sockets")
                .hint("leave it out, or write `address: unix:PATH`"),
        );
    }
    let address = match address {
        ListenAddress::Unix(path) => ListenAddress::Unix(base_dir.join(path)),
        ListenAddress::Tcp(address) => {
            if !address.ip().is_loopback() && !has_token {
                problems.push(
                    Problem::error(span, format!("`{address}` is reached from other machines, and whoever reaches it may change everything"))
                        .hint("write `admin: {address: ADDRESS, token: \"file:PATH\"}`, or listen on `127.0.0.1` or a Unix socket"),
                );
            }
            ListenAddress::Tcp(address)
        }
    };
    let mode = file.mode.map_or(DEFAULT_MODE, |mode| mode.value);
    Admin::At(Box::new(AdminListen { address, token, hosts: file.hosts, mode }))
}

/// The digest of a token, which is all that is kept of it.
fn digest(source: &SecretSource, base_dir: &Path) -> Result<KeyDigest, Complaint> {
    let of = |token: &[u8]| {
        let digest = KeyDigest::of(token)
            .map_err(|error| Complaint::new(error.to_string().replace("the key", "the token")))?;
        if token.len() < KEY_BYTES_ENOUGH {
            return Err(Complaint::new(format!(
                "a token of less than {KEY_BYTES_ENOUGH} bytes can be guessed"
            ))
            .hint("`openssl rand -hex 16` makes one that can't"));
        }
        Ok(digest)
    };
    match source {
        SecretSource::Value(secret) => of(secret.expose()),
        SecretSource::Sha256(digest) => Ok(digest.clone()),
        SecretSource::File(path) => {
            of(secrets::read_one(base_dir, path)?.expose()).map_err(|complaint| Complaint {
                message: format!("in the file `{}`, {}", path.display(), complaint.message),
                ..complaint
            })
        }
    }
}

#[cfg(test)]
mod tests;
