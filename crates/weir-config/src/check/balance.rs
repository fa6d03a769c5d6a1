//! `balance`: which keys belong to which mode, and what they mean together.

use std::path::Path;
use std::sync::Arc;

use weir_auth::signer::{SECRET_BYTES_MIN, SecretTooShort, Signer};
use weir_core::balance::{Rule, Strategy};

use crate::complaint::Complaint;
use crate::file::balance::{BalanceFile, BalanceMode};
use crate::file::secret::SecretSource;
use crate::model::{Balance, Sticky};
use crate::problem::{Problem, Problems};
use crate::source::{At, Span};
use crate::suggest::alternatives;

use super::secrets;

/// The keys of each mode beside `mode`; the other modes have none.
const KEYS: [(BalanceMode, &[&str]); 4] = [
    (BalanceMode::By(Strategy::Hash), &["on", "bound"]),
    (BalanceMode::By(Strategy::PeakEwma), &["decay"]),
    (BalanceMode::By(Strategy::Load), &["forget", "reports_pass"]),
    (BalanceMode::Sticky, &["cookie", "secret", "max_age", "first"]),
];

/// The name of a sticky cookie when nothing is written.
const COOKIE: &str = "weir";

/// How a server is chosen. What is wrong is noted, and nothing is made of the model then.
pub(super) fn balance(written: &At<BalanceFile>, base_dir: &Path, problems: &mut Problems) -> Balance {
    let At { value: file, span } = written;
    let own = KEYS.iter().find(|(mode, _)| *mode == file.mode).map_or(&[][..], |(_, keys)| keys);
    for (key, span) in file.keys.iter().filter(|(key, _)| *key != "mode" && !own.contains(key)) {
        let owners = KEYS.iter().filter(|(_, keys)| keys.contains(key)).map(|(mode, _)| mode.name());
        problems.push(
            Problem::error(*span, format!("`{key}` means nothing to `{}`", file.mode.name()))
                .hint(format!("it belongs to {}", alternatives(owners))),
        );
    }
    match file.mode {
        BalanceMode::By(strategy) => Balance { rule: rule(strategy, file), sticky: None },
        BalanceMode::Sticky => Balance {
            rule: file.first.unwrap_or_default().into(),
            sticky: sticky(file, *span, base_dir, problems),
        },
    }
}

fn rule(strategy: Strategy, file: &BalanceFile) -> Rule {
    let default = Rule::from(strategy);
    Rule {
        strategy,
        key: file.on.clone().unwrap_or(default.key),
        bound_percent: file.bound.unwrap_or(default.bound_percent),
        decay: file.decay.unwrap_or(default.decay),
        forget: file.forget.unwrap_or(default.forget),
        reports_pass: file.reports_pass,
    }
}

fn sticky(file: &BalanceFile, span: Span, base_dir: &Path, problems: &mut Problems) -> Option<Sticky> {
    let Some(secret) = &file.secret else {
        if !problems.has_error_in(span) {
            problems.push(Problem::error(span, "`sticky` needs a `secret`, or anybody could choose a server").hint(
                "write `secret: file:PATH` or `secret: \"${NAME}\"`; `openssl rand -hex 32` makes a good one",
            ));
        }
        return None;
    };
    match signer(&secret.value, base_dir) {
        Ok(signer) => Some(Sticky {
            cookie: file.cookie.as_deref().unwrap_or(COOKIE).into(),
            signer: Arc::new(signer),
            max_age: file.max_age,
        }),
        Err(complaint) => {
            problems.push(Problem::complaint(secret.span, complaint));
            None
        }
    }
}

fn signer(source: &SecretSource, base_dir: &Path) -> Result<Signer, Complaint> {
    let made = match source {
        SecretSource::Value(secret) => Signer::new(secret),
        SecretSource::File(path) => Signer::new(&secrets::read_one(base_dir, path)?),
        // Where a digest will do, another kind is read.
        SecretSource::Sha256(_) => return Err(Complaint::new("a secret can't be given as its digest")),
    };
    made.map_err(|SecretTooShort| {
        Complaint::new(format!("a secret of less than {SECRET_BYTES_MIN} bytes can be guessed"))
            .hint("`openssl rand -hex 32` makes a good one")
    })
}
