//! Messages of policy groups: what is checked stands in `checks/policy_framing.rs`.

#![no_main]

#[path = "../checks/policy_framing.rs"]
mod policy_framing;

libfuzzer_sys::fuzz_target!(|input: &[u8]| policy_framing::check(input));
