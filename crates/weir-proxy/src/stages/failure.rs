//! Stage *failure*: the only place where an error becomes an answer, with its status, its reason and whose fault it is.
//!
//! Every answer that Weir makes because something failed is made here, and nowhere is a failure turned into a status
//! otherwise. The matches have no catch-all arm: a new failure must say what a client sees of it. Answers name nothing
//! internal; the log does.

use std::io;
use std::time::Duration;

use weir_auth::refusal::Refusal;
use weir_core::limit::whole_seconds;
use weir_core::limit_hit::LimitHit;
use weir_http::authority::AuthorityError;
use weir_http::connection::ConnectionError;
use weir_http::framing::FramingError;
use weir_http::head::HeadError;
use weir_http::path::PathError;
use weir_http::target::TargetError;
use weir_tls::handshake::Fault as TlsFault;
use weir_upstream::body::ReadError;
use weir_upstream::body::replay::Fault;

/// Why an exchange has no regular end.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request's head is malformed or too large.
    RequestHead(HeadError),
    /// The request's head did not come to its end in time.
    RequestHeadTimeout,
    /// The connection ended in the middle of the request's head.
    RequestTruncated,
    /// The request's body can't be told from what follows.
    RequestFraming(FramingError),
    /// The request target is longer than the limit.
    TargetTooLong,
    /// The request target is malformed.
    Target(TargetError),
    /// The path has no normal form.
    Path(PathError),
    /// HTTP/1.1 without Host.
    HostMissing,
    /// More than one Host.
    HostRepeated,
    /// The Host is malformed.
    HostMalformed(AuthorityError),
    /// The Host is not the target's authority.
    HostDiffers,
    /// The Connection field is malformed or names what must not be removed.
    Connection(ConnectionError),
    /// TRACE or CONNECT.
    MethodRefused,
    /// An expectation other than `100-continue`.
    Expectation,
    /// The request's body is larger than the limit.
    BodyTooLarge,
    /// The request's body can't be kept for all who need it: memory, disk or their time are short.
    BodyNotKept,
    /// The request's body is malformed or ends too early.
    BodyMalformed,
    /// The request's body stood still.
    BodyTimeout,
    /// The client reset the connection, or takes nothing any more.
    ClientGone,
    /// No service answers for the host.
    NoService {
        /// The host, in its normal form; empty when the request came without one.
        host: Box<str>,
    },
    /// No route of the service takes the request.
    NoRoute,
    /// A route would take the request with another method.
    MethodNotRouted(Vec<Box<str>>),
    /// The client has not proved who it is.
    Unauthenticated {
        /// Why not.
        refusal: Refusal,
        /// Whether there was a token that is not good.
        bad_token: bool,
    },
    /// The client's address may not ask.
    AddressDenied,
    /// More requests than a rate lets pass.
    TooOften {
        /// When another one may pass.
        retry_after: Duration,
    },
    /// As many requests are in progress as may be, and this one can't wait, or not for longer.
    TooMuchAtOnce,
    /// The upstream has no server that may be asked.
    NoServer,
    /// No server could be connected to.
    Unreachable {
        /// Whether the last one did not answer in time.
        timed_out: bool,
    },
    /// The same on a route that has a status of its own for it.
    UnreachableAs {
        /// That status.
        status: u16,
        /// Whether the last one did not answer in time.
        timed_out: bool,
    },
    /// The client speaks plain HTTP where TLS is spoken.
    PlainHttp,
    /// The host is not one that the certificate of the connection speaks for.
    Misdirected,
    /// TLS could not be spoken with any server.
    ServerTls(TlsFault),
    /// The system has no file descriptor, or no memory, left for a connection to a server.
    Exhausted,
    /// The connection to the server broke before its answer.
    ServerReset,
    /// The head of the server's answer did not come in time.
    ServerTimeout,
    /// The server's answer is malformed.
    ServerGarbage(&'static str),
    /// The server's answer has a head that is too large.
    ServerHeadTooLarge,
    /// The server switches to a protocol that nobody asked for.
    ServerSwitched,
    /// The server's answer broke after its head.
    AnswerBroken,
    /// The whole request took too long.
    RequestTimeout,
    /// Every server's answer had this status, which is tried again, and none is left.
    Discarded(u16),
    /// No server gave an answer that the mode takes for one; the route has this status for that.
    NothingUsable(u16),
    /// The servers do not agree on an answer; the route has this status for that.
    NoMajority(u16),
    /// Not enough servers have acknowledged the write in time.
    NotAcknowledged,
    /// The backlog has no room for the write, or can't be written.
    WriteNotAccepted,
    /// The queue does not know one of the servers: a bug in Weir.
    WriteUnplaced,
    /// The path that a rewrite made is none.
    Rewrite,
    /// A bug in Weir.
    Panic,
}

impl Failure {
    /// The status a client gets.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::RequestHead(error) => match error {
                HeadError::TooLong | HeadError::TooManyFields => 431,
                HeadError::Version => 505,
                HeadError::BareLineFeed
                | HeadError::ObsoleteFold
                | HeadError::RequestLine
                | HeadError::StatusLine
                | HeadError::FieldName
                | HeadError::FieldValue => 400,
            },
            Self::RequestFraming(error) => match error {
                FramingError::Coding => 501,
                FramingError::LengthAndCoding
                | FramingError::SeveralLengths
                | FramingError::Length
                | FramingError::CodingInHttp10 => 400,
            },
            Self::PlainHttp
            | Self::RequestTruncated
            | Self::Target(_)
            | Self::Path(_)
            | Self::HostMissing
            | Self::HostRepeated
            | Self::HostMalformed(_)
            | Self::HostDiffers
            | Self::Connection(_)
            | Self::BodyMalformed
            | Self::ClientGone => 400,
            Self::Unauthenticated { refusal, .. } if refusal.is_passing() => 503,
            Self::Unauthenticated { .. } => 401,
            Self::AddressDenied => 403,
            Self::NoService { .. } | Self::NoRoute => 404,
            Self::MethodRefused | Self::MethodNotRouted(_) => 405,
            Self::RequestHeadTimeout | Self::BodyTimeout => 408,
            Self::BodyTooLarge => 413,
            Self::TargetTooLong => 414,
            Self::TooOften { .. } => 429,
            Self::Expectation => 417,
            Self::Misdirected => 421,
            Self::Discarded(status) | Self::NothingUsable(status) | Self::NoMajority(status) => *status,
            Self::Rewrite | Self::Panic => 500,
            Self::UnreachableAs { status, .. } => *status,
            Self::Unreachable { timed_out: false }
            | Self::ServerTls(_)
            | Self::ServerReset
            | Self::ServerGarbage(_)
            | Self::ServerHeadTooLarge
            | Self::ServerSwitched
            | Self::AnswerBroken => 502,
            Self::TooMuchAtOnce
            | Self::NoServer
            | Self::NotAcknowledged
            | Self::WriteNotAccepted
            | Self::WriteUnplaced
            | Self::BodyNotKept
            | Self::Exhausted => 503,
            Self::Unreachable { timed_out: true } | Self::ServerTimeout | Self::RequestTimeout => 504,
        }
    }

    /// The error type of RFC 9209 §2.3, which is also the reason in the log.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::RequestHead(_)
            | Self::RequestHeadTimeout
            | Self::RequestTruncated
            | Self::RequestFraming(_)
            | Self::TargetTooLong
            | Self::Target(_)
            | Self::Path(_)
            | Self::HostMissing
            | Self::HostRepeated
            | Self::HostMalformed(_)
            | Self::HostDiffers
            | Self::Connection(_)
            | Self::Expectation
            | Self::BodyTooLarge
            | Self::BodyMalformed
            | Self::BodyTimeout
            | Self::PlainHttp
            | Self::Misdirected
            | Self::ClientGone => "http_request_error",
            Self::Unauthenticated { refusal, .. } if refusal.is_passing() => "proxy_internal_response",
            Self::AddressDenied
            | Self::TooOften { .. }
            | Self::MethodRefused
            | Self::MethodNotRouted(_)
            | Self::Unauthenticated { .. } => "http_request_denied",
            Self::NoService { .. } | Self::NoRoute => "destination_not_found",
            Self::NoServer
            | Self::Discarded(_)
            | Self::NothingUsable(_)
            | Self::NoMajority(_)
            | Self::NotAcknowledged
            | Self::WriteNotAccepted => "destination_unavailable",
            Self::Unreachable { timed_out: false } | Self::UnreachableAs { timed_out: false, .. } => {
                "connection_refused"
            }
            Self::Unreachable { timed_out: true } | Self::UnreachableAs { timed_out: true, .. } => {
                "connection_timeout"
            }
            Self::ServerTls(TlsFault::Certificate) => "tls_certificate_error",
            Self::ServerTls(TlsFault::Alert) => "tls_alert_received",
            Self::ServerTls(TlsFault::Protocol) => "tls_protocol_error",
            Self::TooMuchAtOnce | Self::Exhausted => "connection_limit_reached",
            Self::ServerReset => "connection_terminated",
            Self::ServerTimeout => "http_response_timeout",
            Self::ServerGarbage(_) => "http_protocol_error",
            Self::ServerHeadTooLarge => "http_response_header_section_size",
            Self::ServerSwitched => "http_upgrade_failed",
            Self::AnswerBroken => "http_response_incomplete",
            Self::RequestTimeout => "http_response_timeout",
            Self::BodyNotKept | Self::WriteUnplaced | Self::Rewrite | Self::Panic => "proxy_internal_error",
        }
    }

    /// The limit that was reached, if one was that holds for everybody.
    pub(crate) fn limit(&self) -> Option<LimitHit> {
        match self {
            Self::RequestHead(HeadError::TooLong | HeadError::TooManyFields) => Some(LimitHit::Head),
            Self::TargetTooLong => Some(LimitHit::Target),
            Self::BodyTooLarge => Some(LimitHit::Body),
            Self::BodyNotKept => Some(LimitHit::Replay),
            Self::WriteNotAccepted => Some(LimitHit::Backlog),
            Self::Exhausted => Some(LimitHit::Descriptors),
            Self::ServerHeadTooLarge => Some(LimitHit::AnswerHead),
            _ => None,
        }
    }

    /// What went wrong, for people, without anything internal.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::RequestHead(error) => error.to_string(),
            Self::RequestHeadTimeout => "the head of the request did not come in time".to_owned(),
            Self::RequestTruncated => "the connection ended in the middle of the request".to_owned(),
            Self::RequestFraming(error) => error.to_string(),
            Self::TargetTooLong => "the request target is too long".to_owned(),
            Self::Target(error) => error.to_string(),
            Self::Path(error) => error.to_string(),
            Self::HostMissing => "the request has no Host".to_owned(),
            Self::HostRepeated => "the request has more than one Host".to_owned(),
            Self::HostMalformed(error) => format!("in the Host, {error}"),
            Self::HostDiffers => "the Host differs from the request target".to_owned(),
            Self::Connection(error) => error.to_string(),
            Self::MethodRefused => "this method is not passed on".to_owned(),
            Self::Expectation => "the only expectation that can be met is `100-continue`".to_owned(),
            Self::BodyTooLarge => "the body is too large".to_owned(),
            Self::BodyNotKept => "the body can't be kept now".to_owned(),
            Self::BodyMalformed => "the body is malformed or ends too early".to_owned(),
            Self::BodyTimeout => "the body did not come in time".to_owned(),
            Self::ClientGone => "the client is gone".to_owned(),
            Self::NoService { host } if host.is_empty() => {
                "no service for a request without a host".to_owned()
            }
            Self::NoService { host } => format!("no service for host {host}"),
            Self::NoRoute => "no route for this request".to_owned(),
            Self::MethodNotRouted(_) => "no route for this method".to_owned(),
            Self::Unauthenticated { refusal: Refusal::Missing, .. } => "a credential is required".to_owned(),
            Self::Unauthenticated { refusal, .. } if refusal.is_passing() => {
                "the credential can't be checked at the moment".to_owned()
            }
            Self::Unauthenticated { .. } => "the credential is not accepted".to_owned(),
            Self::TooMuchAtOnce => "too many requests at once".to_owned(),
            Self::TooOften { .. } => "too many requests".to_owned(),
            Self::AddressDenied => "requests from this address are not accepted".to_owned(),
            Self::NoServer => "no server is available".to_owned(),
            Self::PlainHttp => "this port speaks TLS: use https".to_owned(),
            Self::Misdirected => "the connection was made for another host".to_owned(),
            Self::Exhausted => "no more connections to servers can be opened".to_owned(),
            Self::Unreachable { .. } | Self::UnreachableAs { .. } => {
                "no server could be connected to".to_owned()
            }
            Self::ServerTls(TlsFault::Certificate) => "the server's certificate is not believed".to_owned(),
            Self::ServerTls(TlsFault::Alert | TlsFault::Protocol) => {
                "TLS can't be spoken with the server".to_owned()
            }
            Self::ServerReset => "the server closed the connection without an answer".to_owned(),
            Self::ServerTimeout => "the server did not answer in time".to_owned(),
            Self::ServerGarbage(what) => format!("the server's answer can't be understood: {what}"),
            Self::ServerHeadTooLarge => "the head of the server's answer is too large".to_owned(),
            Self::ServerSwitched => "the server switched to a protocol that was not asked for".to_owned(),
            Self::AnswerBroken => "the server's answer broke off".to_owned(),
            Self::RequestTimeout => "the request took too long".to_owned(),
            Self::Discarded(_) => "every server gave an answer that is tried again".to_owned(),
            Self::NothingUsable(_) => "no server gave a usable answer".to_owned(),
            Self::NoMajority(_) => "the servers do not agree on an answer".to_owned(),
            Self::WriteNotAccepted => "no more writes can wait for the servers".to_owned(),
            Self::WriteUnplaced => "the write can't be kept for one of the servers".to_owned(),
            Self::NotAcknowledged => "the write is not acknowledged yet by enough servers".to_owned(),
            Self::Rewrite => "the rewritten path is malformed".to_owned(),
            Self::Panic => "an internal error".to_owned(),
        }
    }

    /// A request whose body can't be read to its end.
    pub(crate) fn of_body(error: &ReadError) -> Self {
        match error {
            ReadError::Io(_) => Self::ClientGone,
            ReadError::Body(_) => Self::BodyMalformed,
            ReadError::TooLarge => Self::BodyTooLarge,
            ReadError::Replay(error) => match error.fault() {
                Fault::Client => Self::BodyTooLarge,
                Fault::Us => Self::BodyNotKept,
            },
        }
    }

    /// A client that has not proved who it is, where no token is to blame.
    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self::Unauthenticated { refusal, bad_token: false }
    }

    /// The same on a route that says which status a client gets whose server can't be connected to.
    pub(crate) fn with_unreachable(self, status: Option<u16>) -> Self {
        match (self, status) {
            (Self::Unreachable { timed_out }, Some(status)) => Self::UnreachableAs { status, timed_out },
            (other, _) => other,
        }
    }

    /// After how many seconds it may be better to ask again, where that is known; never 0.
    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::TooOften { retry_after } => Some(whole_seconds(*retry_after).max(1)),
            failure if failure.status() == 503 => Some(1),
            _ => None,
        }
    }

    /// Whether there is somebody who could read an answer.
    pub(crate) fn has_reader(&self) -> bool {
        !matches!(self, Self::ClientGone)
    }
}

impl From<io::Error> for Failure {
    /// Writing to the client failed; reading from it has its own words.
    fn from(_: io::Error) -> Self {
        Self::ClientGone
    }
}
