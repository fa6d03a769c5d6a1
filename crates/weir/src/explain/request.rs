//! A request as somebody writes it on a command line, read as the proxy would read it.
//!
//! The rules are those of `weir-http`; only their order is repeated here (`semantics.md` §1.1, §1.2, §1.4, §1.8). What
//! differs from what was written is kept as a note, because that is what surprises people.

use weir_config::model::Limits;
use weir_http::authority;
use weir_http::connection;
use weir_http::method::Method;
use weir_http::path;
use weir_http::target::{self, Scheme, Target};

/// Fields that are believed from trusted proxies only.
const FORWARDING_FIELDS: [&str; 5] =
    ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "forwarded"];

/// A request as it is written.
#[derive(Debug, Clone)]
pub(crate) struct Written<'a> {
    /// The method.
    pub(crate) method: &'a str,
    /// `http://host/path?query`, `https://…` or `/path?query`.
    pub(crate) url: &'a str,
    /// `Name: value` each.
    pub(crate) fields: &'a [String],
}

/// A request as routing sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// The method.
    pub(crate) method: String,
    /// What the client speaks; http where only a path is written.
    pub(crate) scheme: Scheme,
    /// The host in its normal form; `None` for a request without Host.
    pub(crate) host: Option<String>,
    /// The path in its normal form.
    pub(crate) path: String,
    /// The query without its `?`.
    pub(crate) query: Option<String>,
    /// Fields, with the names as written.
    pub(crate) fields: Vec<(String, String)>,
    /// What the proxy changes, in sentences.
    pub(crate) notes: Vec<String>,
}

/// Why there is nothing to explain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It is no request at all: the command line is wrong.
    Usage(String),
    /// The proxy would answer it itself, before it looks for a route.
    Refused {
        /// The status of that answer.
        status: u16,
        /// Why.
        reason: String,
    },
}

impl Unreadable {
    fn bad_request(reason: impl Into<String>) -> Self {
        Self::Refused { status: 400, reason: reason.into() }
    }
}

impl Written<'_> {
    /// Reads it.
    ///
    /// # Errors
    /// See [`Unreadable`].
    pub(crate) fn read(&self, limits: &Limits) -> Result<Request, Unreadable> {
        let mut notes = Vec::new();
        let method = self.method(&mut notes)?;
        let fields = self.fields.iter().map(|field| self::field(field)).collect::<Result<Vec<_>, _>>()?;
        let url = without_fragment(self.url, &mut notes);
        if !url.starts_with('/') && !url.contains("://") {
            return Err(Unreadable::Usage(format!(
                "`{url}` is neither a URL nor a path\n\nhint: write `http://{url}`, or `/{url}` for a path"
            )));
        }
        if url.len() > limits.target_bytes {
            return Err(Unreadable::Refused {
                status: 414,
                reason: format!("the request target is longer than {} bytes", limits.target_bytes),
            });
        }
        let target =
            target::parse(url.as_bytes()).map_err(|error| Unreadable::bad_request(error.to_string()))?;
        let (path, query) = target
            .path_and_query()
            .ok_or_else(|| Unreadable::Usage("write a URL or a path that begins with `/`".to_owned()))?;
        let scheme = match target {
            Target::Absolute { scheme, .. } => scheme,
            Target::Origin { .. } | Target::Authority(_) | Target::Asterisk => Scheme::Http,
        };
        let in_url = target.authority().map(|authority| host(&authority));
        let host = written_host(&fields)?.or(in_url);
        if host.is_none() {
            notes.push("without a Host only HTTP/1.0 is let in; name one with `-H 'Host: …'`".to_owned());
        }
        let path = normal_path(path, &mut notes)?;
        let hidden = named_in_connection(&fields)?;
        let fields = believed(fields, &hidden, scheme, host.as_deref(), &mut notes);
        let query = query.map(|query| String::from_utf8_lossy(query).into_owned());
        Ok(Request { method, scheme, host, path, query, fields, notes })
    }

    fn method(&self, notes: &mut Vec<String>) -> Result<String, Unreadable> {
        if !is_token(self.method) {
            return Err(Unreadable::Usage(format!("`{}` is no method", self.method)));
        }
        if matches!(Method::of(self.method.as_bytes()), Method::Trace | Method::Connect) {
            let reason = format!("{} is not passed on", self.method);
            return Err(Unreadable::Refused { status: 405, reason });
        }
        let upper = self.method.to_ascii_uppercase();
        if upper != self.method && Method::of(upper.as_bytes()) != Method::Other {
            notes.push(format!("methods are case-sensitive: `{}` is not {upper}", self.method));
        }
        Ok(self.method.to_owned())
    }
}

/// What follows `#` stays with the client (RFC 9110 §4.2.5).
fn without_fragment<'u>(url: &'u str, notes: &mut Vec<String>) -> &'u str {
    match url.split_once('#') {
        Some((url, fragment)) => {
            notes.push(format!("clients do not send `#{fragment}`"));
            url
        }
        None => url,
    }
}

fn field(written: &str) -> Result<(String, String), Unreadable> {
    let error = |why: &str| {
        Unreadable::Usage(format!("`{written}` is no field: {why}\n\nhint: write `-H 'Name: value'`"))
    };
    let (name, value) = written.split_once(':').ok_or_else(|| error("there is no colon"))?;
    if !is_token(name) {
        return Err(error("what stands before the colon is no name"));
    }
    let value = value.trim_matches([' ', '\t']);
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(error("the value holds a control character"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// The host of the Host field. It counts before that of the URL, as with curl, which sends the one it is told.
fn written_host(fields: &[(String, String)]) -> Result<Option<String>, Unreadable> {
    let mut hosts = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("host"));
    match (hosts.next(), hosts.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(Unreadable::bad_request("the request has more than one Host")),
        (Some((_, value)), None) => authority::parse(value.as_bytes())
            .map(|authority| Some(host(&authority)))
            .map_err(|error| Unreadable::bad_request(format!("in the Host, {error}"))),
    }
}

fn host(authority: &authority::Authority<'_>) -> String {
    let mut normal = Vec::new();
    authority::normalise_host(authority.host(), &mut normal);
    // An authority's host is ASCII.
    String::from_utf8_lossy(&normal).into_owned()
}

fn normal_path(written: &[u8], notes: &mut Vec<String>) -> Result<String, Unreadable> {
    let mut normal = Vec::new();
    path::normalise(written, &mut normal).map_err(|error| Unreadable::bad_request(error.to_string()))?;
    // A normal path is ASCII: everything else has been escaped.
    let normal_text = String::from_utf8_lossy(&normal).into_owned();
    if normal != written {
        notes.push(format!(
            "the path `{}` is matched and sent as `{normal_text}`",
            String::from_utf8_lossy(written)
        ));
    }
    Ok(normal_text)
}

/// What Connection takes away before a route is looked for, in lower case (`semantics.md` §1.4).
fn named_in_connection(fields: &[(String, String)]) -> Result<Vec<String>, Unreadable> {
    let values = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("connection"));
    let mut named = Vec::new();
    connection::read(values.map(|(_, value)| value.as_bytes()), |name| {
        named.push(String::from_utf8_lossy(name).to_ascii_lowercase());
    })
    .map_err(|error| Unreadable::bad_request(error.to_string()))?;
    Ok(named)
}

/// The fields that are left when the proxy has taken away what it does not believe, and those that it sets itself.
fn believed(
    fields: Vec<(String, String)>,
    hidden: &[String],
    scheme: Scheme,
    host: Option<&str>,
    notes: &mut Vec<String>,
) -> Vec<(String, String)> {
    let mut kept = Vec::new();
    for (name, value) in fields {
        let lower = name.to_ascii_lowercase();
        if FORWARDING_FIELDS.contains(&lower.as_str()) {
            notes.push(format!("`{name}` counts only from `trusted_proxies`; here it is set anew"));
        } else if connection::is_hop_by_hop(name.as_bytes()) || lower == "x-backend-server" {
            notes.push(format!("`{name}` is never passed on, so it counts for no route"));
        } else if hidden.contains(&lower) {
            notes.push(format!("Connection names `{name}`, so it is not passed on and counts for no route"));
        } else if lower != "host" {
            kept.push((name, value));
        }
    }
    kept.push(("X-Forwarded-Proto".to_owned(), scheme.name().to_owned()));
    if let Some(host) = host {
        kept.push(("Host".to_owned(), host.to_owned()));
        kept.push(("X-Forwarded-Host".to_owned(), host.to_owned()));
    }
    kept
}

#[cfg(test)]
mod tests;
