//! What there is to tell, for people and for programs alike.

use std::sync::Arc;
use std::time::SystemTime;

use weir_config::model::{Listen, ListenAddress, ListenTls, Model};
use weir_tls::server::{Choice, ServerTls};

/// One listener.
pub(crate) struct Served<'m> {
    /// Its address as the configuration has it.
    pub(crate) address: String,
    /// What it serves with TLS; `None` is plain HTTP.
    pub(crate) tls: Option<ServedTls<'m>>,
}

/// TLS of a listener.
pub(crate) struct ServedTls<'m> {
    /// What was written.
    pub(crate) written: &'m ListenTls,
    /// What would be served; `None` when it is made at the start.
    pub(crate) tls: Option<ServerTls>,
}

/// To whom a certificate goes.
pub(crate) struct Audience<'t> {
    /// To whoever asks for a name that none has, or for nothing.
    pub(crate) is_default: bool,
    /// Names for which it comes first.
    pub(crate) first_for: Vec<&'t str>,
    /// Names for which another one comes first, and that one.
    pub(crate) behind: Vec<(&'t str, &'t Arc<Choice>)>,
}

/// Reads what all listeners of a model would serve. The files were fine a moment ago, when the model was read.
pub(crate) fn all(model: &Model, now: SystemTime) -> Vec<Served<'_>> {
    let served = |listen| served(listen, now);
    model.listen.iter().map(served).collect()
}

fn served(listen: &Listen, now: SystemTime) -> Served<'_> {
    let address = match &listen.address {
        ListenAddress::Tcp(address) => address.to_string(),
        ListenAddress::Unix(path) => format!("unix:{}", path.display()),
    };
    let tls = listen.tls.as_ref().map(|written| ServedTls { written, tls: written.source.look(now).0 });
    Served { address, tls }
}

/// To whom this certificate goes.
pub(crate) fn audience<'t>(tls: &'t ServerTls, choice: &'t Arc<Choice>) -> Audience<'t> {
    let mut audience = Audience {
        is_default: Arc::ptr_eq(tls.choose_name(None), choice),
        first_for: Vec::new(),
        behind: Vec::new(),
    };
    for name in choice.certificate.names.shown() {
        // What nobody can ask for has no certificate at all: addresses (RFC 6066 §3), and names that match nothing.
        match tls.named(name).next() {
            Some(first) if Arc::ptr_eq(first, choice) => audience.first_for.push(name),
            Some(first) => audience.behind.push((name, first)),
            None => {}
        }
    }
    audience
}
