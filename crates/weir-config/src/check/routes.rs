//! Routes of one service: names, and no two that ask the same.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use weir_core::route::{PathPattern, RouteRule};

use crate::file::route::RouteFile;
use crate::model::{Action, Authenticate, Route};
use crate::node::shortened;
use crate::problem::{Problem, Problems};
use crate::source::{At, Span};
use crate::suggest::alternatives;

use super::actions::action;
use super::admit::admit;
use super::authenticate::authenticate;
use super::authenticate::sources::Sources;
use super::upstreams::Upstreams;

/// What routes have that do not say.
pub(super) struct Defaults<'s> {
    /// The configuration's directory.
    pub(super) base_dir: &'s Path,
    /// `backend_server`
    pub(super) backend_server: bool,
    /// `server_timing`
    pub(super) server_timing: bool,
    /// `authenticate` of the service
    pub(super) authenticate: Option<Arc<Authenticate>>,
}

/// The routes of a service so far.
pub(super) struct Routes<'s> {
    service: &'s str,
    defaults: Defaults<'s>,
    names: HashMap<String, Span>,
    rules: HashMap<String, Span>,
    /// By everything that is asked but the method: the methods that are taken, and where that was written.
    taken: HashMap<String, Vec<(Box<str>, Span)>>,
    list: Vec<Route>,
}

impl<'s> Routes<'s> {
    /// Begins with none.
    pub(super) fn new(service: &'s str, defaults: Defaults<'s>) -> Self {
        Self {
            service,
            defaults,
            names: HashMap::new(),
            rules: HashMap::new(),
            taken: HashMap::new(),
            list: Vec::new(),
        }
    }

    /// Takes a route.
    pub(super) fn add(&mut self, route: At<RouteFile>, upstreams: &mut Upstreams, problems: &mut Problems) {
        let At { value: mut file, span } = route;
        let path_span = file.path.as_ref().map_or(span, |path| path.span);
        let path = file.path.take();
        let rule = RouteRule {
            path: path.map_or_else(|| PathPattern::Prefix("/".into()), |path| path.value),
            methods: std::mem::take(&mut file.methods),
            fields: std::mem::take(&mut file.fields),
            query: std::mem::take(&mut file.query),
        };
        // A route whose own parts were wrong asks something else than it seems to.
        if !problems.has_error_in(span) {
            let methods_span = file.key("methods").unwrap_or(path_span);
            self.compare(&rule, path_span, methods_span, problems);
            warn_of_wildcard(&rule.path, path_span, problems);
        }
        let name = self.name(&file, &rule, problems);
        let answer_fields = std::mem::take(&mut file.answer_fields);
        let backend_server = file.backend_server.unwrap_or(self.defaults.backend_server);
        let server_timing = file.server_timing.unwrap_or(self.defaults.server_timing);
        let sources = Sources { base_dir: self.defaults.base_dir, trust: upstreams.trust() };
        let own = file.authenticate.as_ref();
        let authenticate = authenticate(own, self.defaults.authenticate.as_ref(), &sources, problems);
        let https_only = file.https_only.take().and_then(|https| https.value);
        let admit = admit(file.admit.take(), authenticate.is_some(), problems);
        // Names of upstreams have no spaces, so one in place never meets a declared one.
        let inline_name = format!("{} {name}", self.service);
        let dispatch = file.dispatch.clone();
        let made = action(
            file,
            span,
            &rule.path,
            |reference, part, problems| {
                let name = [&inline_name, part].concat();
                let upstream = upstreams.resolve(reference, name, problems)?;
                Some((upstream, upstreams.group(upstream)))
            },
            problems,
        );
        if let (Some(Action::Forward(forward)), Some(dispatch)) = (&made, dispatch) {
            upstreams.queue(forward.upstream, &dispatch, problems);
        }
        if let Some(action) = made {
            self.list.push(Route {
                name,
                rule,
                action,
                answer_fields,
                https_only,
                admit,
                authenticate,
                backend_server,
                server_timing,
            });
        }
    }

    /// Looks for routes above this one that leave it nothing, or not everything that it asks for.
    fn compare(&mut self, rule: &RouteRule, path: Span, methods: Span, problems: &mut Problems) {
        let (others, asked) = identity(rule);
        if let Some(first) = self.rules.insert(format!("{others} {asked:?}"), path) {
            problems.push(
                Problem::error(path, "another route of this service asks exactly the same")
                    .beside(first, "the first one")
                    .hint(
                        "one of the two can never be taken; take one away or let them ask different things",
                    ),
            );
            return;
        }
        let taken = self.taken.entry(others).or_default();
        let place =
            |method: &str| taken.iter().find(|(known, _)| **known == *method).map(|(_, place)| *place);
        let lost: Vec<&str> = asked.iter().copied().filter(|method| place(method).is_some()).collect();
        if let Some(first) = lost.first().and_then(|method| place(method)) {
            let hint = match lost.as_slice() {
                ["HEAD"] => "a route for GET takes HEAD too; write the route for HEAD before it",
                _ => "of two routes that ask for equally much the first one is taken",
            };
            problems.push(
                Problem::warning(methods, format!("{} never comes here", alternatives(lost)))
                    .beside(first, "this route takes it")
                    .hint(hint),
            );
        }
        // HEAD goes where GET goes, if no route above has taken it.
        let head = asked.contains(&"GET").then_some("HEAD");
        taken.extend(asked.into_iter().chain(head).map(|method| (method.into(), methods)));
    }

    fn name(&mut self, file: &RouteFile, rule: &RouteRule, problems: &mut Problems) -> String {
        let Some(name) = &file.name else { return made_name(rule) };
        if name.value.trim().is_empty() || name.value.contains(char::is_control) {
            problems.push(Problem::error(name.span, "a name has visible characters"));
        }
        if let Some(first) = self.names.insert(name.value.clone(), name.span) {
            let message = format!("two routes of this service are named `{}`", shortened(&name.value));
            problems.push(Problem::error(name.span, message).beside(first, "the first one"));
        }
        name.value.clone()
    }

    /// The routes in the order of the file.
    pub(super) fn into_list(self) -> Vec<Route> {
        self.list
    }
}

/// `GET,POST /orders/ x-version=2 ?debug`
fn made_name(rule: &RouteRule) -> String {
    let mut parts = Vec::new();
    if !rule.methods.is_empty() {
        parts.push(rule.methods.join(","));
    }
    parts.push(rule.path.to_string());
    let with_value = |name: &str, value: Option<&str>| match value {
        Some(value) => format!("{name}={value}"),
        None => name.to_owned(),
    };
    parts.extend(rule.fields.iter().map(|field| with_value(&field.name, field.value.as_deref())));
    parts.extend(
        rule.query.iter().map(|query| format!("?{}", with_value(&query.name, query.value.as_deref()))),
    );
    parts.join(" ")
}

/// Other programs write `/api/*` for what is a prefix here.
fn warn_of_wildcard(path: &PathPattern, span: Span, problems: &mut Problems) {
    let (PathPattern::Prefix(text) | PathPattern::Exact(text)) = path else { return };
    let is_wildcard = |segment: &str| matches!(segment, "*" | "**");
    if !text.split('/').any(is_wildcard) {
        return;
    }
    let before = text.trim_end_matches('/').trim_end_matches('*');
    let hint = if before.ends_with('/') && !before.split('/').any(is_wildcard) {
        format!("`{}` takes everything below it", shortened(before))
    } else {
        "for any segment write an expression: `regex:/user/[^/]+/orders`".to_owned()
    };
    problems.push(Problem::warning(span, "a `*` in a path stands for itself").hint(hint));
}

/// Everything that is asked but the methods, and the methods. Equal for rules that take the same requests by the same words,
/// in whatever order they were written.
fn identity(rule: &RouteRule) -> (String, Vec<&str>) {
    let path = match &rule.path {
        PathPattern::Prefix(prefix) => prefix.trim_end_matches('/').to_owned(),
        other => other.to_string(),
    };
    let mut methods: Vec<&str> = rule.methods.iter().map(|method| &**method).collect();
    methods.sort_unstable();
    methods.dedup();
    let mut fields: Vec<_> = rule.fields.iter().map(|field| (&field.name, &field.value)).collect();
    fields.sort_unstable();
    let mut query: Vec<_> = rule.query.iter().map(|query| (&query.name, &query.value)).collect();
    query.sort_unstable();
    (format!("{path:?} {fields:?} {query:?}"), methods)
}
