//! `jwks`: where an issuer publishes its keys.

use weir_core::server::ServerAddress;
use weir_http::target::Scheme;

use crate::address;
use crate::complaint::Complaint;
use crate::file::decoder::Decoder;
use crate::file::describe::Presence::{Default as Unless, Optional, Required};
use crate::file::describe::Shape;
use crate::file::kind::{Either, Kind, Mapped, Placed};
use crate::file::scalar::{Boolean, Parsed};
use crate::file::table::{Field, Kept, Mapping, Table};
use crate::file::upstream_tls::{UPSTREAM_TLS, UpstreamTlsFile};
use crate::node::{Node, NodeKind, shortened};
use crate::problem::Problem;
use crate::source::At;

/// A URL, as the server that is asked and what it is asked for.
#[derive(Debug, Clone)]
pub(crate) struct KeyUrl {
    /// Where it is.
    pub(crate) server: ServerAddress,
    /// Path and query.
    pub(crate) target: Box<str>,
}

/// `jwks` as it was written.
#[derive(Debug, Default)]
pub(crate) struct JwksFile {
    /// `url`
    pub(crate) url: Option<At<KeyUrl>>,
    /// `plain_http`
    pub(crate) plain_http: Option<At<bool>>,
    /// `tls`
    pub(crate) tls: Option<At<UpstreamTlsFile>>,
}

const PARSED: Parsed<KeyUrl> = Parsed { label: "URL", pattern: "^https?://[^@#\\s]+$", parse: url };

/// A URL. One with a user and a password in it is refused, and not shown.
pub(crate) struct Url;

impl Kind for Url {
    type Value = KeyUrl;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<KeyUrl> {
        if let NodeKind::Scalar(scalar) = &node.kind
            && scalar.text.contains('@')
        {
            decoder.problems.hide(node.span);
            decoder.push(
                Problem::error(node.span, "a URL for keys has no user and no password")
                    .hint("the keys of an issuer are public; an `@` in the path is written `%40`"),
            );
            return None;
        }
        PARSED.decode(node, decoder)
    }

    fn shape(&self) -> Shape {
        PARSED.shape()
    }
}

fn url(text: &str) -> Result<KeyUrl, Complaint> {
    let not = |why: &str| Complaint::new(format!("`{}` is not a URL for keys: {why}", shortened(text)));
    let hint = "write `https://issuer.example.com/keys`";
    let (scheme, rest) = match text.split_once("://") {
        Some(("https", rest)) => (Scheme::Https, rest),
        Some(("http", rest)) => (Scheme::Http, rest),
        _ => return Err(not("it begins neither with `https://` nor with `http://`").hint(hint)),
    };
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(not("it has spaces or letters outside ASCII").hint("escape them: a space is `%20`"));
    }
    if text.contains('#') {
        return Err(not("what stands behind `#` is never sent").hint("take it away"));
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let scheme = if scheme == Scheme::Https { "https" } else { "http" };
    let server = address::server(&format!("{scheme}://{authority}"))?;
    let target = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok(KeyUrl { server, target: target.into() })
}

/// `jwks` as a mapping
pub(crate) static JWKS: Table<JwksFile> = Table {
    name: "jwks",
    doc: "Where an issuer publishes its keys (JWKS, RFC 7517). `jwks: URL` alone is short for `{url: URL}`. The document is \
          fetched at the start, again after the time that its `Cache-Control` gives (1 minute to 1 day, 10 minutes without), \
          and when a token names a key that is not in it, at most once a second. What was fetched last is kept while the \
          issuer is down.",
    fields: &[
        Field {
            name: "url",
            presence: Required,
            value: &Kept(Placed(Url), |jwks: &mut JwksFile, url| jwks.url = Some(url)),
            doc: "`https://host[:port]/path`. Redirects are not followed.",
        },
        Field {
            name: "tls",
            presence: Optional,
            value: &Kept(Placed(Mapping(&UPSTREAM_TLS)), |jwks: &mut JwksFile, tls| jwks.tls = Some(tls)),
            doc: "How the issuer is reached, where its certificate is not one that the system believes.",
        },
        Field {
            name: "plain_http",
            presence: Unless("false"),
            value: &Kept(Placed(Boolean), |jwks: &mut JwksFile, on| jwks.plain_http = Some(on)),
            doc: "Must be `true` for a URL with `http://`: whoever is between Weir and the issuer can put keys of his own \
                  there, and then make every token.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

pub(crate) type JwksKind = Either<Mapped<Placed<Placed<Url>>, At<JwksFile>>, Placed<Mapping<JwksFile>>>;

/// `jwks`: a URL, or a mapping with one.
pub(crate) const JWKS_KIND: JwksKind = Either(
    Mapped(Placed(Placed(Url)), |url| At {
        span: url.span,
        value: JwksFile { url: Some(url.value), ..JwksFile::default() },
    }),
    Placed(Mapping(&JWKS)),
);
