//! What a service and a route ask of a request, as checked types.

use regex::bytes::Regex;

/// The hosts a service answers for. Names are lower case, without port and without a trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// `api.example.com`
    Exact(Box<str>),
    /// `*.example.com`, kept as `example.com`: one or more labels before it.
    Wildcard(Box<str>),
    /// `*`: every host that nothing else takes, and requests without a host.
    Any,
}

/// What a route asks of the normalised path.
#[derive(Debug, Clone)]
pub enum PathPattern {
    /// Whole segments: `/orders` and `/orders/` take `/orders`, `/orders/` and `/orders/7`, never `/ordersx`.
    Prefix(Box<str>),
    /// The whole path, byte for byte.
    Exact(Box<str>),
    /// A regular expression that must match from the first to the last byte.
    Regex(Regex),
}

/// What a route asks of a header field.
#[derive(Debug, Clone)]
pub struct FieldRule {
    /// The field's name, lower case.
    pub name: Box<str>,
    /// The exact value; `None` asks only that the field is there.
    pub value: Option<Box<str>>,
}

/// What a route asks of a query parameter. Names and values are compared as written, without decoding.
#[derive(Debug, Clone)]
pub struct QueryRule {
    /// The parameter's name.
    pub name: Box<str>,
    /// The exact value; `None` asks only that the parameter is there.
    pub value: Option<Box<str>>,
}

/// Everything a route asks; all of it must hold.
#[derive(Debug, Clone)]
pub struct RouteRule {
    /// The path.
    pub path: PathPattern,
    /// Methods, upper case as on the wire; empty for any. HEAD is taken where GET is.
    pub methods: Vec<Box<str>>,
    /// Header fields.
    pub fields: Vec<FieldRule>,
    /// Query parameters.
    pub query: Vec<QueryRule>,
}
