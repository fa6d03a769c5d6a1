//! Where we and hyper differ on purpose: the one list of it.
//!
//! Each entry names the difference and asks for its evidence in the bytes, so that it excuses nothing else.

use weir_http::body::BodyError;
use weir_http::chunked::ChunkedError;
use weir_http::framing::FramingError;
use weir_http::head::HeadError;
use weir_http::list;
use weir_http::target::TargetError;

use crate::ours::Refusal;

/// The most bytes of extensions of one chunk.
const EXTENSION_BYTES_MAX: usize = 256;

/// The message that one of us refuses.
pub(crate) struct Evidence<'a> {
    /// The bytes from the beginning of its head to the end of the connection.
    pub(crate) bytes: &'a [u8],
    /// For an answer, whether it has no body because of the request's method.
    pub(crate) bodiless: bool,
}

/// What we refuse and hyper reads.
pub(crate) struct Stricter {
    what: &'static str,
    holds: fn(&Refusal, &Evidence<'_>) -> bool,
}

/// What we refuse and hyper reads.
const STRICTER: &[Stricter] = &[
    Stricter {
        what: "a bare LF ends no line (semantics.md §1.3)",
        holds: |refusal, at| {
            let trailers = Refusal::Body(BodyError::Chunked(ChunkedError::Trailers));
            at.has_bare_line_feed()
                && (*refusal == Refusal::Head(HeadError::BareLineFeed) || *refusal == trailers)
        },
    },
    Stricter {
        what: "Content-Length and Transfer-Encoding together: hyper believes the coding (semantics.md §1.3)",
        holds: |refusal, at| {
            *refusal == Refusal::Framing(FramingError::LengthAndCoding)
                && !at.values("content-length").is_empty()
                && !at.values("transfer-encoding").is_empty()
        },
    },
    Stricter {
        what: "equal lengths, in several fields or one: hyper takes them for one (semantics.md §1.3)",
        holds: |refusal, at| {
            let values = at.values("content-length");
            let lengths: Vec<&[u8]> = values.iter().flat_map(|value| list::elements(value)).collect();
            *refusal == Refusal::Framing(FramingError::SeveralLengths)
                && lengths.iter().all(|length| number(length) == number(lengths[0]))
        },
    },
    Stricter {
        what: "a length of more than nineteen digits: hyper does not count leading zeros",
        holds: |refusal, at| {
            *refusal == Refusal::Framing(FramingError::Length)
                && at.values("content-length").iter().all(|value| value.len() > 19 && number(value).is_some())
        },
    },
    Stricter {
        what: "codings before chunked, or chunked twice: hyper asks for the last one only (semantics.md §1.3)",
        holds: |refusal, at| {
            let values = at.values("transfer-encoding");
            let last = values.last().and_then(|value| list::elements(value).last());
            *refusal == Refusal::Framing(FramingError::Coding)
                && last.is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"))
        },
    },
    Stricter {
        what: "an answer with another coding: hyper reads it to the end of the connection (semantics.md §1.3)",
        holds: |refusal, at| *refusal == Refusal::Framing(FramingError::Coding) && at.is_answer(),
    },
    Stricter {
        what: "nonsense about a body that is not there: hyper does not look at it (semantics.md §1.3)",
        holds: |refusal, at| {
            matches!(refusal, Refusal::Framing(_)) && (at.bodiless || at.has_bodiless_status())
        },
    },
    Stricter {
        what: "white space behind the size of a chunk, leading zeros beyond 64 bits",
        holds: |refusal, at| {
            *refusal == Refusal::Body(BodyError::Chunked(ChunkedError::Size)) && at.has_odd_size()
        },
    },
    Stricter {
        what: "extensions of one chunk of more than 256 bytes: hyper takes 16 KiB for all chunks (RFC 9112 §7.1.1 asks for a limit)",
        holds: |refusal, at| {
            *refusal == Refusal::Body(BodyError::Chunked(ChunkedError::Extension)) && at.has_long_extension()
        },
    },
    Stricter {
        what: "control bytes in the extension of a chunk",
        holds: |refusal, at| {
            let is_control = |byte: &u8| (*byte < b' ' && !b"\r\n\t".contains(byte)) || *byte == 0x7f;
            *refusal == Refusal::Body(BodyError::Chunked(ChunkedError::Extension))
                && at.bytes.iter().any(is_control)
        },
    },
    Stricter {
        what: "targets that only browsers and forward proxies understand: fragments, other schemes, backslashes, \
               hosts that are no hosts (semantics.md §1.1, §1.2)",
        holds: |refusal, at| match refusal {
            Refusal::Target(TargetError::Fragment) => at.first_line().contains(&b'#'),
            Refusal::Target(TargetError::Backslash) => at.first_line().contains(&b'\\'),
            Refusal::Target(TargetError::Scheme | TargetError::Authority(_) | TargetError::Form) => {
                !at.first_line().windows(2).any(|two| two == b" /")
            }
            _ => false,
        },
    },
    Stricter {
        what: "Connection with what is no token, or naming a field that frames (semantics.md §1.4)",
        holds: |refusal, at| matches!(refusal, Refusal::Connection(_)) && !at.values("connection").is_empty(),
    },
    Stricter {
        what: "empty lines before a status line, also behind an interim one (RFC 9112 §2.2 has them before requests only)",
        holds: |refusal, at| {
            *refusal == Refusal::Head(HeadError::StatusLine) && at.bytes.starts_with(b"\r\n")
        },
    },
    Stricter {
        what: "statuses from 600: they have no class (RFC 9110 §15)",
        holds: |refusal, at| {
            *refusal == Refusal::Head(HeadError::StatusLine)
                && at.first_line().get(9).is_some_and(|digit| (b'6'..=b'9').contains(digit))
        },
    },
];

/// What we read and hyper refuses.
pub(crate) struct Looser {
    what: &'static str,
    holds: fn(&str, &Evidence<'_>) -> bool,
}

/// What we read and hyper refuses.
const LOOSER: &[Looser] = &[Looser {
    what: "characters in targets that RFC 3986 has no place for and browsers send (semantics.md §1.2 escapes them)",
    holds: |error, at| {
        error == "invalid URI" && at.first_line().iter().any(|byte| b"<>\"`^{}|\\".contains(byte))
    },
}];

/// Whether hyper may read what we refuse.
pub(crate) fn may_refuse(refusal: &Refusal, at: &Evidence<'_>) -> bool {
    STRICTER.iter().any(|deviation| (deviation.holds)(refusal, at))
}

/// Whether we may read what hyper refuses with this error.
pub(crate) fn may_read(error: &str, at: &Evidence<'_>) -> bool {
    LOOSER.iter().any(|deviation| (deviation.holds)(error, at))
}

impl Evidence<'_> {
    fn first_line(&self) -> &[u8] {
        self.bytes.split(|&byte| byte == b'\r').find(|line| line.len() > 1).unwrap_or_default()
    }

    fn is_answer(&self) -> bool {
        self.first_line().starts_with(b"HTTP/")
    }

    /// Whether the status allows no body (RFC 9110 §15).
    fn has_bodiless_status(&self) -> bool {
        let status = self.first_line().get(9..12).filter(|_| self.is_answer());
        status.is_some_and(|status| status[0] == b'1' || status == b"204" || status == b"304")
    }

    fn has_bare_line_feed(&self) -> bool {
        let bytes = self.bytes;
        bytes.iter().enumerate().any(|(at, &byte)| byte == b'\n' && (at == 0 || bytes[at - 1] != b'\r'))
    }

    /// Lines that begin with hexadecimal digits and then either have white space or too many of them.
    fn has_odd_size(&self) -> bool {
        self.bytes.split(|&byte| byte == b'\n').any(|line| {
            let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            digits > 0 && (digits > 16 || matches!(line.get(digits), Some(b' ' | b'\t')))
        })
    }

    /// Lines that begin with hexadecimal digits and have more than 256 bytes from the semicolon behind them.
    fn has_long_extension(&self) -> bool {
        self.bytes.split(|&byte| byte == b'\n').any(|line| {
            let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            let extension = &line[digits..];
            digits > 0 && extension.starts_with(b";") && extension.len() > EXTENSION_BYTES_MAX
        })
    }

    /// The values of a field of the head, read as simply as can be.
    fn values(&self, name: &str) -> Vec<&[u8]> {
        let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let head = &self.bytes[..end.map_or(self.bytes.len(), |end| end + 2)];
        let field = |line: &'_ [u8]| line.iter().position(|&byte| byte == b':');
        let lines = head.split(|&byte| byte == b'\n');
        lines
            .filter_map(|line| field(line).map(|colon| (&line[..colon], &line[colon + 1..])))
            .filter(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| list::trim(value.strip_suffix(b"\r").unwrap_or(value)))
            .collect()
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[test]
fn every_deviation_is_described() {
    let all =
        STRICTER.iter().map(|deviation| deviation.what).chain(LOOSER.iter().map(|deviation| deviation.what));
    assert!(all.clone().all(|what| !what.is_empty()));
    let mut once: Vec<_> = all.collect();
    once.sort_unstable();
    assert!(once.windows(2).all(|two| two[0] != two[1]), "no difference is listed twice");
}
