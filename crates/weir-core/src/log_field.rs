//! What a line of the access log can tell of a request: the one table from which the configuration takes its words, the writer of
//! lines its fields, and `docs/logs.md` its list.

macro_rules! log_fields {
    ($($(#[$attribute:meta])* $id:ident $name:literal $unless:literal $doc:literal,)+) => {
        /// A field of a line.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum LogField {
            $(#[doc = $doc] $(#[$attribute])* $id,)+
        }

        impl LogField {
            /// Every field, in the order in which the documentation lists them.
            pub const ALL: &[Self] = &[$(Self::$id,)+];

            /// Its name, in templates, lists and lines of JSON.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$id => $name,)+
                }
            }

            /// What it says.
            pub const fn doc(self) -> &'static str {
                match self {
                    $(Self::$id => $doc,)+
                }
            }

            /// When it is `-` in a template and `null` in JSON; empty for never.
            pub const fn unless(self) -> &'static str {
                match self {
                    $(Self::$id => $unless,)+
                }
            }
        }
    };
}

log_fields! {
    Time "time" "" "When the head of the request was whole, in UTC with milliseconds: `2026-11-22T08:30:00.123Z`.",
    NcsaTime "ncsa_time" "" "The same as NCSA lines write it: `22/Nov/2026:08:30:00 +0000`.",
    Client "client" "" "The client's address; behind `trusted_proxies` what they say it is.",
    Peer "peer" "" "The address that the connection came from.",
    User "user" "the client has proved no name" "Who the client has proved to be.",
    Method "method" "the head could not be read" "The method.",
    Target "target" "the head could not be read" "Path and query as the client wrote them.",
    Version "version" "the head could not be read" "The protocol, as `HTTP/1.1`.",
    Scheme "scheme" "" "`http`, or `https` where the client's connection was encrypted.",
    Status "status" "" "The status that the client got; 0 when it got none.",
    BytesSent "bytes_sent" "" "Bytes of the answer's body that were sent.",
    BytesReceived "bytes_received" "" "Bytes of the request's body that were received.",
    Referer "referer" "it was not sent" "Referer.",
    UserAgent "user_agent" "it was not sent" "User-Agent.",
    Host "host" "it was not sent" "Host, as the client wrote it.",
    Service "service" "none matched" "The service.",
    Route "route" "none matched" "The route.",
    Server "server" "no server was asked" "The server that answered, or was asked last, as the configuration writes it.",
    Attempts "attempts" "" "Requests that were sent to servers for this one.",
    Tries "tries" "the first server that was asked has answered" "Who was asked or passed over, in this order, and what came of it: in JSON a list, else `a:1=reset,b:1=200`.",
    Mode "mode" "the request went to no server" "The dispatch mode.",
    Cancelled "cancelled" "the mode makes no copies" "Copies whose answers were not wanted.",
    Hedged "hedged" "the mode makes no copies" "Whether a second copy was sent because the first server was slow.",
    Acknowledged "acknowledged" "the mode makes no copies" "Copies of a write that a server had taken when its answer was chosen.",
    QueueSeconds "queue_seconds" "" "How long it waited for its turn, at the route and at the upstream.",
    ConnectSeconds "connect_seconds" "" "How long connections for it were opened; 0 when one was kept from before.",
    UpstreamSeconds "upstream_seconds" "no server has answered" "From the beginning of the attempt to the head of the answer; in modes that ask several servers from the request on.",
    Seconds "seconds" "" "From the request's head to the answer's last byte.",
    RequestId "request_id" "the head could not be read" "The request id: `X-Request-Id` of the request, the answer and lines of the operational log.",
    TraceId "trace_id" "the request has no trace" "The trace, as in `traceparent`.",
    SpanId "span_id" "the request has no trace" "Our part of it: what servers get as their parent, copies apart.",
    ParentId "parent_id" "the trace begins here" "The client's part of it.",
    Reason "reason" "a server's answer was passed on whole, or the route answers itself" "Why Weir answered itself or broke off: a word of RFC 9209.",
}

/// Fields that a line of JSON has when nothing else is asked for. `cancelled`, `hedged` and `acknowledged` are there where copies
/// are made, and the ids of a trace where there is one.
pub const USUAL: &[LogField] = {
    use LogField as F;
    &[
        F::Time,
        F::Client,
        F::User,
        F::Method,
        F::Target,
        F::Version,
        F::Status,
        F::BytesSent,
        F::Referer,
        F::UserAgent,
        F::Host,
        F::Service,
        F::Route,
        F::Server,
        F::Attempts,
        F::Tries,
        F::Mode,
        F::Cancelled,
        F::Hedged,
        F::Acknowledged,
        F::UpstreamSeconds,
        F::Seconds,
        F::RequestId,
        F::TraceId,
        F::SpanId,
        F::ParentId,
        F::Reason,
    ]
};

impl LogField {
    /// The field of this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.name() == name)
    }
}
