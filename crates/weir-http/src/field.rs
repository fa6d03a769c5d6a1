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
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$id => $text,)+
                }
            }

            /// The name with what stands between it and a value.
            pub(crate) const fn line_start(self) -> &'static str {
                match self {
                    $(Self::$id => concat!($text, ": "),)+
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
    Http2Settings = "HTTP2-Settings",
    IdempotencyKey = "Idempotency-Key",
    KeepAlive = "Keep-Alive",
    Location = "Location",
    MaxForwards = "Max-Forwards",
    Proxy = "Proxy",
    ProxyAuthenticate = "Proxy-Authenticate",
    ProxyAuthenticationInfo = "Proxy-Authentication-Info",
    ProxyAuthorization = "Proxy-Authorization",
    ProxyConnection = "Proxy-Connection",
    ProxyStatus = "Proxy-Status",
    Referer = "Referer",
    RetryAfter = "Retry-After",
    Server = "Server",
    SetCookie = "Set-Cookie",
    Te = "TE",
    Traceparent = "traceparent",
    Tracestate = "tracestate",
    Trailer = "Trailer",
    TransferEncoding = "Transfer-Encoding",
    Upgrade = "Upgrade",
    UserAgent = "User-Agent",
    Via = "Via",
    XBackendServer = "X-Backend-Server",
    XForwardedFor = "X-Forwarded-For",
    XForwardedHost = "X-Forwarded-Host",
    XForwardedProto = "X-Forwarded-Proto",
    XLoad = "X-Load",
    XRealIp = "X-Real-IP",
    XRequestId = "X-Request-Id",
}

/// A set of known names: one bit for each.
pub(crate) type KnownNames = u64;

/// Known names that are asked about together, with one look at a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameSet(KnownNames);

impl NameSet {
    /// The set of these names.
    pub const fn of(names: &[KnownName]) -> Self {
        let mut set = 0;
        let mut at = 0;
        while at < names.len() {
            set |= names[at].bit();
            at += 1;
        }
        Self(set)
    }

    /// What is in this set or in the other.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the name is in the set.
    pub const fn holds(self, name: KnownName) -> bool {
        self.0 & name.bit() != 0
    }

    pub(crate) const fn bits(self) -> KnownNames {
        self.0
    }
}

const _: () = assert!(ALL.len() <= KnownNames::BITS as usize, "every known name needs a bit");

impl KnownName {
    /// The set that holds this name alone.
    #[inline]
    pub(crate) const fn bit(self) -> KnownNames {
        1 << self as u8
    }

    /// The id of a name in any case; `None` for a name without one.
    #[inline]
    pub fn of(name: &[u8]) -> Option<Self> {
        let candidates = BY_LENGTH.get(name.len())?;
        let [first, last] = edges(name)?;
        for spelling in *candidates {
            if (first | spelling.case[0]) == spelling.lower[0]
                && (last | spelling.case[1]) == spelling.lower[1]
            {
                // The edges of longer names leave out what lies between them.
                let same = name.len() <= 16 || spelling.known.as_str().as_bytes().eq_ignore_ascii_case(name);
                return same.then_some(spelling.known);
            }
        }
        None
    }
}

/// The first and the last bytes of a name as two numbers, which overlap in all names but the longest: so a name is
/// compared at once, and not byte by byte.
#[inline]
const fn edges(name: &[u8]) -> Option<[u64; 2]> {
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        Some([u64::from_le_bytes(*first), u64::from_le_bytes(*last)])
    } else if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        Some([u32::from_le_bytes(*first) as u64, u32::from_le_bytes(*last) as u64])
    } else if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        Some([u16::from_le_bytes(*first) as u64, u16::from_le_bytes(*last) as u64])
    } else {
        None
    }
}

/// What a lookup compares with.
struct Spelling {
    known: KnownName,
    /// The edges of the name in lower case.
    lower: [u64; 2],
    /// The bit that makes a letter lower-case, for every byte of the edges that is a letter. A hyphen has to be one: with
    /// the bit set, a CR would look like it.
    case: [u64; 2],
}

const fn spelling(known: KnownName) -> Spelling {
    let Some(written) = edges(known.as_str().as_bytes()) else {
        panic!("known names have at least two bytes");
    };
    let mut spelling = Spelling { known, lower: [0; 2], case: [0; 2] };
    let mut edge = 0;
    while edge < 2 {
        let mut bytes = written[edge].to_le_bytes();
        let mut case = [0; 8];
        let mut at = 0;
        while at < 8 {
            if bytes[at].is_ascii_alphabetic() {
                case[at] = b' ';
            }
            bytes[at] |= case[at];
            at += 1;
        }
        spelling.lower[edge] = u64::from_le_bytes(bytes);
        spelling.case[edge] = u64::from_le_bytes(case);
        edge += 1;
    }
    spelling
}

const LENGTH_MAX: usize = 25;

/// Known names by their length: a lookup compares two or three names at most.
static BY_LENGTH: [&[Spelling]; LENGTH_MAX + 1] = {
    use KnownName as K;
    [
        &[],
        &[],
        &[spelling(K::Te)],
        &[spelling(K::Via)],
        &[spelling(K::Host), spelling(K::Date)],
        &[spelling(K::Proxy)],
        // The most frequent ones first.
        &[
            spelling(K::Accept),
            spelling(K::Server),
            spelling(K::Cookie),
            spelling(K::Expect),
            spelling(K::XLoad),
        ],
        &[spelling(K::Referer), spelling(K::Trailer), spelling(K::Upgrade)],
        &[spelling(K::Location)],
        &[spelling(K::Forwarded), spelling(K::XRealIp)],
        &[
            spelling(K::Connection),
            spelling(K::KeepAlive),
            spelling(K::UserAgent),
            spelling(K::SetCookie),
            spelling(K::Tracestate),
        ],
        &[spelling(K::RetryAfter), spelling(K::Traceparent)],
        &[
            spelling(K::ContentType),
            spelling(K::MaxForwards),
            spelling(K::ProxyStatus),
            spelling(K::XRequestId),
        ],
        &[spelling(K::Authorization), spelling(K::ContentRange)],
        &[spelling(K::ContentLength), spelling(K::Http2Settings)],
        &[spelling(K::XForwardedFor), spelling(K::IdempotencyKey)],
        &[
            spelling(K::ContentEncoding),
            spelling(K::ProxyConnection),
            spelling(K::XForwardedHost),
            spelling(K::XBackendServer),
        ],
        &[spelling(K::TransferEncoding), spelling(K::XForwardedProto)],
        &[spelling(K::ProxyAuthenticate)],
        &[spelling(K::ProxyAuthorization)],
        &[],
        &[],
        &[],
        &[],
        &[],
        &[spelling(K::ProxyAuthenticationInfo)],
    ]
};

/// What begins the names of fields in which proxies tell of a client.
const FORWARDED_PREFIX: &[u8] = b"x-forwarded-";

/// Such fields with names of other kinds.
const FORWARDED_ALIKE: [&[u8]; 3] = [b"x-real-ip", b"x-request-id", b"x-backend-server"];

/// Whether a name without an id may be taken for a field in which a proxy tells of its client: any other `X-Forwarded-*`, and
/// with `_` for `-` those with an id too, because programs behind CGI-like interfaces can't tell the two apart.
#[inline]
pub(crate) fn speaks_of_a_client(name: &[u8]) -> bool {
    matches!(name, [b'x' | b'X', b'-' | b'_', ..]) && speaks_of_a_client_behind_x(name)
}

/// The rest of it, for the few names that begin like that.
fn speaks_of_a_client_behind_x(name: &[u8]) -> bool {
    let folded = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    let is = |part: &[u8], text: &[u8]| part.iter().map(folded).eq(text.iter().copied());
    name.get(..FORWARDED_PREFIX.len()).is_some_and(|begin| is(begin, FORWARDED_PREFIX))
        || FORWARDED_ALIKE.iter().any(|alike| name.len() == alike.len() && is(name, alike))
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

impl FieldName<'_> {
    /// Whether this is a name without an id that a program may take for a field in which a proxy tells of its client:
    /// `X-Forwarded-` with whatever behind it, or `X-Real-IP` and the like with `_` for `-`.
    pub fn speaks_of_a_client(&self) -> bool {
        matches!(self, Self::Other(name) if speaks_of_a_client(name))
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

    #[test]
    fn what_a_program_may_take_for_the_word_of_a_proxy() {
        for name in [
            "X_Forwarded_For",
            "x-forwarded_for",
            "X-Forwarded-Port",
            "x-forwarded-",
            "X_REAL_IP",
            "x_real-ip",
            "X_Request_Id",
            "X-Backend_Server",
        ] {
            assert!(FieldName::from(name).speaks_of_a_client(), "{name}");
        }
        // Those with an id are looked for by it.
        for name in [
            "X-Forwarded-For",
            "X-Real-IP",
            "Forwarded",
            "X-Forwarded",
            "XX-Forwarded-For",
            "X.Forwarded.For",
            "X-Real-IPs",
            "X",
            "X-",
            "",
            "Accept",
        ] {
            assert!(!FieldName::from(name).speaks_of_a_client(), "{name}");
        }
    }

    #[test]
    fn one_changed_byte_is_another_name() {
        // Names are compared in words with the case masked: every byte at every place must still count, and none that
        // differs from the right one only in the masked bit (CR and hyphen, `@` and backtick) may pass for it.
        for known in ALL {
            let mut name = known.as_str().as_bytes().to_vec();
            for at in 0..name.len() {
                let right = name[at];
                for byte in 0..=u8::MAX {
                    name[at] = byte;
                    let expected = byte.eq_ignore_ascii_case(&right).then_some(*known);
                    assert_eq!(KnownName::of(&name), expected, "{:?}", name.escape_ascii().to_string());
                }
                name[at] = right;
            }
        }
    }
}
