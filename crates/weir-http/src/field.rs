//! Names of fields that Weir itself looks at, as small numbers.
//!
//! A name is looked up once, when the head is parsed; every later question compares one byte. Names that are not here
//! are found by comparing text, which only configured rules do.

macro_rules! known_names {
    ($($(#[$doc:meta])* $id:ident = $text:literal,)+) => {
        /// A field name with an id.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum KnownName {
            $(#[doc = concat!("`", $text, "`")] $id,)+
        }

        /// Every known name.
        pub const ALL: &[KnownName] = &[$(KnownName::$id,)+];

        impl KnownName {
            /// The name in its usual spelling.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$id => $text,)+
                }
            }
        }
    };
}

known_names! {
    Accept = "Accept",
    Authorization = "Authorization",
    Connection = "Connection",
    ContentEncoding = "Content-Encoding",
    ContentLength = "Content-Length",
    ContentRange = "Content-Range",
    ContentType = "Content-Type",
    Cookie = "Cookie",
    Date = "Date",
    Expect = "Expect",
    Forwarded = "Forwarded",
    Host = "Host",
    IdempotencyKey = "Idempotency-Key",
    KeepAlive = "Keep-Alive",
    Location = "Location",
    MaxForwards = "Max-Forwards",
    ProxyAuthenticate = "Proxy-Authenticate",
    ProxyAuthorization = "Proxy-Authorization",
    ProxyConnection = "Proxy-Connection",
    ProxyStatus = "Proxy-Status",
    Referer = "Referer",
    RetryAfter = "Retry-After",
    Server = "Server",
    SetCookie = "Set-Cookie",
    Te = "TE",
    Trailer = "Trailer",
    TransferEncoding = "Transfer-Encoding",
    Upgrade = "Upgrade",
    UserAgent = "User-Agent",
    Via = "Via",
    XBackendServer = "X-Backend-Server",
    XForwardedFor = "X-Forwarded-For",
    XForwardedHost = "X-Forwarded-Host",
    XForwardedProto = "X-Forwarded-Proto",
    XRealIp = "X-Real-IP",
    XRequestId = "X-Request-Id",
}

const LENGTH_MAX: usize = 19;

/// Known names by their length: a lookup compares two or three names at most.
static BY_LENGTH: [&[KnownName]; LENGTH_MAX + 1] = {
    use KnownName as K;
    [
        &[],
        &[],
        &[K::Te],
        &[K::Via],
        &[K::Host, K::Date],
        &[],
        &[K::Accept, K::Cookie, K::Expect, K::Server],
        &[K::Referer, K::Trailer, K::Upgrade],
        &[K::Location],
        &[K::Forwarded, K::XRealIp],
        &[K::Connection, K::KeepAlive, K::UserAgent, K::SetCookie],
        &[K::RetryAfter],
        &[K::ContentType, K::MaxForwards, K::ProxyStatus, K::XRequestId],
        &[K::Authorization, K::ContentRange],
        &[K::ContentLength],
        &[K::XForwardedFor, K::IdempotencyKey],
        &[K::ContentEncoding, K::ProxyConnection, K::XForwardedHost, K::XBackendServer],
        &[K::TransferEncoding, K::XForwardedProto],
        &[K::ProxyAuthenticate],
        &[K::ProxyAuthorization],
    ]
};

impl KnownName {
    /// The id of a name in any case; `None` for a name without one.
    #[inline]
    pub fn of(name: &[u8]) -> Option<Self> {
        BY_LENGTH
            .get(name.len())?
            .iter()
            .copied()
            .find(|known| known.as_str().as_bytes().eq_ignore_ascii_case(name))
    }
}

/// A field name: known, or as text in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldName<'a> {
    /// A name with an id.
    Known(KnownName),
    /// Any other name.
    Other(&'a [u8]),
}

impl FieldName<'_> {
    /// The name's text.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Known(known) => known.as_str().as_bytes(),
            Self::Other(text) => text,
        }
    }
}

impl From<KnownName> for FieldName<'_> {
    fn from(known: KnownName) -> Self {
        Self::Known(known)
    }
}

impl<'a> From<&'a [u8]> for FieldName<'a> {
    fn from(name: &'a [u8]) -> Self {
        KnownName::of(name).map_or(Self::Other(name), Self::Known)
    }
}

impl<'a> From<&'a str> for FieldName<'a> {
    fn from(name: &'a str) -> Self {
        name.as_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_in_any_case() {
        for known in ALL {
            let text = known.as_str();
            assert_eq!(KnownName::of(text.as_bytes()), Some(*known), "{text}");
            assert_eq!(KnownName::of(text.to_lowercase().as_bytes()), Some(*known), "{text}");
            assert_eq!(KnownName::of(text.to_uppercase().as_bytes()), Some(*known), "{text}");
        }
    }

    #[test]
    fn neighbours_of_known_names_are_not_known() {
        for name in
            ["", "Hos", "Hosts", "Host ", "Content_Length", "Transfer-Encodin", "X-Forwarded-Fox", "é"]
        {
            assert_eq!(KnownName::of(name.as_bytes()), None, "{name}");
        }
    }
}
