//! Pickles of policy groups: whatever is behind the first instructions, a pickle is plain data or refused.

use super::policy_framing;

/// Holds any bytes behind the begin of a pickle against what must be true of them.
pub(crate) fn check(input: &[u8]) {
    for begin in [&b"\x80\x02}("[..], b"\x80\x04}\x94(", b"(d"] {
        policy_framing::check(&[begin, input].concat());
    }
}
