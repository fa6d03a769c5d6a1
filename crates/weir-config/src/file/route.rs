//! Routes: what a request must have, and what is done with it.

use weir_core::route::{FieldRule, PathPattern, QueryRule};

use crate::complaint::Complaint;
use crate::model::{FieldEdits, HostPolicy, HttpsOnly, Redirect, Respond};
use crate::node::shortened;
use crate::source::{At, Span};

use super::action::{REDIRECT_KIND, RESPOND_KIND, REWRITE_KIND, Rewrite};
use super::admit::{ADMIT_KIND, AdmitFile};
use super::authenticate::{AUTHENTICATE_KIND, AuthenticateKey};
use super::compare::{COMPARE_KIND, CompareFile};
use super::describe::Presence::{Default as Unless, Optional};
use super::dispatch::{DispatchKind, DispatchesFile};
use super::edit::FIELD_EDITS;
use super::https_only::HTTPS_ONLY_KIND;
use super::kind::{OneOrList, Placed};
use super::mirror::{MIRROR_KIND, MirrorFile};
use super::rule::{FieldRules, METHOD, PATH, PLAIN_PATH, QUERY, is_sendable_host};
use super::scalar::{Boolean, Parsed, Text};
use super::table::{Field, Kept, Table};
use super::upgrade::Upgrades;
use super::upstream::{UpstreamRef, UpstreamRefKind};

/// A route as it was written.
#[derive(Debug, Default)]
pub(crate) struct RouteFile {
    /// The keys that were written, with their places.
    pub(crate) keys: Vec<(&'static str, Span)>,
    /// `name`
    pub(crate) name: Option<At<String>>,
    /// `path`
    pub(crate) path: Option<At<PathPattern>>,
    /// `methods`
    pub(crate) methods: Vec<Box<str>>,
    /// `headers`
    pub(crate) fields: Vec<FieldRule>,
    /// `query`
    pub(crate) query: Vec<QueryRule>,
    /// `upstream`
    pub(crate) upstream: Option<At<UpstreamRef>>,
    /// `dispatch`
    pub(crate) dispatch: Option<DispatchesFile>,
    /// `host`
    pub(crate) host: HostPolicy,
    /// `upgrade`
    pub(crate) upgrade: Option<Vec<Box<str>>>,
    /// `strip`, without a slash at its end
    pub(crate) strip: Option<At<Box<str>>>,
    /// `rewrite`
    pub(crate) rewrite: Option<At<Rewrite>>,
    /// `request_headers`
    pub(crate) request_fields: FieldEdits,
    /// `answer_headers`
    pub(crate) answer_fields: FieldEdits,
    /// `redirect`
    pub(crate) redirect: Option<Redirect>,
    /// `respond`
    pub(crate) respond: Option<Respond>,
    /// `backend_server`
    pub(crate) backend_server: Option<bool>,
    /// `server_timing`
    pub(crate) server_timing: Option<bool>,
    /// `authenticate`
    pub(crate) authenticate: Option<AuthenticateKey>,
    /// `https_only`, when written; `None` inside for `false`
    pub(crate) https_only: Option<At<Option<HttpsOnly>>>,
    /// `admit`, when written; `None` inside for `off`
    pub(crate) admit: Option<At<Option<AdmitFile>>>,
    /// `mirror`, when written; `None` inside for `off`
    pub(crate) mirror: Option<At<Option<Vec<At<MirrorFile>>>>>,
    /// `compare`, when written; `None` inside for `off`
    pub(crate) compare: Option<At<Option<CompareFile>>>,
}

impl RouteFile {
    /// Where a key was written, if it was.
    pub(crate) fn key(&self, name: &str) -> Option<Span> {
        self.keys.iter().find(|(key, _)| *key == name).map(|(_, span)| *span)
    }
}

const HOST_POLICY: Parsed<HostPolicy> = Parsed {
    label: "`keep`, `server` or the name of a host",
    pattern: r"^[A-Za-z0-9_.:\[\]-]+$",
    parse: host_policy,
};

fn host_policy(text: &str) -> Result<HostPolicy, Complaint> {
    match text {
        "keep" => return Ok(HostPolicy::Keep),
        "server" => return Ok(HostPolicy::Server),
        _ => {}
    }
    if is_sendable_host(text) {
        return Ok(HostPolicy::Name(text.into()));
    }
    Err(Complaint::new(format!("`{}` cannot be sent as Host", shortened(text)))
        .hint("in a route `host` is what the server gets: `keep`, `server` or a name"))
}

/// A route
pub(crate) static ROUTE: Table<RouteFile> = Table {
    name: "route",
    doc: "What a request must have (`path`, `methods`, `headers`, `query`; all of it), and the one thing that is done with \
          it: `upstream`, `redirect` or `respond`.",
    fields: &[
        Field {
            name: "name",
            presence: Optional,
            value: &Kept(Placed(Text), |route: &mut RouteFile, name| route.name = Some(name)),
            doc: "Its name in logs and metrics; made of what it asks when not written.",
        },
        Field {
            name: "path",
            presence: Unless("/"),
            value: &Kept(Placed(PATH), |route: &mut RouteFile, path| route.path = Some(path)),
            doc: "`/orders/` is a prefix of whole segments, `exact:/health` the whole path, `regex:^/u/\\d+$` an expression \
                  that must match from the first to the last byte. Compared with the normalised path.",
        },
        Field {
            name: "methods",
            presence: Optional,
            value: &Kept(OneOrList(METHOD, "methods"), |route: &mut RouteFile, methods| {
                route.methods = methods;
            }),
            doc: "One method or a list; any when not written. HEAD is taken where GET is.",
        },
        Field {
            name: "headers",
            presence: Optional,
            value: &Kept(FieldRules, |route: &mut RouteFile, fields| route.fields = fields),
            doc: "Fields that must be there with exactly this value; `true` or `\"*\"` for any value.",
        },
        Field {
            name: "query",
            presence: Optional,
            value: &Kept(QUERY, |route: &mut RouteFile, query| route.query = query),
            doc: "Query parameters that must be there with exactly this value, compared as sent; `true` or `\"*\"` for any.",
        },
        Field {
            name: "upstream",
            presence: Optional,
            value: &Kept(Placed(UpstreamRefKind), |route: &mut RouteFile, upstream| {
                route.upstream = Some(upstream);
            }),
            doc: "The name of an upstream, or an upstream in place.",
        },
        Field {
            name: "dispatch",
            presence: Unless("balance"),
            value: &Kept(DispatchKind, |route: &mut RouteFile, dispatch| route.dispatch = Some(dispatch)),
            doc: "How many servers get a request: a mode, a mapping with `mode`, or a mapping from methods to modes.",
        },
        Field {
            name: "host",
            presence: Unless("keep"),
            value: &Kept(HOST_POLICY, |route: &mut RouteFile, host| route.host = host),
            doc: "What the server gets as Host: `keep` what the client sent, `server` for the server's own `host:port`, or \
                  a name. Only in `routes`: at a service `host` is the host it answers for.",
        },
        Field {
            name: "upgrade",
            presence: Unless("[websocket]"),
            value: &Kept(Upgrades, |route: &mut RouteFile, protocols| route.upgrade = Some(protocols)),
            doc: "Protocols that a client may switch its connection to, as they stand in the field `Upgrade`; `[]` for none. \
                  What happens after the switch is seen by no rule; `h2c` is never passed on.",
        },
        Field {
            name: "strip",
            presence: Optional,
            value: &Kept(Placed(PLAIN_PATH), |route: &mut RouteFile, strip| route.strip = Some(strip)),
            doc: "A prefix of whole segments that is taken away from the path before it is sent.",
        },
        Field {
            name: "rewrite",
            presence: Optional,
            value: &Kept(Placed(REWRITE_KIND), |route: &mut RouteFile, rewrite| {
                route.rewrite = Some(rewrite);
            }),
            doc: "Another change of the path before it is sent.",
        },
        Field {
            name: "request_headers",
            presence: Optional,
            value: &Kept(FIELD_EDITS, |route: &mut RouteFile, edits| route.request_fields = edits),
            doc: "Changes of the request's fields.",
        },
        Field {
            name: "answer_headers",
            presence: Optional,
            value: &Kept(FIELD_EDITS, |route: &mut RouteFile, edits| route.answer_fields = edits),
            doc: "Changes of the answer's fields, whoever made the answer.",
        },
        Field {
            name: "redirect",
            presence: Optional,
            value: &Kept(REDIRECT_KIND, |route: &mut RouteFile, redirect| {
                route.redirect = Some(redirect);
            }),
            doc: "Answer with a redirect.",
        },
        Field {
            name: "respond",
            presence: Optional,
            value: &Kept(RESPOND_KIND, |route: &mut RouteFile, respond| route.respond = Some(respond)),
            doc: "Answer with a fixed text.",
        },
        Field {
            name: "backend_server",
            presence: Optional,
            value: &Kept(Boolean, |route: &mut RouteFile, on| route.backend_server = Some(on)),
            doc: "Whether answers carry `X-Backend-Server`; as at the top when not written.",
        },
        Field {
            name: "server_timing",
            presence: Optional,
            value: &Kept(Boolean, |route: &mut RouteFile, on| route.server_timing = Some(on)),
            doc: "Whether answers carry `Server-Timing`; as at the top when not written.",
        },
        Field {
            name: "authenticate",
            presence: Optional,
            value: &Kept(AUTHENTICATE_KIND, |route: &mut RouteFile, authenticate| {
                route.authenticate = Some(authenticate);
            }),
            doc: "What a client proves before its request goes on. Beside `routes` it holds for every route that has none of \
                  its own; `off` lifts it.",
        },
        Field {
            name: "https_only",
            presence: Optional,
            value: &Kept(Placed(HTTPS_ONLY_KIND), |route: &mut RouteFile, https| {
                route.https_only = Some(https);
            }),
            doc: "Whether clients must come over https: others get 308 to there, and browsers are told to remember it. At a \
                  service with `routes` it holds for those of them that have no `https_only` of their own.",
        },
        Field {
            name: "admit",
            presence: Optional,
            value: &Kept(ADMIT_KIND, |route: &mut RouteFile, admit| route.admit = Some(admit)),
            doc: "Who may ask: addresses, rates, requests at once. At a service with `routes` it holds for those of them that have no `admit` of \
                  their own; `off` lets everybody ask.",
        },
        Field {
            name: "mirror",
            presence: Optional,
            value: &Kept(MIRROR_KIND, |route: &mut RouteFile, mirror| route.mirror = Some(mirror)),
            doc: "Who else gets a copy of the requests that go to servers: an upstream, a mapping, or a list of up to 4. Nobody \
                  waits for a copy, and its answer goes nowhere. At a service with `routes` it holds for those of them that \
                  have no `mirror` of their own; `off` lifts it.",
        },
        Field {
            name: "compare",
            presence: Optional,
            value: &Kept(COMPARE_KIND, |route: &mut RouteFile, compare| route.compare = Some(compare)),
            doc: "Another upstream that gets a copy of requests, so that its answers are compared with those that clients get. \
                  At a service with `routes` it holds for those of them that have no `compare` of their own; `off` lifts it.",
        },
    ],
    within: None,
    later: &[],
    note: Some(|route: &mut RouteFile, key, span| route.keys.push((key, span))),
};
