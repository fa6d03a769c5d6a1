//! What `tls` of an upstream names is read here, so that `weir check` says what a start would.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use weir_core::server::Transport;
use weir_http::target::Scheme;
use weir_tls::authorities::Authorities;
use weir_tls::certified::{self, Certified};
use weir_tls::facts::Facts;
use weir_tls::problem::Reason;
use weir_tls::server::MinVersion;
use weir_tls::target::{ClientOptions, ClientTls, Name, Target, Verify};
use weir_tls::{chain, read};

use crate::complaint::Complaint;
use crate::file::upstream_tls::{UpstreamTlsFile, VerifyWord};
use crate::model::Server;
use crate::problem::{Problem, Problems};
use crate::source::{At, Span};

/// What is said where servers can't be verified because nobody is known.
const NOBODY: &str = "this system has no certificates of authorities to verify servers by";
const INSTALL: &str = "install them (Debian: `ca-certificates`)";

/// Where the authorities of servers come from.
pub(super) struct Trust {
    base_dir: PathBuf,
    now: SystemTime,
    /// Those of the system, once for all upstreams; `None` inside where it has none.
    system: OnceCell<Option<Authorities>>,
}

impl Trust {
    /// Nothing is read yet.
    pub(super) fn new(base_dir: &Path, now: SystemTime) -> Self {
        Self { base_dir: base_dir.to_owned(), now, system: OnceCell::new() }
    }

    /// What the servers of an upstream are told; `None` when none of them speaks TLS, or something is wrong. With an inventory,
    /// which stands there, some may come that do.
    pub(super) fn client_tls(
        &self,
        written: Option<At<UpstreamTlsFile>>,
        servers: &[At<Server>],
        inventory: Option<Span>,
        problems: &mut Problems,
    ) -> Option<ClientTls> {
        let secured = servers.iter().find(|server| server.value.address.scheme == Scheme::Https);
        let expected = inventory.filter(|_| written.is_some());
        let Some(secured) = secured.map(|server| server.span).or(expected) else {
            // A server that could not be read may have been the one.
            if let Some(written) = written.filter(|_| !problems.has_errors()) {
                problems.push(
                    Problem::error(written.span, "`tls` is about servers with `https://`, and there is none")
                        .hint("write `https://…` for those that speak TLS, or take `tls` away"),
                );
            }
            return None;
        };
        let place = written.as_ref().map_or(secured, |written| written.span);
        let file = written.map(|written| written.value).unwrap_or_default();
        let verify = self.verify(&file, secured, problems);
        let certificate = self.certificate(&file, problems);
        let options = ClientOptions {
            verify: verify?,
            server_name: file.server_name,
            certificate: certificate?,
            min_version: file.min_version,
        };
        ClientTls::new(options)
            .map_err(|error| {
                problems.push(Problem::error(place, format!("TLS can't be spoken like this: {error}")));
            })
            .ok()
    }

    fn verify(&self, file: &UpstreamTlsFile, secured: Span, problems: &mut Problems) -> Option<Verify> {
        match (file.verify.value, &file.ca) {
            (VerifyWord::None, Some(ca)) => {
                problems.push(
                    Problem::error(ca.span, "`ca` stands beside `verify: none`, with which nobody is asked")
                        .beside(file.verify.span, "everybody is believed")
                        .hint("take `verify: none` away: the authority is enough"),
                );
                None
            }
            (VerifyWord::None, None) => {
                problems.push(
                    Problem::warning(
                        file.verify.span,
                        "whoever answers is believed, also somebody between Weir and the servers",
                    )
                    .hint("name their authority, or their own certificates, with `ca`; another name with `server_name`"),
                );
                Some(Verify::None)
            }
            (VerifyWord::Full, Some(ca)) => {
                let path = self.base_dir.join(&ca.value);
                let authorities = Authorities::of_file(&path);
                authorities
                    .map_err(|reason| problems.push(problem(ca.span, &path, &reason)))
                    .map(Verify::Full)
                    .ok()
            }
            (VerifyWord::Full, None) => {
                let system = self.system.get_or_init(Authorities::of_system).clone();
                if system.is_none() {
                    let hint = format!("{INSTALL}, or name a file: `tls: {{ca: FILE}}`");
                    problems.push(Problem::error(secured, NOBODY).hint(hint));
                }
                system.map(Verify::Full)
            }
        }
    }

    /// The certificate that servers are shown, if one is written; the outer `None` when it can't be used.
    fn certificate(&self, file: &UpstreamTlsFile, problems: &mut Problems) -> Option<Option<Certified>> {
        let Some(certificate) = &file.certificate else {
            return match &file.key {
                None => Some(None),
                Some(key) => {
                    problems.push(
                        Problem::error(key.span, "`key` stands without its `certificate`")
                            .hint("name the file of the certificate with `certificate`"),
                    );
                    None
                }
            };
        };
        let key = file.key.as_ref().unwrap_or(certificate);
        let [certificate_path, key_path] = [certificate, key].map(|file| self.base_dir.join(&file.value));
        let chain = read::certificates(&certificate_path);
        let secret = read::key(&key_path);
        let (chain, secret) = match (chain, secret) {
            (Ok(chain), Ok(secret)) => (chain, secret),
            (chain, secret) => {
                if let Err(reason) = chain {
                    problems.push(problem(certificate.span, &certificate_path, &reason));
                }
                if let Err(reason) = secret {
                    problems.push(problem(key.span, &key_path, &reason));
                }
                return None;
            }
        };
        for (index, der) in chain.iter().enumerate() {
            // What can't be read of it is told by the next step.
            let time = Facts::of(der).and_then(|facts| chain::validity(&facts, index + 1, self.now));
            if let Some(reason) = time {
                problems.push(problem(certificate.span, &certificate_path, &reason));
            }
        }
        match certified::of(chain, secret) {
            Ok(certified) => Some(Some(certified)),
            Err(reason @ (Reason::Refused(_) | Reason::NotACertificate(_))) => {
                problems.push(problem(certificate.span, &certificate_path, &reason));
                None
            }
            Err(reason) => {
                problems.push(problem(key.span, &key_path, &reason));
                None
            }
        }
    }
}

/// What a server with `https://` is told; `None` for the others.
pub(super) fn target(
    tls: Option<&ClientTls>,
    server: &Server,
    span: Span,
    problems: &mut Problems,
) -> Option<Arc<Target>> {
    let tls = tls.filter(|_| server.address.scheme == Scheme::Https)?;
    let name = match &server.address.transport {
        Transport::Ip(address, _) => Some((*address).into()),
        Transport::Name(name, _) => Name::parse(name),
        Transport::Unix(_) => None,
    };
    if name.is_none() {
        problems.push(
            Problem::error(span, "no certificate can be for this name")
                .hint("names in certificates have letters, digits, `-` and `.`"),
        );
    }
    name.map(|name| Arc::new(tls.target(name)))
}

/// Servers without a file: those with `https://` are verified by the authorities of the system.
pub(crate) fn by_system(servers: &mut [Server]) -> Result<Option<ClientTls>, Complaint> {
    if servers.iter().all(|server| server.address.scheme == Scheme::Http) {
        return Ok(None);
    }
    let authorities = Authorities::of_system().ok_or_else(|| Complaint::new(NOBODY).hint(INSTALL))?;
    let options = ClientOptions {
        verify: Verify::Full(authorities),
        server_name: None,
        certificate: None,
        min_version: MinVersion::default(),
    };
    let tls = ClientTls::new(options)
        .map_err(|error| Complaint::new(format!("TLS can't be spoken to servers: {error}")))?;
    let mut problems = Problems::default();
    for server in servers {
        server.target = target(Some(&tls), server, Span::default(), &mut problems);
        if problems.has_errors() {
            let message = format!("no certificate can be for the server `{}`", server.address.written);
            return Err(Complaint::new(message));
        }
    }
    Ok(Some(tls))
}

fn problem(span: Span, path: &Path, reason: &Reason) -> Problem {
    let message = format!("`{}` {reason}", path.display());
    let problem =
        if reason.is_error() { Problem::error(span, message) } else { Problem::warning(span, message) };
    match reason.hint() {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

#[cfg(test)]
mod tests;
