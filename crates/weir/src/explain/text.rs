//! An explanation for people.

use std::fmt::Write;

use weir_config::model::{Action, Model, Route, Upstream};
use weir_tls::target::ClientTls;

use super::answer::{self, Answer, Outcome, Tried};
use super::beside;
use crate::output::Paint;

/// Routes and servers that are listed; of the others only the number. JSON has them all.
const LISTED_MAX: usize = 40;

/// The explanation; ends with a line end.
pub(crate) fn render(model: &Model, answer: &Answer<'_>, color: bool) -> String {
    let mut text = Text { out: String::new(), color };
    text.request(answer);
    match (&answer.no_route, answer.route) {
        (Some(no_route), _) => {
            text.service(answer);
            let status = Paint::Bad.on(color, no_route.status);
            text.row("answer", &format!("{status}, {}", no_route.reason));
        }
        (None, Some(route)) => {
            text.service(answer);
            text.row("route", &Paint::Good.on(color, &route.name));
            if let Some(authenticate) = &route.authenticate {
                text.row("wants", &authenticate.to_string());
            }
            text.action(model, route, &answer.request.method);
        }
        // The table gives one or the other.
        (None, None) => {}
    }
    text.tried(answer);
    text.others(model, answer);
    text.out
}

/// What is told of a request that gets no further than its reading.
pub(crate) fn refused(method: &str, url: &str, status: u16, reason: &str, color: bool) -> String {
    let mut text = Text { out: String::new(), color };
    text.line(&Paint::Strong.on(color, format_args!("{method} {url}")));
    text.line("");
    text.row("answer", &format!("{}, {reason}", Paint::Bad.on(color, status)));
    text.row("route", "none: the request is refused before one is looked for");
    text.out
}

struct Text {
    out: String,
    color: bool,
}

impl Text {
    fn line(&mut self, text: &str) {
        // Writing into a text can't fail.
        let _ = writeln!(self.out, "{}", text.trim_end());
    }

    /// A name in a column of its own, and what there is to say.
    fn row(&mut self, name: &str, text: &str) {
        let name = Paint::Faint.on(self.color, format_args!("{name:<9}"));
        self.line(&format!("  {name} {text}"));
    }

    fn request(&mut self, answer: &Answer<'_>) {
        let request = answer.request;
        let host = request
            .host
            .as_deref()
            .map_or(String::new(), |host| format!("{}://{host}", request.scheme.name()));
        let query = request.query.as_deref().map_or(String::new(), |query| format!("?{query}"));
        let line = format!("{} {host}{}{query}", request.method, request.path);
        self.line(&Paint::Strong.on(self.color, line));
        for note in &request.notes {
            let label = Paint::Hint.on(self.color, "note");
            self.line(&format!("  {label}: {note}"));
        }
        self.line("");
    }

    fn service(&mut self, answer: &Answer<'_>) {
        if let Some((service, pattern)) = answer.service {
            let pattern = pattern.to_string();
            let by =
                if pattern == service.name { String::new() } else { format!(", by its host `{pattern}`") };
            self.row("service", &format!("{}{by}", service.name));
        }
    }

    fn action(&mut self, model: &Model, route: &Route, method: &str) {
        match &route.action {
            Action::Forward(forward) => {
                if let Some((_, upstream)) = answer::upstream(model, route) {
                    self.row("mode", forward.dispatch.of(method.as_bytes()).mode().name());
                    self.row("upstream", &format!("{}, {}", upstream.name, upstream.balance.name()));
                    self.servers(upstream);
                    if let Some(tls) = &upstream.tls {
                        self.tls(tls);
                    }
                }
                if let Some(edit) = answer::path_edit(&forward.path) {
                    self.row("path", &edit);
                }
                for mirror in &forward.mirrors {
                    self.row("mirror", &beside::mirror_text(model, mirror));
                }
                if let Some(compare) = &forward.compare {
                    self.row("compare", &beside::compare_text(model, compare, method));
                }
            }
            Action::Redirect(redirect) => {
                self.row("answer", &format!("{}, a redirect to `{}`", redirect.status, redirect.location));
            }
            Action::Respond(respond) => {
                self.row(
                    "answer",
                    &format!("{}, a fixed text of {} bytes", respond.status, respond.body.len()),
                );
            }
        }
    }

    fn servers(&mut self, upstream: &Upstream) {
        let width = upstream.servers.iter().map(|server| server.address.written.len()).max().unwrap_or(0);
        let weighted = upstream.servers.iter().any(|server| server.weight != 1);
        for (index, server) in upstream.servers.iter().take(LISTED_MAX).enumerate() {
            let name = match (index, upstream.servers.len()) {
                (0, 1) => "server",
                (0, _) => "servers",
                _ => "",
            };
            let weight = if weighted { format!("  weight {}", server.weight) } else { String::new() };
            self.row(name, &format!("{:<width$}{weight}", server.address.written));
        }
        if upstream.servers.len() > LISTED_MAX {
            self.row("", &format!("and {} more", upstream.servers.len() - LISTED_MAX));
        }
    }

    fn tls(&mut self, tls: &ClientTls) {
        let believed = match tls.origin() {
            Some(origin) => format!("servers are verified by {origin}"),
            None => Paint::Bad.on(self.color, "whoever answers is believed (`verify: none`)"),
        };
        self.row("tls", &believed);
    }

    fn tried(&mut self, answer: &Answer<'_>) {
        if answer.tried.is_empty() {
            return;
        }
        self.line("");
        self.line("Routes, in the order in which they are tried:");
        let width = answer.tried.iter().map(|tried| tried.route.name.chars().count()).max().unwrap_or(0);
        for tried in answer.tried.iter().take(LISTED_MAX) {
            self.one_tried(tried, width.min(40));
        }
        if answer.tried.len() > LISTED_MAX {
            self.line(&format!("  and {} more, see `--json`", answer.tried.len() - LISTED_MAX));
        }
    }

    fn one_tried(&mut self, tried: &Tried<'_>, width: usize) {
        let name = format!("{:<width$}", tried.route.name);
        let line = match tried.outcome {
            Outcome::Takes => Paint::Good.on(self.color, format_args!("> {name}  {}", tried.why)),
            Outcome::Outranked => format!("  {name}  {}", tried.why),
            Outcome::Misses => format!("  {name}  {}", Paint::Faint.on(self.color, &tried.why)),
        };
        self.line(&format!("  {line}"));
    }

    fn others(&mut self, model: &Model, answer: &Answer<'_>) {
        if answer.outranked.is_empty() && answer.other_services == 0 {
            return;
        }
        self.line("");
        self.line("Other services:");
        let width =
            answer.outranked.iter().map(|(service, _)| service.name.chars().count()).max().unwrap_or(0);
        for (service, pattern) in answer.outranked.iter().take(LISTED_MAX) {
            let (name, pattern) = (&service.name, pattern.to_string());
            let by = if pattern == *name { String::new() } else { format!(", by `{pattern}`") };
            self.line(&format!("    {name:<width$}  fits the host too{by}, but less closely"));
        }
        if answer.other_services > 0 {
            let count = answer.other_services;
            let hosts = if answer.service.is_none() { other_hosts(model) } else { String::new() };
            let have = if count == 1 { "service has" } else { "services have" };
            self.line(&format!("    {count} {have} other hosts{hosts}"));
        }
    }
}

/// Some hosts that there are, for whoever mistyped one.
fn other_hosts(model: &Model) -> String {
    const SHOWN: usize = 8;
    let hosts = || model.services.iter().flat_map(|service| &service.hosts);
    let shown: Vec<String> = hosts().take(SHOWN).map(|host| format!("`{host}`")).collect();
    let more = if hosts().count() > SHOWN { ", …" } else { "" };
    format!(": {}{more}", shown.join(", "))
}
