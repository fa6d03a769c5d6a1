//! What a handshake found out about a client, and what the requests of its connection are held against.

use std::sync::Arc;

use weir_tls::server::Choice;

/// What is known of a connection that speaks TLS.
#[derive(Debug)]
pub(crate) struct Secured {
    /// The certificate it was served with.
    pub certificate: Arc<Choice>,
    /// The name it asked for (RFC 6066 §3), in lower case.
    pub server_name: Option<Box<str>>,
    /// Who the client is, by the certificate that it showed and that was verified.
    pub subject: Option<Subject>,
}

/// Who a client is, and in which field servers are told.
#[derive(Debug)]
pub(crate) struct Subject {
    /// The field.
    pub field: Box<str>,
    /// Its value.
    pub text: Box<str>,
}

impl Secured {
    /// Whether requests for this host may come over this connection.
    ///
    /// A client that asked for one name and now wants another may have been led here by somebody on the way, or shares a
    /// connection because one certificate speaks for both; only the latter is served (RFC 9110 §15.5.20,
    /// `semantics.md` §1.10). One that asked for no name was not promised any.
    pub(crate) fn speaks_for(&self, host: &[u8]) -> bool {
        match &self.server_name {
            None => true,
            Some(name) => name.as_bytes() == host || self.certificate.covers(host),
        }
    }
}
