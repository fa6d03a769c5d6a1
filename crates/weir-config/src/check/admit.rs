//! What a route admits.

use weir_core::address::{AddressRules, NetworkSet};

use crate::file::admit::AdmitFile;
use crate::model::Admit;
use crate::problem::{Problem, Problems};
use crate::source::At;

/// `admit` of a route; nothing when it is `off` or not written.
pub(super) fn admit(written: Option<At<Option<AdmitFile>>>, problems: &mut Problems) -> Admit {
    let Some(AdmitFile { allow, deny }) = written.and_then(|admit| admit.value) else {
        return Admit::default();
    };
    Admit { addresses: addresses(allow, &deny, problems) }
}

fn addresses(
    allow: Option<At<Vec<ipnet::IpNet>>>,
    deny: &[ipnet::IpNet],
    problems: &mut Problems,
) -> Option<AddressRules> {
    if allow.is_none() && deny.is_empty() {
        return None;
    }
    let deny = NetworkSet::new(deny);
    let allow = allow.map(|At { value, span }| {
        let allow = NetworkSet::new(&value);
        if allow.is_within(&deny) {
            problems.push(
                Problem::warning(span, "nobody may ask: all of `allow` is in `deny`")
                    .hint("`deny` wins; take what may ask out of it"),
            );
        }
        allow
    });
    Some(AddressRules { allow, deny })
}
