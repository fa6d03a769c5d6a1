//! `https_only`: whoever comes in the clear is sent to https, and browsers are told to come there at once.

use std::time::Duration;

use crate::model::HttpsOnly;
use crate::node::Node;
use crate::problem::Problem;

use super::decoder::Decoder;
use super::describe::Presence::{Default as Unless, Optional};
use super::describe::Shape;
use super::kind::{Either, Kind, Mapped};
use super::scalar::{Boolean, DurationIn, Integer};
use super::table::{Field, Kept, Mapping, Table};

/// How long browsers remember it: up to two years, the longest that is asked for anywhere.
struct MaxAge;

impl Kind for MaxAge {
    type Value = Duration;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<Duration> {
        let range = DurationIn { min: Duration::ZERO, max: Duration::from_secs(2 * 365 * 24 * 60 * 60) };
        let max_age = range.decode(node, decoder)?;
        if max_age.subsec_nanos() > 0 {
            // RFC 6797 §6.1.1: a number of seconds, and 0 makes browsers forget. So half a second would do the opposite.
            decoder.push(
                Problem::error(node.span, "browsers are told whole seconds")
                    .hint("write `1s` or more, or `0s` to make them forget it"),
            );
            return None;
        }
        Some(max_age)
    }

    fn shape(&self) -> Shape {
        Shape::Text { label: "duration", pattern: r"^[0-9]+(\.[0-9]+)?\s*(ms|s|m|h)$" }
    }
}

/// `true`, `false` or a mapping; `None` is `false`.
pub(crate) type HttpsOnlyKind =
    Either<Mapped<Boolean, Option<HttpsOnly>>, Mapped<Mapping<HttpsOnly>, Option<HttpsOnly>>>;

/// See [`HttpsOnlyKind`].
pub(crate) const HTTPS_ONLY_KIND: HttpsOnlyKind =
    Either(Mapped(Boolean, |on| on.then(HttpsOnly::default)), Mapped(Mapping(&HTTPS_ONLY), Some));

/// `https_only` as a mapping
pub(crate) static HTTPS_ONLY: Table<HttpsOnly> = Table {
    name: "https_only",
    doc: "Requests in the clear get 308 to https; answers over https carry `Strict-Transport-Security` (RFC 6797), so that \
          browsers come over https at once from then on.",
    fields: &[
        Field {
            name: "port",
            presence: Optional,
            value: &Kept(Integer { label: "a port", min: 1, max: 65_535 }, |file: &mut HttpsOnly, port| {
                file.port = u16::try_from(port).ok();
            }),
            doc: "The port that clients reach https at. When not written, that of the first listener with `tls`, else 443.",
        },
        Field {
            name: "max_age",
            presence: Unless("8760h"),
            value: &Kept(MaxAge, |file: &mut HttpsOnly, max_age| file.max_age = max_age),
            doc: "For how long browsers remember it, whole seconds up to `17520h`. They can't be talked out of it meanwhile, except by `0s`, \
                  which must be served over https.",
        },
        Field {
            name: "include_subdomains",
            presence: Unless("false"),
            value: &Kept(Boolean, |file: &mut HttpsOnly, on| file.include_subdomains = on),
            doc: "Whether it holds for all hosts below this one, also for those that Weir does not know.",
        },
        Field {
            name: "preload",
            presence: Unless("false"),
            value: &Kept(Boolean, |file: &mut HttpsOnly, on| file.preload = on),
            doc: "Whether browsers may have it built in. It takes months to leave their lists again.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};
