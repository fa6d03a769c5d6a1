//! `jwt`: tokens, and where the keys come from by which they are checked.

use std::path::PathBuf;
use std::time::Duration;

use weir_auth::jwt::key::Algorithm;

use crate::complaint::Complaint;
use crate::file::describe::Presence::{Default as Unless, Optional, Required};
use crate::file::edit::EDITABLE_NAME;
use crate::file::kind::{OneOrList, OrWord, Placed};
use crate::file::named::{Named, refuse_repeats};
use crate::file::rule::FIELD_NAME_PATTERN;
use crate::file::scalar::{Boolean, DurationIn, Parsed, Text, Words};
use crate::file::secret::{SecretSource, SecretText};
use crate::file::table::{Field, Kept, Table};
use crate::file::tls::TAKEN;
use crate::node::{Node, shortened};
use crate::source::At;

use super::basic::REALM;
use super::key_url::{JWKS_KIND, JwksFile};
use crate::file::decoder::Decoder;
use crate::file::describe::Shape;
use crate::file::kind::Kind;

/// How far clocks may be apart at most; more would let old tokens live on.
const LEEWAY_MAX: Duration = Duration::from_secs(600);

/// What stands for "whatever the token says".
const ANY: &str = "any";

/// A claim and the field that it becomes.
pub(crate) type ClaimField = (At<Box<str>>, Box<str>);

/// `jwt` as it was written.
#[derive(Debug, Default)]
pub(crate) struct JwtFile {
    /// `issuer`; `None` inside for `any`
    pub(crate) issuer: Option<String>,
    /// `audience`; `None` inside for `any`
    pub(crate) audience: Option<Vec<String>>,
    /// `algorithms`
    pub(crate) algorithms: Option<At<Vec<Algorithm>>>,
    /// `key`
    pub(crate) key: Option<At<PathBuf>>,
    /// `secret`
    pub(crate) secret: Option<At<SecretSource>>,
    /// `jwks`
    pub(crate) jwks: Option<At<JwksFile>>,
    /// `leeway`
    pub(crate) leeway: Option<Duration>,
    /// `claims`
    pub(crate) claims: Vec<ClaimField>,
    /// `header`
    pub(crate) header: Option<Box<str>>,
    /// `realm`
    pub(crate) realm: Option<Box<str>>,
    /// `forward`
    pub(crate) forward: bool,
}

const ALGORITHM: Words<Algorithm> = Words {
    label: "algorithm",
    words: &[
        ("HS256", Algorithm::Hs256),
        ("RS256", Algorithm::Rs256),
        ("ES256", Algorithm::Es256),
        ("EdDSA", Algorithm::EdDsa),
    ],
    later: &[],
};

/// The field that a claim becomes: one that says nothing else already.
const CLAIM_FIELD: Parsed<Box<str>> =
    Parsed { label: "name of a field", pattern: FIELD_NAME_PATTERN, parse: claim_field };

fn claim_field(text: &str) -> Result<Box<str>, Complaint> {
    let name = (EDITABLE_NAME.parse)(text)?;
    if TAKEN.iter().any(|taken| name.eq_ignore_ascii_case(taken)) {
        return Err(Complaint::new(format!("`{name}` means something else already"))
            .hint("take a name of your own, such as `X-User`"));
    }
    Ok(name)
}

fn claim_name(text: &str) -> Result<Box<str>, Complaint> {
    if text.is_empty() || text.len() > 128 || text.contains(char::is_control) {
        return Err(Complaint::new(format!("`{}` is not the name of a claim", shortened(text))));
    }
    Ok(text.into())
}

const CLAIMS: Named<Box<str>, Parsed<Box<str>>> =
    Named { key: "claim", pattern: "^.{1,128}$", name: claim_name, of: CLAIM_FIELD };

/// Claims with a field for each; no field for two.
struct ClaimsKind;

impl Kind for ClaimsKind {
    type Value = Vec<ClaimField>;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<Self::Value> {
        let list = CLAIMS.decode(node, decoder)?;
        let fields: Vec<(At<String>, ())> = list
            .iter()
            .map(|(claim, field)| (At { value: field.to_ascii_lowercase(), span: claim.span }, ()))
            .collect();
        refuse_repeats(&fields, decoder);
        Some(list)
    }

    fn shape(&self) -> Shape {
        CLAIMS.shape()
    }
}

/// `jwt`
pub(crate) static JWT: Table<JwtFile> = Table {
    name: "jwt",
    doc: "A signed token (RFC 7519), by default as a bearer token. Exactly one of `key`, `secret` and `jwks` says how it is \
          checked. A token without `exp` is refused.",
    fields: &[
        Field {
            name: "issuer",
            presence: Required,
            value: &Kept(OrWord(ANY, Text), |jwt: &mut JwtFile, issuer| jwt.issuer = issuer),
            doc: "What its `iss` must be, exactly; `any` takes every one.",
        },
        Field {
            name: "audience",
            presence: Required,
            value: &Kept(OrWord(ANY, OneOrList(Text, "audiences")), |jwt: &mut JwtFile, audience| {
                jwt.audience = audience;
            }),
            doc: "What its `aud` must be or hold, exactly: one or a list of which one is enough. `any` takes every one, also \
                  tokens that the issuer made for somebody else.",
        },
        Field {
            name: "key",
            presence: Optional,
            value: &Kept(Placed(Text), |jwt: &mut JwtFile, key| {
                jwt.key = Some(At { value: key.value.into(), span: key.span });
            }),
            doc: "A file (PEM) with the public key: RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA).",
        },
        Field {
            name: "secret",
            presence: Optional,
            value: &Kept(
                Placed(SecretText { label: "secret", digest: false }),
                |jwt: &mut JwtFile, secret| {
                    jwt.secret = Some(secret);
                },
            ),
            doc: "The secret for HS256, at least 32 bytes: `${NAME}` from the environment, or `file:PATH`.",
        },
        Field {
            name: "jwks",
            presence: Optional,
            value: &Kept(JWKS_KIND, |jwt: &mut JwtFile, jwks| jwt.jwks = Some(jwks)),
            doc: "Where the issuer publishes its keys (RFC 7517).",
        },
        Field {
            name: "algorithms",
            presence: Optional,
            value: &Kept(Placed(OneOrList(ALGORITHM, "algorithms")), |jwt: &mut JwtFile, algorithms| {
                jwt.algorithms = Some(algorithms);
            }),
            doc: "Keys for other algorithms than these are not used. Which algorithm a key is for, the key says and never the \
                  token.",
        },
        Field {
            name: "leeway",
            presence: Unless("60s"),
            value: &Kept(DurationIn { min: Duration::ZERO, max: LEEWAY_MAX }, |jwt: &mut JwtFile, leeway| {
                jwt.leeway = Some(leeway);
            }),
            doc: "How far the clocks of issuer and proxy may be apart, up to `10m`.",
        },
        Field {
            name: "claims",
            presence: Optional,
            value: &Kept(ClaimsKind, |jwt: &mut JwtFile, claims| jwt.claims = claims),
            doc: "Claims that servers get as fields: `{sub: X-User}`. Whatever clients send in fields of these names is \
                  removed, on every route. A list becomes one value with commas.",
        },
        Field {
            name: "header",
            presence: Unless("Authorization"),
            value: &Kept(EDITABLE_NAME, |jwt: &mut JwtFile, header| jwt.header = Some(header)),
            doc: "The field that holds the token: behind `Bearer` in `Authorization`, alone in any other.",
        },
        Field {
            name: "realm",
            presence: Unless("restricted"),
            value: &Kept(REALM, |jwt: &mut JwtFile, realm| jwt.realm = Some(realm)),
            doc: "What the challenge says of what it protects.",
        },
        Field {
            name: "forward",
            presence: Unless("false"),
            value: &Kept(Boolean, |jwt: &mut JwtFile, forward| jwt.forward = forward),
            doc: "Whether servers get the token too.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};
