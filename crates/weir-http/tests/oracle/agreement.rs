//! Holding our reading against hyper's.
//!
//! Two users: the properties beside this file, and the fuzz targets that include it. So a disagreement is a text.

use crate::deviations::{Evidence, may_read, may_refuse};
use crate::message::Message;
use crate::ours::{End, Reading};

/// Fails, and says why, unless both read the same messages, and a difference has its place in [`crate::deviations`].
///
/// `error` is why hyper stopped; `bodiless` says that an answer has no body because of the request's method.
pub(crate) fn check(
    bytes: &[u8],
    bodiless: bool,
    ours: &Reading,
    theirs: &[Message],
    error: Option<&str>,
) -> Result<(), String> {
    let common = ours.messages.len().min(theirs.len());
    for (index, (our, their)) in ours.messages.iter().zip(theirs).enumerate() {
        if our != their {
            return fail(bytes, &format!("message {index} is read differently"), ours, theirs, error);
        }
    }
    if theirs.len() > common {
        let End::Refused(refusal) = &ours.end else {
            return fail(bytes, "hyper reads a message that is not there for us", ours, theirs, error);
        };
        if !may_refuse(refusal, &Evidence { bytes: &bytes[ours.head_at..], bodiless }) {
            return fail(bytes, "we refuse what hyper reads, and not on purpose", ours, theirs, error);
        }
    } else if ours.messages.len() > common {
        let from = common.checked_sub(1).map_or(0, |last| ours.ends[last]);
        let at = Evidence { bytes: &bytes[from..], bodiless };
        if !error.is_some_and(|error| may_read(error, &at)) {
            return fail(bytes, "we read what hyper does not", ours, theirs, error);
        }
    }
    Ok(())
}

fn fail(
    bytes: &[u8],
    what: &str,
    ours: &Reading,
    theirs: &[Message],
    error: Option<&str>,
) -> Result<(), String> {
    let bytes = bytes.escape_ascii();
    Err(format!("{what}\nbytes: {bytes}\nours: {ours:#?}\nhyper: {theirs:#?}, then {error:?}"))
}
