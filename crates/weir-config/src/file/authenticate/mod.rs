//! `authenticate`: how clients prove who they are. One file for each kind of proof; here what holds them together.

pub(crate) mod api_key;
pub(crate) mod basic;
pub(crate) mod jwt;
pub(crate) mod key_url;

use crate::node::{Node, NodeKind};
use crate::source::{At, Span};

use self::api_key::{API_KEY, ApiKeyFile};
use self::basic::{BASIC, BasicFile};
use self::jwt::{JWT, JwtFile};
use super::decoder::Decoder;
use super::describe::Presence::Optional;
use super::describe::Shape;
use super::kind::{Kind, List, Mapped, OrWord, Placed};
use super::secret::Sensitive;
use super::table::{Field, Kept, Mapping, Table};

/// `authenticate` of a service or a route.
#[derive(Debug)]
pub(crate) enum AuthenticateKey {
    /// `off`: nothing is asked for, whatever the service says.
    Off,
    /// This is.
    Asked(Box<At<AuthenticateFile>>),
}

/// What is asked for.
#[derive(Debug, Default)]
pub(crate) struct AuthenticateFile {
    /// The keys that were written, with their places.
    pub(crate) keys: Vec<(&'static str, Span)>,
    /// `api_key`
    pub(crate) api_key: Option<At<ApiKeyFile>>,
    /// `basic`
    pub(crate) basic: Option<At<BasicFile>>,
    /// `jwt`
    pub(crate) jwt: Option<At<JwtFile>>,
    /// `any`
    pub(crate) any: Option<Vec<At<Self>>>,
    /// `all`
    pub(crate) all: Option<Vec<At<Self>>>,
}

/// A mapping of which any part may be a secret in the wrong place.
type SensitiveMapping<T> = Sensitive<Placed<Mapping<T>>>;

/// Keys of `jwt` that hold no secret, or look after it themselves.
const JWT_OPEN: &[&str] = &[
    "issuer",
    "audience",
    "key",
    "secret",
    "jwks",
    "algorithms",
    "leeway",
    "claims",
    "header",
    "realm",
    "forward",
];

/// The mapping `authenticate`. It holds itself, so the table is looked at when it is used and not when it is made.
pub(crate) struct Asked;

impl Asked {
    fn mapping() -> SensitiveMapping<AuthenticateFile> {
        Sensitive {
            of: Placed(Mapping(&AUTHENTICATE)),
            label: "a mapping (`authenticate`), or `off`",
            open: &["api_key", "basic", "jwt", "any", "all"],
        }
    }
}

impl Kind for Asked {
    type Value = At<AuthenticateFile>;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<Self::Value> {
        Self::mapping().decode(node, decoder)
    }

    fn shape(&self) -> Shape {
        Shape::Mapping(&AUTHENTICATE)
    }

    fn looks_like(&self, node: &Node) -> bool {
        matches!(node.kind, NodeKind::Mapping(_))
    }
}

const SEVERAL: Sensitive<List<Asked>> =
    Sensitive { of: List::of(Asked, "a list of proofs"), label: "a list of proofs", open: &[] };

/// `authenticate`
pub(crate) static AUTHENTICATE: Table<AuthenticateFile> = Table {
    name: "authenticate",
    doc: "What a client proves before its request goes on; otherwise it gets 401. Exactly one of these keys; several \
          proofs stand in `any` or `all`. See [Access](access.md).",
    fields: &[
        Field {
            name: "api_key",
            presence: Optional,
            value: &Kept(
                Sensitive {
                    of: Placed(Mapping(&API_KEY)),
                    label: "a mapping (`api_key`)",
                    open: &["header", "keys", "file", "forward"],
                },
                |authenticate: &mut AuthenticateFile, api_key| authenticate.api_key = Some(api_key),
            ),
            doc: "A key in a field of the request.",
        },
        Field {
            name: "basic",
            presence: Optional,
            value: &Kept(
                Sensitive {
                    of: Placed(Mapping(&BASIC)),
                    label: "a mapping (`basic`)",
                    open: &["file", "realm", "forward"],
                },
                |authenticate: &mut AuthenticateFile, basic| authenticate.basic = Some(basic),
            ),
            doc: "A user and a password.",
        },
        Field {
            name: "jwt",
            presence: Optional,
            value: &Kept(
                Sensitive { of: Placed(Mapping(&JWT)), label: "a mapping (`jwt`)", open: JWT_OPEN },
                |authenticate: &mut AuthenticateFile, jwt| authenticate.jwt = Some(jwt),
            ),
            doc: "A signed token.",
        },
        Field {
            name: "any",
            presence: Optional,
            value: &Kept(SEVERAL, |authenticate: &mut AuthenticateFile, any| authenticate.any = Some(any)),
            doc: "One of these, looked at in their order.",
        },
        Field {
            name: "all",
            presence: Optional,
            value: &Kept(SEVERAL, |authenticate: &mut AuthenticateFile, all| authenticate.all = Some(all)),
            doc: "Each of these.",
        },
    ],
    within: None,
    later: &[],
    note: Some(|authenticate: &mut AuthenticateFile, key, span| authenticate.keys.push((key, span))),
};

/// `off`, or what is asked for.
pub(crate) const AUTHENTICATE_KIND: Mapped<OrWord<Asked>, AuthenticateKey> =
    Mapped(OrWord("off", Asked), |asked| match asked {
        Some(asked) => AuthenticateKey::Asked(Box::new(asked)),
        None => AuthenticateKey::Off,
    });
