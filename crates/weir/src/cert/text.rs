//! Certificates for people.

use std::fmt::Write;
use std::sync::Arc;
use std::time::SystemTime;

use weir_tls::chain;
use weir_tls::client::ClientMode;
use weir_tls::date;
use weir_tls::server::{Choice, MinVersion, ServerTls};
use weir_tls::source::Certificates;

use super::host::Host;
use super::served::{Served, ServedTls, audience};
use crate::output::Paint;

/// Columns that a list of names takes before it goes on in the next line.
const LIST_COLUMNS: usize = 80;

/// What all listeners serve; ends with a line end.
pub(crate) fn overview(listeners: &[Served<'_>], now: SystemTime, color: bool) -> String {
    let mut text = Text { out: String::new(), color, now };
    for listener in listeners {
        if text.listener(listener) {
            text.certificates(listener.tls.as_ref());
        }
    }
    text.out
}

/// Which certificate a host gets from each listener; ends with a line end.
pub(crate) fn for_host(listeners: &[Served<'_>], host: &Host, now: SystemTime, color: bool) -> String {
    let mut text = Text { out: String::new(), color, now };
    for listener in listeners {
        if text.listener(listener) {
            match listener.tls.as_ref().and_then(|tls| tls.tls.as_ref()) {
                Some(tls) => text.chosen(tls, host),
                None => text.certificates(listener.tls.as_ref()),
            }
        }
    }
    text.out
}

struct Text {
    out: String,
    color: bool,
    now: SystemTime,
}

impl Text {
    fn line(&mut self, text: &str) {
        // Writing into a text can't fail.
        let _ = writeln!(self.out, "{}", text.trim_end());
    }

    /// A name in a column of its own, and what there is to say.
    fn row(&mut self, name: &str, text: &str) {
        let name = Paint::Faint.on(self.color, format_args!("{name:<8}"));
        self.line(&format!("    {name}{text}"));
    }

    /// The same with a list that may be long.
    fn list<'t>(&mut self, name: &str, items: impl IntoIterator<Item = &'t str>) {
        let mut name = name;
        let mut line = String::new();
        for item in items {
            if !line.is_empty() && line.len() + item.len() > LIST_COLUMNS {
                self.row(name, &format!("{line},"));
                (name, line) = ("", String::new());
            }
            line += if line.is_empty() { "" } else { ", " };
            line += item;
        }
        self.row(name, &line);
    }

    /// The line of a listener; whether it speaks TLS.
    fn listener(&mut self, listener: &Served<'_>) -> bool {
        if !self.out.is_empty() {
            self.line("");
        }
        let address = Paint::Strong.on(self.color, &listener.address);
        let Some(tls) = &listener.tls else {
            self.line(&format!("{address}  plain HTTP"));
            return false;
        };
        let versions = match tls.written.source.min_version {
            MinVersion::Tls12 => "TLS 1.2 and 1.3",
            MinVersion::Tls13 => "TLS 1.3",
        };
        let clients = match tls.written.source.clients.as_ref().map(|clients| clients.mode) {
            None => "",
            Some(ClientMode::Require) => ", clients must show a certificate",
            Some(ClientMode::Request) => ", clients may show a certificate",
        };
        self.line(&format!("{address}  {versions}{clients}"));
        true
    }

    fn certificates(&mut self, tls: Option<&ServedTls<'_>>) {
        let Some(served) = tls else { return };
        let Some(tls) = &served.tls else {
            return self.unmade(&served.written.source.certificates);
        };
        for choice in tls.choices() {
            self.certificate(choice);
            self.audience(tls, choice);
        }
    }

    /// A self-signed certificate that is not there yet.
    fn unmade(&mut self, certificates: &Certificates) {
        if let Certificates::SelfSigned(own) = certificates {
            self.line("");
            self.line(&format!("  {}", own.certificate_file().display()));
            self.row("", "a self-signed certificate, which is made at the next start");
            self.list("names", own.names.iter().map(String::as_str));
        }
    }

    fn certificate(&mut self, choice: &Choice) {
        let facts = &choice.certificate;
        self.line("");
        self.line(&format!("  {}", choice.file.display()));
        self.list("names", facts.names.shown().iter().map(String::as_str));
        let issuer = if facts.issuer == facts.subject { "itself" } else { &facts.issuer };
        self.row("issuer", issuer);
        self.row("from", &date::moment(facts.not_before));
        let left = match facts.not_after.duration_since(self.now) {
            Ok(left) => format!("{} left", date::span(left)),
            Err(_) => "expired".to_owned(),
        };
        let is_fine = chain::validity(facts, 1, self.now).is_none();
        let left = if is_fine { Paint::Good } else { Paint::Bad }.on(self.color, left);
        self.row("until", &format!("{}, {left}", date::moment(facts.not_after)));
        self.row("key", &facts.key.to_string());
        self.row("sha256", &facts.fingerprint.to_string());
    }

    fn audience(&mut self, tls: &ServerTls, choice: &Arc<Choice>) {
        let audience = audience(tls, choice);
        let mut list = audience.first_for;
        if audience.is_default {
            list.push("every name that has no certificate");
        }
        if !list.is_empty() {
            self.list("for", list);
        }
        for (name, first) in audience.behind {
            let file = first.file.display();
            self.row("", &format!("{name}, for clients that don't know the kind of key of `{file}`"));
        }
    }

    /// Which certificate a host gets.
    fn chosen(&mut self, tls: &ServerTls, host: &Host) {
        let choice = tls.choose_name(host.asked());
        self.certificate(choice);
        self.line("");
        let shown = Paint::Strong.on(self.color, host);
        self.line(&match host.asked() {
            Some(_) => format!("  {shown} gets this one"),
            None => format!("  {shown} is an address, for which no name is asked: it gets the default"),
        });
        if !choice.covers(host.as_str().as_bytes()) {
            let refused = Paint::Bad.on(self.color, "clients refuse it");
            self.line(&format!("  {refused}: {host} is none of its names"));
        }
        for other in host.asked().into_iter().flat_map(|name| tls.named(name)).skip(1) {
            let (file, key) = (other.file.display(), other.certificate.key);
            self.line(&format!("  clients that don't know this kind of key get `{file}` ({key})"));
        }
    }
}
