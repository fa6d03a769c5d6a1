//! Sets of statuses: classes (`2xx`), statuses (`404`) and ranges (`500-503`).

use weir_core::dispatch::StatusSet;

use crate::complaint::Complaint;
use crate::node::shortened;

use super::super::kind::{Mapped, OneOrList};
use super::super::scalar::{OrNumber, Parsed};

/// One of them.
pub(in crate::file) const STATUSES: OrNumber<StatusSet> = OrNumber {
    text: Parsed {
        label: "class, status or range of statuses",
        pattern: r"^([1-5]xx|[1-5][0-9]{2}(\s*-\s*[1-5][0-9]{2})?)$",
        parse: statuses,
    },
    min: 100,
    max: 599,
};

/// One of them, or a list: the union.
pub(in crate::file) type StatusSetKind = Mapped<OneOrList<OrNumber<StatusSet>>, StatusSet>;

/// See [`StatusSetKind`].
pub(in crate::file) const STATUS_SET: StatusSetKind = Mapped(LIST, |sets| union(&sets));

/// Each of a list by itself, in its order.
pub(super) const LIST: OneOrList<OrNumber<StatusSet>> = OneOrList(STATUSES, "statuses");

fn union(sets: &[StatusSet]) -> StatusSet {
    sets.iter().fold(StatusSet::EMPTY, StatusSet::with)
}

/// # Errors
/// When the text is none of the three.
fn statuses(text: &str) -> Result<StatusSet, Complaint> {
    let no = || {
        Complaint::new(format!("`{}` is no class, status or range of statuses", shortened(text)))
            .hint("write `2xx`, `404` or `500-503`")
    };
    if let Some(class) = text.strip_suffix("xx") {
        let class = class.parse::<u16>().ok().filter(|class| (1..=5).contains(class)).ok_or_else(no)?;
        return Ok(StatusSet::EMPTY.with_class(class));
    }
    let status = |text: &str| {
        let digits = text.trim();
        let is_status = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u16>().ok().filter(|status| is_status && (100..600).contains(status))
    };
    match text.split_once('-') {
        None => status(text).map(|status| StatusSet::EMPTY.with_code(status)).ok_or_else(no),
        Some((first, last)) => match (status(first), status(last)) {
            (Some(first), Some(last)) if first <= last => Ok(StatusSet::EMPTY.with_range(first, last)),
            _ => Err(no()),
        },
    }
}
