//! What services and routes ask of a request: hosts, paths, methods, fields, query parameters.
//!
//! What is a host or a path is `weir-core`'s to say; here its answers get a place.

use weir_core::route::{FieldRule, HostPattern, PathPattern, QueryRule};

use crate::complaint::Complaint;
use crate::node::{Node, shortened};
use crate::problem::Problem;
use crate::source::At;

use super::decoder::Decoder;
use super::describe::Shape;
use super::kind::{Kind, Mapped};
use super::named::{Named, refuse_repeats};
use super::scalar::Parsed;

/// A host pattern.
pub(crate) const HOST: Parsed<HostPattern> = Parsed {
    label: "host (`api.example.com`, `*.example.com` or `\"*\"`)",
    pattern: r"^(\*|(\*\.)?[A-Za-z0-9_.-]+|\[[0-9a-fA-F:.]+\])$",
    parse: host,
};

fn host(text: &str) -> Result<HostPattern, Complaint> {
    HostPattern::parse(text).map_err(|error| {
        let complaint = Complaint::new(format!("`{}` is not a host: {error}", shortened(text)));
        Complaint { hint: error.hint().map(str::to_owned), ..complaint }
    })
}

/// Whether a text can be sent as Host: a name or an address, perhaps with a port.
pub(crate) fn is_sendable_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let good_port = port.is_none_or(|port| {
        !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
    });
    good_port && matches!(HostPattern::parse(host), Ok(HostPattern::Exact(_)))
}

/// A path pattern.
pub(crate) const PATH: Parsed<PathPattern> = Parsed {
    label: "path (`/prefix/`, `exact:/path` or `regex:^/expression$`)",
    pattern: r"^(/|exact:/|regex:)",
    parse: path,
};

fn path(text: &str) -> Result<PathPattern, Complaint> {
    let outcome = match text.split_once(':') {
        Some(("exact", path)) => PathPattern::exact(path),
        Some(("regex", expression)) => PathPattern::regex(expression),
        Some(_) | None => PathPattern::prefix(text),
    };
    outcome.map_err(|error| {
        let hint = match text.split_once(':') {
            Some((word @ ("prefix" | "exact" | "regex" | "regexp"), _)) if !text.starts_with('/') => {
                match word {
                    "prefix" => Some("a prefix is written without a word before it: `/orders/`".to_owned()),
                    "regexp" => Some("did you mean `regex:`?".to_owned()),
                    _ => error.hint(),
                }
            }
            _ if text.starts_with('^') => Some(format!("write an expression as `regex:{}`", shortened(text))),
            _ => error.hint(),
        };
        let reason = last_line(&error.to_string());
        Complaint { message: format!("`{}` is not a path: {reason}", shortened(text)), hint }
    })
}

/// The library for expressions draws its errors over several lines; the last one says what is wrong.
pub(crate) fn last_line(error: &str) -> String {
    error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// A path that stands for itself, without its slash at the end; empty for `/`.
pub(crate) const PLAIN_PATH: Parsed<Box<str>> =
    Parsed { label: "path that begins with `/`", pattern: "^/", parse: plain_path };

fn plain_path(text: &str) -> Result<Box<str>, Complaint> {
    match PathPattern::prefix(text) {
        Ok(_) => Ok(text.trim_end_matches('/').into()),
        Err(error) => Err(Complaint {
            message: format!("`{}` is not a path: {error}", shortened(text)),
            hint: error.hint(),
        }),
    }
}

/// A method.
pub(crate) const METHOD: Parsed<Box<str>> =
    Parsed { label: "method", pattern: METHOD_PATTERN, parse: method };

/// What a method looks like.
pub(crate) const METHOD_PATTERN: &str = "^[A-Z][A-Z0-9_-]*$";

/// A method that can reach a route.
pub(crate) fn method(text: &str) -> Result<Box<str>, Complaint> {
    let not = || Complaint::new(format!("`{}` is not a method", shortened(text)));
    if matches!(text, "TRACE" | "CONNECT") {
        // semantics.md §1.4
        return Err(Complaint::new(format!("{text} never reaches a route; it is always answered with 405")));
    }
    if text.bytes().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_' | b'0'..=b'9'))
        && text.starts_with(|first: char| first.is_ascii_uppercase())
    {
        return Ok(text.into());
    }
    // RFC 9110 §9.1: methods are case-sensitive.
    if text.bytes().all(|byte| byte.is_ascii_alphabetic()) && !text.is_empty() {
        return Err(not().hint(format!("methods are written in upper case: `{}`", text.to_ascii_uppercase())));
    }
    Err(not().hint("write `GET`, or `[GET, POST]`"))
}

/// What a field's name looks like.
pub(crate) const FIELD_NAME_PATTERN: &str = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";

/// The name of a field (RFC 9110 §5.1), as written.
pub(crate) fn field_name(text: &str) -> Result<Box<str>, Complaint> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !text.is_empty() && text.bytes().all(token) {
        return Ok(text.into());
    }
    let complaint = Complaint::new(format!("`{}` is not the name of a field", shortened(text)));
    Err(match text.strip_suffix(':') {
        Some(name) => complaint.hint(format!("write `{}` without the colon", shortened(name))),
        None => complaint.hint("a name has letters, digits and `-`"),
    })
}

/// The value of a field: visible ASCII, spaces and tabs inside (RFC 9110 §5.5).
pub(crate) fn field_value(text: &str) -> Result<Box<str>, Complaint> {
    let text = text.trim_matches([' ', '\t']);
    match text.chars().find(|&sign| !(sign == '\t' || (' '..='~').contains(&sign))) {
        None => Ok(text.into()),
        Some('\n' | '\r') => Err(Complaint::new("the value of a field has no line end")
            .hint("write it on one line, without `|` or `>` before it")),
        Some(sign) => Err(Complaint::new(format!("the value of a field has no `{}`", sign.escape_default()))),
    }
}

/// The value that a field or a query parameter must have: a text, or `true` or `"*"` for any.
pub(crate) struct Wanted {
    check: fn(&str) -> Result<Box<str>, Complaint>,
}

impl Kind for Wanted {
    type Value = Option<Box<str>>;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<Self::Value> {
        let scalar = decoder.scalar("a text, or `true` for any value", node)?;
        match scalar.text.as_str() {
            "true" if scalar.plain => Some(None),
            "*" => Some(None),
            "false" if scalar.plain => {
                decoder.push(
                    Problem::error(node.span, "a route cannot ask that something is absent")
                        .hint("write `true` for any value, or the text in quotes: `\"false\"`"),
                );
                None
            }
            text => decoder.accept(node.span, (self.check)(text)).map(Some),
        }
    }

    fn shape(&self) -> Shape {
        Shape::Either(vec![Shape::Text { label: "text", pattern: "" }, Shape::True])
    }
}

/// Names with wanted values.
type WantedList = Vec<(At<Box<str>>, Option<Box<str>>)>;

/// `headers`
pub(crate) struct FieldRules;

impl Kind for FieldRules {
    type Value = Vec<FieldRule>;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<Self::Value> {
        let mut list = FIELDS.decode(node, decoder)?;
        // RFC 9110 §5.1: names of fields are case-insensitive.
        list.iter_mut().for_each(|(name, _)| name.value.make_ascii_lowercase());
        refuse_repeats(&list, decoder);
        for (name, _) in list.iter().filter(|(name, _)| &*name.value == "host") {
            decoder.push(
                Problem::error(name.span, "a route does not ask for the field `Host`")
                    .hint("write `host` at the service"),
            );
        }
        Some(list.into_iter().map(|(name, value)| FieldRule { name: name.value, value }).collect())
    }

    fn shape(&self) -> Shape {
        FIELDS.shape()
    }
}

const FIELDS: Named<Box<str>, Wanted> = Named {
    key: "name of a field",
    pattern: FIELD_NAME_PATTERN,
    name: field_name,
    of: Wanted { check: field_value },
};

/// `query`
pub(crate) const QUERY: Mapped<Named<Box<str>, Wanted>, Vec<QueryRule>> = Mapped(
    Named {
        key: "name of a parameter",
        pattern: "^[!-%'-<>-~]+$",
        name: query_text,
        of: Wanted { check: query_value },
    },
    |list: WantedList| list.into_iter().map(|(name, value)| QueryRule { name: name.value, value }).collect(),
);

/// The name of a query parameter, as it stands in the query.
fn query_text(text: &str) -> Result<Box<str>, Complaint> {
    if text.is_empty() || text.contains(['&', '=']) {
        return Err(Complaint::new(format!("`{}` is not the name of a query parameter", shortened(text)))
            .hint("a name is compared as it stands in the query, without `=` and `&`"));
    }
    query_value(text)
}

/// The value of a query parameter, as it stands in the query.
fn query_value(text: &str) -> Result<Box<str>, Complaint> {
    if text.contains(['&', '#']) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Complaint::new(format!("`{}` never stands in a query like this", shortened(text)))
            .hint("queries are compared as they are sent: a space is `%20` or `+`"));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::{field_name, field_value, method, path, query_text};
    use crate::complaint::Complaint;

    fn check<T: ToString>(parse: fn(&str) -> Result<T, Complaint>, text: &str, expected: Result<&str, &str>) {
        match (parse(text).map(|value| value.to_string()), expected) {
            (Ok(value), Ok(expected)) => assert_eq!(value, expected, "{text}"),
            (Err(complaint), Err(part)) => {
                assert!(complaint.to_string().contains(part), "{text}: {complaint}");
            }
            (got, expected) => panic!("{text}: got {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn paths() {
        check(path, "/", Ok("/"));
        check(path, "/orders/", Ok("/orders/"));
        check(path, "exact:/health", Ok("exact:/health"));
        check(path, r"regex:^/u/\d+$", Ok(r"regex:^/u/\d+$"));
        check(path, "orders", Err("begin it with `/`"));
        check(path, "prefix:/orders", Err("without a word"));
        check(path, "regexp:/x", Err("did you mean `regex:`"));
        check(path, "^/x", Err("write an expression as `regex:^/x`"));
        check(path, "regex:(", Err("is not a path: unclosed group"));
        check(path, "/a?b", Err("`query`"));
        check(path, "/%7Ex", Err("write `/~x`"));
        check(path, "/a:b", Ok("/a:b"));
    }

    #[test]
    fn methods() {
        check(method, "GET", Ok("GET"));
        check(method, "M-SEARCH", Ok("M-SEARCH"));
        check(method, "get", Err("upper case: `GET`"));
        check(method, "Get", Err("upper case: `GET`"));
        check(method, "TRACE", Err("405"));
        check(method, "CONNECT", Err("405"));
        check(method, "GET,POST", Err("`[GET, POST]`"));
        check(method, "", Err("is not a method"));
    }

    #[test]
    fn fields_and_queries() {
        check(field_name, "X-A", Ok("X-A"));
        check(field_name, "X-A:", Err("without the colon"));
        check(field_name, "X A", Err("not the name"));
        check(field_name, "", Err("not the name"));
        check(field_value, " a\tb ", Ok("a\tb"));
        check(field_value, "a\nb", Err("no line end"));
        check(field_value, "a\r\nX-Injected: b", Err("no line end"));
        check(field_value, "a\0", Err("no `\\u{0}`"));
        check(field_value, "é", Err("no `\\u{e9}`"));
        check(query_text, "a", Ok("a"));
        check(query_text, "a=b", Err("without `=`"));
        check(query_text, "a b", Err("never stands in a query"));
    }
}
