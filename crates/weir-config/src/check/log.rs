//! Logs and ids of requests: what contradicts something elsewhere in the file.

use std::path::Path;

use crate::file::access_log::headers;
use crate::file::top::File;
use crate::model::{AccessLog, AccessLogFormat, Believed, LineForm, LogTarget, Proof, Service};
use crate::problem::{Problem, Problems};
use crate::source::At;

/// What becomes of lines when nothing is written.
pub(crate) const DEFAULT_ACCESS_LOG: AccessLog = AccessLog::On {
    format: LineForm::Known(AccessLogFormat::Common),
    target: LogTarget::Stderr,
    share: None,
};

/// The access log, with its file where it belongs.
pub(super) fn access_log(
    written: Option<At<AccessLog>>,
    services: &[Service],
    base_dir: &Path,
    problems: &mut Problems,
) -> AccessLog {
    let Some(At { value, span }) = written else { return DEFAULT_ACCESS_LOG };
    let routes = services.iter().flat_map(|service| &service.routes);
    let proofs = routes.filter_map(|route| route.authenticate.as_ref()).flat_map(|asked| &asked.proofs);
    let mut keys = proofs.filter_map(|proof| match proof {
        Proof::ApiKey(key) => Some(&*key.header),
        Proof::Basic(_) | Proof::Jwt(_) => None,
    });
    let logged = headers(&value);
    if let Some(key) = keys.find(|key| logged.iter().any(|header| header.eq_ignore_ascii_case(key))) {
        problems.push(
            Problem::error(span, format!("`header:{key}` would write the keys of clients into the log"))
                .hint("take it away; `user` says whose key it was"),
        );
    }
    match value {
        AccessLog::On { format, target: LogTarget::File(path), share } => {
            AccessLog::On { format, target: LogTarget::File(base_dir.join(path)), share }
        }
        other => other,
    }
}

/// Warns where only trusted proxies are believed and there are none.
pub(super) fn check_believed(file: &File, problems: &mut Problems) {
    for from in [&file.request_id.from, &file.trace.from].into_iter().flatten() {
        if from.value == Believed::TrustedProxies && file.trusted_proxies.is_empty() {
            problems.push(
                Problem::warning(from.span, "nobody is believed, because no proxy is trusted")
                    .hint("name the proxies in `trusted_proxies`, or write `nobody`"),
            );
        }
    }
}
