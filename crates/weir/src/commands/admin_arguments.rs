//! Where the admin listener of a running Weir is and what it wants to be told, for all commands that ask it.

use std::path::Path;

use clap::Args;
use weir_auth::secret::Secret;
use weir_tools::admin_client::{AdminClient, DEFAULT_ADDRESS};

use crate::failure::Failure;

/// The variable of the environment that has the token.
const TOKEN_VARIABLE: &str = "WEIR_ADMIN_TOKEN";

/// Bytes of a file with a token that are read at most.
const TOKEN_FILE_BYTES_MAX: u64 = 4096;

/// See the module.
#[derive(Debug, Args)]
pub(crate) struct AdminArguments {
    /// Admin listener
    #[arg(long, global = true, value_name = "ADDRESS", default_value = DEFAULT_ADDRESS)]
    admin: String,

    /// Its token, file:PATH; else $WEIR_ADMIN_TOKEN
    #[arg(long, global = true, value_name = "FILE")]
    admin_token: Option<String>,
}

impl AdminArguments {
    /// Somebody who asks it.
    ///
    /// # Errors
    /// The address is none, or the token can't be read.
    pub(super) fn client(&self) -> Result<AdminClient, Failure> {
        let client = AdminClient::new(&self.admin)?;
        Ok(match self.token()? {
            Some(token) => client.with_token(token),
            None => client,
        })
    }

    fn token(&self) -> Result<Option<Secret>, Failure> {
        let Some(written) = &self.admin_token else {
            let token = std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty());
            return Ok(token.map(|token| Secret::new(token.into_bytes())));
        };
        // Arguments are seen by everybody on the machine, so the token itself is none. What was written is not repeated.
        let Some(path) = written.strip_prefix("file:") else {
            let text = "a token is not written on the command line, where everybody sees it\n\nhint: `--admin-token file:PATH`";
            return Err(Failure::Running(text.to_owned()));
        };
        read(Path::new(path))
            .map(Some)
            .map_err(|error| Failure::Running(format!("the token can't be read from `{path}`: {error}")))
    }
}

/// The first line of a file.
fn read(path: &Path) -> std::io::Result<Secret> {
    use std::io::Read;
    let mut content = Vec::new();
    std::fs::File::open(path)?.take(TOKEN_FILE_BYTES_MAX).read_to_end(&mut content)?;
    let content = Secret::new(content);
    let line = content.expose().split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(Secret::new(line.trim_ascii().to_vec()))
}
