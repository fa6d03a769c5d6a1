//! `jwt`: keys are read, and what is expected of tokens is put together.

use std::sync::Arc;
use std::time::Duration;

use weir_auth::jwt::claims::Expected;
use weir_auth::jwt::key::{Algorithm, Key, KeyFault};
use weir_auth::jwt::key_set::KeySet;
use weir_http::target::Scheme;

use crate::check::upstream_tls;
use crate::complaint::Complaint;
use crate::file::authenticate::jwt::JwtFile;
use crate::file::authenticate::key_url::JwksFile;
use crate::file::secret::SecretSource;
use crate::model::{Jwks, Jwt, Server, TokenKeys};
use crate::problem::{Problem, Problems};
use crate::source::{At, Span};

use super::super::secrets;
use super::basic::DEFAULT_REALM;
use super::sources::Sources;

/// Where tokens are when nothing is written (RFC 6750 §2.1).
const DEFAULT_HEADER: &str = "Authorization";

/// How far clocks may be apart when nothing is written: what a machine without time service drifts in weeks.
const DEFAULT_LEEWAY: Duration = Duration::from_secs(60);

/// Claims that may become fields.
const CLAIMS_MAX: usize = 16;

/// The proof; `None` when something was wrong with it, which has been noted then.
pub(super) fn jwt(written: &At<JwtFile>, sources: &Sources<'_>, problems: &mut Problems) -> Option<Jwt> {
    let At { value: file, span } = written;
    if problems.has_error_in(*span) {
        return None;
    }
    if let Some((claim, _)) = file.claims.get(CLAIMS_MAX) {
        problems.push(Problem::error(claim.span, format!("these are more than {CLAIMS_MAX} claims")));
        return None;
    }
    let keys = keys(file, *span, sources, problems)?;
    Some(Jwt {
        keys,
        expected: Expected {
            issuer: file.issuer.as_deref().map(Into::into),
            audiences: file
                .audience
                .as_ref()
                .map(|list| list.iter().map(|one| one.as_str().into()).collect()),
            leeway: file.leeway.unwrap_or(DEFAULT_LEEWAY),
            passed_on: file.claims.iter().map(|(claim, _)| claim.value.clone()).collect(),
        },
        fields: file.claims.iter().map(|(_, field)| field.clone()).collect(),
        header: file.header.clone().unwrap_or_else(|| DEFAULT_HEADER.into()),
        realm: file.realm.clone().unwrap_or_else(|| DEFAULT_REALM.into()),
        forward: file.forward,
    })
}

/// The one of `key`, `secret` and `jwks` that is written.
fn keys(file: &JwtFile, span: Span, sources: &Sources<'_>, problems: &mut Problems) -> Option<TokenKeys> {
    let fixed = |outcome: Result<Key, Complaint>, place: Span, problems: &mut Problems| match outcome {
        Ok(key) => of_one(key, file.algorithms.as_ref(), place, problems),
        Err(complaint) => {
            problems.push(Problem::complaint(place, complaint));
            None
        }
    };
    match (&file.key, &file.secret, &file.jwks) {
        (Some(path), None, None) => {
            let key = secrets::read(sources.base_dir, &path.value)
                .and_then(|content| Key::of_pem(content.expose()).map_err(|fault| bad_key(path, fault)));
            fixed(key, path.span, problems)
        }
        (None, Some(secret), None) => fixed(secret_key(&secret.value, sources), secret.span, problems),
        (None, None, Some(jwks)) => {
            let jwks = self::jwks(jwks, file.algorithms.as_ref(), sources, problems)?;
            Some(TokenKeys::Fetched(Arc::new(jwks)))
        }
        (None, None, None) => {
            problems.push(
                Problem::error(span, "this does not say by which key tokens are checked")
                    .hint("write `jwks: URL`, `key: FILE` or `secret: \"${NAME}\"`"),
            );
            None
        }
        _ => {
            let message = "tokens are checked by one of `key`, `secret` and `jwks`, not by several";
            problems.push(
                Problem::error(span, message).hint("for several issuers write `any: [{jwt: …}, {jwt: …}]`"),
            );
            None
        }
    }
}

fn bad_key(path: &At<std::path::PathBuf>, fault: KeyFault) -> Complaint {
    let complaint = Complaint::new(format!("`{}`: {fault}", path.value.display()));
    match fault {
        KeyFault::Private => complaint.hint("`openssl pkey -in FILE -pubout` prints the public one"),
        KeyFault::Certificate => {
            complaint.hint("`openssl x509 -in FILE -pubkey -noout` prints the key in it")
        }
        KeyFault::NoPem => complaint.hint("it begins with `-----BEGIN PUBLIC KEY-----`"),
        KeyFault::RsaSize | KeyFault::Unsupported | KeyFault::ShortSecret => complaint,
    }
}

fn secret_key(source: &SecretSource, sources: &Sources<'_>) -> Result<Key, Complaint> {
    let of = |secret: &[u8]| {
        // The public key of an issuer is no secret, whatever a token says that it is.
        if secret.starts_with(b"-----BEGIN ") {
            return Err(Complaint::new("this is a key in PEM and no secret").hint("write `key: FILE`"));
        }
        Key::of_secret(secret).map_err(|fault| {
            Complaint::new(fault.to_string()).hint("`openssl rand -hex 32` makes a good one")
        })
    };
    match source {
        SecretSource::Value(secret) => of(secret.expose()),
        SecretSource::File(path) => of(secrets::read_one(sources.base_dir, path)?.expose()),
        // Where a digest will do, another kind is read.
        SecretSource::Sha256(_) => Err(Complaint::new("a secret can't be given as its digest")),
    }
}

/// One key for all tokens, if `algorithms` lets it.
fn of_one(
    key: Key,
    algorithms: Option<&At<Vec<Algorithm>>>,
    place: Span,
    problems: &mut Problems,
) -> Option<TokenKeys> {
    let name = key.algorithm().name();
    if let Some(algorithms) = algorithms.filter(|list| !list.value.contains(&key.algorithm())) {
        problems.push(
            Problem::error(algorithms.span, format!("the key is for {name}, which is not among these"))
                .beside(place, "the key")
                .hint("take `algorithms` away: the key says what it is for"),
        );
        return None;
    }
    Some(TokenKeys::Fixed(Arc::new(KeySet::of_one(key))))
}

fn jwks(
    written: &At<JwksFile>,
    algorithms: Option<&At<Vec<Algorithm>>>,
    sources: &Sources<'_>,
    problems: &mut Problems,
) -> Option<Jwks> {
    let url = written.value.url.as_ref()?;
    let plain = written.value.plain_http.as_ref();
    match (url.value.server.scheme, plain) {
        (Scheme::Http, None | Some(At { value: false, .. })) => {
            problems.push(
                Problem::error(url.span, "keys that come over plain HTTP can be exchanged on the way").hint(
                    "write `https://`; or, if you trust everybody on the way, `{url: …, plain_http: true}`",
                ),
            );
            return None;
        }
        (Scheme::Https, Some(At { value: true, span })) => {
            problems.push(
                Problem::error(*span, "`plain_http` is about `http://`")
                    .hint("take it away")
                    .beside(url.span, "the URL"),
            );
            return None;
        }
        (Scheme::Http, Some(_)) | (Scheme::Https, _) => {}
    }
    if let Some(algorithms) = algorithms.filter(|list| list.value.contains(&Algorithm::Hs256)) {
        problems.push(
            Problem::error(algorithms.span, "a secret for HS256 is never taken from a URL")
                .hint("everybody could read it there; take HS256 away"),
        );
        return None;
    }
    let mut server = Server::at(url.value.server.clone());
    let place = At { value: server.clone(), span: url.span };
    let tls =
        sources.trust.client_tls(written.value.tls.clone(), std::slice::from_ref(&place), None, problems);
    server.target = upstream_tls::target(tls.as_ref(), &server, url.span, problems);
    if problems.has_error_in(written.span) {
        return None;
    }
    let algorithms = algorithms.map_or_else(|| Algorithm::ALL.to_vec(), |list| list.value.clone());
    let identity =
        format!("{}{} {:?} {algorithms:?}", server.address.written, url.value.target, written.value.tls);
    Some(Jwks { identity: identity.into(), server, target: url.value.target.clone(), algorithms })
}
