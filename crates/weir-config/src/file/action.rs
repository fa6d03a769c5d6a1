//! `redirect`, `respond` and `rewrite`.

use regex::bytes::{Regex, RegexBuilder};

use crate::complaint::Complaint;
use crate::model::{Redirect, Respond};
use crate::node::shortened;
use crate::problem::Problem;
use crate::source::{At, Span};
use crate::suggest::{alternatives, nearest};

use super::decoder::Decoder;
use super::describe::Presence::{Default as Unless, Optional, Required};
use super::edit::VALUE;
use super::kind::{Either, Mapped, Placed, Refined};
use super::rule::{PLAIN_PATH, last_line};
use super::scalar::{Integer, Parsed, Text};
use super::table::{Field, Kept, Mapping, Table};

/// A found thing that moved for now; the one redirect that no cache keeps without being told to (RFC 9110 §15.4.3).
const REDIRECT_STATUS: u16 = 302;

/// Variables of a redirect's location.
const VARIABLES: [&str; 4] = ["scheme", "host", "path", "query"];

const LOCATION: Parsed<Box<str>> = Parsed { label: "location", pattern: ".", parse: location };

fn location(text: &str) -> Result<Box<str>, Complaint> {
    let not = |why: &str| Complaint::new(format!("`{}` is not a location: {why}", shortened(text)));
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(
            not("it has spaces, line ends or letters outside ASCII").hint("escape them: a space is `%20`")
        );
    }
    if !(text.starts_with(['/', '$']) || text.contains("://")) {
        return Err(not("it is neither a path nor a URL")
            .hint("write `/path`, `https://host/path` or `https://$host$path$query`"));
    }
    for after in text.split('$').skip(1) {
        let end = after.find(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_');
        let name = &after[..end.unwrap_or(after.len())];
        // `$hostname` is read as a whole word, so that a new variable never changes what a file means.
        if !name.is_empty() && !VARIABLES.contains(&name) {
            let known = VARIABLES.map(|variable| format!("${variable}"));
            return Err(not(&format!("there is no variable `${name}`")).hint(
                match nearest(name, VARIABLES) {
                    Some(meant) => format!("did you mean `${meant}`?"),
                    None => format!("the variables are {}", alternatives(known.iter().map(String::as_str))),
                },
            ));
        }
    }
    Ok(text.into())
}

#[derive(Debug, Default)]
pub(crate) struct RedirectFile {
    status: Option<At<u64>>,
    to: Option<Box<str>>,
}

/// `redirect` as a mapping
pub(crate) static REDIRECT: Table<RedirectFile> = Table {
    name: "redirect",
    doc: "An answer that sends the client elsewhere. `redirect: LOCATION` alone is short for `{to: LOCATION}`.",
    fields: &[
        Field {
            name: "status",
            presence: Unless("302"),
            value: &Kept(
                Placed(Integer { label: "the status of a redirect", min: 301, max: 308 }),
                |redirect: &mut RedirectFile, status| redirect.status = Some(status),
            ),
            doc: "301, 302, 303, 307 or 308.",
        },
        Field {
            name: "to",
            presence: Required,
            value: &Kept(LOCATION, |redirect: &mut RedirectFile, to| redirect.to = Some(to)),
            doc: "The `Location`. `$scheme`, `$host`, `$path` (normalised) and `$query` (with its `?`, or nothing) are \
                  replaced.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

type RedirectKind = Either<Mapped<Parsed<Box<str>>, Redirect>, Refined<Mapping<RedirectFile>, Redirect>>;

/// `redirect`
pub(crate) const REDIRECT_KIND: RedirectKind = Either(
    Mapped(LOCATION, |location| Redirect { status: REDIRECT_STATUS, location }),
    Refined(Mapping(&REDIRECT), redirect),
);

fn redirect(file: RedirectFile, _: Span, decoder: &mut Decoder<'_>) -> Option<Redirect> {
    let status = match file.status {
        None => REDIRECT_STATUS,
        Some(At { value: status @ (301 | 302 | 303 | 307 | 308), .. }) => u16::try_from(status).ok()?,
        Some(At { value, span }) => {
            decoder.push(
                Problem::error(span, format!("{value} is no redirect that a client follows"))
                    .hint("write 301, 302, 303, 307 or 308"),
            );
            return None;
        }
    };
    file.to.map(|location| Redirect { status, location })
}

#[derive(Debug, Default)]
pub(crate) struct RespondFile {
    status: Option<u64>,
    body: Option<At<String>>,
    content_type: Option<Box<str>>,
}

/// `respond`
pub(crate) static RESPOND: Table<RespondFile> = Table {
    name: "respond",
    doc: "A fixed answer.",
    fields: &[
        Field {
            name: "status",
            presence: Unless("200"),
            value: &Kept(
                Integer { label: "the status of an answer", min: 200, max: 599 },
                |respond: &mut RespondFile, status| respond.status = Some(status),
            ),
            doc: "200 to 599.",
        },
        Field {
            name: "body",
            presence: Optional,
            value: &Kept(Placed(Text), |respond: &mut RespondFile, body| respond.body = Some(body)),
            doc: "The body; empty when not written.",
        },
        Field {
            name: "content_type",
            presence: Unless("text/plain; charset=utf-8"),
            value: &Kept(VALUE, |respond: &mut RespondFile, content_type| {
                respond.content_type = Some(content_type);
            }),
            doc: "The `Content-Type` of the body.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

/// `respond`
pub(crate) const RESPOND_KIND: Refined<Mapping<RespondFile>, Respond> = Refined(Mapping(&RESPOND), respond);

fn respond(file: RespondFile, _: Span, decoder: &mut Decoder<'_>) -> Option<Respond> {
    let status = u16::try_from(file.status.unwrap_or(200)).ok()?;
    // RFC 9110 §15.3.5, §15.3.6, §15.4.5: these have no content.
    if let Some(body) = file.body.as_ref().filter(|body| !body.value.is_empty())
        && matches!(status, 204 | 205 | 304)
    {
        decoder.push(
            Problem::error(body.span, format!("an answer with status {status} has no body"))
                .hint("take `body` away, or write another status"),
        );
        return None;
    }
    let content_type = file.content_type.unwrap_or_else(|| "text/plain; charset=utf-8".into());
    let body = file.body.map(|body| body.value).unwrap_or_default().into();
    Some(Respond { status, body, content_type })
}

/// What `rewrite` says.
#[derive(Debug, Clone)]
pub(crate) enum Rewrite {
    /// The prefix that matched is replaced by this path without its slash at the end.
    Prefix(Box<str>),
    /// Where the expression matches, this is put.
    Regex(Regex, Box<str>),
}

#[derive(Debug, Default)]
pub(crate) struct RewriteFile {
    prefix: Option<Box<str>>,
    regex: Option<Regex>,
    to: Option<At<String>>,
}

/// How large a compiled expression may be; as for paths of routes.
const REGEX_BYTES_MAX: usize = 1 << 20;

const EXPRESSION: Parsed<Regex> = Parsed { label: "expression", pattern: "", parse: expression };

/// Works on bytes as the paths of routes do.
fn expression(text: &str) -> Result<Regex, Complaint> {
    RegexBuilder::new(text).unicode(false).size_limit(REGEX_BYTES_MAX).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => {
            Complaint::new(format!("this regular expression needs more than {limit} bytes"))
        }
        other => {
            let reason = last_line(&other.to_string());
            Complaint::new(format!("`{}` is no regular expression: {reason}", shortened(text)))
        }
    })
}

/// `rewrite`
pub(crate) static REWRITE: Table<RewriteFile> = Table {
    name: "rewrite",
    doc: "A change of the path before it is sent: `{prefix: /v2}` or `{regex: '^/user/(\\d+)$', to: /u/$1}`. The result \
          is normalised again.",
    fields: &[
        Field {
            name: "prefix",
            presence: Optional,
            value: &Kept(PLAIN_PATH, |rewrite: &mut RewriteFile, prefix| rewrite.prefix = Some(prefix)),
            doc: "What stands in the place of the prefix that the route's `path` matched.",
        },
        Field {
            name: "regex",
            presence: Optional,
            value: &Kept(EXPRESSION, |rewrite: &mut RewriteFile, regex| rewrite.regex = Some(regex)),
            doc: "An expression; what it matches is replaced by `to`.",
        },
        Field {
            name: "to",
            presence: Optional,
            value: &Kept(Placed(Text), |rewrite: &mut RewriteFile, to| rewrite.to = Some(to)),
            doc: "The replacement, with `$1` and `$name` for the groups of `regex`. Where a letter or digit follows, write \
                  `$${1}`.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

/// `rewrite`
pub(crate) const REWRITE_KIND: Refined<Mapping<RewriteFile>, Rewrite> = Refined(Mapping(&REWRITE), rewrite);

fn rewrite(file: RewriteFile, span: Span, decoder: &mut Decoder<'_>) -> Option<Rewrite> {
    match (file.prefix, file.regex, file.to) {
        (Some(prefix), None, None) => Some(Rewrite::Prefix(prefix)),
        (None, Some(regex), Some(to)) => {
            let outcome = check_groups(&regex, &to.value);
            decoder.accept(to.span, outcome).map(|()| Rewrite::Regex(regex, to.value.into()))
        }
        _ => {
            decoder.push(
                Problem::error(span, "a rewrite is either `prefix`, or `regex` with `to`")
                    .hint("write `{prefix: /v2}` or `{regex: '^/user/(\\d+)$', to: /u/$1}`"),
            );
            None
        }
    }
}

/// Whether every `$…` of a replacement is a group of the expression. The library puts nothing for an unknown one, and
/// takes `$1a` for the group `1a`: both would silently lose a part of the path.
fn check_groups(regex: &Regex, to: &str) -> Result<(), Complaint> {
    if let Some(sign) = to.chars().find(|sign| !sign.is_ascii_graphic() || *sign == '\\') {
        return Err(Complaint::new(format!("a path has no `{}`", sign.escape_default()))
            .hint("escape it: a space is `%20`; a group is `$1`"));
    }
    let known = |name: &str| match name.parse::<usize>() {
        Ok(number) => number < regex.captures_len(),
        Err(_) => regex.capture_names().flatten().any(|known| known == name),
    };
    let mut rest = to;
    while let Some(dollar) = rest.find('$') {
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            rest = after;
            continue;
        }
        let name = match rest.strip_prefix('{').and_then(|after| after.split_once('}')) {
            Some((name, _)) => name,
            None => {
                let end = rest.find(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_');
                &rest[..end.unwrap_or(rest.len())]
            }
        };
        if !name.is_empty() && !known(name) {
            let complaint = Complaint::new(format!("`regex` has no group `{}`", shortened(name)));
            let digits = name.len() - name.trim_start_matches(|sign: char| sign.is_ascii_digit()).len();
            return Err(match name.split_at(digits) {
                (number, tail) if !number.is_empty() && !tail.is_empty() && known(number) => complaint
                    .hint(format!("for group {number} followed by `{tail}` write `$${{{number}}}{tail}`")),
                _ => complaint.hint(format!("its groups are `$0` to `${}`", regex.captures_len() - 1)),
            });
        }
    }
    Ok(())
}
