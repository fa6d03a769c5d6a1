//! What a route asks of a request, and whether a request has it.
//!
//! [`RouteRule::check`] is the one place that decides; finding a route and explaining it both ask here, so that an
//! explanation cannot drift away from what happens.

use std::fmt;

use super::path::PathPattern;
use super::query::RouteQuery;

/// What a route asks of a header field.
#[derive(Debug, Clone, Hash)]
pub struct FieldRule {
    /// The field's name, lower case.
    pub name: Box<str>,
    /// The exact value; `None` asks only that the field is there.
    pub value: Option<Box<str>>,
}

/// What a route asks of a query parameter. Names and values are compared as written, without decoding.
#[derive(Debug, Clone, Hash)]
pub struct QueryRule {
    /// The parameter's name.
    pub name: Box<str>,
    /// The exact value; `None` asks only that the parameter is there.
    pub value: Option<Box<str>>,
}

/// Everything a route asks; all of it must hold.
#[derive(Debug, Clone, Hash)]
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

/// The first thing a route asks for that a request does not have. Path, method, fields and query are looked at in this order.
#[derive(Debug, Clone, Copy)]
pub enum Mismatch<'t> {
    /// The path is another.
    Path(&'t PathPattern),
    /// The method is none of these.
    Method(&'t [Box<str>]),
    /// This field is absent or has another value.
    Field(&'t FieldRule),
    /// This query parameter is absent or has another value.
    Query(&'t QueryRule),
}

impl RouteRule {
    /// Whether the request has everything the route asks for. Allocates nothing.
    ///
    /// # Errors
    /// The first thing that is missing.
    pub fn check(&self, q: &RouteQuery) -> Result<(), Mismatch<'_>> {
        if !self.path.matches(q.path) {
            return Err(Mismatch::Path(&self.path));
        }
        self.check_conditions(q)
    }

    /// [`RouteRule::check`] for a request whose path is known to match.
    pub(super) fn check_conditions(&self, q: &RouteQuery) -> Result<(), Mismatch<'_>> {
        if !self.takes_method(q.method) {
            return Err(Mismatch::Method(&self.methods));
        }
        self.check_fields(q)
    }

    /// Whether the path and everything else but the method holds: then the method alone is wrong, which is a 405.
    pub(super) fn wants_other_method(&self, q: &RouteQuery) -> bool {
        self.path.matches(q.path) && !self.takes_method(q.method) && self.check_fields(q).is_ok()
    }

    /// How many things are asked besides the path; all methods together are one.
    pub(super) fn conditions(&self) -> usize {
        usize::from(!self.methods.is_empty()) + self.fields.len() + self.query.len()
    }

    fn takes_method(&self, method: &[u8]) -> bool {
        let listed = |wanted: &[u8]| self.methods.iter().any(|m| m.as_bytes() == wanted);
        // HEAD asks for what GET would answer (RFC 9110 §9.3.2), so it goes where GET goes.
        self.methods.is_empty() || listed(method) || (method == b"HEAD" && listed(b"GET"))
    }

    fn check_fields(&self, q: &RouteQuery) -> Result<(), Mismatch<'_>> {
        if let Some(missing) = self.fields.iter().find(|rule| !rule.holds(q)) {
            return Err(Mismatch::Field(missing));
        }
        match self.query.iter().find(|rule| !rule.holds(q)) {
            Some(missing) => Err(Mismatch::Query(missing)),
            None => Ok(()),
        }
    }
}

impl FieldRule {
    fn holds(&self, q: &RouteQuery) -> bool {
        q.fields.any(self.name.as_bytes(), &mut |value| has(self.value.as_deref(), value))
    }
}

impl QueryRule {
    fn holds(&self, q: &RouteQuery) -> bool {
        let mut parameters = q.query.unwrap_or_default().split(|b| *b == b'&');
        parameters.any(|parameter| {
            let equals = parameter.iter().position(|b| *b == b'=').unwrap_or(parameter.len());
            let (name, value) = parameter.split_at(equals);
            // A parameter without `=` has the empty value, as every form parser reads it.
            name == self.name.as_bytes()
                && has(self.value.as_deref(), value.strip_prefix(b"=").unwrap_or(value))
        })
    }
}

fn has(wanted: Option<&str>, value: &[u8]) -> bool {
    wanted.is_none_or(|wanted| wanted.as_bytes() == value)
}

impl fmt::Display for Mismatch<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |out: &mut fmt::Formatter<'_>, what: &str, name: &str, value: Option<&str>| match value {
            Some(value) => write!(out, "no {what} `{name}` with the value `{value}`"),
            None => write!(out, "no {what} `{name}`"),
        };
        match self {
            Self::Path(PathPattern::Prefix(prefix)) => write!(out, "the path is not `{prefix}` or below it"),
            Self::Path(PathPattern::Exact(exact)) => write!(out, "the path is not exactly `{exact}`"),
            Self::Path(pattern @ PathPattern::Regex(_)) => write!(out, "the path does not match `{pattern}`"),
            Self::Method(methods) => write!(out, "the method is not {}", methods.join(" or ")),
            Self::Field(rule) => named(out, "field", &rule.name, rule.value.as_deref()),
            Self::Query(rule) => named(out, "query parameter", &rule.name, rule.value.as_deref()),
        }
    }
}

#[cfg(test)]
mod tests;
