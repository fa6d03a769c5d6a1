//! Why a TLS handshake with a server failed, in words for the person who has to do something about it.
//!
//! The one place where an error of rustls gets its words: the log, `weir check` and whoever asks servers without a client
//! tell the same reason and the same hint.

use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription as Alert, CertificateError, Error, InvalidMessage, PeerIncompatible};

use crate::authorities::Origin;
use crate::date::moment;
use crate::verify::{Distrust, distrust};

/// Names of a certificate that a message lists.
const NAMES_MAX: usize = 6;

/// Whose fault it is, as RFC 9209 §2.3 tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The server's certificate is not believed.
    Certificate,
    /// The server refused us with an alert.
    Alert,
    /// Anything else: no common version, or what came is no TLS.
    Protocol,
}

/// Why a handshake failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeError {
    /// Whose fault it is.
    pub fault: Fault,
    /// What happened: lower case, no final period.
    pub reason: String,
    /// What to do about it, where there is something.
    pub hint: Option<String>,
}

impl fmt::Display for HandshakeError {
    /// The reason alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for HandshakeError {}

impl HandshakeError {
    fn new(fault: Fault, reason: impl Into<String>) -> Self {
        Self { fault, reason: reason.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What is known of a handshake beside its error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances<'a> {
    /// Where the authorities come from; `None` when none are asked.
    pub(crate) authorities: Option<&'a Origin>,
    /// The server has asked for a certificate of ours.
    pub(crate) asked: bool,
    /// We have one.
    pub(crate) has_certificate: bool,
    /// The name that the server was asked for by.
    pub(crate) name: &'a str,
}

/// What this error of a connection means. Errors of rustls are found inside those of the system.
pub(crate) fn explain(error: &io::Error, around: Circumstances<'_>) -> HandshakeError {
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        return explain_tls(error, around);
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            HandshakeError::new(Fault::Protocol, "it ended the connection in the middle of the TLS handshake")
                .hint("if it does not speak TLS on this port, write `http://…`")
        }
        _ => HandshakeError::new(Fault::Protocol, format!("the TLS handshake broke off: {error}")),
    }
}

fn explain_tls(error: &Error, around: Circumstances<'_>) -> HandshakeError {
    match error {
        Error::InvalidCertificate(error) => certificate(error, around),
        Error::AlertReceived(alert) => alerted(*alert, around),
        Error::NoCertificatesPresented => HandshakeError::new(Fault::Certificate, "it shows no certificate"),
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge,
        ) => HandshakeError::new(Fault::Protocol, "it does not speak TLS on this port: its answer is no TLS")
            .hint("write `http://…`, or the port on which it speaks TLS"),
        Error::PeerIncompatible(why) => incompatible(why),
        Error::NoApplicationProtocol => no_http(),
        error => HandshakeError::new(Fault::Protocol, format!("the TLS handshake failed: {error}")),
    }
}

fn certificate(error: &CertificateError, around: Circumstances<'_>) -> HandshakeError {
    use CertificateError as E;
    if let Some(distrust) = distrust(error) {
        return distrusted(distrust, around);
    }
    let failed = |reason: String| HandshakeError::new(Fault::Certificate, reason);
    match error {
        E::ExpiredContext { not_after, .. } => {
            failed(format!("its certificate has expired on {}", date(*not_after)))
                .hint("renew it at the server")
        }
        E::NotValidYetContext { not_before, .. } => {
            failed(format!("its certificate is not valid before {}", date(*not_before)))
                .hint("is the clock of this machine right?")
        }
        E::NotValidForNameContext { presented, .. } => wrong_name(presented, around.name),
        E::Expired => failed("its certificate has expired".to_owned()),
        E::NotValidYet => failed("its certificate is not valid yet".to_owned()),
        E::NotValidForName => wrong_name(&[], around.name),
        E::Revoked => failed("its certificate was revoked".to_owned()),
        E::BadSignature => failed("its certificate is not signed by the authority that it names".to_owned())
            .hint("an authority that was made anew has the same name and another key"),
        E::BadEncoding => failed("its certificate can't be read".to_owned()),
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            failed("its certificate is not for servers, by its extended key usage".to_owned())
        }
        error => failed(format!("its certificate can't be used: {error}")),
    }
}

fn wrong_name(names: &[String], asked: &str) -> HandshakeError {
    if names.is_empty() {
        let reason = format!("its certificate is not for `{asked}`, nor for any name");
        return HandshakeError::new(Fault::Certificate, reason)
            .hint("names stand in its subjectAltName; the common name alone does not count");
    }
    let mut listed: Vec<String> = names.iter().take(NAMES_MAX).map(|name| format!("`{name}`")).collect();
    if names.len() > NAMES_MAX {
        listed.push(format!("{} more", names.len() - NAMES_MAX));
    }
    let last = listed.pop().unwrap_or_default();
    let listed = if listed.is_empty() { last } else { format!("{} and {last}", listed.join(", ")) };
    let reason = format!("its certificate is not for `{asked}` but for {listed}");
    let error = HandshakeError::new(Fault::Certificate, reason);
    match names.iter().find(|name| !name.contains('*')) {
        Some(name) => error.hint(format!("if it is the right server: `tls: {{server_name: {name}}}`")),
        None => error.hint("if it is the right server, write `server_name` under `tls` of the upstream"),
    }
}

fn distrusted(distrust: &Distrust, around: Circumstances<'_>) -> HandshakeError {
    const OWN: &str = "if it is an authority of your own, write `tls: {ca: FILE}`";
    let unknown = around.authorities.map_or(String::new(), |all| format!(", which is none of {all}"));
    match distrust {
        Distrust::SelfSigned => HandshakeError::new(Fault::Certificate, distrust.to_string())
            .hint("to believe this one, write it to a file and `tls: {ca: FILE}`"),
        Distrust::IssuerMissing { .. } => {
            HandshakeError::new(Fault::Certificate, format!("{distrust}{unknown}"))
                .hint(format!("let the server send its whole chain; {OWN}"))
        }
        Distrust::IssuerUnknown { .. } => {
            HandshakeError::new(Fault::Certificate, format!("{distrust}{unknown}")).hint(OWN)
        }
        Distrust::IssuerExpired { not_after, .. } => {
            let since = date(UnixTime::since_unix_epoch(Duration::from_secs(*not_after)));
            HandshakeError::new(Fault::Certificate, format!("{distrust} on {since}"))
                .hint("let the server send a newer one")
        }
        Distrust::Authority | Distrust::Version1 => {
            HandshakeError::new(Fault::Certificate, distrust.to_string())
                .hint("make a certificate for the server, with its name as subjectAltName")
        }
    }
}

fn alerted(alert: Alert, around: Circumstances<'_>) -> HandshakeError {
    let failed = |reason: String| HandshakeError::new(Fault::Alert, reason);
    let words = words(alert);
    match alert {
        Alert::CertificateRequired => wants_certificate(),
        // Before TLS 1.3 there was no alert of its own for it (RFC 5246 §7.4.6).
        Alert::HandshakeFailure | Alert::NoCertificate | Alert::BadCertificate
            if around.asked && !around.has_certificate =>
        {
            wants_certificate()
        }
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied
            if around.asked =>
        {
            failed(format!("it refuses our certificate: {words}"))
                .hint("`certificate` under `tls` of the upstream must be one that this server believes")
        }
        Alert::ProtocolVersion => no_version(),
        Alert::HandshakeFailure | Alert::InsufficientSecurity => {
            failed(format!("it finds no cipher suite or key exchange that both sides have: {words}"))
        }
        Alert::UnrecognisedName => failed(format!("it has no certificate for the name `{}`", around.name))
            .hint("if it goes by another name, write `server_name` under `tls` of the upstream"),
        Alert::NoApplicationProtocol => no_http(),
        _ => failed(format!("it ended the TLS handshake: {words}")),
    }
}

fn incompatible(why: &PeerIncompatible) -> HandshakeError {
    use PeerIncompatible as P;
    match why {
        P::ServerDoesNotSupportTls12Or13
        | P::ServerTlsVersionIsDisabledByOurConfig
        | P::Tls12NotOffered
        | P::Tls12NotOfferedOrEnabled => no_version(),
        P::NoCipherSuitesInCommon | P::NoKxGroupsInCommon | P::NoSignatureSchemesInCommon => {
            HandshakeError::new(
                Fault::Protocol,
                "there is no cipher suite or key exchange that both sides have",
            )
        }
        why => HandshakeError::new(Fault::Protocol, format!("its TLS does not go with ours: {why:?}")),
    }
}

fn wants_certificate() -> HandshakeError {
    HandshakeError::new(Fault::Alert, "it wants a certificate of its clients")
        .hint("write `certificate` and `key` under `tls` of the upstream")
}

fn no_version() -> HandshakeError {
    HandshakeError::new(Fault::Protocol, "there is no version of TLS that both sides speak")
        .hint("Weir speaks 1.2 and 1.3, and none below `min_version` under `tls` of the upstream")
}

fn no_http() -> HandshakeError {
    HandshakeError::new(Fault::Protocol, "it does not speak HTTP/1.1 on this port")
}

/// `HandshakeFailure` as `handshake failure`.
fn words(alert: Alert) -> String {
    let mut text = String::new();
    let mut capital_before = true;
    for character in format!("{alert:?}").chars() {
        if character.is_ascii_uppercase() && !capital_before {
            text.push(' ');
        }
        capital_before = character.is_ascii_uppercase();
        text.push(character.to_ascii_lowercase());
    }
    text
}

fn date(time: UnixTime) -> String {
    // Beyond what the system's clock can hold nothing is told apart any more.
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(time.as_secs()));
    moment(time.unwrap_or(SystemTime::UNIX_EPOCH))
}
