//! What a route does with a request.

use std::hash::{Hash, Hasher};

use super::{Compare, Dispatches, HostPolicy, Mirror, UpstreamId};

/// The one thing a route does.
#[derive(Debug, Clone, Hash)]
pub enum Action {
    /// Send it to servers.
    Forward(Forward),
    /// Answer with a redirect.
    Redirect(Redirect),
    /// Answer with a fixed text.
    Respond(Respond),
}

/// Sending a request to servers.
#[derive(Debug, Clone)]
pub struct Forward {
    /// Which servers.
    pub upstream: UpstreamId,
    /// How many servers get a request, by its method.
    pub dispatch: Box<Dispatches>,
    /// Who gets copies.
    pub mirrors: Vec<Mirror>,
    /// Whose answers are compared.
    pub compare: Option<Box<Compare>>,
    /// What happens to the path before it is sent.
    pub path: PathEdit,
    /// Changes of the request's fields.
    pub request_fields: FieldEdits,
    /// What the server gets as Host.
    pub host: HostPolicy,
    /// Protocols that a client may switch its connection to, compared without case; never `h2c`.
    pub upgrade: Vec<Box<str>>,
    /// The status for a client whose server can't be connected to, where it is not the usual 502 or 504
    /// (`semantics.md` §1.10).
    pub unreachable_status: Option<u16>,
}

impl Hash for Forward {
    /// By all but the number of its upstream, which says where that stands in the configuration.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { upstream: _, dispatch, mirrors, compare, path, request_fields, host, .. } = self;
        let Self { upgrade, unreachable_status, .. } = self;
        (dispatch, mirrors, compare, path, request_fields, host, upgrade, unreachable_status).hash(state);
    }
}

impl Forward {
    /// Every upstream that gets requests or copies of them.
    pub fn upstreams(&self) -> impl Iterator<Item = UpstreamId> {
        let copies = self.mirrors.iter().chain(self.compare.iter().map(|compare| &compare.mirror));
        [self.upstream].into_iter().chain(copies.map(|mirror| mirror.upstream))
    }
    /// What may be switched to when nothing is written (`semantics.md` §1.4).
    pub fn usual_upgrade() -> Vec<Box<str>> {
        vec!["websocket".into()]
    }
}

/// A change of the path before it is sent. What was matched is the path before this change.
#[derive(Debug, Clone, Default)]
pub enum PathEdit {
    /// As it came (normalised).
    #[default]
    Keep,
    /// `strip: /api`: this prefix of whole segments is taken away; what is left begins with a slash. Without a slash at
    /// its end, never empty.
    Strip(Box<str>),
    /// `rewrite: {prefix: /v2}`: the prefix that matched is replaced.
    ReplacePrefix {
        /// The prefix that matched, without a slash at its end; empty for `/`.
        from: Box<str>,
        /// What stands there instead: with its leading slash, without one at its end; empty for `/`.
        to: Box<str>,
    },
    /// `rewrite: {regex: ^/user/(\d+)$, to: /u/$1}`: replaced where it matches; the result is normalised again.
    Regex {
        /// The expression.
        pattern: regex::bytes::Regex,
        /// The replacement with `$1` and `${name}`.
        to: Box<str>,
    },
}

impl Hash for PathEdit {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Keep => 0.hash(state),
            Self::Strip(prefix) => (1, prefix).hash(state),
            Self::ReplacePrefix { from, to } => (2, from, to).hash(state),
            Self::Regex { pattern, to } => (3, pattern.as_str(), to).hash(state),
        }
    }
}

/// Changes of fields: first `remove`, then `set`, then `add`.
#[derive(Debug, Clone, Default, Hash)]
pub struct FieldEdits {
    /// Names of fields to take away.
    pub remove: Vec<Box<str>>,
    /// Fields that stand exactly once with this value afterwards.
    pub set: Vec<(Box<str>, Box<str>)>,
    /// Fields that are added, whatever is there.
    pub add: Vec<(Box<str>, Box<str>)>,
}

impl FieldEdits {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }
}

/// A redirect.
#[derive(Debug, Clone, Hash)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// The `Location`; `$scheme`, `$host`, `$path` (normalised) and `$query` (with its `?`, or nothing) are replaced.
    pub location: Box<str>,
}

/// A fixed answer.
#[derive(Debug, Clone, Hash)]
pub struct Respond {
    /// 200 to 599.
    pub status: u16,
    /// The body.
    pub body: Box<str>,
    /// Its type.
    pub content_type: Box<str>,
}
